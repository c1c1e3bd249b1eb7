import { describe, expect, it } from 'vitest';
import { note, scoreOf } from '../score/testing';
import { barsOf } from '../score/time';
import { newPart, type Note, type Score } from '../score/types';
import { chartOf, chordSpans } from './chords';
import { hit, stemsAt, type Scene } from './hit';
import { drumRowsOf, NoteIndex, noteRect, pitchesOf } from './notes';
import { gridTicks, snapDown, snapNearest, snapUp } from './snap';
import {
  fitted,
  frameOf,
  kept,
  pitchAt,
  revealing,
  scrolled,
  tickAt,
  xOf,
  yOfPitch,
  zoomed,
  type View,
} from './view';

const drums = newPart(0, 'Drums', true);
const piano = newPart(0, 'Piano');
const frame = frameOf({
  width: 1000,
  height: 700,
  keysWidth: 70,
  drumRows: [51, 38, 36],
  showVelocities: true,
});
const view: View = { tick: 96, tickWidth: 2, row: 40, rowHeight: 10 };

function sceneOf(score: Score, focus = 0): Scene {
  return { frame, view, score, index: new NoteIndex(score.notes), focus };
}

describe('the frame', () => {
  it('stacks its bands without gaps from top to bottom', () => {
    const bands = [frame.ruler, frame.chords, frame.pitches, frame.drums, frame.velocities];
    bands.slice(1).forEach((band, index) => expect(band.top).toBe(bands[index].bottom));
    expect(bands[4].bottom).toBe(700);
  });

  it('leaves most of a small canvas to the pitches however many drums there are', () => {
    const drumRows = Array.from({ length: 40 }, (_, index) => index + 35);
    const small = frameOf({
      ...frame,
      keysWidth: 40,
      drumRows,
      height: 800,
      showVelocities: false,
    });
    expect(small.pitches.bottom - small.pitches.top).toBeGreaterThan(350);
  });
});

describe('the view', () => {
  it('says the same place in pixels and ticks, rows and pitches', () => {
    expect(tickAt(frame, view, xOf(frame, view, 123))).toBeCloseTo(123);
    expect(pitchAt(frame, view, yOfPitch(frame, view, 64) + 1)).toBe(64);
  });

  it('keeps what is under the pointer there while it zooms', () => {
    const at = { x: 400, y: 300 };
    const near = zoomed(frame, view, { time: 1.7, pitch: 1.2 }, at);
    expect(tickAt(frame, near, 400)).toBeCloseTo(tickAt(frame, view, 400));
    expect(pitchAt(frame, near, 300)).toBe(pitchAt(frame, view, 300));
  });

  it('never leaves the beginning or the keyboard', () => {
    const gone = scrolled(frame, view, -1e6, 1e6);
    expect(gone.tick).toBe(0);
    expect(yOfPitch(frame, gone, 0) + gone.rowHeight).toBeCloseTo(frame.pitches.bottom);
    expect(kept(frame, { ...view, tickWidth: 1e9 }).tickWidth).toBeLessThan(100);
  });

  it('fits what it is given', () => {
    const all = fitted(frame, [0, 768], [50, 70]);
    expect(xOf(frame, all, 768)).toBeCloseTo(frame.width);
    expect(yOfPitch(frame, all, 70)).toBeGreaterThan(frame.pitches.top);
    expect(yOfPitch(frame, all, 50)).toBeLessThan(frame.pitches.bottom);
  });

  it('scrolls no more than is needed to show a place', () => {
    expect(revealing(frame, view, 200, null)).toEqual(view);
    const far = revealing(frame, view, 5000, 20);
    expect(xOf(frame, far, 5000)).toBeLessThan(frame.width);
    expect(yOfPitch(frame, far, 20)).toBeLessThan(frame.pitches.bottom);
  });
});

describe('the grid', () => {
  const time_signatures = [
    { onset: 0, numerator: 7, denominator: 8 },
    { onset: 84, numerator: 4, denominator: 4 },
  ];
  const bars = barsOf(scoreOf([], { time_signatures }));

  it('counts from each bar line', () => {
    expect(snapDown(bars, 84 + 25, 24)).toBe(84 + 24);
    expect(snapNearest(bars, 84 + 37, 24)).toBe(84 + 48);
    expect(snapUp(bars, 84 + 24, 24)).toBe(84 + 48);
  });

  it('never steps over a bar line', () => {
    expect(snapUp(bars, 80, 24)).toBe(84);
  });

  it('gets finer as one zooms in', () => {
    const steps = [0.1, 0.5, 1, 3, 12].map((tickWidth) => gridTicks('auto', tickWidth));
    expect(steps).toEqual([...steps].sort((a, b) => b - a));
    expect(gridTicks('1/8 triplet', 1)).toBe(8);
  });
});

