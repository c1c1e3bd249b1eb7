/** The chord lane: how long each chord holds, and the lane as a chart in text. */

import { rangeTicks, type BarRange } from '../score/select';
import { barAt, type Bar } from '../score/time';
import type { Score } from '../score/types';

export interface ChordSpan {
  from: number;
  to: number;
  symbol: string;
}

/** Chords with their ends; a chord holds until the next one, the last to the end. */
export function chordSpans(score: Score, bars: readonly Bar[]): ChordSpan[] {
  const last = bars[bars.length - 1].end;
  return score.chords.map(({ onset, symbol }, index) => ({
    from: onset,
    to: score.chords[index + 1]?.onset ?? Math.max(last, onset + 1),
    symbol,
  }));
}

/**
 * Write the chords of a range of bars as a chart, such as `Am | F C | % | E7`.
 *
 * A bar in which no chord begins goes on with the one before; an empty lane gives ''.
 */
export function chartOf(score: Score, bars: readonly Bar[], range: BarRange): string {
  if (!score.chords.length) return '';
  const [from] = rangeTicks(bars, range);
  let holding = score.chords.findLast((chord) => chord.onset <= from)?.symbol ?? 'N.C.';
  const cells: string[] = [];
  for (let index = range.first; index < range.end; index++) {
    const begun = score.chords.filter((chord) => barAt(bars, chord.onset).index === index);
    const bar = bars[index];
    const lateStart = begun.length > 0 && bar && begun[0].onset > bar.onset;
    const symbols = begun.map((chord) => chord.symbol);
    cells.push([...(lateStart || !begun.length ? [holding] : []), ...symbols].join(' '));
    holding = symbols.at(-1) ?? holding;
  }
  return cells.join(' | ');
}
