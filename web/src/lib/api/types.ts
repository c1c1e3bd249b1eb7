/** What travels between page and server. Generated types take over where `schema.ts` has them. */

import type { Note, Part, Score } from '../score/types';
import type { Revision } from '../score/history';

export interface Setting {
  name: string;
  help: string;
  kind: 'number' | 'choice' | 'switch' | 'text';
  value: string;
  low?: number | null;
  high?: number | null;
  choices?: string[];
  unit?: string;
  group?: string;
}

export interface LiveInfo {
  available: boolean;
  /** Why not, if it is not. */
  reason?: string;
  modes: { name: string; help: string }[];
  settings: Setting[];
  /** What can be done at any moment, such as `panic`. */
  actions: { name: string; help: string }[];
}

export interface Info {
  version: string;
  bundle: string;
  styles: string[];
  tasks: string[];
  limits: Record<string, number>;
  live: LiveInfo;
}

export interface ProjectSummary {
  id: string;
  name: string;
  created: string;
  changed: string;
}

export interface TakeInfo {
  id: string;
  job: string;
  number: number;
  parent_revision: string;
  name: string;
  kept: boolean;
  first_bar: number;
  end_bar: number;
  n_notes: number;
  created: string;
  recipe: Record<string, unknown>;
}

export interface Take extends TakeInfo {
  score: Score;
}

export interface Project {
  id: string;
  name: string;
  head: string;
  score: Score;
  revisions: Revision[];
  takes: TakeInfo[];
}

export type Task =
  'compose' | 'continue' | 'infill' | 'accompany' | 'rewrite' | 'vary' | 'harmonise' | 'loop';

export interface Selection {
  /** First bar and the one after the last, from 0. */
  bars?: [number, number];
  parts?: number[];
  notes?: number[];
}

/** Fields as in `sideman.engine.options.Options`; what is left out stays open. */
export type Options = Record<string, string | number | boolean | string[]>;

export interface JobRequest {
  task: Task;
  revision: string;
  options: Options;
  selection?: Selection;
  locks: number[];
  takes: number;
  seed: number;
}

export type JobState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled';

export interface Job {
  id: string;
  state: JobState;
  /** How many wait before it. */
  position: number;
  task: Task;
  created: string;
  takes: string[];
  message: string;
}

export type SocketMessage =
  | { type: 'job'; job: Job }
  | {
      type: 'notes';
      job: string;
      take: number;
      bar: number;
      notes: Note[];
      /** Parts of the score that is being written, where some are new. */
      parts?: Part[];
    }
  | { type: 'takes'; job: string; takes: TakeInfo[] };

export interface Pair {
  id: string;
  left: Score;
  right: Score;
  prompt: Score;
}

export type Answer = 'left' | 'right' | 'tie' | 'both_bad' | 'skip';

/** A share with its 95 % Wilson interval. */
export interface WinRate {
  setting: string;
  value: string;
  wins: number;
  losses: number;
  ties: number;
  rate: number;
  low: number;
  high: number;
  /** Of a two-sided sign test. */
  p: number;
}

export interface VoteSummary {
  votes: number;
  answers: Record<Answer, number>;
  win_rates: WinRate[];
  /** Of pairs that came again with sides swapped. */
  repeats: { n: number; same: number; rate: number; low: number; high: number };
  median_seconds: number;
}

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
  name: string;
  value: number;
  unit: string;
  is_good: boolean;
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
    }
  | { type: 'pong'; at: number; now: number };

export type LiveCommand =
  | { type: 'on' | 'off'; pitch: number; velocity: number; at: number }
  | { type: 'set'; name: string; text: string }
  | { type: 'act'; action: string }
  | { type: 'ping'; at: number };
