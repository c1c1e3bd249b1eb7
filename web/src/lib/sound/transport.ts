/** Playing a score: a clock that hands strokes to the synthesizer a little ahead of time. */

import type { Bar } from '../score/time';
import type { Note, Score } from '../score/types';
import { channelsOf, type SoundEngine } from './engine';
import { Playing, type Loop, type Stroke } from './schedule';

const START_DELAY_S = 0.06;
const LOOKAHEAD_S = 0.14;
const PERIOD_MS = 35;
/** A drum of no length still has to be struck. */
const SHORTEST_S = 0.02;
/** Browsers wake a hidden page only once a second. */
const HIDDEN_LOOKAHEAD_S = 1.5;

export interface Sounding {
  pitch: number;
  part: number;
  from: number;
  to: number;
  channel: number;
}

interface Run {
  playing: Playing;
  /** Second of the audio clock at which it begins. */
  startAt: number;
}

export class Transport {
  metronome = false;
  /** Whether a part is heard, by index. */
  isHeard: (part: number) => boolean = () => true;
  private readonly engine: SoundEngine;
  private readonly onStop: (tick: number) => void;
  private run: Run | null = null;
  private previous: Run | null = null;
  private channels: readonly number[] = [];
  /** Seconds of the run for which everything is handed over. */
  private horizon = 0;
  private timer: ReturnType<typeof setInterval> | null = null;
  /** Counts what was asked for: a start that waits for the sound is given up at the next. */
  private turn = 0;
  /** Notes that have begun, or will within the horizon, and were not yet told to end. */
  private held: Sounding[] = [];
  /** Notes that were told to end a moment ago, or will end within the horizon. */
  private ended: Sounding[] = [];

  constructor(engine: SoundEngine, onStop: (tick: number) => void) {
    this.engine = engine;
    this.onStop = onStop;
  }

  get isPlaying(): boolean {
    return this.run !== null;
  }

  /** Where playing is now, in ticks. */
  get tick(): number {
    const heard = this.engine.now - this.engine.latency;
    const run =
      this.previous && this.run && heard < this.run.startAt ? this.previous : this.run;
    return run ? run.playing.tickAfter(heard - run.startAt) : 0;
  }

  /** What sounds now, for the keys to light up. */
  get sounding(): Sounding[] {
    const now = this.engine.now - this.engine.latency;
    return [...this.held, ...this.ended].filter((note) => note.from <= now && now < note.to);
  }

  async play(
    score: Score,
    bars: readonly Bar[],
    tick: number,
    loop: Loop | null,
  ): Promise<void> {
    const turn = ++this.turn;
    if (!(await this.engine.start()) || turn !== this.turn) return;
    this.halt();
    this.engine.setVoices(score.parts);
    this.channels = channelsOf(score.parts);
    const startAt = this.engine.now + START_DELAY_S;
    this.run = { playing: new Playing(score, bars, tick, loop), startAt };
    this.horizon = 0;
    this.timer = setInterval(() => this.schedule(), PERIOD_MS);
    this.schedule();
  }

  /**
   * Go on at the same place in another version of the piece; one that is shorter comes round.
   *
   * Notes that sound in both ring on, those of the old version alone end, those of the new begin.
   */
  swap(score: Score, bars: readonly Bar[], loop: Loop | null): void {
    if (!this.run) return;
    const { playing, startAt } = this.run;
    const at = startAt + this.horizon;
    const length = bars[bars.length - 1].end;
    const tick = playing.tickAfter(this.horizon);
    const next = new Playing(score, bars, loop ? tick : tick % length, loop);
    this.engine.setVoices(score.parts);
    this.channels = channelsOf(score.parts);
    const stays: Sounding[] = [];
    for (const note of this.held) {
      const ending = note.channel === this.channels[note.part] ? next.endOf(note) : null;
      if (ending === null) this.release(note, at);
      else stays.push({ ...note, to: at + ending });
    }
    this.held = stays;
    this.previous = this.run;
    this.run = { playing: next, startAt: at };
    this.horizon = 0;
  }

  /** Stop what plays, and what is about to. */
  stop(): void {
    this.turn++;
    this.end();
  }

  private end(): void {
    const { tick } = this;
    this.halt();
    this.onStop(tick);
  }

  private halt(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
    if (!this.run) return;
    this.engine.stopAll();
    // Strokes already handed over still come: each is ended as it begins.
    const now = this.engine.now;
    for (const note of this.held) if (note.from > now) this.release(note, note.from + 0.005);
    this.held = this.ended = [];
    this.run = this.previous = null;
  }

  /** Stop the notes of a part at once, as when it is muted. */
  silence(part: number): void {
    const channel = this.channels[part];
    if (this.run && channel !== undefined) this.engine.silence(channel);
  }

  private release(note: Sounding, at: number): void {
    this.engine.noteOff(note.channel, note.pitch, at);
    this.ended.push({ ...note, to: Math.min(note.to, at) });
  }

  /** Hand over what begins and what ends until a little ahead of now, in order. */
  private schedule(): void {
    if (!this.run) return;
    const { playing, startAt } = this.run;
    const ahead = document.hidden ? HIDDEN_LOOKAHEAD_S : LOOKAHEAD_S;
    const until = this.engine.now + ahead - startAt;
    if (until > this.horizon) {
      const isHeld = ({ pitch, part }: Note) =>
        this.held.some((note) => note.pitch === pitch && note.part === part);
      for (const stroke of playing.strokes(this.horizon, until, this.metronome, isHeld)) {
        this.endUntil(startAt + stroke.at);
        this.begin(stroke, startAt + stroke.at);
      }
      this.endUntil(startAt + until);
      this.horizon = until;
    }
    const heard = this.engine.now;
    this.ended = this.ended.filter((note) => note.to > heard - 1);
    if (playing.isOver(heard - startAt)) this.end();
  }

  /** End the notes that are due at a second of the audio clock; a stroke there comes after. */
  private endUntil(at: number): void {
    const due = this.held.filter((note) => note.to <= at);
    if (!due.length) return;
    this.held = this.held.filter((note) => note.to > at);
    for (const note of due.sort((a, b) => a.to - b.to)) this.release(note, note.to);
  }

  private begin({ note, click, length }: Stroke, at: number): void {
    if (click) this.engine.click(click, at);
    if (!note || !this.isHeard(note.part)) return;
    const { pitch, part, velocity } = note;
    const channel = this.channels[part];
    this.engine.noteOn(channel, pitch, velocity, at);
    const to = at + Math.max(SHORTEST_S, length);
    this.held.push({ pitch, part, channel, from: at, to });
  }
}
