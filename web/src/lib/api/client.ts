/** The studio's API as functions; `Api` is what the page knows of it. */

import type { Score } from '../score/types';
import type {
  Answer,
  Info,
  Job,
  JobRequest,
  LiveCommand,
  LiveMessage,
  Pair,
  Project,
  ProjectSummary,
  SocketMessage,
  Take,
  TakeInfo,
  VoteSummary,
} from './types';

/** A refusal of the server, or no answer; the message says what to do. */
export class ApiError extends Error {
  readonly code: string;
  readonly status: number;

  constructor(code: string, message: string, status: number) {
    super(message);
    this.name = 'ApiError';
    this.code = code;
    this.status = status;
  }
}

export const NO_ANSWER = 'no_answer';

/** What the page tells the server's socket: which job it wants to hear of. */
export interface Watch {
  type: 'watch';
  job: string;
}

export interface Socket<Sent> {
  send(message: Sent): void;
  close(): void;
}

/** What a socket tells the page. */
export interface Listener<Message> {
  message(message: Message): void;
  /** It opened (again) or was lost, and why, if that was said; it comes back on its own. */
  connected(isConnected: boolean, reason: string): void;
}

export type ExportFormat = 'mid' | 'wav' | 'flac' | 'stems';

export interface Api {
  info(): Promise<Info>;
  projects(): Promise<ProjectSummary[]>;
  createProject(wish: { name?: string; score?: Score }): Promise<Project>;
  upload(file: File): Promise<Project>;
  project(id: string): Promise<Project>;
  renameProject(id: string, name: string): Promise<void>;
  deleteProject(id: string): Promise<void>;
  addRevision(
    project: string,
    revision: { parent: string; label: string; score: Score },
  ): Promise<{ id: string }>;
  /** Make a revision the head; replies with its score. */
  setHead(project: string, revision: string): Promise<{ head: string; score: Score }>;
  ask(project: string, request: JobRequest): Promise<Job>;
  job(id: string): Promise<Job>;
  cancel(job: string): Promise<void>;
  take(id: string): Promise<Take>;
  changeTake(id: string, values: { name?: string; kept?: boolean }): Promise<TakeInfo>;
  useTake(id: string): Promise<{ id: string; score: Score }>;
  deleteTake(id: string): Promise<void>;
  exportUrl(
    of: { project: string; revision: string } | { take: string },
    format: ExportFormat,
    parts?: number[],
  ): string;
  pair(): Promise<Pair>;
  vote(pair: string, answer: Answer, seconds: number): Promise<void>;
  votes(): Promise<VoteSummary>;
  votesUrl(): string;
  socket(listener: Listener<SocketMessage>): Socket<Watch>;
  live(listener: Listener<LiveMessage>): Socket<LiveCommand>;
}

const RECONNECT_MS = [500, 1000, 2000, 4000];

async function request<T>(method: string, path: string, body?: unknown): Promise<T> {
  const isForm = body instanceof FormData;
  let reply: Response;
  try {
    reply = await fetch(`/api${path}`, {
      method,
      headers: body !== undefined && !isForm ? { 'Content-Type': 'application/json' } : {},
      body: body === undefined ? undefined : isForm ? body : JSON.stringify(body),
    });
  } catch {
    const message =
      'The studio does not answer. Is `sideman studio` still running? Start it again; what you wrote is kept here.';
    throw new ApiError(NO_ANSWER, message, 0);
  }
  if (reply.status === 204) return undefined as T;
  const answer: unknown = await reply.json().catch(() => null);
  if (reply.ok) return answer as T;
  const error = (answer as { error?: { code: string; message: string } } | null)?.error;
  const fallback = `The studio replied ${reply.status} to ${method} ${path}; its log says more.`;
  throw new ApiError(error?.code ?? 'unknown', error?.message ?? fallback, reply.status);
}

/** A WebSocket that comes back when it is lost, and sends then what was sent before. */
function openSocket<Sent, Message>(path: string, listener: Listener<Message>): Socket<Sent> {
  const waiting: string[] = [];
  let socket: WebSocket;
  let failures = 0;
  let isClosed = false;
  const open = () => {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    socket = new WebSocket(`${scheme}://${location.host}/api${path}`);
    socket.onopen = () => {
      listener.connected(true, '');
      for (const text of waiting.splice(0)) socket.send(text);
    };
    socket.onmessage = (event) => {
      failures = 0;
      listener.message(JSON.parse(event.data as string) as Message);
    };
    socket.onclose = ({ reason }) => {
      if (isClosed) return;
      listener.connected(false, reason);
      setTimeout(open, RECONNECT_MS[Math.min(failures++, RECONNECT_MS.length - 1)]);
    };
  };
  open();
  return {
    send(message) {
      const text = JSON.stringify(message);
      if (socket.readyState === WebSocket.OPEN) socket.send(text);
      else waiting.push(text);
    },
    close() {
      isClosed = true;
      socket.close();
    },
  };
}

export const httpApi: Api = {
  info: () => request('GET', '/info'),
  projects: () => request('GET', '/projects'),
  createProject: (wish) => request('POST', '/projects', wish),
  upload(file) {
    const form = new FormData();
    form.append('file', file);
    return request('POST', '/projects/upload', form);
  },
  project: (id) => request('GET', `/projects/${id}`),
  renameProject: (id, name) => request('PATCH', `/projects/${id}`, { name }),
  deleteProject: (id) => request('DELETE', `/projects/${id}`),
  addRevision: (project, revision) =>
    request('POST', `/projects/${project}/revisions`, revision),
  setHead: (project, revision) => request('PUT', `/projects/${project}/head`, { revision }),
  ask: (project, wish) => request('POST', `/projects/${project}/jobs`, wish),
  job: (id) => request('GET', `/jobs/${id}`),
  cancel: (job) => request('DELETE', `/jobs/${job}`),
  take: (id) => request('GET', `/takes/${id}`),
  changeTake: (id, values) => request('PATCH', `/takes/${id}`, values),
  useTake: (id) => request('POST', `/takes/${id}/use`),
  deleteTake: (id) => request('DELETE', `/takes/${id}`),
  exportUrl(of, format, parts) {
    const query = new URLSearchParams({ format });
    if (parts) query.set('parts', parts.join(','));
    if ('take' in of) return `/api/takes/${of.take}/export?${query}`;
    query.set('revision', of.revision);
    return `/api/projects/${of.project}/export?${query}`;
  },
  pair: () => request('POST', '/pairs', {}),
  vote: (pair, answer, seconds) => request('POST', `/pairs/${pair}/vote`, { answer, seconds }),
  votes: () => request('GET', '/votes/summary'),
  votesUrl: () => '/api/votes/export',
  socket: (listener) => openSocket('/socket', listener),
  live: (listener) => openSocket('/live', listener),
};
