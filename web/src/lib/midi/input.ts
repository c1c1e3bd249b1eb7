/** Notes from a MIDI keyboard (Web MIDI) or from the keys of the computer. */

export interface KeyEvent {
  isOn: boolean;
  pitch: number;
  velocity: number;
}

export type MidiTrouble = 'absent' | 'refused' | 'broken';

/** What to tell and do; the three have nothing in common but that no note comes. */
export const MIDI_ADVICE: Readonly<Record<MidiTrouble, string>> = {
  absent:
    'This browser has no Web MIDI (Safari has none). Use Chrome, Edge or Firefox, or the computer’s keys below.',
  refused:
    'The browser was not allowed to use MIDI. Click the icon left of the address, allow MIDI devices, and press Connect again. MIDI also needs localhost or https.',
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

/** The note a message says, or null if it says something else. */
export function readMessage(data: Uint8Array | null): KeyEvent | null {
  if (!data || data.length < 3) return null;
  const [status, pitch, velocity] = data;
  const kind = status & 0xf0;
  if (kind !== NOTE_ON && kind !== NOTE_OFF) return null;
  return { isOn: kind === NOTE_ON && velocity > 0, pitch, velocity };
}

export interface MidiInputs {
  /** Names of the keyboards that are there. */
  names: string[];
  close(): void;
}

/** Listen to all MIDI inputs, also those that are plugged in later. */
export async function openMidi(
  onkey: (event: KeyEvent) => void,
  onchange: (names: string[]) => void,
): Promise<MidiInputs> {
  if (!('requestMIDIAccess' in navigator)) throw new MidiError('absent');
  const access = await navigator.requestMIDIAccess().catch((cause: unknown) => {
    throw new MidiError(troubleOf(cause));
  });
  const listen = () => {
    for (const input of access.inputs.values()) {
      input.onmidimessage = (message) => {
        const event = readMessage(message.data);
        if (event) onkey(event);
      };
    }
    onchange(namesOf(access));
  };
  access.onstatechange = listen;
  listen();
  return {
    names: namesOf(access),
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

const namesOf = (access: MIDIAccess): string[] =>
  [...access.inputs.values()]
    .filter((input) => input.state === 'connected')
    .map((input) => input.name ?? 'MIDI keyboard');

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
