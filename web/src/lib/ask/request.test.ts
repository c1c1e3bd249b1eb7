import { describe, expect, it } from 'vitest';
import { note, scoreOf } from '../score/testing';
import { barsOf } from '../score/time';
import { newPart } from '../score/types';
import {
  continuesAt,
  firstEdit,
  loopLength,
  NEW_FORM,
  obstacle,
  partWish,
  requestOf,
  sentence,
  suggested,
  type Form,
  type Subject,
} from './request';

const BAR = 96;
const subjectOf = (values: Partial<Subject> = {}, nBars = 8): Subject => {
  const score =
    values.score ??
    scoreOf([note({ id: 1 }), note({ id: 2, onset: 3 * BAR })], {
      n_bars: nBars,
      parts: [newPart(0, 'Piano'), newPart(33, '')],
      chords: [{ onset: 0, symbol: 'Am' }],
    });
  return { score, bars: barsOf(score), region: null, focus: 1, place: 0, ...values };
};
const piece = subjectOf();
const selected = subjectOf({ region: { first: 1, end: 3 } });
const empty = subjectOf({ score: scoreOf([]), focus: 0 });
const lane = subjectOf({
  score: scoreOf([], { chords: [{ onset: BAR, symbol: 'F' }] }),
  focus: 0,
});
const ask = (values: Partial<Form>, subject = selected) =>
  requestOf({ ...NEW_FORM, ...values }, subject, () => 42);
const say = (values: Partial<Form>, subject = selected) =>
  sentence({ ...NEW_FORM, ...values }, subject);

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
    const bars = [1, 3];
    expect(ask({ wish: 'fill' }).selection).toEqual({ bars });
    expect(ask({ wish: 'fill', onlyPart: true }).selection).toEqual({ bars, parts: [1] });
    expect(ask({ wish: 'rewrite' }).selection).toEqual({ bars, parts: [1] });
    expect(ask({ wish: 'rewrite' }, piece).selection).toEqual({ parts: [1] });
  });

  it('asks for a part as the engine reads it, over the chords of the lane', () => {
    expect(ask({ wish: 'add', density: 3 }, piece).options).toEqual({
      parts: ['bass=Electric Bass (finger):density=3'],
      chart: 'Am | Am | Am | Am | Am | Am | Am | Am',
    });
    expect(partWish('drums', '', '')).toBe('drums');
  });

  it('adds a part in some bars by filling one that is put there first', () => {
    const form = { ...NEW_FORM, wish: 'add' as const, part: { range: 'E1-G3' } };
    const edit = firstEdit(form, selected);
    expect(edit?.score.parts.map(({ program }) => program)).toEqual([0, 33, 33]);
    const after = { ...selected, score: edit?.score ?? selected.score };
    expect(requestOf(form, after, () => 1)).toMatchObject({
      task: 'infill',
      options: { parts: ['3:polyphony=1,range=E1-G3'] },
      selection: { bars: [1, 3], parts: [2] },
    });
  });

  it('says what is wished of a part that is there with its number', () => {
    const wishes = { density: 2, part: { polyphony: '2-4', octave: ' ' } };
    expect(ask({ wish: 'rewrite', ...wishes }).options.parts).toEqual([
      '2:density=2,polyphony=2-4',
    ]);
    expect(ask({ wish: 'fill', ...wishes }).options.parts).toBeUndefined();
  });

  it('passes on settings behind the fold, numbers as numbers', () => {
    const { options, seed } = ask({
      wish: 'vary',
      boldness: 1.2,
      tonic: 'D',
      scale: 'dorian',
      seed: '7',
      more: { top_p: '0.9', novelty: '−1', metre: '3/4', rhythm: '' },
    });
    expect(options).toEqual({
      change: 30,
      temperature: 1.2,
      key: 'D dorian',
      top_p: 0.9,
      novelty: -1,
      metre: '3/4',
    });
    expect(seed).toBe(7);
  });
});

