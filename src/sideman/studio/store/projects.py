"""Projects, their revisions and takes, as they are stored and found again."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import delete, select
from sqlalchemy.orm import Session, defer

from sideman.studio.store.database import Database
from sideman.studio.store.problems import Unknown, UnknownProject, UnknownRevision
from sideman.studio.store.tables import Base, ProjectRow, RevisionRow, TakeRow, is_id, now

Row = TypeVar("Row", bound=Base)

ScoreJson = Mapping[str, Any]
"""Music as `sideman.studio.score_json` writes it."""

OPENED = "Opened"
"""Label of a project's first revision."""


class Projects:
    """What people work on.

    Every method that is given an id raises `Unknown` if nothing is stored under it, or
    `UnknownRevision` if it is that of a revision.
    """

    def __init__(self, database: Database) -> None:
        """Keep projects in a database."""
        self._database = database

    def all(self) -> Sequence[ProjectRow]:
        """Return all projects, what was worked on last first."""
        with self._database.reading() as session:
            order = ProjectRow.changed.desc(), ProjectRow.id
            return session.scalars(select(ProjectRow).order_by(*order)).all()

    def create(self, name: str, score: ScoreJson) -> ProjectRow:
        """Store a new project with its first revision."""
        with self._database.writing() as session:
            project = ProjectRow(name=name)
            session.add(project)
            session.flush()
            _go_to_new_revision(session, project, None, OPENED, score)
            return project

    def get(self, project: str) -> ProjectRow:
        """Return a project."""
        with self._database.reading() as session:
            return found(session, ProjectRow, project, "project")

    def rename(self, project: str, name: str) -> ProjectRow:
        """Give a project another name."""
        with self._database.writing() as session:
            row = _to_change(session, project)
            row.name = name
            return row

    def remove(self, project: str) -> None:
        """Forget a project and all that belongs to it."""
        with self._database.writing() as session:
            _to_change(session, project)
            session.execute(delete(ProjectRow).where(ProjectRow.id == project))

    # ------------------------------------------------------------- revisions

    def revisions(self, project: str) -> Sequence[RevisionRow]:
        """Return the revisions of a project, the oldest first, without their music."""
        with self._database.reading() as session:
            of_project = select(RevisionRow).where(RevisionRow.project == project)
            listed = of_project.order_by(RevisionRow.id).options(defer(RevisionRow.score))
            return session.scalars(listed).all()

    def revision(self, project: str, number: int) -> RevisionRow:
        """Return a revision of a project."""
        with self._database.reading() as session:
            return _revision(session, project, number)

    def add_revision(self, project: str, parent: int, label: str, score: ScoreJson) -> int:
        """Store what a revision became; it is the head from now on. Return its number."""
        with self._database.writing() as session:
            row = _to_change(session, project)
            _revision(session, project, parent)
            return _go_to_new_revision(session, row, parent, label, score)

    def set_head(self, project: str, revision: int) -> RevisionRow:
        """Show another revision: undo, redo, go back to any. Return it."""
        with self._database.writing() as session:
            row = _to_change(session, project)
            head = _revision(session, project, revision)
            row.head = revision
            row.changed = now()
            return head

    # ----------------------------------------------------------------- takes

    def takes(self, project: str) -> Sequence[TakeRow]:
        """Return the takes of a project in the order they were made, without their music."""
        with self._database.reading() as session:
            of_project = select(TakeRow).where(TakeRow.project == project)
            listed = of_project.order_by(TakeRow.created, TakeRow.number, TakeRow.id)
            return session.scalars(listed.options(defer(TakeRow.score))).all()

    def take(self, take: str) -> TakeRow:
        """Return a take."""
        with self._database.reading() as session:
            return found(session, TakeRow, take, "take")

    def change_take(
        self, take: str, *, name: str | None = None, kept: bool | None = None
    ) -> TakeRow:
        """Name a take, keep it, or keep it no longer; None leaves as it is."""
        with self._database.writing() as session:
            row = found(session, TakeRow, take, "take")
            row.name = row.name if name is None else name
            row.kept = row.kept if kept is None else kept
            return row

    def use_take(self, take: str, label: str) -> tuple[int, TakeRow]:
        """Go on from a take: make it a revision, the head. Return its number and the take."""
        with self._database.writing() as session:
            row = found(session, TakeRow, take, "take")
            project = _to_change(session, row.project)
            number = _go_to_new_revision(
                session, project, row.parent_revision, label, row.score, take=take
            )
            return number, row

    def remove_take(self, take: str) -> None:
        """Forget a take; revisions that were made of it stay."""
        with self._database.writing() as session:
            session.delete(found(session, TakeRow, take, "take"))


def found(
    session: Session, kind: type[Row], key: object, what: str, *, to_change: bool = False
) -> Row:
    """Return a row by its id.

    Args:
        session: In which it is looked for.
        kind: Its table.
        key: Its id.
        what: What it is called where there is none.
        to_change: Whether nobody else may change it until the session is over.

    Raises:
        Unknown: If there is none.
    """
    row = session.get(kind, key, with_for_update=to_change or None) if is_id(key) else None
    if row is None:
        raise Unknown(what, key)
    return row


def _to_change(session: Session, project: str) -> ProjectRow:
    """Return a project that nobody else changes until the session is over."""
    row = session.get(ProjectRow, project, with_for_update=True) if is_id(project) else None
    if row is None:
        raise UnknownProject(project)
    return row


def _revision(session: Session, project: str, number: int) -> RevisionRow:
    row = session.get(RevisionRow, number)
    if row is None or row.project != project:
        raise UnknownRevision(number)
    return row


def _go_to_new_revision(
    session: Session,
    project: ProjectRow,
    parent: int | None,
    label: str,
    score: ScoreJson,
    *,
    take: str | None = None,
) -> int:
    row = RevisionRow(
        project=project.id, parent=parent, label=label, take=take, score=dict(score)
    )
    session.add(row)
    session.flush()
    project.head = row.id
    project.changed = row.created
    return row.id
