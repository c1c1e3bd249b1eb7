/** A piece as a small picture: pitches above, drums as strokes along the bottom. */

import { end, type Score } from '../score/types';
import type { Bar } from '../score/time';
import type { Palette } from './palette';

export interface ThumbScene {
  score: Score;
  bars: readonly Bar[];
  from: number;
  to: number;
  width: number;
  height: number;
  palette: Palette;
  colours: readonly string[];
  /** Notes before this tick step back: they were there before. */
  newFrom?: number;
}

const MARGIN = 6;
/** Drums get this share of the height. */
const DRUM_SHARE = 0.15;
const LEAST_SPAN = 12;

export function paintThumb(canvas: HTMLCanvasElement, scene: ThumbScene): void {
  const { score, width, height, from, to, palette, newFrom = from } = scene;
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext('2d') as CanvasRenderingContext2D;
  context.scale(ratio, ratio);
  const x = (tick: number) => ((tick - from) / (to - from)) * width;
  const notes = score.notes.filter((note) => end(note) > from && note.onset < to);
  const isDrum = (part: number) => score.parts[part].is_drum;
  const pitches = notes.filter((note) => !isDrum(note.part)).map((note) => note.pitch);
  const low = Math.min(...pitches, 127);
  const high = Math.max(...pitches, 0);
  const strokes = notes.filter((note) => isDrum(note.part)).map((note) => note.pitch);
  const pieces = [...new Set(strokes)].sort((a, b) => b - a);
  const drumRoom = pieces.length ? height * DRUM_SHARE : 0;
  const drumTop = height - MARGIN - drumRoom;
  const row = (height - 2 * MARGIN - drumRoom) / Math.max(LEAST_SPAN, high - low + 1);
  context.fillStyle = palette.sidemanWash;
  if (newFrom > from) context.fillRect(x(newFrom), 0, width, height);
  context.fillStyle = palette.beat;
  for (const bar of scene.bars) {
    if (bar.onset > from && bar.onset < to) context.fillRect(x(bar.onset), 0, 1, height);
  }
  for (const note of notes) {
    context.globalAlpha = note.onset < newFrom ? 0.4 : 0.95;
    context.fillStyle = scene.colours[note.part];
    const wide = Math.max(1.5, x(end(note)) - x(note.onset) - 0.5);
    if (isDrum(note.part)) {
      const step = drumRoom / pieces.length;
      const y = drumTop + pieces.indexOf(note.pitch) * step;
      context.fillRect(
        x(note.onset),
        y,
        Math.max(1.5, Math.min(4, step)),
        Math.max(1.5, step - 1),
      );
    } else {
      const y = MARGIN + (high - note.pitch) * row;
      context.fillRect(x(note.onset), y, wide, Math.max(2, Math.min(6, row)));
    }
  }
  context.globalAlpha = 1;
}
