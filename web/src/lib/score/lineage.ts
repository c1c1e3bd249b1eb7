/** What came from what: the way of a piece as steps, with what was left behind beside it. */

import type { TakeInfo } from '../api/types';
import type { History, Revision } from './history';

/** What was asked for at one place, and its answers. */
export interface Asked {
  job: string;
  takes: TakeInfo[];
}

export interface Step {
  /** A take that was used, or edits that followed each other; the last is the one to go to. */
  revisions: [Revision, ...Revision[]];
  asked: Asked[];
  /** Ways that begin here and do not lead to the piece. */
  branches: Step[][];
}

export const lastOf = (step: Step): Revision => step.revisions[step.revisions.length - 1];

/** The steps from the first revision through the head to where redo leads. */
export function lineage(history: History, takes: readonly TakeInfo[]): Step[] {
  const family = { history, children: childrenOf(history), asked: askedAt(history, takes) };
  const path = new Set<string>();
  let at = history.revisions.get(history.head);
  while (at) {
    path.add(at.id);
    at = at.parent ? history.revisions.get(at.parent) : undefined;
  }
  return (family.children.get(null) ?? []).flatMap((root) => way(root, { ...family, path }));
}

interface Family {
  history: History;
  children: ReadonlyMap<string | null, Revision[]>;
  asked: ReadonlyMap<string, Asked[]>;
  /** Revisions that the head came from, and the head. */
  path: ReadonlySet<string>;
}

function way(from: Revision, family: Family): Step[] {
  const steps: Step[] = [];
  let next: Revision | undefined = from;
  while (next) {
    const revisions: Step['revisions'] = [next];
    let at: Revision = next;
    let children = family.children.get(at.id) ?? [];
    while (isMereEdit(at, children, family)) {
      at = children[0];
      revisions.push(at);
      children = family.children.get(at.id) ?? [];
    }
    const main: Revision | undefined = mainOf(at, children, family);
    const others = children.filter((child) => child !== main);
    const branches = others.map((child) => way(child, family));
    steps.push({ revisions, asked: family.asked.get(at.id) ?? [], branches });
    next = main;
  }
  return steps;
}

/** Whether nothing happened at a revision but the next edit. */
function isMereEdit(at: Revision, children: readonly Revision[], family: Family): boolean {
  const isEvent = at.parent === null || at.take !== null || at.id === family.history.head;
  return !isEvent && children.length === 1 && !children[0].take && !family.asked.has(at.id);
}

function mainOf(at: Revision, children: readonly Revision[], family: Family) {
  const ahead = family.history.ahead.get(at.id);
  return (
    children.find(({ id }) => family.path.has(id)) ??
    children.find(({ id }) => id === ahead) ??
    children.at(-1)
  );
}

function childrenOf(history: History): Map<string | null, Revision[]> {
  const children = new Map<string | null, Revision[]>();
  for (const revision of history.revisions.values()) {
    const { parent } = revision;
    children.set(parent, [...(children.get(parent) ?? []), revision]);
  }
  return children;
}

/** Takes by the revision they were asked at; those of one that is unknown by the head. */
function askedAt(history: History, takes: readonly TakeInfo[]): Map<string, Asked[]> {
  const byJob = new Map<string, TakeInfo[]>();
  for (const take of takes) byJob.set(take.job, [...(byJob.get(take.job) ?? []), take]);
  const asked = new Map<string, Asked[]>();
  for (const [job, answers] of byJob) {
    const parent = answers[0].parent_revision;
    const at = history.revisions.has(parent) ? parent : history.head;
    asked.set(at, [...(asked.get(at) ?? []), { job, takes: answers }]);
  }
  return asked;
}
