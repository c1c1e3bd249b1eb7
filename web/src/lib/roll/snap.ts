/** The grid that edits keep to. */

import { barAt, type Bar } from '../score/time';
import { TPQ } from '../score/types';

/** Steps by name, in ticks; `bar` is as long as its bar. */
export const GRIDS = {
  bar: 4 * TPQ,
  '1/2': 2 * TPQ,
  '1/4': TPQ,
  '1/8': TPQ / 2,
  '1/8 triplet': TPQ / 3,
  '1/16': TPQ / 4,
  '1/16 triplet': TPQ / 6,
  '1/32': TPQ / 8,
  off: 1,
} as const;

export type GridName = keyof typeof GRIDS | 'auto';
export const GRID_NAMES = ['auto', ...Object.keys(GRIDS)] as readonly GridName[];

const AUTO: readonly (keyof typeof GRIDS)[] = ['1/32', '1/16', '1/8', '1/4', 'bar'];
/** Lines of the automatic grid are at least so far apart, in pixels. */
const LEAST_LINE_GAP = 14;

export function gridTicks(grid: GridName, tickWidth: number): number {
  if (grid !== 'auto') return GRIDS[grid];
  const fits = AUTO.find((name) => GRIDS[name] * tickWidth >= LEAST_LINE_GAP);
  return GRIDS[fits ?? 'bar'];
}

/** Lines count from each bar line, for bars need not be a whole number of steps long. */
function snapBy(round: (steps: number) => number) {
  return (bars: readonly Bar[], tick: number, step: number): number => {
    const bar = barAt(bars, Math.max(0, tick));
    const snapped = bar.onset + round((tick - bar.onset) / step) * step;
    return Math.max(0, Math.min(snapped, bar.end));
  };
}

/** The line at or before a tick: where a note begins that is drawn there. */
export const snapDown = snapBy(Math.floor);
export const snapNearest = snapBy(Math.round);
/** The first line after a tick: where a note ends that is drawn to there. */
export const snapUp = snapBy((steps) => Math.floor(steps) + 1);
