/** The synthesizer: a General MIDI bank played in an AudioWorklet, without the network. */

import type { WorkletSynthesizer } from 'spessasynth_lib';
import workletUrl from 'spessasynth_lib/dist/spessasynth_processor.min.js?url';

const BANK_URL = '/sound/bank.sf3';
const DRUM_CHANNEL = 9;
const N_CHANNELS = 16;
const VOLUME_CONTROL = 7;
const PAN_CONTROL = 10;
const ALL_NOTES_OFF = 123;
/** Brings a quiet piece to where it is heard; what is loud then meets the limiter. */
const MASTER_GAIN = 1.2;
/** Keeps peaks below full scale, in decibels and seconds, and leaves what is softer alone. */
const LIMITER = { threshold: -3, knee: 3, ratio: 20, attack: 0.002, release: 0.12 } as const;
const PREVIEW_S = 0.35;
const CLICK_HZ = [0, 1200, 1800] as const;

declare global {
  interface Window {
    /** For tests only: the graph, so that they can hear that something sounds. */
    __sidemanAudio?: { context: AudioContext; analyser: AnalyserNode };
  }
}

export interface Voice {
  program: number;
  is_drum: boolean;
  volume: number;
  pan: number;
}

/** The number of a MIDI controller. */
export type Controller = Parameters<WorkletSynthesizer['controllerChange']>[1];

export type SoundState = 'off' | 'loading' | 'ready' | 'failed';

/** The channel of each part: of every sixteen the tenth is for drums, the others for the rest. */
export function channelsOf(parts: readonly Pick<Voice, 'is_drum'>[]): number[] {
  let pitched = 0;
  let drums = 0;
  return parts.map((part) => {
    if (part.is_drum) return DRUM_CHANNEL + N_CHANNELS * drums++;
    const bank = Math.floor(pitched / (N_CHANNELS - 1));
    const channel = pitched++ % (N_CHANNELS - 1);
    return bank * N_CHANNELS + (channel < DRUM_CHANNEL ? channel : channel + 1);
  });
}

export class SoundEngine {
  state: SoundState = 'off';
  private context: AudioContext | null = null;
  private synth: WorkletSynthesizer | null = null;
  private master: GainNode | null = null;
  private loading: Promise<boolean> | null = null;
  private programs = new Map<number, number>();
  private nChannels = N_CHANNELS;
  private readonly onState: (state: SoundState, message: string) => void;

  constructor(onState: (state: SoundState, message: string) => void) {
    this.onState = onState;
  }

  /** Seconds of the audio clock, 0 while there is none. */
  get now(): number {
    return this.context?.currentTime ?? 0;
  }

  /** Seconds between the audio clock and the ear. */
  get latency(): number {
    return (this.context?.outputLatency || this.context?.baseLatency) ?? 0;
  }

  /** Start the sound; browsers allow it only in answer to a click or a key. */
  async start(): Promise<boolean> {
    const awake = this.wake(); // first: Safari takes what comes after a wait for no answer
    return (await this.load()) && awake;
  }

  /** Let the sound run, which browsers allow only while they answer a click or a key. */
  wake(): Promise<boolean> {
    return this.opened()
      .resume()
      .then(
        () => true,
        () => false,
      );
  }

  /** Fetch what sounds; whether it runs is another matter. */
  load(): Promise<boolean> {
    this.loading ??= this.build(this.opened()).then(
      () => true,
      (cause: unknown) => {
        void this.context?.close(); // one that has seen a module fail fails again
        this.context = this.loading = null;
        this.tell('failed', soundFailure(cause));
        return false;
      },
    );
    return this.loading;
  }

  private opened(): AudioContext {
    return (this.context ??= new AudioContext({ latencyHint: 'interactive' }));
  }

