/** Playing a score: a clock that hands strokes to the synthesizer a little ahead of time. */

import type { Bar } from '../score/time';
import type { Score } from '../score/types';
import { channelsOf, type SoundEngine } from './engine';
import { Playing, type Loop, type Stroke } from './schedule';

const START_DELAY_S = 0.06;
const LOOKAHEAD_S = 0.14;
const PERIOD_MS = 35;
/** Browsers wake a hidden page only once a second. */
const HIDDEN_LOOKAHEAD_S = 1.5;

export interface Sounding {
  pitch: number;
  part: number;
  from: number;
  to: number;
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
  private horizon = 0;
  private timer: ReturnType<typeof setInterval> | null = null;
  private soundingNotes: Sounding[] = [];

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
    return this.soundingNotes.filter((note) => note.from <= now && now < note.to);
  }

  async play(
    score: Score,
    bars: readonly Bar[],
    tick: number,
    loop: Loop | null,
  ): Promise<boolean> {
    if (!(await this.engine.start())) return false;
    this.halt();
    this.engine.setVoices(score.parts);
    const startAt = this.engine.now + START_DELAY_S;
    this.run = { playing: new Playing(score, bars, tick, loop), startAt };
    this.horizon = 0;
    this.timer = setInterval(() => this.schedule(), PERIOD_MS);
    this.schedule();
    return true;
  }

  /** Go on at the same place in another version of the piece; `cut` stops what still sounds. */
  swap(score: Score, bars: readonly Bar[], loop: Loop | null, cut = false): void {
    if (!this.run) return;
    const { playing, startAt } = this.run;
    const at = startAt + this.horizon;
    this.engine.setVoices(score.parts);
    if (cut) this.releaseFrom(at);
    this.previous = this.run;
    const tick = playing.tickAfter(this.horizon);
    this.run = { playing: new Playing(score, bars, tick, loop), startAt: at };
    this.horizon = 0;
  }

  stop(): void {
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
    for (const note of this.soundingNotes)
      if (note.from > now) this.release(note, note.from + 0.005);
    this.soundingNotes = [];
    this.run = this.previous = null;
  }

  /** Stop the notes of a part at once, as when it is muted. */
  silence(part: number): void {
    if (this.run) this.engine.silence(this.channel(part));
  }

  private channel(part: number): number {
    return channelsOf(this.run?.playing.score.parts ?? [])[part] ?? 0;
  }

  private release(note: Sounding, at: number): void {
    this.engine.noteOff(this.channel(note.part), note.pitch, at);
  }

  private releaseFrom(at: number): void {
    for (const note of this.soundingNotes) if (note.to > at) this.release(note, at);
  }

  private schedule(): void {
    if (!this.run) return;
    const { playing, startAt } = this.run;
    const ahead = document.hidden ? HIDDEN_LOOKAHEAD_S : LOOKAHEAD_S;
    const until = this.engine.now + ahead - startAt;
    if (until > this.horizon) {
      const channels = channelsOf(playing.score.parts);
      for (const stroke of playing.strokes(this.horizon, until, this.metronome)) {
        this.send(stroke, startAt, channels);
      }
      this.horizon = until;
    }
    const heard = this.engine.now;
    this.soundingNotes = this.soundingNotes.filter((note) => note.to > heard - 1);
    if (playing.isOver(heard - startAt)) this.stop();
  }

  private send(stroke: Stroke, startAt: number, channels: number[]): void {
    const at = startAt + stroke.at;
    if (stroke.click) this.engine.click(stroke.click, at);
    const { note } = stroke;
    if (!note || !this.isHeard(note.part)) return;
    this.engine.play(channels[note.part], note.pitch, note.velocity, at, stroke.length);
    const { pitch, part } = note;
    this.soundingNotes.push({ pitch, part, from: at, to: at + stroke.length });
  }
}
