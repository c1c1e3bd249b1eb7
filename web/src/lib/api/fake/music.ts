/** Music for the fake: a piece to begin with, and bars that a writer makes up. */

import type { NewNote } from '../../score/edit';
import { newPart, TPQ, type Note, type Part, type Score } from '../../score/types';

const BAR = 4 * TPQ;

const CHANGES: readonly [string, number[]][] = [
  ['Am7', [57, 60, 64, 67]],
  ['D7', [54, 60, 62, 69]],
  ['Gmaj7', [55, 59, 62, 66]],
  ['Cmaj7', [55, 60, 64, 71]],
  ['F#m7b5', [54, 57, 60, 64]],
  ['B7', [51, 57, 59, 63]],
  ['Em', [52, 59, 64, 67]],
  ['E7', [52, 56, 62, 64]],
];

const MELODY: readonly (readonly [number, number, number])[] = [
  [0, 12, 69],
  [12, 12, 72],
  [24, 24, 76],
  [60, 12, 74],
  [72, 36, 72],
];

/** A small generator (mulberry32), so that the fake does the same every time. */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function drums(bar: number, part: number, random: () => number): NewNote[] {
  const notes: NewNote[] = [];
  const add = (onset: number, pitch: number, velocity: number) =>
    notes.push({ onset: bar * BAR + onset, duration: 6, pitch, velocity, part });
  for (let beat = 0; beat < 4; beat++) {
    add(beat * TPQ, 51, 78 + Math.round(random() * 18));
    if (beat % 2) add(beat * TPQ + 16, 51, 58 + Math.round(random() * 14));
    if (beat % 2) add(beat * TPQ, 42, 70);
  }
  add(0, 36, 88);
  if (random() > 0.4) add(2 * TPQ + 16, 36, 66);
  if (random() > 0.5) add(3 * TPQ + 16, 38, 52 + Math.round(random() * 30));
  return notes;
}

function bass(bar: number, part: number, random: () => number): NewNote[] {
  const tones = CHANGES[bar % CHANGES.length][1];
  return [0, 1, 2, 3].map((beat) => {
    const tone = tones[beat === 0 ? 0 : Math.floor(random() * tones.length)];
    return {
      onset: bar * BAR + beat * TPQ,
      duration: TPQ - 2,
      pitch: 28 + ((tone - 28) % 12) + (beat === 2 && random() > 0.5 ? 12 : 0),
      velocity: 74 + Math.round(random() * 22),
      part,
    };
  });
}

function comping(bar: number, part: number, random: () => number): NewNote[] {
  const tones = CHANGES[bar % CHANGES.length][1];
  const onsets = random() > 0.5 ? [0, 2 * TPQ + 16] : [16, 3 * TPQ];
  return onsets.flatMap((onset) =>
    tones.map((pitch) => ({
      onset: bar * BAR + onset,
      duration: onset === 0 ? TPQ + 12 : TPQ - 4,
      pitch,
      velocity: 50 + Math.round(random() * 26),
      part,
    })),
  );
}

function melody(bar: number, part: number, random: () => number): NewNote[] {
  const tones = CHANGES[bar % CHANGES.length][1];
  return MELODY.filter(() => random() > 0.18).map(([onset, duration, pitch]) => {
    const tone = tones[Math.floor(random() * tones.length)];
    const near = pitch + ((((tone - pitch) % 12) + 18) % 12) - 6;
    const velocity = 70 + Math.round(random() * 40);
    return {
      onset: bar * BAR + onset,
      duration: Math.min(duration, BAR - onset),
      pitch: near,
      velocity,
      part,
    };
  });
}

/** Write one bar of a part as its instrument would. */
export function writeBar(
  bar: number,
  index: number,
  part: Part,
  random: () => number,
): NewNote[] {
  if (part.is_drum) return drums(bar, index, random);
  if (part.program >= 32 && part.program < 40) return bass(bar, index, random);
  if (part.program < 24) return comping(bar, index, random);
  return melody(bar, index, random);
}

export function demoScore(nBars = 8): Score {
  const parts: Part[] = [
    newPart(66, 'Tenor sax'),
    newPart(4, 'Electric piano'),
    newPart(32, 'Double bass'),
    newPart(32, 'Drums', true),
  ];
  const random = generator(7);
  const notes: Note[] = [];
  for (let bar = 0; bar < nBars; bar++) {
    parts.forEach((part, index) => {
      for (const note of writeBar(bar, index, part, random)) {
        notes.push({ ...note, id: notes.length + 1, locked: false });
      }
    });
  }
  notes.sort((a, b) => a.onset - b.onset || a.pitch - b.pitch);
  return {
    tpq: TPQ,
    n_bars: nBars,
    parts,
    notes,
    tempos: [{ onset: 0, bpm: 132 }],
    time_signatures: [{ onset: 0, numerator: 4, denominator: 4 }],
    keys: [{ onset: 0, tonic: 4, is_minor: true }],
    chords: Array.from({ length: nBars }, (_, bar) => ({
      onset: bar * BAR,
      symbol: CHANGES[bar % CHANGES.length][0],
    })),
  };
}

/** A piece of many notes, for measuring how smoothly it scrolls. */
export function manyNotes(count: number): Score {
  const score = demoScore(Math.ceil(count / 26));
  return { ...score, notes: score.notes.slice(0, count) };
}
