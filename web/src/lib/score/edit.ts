/** Edits: functions from a score to a new one, which shares what did not change. */

import { notesInBars, rangeTicks, type BarRange } from './select';
import {
  barsOf,
  lastAtOrBefore,
  lastEnd,
  metreSpans,
  placeOf,
  type Bar,
  type Place,
} from './time';
import {
  DEFAULT_BPM,
  end,
  MAX_PITCH,
  MAX_VELOCITY,
  type Note,
  type Part,
  type Score,
  type TimeSignature,
} from './types';

export type Ids = ReadonlySet<number>;
export type NewNote = Omit<Note, 'id' | 'locked'>;

export const clamp = (value: number, low: number, high: number): number =>
  Math.min(high, Math.max(low, value));

/** Keep notes in playing order and the number of bars large enough. */
function withNotes(score: Score, notes: Note[]): Score {
  notes.sort((a, b) => a.onset - b.onset || a.pitch - b.pitch || a.id - b.id);
  const grown = { ...score, notes };
  const nBars = lastEnd(grown) > 0 ? placeOf(barsOf(grown), lastEnd(grown) - 1).bar : 0;
  return { ...grown, n_bars: Math.max(score.n_bars, nBars) };
}

/** Change the notes that are chosen and not locked. */
function change(score: Score, ids: Ids, edit: (note: Note) => Note): Score {
  let changed = false;
  const notes = score.notes.map((note) => {
    if (!ids.has(note.id) || note.locked) return note;
    changed = true;
    return edit(note);
  });
  return changed ? withNotes(score, notes) : score;
}

export function chosen(score: Score, ids: Ids): Note[] {
  return score.notes.filter((note) => ids.has(note.id));
}

const free = (score: Score, ids: Ids) => chosen(score, ids).filter((note) => !note.locked);

function nextId(score: Score): number {
  return score.notes.reduce((largest, note) => Math.max(largest, note.id), 0) + 1;
}

export function addNotes(
  score: Score,
  added: readonly NewNote[],
): { score: Score; ids: number[] } {
  const first = nextId(score);
  const notes = added.map((note, index) => ({
    ...note,
    onset: Math.max(0, Math.round(note.onset)),
    duration: Math.max(1, Math.round(note.duration)),
    pitch: clamp(note.pitch, 0, MAX_PITCH),
    velocity: clamp(Math.round(note.velocity), 1, MAX_VELOCITY),
    id: first + index,
    locked: false,
  }));
  return {
    score: withNotes(score, [...score.notes, ...notes]),
    ids: notes.map((note) => note.id),
  };
}

export function deleteNotes(score: Score, ids: Ids): Score {
  const notes = score.notes.filter((note) => !ids.has(note.id) || note.locked);
  return notes.length === score.notes.length ? score : { ...score, notes };
}

/** Move notes together; none goes before the beginning or beyond the keyboard. */
export function moveNotes(score: Score, ids: Ids, ticks: number, semitones: number): Score {
  const notes = free(score, ids);
  if (!notes.length) return score;
  const earliest = Math.min(...notes.map((note) => note.onset));
  const lowest = Math.min(...notes.map((note) => note.pitch));
  const highest = Math.max(...notes.map((note) => note.pitch));
  const later = Math.max(Math.round(ticks), -earliest);
  const higher = clamp(semitones, -lowest, MAX_PITCH - highest);
  if (!later && !higher) return score;
  return change(score, ids, (note) => ({
    ...note,
    onset: note.onset + later,
    pitch: note.pitch + higher,
  }));
}

/** Make notes longer or shorter at their end; none gets shorter than `least` ticks. */
export function stretchNotes(score: Score, ids: Ids, ticks: number, least = 1): Score {
  if (!Math.round(ticks)) return score;
  return change(score, ids, (note) => {
    const shortest = Math.min(note.duration, least);
    return { ...note, duration: Math.max(shortest, note.duration + Math.round(ticks)) };
  });
}

export function setVelocity(score: Score, ids: Ids, velocity: number): Score {
  const value = clamp(Math.round(velocity), 1, MAX_VELOCITY);
  return change(score, ids, (note) => ({ ...note, velocity: value }));
}

export function nudgeVelocity(score: Score, ids: Ids, by: number): Score {
  return change(score, ids, (note) => ({
    ...note,
    velocity: clamp(note.velocity + by, 1, MAX_VELOCITY),
  }));
}

export function setLocked(score: Score, ids: Ids, locked: boolean): Score {
  const notes = score.notes.map((note) =>
    ids.has(note.id) && note.locked !== locked ? { ...note, locked } : note,
  );
  return { ...score, notes };
}

/** Lock the chosen notes, or unlock them if all of them are locked. */
export function toggleLocked(score: Score, ids: Ids): Score {
  return setLocked(score, ids, !chosen(score, ids).every((note) => note.locked));
}

export function moveToPart(score: Score, ids: Ids, part: number): Score {
  return change(score, ids, (note) => ({ ...note, part }));
}

/** Put onsets on the nearest line of a grid of `ticks`. */
export function quantise(score: Score, ids: Ids, ticks: number): Score {
  const bars = barsOf(score);
  return change(score, ids, (note) => {
    const bar = bars[placeOf(bars, note.onset).bar - 1];
    return { ...note, onset: bar.onset + Math.round((note.onset - bar.onset) / ticks) * ticks };
  });
}

