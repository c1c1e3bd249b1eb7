/** Painting the roll: one function a layer, each from plain values to a canvas. */

import type { BarRange } from '../score/select';
import { rangeTicks } from '../score/select';
import { barAt, type Bar } from '../score/time';
import type { Note, Part, Score } from '../score/types';
import { drumName, isBlackKey, pitchName } from '../score/names';
import { chordSpans } from './chords';
import { noteRect, notesShown, type NoteIndex, type Rect } from './notes';
import { partColour, type Palette } from './palette';
import {
  pitchAt,
  ticksShown,
  within,
  xOf,
  yOfDrum,
  yOfPitch,
  type Band,
  type Frame,
  type View,
} from './view';

type Canvas = CanvasRenderingContext2D;

export const FONT = '"Instrument Sans Variable", system-ui, sans-serif';
const LEAST_GAP = 9;
const LEAST_LABEL_GAP = 46;
const RADIUS = 3;
const KEY_NAME_WIDTH = 17;
const KEY_NAME_MARGIN = 4;
/** Lower rows of drums have no room for their names. */
const LEAST_NAME_HEIGHT = 12;

export interface GridScene {
  frame: Frame;
  view: View;
  score: Score;
  bars: readonly Bar[];
  palette: Palette;
  step: number;
  region: BarRange | null;
  /** What writes a chord, said where there is none. */
  chordHint: string;
}

export function paintGrid(canvas: Canvas, scene: GridScene): void {
  const { frame, palette } = scene;
  canvas.fillStyle = palette.ground;
  canvas.fillRect(0, 0, frame.width, frame.height);
  paintRows(canvas, scene);
  paintTime(canvas, scene);
  paintRuler(canvas, scene);
  paintChords(canvas, scene);
  paintKeys(canvas, scene);
  canvas.fillStyle = palette.bandLine;
  for (const band of [frame.ruler, frame.chords, frame.pitches, frame.drums]) {
    canvas.fillRect(0, band.bottom - 1, frame.width, 1);
  }
}

function clipped(canvas: Canvas, rect: Rect, paint: () => void): void {
  canvas.save();
  canvas.beginPath();
  canvas.rect(rect.x, rect.y, rect.width, rect.height);
  canvas.clip();
  paint();
  canvas.restore();
}

const bandRect = (frame: Frame, band: Band): Rect => ({
  x: frame.left,
  y: band.top,
  width: frame.width - frame.left,
  height: band.bottom - band.top,
});

function paintRows(canvas: Canvas, { frame, view, palette }: GridScene): void {
  const { left, width, pitches } = frame;
  clipped(canvas, { ...bandRect(frame, pitches), x: 0, width }, () => {
    const lowest = pitchAt(frame, view, pitches.bottom);
    for (let pitch = pitchAt(frame, view, pitches.top); pitch >= lowest; pitch--) {
      const y = yOfPitch(frame, view, pitch);
      if (isBlackKey(pitch)) {
        canvas.fillStyle = palette.blackRow;
        canvas.fillRect(left, y, width - left, view.rowHeight);
      } else if (pitch % 12 === 0 || pitch % 12 === 5) {
        canvas.fillStyle = pitch % 12 === 0 ? palette.bar : palette.beat;
        canvas.fillRect(left, Math.round(y + view.rowHeight) - 1, width - left, 1);
      }
    }
  });
  frame.drumRows.forEach((pitch, index) => {
    if (index % 2) return;
    canvas.fillStyle = palette.blackRow;
    canvas.fillRect(left, yOfDrum(frame, pitch), width - left, frame.drumRowHeight);
  });
}

