/** Sideman's notes to a MIDI output (Web MIDI). */

import { Order } from '../live/order';

const N_CHANNELS = 16;
const NOTE_OFF = 0x80;
const NOTE_ON = 0x90;
const CONTROL = 0xb0;
const PROGRAM = 0xc0;
const SUSTAIN = 64;
const ALL_SOUND_OFF = 120;
const ALL_NOTES_OFF = 123;
const MS_PER_S = 1000;
/** Notes are told no longer ahead; where they cannot be taken back they have begun by then. */
const AHEAD_S = 0.1;

/** Where notes go; `delay` is in how many seconds. */
export interface Sink {
  noteOn(channel: number, pitch: number, velocity: number, delay: number): void;
  noteOff(channel: number, pitch: number, delay: number): void;
  program(channel: number, program: number): void;
  /** End all that sounds, and take back all that lies ahead. */
  silence(): void;
}

/** What ends everything, whatever a synthesizer remembers. */
export const SILENCE: readonly (readonly number[])[] = Array.from(
  { length: N_CHANNELS },
  (_, channel) =>
    [SUSTAIN, ALL_SOUND_OFF, ALL_NOTES_OFF].map((control) => [CONTROL + channel, control, 0]),
).flat();

export class MidiSink implements Sink {
  private readonly port: MIDIOutput;
  private readonly order = new Order();

  constructor(port: MIDIOutput) {
    this.port = port;
  }

  noteOn(channel: number, pitch: number, velocity: number, delay: number): void {
    const at = this.order.place(channel, pitch, pageNow() + delay);
    this.send([NOTE_ON + channel, pitch, velocity], at);
  }

  noteOff(channel: number, pitch: number, delay: number): void {
    const at = this.order.place(channel, pitch, pageNow() + delay);
    this.send([NOTE_OFF + channel, pitch, 0], at);
  }

  program(channel: number, program: number): void {
    this.send([PROGRAM + channel, program], pageNow());
  }

  silence(): void {
    // Not all browsers know `clear`, nor do its types.
    (this.port as { clear?: () => void }).clear?.();
    const now = pageNow();
    for (const at of [now, now + AHEAD_S]) for (const bytes of SILENCE) this.send(bytes, at);
  }

  private send(bytes: readonly number[], at: number): void {
    if (this.port.state === 'connected') this.port.send([...bytes], at * MS_PER_S);
  }
}

const pageNow = (): number => performance.now() / MS_PER_S;
