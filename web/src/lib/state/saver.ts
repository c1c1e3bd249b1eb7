/** Edits on their way to the server: one after the other, and again when it does not answer. */

import { ApiError, NO_ANSWER, type Api } from '../api/client';
import type { Score } from '../score/types';

export type Change =
  | { kind: 'revision'; draft: string; parent: string; label: string; score: Score }
  | { kind: 'take'; draft: string; take: string }
  | { kind: 'head'; revision: string };

export type SaveState = 'saved' | 'saving' | 'waiting';

const RETRY_MS = 2000;
const TOO_MANY_REQUESTS = 429;

/** Whether the same change may be stored a little later. */
const isForNow = (cause: unknown): boolean =>
  cause instanceof ApiError && (cause.code === NO_ANSWER || cause.status === TOO_MANY_REQUESTS);

export interface SaverEvents {
  /** A draft got its lasting id. */
  stored(draft: string, id: string): void;
  state(state: SaveState): void;
  /** The server refused a change; it is dropped, with all that was made upon it. */
  refused(cause: unknown, change: Change): void;
}

export class Saver {
  private readonly queue: Change[] = [];
  private readonly ids = new Map<string, string>();
  private running: Promise<void> | null = null;
  private readonly api: Api;
  private readonly project: string;
  private readonly events: SaverEvents;

  constructor(api: Api, project: string, events: SaverEvents) {
    this.api = api;
    this.project = project;
    this.events = events;
  }

  /** The lasting id of a revision, if it has one by now. */
  lasting(id: string): string {
    return this.ids.get(id) ?? id;
  }

  push(change: Change): void {
    this.queue.push(change);
    this.running ??= this.run();
  }

  /** Wait until everything so far is stored. */
  async settled(): Promise<void> {
    await this.running;
  }

  private async run(): Promise<void> {
    this.events.state('saving');
    while (this.queue.length) {
      try {
        await this.store(this.queue[0]);
        this.queue.shift();
        this.events.state(this.queue.length ? 'saving' : 'saved');
      } catch (cause) {
        if (isForNow(cause)) {
          this.events.state('waiting');
          await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
          continue;
        }
        const refused = this.queue[0];
        this.queue.length = 0;
        this.events.refused(cause, refused);
        this.events.state('saved');
      }
    }
    this.running = null;
  }

  private async store(change: Change): Promise<void> {
    if (change.kind === 'head') {
      await this.api.setHead(this.project, this.lasting(change.revision));
      return;
    }
    const { id } =
      change.kind === 'take'
        ? await this.api.useTake(change.take)
        : await this.api.addRevision(this.project, {
            parent: this.lasting(change.parent),
            label: change.label,
            score: change.score,
          });
    this.ids.set(change.draft, id);
    this.events.stored(change.draft, id);
  }
}