/** Lines of bars, beats and steps, each only where they are far enough apart. */
function paintTime(canvas: Canvas, scene: GridScene): void {
  const { frame, view, palette, bars, region, step } = scene;
  const top = frame.chords.top;
  const height = frame.height - top;
  const lines = { [palette.step]: [], [palette.beat]: [], [palette.bar]: [] } as Record<
    string,
    number[]
  >;
  eachBarShown(scene, (bar) => {
    lines[palette.bar].push(bar.onset);
    const gap = bar.beat * view.tickWidth;
    if (gap >= LEAST_GAP) {
      for (let at = bar.onset + bar.beat; at < bar.end; at += bar.beat)
        lines[palette.beat].push(at);
    }
    if (step > 1 && step < bar.beat && step * view.tickWidth >= LEAST_GAP) {
      for (let at = bar.onset + step; at < bar.end; at += step) {
        if ((at - bar.onset) % bar.beat) lines[palette.step].push(at);
      }
    }
  });
  if (region) {
    const [from, to] = rangeTicks(bars, region).map((tick) => xOf(frame, view, tick));
    canvas.fillStyle = palette.youWash;
    const x = Math.max(frame.left, from);
    canvas.fillRect(x, top, Math.max(0, to - x), height);
  }
  for (const [colour, ticks] of Object.entries(lines)) {
    canvas.fillStyle = colour;
    for (const tick of ticks) {
      const x = Math.round(xOf(frame, view, tick));
      if (x >= frame.left) canvas.fillRect(x, top, 1, height);
    }
  }
  const beyond = Math.max(frame.left, xOf(frame, view, bars[bars.length - 1].end));
  canvas.fillStyle = palette.beyond;
  canvas.fillRect(beyond, top, Math.max(0, frame.width - beyond), height);
}

function eachBarShown({ frame, view, bars }: GridScene, visit: (bar: Bar) => void): void {
  const [from, to] = ticksShown(frame, view);
  for (let bar = barAt(bars, Math.max(0, from)); bar.onset < to; bar = barAt(bars, bar.end)) {
    visit(bar);
  }
}

const EVERY = [1, 2, 4, 8, 16, 32, 64, 128];

function paintRuler(canvas: Canvas, scene: GridScene): void {
  const { frame, view, palette, bars, region } = scene;
  const { top, bottom } = frame.ruler;
  canvas.fillStyle = palette.ruler;
  canvas.fillRect(0, top, frame.width, bottom - top);
  clipped(canvas, bandRect(frame, frame.ruler), () => {
    if (region) {
      const [from, to] = rangeTicks(bars, region).map((tick) => xOf(frame, view, tick));
      canvas.fillStyle = palette.you;
      canvas.beginPath();
      canvas.roundRect(from + 1, top + 4, to - from - 2, bottom - top - 8, 5);
      canvas.globalAlpha = 0.22;
      canvas.fill();
      canvas.globalAlpha = 1;
      for (const x of [from + 1, to - 4]) canvas.fillRect(x, top + 4, 3, bottom - top - 8);
    }
    canvas.font = `600 12px ${FONT}`;
    canvas.textBaseline = 'middle';
    const width = (bars[0].end - bars[0].onset) * view.tickWidth;
    const every = EVERY.find((n) => n * width >= LEAST_LABEL_GAP) ?? 256;
    let metre = '';
    eachBarShown(scene, (bar) => {
      const name = `${bar.metre.numerator}/${bar.metre.denominator}`;
      const isNew = bar.onset === bar.metre.onset && name !== metre;
      metre = name;
      if (bar.index % every && !isNew) return;
      const x = xOf(frame, view, bar.onset);
      canvas.fillStyle = palette.bar;
      canvas.fillRect(Math.round(x), bottom - 7, 1, 7);
      canvas.fillStyle = bar.index < bars.length ? palette.text : palette.faint;
      const label = String(bar.index + 1);
      canvas.fillText(label, x + 9, (top + bottom) / 2);
      if (!isNew || bar.index === 0) return;
      canvas.fillStyle = palette.faint;
      canvas.fillText(name, x + 16 + canvas.measureText(label).width, (top + bottom) / 2);
    });
  });
}

