/** The studio's API as functions; `Api` is what the page knows of it. */

import type { Score } from '../score/types';
import { request } from './request';
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

export { ApiError, NO_ANSWER } from './request';

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
  createProject(name: string): Promise<Project>;
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
  /** Begin to learn what is liked; `votes` tells how far it is. */
  learnTaste(): Promise<void>;
  forgetTaste(): Promise<void>;
  socket(listener: Listener<SocketMessage>): Socket<Watch>;
  live(listener: Listener<LiveMessage>): Socket<LiveCommand>;
  /** Make a project of what was played. */
  keepRecording(id: string): Promise<ProjectSummary>;
  deleteRecording(id: string): Promise<void>;
  recordingUrl(id: string, format: 'mid' | 'session'): string;
}

const RECONNECT_MS = [500, 1000, 2000, 4000];

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
  info: () => request('get', '/api/info', {}),
  projects: () => request('get', '/api/projects', {}),
  createProject: (name) => request('post', '/api/projects', {}, { name }),
  upload(file) {
    const form = new FormData();
    form.append('file', file);
    return request('post', '/api/projects/upload', {}, form);
  },
  project: (project) => request('get', '/api/projects/{project}', { project }),
  async renameProject(project, name) {
    await request('patch', '/api/projects/{project}', { project }, { name });
  },
  deleteProject: (project) => request('delete', '/api/projects/{project}', { project }),
  addRevision: (project, revision) =>
    request('post', '/api/projects/{project}/revisions', { project }, revision),
  setHead: (project, revision) =>
    request('put', '/api/projects/{project}/head', { project }, { revision }),
  ask: (project, wish) => request('post', '/api/projects/{project}/jobs', { project }, wish),
  job: (job) => request('get', '/api/jobs/{job}', { job }),
  cancel: (job) => request('delete', '/api/jobs/{job}', { job }),
  take: (take) => request('get', '/api/takes/{take}', { take }),
  changeTake: (take, change) => request('patch', '/api/takes/{take}', { take }, change),
  useTake: (take) => request('post', '/api/takes/{take}/use', { take }),
  deleteTake: (take) => request('delete', '/api/takes/{take}', { take }),
  exportUrl(of, format, parts) {
    const query = new URLSearchParams({ format });
    if (parts) query.set('parts', parts.join(','));
    if ('take' in of) return `/api/takes/${of.take}/export?${query}`;
    query.set('revision', of.revision);
    return `/api/projects/${of.project}/export?${query}`;
  },
  pair: () => request('post', '/api/pairs', {}, { task: 'continue', options: {} }),
  vote: (pair, answer, seconds) =>
    request('post', '/api/pairs/{pair}/vote', { pair }, { answer, seconds }),
  votes: () => request('get', '/api/votes/summary', {}),
  votesUrl: () => '/api/votes/export',
  async learnTaste() {
    await request('post', '/api/taste', {});
  },
  forgetTaste: () => request('delete', '/api/taste', {}),
  socket: (listener) => openSocket('/socket', listener),
  live: (listener) => openSocket('/live', listener),
  keepRecording: (recording) =>
    request('post', '/api/live/recordings/{recording}/keep', { recording }),
  deleteRecording: (recording) =>
    request('delete', '/api/live/recordings/{recording}', { recording }),
  recordingUrl: (id, format) => `/api/live/recordings/${id}/export?format=${format}`,
};
