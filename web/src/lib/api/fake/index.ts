/** The API in memory, for work on the page and its tests; never in the built page. */

import { addNotes, deleteNotes, type NewNote } from '../../score/edit';
import { notesInBars } from '../../score/select';
import { barsOf } from '../../score/time';
import { emptyScore, newPart, type Part, type Score } from '../../score/types';
import type { Revision } from '../../score/history';
import { ApiError, type Api, type Listener } from '../client';
import type {
  Answer,
  Info,
  Job,
  JobRequest,
  Project,
  ProjectSummary,
  SocketMessage,
  Take,
  TakeInfo,
  TasteProgress,
} from '../types';
import { fakeLive, LIVE } from './live';
import { demoScore, generator, manyNotes, writeBar } from './music';

const BAR_MS = 260;
const QUEUE_MS = 250;

interface Stored {
  id: string;
  name: string;
  created: string;
  head: string;
  revisions: (Revision & { score: Score })[];
  takes: string[];
}

const INFO: Info = {
  version: '0.0.0',
  bundle: 'fake',
  styles: ['jazz', 'pop', 'classical', 'folk'],
  tasks: ['compose', 'continue', 'infill', 'accompany', 'rewrite', 'vary', 'harmonise', 'loop'],
  limits: { bars: 1000, notes: 50_000, upload_bytes: 2_000_000, takes: 8 },
  live: LIVE,
};

const stamp = () => new Date().toISOString();

class Fake {
  readonly projects = new Map<string, Stored>();
  readonly takes = new Map<string, Take>();
  readonly jobs = new Map<string, Job>();
  readonly answers: Record<Answer, number> = {
    left: 14,
    right: 11,
    tie: 4,
    both_bad: 3,
    skip: 1,
  };
  taste: TasteProgress = { decided: 60, wanted: 50, heard: null, learned: null, message: '' };
  listener: Listener<SocketMessage> | null = null;
  private count = 0;

  id(kind: string): string {
    this.count += 1;
    return `${kind}${this.count}`;
  }

  create(name: string, score: Score): Stored {
    const root = {
      id: this.id('r'),
      parent: null,
      take: null,
      label: 'Start',
      created: stamp(),
      score,
    };
    const stored = {
      id: this.id('p'),
      name,
      created: stamp(),
      head: root.id,
      revisions: [root],
      takes: [],
    };
    this.projects.set(stored.id, stored);
    return stored;
  }

  stored(id: string): Stored {
    const found = this.projects.get(id);
    if (!found) throw new ApiError('not_found', `there is no project ${id}; open another`, 404);
    return found;
  }

  score(stored: Stored, revision: string): Score {
    const found = stored.revisions.find((item) => item.id === revision);
    if (!found) throw new ApiError('unknown_revision', `there is no revision ${revision}`, 409);
    return found.score;
  }

  project(stored: Stored): Project {
    return {
      id: stored.id,
      name: stored.name,
      head: stored.head,
      score: this.score(stored, stored.head),
      revisions: stored.revisions.map(({ score: _score, ...revision }) => revision),
      takes: stored.takes.map((id) => info(this.take(id))),
    };
  }

  take(id: string): Take {
    const found = this.takes.get(id);
    if (!found) throw new ApiError('not_found', `there is no take ${id}; it was deleted`, 404);
    return found;
  }

  commit(
    stored: Stored,
    parent: string,
    label: string,
    score: Score,
    take: string | null = null,
  ): string {
    this.score(stored, parent);
    const revision = { id: this.id('r'), parent, take, label, created: stamp(), score };
    stored.revisions.push(revision);
    stored.head = revision.id;
    return revision.id;
  }

