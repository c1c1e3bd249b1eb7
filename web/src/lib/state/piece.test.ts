import { describe, expect, it, vi } from 'vitest';
import { ApiError, type Api } from '../api/client';
import type { Project, Take, TakeInfo } from '../api/types';
import { scoreOf } from '../score/testing';
import type { Notices } from './notices.svelte';
import { Piece } from './piece.svelte';
import type { Player } from './player.svelte';

vi.stubGlobal('innerWidth', 1440);
vi.stubGlobal('localStorage', { getItem: () => null, setItem: () => undefined });

/** A score that is told apart by its length. */
const long = (bars: number) => scoreOf([], { n_bars: bars });
const SCORES: Readonly<Record<string, number>> = { r1: 1, r2: 2, r3: 3 };

/** A promise that is kept later. */
function later<Value>() {
  let keep!: (value: Value) => void;
  const promise = new Promise<Value>((resolve) => {
    keep = resolve;
  });
  return { promise, keep };
}

const settle = () => new Promise((resolve) => setTimeout(resolve));

function take(id: string, parent: string): Take {
  return {
    id,
    job: 'j1',
    number: 0,
    parent_revision: parent,
    name: '',
    kept: false,
    first_bar: 0,
    end_bar: 1,
    n_notes: 0,
    created: '',
    recipe: {},
    liking: null,
    score: long(9),
  };
}

/** A piece as it is after a reload: of three revisions the last is there, with its score. */
function reloaded(api: Partial<Api>) {
  const revisions = ['r1', 'r2', 'r3'].map((id, index) => ({
    id,
    parent: index ? `r${index}` : null,
    label: id,
    take: null,
    created: id,
  }));
  const project: Project = {
    id: 'p',
    name: 'Piece',
    head: 'r3',
    score: long(3),
    revisions,
    takes: [],
  };
  const player = { transport: { swap: () => undefined } };
  const error = vi.fn();
  const setHead: Api['setHead'] = async (_, head) => ({ head, score: long(SCORES[head]) });
  const piece = new Piece(
    { setHead, ...api } as Api,
    project,
    player as unknown as Player,
    { error } as unknown as Notices,
    () => undefined,
  );
  return { piece, error };
}

describe('going back after a reload', () => {
  it('goes as many steps as it is asked to', async () => {
    const { piece } = reloaded({});
    piece.undo();
    piece.undo();
    await settle();
    expect([piece.history.head, piece.own.n_bars]).toEqual(['r1', 1]);
  });

  it('leaves an edit that was made meanwhile', async () => {
    const asked: string[] = [];
    const { piece } = reloaded({
      addRevision: async (_, { parent }) => {
        asked.push(parent);
        return { id: 'r4' };
      },
    });
    piece.undo();
    piece.edit('Longer', long(4));
    await settle();
    expect([piece.history.head, piece.own.n_bars, asked]).toEqual(['r4', 4, ['r3']]);
  });

  it('stays at what is seen if the server will not go', async () => {
    const cause = new ApiError('not_found', 'there is no project p', 404);
    const { piece, error } = reloaded({ setHead: async () => Promise.reject(cause) });
    piece.undo();
    await settle();
    expect([piece.history.head, piece.own.n_bars]).toEqual(['r3', 3]);
    expect(error).toHaveBeenCalledWith(cause);
  });
});

describe('edits', () => {
  it('can all be undone, also those that are no longer in mind', async () => {
    const stored: Record<string, number> = { ...SCORES };
    const { piece } = reloaded({
      addRevision: async (_, { score }) => {
        const id = `r${Object.keys(stored).length + 1}`;
        stored[id] = score.n_bars;
        return { id };
      },
      setHead: async (_, head) => ({ head, score: long(stored[head]) }),
    });
    for (let bars = 4; bars < 150; bars++) piece.edit('Longer', long(bars));
    await settle();
    for (let bars = 148; bars > 0; bars--) {
      piece.undo();
      await settle();
      expect(piece.own.n_bars).toBe(bars);
    }
  });
});

describe('hearing takes', () => {
  it('keeps to the one that was chosen last, however late another one comes', async () => {
    const slow = later<Take>();
    const { piece } = reloaded({
      take: (id) => (id === 't1' ? slow.promise : Promise.resolve(take(id, 'r3'))),
    });
    const first = piece.hear('t1');
    await piece.hear('t2');
    slow.keep(take('t1', 'r3'));
    await first;
    expect(piece.audition?.id).toBe('t2');
  });

  it('stays with the piece when it was edited meanwhile', async () => {
    const slow = later<Take>();
    const { piece } = reloaded({
      take: () => slow.promise,
      addRevision: async () => ({ id: 'r4' }),
    });
    const first = piece.hear('t1');
    piece.edit('Longer', long(4));
    slow.keep(take('t1', 'r3'));
    await first;
    expect(piece.audition).toBeNull();
  });

  it('lists those of this piece alone', () => {
    const { piece } = reloaded({});
    const infos = ['r3', 'r77'].map((parent) => {
      const { score: _score, ...info } = take(`t-${parent}`, parent);
      return info satisfies TakeInfo;
    });
    piece.receive({ type: 'takes', job: 'j1', takes: infos }, 0);
    expect(piece.takes.map(({ id }) => id)).toEqual(['t-r3']);
  });
});
