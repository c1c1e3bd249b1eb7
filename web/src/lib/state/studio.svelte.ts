/** Everything the page has open: the server, the sound, the piece, and where one is. */

import { ApiError, NO_ANSWER, type Api, type Socket, type Watch } from '../api/client';
import type { Info, Project, ProjectSummary } from '../api/types';
import { Notices } from './notices.svelte';
import { Piece } from './piece.svelte';
import { Player } from './player.svelte';
import { Theme } from './theme.svelte';

export type PageName = 'write' | 'vote' | 'votes' | 'play';
const PAGES: readonly string[] = ['write', 'vote', 'votes', 'play'];
const LAST_PROJECT = 'sideman.project';
/** What the first click asks for comes first; if that is sound, nobody waits for this. */
const BANK_AFTER_MS = 1000;

export class Studio {
  readonly api: Api;
  readonly notices = new Notices();
  readonly theme = new Theme();
  readonly player = new Player(this.notices);
  info = $state.raw<Info | null>(null);
  projects = $state.raw<ProjectSummary[]>([]);
  piece = $state.raw<Piece | null>(null);
  isConnected = $state(true);
  page = $state<PageName>('write');
  /** Said to people who hear the page. */
  spoken = $state('');
  private socket: Socket<Watch> | null = null;

  constructor(api: Api) {
    this.api = api;
    this.readHash();
    addEventListener('hashchange', () => this.readHash());
    for (const kind of ['pointerdown', 'pointerup', 'keydown'])
      addEventListener(kind, () => this.wakeSound(), { capture: true });
  }

  /** Browsers let a page sound only in answer to a click or a key; the first fetches the bank. */
  private wakeSound(): void {
    // Neither a finger that goes down nor Escape is one.
    if (navigator.userActivation?.hasBeenActive === false) return;
    const { engine } = this.player;
    void engine.wake();
    if (engine.state !== 'off') return;
    setTimeout(() => void engine.load(), this.page === 'play' ? 0 : BANK_AFTER_MS);
  }

  async start(): Promise<void> {
    this.socket = this.api.socket({
      message: (message) => this.piece?.receive(message, performance.now() / 1000),
      connected: (isConnected) => {
        if (isConnected && !this.isConnected) void this.goOn();
        this.isConnected = isConnected;
      },
    });
    await this.load();
  }

  /** Go on after the server was away. */
  private async goOn(): Promise<void> {
    this.notices.forget(NO_ANSWER);
    if (this.piece) await this.piece.catchUp();
    else await this.load();
  }

  private async load(): Promise<void> {
    await this.attempt(async () => {
      [this.info, this.projects] = await Promise.all([this.api.info(), this.api.projects()]);
      const wanted = localStorage.getItem(LAST_PROJECT);
      const found = this.projects.find(({ id }) => id === wanted) ?? this.projects[0];
      if (found) await this.open(found.id);
      else await this.create();
    });
  }

  private readHash(): void {
    const name = location.hash.replace(/^#\/?/, '').split('/')[0];
    this.player.stop();
    this.page = (PAGES.includes(name) ? name : 'write') as PageName;
  }

  say(text: string): void {
    // The same words twice are read twice only if the text differs.
    this.spoken = this.spoken === text ? `${text}\u00a0` : text;
  }

  /** Do something with the server; what goes wrong is told. */
  async attempt(work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (cause) {
      if (!(cause instanceof ApiError)) console.error(cause);
      this.notices.error(cause);
      return false;
    }
  }

  async open(id: string): Promise<void> {
    await this.attempt(async () => {
      this.show(await this.api.project(id));
    });
  }

  async create(): Promise<void> {
    await this.attempt(async () => {
      const project = await this.api.createProject('Untitled');
      this.show(project);
      this.projects = await this.api.projects();
    });
  }

  private show(project: Project): void {
    this.player.stop();
    this.player.place = 0;
    const watch = (job: string) => this.socket?.send({ type: 'watch', job });
    this.piece = new Piece(this.api, project, this.player, this.notices, watch);
    localStorage.setItem(LAST_PROJECT, project.id);
  }

  async upload(files: readonly File[]): Promise<void> {
    for (const file of files) {
      await this.attempt(async () => {
        this.checkSize(file);
        const project = await this.api.upload(file);
        this.show(project);
        this.projects = await this.api.projects();
        this.say(`${project.name} is open`);
        location.hash = '#/write';
      });
    }
  }

  /** Refuse a file that the server would refuse, before it is sent. */
  private checkSize(file: File): void {
    const most = this.info?.limits.upload_bytes ?? Infinity;
    if (file.size <= most) return;
    const text = `${file.name} is larger than ${most / 1e6} MB, the most that the studio takes. Is it a MIDI file? Of a very long one, open a part.`;
    throw new ApiError('too_large', text, 0);
  }

  async deleteProject(id: string): Promise<void> {
    await this.attempt(async () => {
      await this.api.deleteProject(id);
      this.projects = await this.api.projects();
      if (this.piece?.id !== id) return;
      const [next] = this.projects;
      if (next) await this.open(next.id);
      else await this.create();
    });
  }
}
