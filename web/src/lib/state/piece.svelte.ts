/** The piece that is open: its score, history, selection, requests and takes. */

import type { Api } from '../api/client';
import type { Job, JobRequest, Project, SocketMessage, Take, TakeInfo } from '../api/types';
import type { Incoming } from '../roll/paint';
import type { GridName } from '../roll/snap';
import {
  commit,
  goTo,
  historyOf,
  redoTarget,
  renamed,
  without,
  undoTarget,
  type History,
} from '../score/history';
import { removePart } from '../score/edit';
import { rangeTicks, sayBars, type BarRange } from '../score/select';
import { barOnset, barsOf, type Bar } from '../score/time';
import { end, newPart, type Note, type Part, type Score } from '../score/types';
import type { Loop } from '../sound/schedule';
import { bestFirst } from '../votes/taste';
import type { Notices } from './notices.svelte';
import type { Player } from './player.svelte';
import { Recent } from './recent';
import { Saver, type Change, type SaveState } from './saver';

const NO_NOTES: ReadonlySet<number> = new Set();
/** Playing takes up notes that are being written at most this often. */
const SWAP_S = 0.2;
/** So many revisions, and so many takes, are kept here with all their notes. */
const KEPT = 100;

type NotesMessage = Extract<SocketMessage, { type: 'notes' }>;

interface Mix {
  colours: Record<number, number>;
  muted: number[];
  soloed: number[];
}

/** A request that is being answered, and what has come of it so far. */
export interface Writing {
  job: Job;
  request: JobRequest;
  label: string;
  parts: Part[];
  incoming: Incoming[];
  /** Bars of which something is written. */
  bars: ReadonlySet<number>;
}

export class Piece {
  readonly id: string;
  name = $state('');
  history = $state.raw<History>() as History;
  takes = $state.raw<TakeInfo[]>([]);
  /** The take that is heard and shown instead of the piece. */
  audition = $state.raw<Take | null>(null);
  writing = $state.raw<Writing | null>(null);
  saving = $state<SaveState>('saved');

  selected = $state.raw<ReadonlySet<number>>(NO_NOTES);
  region = $state.raw<BarRange | null>(null);
  focus = $state(0);
  grid = $state<GridName>('auto');
  isLooping = $state(false);
  tool = $state<'select' | 'draw'>('select');
  showVelocities = $state(innerWidth > 620);
  mix = $state.raw<Mix>({ colours: {}, muted: [], soloed: [] });

  /** A request is on its way to the server. */
  isAsking = false;

  private head = $state.raw<Score>() as Score;
  /** The revision that `head` is; the history is ahead of it while another one is loaded. */
  private shown: string;
  private readonly unsaved = new Map<string, Score>();
  private readonly scores = new Recent<Score>(KEPT);
  private readonly loaded = new Recent<Take>(KEPT);
  private readonly api: Api;
  private readonly notices: Notices;
  private readonly player: Player;
  private readonly saver: Saver;
  /** Asks the server to tell of a job. */
  private readonly watch: (job: string) => void;
  private drafts = 0;
  /** Counts what was chosen to be heard: a take that was loaded too late is not. */
  private turn = 0;
  private lastSwap = 0;

  score = $derived(this.audition?.score ?? this.head);
  bars = $derived(barsOf(this.score));
  heard = $derived(
    this.score.parts.map((_, part) =>
      this.mix.soloed.length ? this.mix.soloed.includes(part) : !this.mix.muted.includes(part),
    ),
  );
  muted = $derived(new Set(this.heard.flatMap((isHeard, part) => (isHeard ? [] : [part]))));
  /** Notes that the take which is heard brings. */
  fresh = $derived.by(() => {
    if (!this.audition) return NO_NOTES;
    const key = ({ onset, pitch, part, duration }: Note) =>
      `${onset} ${pitch} ${part} ${duration}`;
    const known = new Set(this.head.notes.map(key));
    const news = this.audition.score.notes.filter((note) => !known.has(key(note)));
    return new Set(news.map((note) => note.id));
  });
  canUndo = $derived(undoTarget(this.history) !== null);
  canRedo = $derived(redoTarget(this.history) !== null);