function paintChords(canvas: Canvas, scene: GridScene): void {
  const { frame, view, palette, score, bars } = scene;
  const { top, bottom } = frame.chords;
  canvas.fillStyle = palette.ruler;
  canvas.fillRect(0, top, frame.width, bottom - top);
  canvas.font = `600 13px ${FONT}`;
  canvas.textBaseline = 'middle';
  clipped(canvas, bandRect(frame, frame.chords), () => {
    const spans = chordSpans(score, bars);
    for (const { from, to, symbol } of spans) {
      const x = xOf(frame, view, from);
      const width = (to - from) * view.tickWidth;
      if (x > frame.width || x + width < frame.left || symbol === 'N.C.') continue;
      canvas.fillStyle = palette.beat;
      canvas.beginPath();
      canvas.roundRect(x + 1, top + 3, Math.max(2, width - 2), bottom - top - 7, 5);
      canvas.fill();
      if (width < 16) continue;
      // A chord that began off the screen keeps its name in sight.
      const at = Math.min(Math.max(x, frame.left) + 7, x + width - 16);
      clipped(canvas, { x, y: top, width: width - 4, height: bottom - top }, () => {
        canvas.fillStyle = palette.text;
        canvas.fillText(
          symbol.replace(/b/g, '♭').replace(/#/g, '♯'),
          at,
          (top + bottom) / 2 - 0.5,
        );
      });
    }
    if (!spans.length) {
      canvas.fillStyle = palette.faint;
      canvas.font = `400 12px ${FONT}`;
      canvas.fillText(scene.chordHint, frame.left + 8, (top + bottom) / 2);
    }
  });
}

function paintKeys(canvas: Canvas, { frame, view, palette }: GridScene): void {
  const { left, pitches, drums, chords, velocities, ruler } = frame;
  canvas.fillStyle = palette.ruler;
  canvas.fillRect(0, ruler.top, left, frame.height);
  clipped(
    canvas,
    { x: 0, y: pitches.top, width: left, height: pitches.bottom - pitches.top },
    () => paintPiano(canvas, frame, view, palette),
  );
  canvas.textBaseline = 'middle';
  canvas.textAlign = 'right';
  canvas.fillStyle = palette.faint;
  canvas.font = `500 12px ${FONT}`;
  if (frame.drumRowHeight >= LEAST_NAME_HEIGHT && left > 50) {
    for (const pitch of frame.drumRows) {
      const y = yOfDrum(frame, pitch) + frame.drumRowHeight / 2;
      canvas.fillText(drumName(pitch), left - 6, y, left - 8);
    }
  }
  if (left > 50) canvas.fillText('Chords', left - 6, (chords.top + chords.bottom) / 2);
  if (velocities.bottom - velocities.top > 20) {
    canvas.fillText('Velocity', left - 6, (velocities.top + velocities.bottom) / 2, left - 8);
  }
  canvas.textAlign = 'left';
  canvas.fillStyle = palette.bandLine;
  canvas.fillRect(left - 1, ruler.top, 1, drums.bottom);
}

/** Black keys leave room for the names of the white ones. */
const blackKeyWidth = ({ left }: Frame): number =>
  Math.min(left * 0.58, left - KEY_NAME_WIDTH - 2 * KEY_NAME_MARGIN);

function paintPiano(canvas: Canvas, frame: Frame, view: View, palette: Palette): void {
  const { left, pitches } = frame;
  const high = pitchAt(frame, view, pitches.top);
  const low = pitchAt(frame, view, pitches.bottom);
  canvas.fillStyle = palette.keyWhite;
  canvas.fillRect(0, pitches.top, left - 1, pitches.bottom - pitches.top);
  const blackWidth = blackKeyWidth(frame);
  canvas.font = `600 12px ${FONT}`;
  canvas.textBaseline = 'middle';
  canvas.textAlign = 'right';
  for (let pitch = high; pitch >= low; pitch--) {
    const y = yOfPitch(frame, view, pitch);
    const middle = y + view.rowHeight / 2;
    canvas.fillStyle = palette.keyBlack;
    if (isBlackKey(pitch)) {
      canvas.fillRect(0, y, blackWidth, view.rowHeight);
      canvas.globalAlpha = 0.25;
      canvas.fillRect(blackWidth, Math.round(middle), left - blackWidth, 1);
      canvas.globalAlpha = 1;
    } else if (pitch % 12 === 0 || pitch % 12 === 5) {
      canvas.globalAlpha = 0.25;
      canvas.fillRect(0, Math.round(y + view.rowHeight) - 1, left, 1);
      canvas.globalAlpha = 1;
    }
    if (pitch % 12 !== 0 || view.rowHeight < 7) continue;
    canvas.fillStyle = palette.keyText;
    canvas.fillText(pitchName(pitch), left - KEY_NAME_MARGIN, middle);
  }
  canvas.textAlign = 'left';
}

/** How a note looks beyond its part's colour. */
export interface Look {
  selected: ReadonlySet<number>;
  muted: ReadonlySet<number>;
  /** Notes of other parts than this one step back. */
  focus: number;
  /** Colour of each part, by index. */
  colours: readonly string[];
  /** Notes that are about to be replaced. */
  fading?: (note: Note) => boolean;
  /** Notes that a take brings, beside the piece it came from. */
  fresh?: ReadonlySet<number>;
}

export interface NotesScene {
  frame: Frame;
  view: View;
  score: Score;
  index: NoteIndex;
  palette: Palette;
  look: Look;
}

const DIM = 0.6;
const MUTED = 0.16;

/** Paint all notes that can be seen; returns how many. */
export function paintNotes(canvas: Canvas, scene: NotesScene): number {
  const { frame, view, score, index } = scene;
  canvas.clearRect(0, 0, frame.width, frame.height);
  const shown = notesShown(index, frame, view);
  const inPitches: Note[] = [];
  const inDrums: Note[] = [];
  for (const note of shown) (score.parts[note.part].is_drum ? inDrums : inPitches).push(note);
  clipped(canvas, bandRect(frame, frame.pitches), () =>
    paintBand(canvas, scene, inPitches, false),
  );
  clipped(canvas, bandRect(frame, frame.drums), () => paintBand(canvas, scene, inDrums, true));
  if (frame.velocities.bottom - frame.velocities.top > 8) {
    clipped(canvas, bandRect(frame, frame.velocities), () => paintStems(canvas, scene, shown));
  }
  return shown.length;
}

function paintBand(canvas: Canvas, scene: NotesScene, notes: Note[], isDrum: boolean): void {
  const { frame, view, look } = scene;
  const { focus } = look;
  const plain = notes.filter((note) => note.part !== focus && !look.selected.has(note.id));
  const focused = notes.filter((note) => note.part === focus && !look.selected.has(note.id));
  const selected = notes.filter((note) => look.selected.has(note.id));
  for (const group of [plain, focused, selected]) {
    for (const note of group) {
      const rect = noteRect(frame, view, note, isDrum);
      if (
        !isDrum &&
        (rect.y > frame.pitches.bottom || rect.y + rect.height < frame.pitches.top)
      ) {
        continue;
      }
      paintNote(canvas, scene, note, rect);
    }
  }
}

function opacity(look: Look, note: Note): number {
  if (look.muted.has(note.part)) return MUTED;
  if (look.fading?.(note)) return 0.18;
  const loud = 0.55 + (0.45 * note.velocity) / 127;
  return note.part === look.focus ? loud : loud * DIM;
}

function paintNote(canvas: Canvas, scene: NotesScene, note: Note, rect: Rect): void {
  const { palette, look } = scene;
  const { x, y, width, height } = rect;
  canvas.globalAlpha = opacity(look, note);
  canvas.fillStyle = look.colours[note.part];
  const radius = Math.min(RADIUS, width / 2, height / 2);
  if (width < 6 && !note.locked) canvas.fillRect(x, y, width, height);
  else {
    canvas.beginPath();
    canvas.roundRect(x, y, width, height, radius);
    canvas.fill();
  }
  canvas.globalAlpha = 1;
  if (look.fresh?.has(note.id)) {
    canvas.fillStyle = palette.sideman;
    canvas.fillRect(x, y, Math.min(3, width * 0.4), height);
  }
  if (note.locked) paintLock(canvas, palette, rect);
  if (!look.selected.has(note.id)) return;
  canvas.strokeStyle = palette.outline;
  canvas.lineWidth = 1.5;
  canvas.beginPath();
  canvas.roundRect(x + 0.25, y + 0.25, width - 0.5, height - 0.5, radius);
  canvas.stroke();
}

const LOCK_WIDTH = 7;

/** A locked note has bolts at both ends, and a padlock where there is room. */
function paintLock(canvas: Canvas, palette: Palette, { x, y, width, height }: Rect): void {
  canvas.fillStyle = palette.ground;
  canvas.strokeStyle = palette.ground;
  if (width < 18 || height < 9) {
    canvas.fillRect(x + 1, y + 1, Math.min(2, width - 2), height - 2);
    canvas.fillRect(x + width - 3, y + 1, 2, height - 2);
    return;
  }
  const left = x + 5;
  const middle = y + height / 2;
  canvas.beginPath();
  canvas.roundRect(left, middle - 0.5, LOCK_WIDTH, 4.5, 1);
  canvas.fill();
  canvas.lineWidth = 1.4;
  canvas.beginPath();
  canvas.arc(left + LOCK_WIDTH / 2, middle - 0.5, 2.2, Math.PI, 0);
  canvas.stroke();
  canvas.fillRect(x + width - 3, y + 2, 1.5, height - 4);
}

function paintStems(canvas: Canvas, { frame, view, look }: NotesScene, notes: Note[]): void {
  const { top, bottom } = frame.velocities;
  const room = bottom - top - 10;
  for (const note of notes) {
    if (note.part !== look.focus) continue;
    const x = xOf(frame, view, note.onset);
    const height = (room * note.velocity) / 127;
    const isSelected = look.selected.has(note.id);
    canvas.fillStyle = look.colours[note.part];
    canvas.globalAlpha = isSelected || !look.selected.size ? 1 : 0.4;
    canvas.fillRect(x, bottom - height - 2, 2, height);
    canvas.beginPath();
    canvas.arc(x + 1, bottom - height - 2, isSelected ? 4 : 3, 0, 2 * Math.PI);
    canvas.fill();
  }
  canvas.globalAlpha = 1;
}

/** A note that is being written, and when it came, in seconds. */
export interface Incoming {
  note: Note;
  cameAt: number;
}

export interface OverlayScene {
  frame: Frame;
  view: View;
  palette: Palette;
  parts: readonly Part[];
  colours: readonly string[];
  playhead: number;
  isPlaying: boolean;
  incoming: readonly Incoming[];
  now: number;
  cursor: { tick: number; pitch: number; isDrum: boolean; length: number } | null;
  hover: { pitch: number; isDrum: boolean } | null;
  box: Rect | null;
  /** Pitches that sound, by part, to light their keys. */
  sounding: readonly { pitch: number; part: number }[];
}

/** How long a note that has just come glows, in seconds. */
export const GLOW_S = 0.7;

export function paintOverlay(canvas: Canvas, scene: OverlayScene): void {
  const { frame, palette } = scene;
  canvas.clearRect(0, 0, frame.width, frame.height);
  paintHover(canvas, scene);
  paintSounding(canvas, scene);
  for (const { note, cameAt } of scene.incoming) {
    paintIncoming(canvas, scene, note, Math.max(0, 1 - (scene.now - cameAt) / GLOW_S));
  }
  paintCursor(canvas, scene);
  if (scene.box) {
    canvas.fillStyle = palette.youWash;
    canvas.strokeStyle = palette.you;
    canvas.lineWidth = 1;
    const { x, y, width, height } = scene.box;
    canvas.fillRect(x, y, width, height);
    canvas.strokeRect(x + 0.5, y + 0.5, width - 1, height - 1);
  }
  paintPlayhead(canvas, scene);
}

function rowOf(frame: Frame, view: View, pitch: number, isDrum: boolean): Band {
  const top = isDrum ? yOfDrum(frame, pitch) : yOfPitch(frame, view, pitch);
  return { top, bottom: top + (isDrum ? frame.drumRowHeight : view.rowHeight) };
}

function paintHover(canvas: Canvas, { frame, view, palette, hover }: OverlayScene): void {
  if (!hover) return;
  const row = rowOf(frame, view, hover.pitch, hover.isDrum);
  if (!within(hover.isDrum ? frame.drums : frame.pitches, row.top + 1)) return;
  canvas.fillStyle = palette.youWash;
  canvas.fillRect(frame.left, row.top, frame.width - frame.left, row.bottom - row.top);
  if (hover.isDrum) return;
  canvas.fillStyle = palette.you;
  canvas.font = `700 12px ${FONT}`;
  canvas.textBaseline = 'middle';
  canvas.textAlign = 'right';
  const middle = (row.top + row.bottom) / 2;
  canvas.beginPath();
  canvas.roundRect(frame.left - 37, middle - 9, 34, 18, 4);
  canvas.fill();
  canvas.fillStyle = palette.ground;
  canvas.fillText(pitchName(hover.pitch), frame.left - 8, middle + 0.5);
  canvas.textAlign = 'left';
}

function paintSounding(canvas: Canvas, scene: OverlayScene): void {
  const { frame, view, parts, colours } = scene;
  for (const { pitch, part } of scene.sounding) {
    const isDrum = parts[part]?.is_drum ?? false;
    const row = rowOf(frame, view, pitch, isDrum);
    if (!within(isDrum ? frame.drums : frame.pitches, row.top + 1)) continue;
    canvas.fillStyle = colours[part];
    const width = isBlackKey(pitch) && !isDrum ? blackKeyWidth(frame) : frame.left - 1;
    canvas.globalAlpha = isDrum ? 0.5 : 0.9;
    canvas.fillRect(0, row.top, width, row.bottom - row.top);
    canvas.globalAlpha = 1;
  }
}

function paintIncoming(canvas: Canvas, scene: OverlayScene, note: Note, glow: number): void {
  const { frame, view, palette, parts, colours } = scene;
  const isDrum = parts[note.part]?.is_drum ?? false;
  if (isDrum && !frame.drumRows.includes(note.pitch)) return;
  const rect = noteRect(frame, view, note, isDrum);
  if (rect.x > frame.width || rect.x + rect.width < frame.left) return;
  if (!within(isDrum ? frame.drums : frame.pitches, rect.y + 1)) return;
  clipped(canvas, bandRect(frame, isDrum ? frame.drums : frame.pitches), () => {
    const { x, y, width, height } = rect;
    canvas.beginPath();
    canvas.roundRect(x, y, width, height, Math.min(RADIUS, width / 2, height / 2));
    canvas.fillStyle = colours[note.part] ?? palette.sideman;
    canvas.globalAlpha = 0.75;
    canvas.fill();
    canvas.globalAlpha = 1;
    canvas.strokeStyle = palette.sideman;
    canvas.lineWidth = 1.5;
    canvas.stroke();
    if (glow <= 0) return;
    canvas.globalAlpha = glow * 0.6;
    canvas.lineWidth = 2 + 7 * glow;
    canvas.stroke();
    canvas.globalAlpha = 1;
  });
}

function paintCursor(canvas: Canvas, { frame, view, palette, cursor }: OverlayScene): void {
  if (!cursor) return;
  const row = rowOf(frame, view, cursor.pitch, cursor.isDrum);
  const band = cursor.isDrum ? frame.drums : frame.pitches;
  clipped(canvas, bandRect(frame, band), () => {
    canvas.strokeStyle = palette.you;
    canvas.lineWidth = 2;
    const width = Math.max(6, cursor.length * view.tickWidth);
    const x = xOf(frame, view, cursor.tick);
    canvas.strokeRect(x, row.top, width, row.bottom - row.top);
  });
}

function paintPlayhead(canvas: Canvas, scene: OverlayScene): void {
  const { frame, view, palette, playhead, isPlaying } = scene;
  const x = Math.round(xOf(frame, view, playhead));
  if (x < frame.left - 1 || x > frame.width) return;
  canvas.fillStyle = palette.you;
  canvas.globalAlpha = isPlaying ? 1 : 0.75;
  canvas.fillRect(x, frame.ruler.bottom - 3, isPlaying ? 2 : 1, frame.height);
  canvas.beginPath();
  canvas.moveTo(x - 6, frame.ruler.top + 12);
  canvas.lineTo(x + 7, frame.ruler.top + 12);
  canvas.lineTo(x + 7, frame.ruler.top + 17);
  canvas.lineTo(x + 0.5, frame.ruler.bottom - 1);
  canvas.lineTo(x - 6, frame.ruler.top + 17);
  canvas.fill();
  canvas.globalAlpha = 1;
}

/** Colours of all parts; `choices` are people's own. */
export function coloursOf(
  palette: Palette,
  parts: readonly Part[],
  choices: Readonly<Record<number, number>>,
): string[] {
  return parts.map((_, index) => partColour(palette, choices[index] ?? index));
}
