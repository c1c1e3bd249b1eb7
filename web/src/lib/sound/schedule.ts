/** What sounds when: from a score and a stretch of playing to strokes, purely. */

import { Clock, barAt, type Bar } from '../score/time';
import type { Note, Score } from '../score/types';
import { NoteIndex } from '../roll/notes';

const EPSILON = 1e-7;
const TICK_PRECISION = 1e4;
/** A sixteenth: less of a note that began before is not sounded. */
const SHORTEST_HELD = 6;

export interface Loop {
  from: number;
  to: number;
}

/** One note or click to be played, in seconds since playing began. */
export interface Stroke {
  at: number;
  length: number;
  note: Note | null;
  /** A click of the metronome: 2 at a bar line, 1 at a beat, 0 for a note. */
  click: 0 | 1 | 2;
}

/** A piece as it is played: where playing began, and round which bars it goes. */
export class Playing {
  readonly score: Score;
  readonly bars: readonly Bar[];
  readonly clock: Clock;
  private readonly index: NoteIndex;
  private readonly begin: number;
  private readonly loop: Loop | null;

  /** `begin` and the loop are ticks; a loop that playing begins behind is left alone. */
  constructor(score: Score, bars: readonly Bar[], begin: number, loop: Loop | null) {
    this.score = score;
    this.bars = bars;
    this.clock = new Clock(score);
    this.index = new NoteIndex(score.notes);
    this.begin = begin;
    this.loop = loop && loop.to > loop.from && begin < loop.to ? loop : null;
  }

  /** The tick that sounds so many seconds after the beginning. */
  tickAfter(seconds: number): number {
    const second = this.clock.seconds(this.begin) + Math.max(0, seconds);
    if (!this.loop) return this.clock.ticks(second);
    const to = this.clock.seconds(this.loop.to);
    if (second < to) return this.clock.ticks(second);
    const from = this.clock.seconds(this.loop.from);
    return this.clock.ticks(from + ((second - to) % (to - from)));
  }

  /**
   * Strokes that begin from `from` up to `to` seconds after the beginning; at the beginning also
   * notes that began before it, but for those that sound already.
   */
  strokes(
    from: number,
    to: number,
    withClicks: boolean,
    soundsAlready: (note: Note) => boolean = () => false,
  ): Stroke[] {
    const found: Stroke[] = [];
    for (const stretch of this.stretches(from, to)) {
      const shift = stretch.at - this.clock.seconds(stretch.from);
      const ending = stretch.until ?? Infinity;
      for (const note of this.index.between(stretch.from, stretch.to)) {
        const isLate = note.onset < stretch.from;
        if (isLate && !(from === 0 && this.isHeld(note, stretch.from) && !soundsAlready(note)))
          continue;
        const onset = this.clock.seconds(Math.max(note.onset, stretch.from));
        const end = this.clock.seconds(Math.min(note.onset + note.duration, ending));
        found.push({ at: onset + shift, length: end - onset, note, click: 0 });
      }
      if (withClicks) found.push(...this.clicks(stretch.from, stretch.to, shift));
    }
    return found.sort((a, b) => a.at - b.at);
  }

  /** Runs of ticks that are played one after the other within so many seconds. */
  private stretches(from: number, to: number) {
    const found: { from: number; to: number; at: number; until: number | null }[] = [];
    const start = this.clock.seconds(this.begin);
    if (!this.loop) {
      const first = this.exactTick(start + from);
      return [{ from: first, to: this.exactTick(start + to), at: from, until: null }];
    }
    const loopFrom = this.clock.seconds(this.loop.from);
    const loopTo = this.clock.seconds(this.loop.to);
    const lap = loopTo - loopFrom;
    for (let at = from; at < to - EPSILON;) {
      let second = start + at;
      if (second > loopTo - EPSILON) {
        const phase = Math.max(0, second - loopTo) % lap;
        second = lap - phase < EPSILON ? loopFrom : loopFrom + phase;
      }
      const stop = Math.min(to, at + loopTo - second);
      found.push({
        from: this.exactTick(second),
        to: this.exactTick(second + stop - at),
        at,
        until: this.loop.to,
      });
      at = stop;
    }
    return found;
  }

  /** A tick without the last digits of floating point, so that none is met twice or never. */
  private exactTick(second: number): number {
    return Math.round(this.clock.ticks(second) * TICK_PRECISION) / TICK_PRECISION;
  }

  private clicks(from: number, to: number, shift: number): Stroke[] {
    const found: Stroke[] = [];
    for (let bar = barAt(this.bars, from); bar.onset < to; bar = barAt(this.bars, bar.end)) {
      for (let beat = bar.onset; beat < bar.end; beat += bar.beat) {
        if (beat < from || beat >= to) continue;
        const click = beat === bar.onset ? 2 : 1;
        found.push({ at: this.clock.seconds(beat) + shift, length: 0.05, note: null, click });
      }
    }
    return found;
  }

  /** Second after the beginning at which a note ends that sounds there, or null if none does. */
  endOf({ pitch, part }: Pick<Note, 'pitch' | 'part'>): number | null {
    const at = this.begin;
    const found = this.index
      .between(at, at + EPSILON)
      .find((note) => note.pitch === pitch && note.part === part && note.onset < at);
    if (!found) return null;
    const ending = Math.min(found.onset + found.duration, this.loop?.to ?? Infinity);
    return this.clock.seconds(ending) - this.clock.seconds(this.begin);
  }

  /** Whether a note that began before playing did is still worth sounding. */
  private isHeld(note: Note, tick: number): boolean {
    return (
      !this.score.parts[note.part].is_drum && note.onset + note.duration - tick >= SHORTEST_HELD
    );
  }

  /** Whether all has sounded, so many seconds after the beginning. */
  isOver(seconds: number): boolean {
    return !this.loop && this.tickAfter(seconds) >= this.bars[this.bars.length - 1].end;
  }
}