  constructor(
    api: Api,
    project: Project,
    player: Player,
    notices: Notices,
    watch: (job: string) => void,
  ) {
    this.api = api;
    this.player = player;
    this.notices = notices;
    this.watch = watch;
    this.id = project.id;
    this.name = project.name;
    this.head = project.score;
    this.shown = project.head;
    this.history = historyOf(project.head, project.revisions);
    this.scores.set(project.head, project.score);
    this.takes = project.takes;
    this.mix = readMix(project.id);
    this.saver = new Saver(api, project.id, {
      stored: (draft, id) => this.keepAs(draft, id),
      went: (revision, score) => this.arrive(revision, score),
      state: (state) => (this.saving = state),
      refused: (cause, change) => this.fallBack(cause, change),
    });
  }

  /** The score without what is only heard for a moment. */
  get own(): Score {
    return this.head;
  }

  get loop(): Loop | null {
    if (!this.isLooping) return null;
    const all = { first: 0, end: this.bars.length };
    const [from, to] = rangeTicks(this.bars, this.region ?? all);
    return { from, to };
  }

  // -- editing

  /** Make an edited score the piece; an edit of a take that is heard takes it over. */
  edit(label: string, score: Score): void {
    if (score === this.score) return;
    if (this.audition) this.use(this.audition);
    this.endAudition();
    // What is seen was edited, also while another revision is loaded.
    this.history = goTo(this.history, this.shown);
    const draft = this.draft();
    const parent = this.history.head;
    this.advance(draft, label, score, null);
    this.saver.push({ kind: 'revision', draft, parent, label, score });
  }

  private draft(): string {
    this.drafts += 1;
    return `draft-${this.drafts}`;
  }

  private advance(draft: string, label: string, score: Score, take: string | null): void {
    const parent = this.history.head;
    this.unsaved.set(draft, score);
    this.history = commit(this.history, {
      id: draft,
      parent,
      label,
      take,
      created: new Date().toISOString(),
    });
    this.show(draft, score);
  }

  private show(revision: string, score: Score): void {
    this.shown = revision;
    this.head = score;
    this.focus = Math.min(this.focus, score.parts.length - 1);
    this.refresh();
  }

  /** Let what is selected and what is played follow the score. */
  private refresh(): void {
    this.select(this.selected);
    this.replay();
  }

  private keepAs(draft: string, id: string): void {
    const score = this.unsaved.get(draft);
    this.unsaved.delete(draft);
    if (score) this.scores.set(id, score);
    if (this.shown === draft) this.shown = id;
    this.history = renamed(this.history, draft, id);
  }

  /** Go back to what is stored when an edit is refused. */
  private fallBack(cause: unknown, change: Change): void {
    this.notices.error(cause);
    if (change.kind === 'head') {
      const isThere = this.history.head === this.saver.lasting(change.revision);
      if (isThere) this.history = goTo(this.history, this.shown);
      return;
    }
    const refused = this.history.revisions.get(change.draft);
    this.history = without(this.history, change.draft);
    const { revisions, head } = this.history;
    for (const draft of this.unsaved.keys()) {
      if (!revisions.has(draft)) this.unsaved.delete(draft);
    }
    if (refused?.parent && !revisions.has(head)) {
      this.history = { ...this.history, head: refused.parent };
      this.goTo(refused.parent);
    }
  }

  undo(): void {
    const target = undoTarget(this.history);
    if (this.audition) void this.hear(null);
    else if (target) this.goTo(target);
  }

  redo(): void {
    const target = redoTarget(this.history);
    if (target) this.goTo(target);
  }

  /** Go to any revision there has ever been; one that is not in mind is seen when it comes. */
  goTo(revision: string): void {
    this.endAudition();
    this.history = goTo(this.history, revision);
    const score = this.unsaved.get(revision) ?? this.scores.get(revision);
    if (score) this.show(revision, score);
    else this.refresh();
    this.saver.push({ kind: 'head', revision });
  }

  private arrive(revision: string, score: Score): void {
    this.scores.set(revision, score);
    const isAwaited = this.history.head === revision && this.shown !== revision;
    if (isAwaited) this.show(revision, score);
  }

  select(ids: ReadonlySet<number>): void {
    const known = new Set(this.score.notes.map((note) => note.id));
    this.selected = new Set([...ids].filter((id) => known.has(id)));
  }

