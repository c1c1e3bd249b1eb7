/** What is under a point of the canvas. */

import { chordSpans } from './chords';
import type { Bar } from '../score/time';
import type { Note, Score } from '../score/types';
import { noteRect, type NoteIndex, type Rect } from './notes';
import { drumAt, pitchAt, tickAt, within, xOf, type Frame, type View } from './view';

export interface Point {
  x: number;
  y: number;
}

export type Hit =
  | { kind: 'ruler'; tick: number }
  | { kind: 'chords'; tick: number; chord: number | null }
  | { kind: 'velocities'; tick: number }
  | { kind: 'key'; pitch: number; isDrum: boolean }
  | { kind: 'note'; note: Note; edge: 'body' | 'end' }
  | { kind: 'empty'; tick: number; pitch: number; isDrum: boolean };

/** How near its end a note is stretched rather than moved. */
const END_WIDTH = 7;
/** Never more than this share of a note is its end. */
const END_SHARE = 0.35;

const inside = (rect: Rect, { x, y }: Point, slack: number): boolean =>
  x >= rect.x - slack &&
  x < rect.x + rect.width + slack &&
  y >= rect.y - slack / 2 &&
  y < rect.y + rect.height + slack / 2;

export interface Scene {
  frame: Frame;
  view: View;
  score: Score;
  index: NoteIndex;
  /** Notes of this part are found before those of others. */
  focus: number;
}

/** The topmost note at a point; `slack` widens notes for fingers. */
export function noteAt(scene: Scene, point: Point, slack = 0): Note | null {
  const { frame, view, score, index, focus } = scene;
  const from = tickAt(frame, view, point.x - slack - 4);
  const to = tickAt(frame, view, point.x + slack + 1);
  const hits = index.between(from, to).filter((note) => {
    const isDrum = score.parts[note.part].is_drum;
    if (isDrum !== within(frame.drums, point.y)) return false;
    return inside(noteRect(frame, view, note, isDrum), point, slack);
  });
  return hits.findLast((note) => note.part === focus) ?? hits.at(-1) ?? null;
}

export function hit(scene: Scene, point: Point, bars: readonly Bar[], slack = 0): Hit {
  const { frame, view, score } = scene;
  const tick = Math.max(0, tickAt(frame, view, point.x));
  const isDrum = within(frame.drums, point.y);
  if (within(frame.ruler, point.y)) return { kind: 'ruler', tick };
  if (within(frame.chords, point.y)) {
    const spans = chordSpans(score, bars);
    const chord = spans.findIndex((span) => tick >= span.from && tick < span.to);
    return { kind: 'chords', tick, chord: chord < 0 ? null : chord };
  }
  if (within(frame.velocities, point.y)) return { kind: 'velocities', tick };
  const pitch = isDrum ? drumAt(frame, point.y) : pitchAt(frame, view, point.y);
  if (point.x < frame.left) return { kind: 'key', pitch, isDrum };
  const note = noteAt(scene, point, slack);
  if (!note) return { kind: 'empty', tick, pitch, isDrum };
  const rect = noteRect(frame, view, note, isDrum);
  const endWidth = Math.min(END_WIDTH + slack, rect.width * END_SHARE);
  const atEnd = !isDrum && point.x > rect.x + rect.width - endWidth;
  return { kind: 'note', note, edge: atEnd ? 'end' : 'body' };
}

/** Notes whose stem in the velocity lane is at most `reach` pixels from a point. */
export function stemsAt(scene: Scene, x: number, reach: number): Note[] {
  const { frame, view, index, focus } = scene;
  const near = index.between(tickAt(frame, view, x - reach), tickAt(frame, view, x + reach));
  return near.filter(
    (note) => note.part === focus && Math.abs(xOf(frame, view, note.onset) - x) <= reach,
  );
}
