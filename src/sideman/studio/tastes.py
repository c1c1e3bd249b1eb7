"""The taste of a studio: learned from all its votes, kept in its folder.

What was learned is a file as `sideman prefer` writes it. Who writes takes hears them with it
(`sideman.studio.worker`). Learning is done by a process of its own, which lets all others go
first, for the model hears every answer that was voted on.
"""

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from sideman.bundle import Bundle, load_bundle
from sideman.engine.taste import Taste, read_taste, write_taste
from sideman.errors import EngineError, SidemanError
from sideman.evaluate.listening import wilson_interval
from sideman.evaluate.preferences import FEWEST_VOTES, learn_taste
from sideman.evaluate.votes import Vote
from sideman.studio.config import StudioConfig
from sideman.studio.store.database import Database
from sideman.studio.store.votes import Judged, Votes
from sideman.studio.votes import DECISIVE

TASTE = "taste.json"
"""The file in the folder of the studio."""

NICE = 15
"""How much learning lets others go first (`nice` of POSIX): more than writing does."""

LOST = "learning ended before its time; try again"

NOT_OURS = (
    "what was learned is of another model, or cannot be read, and is not used; "
    "learn again from the same votes"
)


@dataclass(slots=True, eq=False)
class _Learning:
    """A process that learns, and how many votes it has heard."""

    process: BaseProcess
    heard: int = 0


class Tastes:
    """What is liked in a studio, as far as it is known."""

    def __init__(self, config: StudioConfig, bundle: Bundle) -> None:
        """Know what was learned before.

        Args:
            config: How the studio is set up.
            bundle: Its model.
        """
        self._path = config.folder / TASTE
        self._database_url = config.database_url
        self._bundle = bundle
        self._lock = Lock()  # of what follows
        self._learning: _Learning | None = None
        self._message = ""

    def kept(self) -> Taste | None:
        """Return what was learned; None if nothing was that goes with the model."""
        with suppress(EngineError, OSError):
            return self._read()
        return None

    def learn(self, judged: Sequence[Judged]) -> None:
        """Begin to learn from all votes, unless that is going on.

        Args:
            judged: The votes there are.

        Raises:
            EngineError: If there are too few.
        """
        missing = FEWEST_VOTES - _n_decided(judged)
        if missing > 0:
            msg = f"not enough votes yet: {missing} more are needed that say which is better"
            raise EngineError(msg)
        with self._lock:
            if self._learning is None:
                self._begin()

    def forget(self) -> None:
        """Forget what was learned, also what is being learned."""
        self.close()
        with self._lock:
            self._message = ""
            self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Stop to learn."""
        with self._lock:
            learning, self._learning = self._learning, None
        if learning is not None:
            learning.process.kill()
            learning.process.join()

    def told(self, judged: Sequence[Judged]) -> dict[str, Any]:
        """Return how far it is, as `sideman.studio.schemas.TasteProgress` has it."""
        with self._lock:
            heard = None if self._learning is None else self._learning.heard
            message = self._message
        taste = None
        try:
            taste = self._read()
        except (EngineError, OSError):
            message = message or NOT_OURS
        return {
            "decided": _n_decided(judged),
            "wanted": FEWEST_VOTES,
            "heard": heard,
            "learned": None if taste is None else _about(taste),
            "message": message,
        }

    def _read(self) -> Taste | None:
        try:
            return read_taste(self._path, self._bundle)
        except FileNotFoundError:
            return None

    def _begin(self) -> None:
        """Start the process, and a thread that hears what it says; the lock is held."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(
            target=main,
            args=(theirs, self._bundle.folder, self._database_url, self._path),
            name="sideman taste",
            daemon=True,
        )
        process.start()
        theirs.close()  # or we would not notice that it is gone
        self._learning, self._message = _Learning(process), ""
        Thread(target=self._follow, args=(self._learning, ours), daemon=True).start()

    def _follow(self, learning: _Learning, line: Connection) -> None:
        """Hear how far it is, and at the end why nothing was learned, if so."""
        message = LOST
        with line, suppress(EOFError, OSError):
            while isinstance(said := line.recv(), int):
                learning.heard = said
            message = said
        learning.process.join()
        with self._lock:
            if self._learning is learning:
                self._learning, self._message = None, message


def _n_decided(judged: Sequence[Judged]) -> int:
    """Return how many pairs can be learned from."""
    return sum(pair.repeats is None and vote.answer in DECISIVE for pair, vote in judged)


def _about(taste: Taste) -> dict[str, Any]:
    """Return what a taste was learned from, and how well it foretells votes."""
    votes, right, tested = (taste.about.get(name, 0) for name in ("decided", "right", "tested"))
    low, high = wilson_interval(right, tested)
    rate = right / tested if tested else 0.0
    return {"votes": votes, "rate": rate, "low": low, "high": high}


# ------------------------------------------------------------------- in the process


def main(line: Connection, bundle: Path, database_url: str, path: Path) -> None:
    """Learn, and write what was learned: the target of a `multiprocessing.Process`.

    Votes that can no more be foretold take away what was learned from fewer.

    Args:
        line: To the server: how many votes were heard, and at the end why nothing was learned,
            "" if something was.
        bundle: Folder of the model.
        database_url: Where the votes are.
        path: The file to be written.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of Ctrl-C the server decides
    if hasattr(os, "nice"):
        os.nice(NICE)

    def followed(votes: Sequence[Vote]) -> Iterator[Vote]:
        for number, vote in enumerate(votes):
            line.send(number)
            yield vote

    with suppress(BrokenPipeError):  # the server is gone
        try:
            taste, evidence = learn_taste(
                _votes(database_url), load_bundle(bundle), threads=1, follow=followed
            )
            if taste is None:
                path.unlink(missing_ok=True)
            else:
                write_taste(taste, path, force=True)
            line.send(evidence.reason)
        except SidemanError as error:
            line.send(str(error))


def _votes(database_url: str) -> list[Vote]:
    """Return all votes, as `sideman.evaluate.votes.read_votes` reads them from an export."""
    database = Database(database_url)
    try:
        return [
            Vote(
                pair=pair.id,
                repeats=pair.repeats,
                answer=vote.answer,
                prompt=pair.prompt,
                scores=(pair.left, pair.right),
                recipes=(pair.left_recipe, pair.right_recipe),
            )
            for pair, vote in Votes(database).judged_with_music()
        ]
    finally:
        database.close()
