"""Taste: which of several takes somebody would like best, as their votes have told.

The model that wrote a take hears it from beginning to end. What it knows after each new note,
its hidden state, is a picture of the music so far. A taste weighs the mean over the new notes,
number by number, and a dozen plain impressions of them. The weights are learned from votes
(`sideman.evaluate.preferences`), and mean nothing to another model.

Letters in shapes: T events, C width of the model.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import inf, log
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sideman.bundle import Bundle
from sideman.engine.compose import Take
from sideman.engine.impressions import impressions
from sideman.engine.ranking import Scorer, new_notes
from sideman.engine.session import Session
from sideman.errors import EngineError
from sideman.files import refuse_existing, whole_file
from sideman.score.types import Score
from sideman.tokens import grid as grids
from sideman.tokens.codec import Layout, grid_to_events
from sideman.tokens.grid import Grid, to_grid
from sideman.tokens.vocabulary import VELOCITY, Events, Extent, Kind, Task

TASTE_FORMAT = 1
"""Version of the layout of a taste and of what it weighs; another one is refused by name."""

HEARD_BARS = 8
"""Bars before the first new note that are heard at most."""

BEST_OF = 4
"""Takes that are drawn for each one that is kept."""

NOT_A_TASTE = (AttributeError, KeyError, RecursionError, TypeError, ValueError)
"""What reading a file raises that is none."""


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What was heard of the new notes of an answer.

    Attributes:
        state: Mean of the model's hidden states after them, shape (C,).
        impressions: Plain figures of them by name, always the same names in the same order.
    """

    state: NDArray[np.float64]
    impressions: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Taste:
    """What somebody likes, in what one model hears.

    Attributes:
        bundle: Name of the model, and
        bundle_hash: its fingerprint.
        about: What it was learned from, and how well it foretells votes.
        impressions: Weight of each impression by name.
        state: Weight of each number of the state, C of them.
        format: Version of the layout.
    """

    bundle: str
    bundle_hash: str
    about: Mapping[str, Any]
    impressions: Mapping[str, float]
    state: tuple[float, ...]
    format: int = TASTE_FORMAT

    @property
    def hash(self) -> str:
        """Fingerprint of what it weighs: 16 hexadecimal digits."""
        text = json.dumps([self.bundle_hash, dict(self.impressions), self.state])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def like(self, heard: Heard) -> float:
        """Return how much is liked what was heard: more than another answer to the same."""
        plain = sum(
            weight * heard.impressions[name] for name, weight in self.impressions.items()
        )
        return float(heard.state @ np.array(self.state)) + plain

    def scorer(self, ear: "Ear", prompt: Score | None) -> Scorer:
        """Return what says how much a take is liked; one without a new note is liked least.

        Args:
            ear: Hears the takes.
            prompt: What was known, as for `Ear.hear`.
        """

        def score(take: Take) -> float:
            heard = ear.hear(take.score, prompt)
            return -inf if heard is None else self.like(heard)

        return score


class Ear:
    """A model that listens."""

    def __init__(self, bundle: Bundle, *, threads: int = 1) -> None:
        """Open the model; more `threads` than one are no faster for so few events."""
        self._session = Session(bundle, threads=threads)
        self._context = int(bundle.card["network"]["context"])

    def hear(self, score: Score, prompt: Score | None = None) -> Heard | None:
        """Return what is heard of the new notes of a score; None if nothing is new.

        Of an answer that does not fit the context the beginning is heard, without a prompt.

        Args:
            score: What is judged.
            prompt: What was known: its notes are not new. None where nothing was.
        """
        new = _new_grid(score, prompt)
        if len(new.notes) == 0:
            return None
        events, is_new = _fitting(score, new, self._context)
        is_new[-1] = False  # a bar line, or cut off: what comes after it is not known
        if not is_new.any():
            return None
        session = self._session
        session.rollback(session.lengths)
        session.append(events[:1])
        nats = -session.score(events[1:])[0, is_new[1:], :VELOCITY].sum(axis=1)
        state = session.hidden()[is_new[:-1]].mean(axis=0, dtype=np.float64)
        surprise = float(nats.mean(dtype=np.float64)) / log(2)
        return Heard(state, {**impressions(new), "surprising notes": surprise})


