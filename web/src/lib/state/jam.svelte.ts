/** Live play: the socket, what it shows, the notes that go in and the sound that comes out. */

import type { Socket } from '../api/client';
import type {
  LiveCommand,
  LiveMessage,
  LiveNote,
  LiveRecording,
  LiveVoice,
  LiveWish,
  Meter,
} from '../api/types';
import {
  MidiError,
  openMidi,
  type Midi,
  type MidiTrouble,
  type Played,
  type Port,
} from '../midi/input';
import { MidiSink, type Sink } from '../midi/output';
import { BrowserSink } from '../sound/sink';
import { Earlier } from './earlier.svelte';
import type { Studio } from './studio.svelte';

const PING_MS = 2000;
const KEEP_S = 12;
const MS_PER_S = 1000;
/** How long a setting of yours is shown before the server has to agree. */
const PENDING_MS = 700;
/** How many of the last round trips are looked at; the quickest says what the way takes. */
const N_TRIPS = 5;
const SUSTAIN = 64;
const VOLUME = 7;
const PAN = 10;
const DEFAULT_VOLUME = 100;
const CENTRE = 64;
const LAST_WISH = 'sideman.play';
const NOBODY: LiveWish = { preset: '', voices: null, settings: {} };
const LOST = 'The studio does not answer. It is looked for, and you go on when it does.';

export class Jam {
  isConnected = $state(false);
  /** Whether somebody is there to play with. */
  isReady = $state(false);
  /** Why one cannot play, in the studio's words. */
  trouble = $state('');
  mode = $state('');
  settings = $state.raw<Record<string, string>>({});
  meters = $state.raw<Meter[]>([]);
  message = $state('');
  preset = $state('');
  about = $state('');
  voices = $state.raw<LiveVoice[]>([]);
  /** Counts the bands that were refused: what one has chosen is to be shown no longer. */
  refusals = $state(0);
  recording = $state.raw<LiveRecording | null>(null);
  inputs = $state.raw<Port[]>([]);
  outputs = $state.raw<Port[]>([]);
  /** Id of the MIDI output that Sideman plays to; empty: this browser. */
  output = $state('');
  midiTrouble = $state<MidiTrouble | null>(null);
  isMidiOpen = $state(false);
  held = $state.raw<ReadonlySet<number>>(new Set());
  hearsYou = $state(true);
  hasNotes = $state(false);
  readonly earlier = new Earlier();
  notes: LiveNote[] = [];
  beats: { at: number; is_bar: boolean }[] = [];

  private readonly studio: Studio;
  private readonly socket: Socket<LiveCommand>;
  private readonly pinging: ReturnType<typeof setInterval>;
  /** Who was asked for last. */
  private asked: LiveWish = NOBODY;
  /** What the server has agreed to: begun with after a loss, and the next time one plays. */
  private agreed: LiveWish = lastWish();
  private remembered = '';
  /** Whether somebody plays since the server was found. */
  private hasPartner = false;
  /** Whether the server has said who plays since it was last asked for somebody. */
  private hasMet = false;
  private isClosed = false;
  private midi: Midi | null = null;
  /** Sideman's notes as this browser sounds them. */
  private readonly browser: Sink;
  private sink: Sink;
  /** Server's clock less the page's, in seconds. */
  private offset: number | null = null;
  private trips: number[] = [];
  private readonly pending = new Map<string, { text: string; until: number }>();
  /** The channel on which each key that is down sounds. */
  private readonly sounding = new Map<number, number>();

  constructor(studio: Studio) {
    this.studio = studio;
    this.sink = this.browser = new BrowserSink(this.engine);
    this.socket = studio.api.live({
      message: (message) => this.receive(message),
      connected: (isConnected, reason) => this.connect(isConnected, reason),
    });
    this.pinging = setInterval(() => this.ping(), PING_MS);
  }

  /** Now on the server's clock. */
  get now(): number {
    return pageNow() + (this.offset ?? 0);
  }

  /** Seconds to the server and back. */
  get way(): number {
    return this.trips.length ? Math.min(...this.trips) : 0;
  }

  async startSound(): Promise<void> {
    await this.studio.player.engine.start();
  }

  press(pitch: number, velocity: number): void {
    if (this.held.has(pitch)) return;
    this.held = new Set([...this.held, pitch]);
    const own = this.voices.find(
      ({ kind, low, high }) => kind === 'input' && low <= pitch && pitch <= high,
    );
    if (this.hearsYou && own) {
      this.sounding.set(pitch, own.channel);
      this.engine.noteOn(own.channel, pitch, velocity);
    }
    this.send({ type: 'on', pitch, velocity, at: this.now });
  }

