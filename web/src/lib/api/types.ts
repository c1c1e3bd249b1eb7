/**
 * What travels between page and server: what OpenAPI tells of is passed on from `schema.ts`, what
 * goes over the WebSockets is written here.
 */

import type { Job, JobRequest, Note, Part, TakeInfo, Vote } from './schema';

export type {
  Info,
  Job,
  JobRequest,
  Pair,
  Project,
  ProjectSummary,
  Selection,
  Setting,
  Take,
  TakeInfo,
  TasteProgress,
  VoteSummary,
  WinRate,
} from './schema';

export type Task = JobRequest['task'];
/** Fields as in `sideman.engine.options.Options`; what is left out stays open. */
export type Options = JobRequest['options'];
export type Answer = Vote['answer'];

export type SocketMessage =
  | { type: 'job'; job: Job }
  | {
      type: 'notes';
      job: string;
      take: number;
      bar: number;
      notes: Note[];
      /** Parts of the score that is being written, where some are new. */
      parts?: Omit<Part, 'volume' | 'pan'>[];
    }
  | { type: 'takes'; job: string; takes: TakeInfo[] };

/** A note of the live plan; times in seconds of the server's clock. */
export interface LiveNote {
  id: number | string;
  pitch: number;
  velocity: number;
  channel: number;
  begin: number;
  end: number;
  state: 'heard' | 'planned' | 'committed' | 'sounded';
}

export interface Meter {
  id: string;
  name: string;
  value: number | string;
  unit: string;
  is_good: boolean;
  /** What it means, in a line or two. */
  help: string;
}

/** Somebody who plays live, as `sideman live --voice` has it. */
export interface LiveVoice {
  name: string;
  kind: 'input' | 'auto' | 'follow';
  role: string;
  instrument: string;
  /** Bounds it keeps to, such as `range=E1-G3,polyphony=1`. */
  wishes: string;
  /** Where the page sounds it. */
  channel: number;
  program: number;
  is_drum: boolean;
  /** Lowest and highest note of it, or of yours that it is. */
  low: number;
  high: number;
}

/** What is written down of what is played. */
export interface LiveRecording {
  id: string;
  notes: number;
  seconds: number;
  /** Why it does not go on; empty while it does. */
  end: string;
}

export type LiveMessage =
  | {
      type: 'play';
      id: number | string;
      pitch: number;
      velocity: number;
      channel: number;
      begin: number;
      /** Null until a `release` says so. */
      end: number | null;
    }
  | { type: 'program'; channel: number; program: number; at: number }
  | { type: 'release'; id?: number | string; pitch: number; channel: number; at: number }
  | {
      type: 'view';
      now: number;
      mode: string;
      settings: Record<string, string>;
      notes: LiveNote[];
      meters: Meter[];
      /** Onsets of beats and bar lines around now. */
      beats: { at: number; is_bar: boolean }[];
      message?: string;
      recording: LiveRecording;
    }
  | {
      type: 'begun';
      preset: string;
      about: string;
      /** Name of the recording of it. */
      recording: string;
      voices: LiveVoice[];
    }
  | { type: 'refused'; message: string }
  | { type: 'pong'; at: number; now: number };

/** With whom one plays: a preset, "" for none, and what differs from it. */
export interface LiveWish {
  preset: string;
  /** Null: those of the preset. */
  voices: string[] | null;
  settings: Record<string, string>;
}

export type LiveCommand =
  /** The first of all; `goes_on`: bars and memory go on. */
  | ({ type: 'begin'; goes_on: boolean } & LiveWish)
  | { type: 'pedal'; is_down: boolean; at: number }
  | { type: 'on' | 'off'; pitch: number; velocity: number; at: number }
  | { type: 'set'; name: string; text: string }
  | { type: 'act'; action: string }
  | { type: 'ping'; at: number };