  /** Write the takes of a job bar by bar; the first one is shown while it is written. */
  async write(stored: Stored, job: Job, request: JobRequest): Promise<void> {
    await pause(QUEUE_MS);
    const before = this.score(stored, request.revision);
    const plan = planOf(before, request);
    this.tell(job, { state: 'running' });
    const writers = Array.from({ length: request.takes }, (_, take) => ({
      random: generator(request.seed * 31 + take),
      notes: [] as NewNote[],
    }));
    for (let bar = plan.first; bar < plan.end && job.state === 'running'; bar++) {
      writers.forEach((writer, take) => {
        const written = plan.written.flatMap((part) =>
          writeBar(bar, part, plan.parts[part], writer.random),
        );
        writer.notes.push(...written);
        const notes = written.map((note, index) => ({
          ...note,
          id: -1 - index - 1000 * bar,
          locked: false,
        }));
        this.listener?.message({
          type: 'notes',
          job: job.id,
          take,
          bar,
          notes,
          parts: plan.parts,
        });
      });
      await pause(BAR_MS);
    }
    for (const [number, writer] of writers.entries()) {
      const { score } = addNotes({ ...plan.kept, parts: plan.parts }, writer.notes);
      const take: Take = {
        id: this.id('t'),
        job: job.id,
        number,
        parent_revision: request.revision,
        name: '',
        kept: false,
        first_bar: plan.first,
        end_bar: plan.end,
        n_notes: writer.notes.length,
        created: stamp(),
        recipe: { task: request.task, seed: request.seed, ...request.options },
        liking: this.taste.learned && writer.random(),
        score,
      };
      this.takes.set(take.id, take);
      stored.takes.push(take.id);
      job.takes.push(take.id);
    }
    if (job.state === 'running') job.state = 'done';
    const takes = job.takes.map((id) => info(this.take(id)));
    this.listener?.message({ type: 'takes', job: job.id, takes });
    this.tell(job, {});
  }

  private tell(job: Job, values: Partial<Job>): void {
    Object.assign(job, values);
    this.listener?.message({ type: 'job', job: { ...job } });
  }
}

const info = ({ score: _score, ...rest }: Take): TakeInfo => rest;
const summary = ({ id, name, created }: Stored): ProjectSummary => ({
  id,
  name,
  created,
  changed: created,
});
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Which bars of which parts are written, and what stays. */
function planOf(score: Score, request: JobRequest) {
  const bars = barsOf(score);
  const wanted = Number(request.options.bars ?? 8) || 8;
  const range = request.selection?.bars ?? [0, bars.length];
  if (request.task === 'continue') {
    const first = request.selection?.bars?.[1] ?? (score.notes.length ? bars.length : 0);
    const behind = notesInBars(score, bars, { first, end: Math.max(first + 1, bars.length) });
    const kept = deleteNotes(score, behind);
    return { first, end: first + wanted, kept, parts: score.parts, written: all(score.parts) };
  }
  if (request.task === 'accompany') {
    const added = (request.options.parts as string[]).map(partOf);
    const parts = [...score.parts, ...added];
    const written = added.map((_, index) => score.parts.length + index);
    return { first: range[0], end: range[1], kept: score, parts, written };
  }
  const written = request.selection?.parts ?? all(score.parts);
  const gone = notesInBars(score, bars, { first: range[0], end: range[1] }, new Set(written));
  const kept = deleteNotes(score, gone);
  return { first: range[0], end: range[1], kept, parts: score.parts, written };
}

const all = (parts: readonly Part[]) => parts.map((_, index) => index);

function partOf(wish: string): Part {
  const text = wish.toLowerCase();
  if (text.includes('drum')) return newPart(0, 'Drums', true);
  if (text.includes('bass')) return newPart(32, 'Bass');
  if (text.includes('chords') || text.includes('pad')) return newPart(4, 'Keys');
  return newPart(73, 'Flute');
}

