"""Messages on their way from the thread of the jobs to those who wait for them in a loop."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from threading import Lock
from types import TracebackType

from sideman.studio.score_json import Json

MOST_WAITING = 2_000
"""Messages that wait for a page that reads slowly; beyond that notes are left out, which the
takes have as well."""


class Listener:
    """Messages about the jobs that somebody watches, read in the event loop that it is made in.

    Args:
        feed: Where they come from.
        watch: Asks for what is known of a job by now.
    """

    def __init__(self, feed: "Feed", watch: Callable[["Listener", str], None]) -> None:
        self._feed = feed
        self._watch = watch
        self._loop = asyncio.get_running_loop()
        self._messages: deque[Json] = deque()
        self._has_some = asyncio.Event()
        self._watched: set[str] = set()

    def __enter__(self) -> "Listener":
        self._feed.add(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._feed.remove(self)

    def watch(self, job: str) -> None:
        """Follow a job: all that is known of it comes now, and then what is new."""
        self._watch(self, job)

    async def get(self) -> Json:
        """Wait for the next message."""
        while not self._messages:
            self._has_some.clear()
            await self._has_some.wait()
        return self._messages.popleft()

    # ------------------------------------------------ called by the thread of the jobs

    def begin(self, job: str, messages: Iterable[Json]) -> None:
        """Put in what is known of a job, and follow it from now on."""
        self._watched.add(job)
        self._hand_over(list(messages))

    def hear(self, job: str, message: Json) -> None:
        """Put in what is new of a job, if it is watched."""
        if job in self._watched:
            self._hand_over([message])

    def forget(self, job: str) -> None:
        """Follow a job no longer: it has ended."""
        self._watched.discard(job)

    def _hand_over(self, messages: list[Json]) -> None:
        try:
            self._loop.call_soon_threadsafe(self._put, messages)
        except RuntimeError:  # the loop is closed
            self._feed.remove(self)

    def _put(self, messages: list[Json]) -> None:
        for message in messages:
            if len(self._messages) < MOST_WAITING or message["type"] != "notes":
                self._messages.append(message)
        self._has_some.set()


class Feed:
    """All who listen; they come and go in the event loop, messages come from a thread."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._lock = Lock()

    def add(self, listener: Listener) -> None:
        """Let somebody listen."""
        with self._lock:
            self._listeners.add(listener)

    def remove(self, listener: Listener) -> None:
        """Let somebody listen no longer."""
        with self._lock:
            self._listeners.discard(listener)

    def publish(self, job: str, message: Json) -> None:
        """Tell those who watch a job."""
        for listener in self._all():
            listener.hear(job, message)

    def close(self, job: str) -> None:
        """Nothing more will be told of a job."""
        for listener in self._all():
            listener.forget(job)

    def _all(self) -> list[Listener]:
        with self._lock:
            return list(self._listeners)
