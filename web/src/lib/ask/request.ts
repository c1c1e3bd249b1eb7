/** What people ask for, and the request that says it to the server. */

import type { JobRequest, Options, Selection, Task } from '../api/types';
import { chartOf } from '../roll/chords';
import { partName, PROGRAMS } from '../score/names';
import { sayBars, type BarRange } from '../score/select';
import type { Bar } from '../score/time';
import type { Part, Score } from '../score/types';

/** What can be asked, in the words of the page. */
export const WISHES = [
  { name: 'start', title: 'Start', hint: 'A new piece from nothing' },
  { name: 'continue', title: 'Continue', hint: 'What comes next' },
  { name: 'fill', title: 'Fill', hint: 'The selected bars anew, both sides heard' },
  { name: 'add', title: 'Add a part', hint: 'Something that plays along' },
  { name: 'rewrite', title: 'Rewrite', hint: 'One part anew, the rest kept' },
  { name: 'vary', title: 'Vary', hint: 'Change some of the notes' },
  { name: 'loop', title: 'Loop', hint: 'Bars that close on themselves' },
  { name: 'chords', title: 'Follow chords', hint: 'Play what the chord lane says' },
  { name: 'find', title: 'Find chords', hint: 'Write the chords of this melody' },
] as const;

export type WishName = (typeof WISHES)[number]['name'];

export const ROLES = [
  'bass',
  'drums',
  'chords',
  'melody',
  'pad',
  'counter',
  'arpeggio',
] as const;
export type RoleName = (typeof ROLES)[number];

/** The instrument of a role, unless another is chosen. */
const USUAL: Readonly<Record<RoleName, string>> = {
  bass: PROGRAMS[33],
  drums: 'drums',
  chords: PROGRAMS[4],
  melody: PROGRAMS[66],
  pad: PROGRAMS[89],
  counter: PROGRAMS[73],
  arpeggio: PROGRAMS[24],
};

export const BOLDNESS = { least: 0.6, most: 1.4, usual: 1 } as const;

/** The form; '' and null leave open what the model decides. */
export interface Form {
  wish: WishName;
  bars: number;
  takes: number;
  boldness: number;
  style: string;
  key: string;
  roles: RoleName[];
  instrument: string;
  density: number;
  change: number;
  onlyPart: boolean;
  followChords: boolean;
  /** Fields of the engine's options that are seldom touched, as typed. */
  more: Record<string, string>;
  seed: string;
}

export const NEW_FORM: Form = {
  wish: 'continue',
  bars: 8,
  takes: 3,
  boldness: BOLDNESS.usual,
  style: '',
  key: '',
  roles: ['bass'],
  instrument: '',
  density: 0,
  change: 30,
  onlyPart: false,
  followChords: true,
  more: {},
  seed: '',
};

/** Settings behind the fold, in plain words. */
export const MORE: readonly {
  name: string;
  label: string;
  hint: string;
  choices?: readonly string[];
}[] = [
  {
    name: 'key_mode',
    label: 'Keep to the key by',
    hint: 'lock: no other note; nudge: moved to the nearest',
    choices: ['', 'lock', 'nudge'],
  },
  {
    name: 'rhythm',
    label: 'Rhythm',
    hint: 'where notes may begin',
    choices: ['', 'free', 'straight', 'straight8', 'triplet', 'swing'],
  },
  { name: 'metre', label: 'Metre of new bars', hint: 'as 3/4' },
  { name: 'tempo', label: 'Tempo of new bars', hint: 'beats a minute' },
  { name: 'prompt_bars', label: 'Bars it listens to', hint: 'before the new ones, 1–1000' },
  { name: 'repetition', label: 'Repeat itself', hint: '−1 less to 1 more' },
  { name: 'novelty', label: 'Avoid what was there', hint: '0 to 1' },
  { name: 'pitch_temperature', label: 'Boldness of pitches', hint: '1 is usual' },
  { name: 'rhythm_temperature', label: 'Boldness of rhythm', hint: '1 is usual' },
  { name: 'velocity_temperature', label: 'Boldness of dynamics', hint: '1 is usual' },
  { name: 'top_p', label: 'Top p', hint: '0 to 1' },
  { name: 'min_p', label: 'Min p', hint: '0 to 1' },
  { name: 'top_k', label: 'Top k', hint: '0 is off' },
];

/** What the form is about. */
export interface Subject {
  score: Score;
  bars: readonly Bar[];
  region: BarRange | null;
  focus: number;
}

/** Why something cannot be asked now, or '' if it can. */
export function obstacle(wish: WishName, { score, region }: Subject): string {
  const isEmpty = !score.notes.length;
  if (wish === 'fill' && !region) return 'Select bars first: drag along the ruler.';
  if (wish === 'chords' && !score.chords.length) {
    return 'Write a chord first: double-click the lane above the notes.';
  }
  const needsNotes: WishName[] = ['fill', 'add', 'rewrite', 'vary', 'find', 'continue'];
  if (isEmpty && needsNotes.includes(wish))
    return 'There are no notes yet: draw some, or choose Start.';
  return '';
}

