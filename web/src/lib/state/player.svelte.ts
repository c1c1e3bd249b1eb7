/** What the page knows of playing: the transport with its states as signals. */

import type { Bar } from '../score/time';
import type { Score } from '../score/types';
import { channelsOf, SoundEngine, type SoundState } from '../sound/engine';
import type { Loop } from '../sound/schedule';
import { Transport } from '../sound/transport';
import type { Notices } from './notices.svelte';

export class Player {
  isPlaying = $state(false);
  /** Where playing begins, in ticks. */
  place = $state(0);
  metronome = $state(false);
  sound = $state<SoundState>('off');
  readonly engine: SoundEngine;
  readonly transport: Transport;

  constructor(notices: Notices) {
    this.engine = new SoundEngine((state, message) => {
      this.sound = state;
      if (message) notices.error(message);
    });
    this.transport = new Transport(this.engine, () => {
      this.isPlaying = false;
    });
  }

  /** The tick that sounds now, or where playing would begin. */
  get tick(): number {
    return this.transport.isPlaying ? this.transport.tick : this.place;
  }

  async play(
    score: Score,
    bars: readonly Bar[],
    loop: Loop | null,
    from = this.place,
  ): Promise<void> {
    await this.transport.play(score, bars, from, loop);
    this.isPlaying = this.transport.isPlaying;
  }

  /** Stop; the next start is where this one was. */
  stop(): void {
    this.transport.stop();
  }

  toggleMetronome(): void {
    this.metronome = !this.metronome;
    this.transport.metronome = this.metronome;
  }

  /** Let a change of the mix be heard before it is kept. */
  tryMix(score: Score, part: number, values: { volume?: number; pan?: number }): void {
    const parts = score.parts.map((known, index) =>
      index === part ? { ...known, ...values } : known,
    );
    this.engine.setVoices(parts);
  }

  preview(score: Score, part: number, pitch: number, velocity = 84): void {
    void this.engine.start().then((isOn) => {
      if (!isOn) return;
      this.engine.setVoices(score.parts);
      void this.engine.preview(channelsOf(score.parts)[part] ?? 0, pitch, velocity);
    });
  }
}
