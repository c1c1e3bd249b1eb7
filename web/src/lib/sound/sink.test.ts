import { describe, expect, it } from 'vitest';
import { BrowserSink, type Sounding } from './sink';

type Told = [what: string, channel: number, pitch: number, at: number];

function stage() {
  const told: Told[] = [];
  let stops = 0;
  const engine: Sounding & { now: number } = {
    now: 10,
    noteOn: (channel, pitch, _, at = 0) => void told.push(['on', channel, pitch, at]),
    noteOff: (channel, pitch, at = 0) => void told.push(['off', channel, pitch, at]),
    setProgram: () => {},
    stopAll: () => void stops++,
  };
  return { engine, told, sink: new BrowserSink(engine), stops: () => stops };
}

describe('what Sideman plays in the browser', () => {
  it('keeps its order on a key, though the clocks do not agree', () => {
    const { told, sink } = stage();
    sink.noteOn(1, 60, 90, 0.01);
    sink.noteOff(1, 60, 0.06);
    sink.noteOn(1, 60, 90, 0.059);
    sink.noteOn(1, 61, 90, 0.059);
    expect(told.map(([what]) => what)).toEqual(['on', 'off', 'on', 'on']);
    const [, off, again, other] = told.map(([, , , at]) => at);
    expect(again).toBeGreaterThan(off);
    expect(again).toBeLessThan(off + 0.01);
    expect(other).toBe(10.059);
  });

  it('is ended also where it only lies ahead', () => {
    const { engine, told, sink, stops } = stage();
    sink.noteOn(1, 60, 90, 0);
    sink.noteOn(2, 64, 90, 0.06);
    engine.now = 10.01;
    told.length = 0;
    sink.silence();
    expect(stops()).toBe(1);
    expect(told).toEqual([['off', 2, 64, 10.06]]);
    sink.noteOn(2, 64, 90, 0);
    expect(told[1][3]).toBeGreaterThan(10.06);
  });
});
