/** Keys of the roll: what each does to the cursor, the selection and the notes. */

import {
  addNotes,
  clamp,
  copyBars,
  copyNotes,
  deleteNotes,
  moveNotes,
  nudgeVelocity,
  pasteNotes,
  quantise,
  sayPlace,
  stretchNotes,
  toggleLocked,
  type Clip,
} from '../score/edit';
import { drumName, partName, pitchName } from '../score/names';
import { extendRange, notesInBars, sayBars } from '../score/select';
import { barAt, placeOf } from '../score/time';
import { end, MAX_PITCH, type Note } from '../score/types';
import type { Piece } from '../state/piece.svelte';

/** A cell of the roll. */
export interface Cursor {
  tick: number;
  pitch: number;
  isDrum: boolean;
}

export interface KeyScene {
  piece: Piece;
  cursor: Cursor;
  step: number;
  /** Drum pieces from top to bottom. */
  rows: readonly number[];
  setCursor(next: Cursor): void;
  say(text: string): void;
  sound(pitch: number, isDrum: boolean, part: number): void;
  zoom(direction: number): void;
  openChord(tick: number): void;
}

const OCTAVE = 12;
const VELOCITY_STEP = 6;
let clip: Clip | null = null;

type Action = (scene: KeyScene) => void;

/** Do what a key says; false if it says nothing here. */
export function rollKeys(event: KeyboardEvent, scene: KeyScene): boolean {
  const isCommand = event.ctrlKey || event.metaKey;
  const name = `${isCommand ? 'ctrl+' : ''}${event.shiftKey && event.key.length > 1 ? 'shift+' : ''}${event.key.length === 1 ? event.key.toLowerCase() : event.key}`;
  const action = ACTIONS[name];
  if (!action) return false;
  action(scene);
  return true;
}

const ACTIONS: Readonly<Record<string, Action>> = {
  ArrowLeft: (scene) => arrow(scene, -1, 0),
  ArrowRight: (scene) => arrow(scene, 1, 0),
  ArrowUp: (scene) => arrow(scene, 0, 1),
  ArrowDown: (scene) => arrow(scene, 0, -1),
  'ctrl+ArrowUp': (scene) => arrow(scene, 0, OCTAVE),
  'ctrl+ArrowDown': (scene) => arrow(scene, 0, -OCTAVE),
  'ctrl+ArrowLeft': (scene) => byBar(scene, -1),
  'ctrl+ArrowRight': (scene) => byBar(scene, 1),
  'shift+ArrowLeft': (scene) => selectBars(scene, -1),
  'shift+ArrowRight': (scene) => selectBars(scene, 1),
  'shift+ArrowUp': (scene) => extendNotes(scene, 1),
  'shift+ArrowDown': (scene) => extendNotes(scene, -1),
  Home: (scene) => place(scene, 0),
  End: (scene) => place(scene, scene.piece.bars[scene.piece.bars.length - 1].onset),
  ',': (scene) => neighbour(scene, -1),
  '.': (scene) => neighbour(scene, 1),
  Enter: writeOrSelect,
  Escape: letGo,
  Delete: remove,
  Backspace: remove,
  '[': (scene) =>
    change(scene, 'Shorten notes', (s, ids) => stretchNotes(s, ids, -scene.step, 3)),
  ']': (scene) => change(scene, 'Lengthen notes', (s, ids) => stretchNotes(s, ids, scene.step)),
  ';': (scene) => velocity(scene, -VELOCITY_STEP),
  "'": (scene) => velocity(scene, VELOCITY_STEP),
  l: lock,
  q: (scene) =>
    change(scene, 'Quantise notes', (s, ids) => quantise(s, ids, scene.step), 'quantised'),
  '+': (scene) => scene.zoom(1),
  '=': (scene) => scene.zoom(1),
  '-': (scene) => scene.zoom(-1),
  k: (scene) => scene.openChord(scene.cursor.tick),
  'ctrl+a': selectAll,
  'ctrl+c': copy,
  'ctrl+x': (scene) => {
    copy(scene);
    remove(scene);
  },
  'ctrl+v': paste,
  'ctrl+d': duplicate,
};

const nameOf = (scene: KeyScene, note: Note) =>
  scene.piece.score.parts[note.part].is_drum ? drumName(note.pitch) : pitchName(note.pitch);

