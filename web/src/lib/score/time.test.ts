import { describe, expect, it } from 'vitest';
import { note, scoreOf } from './testing';
import { barAt, barOnset, barsOf, Clock, metreSpans, placeOf, tempoAt } from './time';

const onsets = (score: Parameters<typeof barsOf>[0]) => barsOf(score).map((bar) => bar.onset);

describe('bars', () => {
  it('are as many as the score says when it is empty', () => {
    expect(onsets(scoreOf([]))).toEqual([0, 96, 192, 288]);
  });

  it('go on to the end of the last note', () => {
    const score = scoreOf([note({ id: 1, onset: 380, duration: 24 })]);
    expect(onsets(score).at(-1)).toBe(384);
  });

  it('are short where a new metre comes before they are full, as a pick-up is', () => {
    const time_signatures = [
      { onset: 0, numerator: 4, denominator: 4 },
      { onset: 24, numerator: 3, denominator: 4 },
    ];
    const bars = barsOf(scoreOf([], { time_signatures, n_bars: 3 }));
    expect(bars.map(({ onset, end }) => [onset, end])).toEqual([
      [0, 24],
      [24, 96],
      [96, 168],
    ]);
  });

  it('are counted in the last metre beyond the end', () => {
    const bars = barsOf(scoreOf([], { n_bars: 2 }));
    expect(barAt(bars, 500).index).toBe(5);
    expect(barOnset(bars, 5)).toBe(480);
  });

  it('take compound metres by their written beat', () => {
    const time_signatures = [{ onset: 0, numerator: 6, denominator: 8 }];
    const bars = barsOf(scoreOf([], { time_signatures, n_bars: 2 }));
    expect(bars[1].onset).toBe(72);
    expect(placeOf(bars, 72 + 12 + 5)).toEqual({ bar: 2, beat: 2, tick: 5 });
  });
});

describe('metre spans', () => {
  it('begin with 4/4, and the last of several at one tick counts', () => {
    const time_signatures = [
      { onset: 96, numerator: 3, denominator: 4 },
      { onset: 96, numerator: 5, denominator: 8 },
    ];
    expect(metreSpans({ time_signatures }).map((span) => span.numerator)).toEqual([4, 5]);
  });

  it('leave out a metre that is already there', () => {
    const time_signatures = [{ onset: 96, numerator: 4, denominator: 4 }];
    expect(metreSpans({ time_signatures })).toHaveLength(1);
  });
});

describe('seconds', () => {
  const tempos = [
    { onset: 0, bpm: 120 },
    { onset: 48, bpm: 60 },
  ];
  const clock = new Clock({ tempos, tpq: 24 });

  it.each([
    [0, 0],
    [24, 0.5], // one quarter at 120
    [48, 1], // the change itself still belongs to the old tempo's end
    [72, 2], // one quarter at 60
  ])('tick %i is at %f s, and back', (tick, second) => {
    expect(clock.seconds(tick)).toBeCloseTo(second);
    expect(clock.ticks(second)).toBeCloseTo(tick);
  });

  it('take 120 bpm until the first tempo', () => {
    expect(tempoAt({ tempos: [{ onset: 10, bpm: 90 }] }, 5)).toBe(120);
    expect(tempoAt({ tempos }, 50)).toBe(60);
  });
});
