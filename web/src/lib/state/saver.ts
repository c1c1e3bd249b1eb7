/** Edits on their way to the server: one after the other, and again when it does not answer. */

import { ApiError, NO_ANSWER, type Api } from '../api/client';
import type { Score } from '../score/types';

export type Change =
  | { kind: 'revision'; draft: string; parent: string; label: string; score: Score }
  | { kind: 'take'; draft: string; take: string }
  | { kind: 'head'; revision: string };

export type SaveState = 'saved' | 'saving' | 'waiting';

const RETRY_MS = 2000;
/** Too many requests; a proxy whose studio is away; a studio that cannot store for a moment. */
const FOR_NOW = [429, 502, 503, 504];

/** Whether the same change may be stored a little later. */
const isForNow = (cause: unknown): boolean =>
  cause instanceof ApiError && (cause.code === NO_ANSWER || FOR_NOW.includes(cause.status));

/** The changes that are left when one is refused: those that were not made upon it. */
function without(refused: Change, changes: readonly Change[]): Change[] {
  if (refused.kind === 'head') return [...changes];
  const gone = new Set([refused.draft]);
  return changes.filter((change) => {
    if (change.kind === 'head') return !gone.has(change.revision);
    if (change.kind === 'take' || !gone.has(change.parent)) return true;
    gone.add(change.draft);
    return false;
  });
}

export interface SaverEvents {
  /** A draft got its lasting id. */
  stored(draft: string, id: string): void;
  /** The server's head is a revision now; this is its score. */
  went(revision: string, score: Score): void;
  state(state: SaveState): void;
  /** The server refused a change; it is dropped, with all that was made upon it. */
  refused(cause: unknown, change: Change): void;
}

export class Saver {
  private queue: Change[] = [];
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
        const [refused, ...others] = this.queue;
        this.queue = without(refused, others);
        this.events.refused(cause, refused);
        this.events.state(this.queue.length ? 'saving' : 'saved');
      }
    }
    this.running = null;
  }

  private async store(change: Change): Promise<void> {
    if (change.kind === 'head') {
      const { head, score } = await this.api.setHead(
        this.project,
        this.lasting(change.revision),
      );
      this.events.went(head, score);
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
