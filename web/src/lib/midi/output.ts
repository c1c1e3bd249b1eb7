/** Sideman's notes to a MIDI output (Web MIDI). */

const N_CHANNELS = 16;
const NOTE_OFF = 0x80;
const NOTE_ON = 0x90;
const CONTROL = 0xb0;
const PROGRAM = 0xc0;
const SUSTAIN = 64;
const ALL_SOUND_OFF = 120;
const ALL_NOTES_OFF = 123;
const MS_PER_S = 1000;

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

  constructor(port: MIDIOutput) {
    this.port = port;
  }

  noteOn(channel: number, pitch: number, velocity: number, delay: number): void {
    this.send([NOTE_ON + channel, pitch, velocity], delay);
  }

  noteOff(channel: number, pitch: number, delay: number): void {
    this.send([NOTE_OFF + channel, pitch, 0], delay);
  }

  program(channel: number, program: number): void {
    this.send([PROGRAM + channel, program], 0);
  }

  silence(): void {
    // Firefox and Chromium know `clear`, its types do not.
    (this.port as { clear?: () => void }).clear?.();
    for (const bytes of SILENCE) this.send(bytes, 0);
  }

  private send(bytes: readonly number[], delay: number): void {
    if (this.port.state !== 'connected') return;
    this.port.send([...bytes], performance.now() + delay * MS_PER_S);
  }
}
