import { describe, expect, it } from 'vitest';
import { note, scoreOf } from '../score/testing';
import { barsOf } from '../score/time';
import { newPart } from '../score/types';
import { channelsOf } from './engine';
import { Playing, type Loop } from './schedule';

const BEAT_S = 0.5;
const score = scoreOf(
  Array.from({ length: 16 }, (_, index) =>
    note({ id: index, onset: index * 24, duration: 12 }),
  ),
);

function playing(begin = 0, loop: Loop | null = null) {
  return new Playing(score, barsOf(score), begin, loop);
}

/** Play in small steps, as the transport does. */
function played(what: Playing, until: number, step = 0.0371, clicks = false) {
  const strokes = [];
  for (let at = 0; at < until; at += step) {
    strokes.push(...what.strokes(at, Math.min(until, at + step), clicks));
  }
  return strokes;
}

describe('playing', () => {
  it('sounds every note once and in time, however it is cut', () => {
    const strokes = played(playing(), 8);
    expect(strokes.map(({ note: n }) => n?.id)).toEqual(score.notes.map((n) => n.id));
    strokes.forEach(({ at }, index) => expect(at).toBeCloseTo(index * BEAT_S));
    expect(strokes[0].length).toBeCloseTo(0.25);
  });

  it('goes round a loop without leaving out or doubling its first note', () => {
    const loop = { from: 48, to: 144 };
    const strokes = played(playing(48, loop), 6 - 1e-6);
    expect(strokes.map(({ note: n }) => n?.id)).toEqual([2, 3, 4, 5, 2, 3, 4, 5, 2, 3, 4, 5]);
    strokes.forEach(({ at }, index) => expect(at).toBeCloseTo(index * BEAT_S));
  });

  it('enters a loop from before it', () => {
    const strokes = played(playing(0, { from: 48, to: 96 }), 3 - 1e-6);
    expect(strokes.map(({ note: n }) => n?.id)).toEqual([0, 1, 2, 3, 2, 3]);
  });

  it('ends notes that ring over the end of a loop', () => {
    const long = scoreOf([note({ id: 1, onset: 72, duration: 96 })]);
    const strokes = new Playing(long, barsOf(long), 0, { from: 0, to: 96 }).strokes(
      0,
      2,
      false,
    );
    expect(strokes[0].length).toBeCloseTo(BEAT_S);
  });

  it('takes up a long note in its middle, but no drum', () => {
    const notes = [
      note({ id: 1, onset: 0, duration: 96 }),
      note({ id: 2, onset: 0, duration: 96, pitch: 36, part: 1 }),
    ];
    const parts = [newPart(0, ''), newPart(0, '', true)];
    const held = scoreOf(notes, { parts });
    const strokes = new Playing(held, barsOf(held), 48, null).strokes(0, 0.1, false);
    expect(strokes.map(({ note: n, length }) => [n?.id, length])).toEqual([[1, 1]]);
  });

  it('clicks every beat, stronger on the first', () => {
    const clicks = played(playing(), 2, 0.0371, true).filter(({ click }) => click);
    expect(clicks.map(({ click }) => click)).toEqual([2, 1, 1, 1]);
  });

  it('tells where it is, and when it is over', () => {
    expect(playing(24).tickAfter(1)).toBeCloseTo(72);
    expect(playing(48, { from: 48, to: 96 }).tickAfter(1.25)).toBeCloseTo(60);
    expect(playing().isOver(7.9)).toBe(false);
    expect(playing().isOver(8)).toBe(true);
    expect(playing(0, { from: 0, to: 96 }).isOver(100)).toBe(false);
  });
});

describe('channels', () => {
  it('give drums theirs and no pitched part that one', () => {
    const parts = Array.from({ length: 12 }, (_, index) => ({ is_drum: index === 2 }));
    const channels = channelsOf(parts);
    expect(channels[2]).toBe(9);
    expect(channels.filter((channel) => channel === 9)).toHaveLength(1);
    expect(new Set(channels).size).toBe(12);
  });

  it('are enough for an orchestra, each part its own', () => {
    const parts = Array.from({ length: 40 }, (_, index) => ({ is_drum: index % 20 === 7 }));
    const channels = channelsOf(parts);
    expect(new Set(channels).size).toBe(40);
    const drums = channels.filter((_, index) => parts[index].is_drum);
    expect(drums).toEqual([9, 25]);
    expect(channels.filter((channel) => channel % 16 === 9)).toHaveLength(2);
  });
});
