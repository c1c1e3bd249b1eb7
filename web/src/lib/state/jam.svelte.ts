/** Live play: the socket, what it shows, the notes that go in and the sound that comes out. */

import type { Socket } from '../api/client';
import type { LiveCommand, LiveMessage, LiveNote, Meter } from '../api/types';
import { MidiError, openMidi, type MidiInputs, type MidiTrouble } from '../midi/input';
import { channelsOf } from '../sound/engine';
import type { Studio } from './studio.svelte';

const PING_MS = 2000;
/** Your own notes sound on a channel that the model has not. */
const YOUR_PART = { program: 0, is_drum: false };
const N_VOICES = 8;
const YOUR_CHANNEL = channelsOf(Array.from({ length: N_VOICES + 1 }, () => YOUR_PART))[
  N_VOICES
];
const KEEP_S = 12;

export class Jam {
  isConnected = $state(false);
  mode = $state('');
  settings = $state.raw<Record<string, string>>({});
  meters = $state.raw<Meter[]>([]);
  message = $state('');
  midiNames = $state.raw<string[]>([]);
  midiTrouble = $state<MidiTrouble | null>(null);
  held = $state.raw<ReadonlySet<number>>(new Set());
  hearsYou = $state(true);
  notes: LiveNote[] = [];
  beats: { at: number; is_bar: boolean }[] = [];

  private readonly studio: Studio;
  private readonly socket: Socket<LiveCommand>;
  private readonly pinging: ReturnType<typeof setInterval>;
  private midi: MidiInputs | null = null;
  /** Server's clock less the page's, in seconds. */
  private offset = 0;

  constructor(studio: Studio) {
    this.studio = studio;
    this.socket = studio.api.live({
      message: (message) => this.receive(message),
      connected: (isConnected, reason) => this.connect(isConnected, reason),
    });
    this.pinging = setInterval(() => this.ping(), PING_MS);
    this.ping();
  }

  /** Now on the server's clock. */
  get now(): number {
    return pageNow() + this.offset;
  }

  async startSound(): Promise<void> {
    await this.studio.player.engine.start();
  }

  press(pitch: number, velocity: number): void {
    if (this.held.has(pitch)) return;
    this.held = new Set([...this.held, pitch]);
    if (this.hearsYou) this.studio.player.engine.noteOn(YOUR_CHANNEL, pitch, velocity);
    this.socket.send({ type: 'on', pitch, velocity, at: this.now });
  }

  lift(pitch: number): void {
    if (!this.held.has(pitch)) return;
    this.held = new Set([...this.held].filter((other) => other !== pitch));
    this.studio.player.engine.noteOff(YOUR_CHANNEL, pitch);
    this.socket.send({ type: 'off', pitch, velocity: 0, at: this.now });
  }

  liftAll(): void {
    for (const pitch of this.held) this.lift(pitch);
  }

  set(name: string, text: string): void {
    if (name === 'mode') this.mode = text;
    else this.settings = { ...this.settings, [name]: text };
    this.socket.send({ type: 'set', name, text });
  }

  act(action: string): void {
    this.socket.send({ type: 'act', action });
  }

  /** Silence everything at once. */
  panic(): void {
    this.liftAll();
    this.studio.player.engine.stopAll(true);
    this.act('panic');
  }

  async connectMidi(): Promise<void> {
    void this.startSound();
    this.midiTrouble = null;
    try {
      this.midi?.close();
      this.midi = await openMidi(
        ({ isOn, pitch, velocity }) => (isOn ? this.press(pitch, velocity) : this.lift(pitch)),
        (names) => (this.midiNames = names),
      );
    } catch (cause) {
      this.midiTrouble = cause instanceof MidiError ? cause.trouble : 'broken';
    }
  }

  get isMidiOpen(): boolean {
    return this.midi !== null;
  }

  close(): void {
    clearInterval(this.pinging);
    this.liftAll();
    this.act('panic');
    this.midi?.close();
    this.socket.close();
    this.studio.player.engine.stopAll(true);
  }

  /** Nobody ends the notes of a socket that is lost but the page. */
  private connect(isConnected: boolean, reason: string): void {
    this.isConnected = isConnected;
    if (isConnected) return;
    this.studio.player.engine.stopAll(true);
    this.message = reason || 'The studio does not answer; it is looked for.';
  }

  private ping(): void {
    this.socket.send({ type: 'ping', at: pageNow() });
  }

  private receive(message: LiveMessage): void {
    const { engine } = this.studio.player;
    if (message.type === 'pong') {
      this.offset = message.now - (message.at + pageNow()) / 2;
    } else if (message.type === 'play') {
      const { channel, pitch, velocity, begin, end } = message;
      const at = engine.now + Math.max(0, begin - this.now);
      if (end === null) engine.noteOn(channel, pitch, velocity, at);
      else engine.play(channel, pitch, velocity, at, end - begin);
    } else if (message.type === 'program') {
      engine.setProgram(message.channel, message.program);
    } else if (message.type === 'release') {
      engine.noteOff(
        message.channel,
        message.pitch,
        engine.now + Math.max(0, message.at - this.now),
      );
    } else this.show(message);
  }

  private show(view: Extract<LiveMessage, { type: 'view' }>): void {
    if (!this.offset) this.offset = view.now - pageNow();
    this.mode = view.mode;
    this.settings = view.settings;
    this.meters = view.meters;
    this.message = view.message ?? '';
    this.notes = view.notes.filter(({ end }) => end > view.now - KEEP_S);
    this.beats = view.beats;
  }
}

const pageNow = (): number => performance.now() / 1000;
