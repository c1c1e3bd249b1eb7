/**
 * Which part of a score the roll shows, and where on the canvas it is.
 *
 * Lengths are in CSS pixels. The canvas is cut into bands from top to bottom: a ruler of bars,
 * the chord lane, the pitches, the drums, and velocities; keys stand on the left.
 */

import { clamp } from '../score/edit';
import { MAX_PITCH } from '../score/types';

export const RULER_HEIGHT = 26;
export const CHORDS_HEIGHT = 26;
export const VELOCITY_HEIGHT = 64;
export const DRUM_ROW_HEIGHT = 15;
export const LEAST_DRUM_ROW_HEIGHT = 7;
export const BAND_GAP = 1;
/** Drums get no more than this share of the room for notes. */
const DRUM_SHARE = 0.45;

export const TICK_WIDTHS = { least: 0.04, most: 12 } as const;
export const ROW_HEIGHTS = { least: 4, most: 32 } as const;
const N_PITCHES = MAX_PITCH + 1;

export interface Band {
  top: number;
  bottom: number;
}

/** The bands of a canvas. */
export interface Frame {
  width: number;
  height: number;
  /** Where the keys end and time begins. */
  left: number;
  ruler: Band;
  chords: Band;
  pitches: Band;
  drums: Band;
  velocities: Band;
  /** Drum pieces from top to bottom. */
  drumRows: readonly number[];
  drumRowHeight: number;
}

export interface FrameWishes {
  width: number;
  height: number;
  keysWidth: number;
  drumRows: readonly number[];
  showVelocities: boolean;
}

export function frameOf(wishes: FrameWishes): Frame {
  const { width, height, drumRows } = wishes;
  const ruler = { top: 0, bottom: RULER_HEIGHT };
  const chords = { top: ruler.bottom, bottom: ruler.bottom + CHORDS_HEIGHT };
  const velocityHeight = wishes.showVelocities ? VELOCITY_HEIGHT : 0;
  const velocities = { top: Math.max(chords.bottom, height - velocityHeight), bottom: height };
  const room = velocities.top - chords.bottom;
  const drumRowHeight = drumRows.length
    ? clamp((room * DRUM_SHARE) / drumRows.length, LEAST_DRUM_ROW_HEIGHT, DRUM_ROW_HEIGHT)
    : 0;
  const drumsHeight = drumRows.length ? drumRows.length * drumRowHeight + BAND_GAP : 0;
  const drums = { top: velocities.top - drumsHeight, bottom: velocities.top };
  const pitches = { top: chords.bottom, bottom: Math.max(chords.bottom, drums.top) };
  const left = wishes.keysWidth;
  return {
    width,
    height,
    left,
    ruler,
    chords,
    pitches,
    drums,
    velocities,
    drumRows,
    drumRowHeight,
  };
}

export interface View {
  /** Tick at the left edge of time. */
  tick: number;
  /** Pixels a tick is wide. */
  tickWidth: number;
  /** Rows above the first one shown; row 0 is the highest pitch. May be a fraction. */
  row: number;
  rowHeight: number;
}

export const START: View = { tick: 0, tickWidth: 1, row: 40, rowHeight: 13 };

export const xOf = (frame: Frame, view: View, tick: number): number =>
  frame.left + (tick - view.tick) * view.tickWidth;

export const tickAt = (frame: Frame, view: View, x: number): number =>
  view.tick + (x - frame.left) / view.tickWidth;

/** Upper edge of the row of a pitch. */
export const yOfPitch = (frame: Frame, view: View, pitch: number): number =>
  frame.pitches.top + (MAX_PITCH - pitch - view.row) * view.rowHeight;

export function pitchAt(frame: Frame, view: View, y: number): number {
  const row = view.row + (y - frame.pitches.top) / view.rowHeight;
  return clamp(MAX_PITCH - Math.floor(row), 0, MAX_PITCH);
}

/** Upper edge of the row of a drum piece. */
export const yOfDrum = (frame: Frame, pitch: number): number =>
  frame.drums.top + BAND_GAP + frame.drumRows.indexOf(pitch) * frame.drumRowHeight;

