/** A score as it travels between page and server: times in ticks, 24 to a quarter note. */

import type { Note, Part, Score } from '../api/schema';

export type { Chord, Key, Note, Part, Score, Tempo, TimeSignature } from '../api/schema';

export const TPQ = 24;
export const MAX_PITCH = 127;
export const MAX_VELOCITY = 127;
export const DEFAULT_VELOCITY = 80;
export const DEFAULT_BPM = 120;
/** As MIDI counts them; a pan of 64 is the middle. */
export const USUAL_VOLUME = 100;
export const USUAL_PAN = 64;

export const end = (note: Note): number => note.onset + note.duration;

export function newPart(program: number, name: string, isDrum = false): Part {
  return { program, is_drum: isDrum, name, volume: USUAL_VOLUME, pan: USUAL_PAN };
}

export function emptyScore(nBars = 8): Score {
  return {
    tpq: TPQ,
    n_bars: nBars,
    parts: [newPart(0, 'Piano')],
    notes: [],
    tempos: [{ onset: 0, bpm: DEFAULT_BPM }],
    time_signatures: [{ onset: 0, numerator: 4, denominator: 4 }],
    keys: [],
    chords: [],
  };
}
