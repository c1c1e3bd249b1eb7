/** What was played before, as this browser keeps it in mind; its tabs share it. */

import { noted, type Played } from '../live/played';

const STORED = 'sideman.played';

export class Earlier {
  private all = $state.raw<Played[]>(stored());
  private now = $state('');

  /** Recordings that are over, latest first. */
  readonly over = $derived(this.all.filter(({ id }) => id !== this.now));

  /** Take what the recording that goes on is by now. */
  note(recording: Played): void {
    const known = this.all.find(({ id }) => id === recording.id);
    this.now = recording.id;
    if ((known?.notes ?? 0) !== recording.notes) this.store(noted(stored(), recording));
  }

  remove(id: string): void {
    this.store(stored().filter((played) => played.id !== id));
  }

  private store(all: Played[]): void {
    this.all = all;
    localStorage.setItem(STORED, JSON.stringify(all));
  }
}

function stored(): Played[] {
  try {
    return JSON.parse(localStorage.getItem(STORED) ?? '[]') as Played[];
  } catch {
    return [];
  }
}