export function drumAt(frame: Frame, y: number): number {
  const row = Math.floor((y - frame.drums.top - BAND_GAP) / frame.drumRowHeight);
  return frame.drumRows[clamp(row, 0, frame.drumRows.length - 1)];
}

export const within = (band: Band, y: number): boolean => y >= band.top && y < band.bottom;

/** Ticks that can be seen: first, and first one that cannot. */
export const ticksShown = (frame: Frame, view: View): [number, number] => [
  view.tick,
  tickAt(frame, view, frame.width),
];

/** Keep a view within the keyboard and not before the beginning. */
export function kept(frame: Frame, view: View): View {
  const tickWidth = clamp(view.tickWidth, TICK_WIDTHS.least, TICK_WIDTHS.most);
  const rowHeight = clamp(view.rowHeight, ROW_HEIGHTS.least, ROW_HEIGHTS.most);
  const rowsShown = (frame.pitches.bottom - frame.pitches.top) / rowHeight;
  return {
    tick: Math.max(0, view.tick),
    tickWidth,
    row: clamp(view.row, 0, Math.max(0, N_PITCHES - rowsShown)),
    rowHeight,
  };
}

/** Scroll by pixels; to the right and down is positive. */
export function scrolled(frame: Frame, view: View, dx: number, dy: number): View {
  const tick = view.tick + dx / view.tickWidth;
  return kept(frame, { ...view, tick, row: view.row + dy / view.rowHeight });
}

/** Zoom so that what is under a point stays there. */
export function zoomed(
  frame: Frame,
  view: View,
  factor: { time: number; pitch: number },
  at: { x: number; y: number },
): View {
  const tickWidth = clamp(view.tickWidth * factor.time, TICK_WIDTHS.least, TICK_WIDTHS.most);
  const rowHeight = clamp(view.rowHeight * factor.pitch, ROW_HEIGHTS.least, ROW_HEIGHTS.most);
  const fromLeft = at.x - frame.left;
  const fromTop = at.y - frame.pitches.top;
  return kept(frame, {
    tick: view.tick + fromLeft / view.tickWidth - fromLeft / tickWidth,
    tickWidth,
    row: view.row + fromTop / view.rowHeight - fromTop / rowHeight,
    rowHeight,
  });
}

const FIT_MARGIN_ROWS = 3;

/** Show all these ticks and pitches, with a little air. */
export function fitted(
  frame: Frame,
  ticks: readonly [number, number],
  pitches: readonly [number, number],
): View {
  const width = Math.max(1, frame.width - frame.left);
  const height = Math.max(1, frame.pitches.bottom - frame.pitches.top);
  const nRows = pitches[1] - pitches[0] + 1 + 2 * FIT_MARGIN_ROWS;
  const rowHeight = clamp(height / nRows, 9, 18);
  const middle = MAX_PITCH - (pitches[0] + pitches[1]) / 2 + 0.5;
  return kept(frame, {
    tick: ticks[0],
    tickWidth: width / Math.max(1, ticks[1] - ticks[0]),
    row: middle - height / rowHeight / 2,
    rowHeight,
  });
}

/** Scroll as little as needed so that a tick and a pitch can be seen. */
export function revealing(frame: Frame, view: View, tick: number, pitch: number | null): View {
  const margin = 48;
  const x = xOf(frame, view, tick);
  let { tick: first, row } = view;
  if (x < frame.left) first = tick - margin / view.tickWidth;
  else if (x > frame.width - margin) {
    first = tick - (frame.width - frame.left - margin) / view.tickWidth;
  }
  if (pitch !== null) {
    const y = yOfPitch(frame, view, pitch);
    const bottom = frame.pitches.bottom - view.rowHeight;
    if (y < frame.pitches.top) row += (y - frame.pitches.top) / view.rowHeight - 1;
    else if (y > bottom) row += (y - bottom) / view.rowHeight + 1;
  }
  return kept(frame, { ...view, tick: first, row });
}