/** Notes taken out of a score, to be put somewhere else; onsets count from `onset`. */
export interface Clip {
  onset: number;
  length: number;
  notes: NewNote[];
}

export function copyNotes(score: Score, ids: Ids): Clip {
  const notes = chosen(score, ids);
  const onset = Math.min(...notes.map((note) => note.onset));
  return {
    onset,
    length: Math.max(...notes.map(end)) - onset,
    notes: notes.map(({ id: _id, locked: _locked, ...note }) => ({
      ...note,
      onset: note.onset - onset,
    })),
  };
}

/** Copy bars, rests at their beginning and end as well. */
export function copyBars(score: Score, bars: readonly Bar[], range: BarRange): Clip {
  const [from, to] = rangeTicks(bars, range);
  const ids = notesInBars(score, bars, range);
  if (!ids.size) return { onset: from, length: to - from, notes: [] };
  const clip = copyNotes(score, ids);
  const late = clip.onset - from;
  const notes = clip.notes.map((note) => ({ ...note, onset: note.onset + late }));
  return { onset: from, length: to - from, notes };
}

export function pasteNotes(score: Score, clip: Clip, onset: number) {
  const known = clip.notes.filter((note) => note.part < score.parts.length);
  return addNotes(
    score,
    known.map((note) => ({ ...note, onset: onset + note.onset })),
  );
}

export function addPart(score: Score, part: Part): Score {
  return { ...score, parts: [...score.parts, part] };
}

export function changePart(score: Score, index: number, values: Partial<Part>): Score {
  const parts = score.parts.map((part, i) => (i === index ? { ...part, ...values } : part));
  return { ...score, parts };
}

/** Write a part once more behind the others, with all its notes. */
export function duplicatePart(score: Score, index: number, name: string): Score {
  const own = score.notes.filter((note) => note.part === index);
  const part = score.parts.length;
  const doubled = addPart(score, { ...score.parts[index], name });
  return addNotes(
    doubled,
    own.map(({ id: _id, locked: _locked, ...note }) => ({ ...note, part })),
  ).score;
}

export const notesOfPart = (score: Score, index: number): Set<number> =>
  new Set(score.notes.filter((note) => note.part === index).map((note) => note.id));

/** Take a part away with its notes. */
export function removePart(score: Score, index: number): Score {
  const notes = score.notes
    .filter((note) => note.part !== index)
    .map((note) => (note.part > index ? { ...note, part: note.part - 1 } : note));
  return { ...score, parts: score.parts.filter((_, i) => i !== index), notes };
}

/** Keep some bars alone; they begin the piece, and nothing rings beyond them. */
export function cropBars(score: Score, bars: readonly Bar[], range: BarRange): Score {
  const [from, to] = rangeTicks(bars, range);
  const inside = <Row extends { onset: number }>(rows: readonly Row[]): Row[] => {
    const before = rows.findLast((row) => row.onset <= from);
    const within = rows.filter((row) => row.onset > from && row.onset < to);
    return [...(before ? [before] : []), ...within].map((row) => ({
      ...row,
      onset: Math.max(0, row.onset - from),
    }));
  };
  const notes = score.notes
    .filter((note) => note.onset >= from && note.onset < to)
    .map((note) => ({
      ...note,
      onset: note.onset - from,
      duration: Math.min(note.duration, to - note.onset),
    }));
  return {
    ...score,
    n_bars: range.end - range.first,
    notes,
    tempos: inside(score.tempos),
    time_signatures: inside(score.time_signatures),
    keys: inside(score.keys),
    chords: inside(score.chords),
  };
}

/** Write a chord at a tick; an empty symbol takes away the one that begins there. */
export function setChord(score: Score, onset: number, symbol: string): Score {
  const others = score.chords.filter((chord) => chord.onset !== onset);
  const chords = symbol.trim() ? [...others, { onset, symbol: symbol.trim() }] : others;
  chords.sort((a, b) => a.onset - b.onset);
  return { ...score, chords };
}

/** Change the row that holds at a tick; the others stay. */
function changeAt<Row extends { onset: number }>(
  rows: readonly Row[],
  at: number,
  values: Partial<Row>,
): Row[] {
  const holds = lastAtOrBefore(rows, at, (row) => row.onset);
  return rows.map((row, index) => (index === holds ? { ...row, ...values } : row));
}

/** Set the tempo that holds at a tick, from where it begins to the next one. */
export function setTempo(score: Score, bpm: number, at: number): Score {
  const usual = score.tempos[0]?.onset === 0 ? [] : [{ onset: 0, bpm: DEFAULT_BPM }];
  return { ...score, tempos: changeAt([...usual, ...score.tempos], at, { bpm }) };
}

/** Set the metre that holds at a tick, from where it begins to the next one. */
export function setMetre(
  score: Score,
  metre: Pick<TimeSignature, 'numerator' | 'denominator'>,
  at: number,
): Score {
  return { ...score, time_signatures: changeAt(metreSpans(score), at, metre) };
}

/** Say a place in words, for people who hear the page. */
export const sayPlace = ({ bar, beat, tick }: Place): string =>
  `bar ${bar}, beat ${beat}${tick ? `, tick ${tick}` : ''}`;