  async rename(name: string): Promise<void> {
    this.name = name;
    await this.api
      .renameProject(this.id, name)
      .catch((cause: unknown) => this.notices.error(cause));
  }

  // -- parts

  toggleMuted(part: number): void {
    this.setMix({ ...this.mix, muted: flipped(this.mix.muted, part) });
  }

  toggleSoloed(part: number): void {
    this.setMix({ ...this.mix, soloed: flipped(this.mix.soloed, part) });
  }

  setColour(part: number, colour: number): void {
    this.setMix({ ...this.mix, colours: { ...this.mix.colours, [part]: colour } });
  }

  /** Take a part away; those behind it keep how they look and whether they are heard. */
  removePart(part: number, label: string): void {
    const { colours, muted, soloed } = this.mix;
    this.edit(label, removePart(this.score, part));
    const left = (list: readonly number[]) =>
      list.filter((item) => item !== part).map((item) => (item > part ? item - 1 : item));
    const kept = left(Object.keys(colours).map(Number));
    this.focus = 0;
    this.setMix({
      colours: Object.fromEntries(kept.map((to) => [to, colours[to >= part ? to + 1 : to]])),
      muted: left(muted),
      soloed: left(soloed),
    });
  }

  private setMix(mix: Mix): void {
    const before = this.heard;
    this.mix = mix;
    localStorage.setItem(mixKey(this.id), JSON.stringify(mix));
    this.heard.forEach((isHeard, part) => {
      if (!isHeard && before[part]) this.player.transport.silence(part);
    });
  }

  // -- playing

  async togglePlay(): Promise<void> {
    if (this.player.isPlaying) this.player.stop();
    else await this.play(this.startPlace());
  }

  private play(tick: number): Promise<void> {
    const { score, bars } = this.playable();
    return this.player.play(score, bars, this.loop, tick);
  }

  private startPlace(): number {
    const { place } = this.player;
    if (this.loop && (place < this.loop.from || place >= this.loop.to)) return this.loop.from;
    return place >= this.bars[this.bars.length - 1].end ? 0 : place;
  }

  seek(tick: number): void {
    this.player.place = Math.max(0, tick);
    if (this.player.isPlaying) void this.play(this.player.place);
  }

  /** Let what is played follow what is shown. */
  replay(): void {
    const { score, bars } = this.playable();
    this.player.transport.swap(score, bars, this.loop);
  }

  toggleLoop(): void {
    this.isLooping = !this.isLooping;
    this.followLoop();
  }

  /** Let playing follow the loop: into it, if it is somewhere else. */
  followLoop(): void {
    if (!this.player.isPlaying) return;
    const { loop } = this;
    const { tick } = this.player;
    if (loop && (tick < loop.from || tick >= loop.to)) this.seek(loop.from);
    else this.replay();
  }

  /** What sounds: with what has been written so far of a request, and the bars it will have. */
  private playable(): { score: Score; bars: readonly Bar[] } {
    const { writing } = this;
    if (!writing || this.audition) return { score: this.score, bars: this.bars };
    const stays = this.head.notes.filter((note) => !this.isFading(note));
    const notes = [...stays, ...writing.incoming.map(({ note }) => note)];
    notes.sort((a, b) => a.onset - b.onset);
    const score = { ...this.head, parts: writing.parts, notes };
    const { task, options, selection } = writing.request;
    const nNew = task === 'continue' ? Number(options.bars) : 0;
    return {
      score,
      bars: barsOf(score, Math.max(score.n_bars, (selection?.bars?.[1] ?? 0) + nNew)),
    };
  }

  // -- asking

  async ask(request: Omit<JobRequest, 'revision' | 'locks'>, label: string): Promise<void> {
    this.isAsking = true;
    if (this.audition) this.use(this.audition);
    await this.saver.settled();
    const locks = this.head.notes.filter((note) => note.locked).map((note) => note.id);
    const wish = { ...request, revision: this.saver.lasting(this.history.head), locks };
    try {
      const job = await this.api.ask(this.id, wish);
      this.writing = {
        job,
        request: wish,
        label,
        parts: this.head.parts,
        incoming: [],
        bars: new Set(),
      };
      this.watch(job.id);
    } catch (cause) {
      this.notices.error(cause);
    } finally {
      this.isAsking = false;
    }
  }

