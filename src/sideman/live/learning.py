"""Learning tonight: what is played goes into a memory of the model's own, bar by bar.

Nothing is run for it: what the model knew before each event is there once it has heard what
followed. A bar is learned when it is over and nothing in it sounds any more, and once, however
often the model has to be told of it. What is learned is always what was played in the end: if
something of it changes or is forgotten, all from there on is taken back and learned anew.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from pathlib import Path

import numpy as np

from sideman.bundle import Bundle
from sideman.engine.neighbours import CAPACITY, NeighbourMemory
from sideman.engine.session import Recall, Session
from sideman.live.frame import Frame
from sideman.tokens.vocabulary import Events, Kind


def remembered(bundle: Bundle, path: Path | None) -> NeighbourMemory:
    """Return a memory for a session, of what was saved in a file if there is one already.

    Raises:
        EngineError: If the file is no memory, or that of another model.
    """
    memory = NeighbourMemory(bundle, share=0)
    if path is not None and path.exists():
        memory.load(path)
    return memory


@dataclass(frozen=True, slots=True)
class LearnedBar:
    """A bar that was learned.

    Attributes:
        n_events: How many events of it are remembered.
        notes: Its notes as events, in bytes.
    """

    n_events: int
    notes: bytes


class Learner:
    """Learns from what one session with a model says.

    Attributes:
        memory: Where it goes; what was in it before is not taken back.
    """

    def __init__(self, memory: NeighbourMemory) -> None:
        """Begin a session with what is remembered of others."""
        self.memory = memory
        self._bars: dict[int, LearnedBar] = {}  # by their first ticks, in order
        self._until: float = -inf  # first tick that is not learned yet

    def recall(self, share: float) -> Recall | None:
        """Return what finds neighbours of that share; None if there is nothing to be found."""
        if share == 0 or len(self.memory) == 0:
            return None
        self.memory.share = share
        return self.memory.recall

    def learn(self, session: Session, frame: Frame, settled: int) -> None:
        """Learn what is new, as far as the model has heard it, and take back what has changed.

        Args:
            session: Says bars and notes; it must be of the model that the memory is for.
            frame: Around what it says.
            settled: First tick at which something may change yet.
        """
        events = session.events()
        bars = list(_bars(events, frame))
        for onset, _, at in bars:
            known = self._bars.get(onset)
            if known and known.notes != _notes(events[at]):
                self.unlearn(onset)
                break
        new = [bar for bar in bars if bar[0] >= self._until and bar[1] <= settled]
        hidden = session.hidden() if new else ()
        for onset, end, at in new:
            before = slice(at.start - 1, at.stop - 1)
            if before.stop > len(hidden):
                break
            targets = session.bundle.vocabulary.targets(events[at])
            n_events = self.memory.add(hidden[before], targets)
            self._bars[onset] = LearnedBar(n_events, _notes(events[at]))
            self._until = end
        while len(self._bars) > CAPACITY:  # of each bar an event is remembered at least
            del self._bars[next(iter(self._bars))]

    def unlearn(self, from_tick: float) -> None:
        """Take back the bar of a tick, and all that was learned after it."""
        while self._bars and self._until > from_tick:
            onset, bar = self._bars.popitem()
            self.memory.take_back(bar.n_events)
            self._until = onset

    def forget(self) -> None:
        """Forget all, also what was remembered of other sessions; go on with what comes now."""
        self.memory.forget()
        self._bars.clear()

    def shift(self, ticks: int) -> None:
        """Take that time has jumped: what was played lies elsewhere."""
        self._bars = {onset + ticks: bar for onset, bar in self._bars.items()}
        self._until += ticks


def _bars(events: Events, frame: Frame) -> Iterator[tuple[int, int, slice]]:
    """Yield first tick, first tick after, and events of each bar but the last."""
    lines = np.flatnonzero(events[:, 0] == Kind.BAR)
    for bar, (first, following) in enumerate(pairwise(lines.tolist())):
        yield frame.bar_start(bar), frame.bar_start(bar + 1), slice(first, following)


def _notes(events: Events) -> bytes:
    notes: Events = events[events[:, 0] == Kind.NOTE]
    return notes.tobytes()