/** What fits best what is there and what is selected. */
export function suggested({ score, region }: Subject): WishName {
  if (!score.notes.length) return 'start';
  return region ? 'fill' : 'continue';
}

/** One sentence that says what will happen. */
export function sentence(form: Form, { score, bars, region, focus }: Subject): string {
  const where = region ? sayBars(region) : 'the whole piece';
  const part = partName(score.parts[focus]);
  const count = (n: number) => (n === 1 ? '1 bar' : `${n} bars`);
  switch (form.wish) {
    case 'start':
      return `Writes ${count(form.bars)} for ${form.roles.join(', ') || 'the parts you choose'}.`;
    case 'continue':
      return `Writes ${count(form.bars)} after bar ${region?.end ?? bars.length}.`;
    case 'fill':
      return `Writes ${where} anew ${form.onlyPart ? `in ${part}` : 'in all parts'}. Locked notes stay.`;
    case 'add':
      return `Writes a new part along the whole piece${form.followChords && score.chords.length ? ', over your chords' : ''}.`;
    case 'rewrite':
      return `Writes ${part} anew; every other part stays. Locked notes stay.`;
    case 'vary':
      return `Changes about ${form.change} % of the notes of ${form.onlyPart ? part : 'all parts'} in ${where}. Locked notes stay.`;
    case 'loop':
      return `Writes a loop of ${count(form.bars)} that comes round again.`;
    case 'chords':
      return `Writes ${count(chordBars(bars, region))} for your parts over the chords of ${where}.`;
    case 'find':
      return `Listens to ${part} and writes chords into the lane. No note changes.`;
  }
}

const chordBars = (bars: readonly Bar[], region: BarRange | null): number =>
  region ? region.end - region.first : bars.length;

/** A new part as the server reads it, such as `bass=Fretless Bass:density=3`. */
export function partWish(role: RoleName, instrument: string, density: number): string {
  const name = instrument || USUAL[role];
  const text = role === 'drums' ? name : `${role}=${name}`;
  return density ? `${text}:density=${density}` : text;
}

/** A part that is there, as a wish for one like it. */
const likePart = (part: Part): string => (part.is_drum ? 'drums' : PROGRAMS[part.program]);

export function requestOf(
  form: Form,
  subject: Subject,
  newSeed: () => number,
): Omit<JobRequest, 'revision' | 'locks'> {
  const { task, options, selection } = PARTICULARS[form.wish](form, subject);
  const common: Options = {};
  if (form.boldness !== BOLDNESS.usual) common.temperature = form.boldness;
  if (form.style) common.style = form.style;
  if (form.key) common.key = form.key;
  for (const [name, text] of Object.entries(form.more)) {
    if (text.trim()) common[name] = asValue(text.trim());
  }
  const seed = form.seed.trim() ? Number(form.seed) : newSeed();
  return { task, options: { ...common, ...options }, selection, takes: form.takes, seed };
}

/** A number where a text is one; `3/4` and words stay text. */
const asValue = (text: string): string | number =>
  /^-?[\d.]+$/.test(text) ? Number(text) : text;

interface Particulars {
  task: Task;
  options: Options;
  selection?: Selection;
}

const wishesOf = (form: Form): string[] =>
  form.roles.map((role) =>
    partWish(role, form.roles.length > 1 ? '' : form.instrument, form.density),
  );

const place = (form: Form, { region, focus }: Subject): Selection => ({
  ...(region ? { bars: [region.first, region.end] } : {}),
  ...(form.onlyPart ? { parts: [focus] } : {}),
});

const PARTICULARS: Record<WishName, (form: Form, subject: Subject) => Particulars> = {
  start: (form) => ({
    task: 'compose',
    options: { bars: String(form.bars), parts: wishesOf(form) },
  }),
  continue: (form, { region }) => ({
    task: 'continue',
    options: { bars: String(form.bars) },
    ...(region ? { selection: { bars: [0, region.end] as [number, number] } } : {}),
  }),
  fill: (form, subject) => ({ task: 'infill', options: {}, selection: place(form, subject) }),
  add(form, { score, bars }) {
    const chart = form.followChords ? chartOf(score, bars, { first: 0, end: bars.length }) : '';
    return {
      task: 'accompany',
      options: { parts: wishesOf(form), ...(chart ? { chart } : {}) },
    };
  },
  rewrite: (_, { focus }) => ({ task: 'rewrite', options: {}, selection: { parts: [focus] } }),
  vary: (form, subject) => ({
    task: 'vary',
    options: { change: form.change },
    selection: place(form, subject),
  }),
  loop: (form, { score }) => ({
    task: 'loop',
    options: {
      bars: String(form.bars),
      ...(score.notes.length ? {} : { parts: wishesOf(form) }),
    },
  }),
  chords(_, { score, bars, region }) {
    const range = region ?? { first: 0, end: bars.length };
    return {
      task: 'compose',
      options: {
        bars: String(range.end - range.first),
        chart: chartOf(score, bars, range),
        parts: score.parts.map(likePart),
      },
    };
  },
  find: (_, { focus }) => ({
    task: 'harmonise',
    options: { chords_only: true },
    selection: { parts: [focus] },
  }),
};