  /** Catch up with a request after the server was away. */
  async catchUp(): Promise<void> {
    const id = this.writing?.job.id;
    if (!id) return;
    try {
      this.watch(id);
      this.follow(await this.api.job(id));
    } catch (cause) {
      this.writing = null;
      this.notices.error(cause);
    }
  }

  /** Stop writing; what is there stays as a take. */
  async stopWriting(): Promise<void> {
    if (!this.writing) return;
    await this.api
      .cancel(this.writing.job.id)
      .catch((cause: unknown) => this.notices.error(cause));
  }

  /** Whether a note is about to be replaced by what is being written. */
  isFading(note: Note): boolean {
    const { writing } = this;
    if (!writing || note.locked || this.audition) return false;
    const { task, options, selection } = writing.request;
    if (task === 'accompany' || task === 'harmonise') return false;
    if (task === 'loop' && (options.parts || options.extend)) return false;
    if (task === 'continue') {
      // What lies behind the place it goes on from gives way.
      const until = selection?.bars?.[1];
      return until !== undefined && note.onset >= barOnset(this.bars, until);
    }
    const parts = selection?.parts;
    if (parts && !parts.includes(note.part)) return false;
    const [first, last] = selection?.bars ?? [0, this.bars.length];
    const [from, to] = rangeTicks(this.bars, { first, end: last });
    return note.onset >= from && note.onset < to;
  }

  receive(message: SocketMessage, now: number): void {
    const id = message.type === 'job' ? message.job.id : message.job;
    if (message.type === 'takes') this.addTakes(message.takes.filter((take) => this.has(take)));
    if (this.writing?.job.id !== id) return;
    if (message.type === 'notes') this.write(message, now);
    else if (message.type === 'takes') void this.hear(message.takes[0]?.id ?? null);
    else this.follow(message.job);
  }

  /** Take up notes of the first take; those that come again, after a reconnect, are known. */
  private write({ take, bar, notes, parts }: NotesMessage, now: number): void {
    const { writing } = this;
    if (!writing || take !== 0) return;
    const known = new Set(writing.incoming.map(({ note }) => note.id));
    const news = notes.filter((note) => !known.has(note.id));
    this.writing = {
      ...writing,
      // Those that were there sound as they did.
      parts:
        parts?.map((part, index) => ({
          ...(writing.parts[index] ?? newPart(0, '')),
          ...part,
        })) ?? writing.parts,
      incoming: [...writing.incoming, ...news.map((note) => ({ note, cameAt: now }))],
      bars: new Set([...writing.bars, bar]),
    };
    if (now - this.lastSwap < SWAP_S) return;
    this.lastSwap = now;
    this.replay();
  }

  private follow(job: Job): void {
    if (!this.writing) return;
    this.writing = { ...this.writing, job };
    if (job.state === 'queued' || job.state === 'running') return;
    if (job.state === 'failed')
      this.notices.error(job.message || 'The model could not do this; ask again.');
    const [first] = job.takes;
    if (first) void this.hear(first);
    this.writing = null;
    this.replay();
  }

  // -- takes

  /** Whether a take is of this piece; a person's other pieces tell of theirs as well. */
  private has({ parent_revision: parent }: TakeInfo): boolean {
    return this.history.revisions.has(parent);
  }

  private addTakes(takes: readonly TakeInfo[]): void {
    const byId = new Map(this.takes.map((take) => [take.id, take]));
    for (const take of takes) byId.set(take.id, take);
    this.takes = [...byId.values()];
  }

  /** A take with its score. */
  async load(id: string): Promise<Take> {
    const take = this.loaded.get(id) ?? (await this.api.take(id));
    const { score: _score, ...info } = take;
    if (!this.takes.some((known) => known.id === id)) this.addTakes([info]);
    this.loaded.set(id, take);
    return take;
  }

  /** Hear a take at the same place, or the piece again for null. */
  async hear(id: string | null): Promise<void> {
    this.turn += 1;
    const { turn } = this;
    if (id === (this.audition?.id ?? null)) return;
    try {
      const take = id ? await this.load(id) : null;
      if (turn !== this.turn) return;
      this.audition = take;
      this.refresh();
    } catch (cause) {
      this.notices.error(cause);
    }
  }

