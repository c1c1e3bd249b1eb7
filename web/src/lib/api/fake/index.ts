/** The API in memory, for work on the page and its tests; never in the built page. */

import { addNotes, deleteNotes, type NewNote } from '../../score/edit';
import { notesInBars } from '../../score/select';
import { barsOf } from '../../score/time';
import { emptyScore, type Part, type Score } from '../../score/types';
import type { Revision } from '../../score/history';
import { ApiError, type Api, type Listener } from '../client';
import type {
  Answer,
  Info,
  Job,
  JobRequest,
  LiveCommand,
  LiveMessage,
  LiveNote,
  Project,
  SocketMessage,
  Take,
  TakeInfo,
} from '../types';
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

const LIVE_SETTINGS: Info['live']['settings'] = [
  {
    name: 'memory',
    help: 'How much of what was played it listens to.',
    kind: 'number',
    value: '8',
    low: 1,
    high: 64,
    unit: 'bars',
    group: 'Listening',
  },
  {
    name: 'answer',
    help: 'How long it answers.',
    kind: 'number',
    value: '4',
    low: 1,
    high: 16,
    unit: 'bars',
    group: 'Playing',
  },
  {
    name: 'density',
    help: 'How many notes it plays.',
    kind: 'number',
    value: '5',
    low: 1,
    high: 9,
    group: 'Playing',
  },
  {
    name: 'temperature',
    help: 'How far it strays.',
    kind: 'number',
    value: '1.0',
    low: 0.1,
    high: 2,
    group: 'Playing',
  },
  {
    name: 'tempo',
    help: 'Quarter notes a minute.',
    kind: 'number',
    value: '120',
    low: 40,
    high: 240,
    unit: 'bpm',
    group: 'Time',
  },
  {
    name: 'key',
    help: 'Which notes it may play.',
    kind: 'choice',
    value: 'found',
    choices: ['found', 'off', 'C major', 'A minor'],
    group: 'Harmony',
  },
  {
    name: 'overlap',
    help: 'Whether it may play while you do.',
    kind: 'switch',
    value: 'no',
    group: 'Playing',
  },
  {
    name: 'chart',
    help: 'Chords it follows, such as Am | F | C | G.',
    kind: 'text',
    value: '',
    group: 'Harmony',
  },
];

