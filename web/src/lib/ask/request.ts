/** What people ask for, and the request that says it to the server. */

import type { JobRequest, Options, Selection, Task } from '../api/types';
import { chartOf } from '../roll/chords';
import { addPart, cropBars } from '../score/edit';
import { partName, PROGRAMS } from '../score/names';
import { sayBars, type BarRange } from '../score/select';
import { barAt, barOnset, barsPlayed, type Bar } from '../score/time';
import { newPart, type Part, type Score } from '../score/types';

/** What can be asked, in the words of the page. */
export const WISHES = [
  { name: 'start', title: 'Start', hint: 'A new piece from nothing' },
  { name: 'continue', title: 'Continue', hint: 'What comes next' },
  { name: 'fill', title: 'Fill', hint: 'The selected bars anew, both sides heard' },
  { name: 'add', title: 'Add a part', hint: 'Something that plays along' },
  { name: 'rewrite', title: 'Rewrite', hint: 'One part anew, the rest kept' },
  { name: 'vary', title: 'Vary', hint: 'Change some of the notes' },
  { name: 'loop', title: 'Loop', hint: 'Bars that come round, part by part' },
  { name: 'chords', title: 'Follow chords', hint: 'Play what the chord lane says' },
  { name: 'find', title: 'Find chords', hint: 'Write the chords that are heard into the lane' },
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

/** How a loop that has notes goes on. */
export const LOOP_WAYS = [
  { name: 'add', title: 'Add a part' },
  { name: 'anew', title: 'Write anew' },
  { name: 'grow', title: 'Grow' },
] as const;
export type LoopWay = (typeof LOOP_WAYS)[number]['name'];

/** The form; '' and 0 leave open what the model decides. */
export interface Form {
  wish: WishName;
  bars: number;
  takes: number;
  boldness: number;
  style: string;
  tonic: string;
  scale: string;
  /** Who plays in something new. */
  roles: RoleName[];
  /** Who is added. */
  role: RoleName;
  instrument: string;
  density: number;
  change: number;
  onlyPart: boolean;
  followChords: boolean;
  playChords: boolean;
  /** Where new bars begin; `auto`: behind the selection, or the end if there is none. */
  from: 'auto' | 'end' | 'playhead';
  loop: LoopWay;
  /** What is wished of one part, as typed. */
  part: Record<string, string>;
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
  tonic: '',
  scale: 'major',
  roles: ['drums', 'bass', 'chords', 'melody'],
  role: 'bass',
  instrument: '',
  density: 0,
  change: 30,
  onlyPart: false,
  followChords: true,
  playChords: false,
  from: 'auto',
  loop: 'add',
  part: {},
  more: {},
  seed: '',
};

interface Field {
  name: string;
  label: string;
  hint: string;
  choices?: readonly string[];
}

/** What may be wished of one part, in plain words. */
export const PART_WISHES: readonly Field[] = [
  { name: 'polyphony', label: 'Notes at a time', hint: '1, or 2-4' },
  { name: 'range', label: 'Range', hint: 'E1-G3; C4 is middle C' },
  { name: 'lengths', label: 'Note lengths', hint: '1/16-1/4' },
  { name: 'velocity', label: 'Loudness', hint: '40-100, of 127' },
  { name: 'octave', label: 'Octave', hint: '4 begins at middle C' },
  { name: 'max-notes', label: 'Most notes a bar', hint: '8' },
];

/** Settings behind the fold, in plain words. */
export const MORE: readonly Field[] = [
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
  { name: 'metre', label: 'Metre of new bars', hint: '3/4, or 4/4; 9=3/4' },
  { name: 'tempo', label: 'Tempo of new bars', hint: '96, or 96; 9=120' },
  { name: 'prompt_bars', label: 'Bars it listens to', hint: 'before the new ones; 16' },
  { name: 'repetition', label: 'Repeat itself', hint: '−2 less to 2 more' },
  { name: 'novelty', label: 'Avoid what was there', hint: '−2 to 2' },
  { name: 'keep', label: 'Keep the likeliest', hint: 'of the takes; all' },
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
  /** Where playing would begin, in ticks. */
  place: number;
}

const isEmpty = ({ score }: Subject): boolean => !score.notes.length;

/** The first bar that is written when the piece goes on. */
export function continuesAt(
  from: Form['from'],
  { score, bars, region, place }: Subject,
): number {
  const played = barsPlayed(score, bars);
  if (from === 'playhead') {
    const bar = barAt(bars, place);
    return Math.min(place > bar.onset ? bar.index + 1 : bar.index, bars.length);
  }
  if (from === 'end' || !region) return played;
  return region.first >= played ? region.first : Math.min(region.end, bars.length);
}

/** How long a loop is: the bars that have notes, up to 1, 2, 4 … where the piece has so many. */
export function loopLength({ score, bars, region }: Subject): number {
  if (region) return region.end - region.first;
  const played = Math.max(1, barsPlayed(score, bars));
  const whole = 2 ** Math.ceil(Math.log2(played));
  return whole <= bars.length ? whole : played;
}

/** Why something cannot be asked now, or '' if it can. */
export function obstacle(
  wish: WishName,
  subject: Subject,
  from: Form['from'] = 'auto',
): string {
  const { score, bars, region } = subject;
  const needsNotes: WishName[] = ['fill', 'add', 'rewrite', 'vary', 'find', 'continue'];
  if (isEmpty(subject) && needsNotes.includes(wish))
    return 'There are no notes yet: draw some, or choose Start.';
  if (wish === 'chords' && !score.chords.length) {
    return 'Write a chord first: double-click the lane above the notes.';
  }
  if (wish === 'continue' && continuesAt(from, subject) === 0)
    return 'Nothing stands before bar 1: put the playhead later, or go on from the end.';
  const inPlace: WishName[] = ['fill', 'rewrite', 'vary', 'add'];
  if (region && inPlace.includes(wish) && region.first >= barsPlayed(score, bars))
    return `There is nothing in ${sayBars(region)} and behind them: choose Continue.`;
  if (wish === 'fill' && !region) return 'Select bars first: drag along the ruler.';
  return '';
}

/** What fits best what is there and what is selected. */
export function suggested(subject: Subject): WishName {
  if (isEmpty(subject)) return 'start';
  return subject.region && !obstacle('fill', subject) ? 'fill' : 'continue';
}

/** Whether who plays is chosen out of the roles, several at a time. */
export const wantsRoles = (wish: WishName, subject: Subject): boolean =>
  wish === 'start' || (isEmpty(subject) && (wish === 'loop' || wish === 'chords'));

/** Whether one part is added. */
export const addsPart = (form: Form, subject: Subject): boolean =>
  form.wish === 'add' || (form.wish === 'loop' && !isEmpty(subject) && form.loop === 'add');

/** Whether one part that is there is written. */
const writesFocus = ({ wish, onlyPart, loop }: Form): boolean =>
  wish === 'rewrite' ||
  (onlyPart &&
    (['fill', 'vary', 'chords'].includes(wish) || (wish === 'loop' && loop === 'anew')));

/** Whether something can be wished of one part. */
export const wantsPartWishes = (form: Form, subject: Subject): boolean =>
  addsPart(form, subject) ||
  (!isEmpty(subject) && writesFocus(form) && form.wish !== 'loop') ||
  (wantsRoles(form.wish, subject) && form.roles.length === 1);

/** One sentence that says what will happen. */
export function sentence(form: Form, subject: Subject): string {
  const { score, bars, region, focus } = subject;
  const where = region ? `in ${sayBars(region)}` : 'in the whole piece';
  const part = partName(score.parts[focus]);
  const who = form.onlyPart ? part : 'all parts';
  const over = score.chords.length ? ', over the chords of the lane' : '';
  switch (form.wish) {
    case 'start':
      return `Writes ${count(form.bars)} for ${listed(form.roles)}.`;
    case 'continue': {
      const at = continuesAt(form.from, subject);
      const from = barOnset(bars, at);
      const until = barOnset(bars, at + form.bars);
      const hasChords = score.chords.some(({ onset }) => onset >= from && onset < until);
      const isTaken = score.notes.some(({ onset }) => onset >= from);
      return `Writes ${count(form.bars)} from bar ${at + 1} on${hasChords ? over : ''}.${isTaken ? ' What stands there gives way.' : ''}`;
    }
    case 'fill':
      return `Writes ${who} anew ${where}${over}. Locked notes stay.`;
    case 'add':
      return `Adds ${newName(form)} ${where}${form.followChords ? over : ''}. ${region ? 'Nothing else changes.' : 'Select bars to have it only there.'}`;
    case 'rewrite':
      return `Writes ${part} anew ${where}${over}; every other part stays. Locked notes stay.`;
    case 'vary':
      return `Changes about ${form.change} % of the notes of ${who} ${where}. Locked notes stay.`;
    case 'loop':
      return loopSentence(form, subject);
    case 'chords':
      return isEmpty(subject)
        ? `Writes ${count(form.bars)} for ${listed(form.roles)} over ${count(chordBars(subject).end)} of chords.`
        : `Writes ${who} anew ${where} over the chords of the lane. Locked notes stay.`;
    case 'find':
      return `Listens to ${who} and writes chords into the lane${form.playChords ? ', and a part that plays them' : ''}. Notes stay as they are.`;
  }
}

function loopSentence(form: Form, subject: Subject): string {
  if (isEmpty(subject))
    return `Writes a loop of ${count(form.bars)} for ${listed(form.roles)} that comes round again.`;
  const { region, score, focus } = subject;
  const length = count(loopLength(subject));
  const first = region ? `Makes ${sayBars(region)} the piece. ` : '';
  const part = partName(score.parts[focus]);
  switch (form.loop) {
    case 'add':
      return `${first}Adds ${newName(form)} to the loop of ${length}; what is there stays.`;
    case 'anew':
      return `${first}Writes ${form.onlyPart ? part : 'all parts'} of the loop of ${length} anew, one after the other. Parts with locked notes stay.`;
    case 'grow':
      return `${first}Adds ${count(form.bars)} that vary the first ${length}.`;
  }
}

const count = (n: number) => (n === 1 ? '1 bar' : `${n} bars`);

const listed = (roles: readonly RoleName[]): string =>
  roles.join(', ') || 'the parts you choose';

const newName = ({ role, instrument }: Form): string =>
  instrument ? `${role} (${instrument})` : role;

/** The bars of the lane that have chords of their own, from the first bar on. */
function chordBars({ score, bars }: Subject): BarRange {
  const last = score.chords.at(-1)?.onset ?? 0;
  return { first: 0, end: barAt(bars, last).index + 1 };
}

/** A new part as the server reads it, such as `bass=Fretless Bass:density=3`. */
export function partWish(role: RoleName, instrument: string, wishes: string): string {
  const name = instrument || USUAL[role];
  const text = role === 'drums' ? 'drums' : `${role}=${name}`;
  return wishes ? `${text}:${wishes}` : text;
}

/** What is wished of one part, as the server reads it: `density=3,polyphony=1`. */
function wishesOf(form: Form, isAlone: boolean): string {
  const typed = isAlone ? PART_WISHES.map(({ name }) => [name, form.part[name] ?? '']) : [];
  return [['density', form.density ? String(form.density) : ''], ...typed]
    .filter(([, text]) => text.trim())
    .map(([name, text]) => `${name}=${text.trim()}`)
    .join(',');
}

const roleWishes = (form: Form): string[] => {
  const isAlone = form.roles.length === 1;
  return form.roles.map((role) =>
    partWish(role, isAlone ? form.instrument : '', wishesOf(form, isAlone)),
  );
};

const newPartWish = (form: Form): string =>
  partWish(form.role, form.role === 'drums' ? '' : form.instrument, wishesOf(form, true));

/**
 * An edit that comes first: a part that is to be written in some bars has to be there, and a loop
 * of some bars is made of them.
 */
export function firstEdit(
  form: Form,
  subject: Subject,
): { label: string; score: Score } | null {
  const { score, bars, region } = subject;
  if (!region || isEmpty(subject)) return null;
  if (form.wish === 'loop')
    return { label: `Keep ${sayBars(region)}`, score: cropBars(score, bars, region) };
  if (form.wish !== 'add') return null;
  return { label: `Add ${newName(form)}`, score: addPart(score, partOf(form)) };
}

function partOf({ role, instrument }: Form): Part {
  if (role === 'drums') return newPart(0, 'Drums', true);
  const name = instrument || USUAL[role];
  return newPart(PROGRAMS.indexOf(name), name);
}

/** The request of a form; `subject` is as `firstEdit` has left it. */
export function requestOf(
  form: Form,
  subject: Subject,
  newSeed: () => number,
): Omit<JobRequest, 'revision' | 'locks'> {
  const { task, options, selection } = PARTICULARS[form.wish](form, subject);
  const common: Options = {};
  if (form.boldness !== BOLDNESS.usual) common.temperature = form.boldness;
  if (form.style) common.style = form.style;
  if (form.tonic) common.key = `${form.tonic} ${form.scale}`;
  for (const [name, text] of Object.entries(form.more)) {
    if (text.trim()) common[name] = asValue(text.trim());
  }
  const seed = form.seed.trim() ? Number(form.seed) : newSeed();
  return { task, options: { ...common, ...options }, selection, takes: form.takes, seed };
}

/** A number where a text is one; `3/4` and words stay text. */
const asValue = (text: string): string | number => {
  const plain = text.replace('−', '-');
  return /^-?[\d.]+$/.test(plain) ? Number(plain) : text;
};

interface Particulars {
  task: Task;
  options: Options;
  selection?: Selection;
}

/** What is wished of a part that is there. */
const wished = (part: number, wishes: string): Options =>
  wishes ? { parts: [`${part + 1}:${wishes}`] } : {};

const said = (name: string, text: string): Options => (text ? { [name]: text } : {});

/** Bars and parts that are meant; what is wished of a part goes with its number. */
function place(
  form: Form,
  { region, focus }: Subject,
): Pick<Particulars, 'options' | 'selection'> {
  const wishes = writesFocus(form) ? wishesOf(form, true) : '';
  return {
    options: wished(focus, wishes),
    selection: {
      ...(region ? { bars: [region.first, region.end] as [number, number] } : {}),
      ...(writesFocus(form) ? { parts: [focus] } : {}),
    },
  };
}

const PARTICULARS: Record<WishName, (form: Form, subject: Subject) => Particulars> = {
  start: (form) => ({
    task: 'compose',
    options: { bars: String(form.bars), parts: roleWishes(form) },
  }),
  continue: (form, subject) => ({
    task: 'continue',
    options: { bars: String(form.bars) },
    selection: { bars: [0, continuesAt(form.from, subject)] },
  }),
  fill: (form, subject) => ({ task: 'infill', ...place(form, subject) }),
  add(form, subject) {
    const { score, bars, region } = subject;
    if (region) {
      // The part is there by now, still without notes.
      const polyphony = form.part.polyphony || (form.role === 'bass' ? '1' : '');
      const wishes = wishesOf({ ...form, part: { ...form.part, polyphony } }, true);
      const part = score.parts.length - 1;
      return {
        task: 'infill',
        options: wished(part, wishes),
        selection: { bars: [region.first, region.end], parts: [part] },
      };
    }
    const chart = form.followChords ? chartOf(score, bars, { first: 0, end: bars.length }) : '';
    return {
      task: 'accompany',
      options: { parts: [newPartWish(form)], ...said('chart', chart) },
    };
  },
  rewrite: (form, subject) => ({ task: 'rewrite', ...place(form, subject) }),
  vary(form, subject) {
    const { options, selection } = place(form, subject);
    return { task: 'vary', options: { ...options, change: form.change }, selection };
  },
  loop(form, subject) {
    const bars = String(isEmpty(subject) ? form.bars : loopLength(subject));
    const request = (options: Options, selection?: Selection): Particulars => ({
      task: 'loop',
      options: { bars, ...options },
      ...(selection ? { selection } : {}),
    });
    if (isEmpty(subject)) return request({ parts: roleWishes(form) });
    if (form.loop === 'add') return request({ parts: [newPartWish(form)] });
    if (form.loop === 'grow') return request({ extend: form.bars, change: form.change });
    return request({}, form.onlyPart ? { parts: [subject.focus] } : {});
  },
  chords(form, subject) {
    if (!isEmpty(subject)) return { task: 'infill', ...place(form, subject) };
    const { score, bars } = subject;
    return {
      task: 'compose',
      options: {
        bars: String(form.bars),
        chart: chartOf(score, bars, chordBars(subject)),
        parts: roleWishes(form),
      },
    };
  },
  find: (form, { focus }) => ({
    task: 'harmonise',
    options: { chords_only: !form.playChords },
    ...(form.onlyPart ? { selection: { parts: [focus] } } : {}),
  }),
};