describe('going on', () => {
  it('begins behind the last bar that notes take up, or that is selected', () => {
    expect(continuesAt('auto', piece)).toBe(4);
    expect(continuesAt('auto', selected)).toBe(3);
    expect(continuesAt('end', selected)).toBe(4);
    expect(continuesAt('auto', subjectOf({ region: { first: 5, end: 7 } }))).toBe(5);
  });

  it('lets what rings out ring, but not a note that is just let go late', () => {
    const ringing = (duration: number) =>
      continuesAt('auto', subjectOf({ score: scoreOf([note({ id: 1, duration })]) }));
    expect(ringing(BAR)).toBe(1);
    expect(ringing(BAR + 20)).toBe(1);
    expect(ringing(2 * BAR)).toBe(2);
  });

  it('begins at the playhead, or the bar line behind it', () => {
    expect(continuesAt('playhead', subjectOf({ place: BAR }))).toBe(1);
    expect(continuesAt('playhead', subjectOf({ place: BAR + 1 }))).toBe(2);
    expect(obstacle('continue', piece, 'playhead')).toContain('before bar 1');
  });

  it('counts bars through pick-ups and changes of metre', () => {
    const time_signatures = [
      { onset: 0, numerator: 4, denominator: 4 },
      { onset: 24, numerator: 3, denominator: 4 },
    ];
    const notes = [note({ id: 1 }), note({ id: 2, onset: 96, duration: 72 })];
    const score = scoreOf(notes, { time_signatures, n_bars: 1 });
    expect(continuesAt('auto', subjectOf({ score }))).toBe(3);
  });

  it('says where, and what gives way', () => {
    expect(say({ wish: 'continue' }, piece)).toBe('Writes 8 bars from bar 5 on.');
    expect(say({ wish: 'continue' })).toBe(
      'Writes 8 bars from bar 4 on. What stands there gives way.',
    );
  });
});

describe('a loop', () => {
  it('is as long as what is selected, or as the music fills 1, 2, 4 … bars', () => {
    expect(loopLength(selected)).toBe(2);
    expect(loopLength(piece)).toBe(4);
    const three = [note({ id: 1, onset: 2 * BAR })];
    expect(loopLength(subjectOf({ score: scoreOf(three, { n_bars: 8 }) }))).toBe(4);
    expect(loopLength(subjectOf({ score: scoreOf(three, { n_bars: 3 }) }))).toBe(3);
  });

  it('is built part by part, and what is there stays', () => {
    expect(ask({ wish: 'loop', role: 'drums' }, piece)).toMatchObject({
      task: 'loop',
      options: { bars: '4', parts: ['drums'] },
    });
    expect(say({ wish: 'loop', role: 'drums' }, piece)).toBe(
      'Adds drums to the loop of 4 bars; what is there stays.',
    );
  });

  it('is written anew or grows only if that is said', () => {
    expect(ask({ wish: 'loop', loop: 'anew', onlyPart: true }, piece)).toMatchObject({
      options: { bars: '4' },
      selection: { parts: [1] },
    });
    expect(ask({ wish: 'loop', loop: 'grow', bars: 4 }, piece).options).toEqual({
      bars: '4',
      extend: 4,
      change: 30,
    });
  });

  it('of some bars begins with these alone', () => {
    const edit = firstEdit({ ...NEW_FORM, wish: 'loop' }, selected);
    expect(edit?.label).toBe('Keep bars 2–3');
    expect(edit?.score.n_bars).toBe(2);
    expect(firstEdit({ ...NEW_FORM, wish: 'loop' }, piece)).toBeNull();
  });
});

describe('chords of the lane', () => {
  it('are followed in place where there are notes', () => {
    expect(ask({ wish: 'chords' })).toMatchObject({
      task: 'infill',
      selection: { bars: [1, 3] },
    });
  });

  it('are the chart of something new where there are none', () => {
    expect(ask({ wish: 'chords', roles: ['pad'] }, lane)).toMatchObject({
      task: 'compose',
      options: { bars: '8', chart: 'N.C. | F', parts: ['pad=Pad 2 (warm)'] },
    });
  });
});

describe('the form', () => {
  it('offers what fits what is there', () => {
    expect(suggested(selected)).toBe('fill');
    expect(suggested(piece)).toBe('continue');
    expect(suggested(empty)).toBe('start');
    expect(suggested(subjectOf({ region: { first: 5, end: 6 } }))).toBe('continue');
  });

  it('says what is missing and what to do', () => {
    expect(obstacle('fill', piece)).toContain('drag along the ruler');
    expect(obstacle('chords', empty)).toContain('chord');
    expect(obstacle('fill', subjectOf({ region: { first: 5, end: 6 } }))).toContain('Continue');
    expect(obstacle('fill', selected)).toBe('');
  });

  it('says what will happen in bars as people count them', () => {
    expect(say({ wish: 'fill' })).toContain('in bars 2–3');
    expect(say({ wish: 'start', roles: ['bass', 'drums'] }, empty)).toBe(
      'Writes 8 bars for bass, drums.',
    );
  });
});
