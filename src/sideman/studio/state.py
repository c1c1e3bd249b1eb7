"""What the routes of a running studio share."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Depends
from fastapi.requests import HTTPConnection

from sideman.bundle import Bundle
from sideman.studio.config import StudioConfig
from sideman.studio.limits import Limits, Slots
from sideman.studio.metrics import Metrics
from sideman.studio.pairs import Pairs
from sideman.studio.recordings import Recordings
from sideman.studio.store.database import Database
from sideman.studio.store.jobs import JobStore
from sideman.studio.store.projects import Projects
from sideman.studio.store.tables import JobRow
from sideman.studio.store.votes import Votes
from sideman.studio.tastes import Tastes
from sideman.studio.uploads import Uploads

Result = TypeVar("Result")


class Messages(Protocol):
    """What happens to the jobs that somebody watches; used in the event loop only."""

    def watch(self, job: str) -> None:
        """Follow a job: all that is known of it comes now, and then what is new."""

    async def get(self) -> Mapping[str, Any]:
        """Wait for the next message."""


class MadeTake(Protocol):
    """An answer that is not stored.

    Attributes:
        recipe: How it was made.
        score: Its music as JSON.
        liking: How much it is liked; None if that is not known.
    """

    @property
    def recipe(self) -> Mapping[str, Any]: ...  # noqa: D102

    @property
    def score(self) -> Mapping[str, Any]: ...  # noqa: D102

    @property
    def liking(self) -> float | None: ...  # noqa: D102


class JobQueue(Protocol):
    """Who carries out jobs: processes on this machine, or a cluster."""

    def start(self) -> None:
        """Take up work, also what an earlier run left."""

    def stop(self) -> None:
        """Stop."""

    def ask(
        self,
        project: str,
        revision: int,
        task: str,
        *,
        request: Mapping[str, Any],
        locks: Sequence[int],
        client: str,
    ) -> JobRow:
        """Queue a job that `sideman.studio.asking.prepare` has found possible.

        Raises:
            LimitReached: If the client, or everybody, asks for too much.
        """

    def cancel(self, job: str) -> None:
        """Stop a job; what is written stays as a take."""

    def get(self, job: str) -> tuple[JobRow, int, list[str]]:
        """Return a job, how many wait before it, and its takes."""

    def listen(self) -> AbstractContextManager[Messages]:
        """Open a feed of messages."""

    def run_now(
        self,
        task: str,
        score: Mapping[str, Any] | None,
        request: Mapping[str, Any],
        locks: Sequence[int] = (),
        client: str = "",
    ) -> Sequence[MadeTake]:
        """Carry out a task whose answers are not stored, and wait for them."""

    @property
    def queue_length(self) -> int:
        """How many jobs wait."""


@dataclass(frozen=True, slots=True)
class State:
    """What the routes share.

    Attributes:
        config: How the studio is set up.
        bundle: The model.
        database: Where everything is kept.
        projects: What people work on.
        job_store: What was asked for.
        jobs: Who carries it out.
        votes: What was judged.
        pairs: Makes pairs to be judged.
        uploads: Reads files.
        recordings: What was played.
        metrics: What is counted.
        sounds: Places for making sound.
        pair_slots: Places for making pairs, for each client.
        socket_slots: Places for sockets, for each client.
        player_slots: Places for playing, for everybody together.
        waiters: Threads that wait for other processes.
        feeds: Open feeds of each client.
    """

    config: StudioConfig
    bundle: Bundle
    database: Database
    projects: Projects
    job_store: JobStore
    jobs: JobQueue
    votes: Votes
    tastes: Tastes
    pairs: Pairs
    uploads: Uploads
    recordings: Recordings
    metrics: Metrics
    sounds: Slots
    pair_slots: Slots
    socket_slots: Slots
    player_slots: Slots
    waiters: CapacityLimiter
    feeds: dict[str, set[Messages]] = field(default_factory=dict)

    @property
    def limits(self) -> Limits:
        """How much the studio takes."""
        return self.config.limits

    async def wait_for(self, work: Callable[[], Result]) -> Result:
        """Do what waits for other processes, in a thread that no vote and no edit needs."""
        return await to_thread.run_sync(work, limiter=self.waiters)


def _state(connection: HTTPConnection) -> State:
    found: State = connection.app.state.studio
    return found


def _client(connection: HTTPConnection) -> str:
    found: str = connection.scope["sideman.client"]
    return found


StudioState = Annotated[State, Depends(_state)]
"""Parameter of a route: what all share."""

Client = Annotated[str, Depends(_client)]
"""Parameter of a route: what its browser is known by."""
