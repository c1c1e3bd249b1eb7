import { describe, expect, it } from 'vitest';
import type { TakeInfo } from '../api/types';
import { commit, goTo, historyOf, type Revision } from './history';
import { lastOf, lineage, type Step } from './lineage';

const revision = (id: string, parent: string | null, take: string | null = null): Revision => ({
  id,
  parent,
  label: id,
  take,
  created: id,
});

const take = (id: string, job: string, parent_revision: string) =>
  ({ id, job, parent_revision, number: 0 }) as TakeInfo;

/** Steps as text: edits joined by `+`, what was asked in brackets, branches in braces. */
function told(steps: readonly Step[]): string {
  return steps
    .map(({ revisions, asked, branches }) => {
      const wishes = asked.map(({ takes }) => `[${takes.map(({ id }) => id).join(' ')}]`);
      const beside = branches.map((branch) => `{${told(branch)}}`);
      return [revisions.map(({ id }) => id).join('+'), ...wishes, ...beside].join('');
    })
    .join(' ');
}

const grown = ['b', 'c', 'd'].reduce(
  (history, id, at) => commit(history, revision(id, ['a', 'b', 'c'][at])),
  historyOf('a', [revision('a', null)]),
);

describe('where a piece came from', () => {
  it('tells edits that follow each other as one step, but for the beginning', () => {
    expect(told(lineage(grown, []))).toBe('a b+c+d');
    expect(lastOf(lineage(grown, [])[1]).id).toBe('d');
  });

  it('shows where the piece is, also after an undo', () => {
    expect(told(lineage(goTo(grown, 'c'), []))).toBe('a b+c d');
  });

  it('shows takes where they were asked for, and what was made of one', () => {
    const used = commit(grown, revision('e', 'c', 't2'));
    const takes = [take('t1', 'j', 'c'), take('t2', 'j', 'c'), take('t3', 'k', 'e')];
    expect(told(lineage(used, takes))).toBe('a b+c[t1 t2]{d} e[t3]');
  });

  it('keeps the way to the piece in front and the others beside it', () => {
    const branched = commit(goTo(grown, 'a'), revision('x', 'a'));
    expect(told(lineage(branched, []))).toBe('a{b+c+d} x');
    expect(told(lineage(goTo(branched, 'd'), []))).toBe('a{x} b+c+d');
  });

  it('loses no take, be its beginning unknown', () => {
    expect(told(lineage(grown, [take('t', 'j', 'gone')]))).toBe('a b+c+d[t]');
  });
});