describe('notes that can be seen', () => {
  const many: Note[] = Array.from({ length: 500 }, (_, index) =>
    note({
      id: index,
      onset: index * 6,
      duration: index === 3 ? 3000 : 6,
      pitch: 40 + (index % 40),
    }),
  );
  const index = new NoteIndex(many);

  it('are exactly those that sound within the ticks, also long ones from far before', () => {
    for (const [from, to] of [
      [0, 1],
      [600, 900],
      [2990, 2999],
      [9000, 9100],
    ]) {
      const expected = many.filter((n) => n.onset < to && n.onset + n.duration > from);
      expect(index.between(from, to)).toEqual(expected);
    }
  });

  it('are none of an empty score', () => {
    expect(new NoteIndex([]).between(0, 100)).toEqual([]);
  });
});

describe('what is under a point', () => {
  const score = scoreOf(
    [
      note({ id: 1, onset: 120, duration: 48, pitch: 64 }),
      note({ id: 2, onset: 120, duration: 48, pitch: 64, part: 1 }),
      note({ id: 3, onset: 120, duration: 48, pitch: 36, part: 2 }),
    ],
    { parts: [piano, piano, drums] },
  );
  const bars = barsOf(score);
  const rect = noteRect(frame, view, score.notes[0], false);

  it('is the note of the part in front', () => {
    const point = { x: rect.x + 20, y: rect.y + 5 };
    for (const focus of [0, 1]) {
      expect(hit(sceneOf(score, focus), point, bars)).toMatchObject({
        kind: 'note',
        edge: 'body',
        note: { id: focus + 1 },
      });
    }
  });

  it('is the end of a note near its end', () => {
    const point = { x: rect.x + rect.width - 2, y: rect.y + 5 };
    expect(hit(sceneOf(score), point, bars)).toMatchObject({ kind: 'note', edge: 'end' });
  });

  it('is a drum in the lane of drums, though its pitch is in the roll too', () => {
    const drum = noteRect(frame, view, score.notes[2], true);
    expect(hit(sceneOf(score), { x: drum.x + 2, y: drum.y + 2 }, bars)).toMatchObject({
      kind: 'note',
      note: { id: 3 },
    });
  });

  it('is nearer for a finger', () => {
    const point = { x: rect.x - 6, y: rect.y + 5 };
    expect(hit(sceneOf(score), point, bars).kind).toBe('empty');
    expect(hit(sceneOf(score), point, bars, 8).kind).toBe('note');
  });

  it.each([
    ['ruler', 5],
    ['chords', 35],
    ['velocities', 690],
  ])('is the %s in its band', (kind, y) => {
    expect(hit(sceneOf(score), { x: 500, y }, bars).kind).toBe(kind);
  });

  it('is a key on the left, and a stem in the velocity lane', () => {
    expect(hit(sceneOf(score), { x: 5, y: rect.y + 5 }, bars)).toEqual({
      kind: 'key',
      pitch: 64,
      isDrum: false,
    });
    expect(stemsAt(sceneOf(score, 1), xOf(frame, view, 120) + 2, 4).map((n) => n.id)).toEqual([
      2,
    ]);
  });
});

describe('rows', () => {
  it('of drums are there only with a drum part, and include what is played', () => {
    expect(drumRowsOf([piano], [note({ id: 1, pitch: 36 })])).toEqual([]);
    const rows = drumRowsOf([piano, drums], [note({ id: 1, pitch: 60, part: 1 })]);
    expect(rows).toContain(60);
    expect(rows).toEqual([...rows].sort((a, b) => b - a));
  });

  it('of pitches leave drums out', () => {
    const score = scoreOf([note({ id: 1, pitch: 30, part: 1 }), note({ id: 2, pitch: 70 })], {
      parts: [piano, drums],
    });
    expect(pitchesOf(score)).toEqual([70, 70]);
  });
});

describe('the chord lane', () => {
  const chords = [
    { onset: 0, symbol: 'Am' },
    { onset: 96, symbol: 'F' },
    { onset: 144, symbol: 'C' },
    { onset: 336, symbol: 'E7' },
  ];
  const score = scoreOf([], { chords });
  const bars = barsOf(score);

  it('holds each chord until the next', () => {
    expect(chordSpans(score, bars).map(({ from, to }) => [from, to])).toEqual([
      [0, 96],
      [96, 144],
      [144, 336],
      [336, 384],
    ]);
  });

  it('reads as a chart, held chords said again', () => {
    expect(chartOf(score, bars, { first: 0, end: 4 })).toBe('Am | F C | C | C E7');
    expect(chartOf(scoreOf([]), bars, { first: 0, end: 4 })).toBe('');
  });
});
