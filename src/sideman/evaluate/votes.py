"""Votes: pairs of answers that somebody judged, as the studio exports them, and what they say.

A vote is a line of JSON. Ties, pairs that are bad on both sides and skipped ones decide nothing
and are counted only; a pair that comes again tells of the listener only (as
`sideman.evaluate.listening` counts). A setting wins where the answers differ in it.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sideman.errors import EvaluationError
from sideman.evaluate.listening import LEFT, RIGHT, SIGNIFICANCE, SKIP, TIE, sign_test
from sideman.score.plain import Plain

ANSWERS = (LEFT, RIGHT, TIE, "both_bad", SKIP)
"""What can be answered, as the studio writes it."""

NO_SETTINGS = frozenset({"seed", "take", "takes", "keep", "first_new_bar", "last_new_bar"})
"""What in a recipe differs between any two takes, and is no setting."""

NOT_A_VOTE = (AttributeError, KeyError, RecursionError, TypeError, ValueError)
"""What reading a line raises that is none."""


@dataclass(frozen=True, slots=True)
class Vote:
    """A pair and what was said of it.

    Attributes:
        pair: Its id.
        repeats: Id of the pair that this one is again, its sides swapped; None for a new one.
        answer: One of `ANSWERS`.
        prompt: What was answered, as plain values.
        scores: The left and the right answer, likewise.
        recipes: How they were made.
    """

    pair: str
    repeats: str | None
    answer: str
    prompt: Plain
    scores: tuple[Plain, Plain]
    recipes: tuple[Mapping[str, Any], Mapping[str, Any]]

    @property
    def is_decided(self) -> bool:
        """Whether one answer was preferred."""
        return self.answer in (LEFT, RIGHT)

    @property
    def preferred(self) -> int:
        """Number of the side that was preferred, 0 or 1, where one was."""
        return int(self.answer == RIGHT)


@dataclass(frozen=True, slots=True)
class SettingWins:
    """How often one value of a setting was preferred to another.

    Attributes:
        setting: Name of the setting.
        value: Its value, as text.
        wins: Pairs in which the answer with this value was preferred, and
        losses: those in which the other was.
        ties: Pairs that were heard and not decided.
        p_value: Of the sign test, corrected for how many values there are.
    """

    setting: str
    value: str
    wins: int
    losses: int
    ties: int
    p_value: float

    @property
    def has_won(self) -> bool:
        """Whether chance would hardly have it preferred so often."""
        return self.wins > self.losses and self.p_value < SIGNIFICANCE


def read_votes(path: Path) -> list[Vote]:
    """Read what the studio exported.

    Raises:
        EvaluationError: If it is no text, or a line is no vote.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        msg = f"'{path}' is no text; name the file of votes that the studio exports"
        raise EvaluationError(msg) from error
    return [
        _vote(line, f"{path}, line {number}")
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]


def learnable(votes: Sequence[Vote]) -> list[Vote]:
    """Return the votes that tell which of two answers is better, each pair once."""
    return [vote for vote in votes if vote.is_decided and vote.repeats is None]


def steady(votes: Sequence[Vote]) -> tuple[int, int]:
    """Return how many of the pairs that came again were judged the same, and how many came."""
    before = {vote.pair: vote for vote in votes if vote.repeats is None}
    twice = [
        (before[vote.repeats], vote)
        for vote in votes
        if vote.repeats in before and SKIP not in (vote.answer, before[vote.repeats].answer)
    ]
    return sum(_swapped(one.answer) == two.answer for one, two in twice), len(twice)


def setting_wins(votes: Sequence[Vote]) -> list[SettingWins]:
    """Return how often each value of each setting won that ever decided, by name."""
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for vote in votes:
        if vote.repeats is None and vote.answer != SKIP:
            for name, values in differences(*vote.recipes).items():
                for side, value in enumerate(values):
                    counts[name, value][_outcome(vote, side)] += 1
    splits = {
        of: (count["wins"], count["losses"], count["ties"])
        for of, count in sorted(counts.items())
        if count["wins"] + count["losses"]
    }
    p_values = corrected([sign_test(wins, losses) for wins, losses, _ in splits.values()])
    return [
        SettingWins(*of, *split, p_value)
        for (of, split), p_value in zip(splits.items(), p_values, strict=True)
    ]


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return the settings in which two recipes differ, and their values, as text."""
    names = (one.keys() & other.keys()) - NO_SETTINGS
    return {
        name: (_text(one[name]), _text(other[name]))
        for name in sorted(names)
        if one[name] != other[name]
    }


def corrected(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for how many there are, in the order given, 0 to 1.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    corrected = [1.0] * len(p_values)
    highest = 0.0
    for rank, number in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, p_values[number] * (len(p_values) - rank)))
        corrected[number] = highest
    return corrected


def _vote(line: str, where: str) -> Vote:
    try:
        said = json.loads(line)
        left, right = said[LEFT], said[RIGHT]
        vote = Vote(
            pair=str(said["id"]),
            repeats=None if said["repeats"] is None else str(said["repeats"]),
            answer=str(said["answer"]),
            prompt=dict(said["prompt"]),
            scores=(dict(left["score"]), dict(right["score"])),
            recipes=(dict(left["recipe"]), dict(right["recipe"])),
        )
    except NOT_A_VOTE as error:
        msg = f"{where}: this is no vote as the studio exports them ({error})"
        raise EvaluationError(msg) from error
    if vote.answer not in ANSWERS:
        msg = f"{where}: the answer is {vote.answer!r}; known are {', '.join(ANSWERS)}"
        raise EvaluationError(msg)
    return vote


def _swapped(answer: str) -> str:
    """Return an answer as it is when the sides are swapped."""
    return {LEFT: RIGHT, RIGHT: LEFT}.get(answer, answer)


def _outcome(vote: Vote, side: int) -> str:
    if not vote.is_decided:
        return "ties"
    return "wins" if side == vote.preferred else "losses"


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return "; ".join(map(str, value))
    return str(value)