  private async build(context: AudioContext): Promise<void> {
    this.tell('loading', '');
    if (!context.audioWorklet) throw new Error('no AudioWorklet');
    const [{ WorkletSynthesizer }, bank] = await Promise.all([
      import('spessasynth_lib'),
      fetchBank(),
      context.audioWorklet.addModule(workletUrl),
    ]);
    const synth = new WorkletSynthesizer(context, { eventsEnabled: false });
    const master = new GainNode(context, { gain: MASTER_GAIN });
    const limiter = new DynamicsCompressorNode(context, LIMITER);
    const analyser = new AnalyserNode(context, { fftSize: 2048 });
    synth.connect(master);
    master.connect(limiter).connect(analyser).connect(context.destination);
    await synth.soundBankManager.addSoundBank(bank, 'general-midi');
    await synth.isReady;
    for (const [channel, program] of this.programs) synth.programChange(channel, program);
    Object.assign(this, { synth, master });
    window.__sidemanAudio = { context, analyser };
    this.tell('ready', '');
  }

  private tell(state: SoundState, message: string): void {
    this.state = state;
    this.onState(state, message);
  }

  setVoices(parts: readonly Voice[]): void {
    if (!this.synth) return;
    const channels = channelsOf(parts);
    for (; this.nChannels <= Math.max(...channels); this.nChannels++)
      this.synth.addNewChannel();
    channels.forEach((channel, index) => {
      const { program, is_drum, volume, pan } = parts[index];
      if (is_drum && channel > DRUM_CHANNEL) this.synth?.midiChannels[channel]?.setDrums(true);
      this.setProgram(channel, program);
      this.control(channel, VOLUME_CONTROL, volume);
      this.control(channel, PAN_CONTROL, pan);
    });
  }

  /** Give a channel an instrument; it keeps it when the sound is started only later. */
  setProgram(channel: number, program: number): void {
    if (this.programs.get(channel) === program) return;
    this.synth?.programChange(channel, program);
    this.programs.set(channel, program);
  }

  /** Sound a note from `at` seconds of the audio clock for `length` seconds. */
  play(channel: number, pitch: number, velocity: number, at: number, length: number): void {
    this.synth?.noteOn(channel, pitch, velocity, { time: at });
    this.synth?.noteOff(channel, pitch, { time: at + Math.max(0.02, length) });
  }

  /** Sound a note at once for a moment: one that is drawn, moved or pressed. */
  async preview(channel: number, pitch: number, velocity: number): Promise<void> {
    if (await this.start()) this.play(channel, pitch, velocity, this.now, PREVIEW_S);
  }

  noteOn(channel: number, pitch: number, velocity: number, at = this.now): void {
    this.synth?.noteOn(channel, pitch, velocity, { time: at });
  }

  noteOff(channel: number, pitch: number, at = this.now): void {
    this.synth?.noteOff(channel, pitch, { time: at });
  }

  /** Turn a MIDI controller of a channel. */
  control(channel: number, number: Controller, value: number): void {
    this.synth?.controllerChange(channel, number, value);
  }

  /** Stop what one channel sounds. */
  silence(channel: number): void {
    this.synth?.controllerChange(channel, ALL_NOTES_OFF, 0);
  }

  /** Stop everything; `force` also cuts what rings on. */
  stopAll(force = false): void {
    this.synth?.stopAll(force);
  }

  click(strength: 1 | 2, at: number): void {
    const { context, master } = this;
    if (!context || !master) return;
    const oscillator = new OscillatorNode(context, {
      frequency: CLICK_HZ[strength],
      type: 'triangle',
    });
    const gain = new GainNode(context, { gain: 0 });
    gain.gain.setValueAtTime(0.12 * strength, at);
    gain.gain.exponentialRampToValueAtTime(0.0005, at + 0.05);
    oscillator.connect(gain).connect(master);
    oscillator.start(at);
    oscillator.stop(at + 0.06);
  }
}

async function fetchBank(): Promise<ArrayBuffer> {
  const reply = await fetch(BANK_URL);
  if (!reply.ok) throw new Error(`the sound bank did not come: ${reply.status}`);
  return reply.arrayBuffer();
}

function soundFailure(cause: unknown): string {
  if (!window.isSecureContext) {
    return 'No sound: browsers play only on localhost or https. Open the page there, or put the studio behind a proxy that speaks https.';
  }
  const reason = cause instanceof Error ? cause.message : String(cause);
  return `No sound (${reason}). Check that the studio still runs, then press play again.`;
}
