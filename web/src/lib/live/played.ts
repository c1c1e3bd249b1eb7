/** What was played before: recordings that the studio still has, and this browser knows of. */

import type { LiveRecording } from '../api/types';

export type Played = Pick<LiveRecording, 'id' | 'notes' | 'seconds'>;

/** As many as the studio keeps. */
const MOST = 24;
const MINUTE = 60;

/** The recordings with one as it is by now, unless there is nothing in it; latest first. */
export function noted(before: readonly Played[], recording: Played): Played[] {
  const { id, notes, seconds } = recording;
  const others = before.filter((played) => played.id !== id);
  return notes ? [{ id, notes, seconds }, ...others].slice(0, MOST) : others;
}

/** How long something is, as clocks show it. */
export function clock(seconds: number): string {
  const rest = Math.floor(seconds % MINUTE);
  return `${Math.floor(seconds / MINUTE)}:${String(rest).padStart(2, '0')}`;
}
