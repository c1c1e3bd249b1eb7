import { describe, expect, it, vi } from 'vitest';
import { ApiError, NO_ANSWER, type Api } from '../api/client';
import { scoreOf } from '../score/testing';
import type { Score } from '../score/types';
import { Saver, type SaveState } from './saver';

function savedBy(api: Partial<Api>) {
  const states: SaveState[] = [];
  const stored: [string, string][] = [];
  const refused: [unknown, string][] = [];
  const went: [string, Score][] = [];
  const saver = new Saver(api as Api, 'p', {
    stored: (draft, id) => stored.push([draft, id]),
    went: (revision, score) => went.push([revision, score]),
    state: (state) => states.push(state),
    refused: (cause, change) =>
      refused.push([cause, change.kind === 'head' ? change.revision : change.draft]),
  });
  return { saver, states, stored, refused, went };
}

const revision = (draft: string, parent: string) => ({
  kind: 'revision' as const,
  draft,
  parent,
  label: 'Edit',
  score: scoreOf([]),
});

describe('the saver', () => {
  it('stores edits in order, each upon the lasting id of the one before', async () => {
    const parents: string[] = [];
    const addRevision: Api['addRevision'] = async (_, { parent }) => {
      parents.push(parent);
      return { id: `r${parents.length}` };
    };
    const { saver, stored } = savedBy({ addRevision });
    saver.push(revision('draft-1', 'r0'));
    saver.push(revision('draft-2', 'draft-1'));
    await saver.settled();
    expect(parents).toEqual(['r0', 'r1']);
    expect(stored).toEqual([
      ['draft-1', 'r1'],
      ['draft-2', 'r2'],
    ]);
    expect(saver.lasting('draft-2')).toBe('r2');
  });

  it('tries again while the server does not answer, and loses nothing', async () => {
    vi.useFakeTimers();
    let tries = 0;
    const addRevision: Api['addRevision'] = async () => {
      tries += 1;
      if (tries < 3) throw new ApiError(NO_ANSWER, 'no answer', 0);
      return { id: 'r1' };
    };
    const { saver, states, stored } = savedBy({ addRevision });
    saver.push(revision('draft-1', 'r0'));
    await vi.advanceTimersByTimeAsync(10_000);
    expect(stored).toEqual([['draft-1', 'r1']]);
    expect(states).toEqual(['saving', 'waiting', 'waiting', 'saved']);
    vi.useRealTimers();
  });

  it('tells what the server refused, drops what was made upon it, and goes on', async () => {
    const cause = new ApiError('too_many_notes', 'too many', 413);
    const addRevision = vi.fn<Api['addRevision']>();
    addRevision.mockRejectedValueOnce(cause).mockResolvedValue({ id: 'r1' });
    const { saver, refused, stored, states } = savedBy({ addRevision });
    saver.push(revision('draft-1', 'r0'));
    saver.push(revision('draft-2', 'draft-1'));
    await saver.settled();
    expect(refused).toEqual([[cause, 'draft-1']]);
    expect(addRevision).toHaveBeenCalledTimes(1);
    saver.push(revision('draft-3', 'r0'));
    await saver.settled();
    expect(stored).toEqual([['draft-3', 'r1']]);
    expect(states.at(-1)).toBe('saved');
  });

  it.each([429, 502, 503, 504])('waits when the server replies %i', async (status) => {
    vi.useFakeTimers();
    const addRevision = vi.fn<Api['addRevision']>();
    addRevision.mockRejectedValueOnce(new ApiError('for_now', 'wait', status));
    addRevision.mockResolvedValue({ id: 'r1' });
    const { saver, stored, refused } = savedBy({ addRevision });
    saver.push(revision('draft-1', 'r0'));
    await vi.advanceTimersByTimeAsync(5000);
    expect([stored, refused]).toEqual([[['draft-1', 'r1']], []]);
    vi.useRealTimers();
  });

  it('keeps what was not made upon a refused change', async () => {
    const addRevision = vi.fn<Api['addRevision']>();
    addRevision.mockRejectedValueOnce(new ApiError('too_many_notes', 'too many', 413));
    addRevision.mockResolvedValue({ id: 'r9' });
    const useTake = async () => ({ id: 'r8', score: scoreOf([]) });
    const setHead = vi.fn<Api['setHead']>();
    setHead.mockImplementation(async (_, head) => ({ head, score: scoreOf([]) }));
    const { saver, stored } = savedBy({ addRevision, setHead, useTake });
    saver.push(revision('draft-1', 'r0'));
    saver.push(revision('draft-2', 'draft-1'));
    saver.push({ kind: 'head', revision: 'draft-2' });
    saver.push({ kind: 'take', draft: 'draft-3', take: 't1' });
    saver.push({ kind: 'head', revision: 'r5' });
    saver.push(revision('draft-4', 'r5'));
    await saver.settled();
    expect(stored).toEqual([
      ['draft-3', 'r8'],
      ['draft-4', 'r9'],
    ]);
    expect(setHead.mock.calls).toEqual([['p', 'r5']]);
  });

  it('drops nothing when the server will not go to a revision', async () => {
    const cause = new ApiError('unknown_revision', 'there is none', 409);
    const setHead = vi.fn<Api['setHead']>().mockRejectedValue(cause);
    const addRevision = async () => ({ id: 'r2' });
    const { saver, stored, refused } = savedBy({ addRevision, setHead });
    saver.push({ kind: 'head', revision: 'r7' });
    saver.push(revision('draft-1', 'r1'));
    await saver.settled();
    expect([refused, stored]).toEqual([[[cause, 'r7']], [['draft-1', 'r2']]]);
  });

  it('hands over the score of a revision that was gone to', async () => {
    const score = scoreOf([], { n_bars: 7 });
    const { saver, went } = savedBy({ setHead: async (_, head) => ({ head, score }) });
    saver.push({ kind: 'head', revision: 'r3' });
    await saver.settled();
    expect(went).toEqual([['r3', score]]);
  });
});