  /** Hear a take and let it sound: where playing is, or else from a bar before what is new. */
  async listen(id: string | null): Promise<void> {
    await this.hear(id);
    const take = this.audition;
    if (!take || take.id !== id || this.player.isPlaying) return;
    const around = { first: Math.max(0, take.first_bar - 1), end: take.end_bar };
    const [from, to] = rangeTicks(this.bars, around);
    const { place } = this.player;
    if (!this.isLooping && (place < from || place >= to)) this.player.place = from;
    await this.play(this.startPlace());
  }

  /**
   * The piece and the takes of the newest request, in the order in which they are compared:
   * those first that are likely liked best.
   */
  get compared(): (TakeInfo | null)[] {
    const of = this.audition?.job ?? this.takes.at(-1)?.job;
    return [null, ...bestFirst(this.takes.filter((take) => take.job === of))];
  }

  /** Hear the next take at the same place; after the last one the piece as it was. */
  async hearNext(): Promise<void> {
    const { compared } = this;
    const at = compared.findIndex((take) => (take?.id ?? null) === (this.audition?.id ?? null));
    await this.listen(compared[(at + 1) % compared.length]?.id ?? null);
  }

  /** Hear a take by its number among those compared, or the piece for 0. */
  async hearNumber(number: number): Promise<void> {
    const { compared } = this;
    if (number < compared.length) await this.listen(compared[number]?.id ?? null);
  }

  /** Leave the take that is heard, and the one that is still loaded. */
  private endAudition(): void {
    this.turn += 1;
    this.audition = null;
  }

  /** Make a take the piece. */
  use(take: Take): void {
    this.endAudition();
    const draft = this.draft();
    this.history = goTo(this.history, this.known(take.parent_revision));
    this.advance(draft, takeName(take), take.score, take.id);
    this.saver.push({ kind: 'take', draft, take: take.id });
  }

  private known(revision: string): string {
    return this.history.revisions.has(revision) ? revision : this.history.head;
  }

  async changeTake(id: string, values: { name?: string; kept?: boolean }): Promise<void> {
    try {
      const changed = await this.api.changeTake(id, values);
      this.takes = this.takes.map((take) => (take.id === id ? changed : take));
    } catch (cause) {
      this.notices.error(cause);
    }
  }

  async deleteTake(id: string): Promise<void> {
    try {
      if (this.audition?.id === id) await this.hear(null);
      await this.api.deleteTake(id);
      this.takes = this.takes.filter((take) => take.id !== id);
    } catch (cause) {
      this.notices.error(cause);
    }
  }

  /** What a take was asked for, in the words of the page. */
  requestTitle(take: TakeInfo): string {
    const task = TASK_TITLES[String(take.recipe.task)] ?? 'Take';
    const { first_bar: first, end_bar: last } = take;
    return `${task}, ${sayBars({ first, end: last })}`;
  }

  exportUrl(format: 'mid' | 'wav' | 'flac' | 'stems', parts?: number[]): string {
    const revision = this.saver.lasting(this.history.head);
    return this.api.exportUrl({ project: this.id, revision }, format, parts);
  }

  takeUrl(take: string): string {
    return this.api.exportUrl({ take }, 'mid');
  }

  /** Last tick that is written or being written. */
  get lastTick(): number {
    const incoming = this.writing?.incoming.map(({ note }) => end(note)) ?? [];
    return Math.max(this.bars[this.bars.length - 1].end, ...incoming);
  }
}

const TASK_TITLES: Readonly<Record<string, string>> = {
  compose: 'Start',
  continue: 'Continue',
  infill: 'Fill',
  accompany: 'Add a part',
  rewrite: 'Rewrite',
  vary: 'Vary',
  harmonise: 'Find chords',
  loop: 'Loop',
};

export const takeName = (take: TakeInfo): string => take.name || `Take ${take.number + 1}`;

const flipped = (list: readonly number[], item: number): number[] =>
  list.includes(item) ? list.filter((other) => other !== item) : [...list, item];

const mixKey = (project: string) => `sideman.mix.${project}`;

function readMix(project: string): Mix {
  const stored = localStorage.getItem(mixKey(project));
  return { colours: {}, muted: [], soloed: [], ...(stored ? (JSON.parse(stored) as Mix) : {}) };
}
