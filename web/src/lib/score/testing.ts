/** Scores for tests. */

import { emptyScore, type Note, type Score } from './types';

export function note(values: Partial<Note> & { id: number }): Note {
  return { onset: 0, duration: 24, pitch: 60, velocity: 80, part: 0, locked: false, ...values };
}

export function scoreOf(notes: readonly Note[], values: Partial<Score> = {}): Score {
  return { ...emptyScore(4), notes: [...notes], ...values };
}
