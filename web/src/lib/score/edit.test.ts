import { describe, expect, it } from 'vitest';
import {
  addNotes,
  addPart,
  changePart,
  copyNotes,
  deleteNotes,
  moveNotes,
  moveToPart,
  nudgeVelocity,
  pasteNotes,
  quantise,
  removePart,
  setChord,
  setMetre,
  setTempo,
  setVelocity,
  stretchNotes,
  toggleLocked,
} from './edit';
import { note, scoreOf } from './testing';
import { DEFAULT_BPM, newPart } from './types';

const three = scoreOf([
  note({ id: 1, onset: 0, pitch: 60 }),
  note({ id: 2, onset: 24, pitch: 64 }),
  note({ id: 5, onset: 48, pitch: 67, locked: true }),
]);
const all = new Set([1, 2, 5]);

describe('every edit', () => {
  it('leaves the score it is given as it was', () => {
    const before = JSON.stringify(three);
    moveNotes(three, all, 10, 1);
    deleteNotes(three, all);
    setVelocity(three, all, 3);
    addNotes(three, [{ onset: 0, duration: 1, pitch: 1, velocity: 1, part: 0 }]);
    removePart(three, 0);
    expect(JSON.stringify(three)).toBe(before);
  });

  it('shares the notes that did not change', () => {
    expect(moveNotes(three, new Set([1]), 96, 0).notes).toContain(three.notes[1]);
  });

  it('gives the same score back if there is nothing to do', () => {
    expect(moveNotes(three, all, 0, 0)).toBe(three);
    expect(deleteNotes(three, new Set([9]))).toBe(three);
    expect(stretchNotes(three, all, 0)).toBe(three);
  });
});

describe('drawing', () => {
  it('gives new notes ids that no note had, and keeps playing order', () => {
    const { score, ids } = addNotes(three, [
      { onset: 12, duration: 6, pitch: 72, velocity: 90, part: 0 },
    ]);
    expect(ids).toEqual([6]);
    expect(score.notes.map((n) => n.id)).toEqual([1, 6, 2, 5]);
  });

  it('makes the piece longer where it must', () => {
    const { score } = addNotes(three, [
      { onset: 96 * 6, duration: 96, pitch: 60, velocity: 80, part: 0 },
    ]);
    expect(score.n_bars).toBe(7);
  });

  it('keeps values in range', () => {
    const { score } = addNotes(scoreOf([]), [
      { onset: -5, duration: 0, pitch: 140, velocity: 400, part: 0 },
    ]);
    expect(score.notes[0]).toMatchObject({ onset: 0, duration: 1, pitch: 127, velocity: 127 });
  });
});

describe('moving', () => {
  it('takes notes together and stops at the beginning and the top', () => {
    const moved = moveNotes(three, new Set([1, 2]), -50, 100);
    expect(moved.notes.map((n) => [n.id, n.onset, n.pitch])).toEqual([
      [1, 0, 123],
      [2, 24, 127],
      [5, 48, 67],
    ]);
  });

  it('never moves, stretches, changes or deletes a locked note', () => {
    for (const edited of [
      moveNotes(three, all, 24, 2),
      stretchNotes(three, all, 24),
      setVelocity(three, all, 20),
      nudgeVelocity(three, all, 20),
      deleteNotes(three, all),
      moveToPart(three, all, 1),
    ]) {
      expect(edited.notes.find((n) => n.id === 5)).toBe(three.notes[2]);
    }
  });
});

describe('the others', () => {
  it('stretch to no less than is allowed', () => {
    const stretched = stretchNotes(three, new Set([1]), -100, 6);
    expect(stretched.notes[0].duration).toBe(6);
  });

  it('lock what is free, and unlock what is all locked', () => {
    const locked = toggleLocked(three, all);
    expect(locked.notes.every((n) => n.locked)).toBe(true);
    expect(toggleLocked(locked, all).notes.some((n) => n.locked)).toBe(false);
  });

  it('quantise from the bar line, also after a short bar', () => {
    const time_signatures = [
      { onset: 0, numerator: 4, denominator: 4 },
      { onset: 20, numerator: 4, denominator: 4 + 4 },
    ];
    const score = scoreOf([note({ id: 1, onset: 34 })], { time_signatures });
    expect(quantise(score, new Set([1]), 12).notes[0].onset).toBe(32);
  });

  it('copy and paste keep distances', () => {
    const clip = copyNotes(three, new Set([2, 5]));
    const { score, ids } = pasteNotes(three, clip, 200);
    const pasted = score.notes.filter((n) => ids.includes(n.id));
    expect(pasted.map((n) => [n.onset, n.pitch, n.locked])).toEqual([
      [200, 64, false],
      [224, 67, false],
    ]);
  });

  it('take a part away with its notes, and the later ones move up', () => {
    const two = addPart(three, newPart(32, 'Bass'));
    const filled = addNotes(two, [{ onset: 0, duration: 9, pitch: 40, velocity: 80, part: 1 }]);
    const one = removePart(filled.score, 0);
    expect(one.parts.map((part) => part.name)).toEqual(['Bass']);
    expect(one.notes.map((n) => [n.pitch, n.part])).toEqual([[40, 0]]);
    expect(changePart(one, 0, { program: 33 }).parts[0].program).toBe(33);
  });

  it('write chords in order; an empty one goes away', () => {
    const two = setChord(setChord(three, 96, 'F'), 0, ' Am ');
    expect(two.chords).toEqual([
      { onset: 0, symbol: 'Am' },
      { onset: 96, symbol: 'F' },
    ]);
    expect(setChord(two, 0, '').chords).toHaveLength(1);
  });

  it('set the tempo that holds at a place and keep the others', () => {
    const later = scoreOf([], { tempos: [{ onset: 96, bpm: 90 }] });
    expect(setTempo(later, 140, 95).tempos).toEqual([
      { onset: 0, bpm: 140 },
      { onset: 96, bpm: 90 },
    ]);
    expect(setTempo(later, 140, 500).tempos).toEqual([
      { onset: 0, bpm: DEFAULT_BPM },
      { onset: 96, bpm: 140 },
    ]);
  });

  it('set the metre that holds at a place, where it is written once more as well', () => {
    const four = { numerator: 4, denominator: 4 };
    const three = { numerator: 3, denominator: 4 };
    const time_signatures = [0, 96, 192].map((onset) => ({
      onset,
      ...(onset < 192 ? four : three),
    }));
    const score = scoreOf([], { time_signatures });
    const six = { numerator: 6, denominator: 8 };
    expect(setMetre(score, six, 100).time_signatures).toEqual([
      { onset: 0, ...six },
      { onset: 192, ...three },
    ]);
    expect(setMetre(score, six, 192).time_signatures).toEqual([
      { onset: 0, ...four },
      { onset: 192, ...six },
    ]);
  });
});