export function fakeApi(): Api {
  const fake = new Fake();
  const size = Number(new URLSearchParams(location.search).get('notes') ?? 0);
  fake.create(size ? `${size} notes` : 'Late train', size ? manyNotes(size) : demoScore());
  return {
    info: async () => INFO,
    projects: async () => [...fake.projects.values()].map(summary),
    createProject: async (name) => fake.project(fake.create(name, emptyScore())),
    async upload(file) {
      if (!/\.midi?$/i.test(file.name)) {
        const message = `${file.name} is not a MIDI file; drop a file that ends in .mid`;
        throw new ApiError('not_midi', message, 415);
      }
      return fake.project(fake.create(file.name.replace(/\.midi?$/i, ''), demoScore(12)));
    },
    project: async (id) => fake.project(fake.stored(id)),
    async renameProject(id, name) {
      fake.stored(id).name = name;
    },
    async deleteProject(id) {
      fake.projects.delete(id);
    },
    addRevision: async (project, { parent, label, score }) => ({
      id: fake.commit(fake.stored(project), parent, label, score),
    }),
    async setHead(project, revision) {
      const stored = fake.stored(project);
      const score = fake.score(stored, revision);
      stored.head = revision;
      return { head: revision, score };
    },
    async ask(project, request) {
      const job: Job = {
        id: fake.id('j'),
        state: 'queued',
        position: 0,
        task: request.task,
        created: stamp(),
        takes: [],
        message: '',
      };
      fake.jobs.set(job.id, job);
      void fake.write(fake.stored(project), job, request);
      return { ...job };
    },
    async job(id) {
      const job = fake.jobs.get(id);
      if (!job) throw new ApiError('not_found', `there is no job ${id}; ask again`, 404);
      return { ...job };
    },
    async cancel(id) {
      const job = fake.jobs.get(id);
      if (job) job.state = 'cancelled';
    },
    take: async (id) => fake.take(id),
    async changeTake(id, values) {
      return info(Object.assign(fake.take(id), values));
    },
    async useTake(id) {
      const take = fake.take(id);
      const stored = [...fake.projects.values()].find((item) => item.takes.includes(id));
      if (!stored) throw new ApiError('not_found', 'the project of this take is gone', 404);
      const revision = fake.commit(
        stored,
        take.parent_revision,
        `Take ${take.number + 1}`,
        take.score,
        take.id,
      );
      return { id: revision, score: take.score };
    },
    async deleteTake(id) {
      fake.takes.delete(id);
      for (const stored of fake.projects.values()) {
        stored.takes = stored.takes.filter((take) => take !== id);
      }
    },
    exportUrl: (of, format) => `/fake/${'take' in of ? of.take : of.revision}.${format}`,
    pair: async () => fakePair(fake),
    async vote(_, answer) {
      fake.answers[answer] += 1;
    },
    votes: async () => fakeSummary(fake),
    votesUrl: () => '/fake/votes.jsonl',
    async learnTaste() {
      fake.taste = { ...fake.taste, heard: 0 };
    },
    async forgetTaste() {
      fake.taste = { ...fake.taste, heard: null, learned: null };
    },
    socket(listener) {
      fake.listener = listener;
      listener.connected(true, '');
      return { send: () => undefined, close: () => undefined };
    },
    keepRecording: async () => summary(fake.create('What we played', demoScore())),
    deleteRecording: async () => undefined,
    recordingUrl: (id, format) => `/fake/${id}.${format}`,
    live: fakeLive,
  };
}

function fakePair(fake: Fake) {
  const prompt = demoScore(4);
  const answer = (seed: number): Score => {
    const random = generator(seed);
    const notes = [4, 5, 6, 7].flatMap((bar) =>
      prompt.parts.flatMap((part, index) => writeBar(bar, index, part, random)),
    );
    return addNotes(prompt, notes).score;
  };
  const id = fake.id('v');
  const seed = Number(id.slice(1));
  return { id, prompt, left: answer(seed), right: answer(seed + 1000) };
}

/** Each look at it finds the listening a few votes further. */
function fakeTaste({ decided, wanted, heard, learned, message }: TasteProgress): TasteProgress {
  if (heard === null) return { decided, wanted, heard, learned, message };
  const further = heard + 15;
  if (further < decided) return { decided, wanted, heard: further, learned, message };
  const found = { votes: decided, rate: 0.68, low: 0.56, high: 0.79 };
  return { decided, wanted, heard: null, learned: found, message };
}

function fakeSummary(fake: Fake) {
  fake.taste = fakeTaste(fake.taste);
  const votes = Object.values(fake.answers).reduce((a, b) => a + b, 0);
  return {
    votes,
    answers: fake.answers,
    win_rates: [
      {
        setting: 'temperature',
        value: '0.9',
        wins: 13,
        losses: 6,
        ties: 2,
        rate: 0.68,
        low: 0.46,
        high: 0.85,
        p: 0.17,
      },
      {
        setting: 'temperature',
        value: '1.1',
        wins: 6,
        losses: 13,
        ties: 2,
        rate: 0.32,
        low: 0.15,
        high: 0.54,
        p: 0.17,
      },
      {
        setting: 'style',
        value: 'jazz',
        wins: 8,
        losses: 4,
        ties: 1,
        rate: 0.67,
        low: 0.39,
        high: 0.86,
        p: 0.39,
      },
      {
        setting: 'task',
        value: 'continue',
        wins: 12,
        losses: 12,
        ties: 3,
        rate: 0.5,
        low: 0.31,
        high: 0.69,
        p: 1,
      },
    ],
    repeats: { n: 4, same: 3, rate: 0.75, low: 0.3, high: 0.95 },
    median_seconds: 21.4,
    taste: fake.taste,
  };
}