def _new_grid(score: Score, prompt: Score | None) -> Grid:
    """Return the new notes of a score on the grid, with one bar more than the score has."""
    n_bars = to_grid(score)[0].n_bars + 1
    return to_grid(new_notes(score, 0, n_bars, prompt), n_bars=n_bars)[0]


def _fitting(score: Score, new: Grid, most: int) -> tuple[Events, NDArray[np.bool_]]:
    """Spell a score from some bars before its new notes on, as many as leave room for those.

    Returns:
        At most `most` events, (T, N_COLUMNS), and which of them are new notes, shape (T,).
    """
    grid, _ = to_grid(score, n_bars=new.n_bars)
    first, last = new.notes["bar"][[0, -1]].tolist()
    spelled = _spelled(grid, new, start=max(first - HEARD_BARS, 0), end=last + 1)
    for start in range(max(first - HEARD_BARS, 0) + 1, first + 1):
        if len(spelled[0]) <= most:
            break
        spelled = _spelled(grid, new, start=start, end=last + 1)
    return spelled[0][:most], spelled[1][:most]


def _spelled(
    grid: Grid, new: Grid, *, start: int, end: int
) -> tuple[Events, NDArray[np.bool_]]:
    """Spell some bars, and the bar line behind them.

    Everything is said plainly, as it sounds: which task it was makes no difference.
    """
    heard = grids.slice_bars(grid, start, end + 1)
    is_new = np.isin(heard.notes[_PLACE], grids.slice_bars(new, start, end).notes[_PLACE])
    heard = grids.take_parts(heard, np.unique(heard.notes["part"]).astype(np.int64))
    events = grid_to_events(heard, _layout(heard, is_opening=start == 0))
    marked = np.zeros(len(events), bool)
    marked[events[:, 0] == Kind.NOTE] = is_new
    stop = int(np.flatnonzero(events[:, 0] == Kind.BAR)[-1]) + 1
    return events[:stop], marked[:stop]


_PLACE = ["bar", "beat", "tick", "part", "pitch"]
"""What makes a note of a grid the one it is."""


def _layout(heard: Grid, *, is_opening: bool) -> Layout:
    """Return how bars are said; where all notes are equally loud, loudness is not."""
    velocity = heard.notes["velocity"]
    return Layout(
        task=Task.CONTINUE,
        extent=Extent.OPENING if is_opening else Extent.MIDDLE,
        key=heard.key,
        unspecified_velocity=np.full(len(velocity), bool((velocity == velocity[0]).all())),
    )


# ------------------------------------------------------------------------------ files


def write_taste(taste: Taste, path: Path, *, force: bool = False) -> None:
    """Write a taste as JSON, whole or not at all.

    Raises:
        OutputExists: If `path` is there and `force` is not given.
    """
    refuse_existing(path, force=force)
    with whole_file(path) as part:
        part.write_text(json.dumps(asdict(taste), indent=1) + "\n", encoding="utf-8")


def read_taste(path: Path, bundle: Bundle) -> Taste:
    """Read what `write_taste` wrote.

    Raises:
        EngineError: If it is no taste, of another format, or for another model.
    """
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        found = said["format"]
        if found == TASTE_FORMAT:
            return _for(bundle, Taste(**said | {"state": tuple(said["state"])}), path)
    except NOT_A_TASTE as error:
        msg = f"'{path}' is no taste ({error}); 'sideman prefer' writes one from votes"
        raise EngineError(msg) from error
    msg = (
        f"'{path}' has format {found}; this sideman reads {TASTE_FORMAT}: "
        "learn it again from the votes with 'sideman prefer'"
    )
    raise EngineError(msg)


def _for(bundle: Bundle, taste: Taste, path: Path) -> Taste:
    """Return a taste if it is for a model.

    Raises:
        EngineError: If it is for another.
        ValueError: If it is damaged.
    """
    if taste.bundle_hash != bundle.hash:
        msg = (
            f"'{path}' is a taste in what {taste.bundle!r} {taste.bundle_hash} hears; this is "
            f"{bundle.name!r} {bundle.hash}: learn it again from the votes with "
            "'sideman prefer', or name the other with --bundle"
        )
        raise EngineError(msg)
    width = int(bundle.card["network"]["d_model"])
    if len(taste.state) != width:
        msg = f"it weighs {len(taste.state)} numbers of the {width} of a state"
        raise ValueError(msg)
    return taste
