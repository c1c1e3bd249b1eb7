/** Who plays live: from what one chooses on the page to the text that the server reads. */

import type { LiveVoice } from '../api/types';

export type Chosen = Pick<LiveVoice, 'name' | 'kind' | 'role' | 'instrument' | 'wishes'>;

export const KIND_NAMES: Readonly<Record<LiveVoice['kind'], string>> = {
  input: 'You',
  auto: 'Sideman',
  follow: 'Follows your notes',
};

const NO_ROLE = 'unspecified';
const DRUMS = 'drums';
/** What only pitched instruments can be asked for. */
const PITCHED = /^(range|octave)=/;

export const isKit = (instrument: string): boolean => instrument.endsWith(' kit');

/** A voice as `sideman live --voice` has it. */
export function voiceText({ name, kind, role, instrument, wishes }: Chosen): string {
  const part = role === NO_ROLE ? instrument : `${role}=${instrument}`;
  return `${name}=${kind}:${part}${wishes ? `:${wishes}` : ''}`;
}

/** A voice with another instrument; a drum kit has no range, and nothing else is a drum kit. */
export function withInstrument(voice: Chosen, instrument: string): Chosen {
  if (isKit(instrument)) {
    const wishes = voice.wishes.split(',').filter((wish) => wish && !PITCHED.test(wish));
    return { ...voice, instrument, role: DRUMS, wishes: wishes.join(',') };
  }
  const role = voice.role === DRUMS ? NO_ROLE : voice.role;
  return { ...voice, instrument, role };
}

/** A name that no voice has yet. */
export function freeName(voices: readonly Chosen[], wanted: string): string {
  const names = new Set(voices.map(({ name }) => name));
  let name = wanted;
  for (let number = 2; names.has(name); number++) name = `${wanted} ${number}`;
  return name;
}

/** The voices with one more, which Sideman plays. */
export function withOneMore(voices: readonly Chosen[]): Chosen[] {
  const added: Chosen = {
    name: freeName(voices, 'bass'),
    kind: 'auto',
    role: 'bass',
    instrument: 'Acoustic Bass',
    wishes: '',
  };
  return [...voices, added];
}
