/** Short messages that come up at the edge of the page. */

import { ApiError } from '../api/client';

export interface Notice {
  id: number;
  kind: 'error' | 'info';
  text: string;
  /** What the server calls it. */
  code?: string;
  action?: { label: string; run: () => void };
}

const INFO_MS = 5000;

export class Notices {
  list = $state.raw<Notice[]>([]);
  private count = 0;

  info(text: string, action?: Notice['action']): void {
    const id = this.add({ kind: 'info', text, action });
    setTimeout(() => this.dismiss(id), INFO_MS);
  }

  /** Tell an error; it stays until it is read. */
  error(cause: unknown): void {
    const text =
      cause instanceof ApiError || cause instanceof Error ? cause.message : String(cause);
    const code = cause instanceof ApiError ? cause.code : undefined;
    if (!this.list.some((notice) => notice.text === text))
      this.add({ kind: 'error', text, code });
  }

  /** Take away the errors of a kind that is over. */
  forget(code: string): void {
    this.list = this.list.filter((notice) => notice.code !== code);
  }

  dismiss(id: number): void {
    this.list = this.list.filter((notice) => notice.id !== id);
  }

  private add(notice: Omit<Notice, 'id'>): number {
    this.count += 1;
    this.list = [...this.list.slice(-3), { ...notice, id: this.count }];
    return this.count;
  }
}