function change(
  { piece, say }: KeyScene,
  label: string,
  edit: (score: Piece['score'], ids: ReadonlySet<number>) => Piece['score'],
  spoken = label,
): void {
  if (!piece.selected.size) {
    say('No notes are selected');
    return;
  }
  const { selected } = piece;
  piece.edit(label, edit(piece.score, selected));
  piece.select(selected);
  say(spoken);
}

function velocity(scene: KeyScene, by: number): void {
  change(scene, 'Change velocity', (score, ids) => nudgeVelocity(score, ids, by));
  const first = scene.piece.score.notes.find((note) => scene.piece.selected.has(note.id));
  if (first) scene.say(`velocity ${first.velocity}`);
}

function arrow(scene: KeyScene, right: number, up: number): void {
  const { piece, step } = scene;
  if (piece.selected.size) moveSelected(scene, right * step, up);
  else moveCursor(scene, right * step, up);
}

function moveSelected(scene: KeyScene, ticks: number, semitones: number): void {
  const { piece, say } = scene;
  const { selected } = piece;
  const moved = moveNotes(piece.score, selected, ticks, semitones);
  piece.edit('Move notes', moved);
  piece.select(selected);
  const first = moved.notes.find((note) => selected.has(note.id));
  if (!first) return;
  scene.sound(first.pitch, moved.parts[first.part].is_drum, first.part);
  say(`${nameOf(scene, first)}, ${sayPlace(placeOf(piece.bars, first.onset))}`);
}

function moveCursor({ cursor, rows, setCursor }: KeyScene, ticks: number, up: number): void {
  const tick = Math.max(0, cursor.tick + ticks);
  let { pitch } = cursor;
  if (up && cursor.isDrum) {
    const row = clamp(rows.indexOf(pitch) - Math.sign(up), 0, rows.length - 1);
    pitch = rows[row];
  } else pitch = clamp(pitch + up, 0, MAX_PITCH);
  setCursor({ ...cursor, tick, pitch });
}

function place(scene: KeyScene, tick: number): void {
  scene.setCursor({ ...scene.cursor, tick });
}

function byBar(scene: KeyScene, direction: number): void {
  const { bars } = scene.piece;
  const bar = barAt(bars, scene.cursor.tick);
  if (direction > 0) place(scene, bar.end);
  else if (scene.cursor.tick > bar.onset) place(scene, bar.onset);
  else place(scene, barAt(bars, Math.max(0, bar.onset - 1)).onset);
}

/** Select bars from the cursor on, one more or one less. */
function selectBars({ piece, cursor, say }: KeyScene, by: number): void {
  const at = barAt(piece.bars, cursor.tick).index;
  piece.region = piece.region ? extendRange(piece.region, by) : { first: at, end: at + 1 };
  say(`${sayBars(piece.region)} selected`);
}

/** Add the next note up or down, of those at the same time, to the selection. */
function extendNotes({ piece, cursor, say }: KeyScene, direction: number): void {
  const chosen = piece.score.notes.filter((note) => piece.selected.has(note.id));
  const edge = chosen.length
    ? chosen.reduce((a, b) => ((b.pitch - a.pitch) * direction > 0 ? b : a))
    : { pitch: cursor.pitch - direction, onset: cursor.tick };
  const next = piece.score.notes
    .filter(
      (note) => note.part === piece.focus && note.onset <= edge.onset && end(note) > edge.onset,
    )
    .filter((note) => (note.pitch - edge.pitch) * direction > 0)
    .sort((a, b) => (a.pitch - b.pitch) * direction)[0];
  if (!next) return;
  piece.select(new Set([...piece.selected, next.id]));
  say(`${piece.selected.size} notes selected`);
}

/** Go to the note before or after in the part in focus, and select it. */
function neighbour(scene: KeyScene, direction: number): void {
  const { piece, cursor } = scene;
  const notes = piece.score.notes.filter((note) => note.part === piece.focus);
  const current = notes.findIndex((note) => piece.selected.has(note.id));
  const after = notes.findIndex((note) => note.onset >= cursor.tick);
  const start = direction > 0 ? after : after < 0 ? notes.length - 1 : after - 1;
  const note = notes[current >= 0 ? current + direction : start];
  if (!note) {
    scene.say(`No more notes in ${partName(piece.score.parts[piece.focus])}`);
    return;
  }
  const isDrum = piece.score.parts[note.part].is_drum;
  scene.setCursor({ tick: note.onset, pitch: note.pitch, isDrum });
  piece.select(new Set([note.id]));
  scene.sound(note.pitch, isDrum, note.part);
}