  lift(pitch: number): void {
    if (!this.held.has(pitch)) return;
    this.held = new Set([...this.held].filter((other) => other !== pitch));
    const channel = this.sounding.get(pitch);
    if (channel !== undefined) this.engine.noteOff(channel, pitch);
    this.sounding.delete(pitch);
    this.send({ type: 'off', pitch, velocity: 0, at: this.now });
  }

  liftAll(): void {
    for (const pitch of this.held) this.lift(pitch);
    this.movePedal(false);
  }

  set(name: string, text: string): void {
    this.pending.set(name, { text, until: performance.now() + PENDING_MS });
    if (name === 'mode') this.mode = text;
    this.settings = { ...this.settings, [name]: text };
    this.send({ type: 'set', name, text });
  }

  act(action: string): void {
    this.send({ type: 'act', action });
  }

  /** Silence everything at once. */
  panic(): void {
    this.liftAll();
    this.silence();
    this.act('panic');
  }

  /** Begin anew as a preset has it; "" for two pianos. */
  choosePreset(preset: string): void {
    this.begin({ ...NOBODY, preset }, false);
  }

  /** Go on with other voices. */
  chooseVoices(voices: string[]): void {
    this.begin({ preset: this.preset, voices, settings: this.settings }, true);
  }

  async connectMidi(): Promise<void> {
    void this.startSound();
    this.midiTrouble = null;
    try {
      this.midi?.close();
      this.midi = await openMidi(
        (played) => this.hear(played),
        (inputs, outputs) => this.see(inputs, outputs),
      );
      // Who is asked may leave before the answer.
      if (this.isClosed) this.midi.close();
      this.isMidiOpen = true;
    } catch (cause) {
      this.midiTrouble = cause instanceof MidiError ? cause.trouble : 'broken';
    }
  }

  /** Let Sideman play to a MIDI output, or in this browser. */
  playTo(output: string): void {
    const port = this.midi?.output(output);
    this.sink.silence();
    this.sink = port ? new MidiSink(port) : this.browser;
    this.output = port ? output : '';
    for (const { kind, channel, program } of this.voices) {
      if (kind !== 'input') this.sink.program(channel, program);
    }
  }

  /** Make a piece of what was played, and open it. */
  async keep(id: string): Promise<void> {
    const { studio } = this;
    await studio.attempt(async () => {
      const project = await studio.api.keepRecording(id);
      await studio.open(project.id);
      studio.projects = await studio.api.projects();
      this.earlier.remove(id);
      studio.say(`${project.name} is open`);
      location.hash = '#/write';
    });
  }

  async forget(id: string): Promise<void> {
    this.earlier.remove(id);
    await this.studio.attempt(() => this.studio.api.deleteRecording(id));
  }

  close(): void {
    clearInterval(this.pinging);
    this.liftAll();
    this.act('panic');
    this.silence();
    this.midi?.close();
    this.isClosed = true;
    this.isConnected = false;
    this.socket.close();
  }

  private get engine() {
    return this.studio.player.engine;
  }

  private silence(): void {
    this.sink.silence();
    this.browser.silence();
  }

  /** What is played while nobody listens is not heard later. */
  private send(command: LiveCommand): void {
    if (this.isConnected) this.socket.send(command);
  }

  private begin(wish: LiveWish, goesOn: boolean): void {
    this.asked = wish;
    this.isReady = this.hasMet = false;
    this.send({ type: 'begin', goes_on: goesOn, ...wish });
  }

  /** Nobody ends the notes of a socket that is lost but the page. */
  private connect(isConnected: boolean, reason: string): void {
    this.isConnected = isConnected;
    this.isReady = this.hasPartner = false;
    this.trips = [];
    if (isConnected) {
      this.trouble = '';
      this.begin(this.agreed, false);
      this.ping();
    } else {
      this.silence();
      this.trouble = reason || LOST;
    }
  }

  private hear(played: Played): void {
    if (played.kind === 'on') this.press(played.pitch, played.velocity);
    else if (played.kind === 'off') this.lift(played.pitch);
    else this.movePedal(played.isDown);
  }

  private movePedal(isDown: boolean): void {
    for (const { kind, channel } of this.voices) {
      if (kind === 'input') this.engine.control(channel, SUSTAIN, isDown ? 127 : 0);
    }
    this.send({ type: 'pedal', is_down: isDown, at: this.now });
  }

  private see(inputs: Port[], outputs: Port[]): void {
    if (inputs.length < this.inputs.length) this.liftAll();
    this.inputs = inputs;
    this.outputs = outputs;
    if (this.output && !outputs.some(({ id }) => id === this.output)) this.playTo('');
  }