const INFO: Info = {
  version: '0.0.0',
  bundle: 'fake',
  styles: ['jazz', 'pop', 'classical', 'folk'],
  tasks: [
    'compose',
    'continue',
    'infill',
    'accompany',
    'rewrite',
    'vary',
    'harmonise',
    'chart',
    'loop',
  ],
  limits: { bars: 1000, notes: 50_000, upload_bytes: 2_000_000, takes: 8 },
  live: {
    available: true,
    modes: [
      { name: 'answer', help: 'You stop, it answers.' },
      { name: 'trade', help: 'So many bars each.' },
      { name: 'accompany', help: 'It plays along.' },
      { name: 'harmonise', help: 'It follows note by note.' },
      { name: 'lead', help: 'It goes on alone until you play.' },
      { name: 'echo', help: 'Your phrase back, changed.' },
      { name: 'loop', help: 'It keeps a loop and changes it.' },
    ],
    settings: LIVE_SETTINGS,
    actions: [
      { name: 'again', help: 'Play the last answer again.' },
      { name: 'forget last', help: 'Forget the last phrase.' },
      { name: 'forget all', help: 'Forget everything.' },
    ],
  },
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
  listener: Listener<SocketMessage> | null = null;
  private count = 0;

  id(kind: string): string {
    this.count += 1;
    return `${kind}${this.count}`;
  }

  create(name: string, score: Score): Stored {
    const root = { id: this.id('r'), parent: null, label: 'Start', created: stamp(), score };
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

  commit(stored: Stored, parent: string, label: string, score: Score): string {
    this.score(stored, parent);
    const revision = { id: this.id('r'), parent, label, created: stamp(), score };
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
  if (text.includes('drum')) return { program: 0, is_drum: true, name: 'Drums' };
  if (text.includes('bass')) return { program: 32, is_drum: false, name: 'Bass' };
  if (text.includes('chords') || text.includes('pad'))
    return { program: 4, is_drum: false, name: 'Keys' };
  return { program: 73, is_drum: false, name: 'Flute' };
}

export function fakeApi(): Api {
  const fake = new Fake();
  const size = Number(new URLSearchParams(location.search).get('notes') ?? 0);
  fake.create(size ? `${size} notes` : 'Late train', size ? manyNotes(size) : demoScore());
  return {
    info: async () => INFO,
    projects: async () =>
      [...fake.projects.values()].map(({ id, name, created }) => ({
        id,
        name,
        created,
        changed: created,
      })),
    createProject: async ({ name = 'Untitled', score = emptyScore() }) =>
      fake.project(fake.create(name, score)),
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
    socket(listener) {
      fake.listener = listener;
      listener.connected(true, '');
      return { send: () => undefined, close: () => undefined };
    },
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

function fakeSummary(fake: Fake) {
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
  };
}

/** A partner that answers each phrase an octave higher, one bar later. */
function fakeLive(listener: Listener<LiveMessage>) {
  const notes: LiveNote[] = [];
  const now = () => performance.now() / 1000;
  const settings: Record<string, string> = Object.fromEntries(
    LIVE_SETTINGS.map(({ name, value }) => [name, value]),
  );
  let mode = 'answer';
  const held = new Map<number, LiveNote>();
  const timer = setInterval(() => {
    for (const note of notes) {
      if (note.state === 'heard') continue;
      const due = note.begin - now();
      if (due < 0.05 && note.state !== 'sounded') {
        note.state = 'sounded';
        const { id, pitch, velocity, channel, begin, end } = note;
        listener.message({ type: 'play', id, pitch, velocity, channel, begin, end });
      } else if (due < 0.5 && note.state === 'planned') note.state = 'committed';
    }
    for (const note of held.values()) note.end = now();
    const beat = 0.5;
    const firstBeat = Math.floor((now() - 6) / beat);
    listener.message({
      type: 'view',
      now: now(),
      mode,
      settings,
      notes: notes.filter((note) => note.end > now() - 8).map((note) => ({ ...note })),
      beats: Array.from({ length: 28 }, (_, index) => ({
        at: (firstBeat + index) * beat,
        is_bar: (firstBeat + index) % 4 === 0,
      })),
      meters: [
        { name: 'on time', value: 99.8, unit: '%', is_good: true },
        { name: 'response', value: 24, unit: 'ms', is_good: true },
        { name: 'lateness p99', value: 1.4, unit: 'ms', is_good: true },
        { name: 'plan ahead', value: 2, unit: 'bars', is_good: true },
        { name: 'fallbacks', value: 0, unit: '', is_good: true },
      ],
    });
  }, 50);
  listener.connected(true, '');
  let count = 0;
  return {
    send(command: LiveCommand) {
      if (command.type === 'on') {
        const begin = now();
        const { pitch, velocity } = command;
        const note: LiveNote = {
          id: ++count,
          pitch,
          velocity,
          channel: 0,
          begin,
          end: begin,
          state: 'heard',
        };
        held.set(pitch, note);
        notes.push(note);
      } else if (command.type === 'off') {
        const note = held.get(command.pitch);
        held.delete(command.pitch);
        if (!note) return;
        const begin = note.begin + 2;
        const end = begin + Math.max(0.15, note.end - note.begin);
        const pitch = note.pitch + (count % 2 ? 7 : 12);
        notes.push({ ...note, id: ++count, pitch, channel: 1, begin, end, state: 'planned' });
      } else if (command.type === 'set') {
        if (command.name === 'mode') mode = command.text;
        else settings[command.name] = command.text;
      } else if (command.type === 'act' && command.action === 'panic') notes.length = 0;
    },
    close: () => clearInterval(timer),
  };
}
