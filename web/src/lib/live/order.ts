/** What each key of a synthesizer is told, in the order in which it was meant. */

/** Longer than a block of audio (128 frames at 44.1 kHz), in which nothing has an order. */
const GAP_S = 0.003;
const N_PITCHES = 128;

/**
 * The clock of the sound stands still within a block while the page's goes on, so a release and
 * a new note for the same moment could change places: the new note would be ended at once.
 */
export class Order {
  /** When a key was last told something, in seconds of whichever clock its owner uses. */
  private readonly told = new Map<number, number>();

  /** When a key is told what is meant for `at`: never before what it was last told. */
  place(channel: number, pitch: number, at: number): number {
    const key = channel * N_PITCHES + pitch;
    const last = this.told.get(key) ?? -Infinity;
    const placed = Math.max(at, last + GAP_S);
    this.told.set(key, placed);
    return placed;
  }

  /** The keys that were told something for later than `now`, and when. */
  after(now: number): { channel: number; pitch: number; at: number }[] {
    return [...this.told]
      .filter(([, at]) => at > now)
      .map(([key, at]) => ({
        channel: Math.floor(key / N_PITCHES),
        pitch: key % N_PITCHES,
        at,
      }));
  }
}