  private ping(): void {
    this.send({ type: 'ping', at: pageNow() });
  }

  private receive(message: LiveMessage): void {
    switch (message.type) {
      case 'pong':
        this.compare(message);
        break;
      case 'play': {
        const { channel, pitch, velocity, begin, end } = message;
        const delay = Math.max(0, begin - this.now);
        this.sink.noteOn(channel, pitch, velocity, delay);
        if (end !== null) this.sink.noteOff(channel, pitch, delay + end - begin);
        break;
      }
      case 'release':
        this.sink.noteOff(message.channel, message.pitch, Math.max(0, message.at - this.now));
        break;
      case 'program':
        this.sink.program(message.channel, message.program);
        break;
      case 'begun':
        this.meet(message);
        break;
      case 'refused':
        this.refuse(message.message);
        break;
      case 'view':
        this.show(message);
    }
  }

  /** Set the clock by the server's, as the quickest of the last round trips tells it best. */
  private compare({ at, now }: { at: number; now: number }): void {
    const trip = pageNow() - at;
    this.trips = [...this.trips, trip].slice(-N_TRIPS);
    if (trip <= this.way) this.offset = now - at - trip / 2;
  }

  /** See who plays, and give each an instrument at its usual loudness. */
  private meet(begun: Extract<LiveMessage, { type: 'begun' }>): void {
    this.hasMet = this.hasPartner = true;
    this.pending.clear();
    this.preset = begun.preset;
    this.about = begun.about;
    this.voices = begun.voices;
    this.agreed = { ...this.asked, preset: begun.preset };
    this.recording = { id: begun.recording, notes: 0, seconds: 0, end: '' };
    for (const { channel, program } of begun.voices) {
      this.engine.setProgram(channel, program);
      this.engine.control(channel, VOLUME, DEFAULT_VOLUME);
      this.engine.control(channel, PAN, CENTRE);
    }
    this.playTo(this.output);
  }

  /** Say why not; what was remembered from another day and fits no more is let go. */
  private refuse(message: string): void {
    this.studio.notices.error(message);
    this.refusals += 1;
    if (this.hasPartner) this.hasMet = true;
    else if (this.asked !== NOBODY) this.begin(NOBODY, false);
    else this.trouble = message;
  }

  private show(view: Extract<LiveMessage, { type: 'view' }>): void {
    if (!this.hasMet) return; // of those who played before
    this.offset ??= view.now - pageNow();
    this.isReady = true;
    const now = performance.now();
    for (const [name, { until }] of this.pending) if (until < now) this.pending.delete(name);
    const mine = Object.fromEntries([...this.pending].map(([name, { text }]) => [name, text]));
    this.settings = { ...view.settings, ...mine };
    this.mode = this.settings.mode;
    this.message = view.message ?? '';
    this.notes = view.notes.filter(({ end }) => end > view.now - KEEP_S);
    this.hasNotes = this.notes.length > 0;
    this.beats = view.beats;
    this.meters = this.withWay(view.meters);
    this.recording = view.recording;
    this.earlier.note(view.recording);
    this.remember(view.settings);
  }

  /** What the server cannot measure: the way to it and back, and from the browser to the ear. */
  private withWay(meters: readonly Meter[]): Meter[] {
    const sound = this.output ? 0 : this.engine.latency;
    const ms = (seconds: number) => Math.round(seconds * MS_PER_S);
    const told = meters.map((meter) =>
      meter.id === 'response' && typeof meter.value === 'number'
        ? { ...meter, value: meter.value + ms(this.way / 2 + sound) }
        : meter,
    );
    const way: Meter = {
      id: 'way',
      name: 'Way and sound',
      value: `${ms(this.way)} + ${ms(sound)}`,
      unit: 'ms',
      is_good: this.way + sound < 0.1,
      help: 'To the studio and back, and from this browser to your ear. Bluetooth adds up to a quarter of a second that no browser tells: use a wire.',
    };
    return [...told, way];
  }

  /** The next time one plays it is as it was. */
  private remember(settings: LiveWish['settings']): void {
    this.agreed = { ...this.agreed, settings };
    const text = JSON.stringify(this.agreed);
    if (text === this.remembered) return;
    this.remembered = text;
    localStorage.setItem(LAST_WISH, text);
  }
}

const pageNow = (): number => performance.now() / MS_PER_S;

function lastWish(): LiveWish {
  try {
    const { preset, voices, settings } = JSON.parse(
      localStorage.getItem(LAST_WISH) ?? '',
    ) as LiveWish;
    return { preset, voices, settings };
  } catch {
    return NOBODY;
  }
}
