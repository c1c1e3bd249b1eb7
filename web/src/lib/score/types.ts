/** A score as it travels between page and server: times in ticks, 24 to a quarter note. */

export const TPQ = 24;
export const MAX_PITCH = 127;
export const MAX_VELOCITY = 127;
export const DEFAULT_VELOCITY = 80;
export const DEFAULT_BPM = 120;

export interface Note {
  /** Unique in a score, and the same over edits. */
  id: number;
  onset: number;
  duration: number;
  pitch: number;
  velocity: number;
  /** Index into `Score.parts`. */
  part: number;
  locked: boolean;
}

export interface Part {
  program: number;
  is_drum: boolean;
  name: string;
}

export interface Tempo {
  onset: number;
  /** Quarter notes per minute. */
  bpm: number;
}

export interface TimeSignature {
  onset: number;
  numerator: number;
  denominator: number;
}

export interface Key {
  onset: number;
  tonic: number;
  is_minor: boolean;
}

export interface Chord {
  onset: number;
  /** Everyday symbol, such as `Am7`; `N.C.` is silence. */
  symbol: string;
}

export interface Score {
  tpq: number;
  n_bars: number;
  parts: Part[];
  notes: Note[];
  tempos: Tempo[];
  time_signatures: TimeSignature[];
  keys: Key[];
  chords: Chord[];
}

export const end = (note: Note): number => note.onset + note.duration;

export function emptyScore(nBars = 8): Score {
  return {
    tpq: TPQ,
    n_bars: nBars,
    parts: [{ program: 0, is_drum: false, name: 'Piano' }],
    notes: [],
    tempos: [{ onset: 0, bpm: DEFAULT_BPM }],
    time_signatures: [{ onset: 0, numerator: 4, denominator: 4 }],
    keys: [],
    chords: [],
  };
}
