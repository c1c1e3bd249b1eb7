/** Sideman's notes to the synthesizer of this page. */

import { Order } from '../live/order';
import type { Sink } from '../midi/output';
import type { SoundEngine } from './engine';

export type Sounding = Pick<
  SoundEngine,
  'now' | 'noteOn' | 'noteOff' | 'setProgram' | 'stopAll'
>;

export class BrowserSink implements Sink {
  private readonly engine: Sounding;
  private readonly order = new Order();

  constructor(engine: Sounding) {
    this.engine = engine;
  }

  noteOn(channel: number, pitch: number, velocity: number, delay: number): void {
    const at = this.order.place(channel, pitch, this.engine.now + delay);
    this.engine.noteOn(channel, pitch, velocity, at);
  }

  noteOff(channel: number, pitch: number, delay: number): void {
    const at = this.order.place(channel, pitch, this.engine.now + delay);
    this.engine.noteOff(channel, pitch, at);
  }

  program(channel: number, program: number): void {
    this.engine.setProgram(channel, program);
  }

  /** What lies ahead still comes, as the synthesizer forgets nothing: it ends as it begins. */
  silence(): void {
    this.engine.stopAll(true);
    for (const { channel, pitch, at } of this.order.after(this.engine.now))
      this.engine.noteOff(channel, pitch, at);
  }
}
