/** What is selected: notes, and bars. */

import { barAt, barOnset, type Bar } from './time';
import { end, type Note, type Score } from './types';

/** Bars from `first` up to, not including, `end`; both counted from 0. */
export interface BarRange {
  first: number;
  end: number;
}

/** The whole bars that two ticks lie in, in either order. */
export function barRange(bars: readonly Bar[], a: number, b: number): BarRange {
  const from = barAt(bars, Math.max(0, Math.min(a, b))).index;
  const to = barAt(bars, Math.max(0, Math.max(a, b))).index;
  return { first: from, end: to + 1 };
}

export function rangeTicks(bars: readonly Bar[], range: BarRange): [number, number] {
  return [barOnset(bars, range.first), barOnset(bars, range.end)];
}

/** Move one edge of a range by whole bars; at least one bar stays. */
export function extendRange(range: BarRange, by: number): BarRange {
  return { first: range.first, end: Math.max(range.first + 1, range.end + by) };
}

/** The bars that notes begin in, or null for none. */
export function barsOfNotes(bars: readonly Bar[], notes: readonly Note[]): BarRange | null {
  if (!notes.length) return null;
  const onsets = notes.map((note) => note.onset);
  return barRange(bars, Math.min(...onsets), Math.max(...onsets));
}

/** Ids of the notes that begin in a range of bars, in all parts or in some. */
export function notesInBars(
  score: Score,
  bars: readonly Bar[],
  range: BarRange,
  parts?: ReadonlySet<number>,
): Set<number> {
  const [from, to] = rangeTicks(bars, range);
  return new Set(
    score.notes
      .filter((note) => note.onset >= from && note.onset < to)
      .filter((note) => !parts || parts.has(note.part))
      .map((note) => note.id),
  );
}

export function notesInBox(
  notes: readonly Note[],
  box: { from: number; to: number; has: (note: Note) => boolean },
): Set<number> {
  return new Set(
    notes
      .filter((note) => end(note) > box.from && note.onset < box.to && box.has(note))
      .map((note) => note.id),
  );
}

export function toggled(ids: ReadonlySet<number>, id: number): Set<number> {
  const next = new Set(ids);
  if (!next.delete(id)) next.add(id);
  return next;
}

/** Say bars as people count them. */
export const sayBars = ({ first, end: last }: BarRange): string =>
  last - first === 1 ? `bar ${last}` : `bars ${first + 1}–${last}`;
