/** Where notes are on the canvas, and which of them can be seen. */

import { end, type Note, type Part, type Score } from '../score/types';
import { PLAIN_KIT } from '../score/names';
import { ticksShown, xOf, yOfDrum, yOfPitch, type Frame, type View } from './view';

export interface Rect {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Narrowest a note is drawn. */
const LEAST_WIDTH = 3;
/** Air between a note and the next, so that repeated notes are seen apart. */
const GAP = 1;

export function noteRect(frame: Frame, view: View, note: Note, isDrum: boolean): Rect {
  const x = xOf(frame, view, note.onset);
  const width = Math.max(LEAST_WIDTH, note.duration * view.tickWidth - GAP);
  if (isDrum) {
    const height = frame.drumRowHeight - GAP;
    // A drum is a stroke: its written length says nothing, so all are as wide as high.
    const stroke = Math.min(width, Math.max(LEAST_WIDTH + 1, height));
    return { x, y: yOfDrum(frame, note.pitch), width: stroke, height };
  }
  return { x, y: yOfPitch(frame, view, note.pitch), width, height: view.rowHeight - GAP };
}

/** The drum pieces that need a row, from top to bottom; none without a drum part. */
export function drumRowsOf(parts: readonly Part[], ...notes: (readonly Note[])[]): number[] {
  if (!parts.some((part) => part.is_drum)) return [];
  const used = new Set(PLAIN_KIT);
  for (const list of notes) {
    for (const note of list) if (parts[note.part]?.is_drum) used.add(note.pitch);
  }
  return [...used].sort((a, b) => b - a);
}

/** The first index of which something holds that holds of all after it; `count` if of none. */
function firstWhere(count: number, holds: (index: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Notes by onset with the latest end so far, so that what is seen is found quickly. */
export class NoteIndex {
  readonly notes: readonly Note[];
  private readonly latestEnds: Float64Array;

  constructor(notes: readonly Note[]) {
    this.notes = notes;
    this.latestEnds = new Float64Array(notes.length);
    let latest = 0;
    notes.forEach((note, index) => {
      latest = Math.max(latest, end(note));
      this.latestEnds[index] = latest;
    });
  }

  /** Indexes from which to which notes may sound within ticks [from, to). */
  private span(from: number, to: number): [number, number] {
    const { notes, latestEnds } = this;
    const first = firstWhere(notes.length, (index) => latestEnds[index] > from);
    const last = firstWhere(notes.length, (index) => notes[index].onset >= to);
    return [first, last];
  }

  /** The notes that sound within ticks [from, to), in playing order. */
  between(from: number, to: number): Note[] {
    const [first, last] = this.span(from, to);
    const found: Note[] = [];
    for (let i = first; i < last; i++) if (end(this.notes[i]) > from) found.push(this.notes[i]);
    return found;
  }
}

export function notesShown(index: NoteIndex, frame: Frame, view: View): Note[] {
  return index.between(...ticksShown(frame, view));
}

/** The first and last pitch of the parts that have pitches; two octaves from C3 if none. */
export function pitchesOf(score: Score): [number, number] {
  let low = 127;
  let high = 0;
  for (const note of score.notes) {
    if (score.parts[note.part].is_drum) continue;
    low = Math.min(low, note.pitch);
    high = Math.max(high, note.pitch);
  }
  return low > high ? [48, 72] : [low, high];
}
