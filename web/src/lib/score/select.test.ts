import { describe, expect, it } from 'vitest';
import { barRange, barsOfNotes, extendRange, notesInBars, sayBars, toggled } from './select';
import { note, scoreOf } from './testing';
import { barsOf } from './time';

const score = scoreOf([
  note({ id: 1, onset: 0 }),
  note({ id: 2, onset: 96, part: 1 }),
  note({ id: 3, onset: 100 }),
  note({ id: 4, onset: 192 }),
]);
const bars = barsOf(score);

describe('bars', () => {
  it('are taken whole, whichever way one drags', () => {
    expect(barRange(bars, 200, 100)).toEqual({ first: 1, end: 3 });
    expect(barRange(bars, -20, 5)).toEqual({ first: 0, end: 1 });
  });

  it('are extended by whole bars and never vanish', () => {
    expect(extendRange({ first: 1, end: 2 }, 1)).toEqual({ first: 1, end: 3 });
    expect(extendRange({ first: 1, end: 2 }, -5)).toEqual({ first: 1, end: 2 });
  });

  it('are said as people count them', () => {
    expect(sayBars({ first: 4, end: 8 })).toBe('bars 5–8');
    expect(sayBars({ first: 4, end: 5 })).toBe('bar 5');
  });
});

describe('notes', () => {
  it('in bars are those that begin there, in the parts asked for', () => {
    expect([...notesInBars(score, bars, { first: 1, end: 2 })]).toEqual([2, 3]);
    expect([...notesInBars(score, bars, { first: 1, end: 2 }, new Set([1]))]).toEqual([2]);
  });

  it('tell their bars', () => {
    expect(barsOfNotes(bars, score.notes.slice(1))).toEqual({ first: 1, end: 3 });
    expect(barsOfNotes(bars, [])).toBeNull();
  });

  it('are added to and taken from a selection', () => {
    expect([...toggled(new Set([1]), 2)]).toEqual([1, 2]);
    expect([...toggled(new Set([1, 2]), 2)]).toEqual([1]);
  });
});
