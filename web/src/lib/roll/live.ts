/** The rolling picture of live play: what was played, and what is planned ahead of now. */

import type { LiveNote } from '../api/types';
import { isBlackKey, pitchName } from '../score/names';
import { FONT } from './paint';
import type { Palette } from './palette';

/** How much is seen, in seconds. */
export const PAST_S = 5;
export const AHEAD_S = 7;
const LEAST_ROWS = 25;
const DRUM_CHANNEL = 9;
/** A shorter outline would not be seen to be dashed. */
const LEAST_DASHED = 12;
const KEYS_WIDTH = 44;

export interface LiveScene {
  width: number;
  height: number;
  palette: Palette;
  now: number;
  notes: readonly LiveNote[];
  beats: readonly { at: number; is_bar: boolean }[];
  low: number;
  high: number;
}

/** The pitches to show: all that are played, at least two octaves, never less than before. */
export function livePitches(
  notes: readonly LiveNote[],
  before: readonly [number, number],
): [number, number] {
  let [low, high] = before;
  for (const { pitch } of notes) {
    low = Math.min(low, pitch - 2);
    high = Math.max(high, pitch + 2);
  }
  while (high - low + 1 < LEAST_ROWS) {
    low -= 1;
    high += 1;
  }
  return [low, high];
}

export function liveX(width: number, now: number, at: number): number {
  const room = width - KEYS_WIDTH;
  return KEYS_WIDTH + ((at - now + PAST_S) / (PAST_S + AHEAD_S)) * room;
}

export function paintLive(canvas: CanvasRenderingContext2D, scene: LiveScene): void {
  const { width, height, palette, now, low, high } = scene;
  const row = height / (high - low + 1);
  canvas.fillStyle = palette.ground;
  canvas.fillRect(0, 0, width, height);
  for (let pitch = low; pitch <= high; pitch++) {
    const y = (high - pitch) * row;
    if (isBlackKey(pitch)) {
      canvas.fillStyle = palette.blackRow;
      canvas.fillRect(0, y, width, row);
    }
    if (pitch % 12 === 0) {
      canvas.fillStyle = palette.bar;
      canvas.fillRect(0, y + row - 1, width, 1);
    }
  }
  const nowX = liveX(width, now, now);
  canvas.fillStyle = palette.sidemanWash;
  canvas.fillRect(nowX, 0, width - nowX, height);
  for (const { at, is_bar } of scene.beats) {
    canvas.fillStyle = is_bar ? palette.bar : palette.beat;
    canvas.fillRect(Math.round(liveX(width, now, at)), 0, 1, height);
  }
  for (const note of scene.notes) paintLiveNote(canvas, scene, note, row);
  paintNames(canvas, scene, row);
  canvas.fillStyle = palette.outline;
  canvas.fillRect(Math.round(nowX) - 1, 0, 2, height);
}

/** Yours is solid in your colour; the plan is dashed, then outlined, and solid once it sounded. */
function paintLiveNote(
  canvas: CanvasRenderingContext2D,
  { width, palette, now, high }: LiveScene,
  note: LiveNote,
  row: number,
): void {
  const x = liveX(width, now, note.begin);
  const wide = Math.max(4, liveX(width, now, note.end) - x - 1);
  if (x > width || x + wide < 0) return;
  const y = (high - note.pitch) * row + 1;
  const colour = note.state === 'heard' ? palette.you : palette.sideman;
  canvas.beginPath();
  if (note.channel === DRUM_CHANNEL) {
    // How long a stroke is means nothing.
    canvas.arc(x + row / 2, y + row / 2, Math.max(2, row / 2 - 1.5), 0, 2 * Math.PI);
  } else canvas.roundRect(x + 0.75, y + 0.75, wide - 1.5, row - 3.5, Math.min(4, row / 3));
  canvas.fillStyle = canvas.strokeStyle = colour;
  canvas.lineWidth = 1.5;
  canvas.globalAlpha = { heard: 1, sounded: 1, committed: 0.45, planned: 0 }[note.state];
  canvas.fill();
  canvas.globalAlpha = note.state === 'planned' ? 0.75 : 1;
  canvas.setLineDash(note.state === 'planned' && wide >= LEAST_DASHED ? [4, 3] : []);
  canvas.stroke();
  canvas.setLineDash([]);
  canvas.globalAlpha = 1;
}

function paintNames(canvas: CanvasRenderingContext2D, scene: LiveScene, row: number): void {
  const { palette, low, high, height } = scene;
  canvas.fillStyle = palette.ruler;
  canvas.fillRect(0, 0, KEYS_WIDTH, height);
  canvas.font = `600 12px ${FONT}`;
  canvas.textBaseline = 'middle';
  canvas.textAlign = 'right';
  for (let pitch = low; pitch <= high; pitch++) {
    if (pitch % 12) continue;
    canvas.fillStyle = palette.faint;
    canvas.fillText(pitchName(pitch), KEYS_WIDTH - 8, (high - pitch + 0.5) * row);
  }
  canvas.textAlign = 'left';
}
