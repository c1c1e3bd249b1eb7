/** A partner for live play in memory. */

import { FAMILIES, PROGRAMS } from '../../score/names';
import type { Listener } from '../client';
import type { Info, LiveCommand, LiveMessage, LiveNote, LiveVoice, Meter } from '../types';

const LIVE_SETTINGS: Info['live']['settings'] = [
  {
    name: 'memory',
    help: 'How much of what was played it listens to.',
    kind: 'number',
    value: '8',
    low: 1,
    high: 64,
    unit: 'bars',
    group: 'Listening',
  },
  {
    name: 'answer',
    help: 'How long it answers.',
    kind: 'number',
    value: '4',
    low: 1,
    high: 16,
    unit: 'bars',
    group: 'Playing',
  },
  {
    name: 'density',
    help: 'How many notes it plays.',
    kind: 'number',
    value: '5',
    low: 1,
    high: 9,
    group: 'Playing',
  },
  {
    name: 'temperature',
    help: 'How far it strays.',
    kind: 'number',
    value: '1.0',
    low: 0.1,
    high: 2,
    group: 'Playing',
  },
  {
    name: 'tempo',
    help: 'Quarter notes a minute.',
    kind: 'number',
    value: '120',
    low: 40,
    high: 240,
    unit: 'bpm',
    group: 'Time',
  },
  {
    name: 'key',
    help: 'Which notes it may play.',
    kind: 'choice',
    value: 'found',
    choices: ['found', 'off', 'C major', 'A minor'],
    group: 'Harmony',
  },
  {
    name: 'overlap',
    help: 'Whether it may play while you do.',
    kind: 'switch',
    value: 'no',
    group: 'Playing',
  },
  {
    name: 'chart',
    help: 'Chords it follows, such as Am | F | C | G.',
    kind: 'text',
    value: '',
    group: 'Harmony',
  },
];

export const LIVE: Info['live'] = {
  available: true,
  modes: [
    { name: 'answer', help: 'You stop, it answers.' },
    { name: 'trade', help: 'So many bars each.' },
    { name: 'accompany', help: 'It plays along.' },
    { name: 'harmonise', help: 'It follows note by note.' },
    { name: 'lead', help: 'It goes on alone until you play.' },
    { name: 'echo', help: 'Your phrase back, changed.' },
    { name: 'loop', help: 'It keeps a loop and changes it.' },
  ],
  settings: LIVE_SETTINGS,
  presets: [
    { name: 'duo', help: 'You, and one who answers.' },
    { name: 'trio', help: 'You, a bass and drums.' },
  ],
  instruments: Object.fromEntries(
    FAMILIES.map((name, family) => [name, PROGRAMS.slice(8 * family, 8 * (family + 1))]),
  ),
  actions: [
    { name: 'again', help: 'Play the last answer again.' },
    { name: 'forget last', help: 'Forget the last phrase.' },
    { name: 'forget all', help: 'Forget everything.' },
  ],
};

const YOU: LiveVoice = {
  name: 'you',
  kind: 'input',
  role: 'melody',
  instrument: PROGRAMS[0],
  wishes: '',
  channel: 0,
  program: 0,
  is_drum: false,
  low: 0,
  high: 127,
};
const PARTNER: LiveVoice = { ...YOU, name: 'sideman', kind: 'auto', channel: 1 };

const METERS: readonly Meter[] = [
  ['on time', 'On time', 99.8, '%'],
  ['response', 'Response', 24, 'ms'],
  ['plan', 'Plan ahead', 2, 'bars'],
  ['fallbacks', 'Help needed', 0, ''],
].map(
  ([id, name, value, unit]) => ({ id, name, value, unit, is_good: true, help: '' }) as Meter,
);

const BEAT_S = 0.5;
const VIEW_MS = 50;

/** One that answers each phrase, higher, two seconds later. */
export function fakeLive(listener: Listener<LiveMessage>) {
  const notes: LiveNote[] = [];
  const now = () => performance.now() / 1000;
  const started = now();
  const settings: Record<string, string> = {
    mode: 'answer',
    ...Object.fromEntries(LIVE_SETTINGS.map(({ name, value }) => [name, value])),
  };
  const held = new Map<number, LiveNote>();
  let count = 0;
  const show = () => {
    for (const note of notes) {
      if (note.state === 'heard') continue;
      const due = note.begin - now();
      if (due < 0.05 && note.state !== 'sounded') {
        note.state = 'sounded';
        const { id, pitch, velocity, channel, begin, end } = note;
        listener.message({ type: 'play', id, pitch, velocity, channel, begin, end });
      } else if (due < 0.5 && note.state === 'planned') note.state = 'committed';
    }
    for (const note of held.values()) note.end = now();
    const firstBeat = Math.floor((now() - 6) / BEAT_S);
    listener.message({
      type: 'view',
      now: now(),
      mode: settings.mode,
      settings,
      notes: notes.filter((note) => note.end > now() - 8).map((note) => ({ ...note })),
      beats: Array.from({ length: 28 }, (_, index) => ({
        at: (firstBeat + index) * BEAT_S,
        is_bar: (firstBeat + index) % 4 === 0,
      })),
      meters: [...METERS],
      recording: { id: 'played', notes: notes.length, seconds: now() - started, end: '' },
    });
  };
  let timer: ReturnType<typeof setInterval> | undefined;
  const begin = (preset: string) => {
    const about = LIVE.presets.find(({ name }) => name === preset)?.help ?? '';
    const voices = [YOU, PARTNER];
    listener.message({ type: 'begun', preset, about, recording: 'played', voices });
    timer ??= setInterval(show, VIEW_MS);
  };
  const press = (pitch: number, velocity: number) => {
    const [id, at] = [++count, now()];
    const note: LiveNote = {
      id,
      pitch,
      velocity,
      channel: 0,
      begin: at,
      end: at,
      state: 'heard',
    };
    held.set(pitch, note);
    notes.push(note);
  };
  const lift = (pressed: number) => {
    const note = held.get(pressed);
    held.delete(pressed);
    if (!note) return;
    const begin = note.begin + 2;
    const end = begin + Math.max(0.15, note.end - note.begin);
    const pitch = note.pitch + (count % 2 ? 7 : 12);
    notes.push({ ...note, id: ++count, pitch, channel: 1, begin, end, state: 'planned' });
  };
  setTimeout(() => listener.connected(true, ''));
  return {
    send(command: LiveCommand) {
      if (command.type === 'begin') begin(command.preset);
      else if (command.type === 'on') press(command.pitch, command.velocity);
      else if (command.type === 'off') lift(command.pitch);
      else if (command.type === 'set') settings[command.name] = command.text;
      else if (command.type === 'ping')
        listener.message({ type: 'pong', at: command.at, now: now() });
      else if (command.type === 'act' && command.action === 'panic') notes.length = 0;
    },
    close: () => clearInterval(timer),
  };
}
