"""Jobs and what has come of them, as they are stored and found again."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from sqlalchemy import select
from sqlalchemy.orm import Session, defer

from sideman.studio.store.database import Database
from sideman.studio.store.projects import found
from sideman.studio.store.tables import JobRow, TakeRow, now

QUEUED, RUNNING, DONE, FAILED, CANCELLED = STATES = (
    "queued",
    "running",
    "done",
    "failed",
    "cancelled",
)
"""What a job can be; it ends in one of the last three."""

OPEN = (QUEUED, RUNNING)
"""What a job is that has not ended."""


class Answer(TypedDict):
    """A take that is to be stored, as `TakeRow` has it."""

    number: int
    first_bar: int
    end_bar: int
    n_notes: int
    recipe: dict[str, Any]
    score: dict[str, Any]
    liking: float | None


class JobStore:
    """What is asked for and answered. A method that is given an id may raise `Unknown`."""

    def __init__(self, database: Database) -> None:
        """Keep jobs in a database."""
        self._database = database

    def add(
        self,
        project: str,
        revision: int,
        task: str,
        *,
        request: Mapping[str, Any],
        locks: Sequence[int],
        client: str,
    ) -> JobRow:
        """Store what is asked for."""
        with self._database.writing() as session:
            row = JobRow(
                project=project,
                revision=revision,
                task=task,
                request=dict(request),
                locks=list(locks),
                client=client,
                state=QUEUED,
            )
            session.add(row)
            return row

    def get(self, job: str) -> JobRow:
        """Return a job."""
        with self._database.reading() as session:
            return found(session, JobRow, job, "job")

    def unfinished(self) -> Sequence[JobRow]:
        """Return the jobs that wait or run, the oldest first."""
        with self._database.reading() as session:
            return session.scalars(_UNFINISHED).all()

    def take_up(self) -> Sequence[JobRow]:
        """Let all jobs wait that an earlier server left; return them, the oldest first."""
        with self._database.writing() as session:
            rows = session.scalars(_UNFINISHED.with_for_update()).all()
            for row in rows:
                row.state = QUEUED
            return rows

    def begin(self, job: str) -> None:
        """Note that a job that waits is worked on, and that it was tried once more."""
        with self._database.writing() as session:
            row = _to_change(session, job)
            if row.state == QUEUED:
                row.state = RUNNING
            row.attempts += 1

    def put_back(self, job: str) -> None:
        """Let a job that is worked on wait again, as if it had not been begun."""
        with self._database.writing() as session:
            row = _to_change(session, job)
            if row.state == RUNNING:
                row.state = QUEUED
            row.attempts -= 1

    def cancel(self, job: str) -> None:
        """Note that nobody wants an answer any more; what has ended stays as it ended."""
        with self._database.writing() as session:
            row = _to_change(session, job)
            if row.state in OPEN:
                row.state, row.finished = CANCELLED, now()

    def finish(
        self, job: str, state: str, message: str = "", takes: Sequence[Answer] = ()
    ) -> list[TakeRow]:
        """Store how a job ended, why, and its answers, all or none."""
        with self._database.writing() as session:
            row = _to_change(session, job)
            row.state, row.message, row.finished = state, message, now()
            stored = [
                TakeRow(
                    project=row.project, job=job, parent_revision=row.revision, name="", **take
                )
                for take in takes
            ]
            session.add_all(stored)
            return stored

    def takes(self, job: str) -> Sequence[TakeRow]:
        """Return the answers to a job in their order, without their music."""
        with self._database.reading() as session:
            of_job = select(TakeRow).where(TakeRow.job == job)
            listed = of_job.order_by(TakeRow.number).options(defer(TakeRow.score))
            return session.scalars(listed).all()


def _to_change(session: Session, job: str) -> JobRow:
    """Return a job that nobody else changes until the session is over.

    Raises:
        Unknown: If there is none of this id.
    """
    return found(session, JobRow, job, "job", to_change=True)


_UNFINISHED = select(JobRow).where(JobRow.state.in_(OPEN)).order_by(JobRow.created, JobRow.id)
