import { describe, expect, it } from 'vitest';
import {
  commit,
  goTo,
  historyOf,
  redoTarget,
  renamed,
  trail,
  undoTarget,
  without,
} from './history';

const revision = (id: string, parent: string | null, created = id) => ({
  id,
  parent,
  label: id,
  take: null,
  created,
});
const start = historyOf('a', [revision('a', null)]);
const grown = commit(commit(start, revision('b', 'a')), revision('c', 'b'));

describe('history', () => {
  it('goes back and forth', () => {
    const back = goTo(grown, undoTarget(grown) ?? '');
    expect(back.head).toBe('b');
    expect(redoTarget(back)).toBe('c');
    expect(undoTarget(goTo(back, 'a'))).toBeNull();
  });

  it('redoes along the branch that was left last', () => {
    const branched = commit(goTo(grown, 'a'), revision('d', 'a'));
    expect(redoTarget(goTo(branched, 'a'))).toBe('d');
    const visited = goTo(branched, 'c');
    expect(redoTarget(goTo(goTo(visited, 'b'), 'a'))).toBe('b');
  });

  it('takes away what was refused with all that came of it', () => {
    const left = without(grown, 'b');
    expect([...left.revisions.keys()]).toEqual(['a']);
    expect(redoTarget({ ...left, head: 'a' })).toBeNull();
  });

  it('forgets nothing', () => {
    const branched = commit(goTo(grown, 'a'), revision('d', 'a'));
    expect([...branched.revisions.keys()]).toEqual(['a', 'b', 'c', 'd']);
    expect(goTo(branched, 'c').head).toBe('c');
  });

  it('knows after a reload where undo and redo lead', () => {
    const loaded = historyOf('b', [
      revision('a', null),
      revision('b', 'a'),
      revision('c', 'b'),
    ]);
    expect([undoTarget(loaded), redoTarget(loaded)]).toEqual(['a', 'c']);
    expect(trail(loaded).map(({ id }) => id)).toEqual(['a', 'b', 'c']);
  });

  it('gives a revision its lasting id wherever it is named', () => {
    const named = renamed(grown, 'b', 'r7');
    expect(trail(named).map(({ id }) => id)).toEqual(['a', 'r7', 'c']);
    expect(redoTarget(goTo(named, 'a'))).toBe('r7');
  });

  it('stays where it is when asked for what never was', () => {
    expect(goTo(grown, 'nowhere')).toBe(grown);
  });
});
