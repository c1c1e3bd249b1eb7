/**
 * Where a piece has been: revisions that know the one before them, as a tree.
 *
 * Nothing is ever forgotten: an edit after an undo is a new branch beside the old one.
 */

import type { RevisionInfo as Revision } from '../api/schema';

export type { Revision };

export interface History {
  head: string;
  revisions: ReadonlyMap<string, Revision>;
  /** Where redo goes, by revision: the child that was visited last. */
  ahead: ReadonlyMap<string, string>;
}

export function historyOf(head: string, revisions: readonly Revision[]): History {
  const byId = new Map(revisions.map((revision) => [revision.id, revision]));
  const ahead = new Map<string, string>();
  for (const { id, parent } of [...revisions].sort(byTime)) if (parent) ahead.set(parent, id);
  return throughTo({ head, revisions: byId, ahead }, head);
}

const byTime = (a: Revision, b: Revision) => a.created.localeCompare(b.created);

/** Make redo lead back to a revision from any one before it. */
function throughTo(history: History, id: string): History {
  const ahead = new Map(history.ahead);
  for (let at = history.revisions.get(id); at?.parent; at = history.revisions.get(at.parent)) {
    ahead.set(at.parent, at.id);
  }
  return { ...history, ahead };
}

export function commit(history: History, revision: Revision): History {
  const revisions = new Map(history.revisions).set(revision.id, revision);
  return throughTo({ ...history, revisions, head: revision.id }, revision.id);
}

export const undoTarget = (history: History): string | null =>
  history.revisions.get(history.head)?.parent ?? null;

export const redoTarget = (history: History): string | null =>
  history.ahead.get(history.head) ?? null;

/** Go to any revision; redo from those before it leads here. */
export function goTo(history: History, id: string): History {
  if (!history.revisions.has(id)) return history;
  const isAhead = isBefore(history, history.head, id) || isBefore(history, id, history.head);
  return isAhead ? { ...history, head: id } : { ...throughTo(history, id), head: id };
}

function isBefore(history: History, early: string, late: string): boolean {
  let at = history.revisions.get(late);
  while (at && at.id !== early) at = at.parent ? history.revisions.get(at.parent) : undefined;
  return at !== undefined;
}

/** Give a revision the id under which it was stored. */
export function renamed(history: History, from: string, to: string): History {
  const name = (id: string) => (id === from ? to : id);
  const revisions = [...history.revisions.values()].map((revision) => ({
    ...revision,
    id: name(revision.id),
    parent: revision.parent && name(revision.parent),
  }));
  return {
    head: name(history.head),
    revisions: new Map(revisions.map((revision) => [revision.id, revision])),
    ahead: new Map([...history.ahead].map(([parent, child]) => [name(parent), name(child)])),
  };
}

/** Take away a revision and all that was made upon it; where the head points is not looked at. */
export function without(history: History, id: string): History {
  const revisions = new Map(
    [...history.revisions].filter(([, { id: other }]) => !isBefore(history, id, other)),
  );
  const ahead = new Map([...history.ahead].filter(([, child]) => revisions.has(child)));
  return { ...history, revisions, ahead };
}

/** The way from the first revision to the head, and on to where redo leads. */
export function trail(history: History): Revision[] {
  const way: Revision[] = [];
  let at = history.revisions.get(history.head);
  while (at) {
    way.unshift(at);
    at = at.parent ? history.revisions.get(at.parent) : undefined;
  }
  let next = redoTarget(history);
  while (next) {
    const revision = history.revisions.get(next);
    if (!revision) break;
    way.push(revision);
    next = history.ahead.get(next) ?? null;
  }
  return way;
}
