/** What the settings of live play are called on the page, and which matter when. */

import type { Setting } from '../api/types';

const LABELS: Readonly<Record<string, string>> = {
  silence: 'Waits for a silence of',
  min_notes: 'Answers from',
  answer: 'Answers for',
  trade_bars: 'Bars for each of you',
  loop_bars: 'Bars of the loop',
  change: 'Changes',
  overlap: 'May play while you do',
  horizon: 'Plans no further than',
  lookahead: 'Keeps written ahead',
  commit: 'Decides ahead',
  memory: 'Remembers the last',
  hears_itself: 'Remembers itself too',
  split: 'Hears only',
  density: 'How many notes',
  play_probability: 'How often it plays',
  complement: 'Leaves you room',
  avoid_register: 'Keeps out of your register',
  role: 'Plays only',
  max_note: 'Longest note',
  key: 'Key',
  key_hold: 'How it holds the key',
  chords: 'Chords',
  temperature: 'Daring',
  pitch_temperature: 'Daring in pitches',
  rhythm_temperature: 'Daring in rhythm',
  velocity_temperature: 'Daring in loudness',
  learn: 'Learns from tonight',
  seed: 'Seed',
  quantise: 'Grid of its notes',
  quantise_strength: 'Pull of the grid',
  transpose: 'Sounds higher by',
  velocity_scale: 'Loudness',
  delay_ms: 'Sounds later by',
  sync: 'Takes the tempo from',
};

/** Units that the registry leaves to the help. */
const UNITS: Readonly<Record<string, string>> = { min_notes: 'notes', max_note: 's' };

/** Numbers that mean a word. */
const SPECIAL: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  density: { '0': 'as it likes' },
  temperature: { '0': 'the likeliest' },
  silence: { '0': 'none' },
  learn: { '0': 'off' },
};

/** Those that stand in the bar at the top. */
export const IN_BAR: readonly string[] = ['mode', 'tempo', 'metre', 'metronome'];

const ALWAYS = ['temperature', 'key', 'chords'];

/** Those that matter in each mode; the others are under More. */
const FIRST: Readonly<Record<string, readonly string[]>> = {
  answer: ['silence', 'answer', 'memory', 'overlap', ...ALWAYS],
  trade: ['trade_bars', 'overlap', 'density', ...ALWAYS],
  accompany: ['density', 'complement', 'avoid_register', ...ALWAYS],
  harmonise: ['avoid_register', ...ALWAYS],
  lead: ['silence', 'density', ...ALWAYS],
  echo: ['change', 'silence', 'min_notes', ...ALWAYS],
  loop: ['loop_bars', 'change', 'density', ...ALWAYS],
};

/** What to do first in each mode, while nothing is to be seen yet. */
export const INVITATIONS: Readonly<Record<string, string>> = {
  answer: 'Play a phrase, then stop: Sideman answers.',
  trade: 'Play from the next bar line; then it is Sideman’s turn, and yours again.',
  accompany: 'Play on: Sideman joins in once it has heard you.',
  harmonise: 'Play a note: Sideman’s sound with it.',
  lead: 'Sideman goes on alone as soon as it has heard some notes, and is silent while you play.',
  echo: 'Play a phrase, then stop: it comes back, a little changed.',
  loop: 'Play some bars: they become a loop that changes each time round.',
};

const ACTIONS: Readonly<Record<string, string>> = {
  play_again: 'Play that again',
  forget_last: 'Forget the last phrase',
  forget_all: 'Forget everything',
  forget_learned: 'Forget what it learned',
};

const sentence = (name: string): string => {
  const words = name.replace(/[_-]/g, ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
};

export const settingLabel = (name: string): string => LABELS[name] ?? sentence(name);
/** The ones that are used most come first. */
export const inOrder = <T extends { name: string }>(actions: readonly T[]): T[] => {
  const place = ({ name }: T) => Object.keys(ACTIONS).indexOf(name);
  return [...actions].sort((one, other) => place(one) - place(other));
};

export const actionLabel = (name: string): string => ACTIONS[name] ?? sentence(name);

/** The value of a setting as people read it. */
export function settingValue({ name, unit }: Setting, value: string): string {
  return SPECIAL[name]?.[value] ?? `${value} ${unit || UNITS[name] || ''}`.trim();
}

/** The settings that matter in a mode, in their order, and the others by what they are about. */
export function arranged(
  settings: readonly Setting[],
  mode: string,
): { first: Setting[]; more: [string, Setting[]][] } {
  const names = FIRST[mode] ?? ALWAYS;
  const first = names.flatMap((name) => settings.filter((setting) => setting.name === name));
  const more = new Map<string, Setting[]>();
  for (const setting of settings) {
    if (names.includes(setting.name) || IN_BAR.includes(setting.name)) continue;
    more.set(setting.group, [...(more.get(setting.group) ?? []), setting]);
  }
  return { first, more: [...more] };
}

const WIDEST_RANGE = 200;

/** The step of a slider for a number, or null where a slider would be too coarse. */
export function sliderStep({ kind, low, high, value }: Setting): number | null {
  if (kind !== 'number' || low == null || high == null || high - low > WIDEST_RANGE)
    return null;
  if (high - low > 2 && [low, high, Number(value)].every(Number.isInteger)) return 1;
  if (high - low <= 2) return 0.01;
  return high - low <= 5 ? 0.05 : 0.1;
}
