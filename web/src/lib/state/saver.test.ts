import { describe, expect, it, vi } from 'vitest';
import { ApiError, NO_ANSWER, type Api } from '../api/client';
import { scoreOf } from '../score/testing';
import { Saver, type SaveState } from './saver';

function savedBy(api: Partial<Api>) {
  const states: SaveState[] = [];
  const stored: [string, string][] = [];
  const refused: unknown[] = [];
  const saver = new Saver(api as Api, 'p', {
    stored: (draft, id) => stored.push([draft, id]),
    state: (state) => states.push(state),
    refused: (cause) => refused.push(cause),
  });
  return { saver, states, stored, refused };
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

  it('tells what the server refused and goes on', async () => {
    const cause = new ApiError('too_many_notes', 'too many', 413);
    const addRevision: Api['addRevision'] = async () => Promise.reject(cause);
    const setHead: Api['setHead'] = async () => ({ head: 'r0', score: scoreOf([]) });
    const { saver, refused, states } = savedBy({ addRevision, setHead });
    saver.push(revision('draft-1', 'r0'));
    saver.push({ kind: 'head', revision: 'r0' });
    await saver.settled();
    expect(refused).toEqual([cause]);
    expect(states.at(-1)).toBe('saved');
  });
});
