/** What is played on a MIDI keyboard (Web MIDI) or on the keys of the computer. */

export type Played =
  | { kind: 'on'; pitch: number; velocity: number }
  | { kind: 'off'; pitch: number }
  | { kind: 'pedal'; isDown: boolean };

export type MidiTrouble = 'absent' | 'insecure' | 'refused' | 'broken';

/** What to tell and do; the four have nothing in common but that no note comes. */
export const MIDI_ADVICE: Readonly<Record<MidiTrouble, string>> = {
  absent:
    'This browser has no Web MIDI (Safari has none). Use Chrome, Edge or Firefox, or the computer’s keys below.',
  insecure:
    'Browsers allow MIDI only over https, or where the studio runs on this machine. Open the page there, or play on the computer’s keys below.',
  refused:
    'The browser was not allowed to use MIDI. Click the icon left of the address, allow MIDI devices, and press Connect again.',
  broken:
    'The system’s MIDI could not be opened. Plug the keyboard in, close programs that hold it, and press Connect again; on Linux the browser needs ALSA.',
};

export class MidiError extends Error {
  readonly trouble: MidiTrouble;

  constructor(trouble: MidiTrouble) {
    super(MIDI_ADVICE[trouble]);
    this.name = 'MidiError';
    this.trouble = trouble;
  }
}

const NOTE_OFF = 0x80;
const NOTE_ON = 0x90;
const CONTROL = 0xb0;
const SUSTAIN = 64;
const PEDAL_DOWN = 64;

/** The key or pedal a message is about, or null if it is about something else. */
export function readMessage(data: Uint8Array | null): Played | null {
  if (!data || data.length < 3) return null;
  const [status, number, value] = data;
  switch (status & 0xf0) {
    case NOTE_ON:
      if (value) return { kind: 'on', pitch: number, velocity: value };
      return { kind: 'off', pitch: number };
    case NOTE_OFF:
      return { kind: 'off', pitch: number };
    case CONTROL:
      return number === SUSTAIN ? { kind: 'pedal', isDown: value >= PEDAL_DOWN } : null;
    default:
      return null;
  }
}

export interface Port {
  id: string;
  name: string;
}

export interface Midi {
  /** The output of an id, if it is there. */
  output(id: string): MIDIOutput | null;
  close(): void;
}

/** Listen to all MIDI inputs, also those that are plugged in later. */
export async function openMidi(
  onplayed: (played: Played) => void,
  onchange: (inputs: Port[], outputs: Port[]) => void,
): Promise<Midi> {
  if (!('requestMIDIAccess' in navigator))
    throw new MidiError(isSecureContext ? 'absent' : 'insecure');
  const access = await navigator.requestMIDIAccess().catch((cause: unknown) => {
    throw new MidiError(troubleOf(cause));
  });
  const listen = () => {
    for (const input of access.inputs.values()) {
      input.onmidimessage = (message) => {
        const played = readMessage(message.data);
        if (played) onplayed(played);
      };
    }
    onchange(there(access.inputs, 'MIDI keyboard'), there(access.outputs, 'MIDI output'));
  };
  access.onstatechange = listen;
  listen();
  return {
    output(id) {
      const port = access.outputs.get(id);
      return port?.state === 'connected' ? port : null;
    },
    close() {
      access.onstatechange = null;
      for (const input of access.inputs.values()) input.onmidimessage = null;
    },
  };
}

export function troubleOf(cause: unknown): MidiTrouble {
  const name = cause instanceof Error || cause instanceof DOMException ? cause.name : '';
  return name === 'NotAllowedError' || name === 'SecurityError' ? 'refused' : 'broken';
}

const there = (ports: MIDIInputMap | MIDIOutputMap, unnamed: string): Port[] =>
  [...ports.values()]
    .filter((port) => port.state === 'connected')
    .map(({ id, name }) => ({ id, name: name ?? unnamed }));

/** Two octaves on the keys of a computer, by their place: the lower row and the upper. */
const ROWS: readonly (readonly string[])[] = [
  [
    'KeyZ',
    'KeyS',
    'KeyX',
    'KeyD',
    'KeyC',
    'KeyV',
    'KeyG',
    'KeyB',
    'KeyH',
    'KeyN',
    'KeyJ',
    'KeyM',
  ],
  [
    'KeyQ',
    'Digit2',
    'KeyW',
    'Digit3',
    'KeyE',
    'KeyR',
    'Digit5',
    'KeyT',
    'Digit6',
    'KeyY',
    'Digit7',
    'KeyU',
    'KeyI',
    'Digit9',
    'KeyO',
    'Digit0',
    'KeyP',
  ],
];
const SEMITONES = 12;

/** The pitch of a key by its place (`KeyboardEvent.code`), or null. */
export function pitchOfKey(code: string, octave: number): number | null {
  for (const [row, codes] of ROWS.entries()) {
    const index = codes.indexOf(code);
    if (index >= 0) return (octave + 1 + row) * SEMITONES + index;
  }
  return null;
}
