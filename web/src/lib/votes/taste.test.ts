import { describe, expect, it } from 'vitest';
import type { TakeInfo, TasteProgress } from '../api/types';
import { bestFirst, likeliest, tasteWords } from './taste';

const progress: TasteProgress = {
  decided: 31,
  wanted: 50,
  heard: null,
  learned: null,
  message: '',
};
const learned = { votes: 120, rate: 0.68, low: 0.61, high: 0.754 };
const take = (id: string, liking: number | null) => ({ id, liking }) as TakeInfo;
const ids = (takes: TakeInfo[]) => takes.map(({ id }) => id).join('');

describe('what is said of a taste', () => {
  it('counts votes until there are enough', () => {
    const { said, done, button } = tasteWords(progress);
    expect(said).toContain('31 of 50');
    expect([done, button]).toEqual([0.62, null]);
    expect(tasteWords({ ...progress, decided: 50 }).button).toBe('Learn from these votes');
  });

  it('tells how far the listening is', () => {
    const words = tasteWords({ ...progress, decided: 60, heard: 15, learned });
    expect(words).toEqual({ said: 'Listening to vote 16 of 60', done: 0.25, button: null });
  });

  it('says how often it is right, and how sure that is', () => {
    const { said } = tasteWords({ ...progress, decided: 130, learned });
    expect(said).toContain('Learned from 120 votes: right in 68 % (61–75 %)');
  });

  it('passes on why nothing was learned', () => {
    const message = 'the votes cannot be foretold yet';
    const { said, button } = tasteWords({ ...progress, decided: 60, message });
    expect(said).toBe('The votes cannot be foretold yet.');
    expect(button).toBe('Learn from these votes');
  });
});

describe('takes by how much they are liked', () => {
  it('come best first, those of which nothing is known last', () => {
    expect(ids(bestFirst([take('a', null), take('b', -2), take('c', 0.5)]))).toBe('cba');
  });

  it('stay as they came where nothing is known', () => {
    expect(ids(bestFirst([take('b', null), take('a', null), take('c', null)]))).toBe('bac');
  });

  it('are marked only where there is a choice', () => {
    expect(likeliest([take('a', 0), take('b', 3)])).toBe('b');
    expect(likeliest([take('a', 1), take('b', null)])).toBeNull();
  });
});
