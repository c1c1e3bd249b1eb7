import { describe, expect, it } from 'vitest';
import { note, scoreOf } from '../score/testing';
import { barsOf } from '../score/time';
import {
  NEW_FORM,
  obstacle,
  partWish,
  requestOf,
  sentence,
  suggested,
  type Form,
} from './request';

const score = scoreOf([note({ id: 1 })], {
  parts: [
    { program: 0, is_drum: false, name: 'Piano' },
    { program: 33, is_drum: false, name: '' },
  ],
  chords: [{ onset: 0, symbol: 'Am' }],
});
const subject = { score, bars: barsOf(score), region: { first: 1, end: 3 }, focus: 1 };
const ask = (values: Partial<Form>) => requestOf({ ...NEW_FORM, ...values }, subject, () => 42);

describe('a request', () => {
  it('leaves out what was not touched', () => {
    expect(ask({ wish: 'continue' })).toEqual({
      task: 'continue',
      options: { bars: '8' },
      selection: { bars: [0, 3] },
      takes: 3,
      seed: 42,
    });
  });

  it('says the bars and parts that are selected', () => {
    expect(ask({ wish: 'fill', onlyPart: true }).selection).toEqual({
      bars: [1, 3],
      parts: [1],
    });
    expect(ask({ wish: 'rewrite' }).selection).toEqual({ parts: [1] });
  });

  it('asks for a part as the engine reads it, over the chords of the lane', () => {
    expect(ask({ wish: 'add', roles: ['bass'], density: 3 }).options).toEqual({
      parts: ['bass=Electric Bass (finger):density=3'],
      chart: 'Am | Am | Am | Am',
    });
    expect(partWish('drums', '', 0)).toBe('drums');
  });

  it('passes on settings behind the fold, numbers as numbers', () => {
    const { options, seed } = ask({
      wish: 'vary',
      boldness: 1.2,
      key: 'D minor',
      seed: '7',
      more: { top_p: '0.9', metre: '3/4', rhythm: '' },
    });
    expect(options).toEqual({
      change: 30,
      temperature: 1.2,
      key: 'D minor',
      top_p: 0.9,
      metre: '3/4',
    });
    expect(seed).toBe(7);
  });
});

describe('the form', () => {
  it('offers what fits what is there', () => {
    expect(suggested(subject)).toBe('fill');
    expect(suggested({ ...subject, region: null })).toBe('continue');
    expect(suggested({ ...subject, score: scoreOf([]) })).toBe('start');
  });

  it('says what is missing and what to do', () => {
    expect(obstacle('fill', { ...subject, region: null })).toContain('drag along the ruler');
    expect(obstacle('chords', { ...subject, score: scoreOf([]) })).toContain('chord');
    expect(obstacle('fill', subject)).toBe('');
  });

  it('says what will happen in bars as people count them', () => {
    expect(sentence({ ...NEW_FORM, wish: 'fill' }, subject)).toContain('bars 2–3');
    expect(sentence({ ...NEW_FORM, wish: 'continue' }, subject)).toBe(
      'Writes 8 bars after bar 3.',
    );
  });
});