function writeOrSelect(scene: KeyScene): void {
  const { piece, cursor, step, say } = scene;
  const here = piece.score.notes.find(
    (note) =>
      note.pitch === cursor.pitch &&
      piece.score.parts[note.part].is_drum === cursor.isDrum &&
      note.onset <= cursor.tick &&
      end(note) > cursor.tick,
  );
  if (here) {
    piece.focus = here.part;
    piece.select(new Set([here.id]));
    say(`${nameOf(scene, here)} selected`);
    return;
  }
  const { tick: onset, pitch } = cursor;
  const added = addNotes(piece.score, [
    { onset, duration: step, pitch, velocity: 84, part: piece.focus },
  ]);
  piece.edit('Write a note', added.score);
  scene.sound(pitch, cursor.isDrum, piece.focus);
  scene.setCursor({ ...cursor, tick: onset + step });
  say(`${cursor.isDrum ? drumName(pitch) : pitchName(pitch)} written`);
}

function letGo({ piece, say }: KeyScene): void {
  if (piece.audition) void piece.hear(null);
  else if (piece.selected.size) piece.select(new Set());
  else piece.region = null;
  say('Selection cleared');
}

function remove(scene: KeyScene): void {
  const before = scene.piece.score.notes.length;
  change(scene, 'Delete notes', deleteNotes);
  const count = before - scene.piece.score.notes.length;
  const kept = scene.piece.selected.size;
  scene.say(`${count} notes deleted${kept ? `, ${kept} are locked and stay` : ''}`);
}

/** Select the notes of the selected bars, else of the part in focus, else all. */
function selectAll({ piece, say }: KeyScene): void {
  const { score, bars, region, focus, selected } = piece;
  const inPart = score.notes.filter((note) => note.part === focus).map((note) => note.id);
  const hasPart = inPart.length > 0 && inPart.every((id) => selected.has(id));
  if (region) piece.select(notesInBars(score, bars, region));
  else piece.select(new Set(hasPart ? score.notes.map((note) => note.id) : inPart));
  say(`${piece.selected.size} notes selected`);
}

/** What is selected, notes or else bars, to be pasted; null for nothing. */
function clipped({ selected, region, score, bars }: Piece): Clip | null {
  if (selected.size) return copyNotes(score, selected);
  return region ? copyBars(score, bars, region) : null;
}

function copy({ piece, say }: KeyScene): void {
  const found = clipped(piece);
  if (!found) return;
  clip = found;
  say(`${clip.notes.length} notes copied`);
}

function paste({ piece, cursor, say }: KeyScene): void {
  if (!clip) {
    say('Nothing is copied yet');
    return;
  }
  const pasted = pasteNotes(piece.score, clip, cursor.tick);
  piece.edit('Paste notes', pasted.score);
  piece.select(new Set(pasted.ids));
  say(`${pasted.ids.length} notes pasted`);
}

function lock(scene: KeyScene): void {
  const { piece } = scene;
  change(scene, 'Lock or unlock notes', toggleLocked);
  const first = piece.score.notes.find((note) => piece.selected.has(note.id));
  if (first) scene.say(first.locked ? 'Locked' : 'Unlocked');
}

/** Write the selected notes or bars once more, behind themselves: at the next beat line. */
function duplicate({ piece, say }: KeyScene): void {
  const copied = clipped(piece);
  if (!copied?.notes.length) return;
  const { beat } = barAt(piece.bars, copied.onset);
  const length = Math.max(beat, Math.ceil(copied.length / beat) * beat);
  const pasted = pasteNotes(piece.score, copied, copied.onset + length);
  const hadNotes = piece.selected.size > 0;
  piece.edit('Duplicate notes', pasted.score);
  if (hadNotes) piece.select(new Set(pasted.ids));
  else if (piece.region) {
    // The copy is selected as its model was, to be written once more or looped.
    const { first, end: last } = piece.region;
    piece.region = { first: last, end: last + (last - first) };
  }
  say(`${pasted.ids.length} notes duplicated`);
}
