/** Bars, beats and seconds. The same rules as `sideman.score.time`. */

import { DEFAULT_BPM, end, type Note, type Score, type TimeSignature } from './types';

const SECONDS_PER_MINUTE = 60;
const QUARTERS_PER_WHOLE = 4;

/** The metres that hold, from tick 0 on, without repetitions; 4/4 where none is written. */
export function metreSpans(score: Pick<Score, 'time_signatures'>): TimeSignature[] {
  const spans: TimeSignature[] = [{ onset: 0, numerator: 4, denominator: 4 }];
  for (const next of score.time_signatures) {
    const last = spans[spans.length - 1];
    if (next.onset === last.onset) spans[spans.length - 1] = next;
    else spans.push(next);
  }
  return spans.filter(
    (span, index) =>
      index === 0 ||
      span.numerator !== spans[index - 1].numerator ||
      span.denominator !== spans[index - 1].denominator,
  );
}

export function beatTicks(metre: TimeSignature, tpq: number): number {
  return (QUARTERS_PER_WHOLE * tpq) / metre.denominator;
}

export function barTicks(metre: TimeSignature, tpq: number): number {
  return metre.numerator * beatTicks(metre, tpq);
}

/** First tick at which nothing sounds any more. */
export function lastEnd(score: Score): number {
  return score.notes.reduce((latest, note) => Math.max(latest, end(note)), 0);
}

/** A note that rings on for less than a beat does not take up the bar it rings into. */
const leaves = (note: Note, beat: number): number => Math.max(note.onset + 1, end(note) - beat);

/** How many bars there are up to the last that notes take up. */
export function barsPlayed(score: Score, bars: readonly Bar[]): number {
  const until = score.notes.reduce((latest, note) => {
    const { beat } = barAt(bars, note.onset);
    return Math.max(latest, leaves(note, beat));
  }, 0);
  return until ? barAt(bars, until - 1).index + 1 : 0;
}

/** One bar: where it begins and ends, and its metre. */
export interface Bar {
  index: number;
  onset: number;
  end: number;
  metre: TimeSignature;
  /** Ticks of one beat, a unit of the metre's denominator. */
  beat: number;
}

/**
 * The bars of a score, as many as it says and at least to the end of its last note.
 *
 * A time signature starts a bar, also when the bar before it is not full: that one is short.
 */
export function barsOf(score: Score, atLeast = score.n_bars): Bar[] {
  const spans = metreSpans(score);
  const last = Math.max(lastEnd(score), spans[spans.length - 1].onset + 1);
  const bars: Bar[] = [];
  spans.forEach((metre, index) => {
    const length = barTicks(metre, score.tpq);
    const next = spans[index + 1]?.onset;
    let onset = metre.onset;
    while (next === undefined ? onset < last || bars.length < atLeast : onset < next) {
      const barEnd = Math.min(onset + length, next ?? Infinity);
      const beat = beatTicks(metre, score.tpq);
      bars.push({ index: bars.length, onset, end: barEnd, metre, beat });
      onset += length;
    }
  });
  return bars;
}

/** Index of the last element that is not after `value`, at least 0; `key` must ascend. */
export function lastAtOrBefore<T>(
  items: readonly T[],
  value: number,
  key: (item: T) => number,
) {
  let low = 0;
  let high = items.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (key(items[middle]) <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The bar of a tick; beyond the last one, a bar made up in the last metre. */
export function barAt(bars: readonly Bar[], tick: number): Bar {
  const bar = bars[lastAtOrBefore(bars, tick, (item) => item.onset)];
  if (tick < bar.end) return bar;
  const length = bar.beat * bar.metre.numerator;
  const beyond = Math.floor((tick - bar.end) / length);
  const onset = bar.end + beyond * length;
  return { ...bar, index: bar.index + 1 + beyond, onset, end: onset + length };
}

/** A place as musicians say it, all counted from 1; ticks within the beat from 0. */
export interface Place {
  bar: number;
  beat: number;
  tick: number;
}

export function placeOf(bars: readonly Bar[], tick: number): Place {
  const bar = barAt(bars, Math.max(0, tick));
  const inBar = Math.max(0, tick) - bar.onset;
  return {
    bar: bar.index + 1,
    beat: Math.floor(inBar / bar.beat) + 1,
    tick: Math.floor(inBar % bar.beat),
  };
}

/** Onset of a bar, also of bars beyond the end. */
export function barOnset(bars: readonly Bar[], index: number): number {
  if (index < bars.length) return bars[Math.max(0, index)].onset;
  const last = bars[bars.length - 1];
  return last.end + (index - bars.length) * last.beat * last.metre.numerator;
}

/** Ticks to seconds and back, through all changes of tempo. */
export class Clock {
  private readonly steps: { onset: number; atSecond: number; secondsPerTick: number }[];

  constructor(score: Pick<Score, 'tempos' | 'tpq'>) {
    const perTick = (bpm: number) => SECONDS_PER_MINUTE / (bpm * score.tpq);
    this.steps = [{ onset: 0, atSecond: 0, secondsPerTick: perTick(DEFAULT_BPM) }];
    for (const { onset, bpm } of score.tempos) {
      const atSecond = this.seconds(onset);
      const step = { onset, atSecond, secondsPerTick: perTick(bpm) };
      if (this.steps[this.steps.length - 1].onset === onset) this.steps.pop();
      this.steps.push(step);
    }
  }

  seconds(tick: number): number {
    const step = this.steps[lastAtOrBefore(this.steps, tick, (item) => item.onset)];
    return step.atSecond + (tick - step.onset) * step.secondsPerTick;
  }

  ticks(second: number): number {
    const step = this.steps[lastAtOrBefore(this.steps, second, (item) => item.atSecond)];
    return step.onset + (second - step.atSecond) / step.secondsPerTick;
  }
}

export function tempoAt(score: Pick<Score, 'tempos'>, tick: number): number {
  const { tempos } = score;
  if (!tempos.length || tempos[0].onset > tick) return DEFAULT_BPM;
  return tempos[lastAtOrBefore(tempos, tick, (tempo) => tempo.onset)].bpm;
}
