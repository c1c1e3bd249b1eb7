"""What the votes say: which settings win, how sure that is, and how steady somebody judges.

Counted as `sideman.evaluate.listening` counts: ties, pairs that are bad on both sides and
skipped ones are left out of the test, and a pair that comes again tells of the listener only.
A setting wins where the two answers differ in it, so that it can be what made the difference.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from sideman.evaluate.listening import (
    BOTH_BAD,
    FIRST,
    LEFT,
    RIGHT,
    SECOND,
    SKIP,
    TIE,
    Key,
    Trial,
    sign_test,
    steadiness,
    wilson_interval,
)
from sideman.studio.store.tables import PairRow, VoteRow
from sideman.studio.store.votes import Judged

ANSWERS = {LEFT: LEFT, RIGHT: RIGHT, TIE: TIE, "both_bad": BOTH_BAD, SKIP: SKIP}
"""What can be answered, and how `sideman.evaluate.listening` calls it."""

DECISIVE = (LEFT, RIGHT)

NO_SETTINGS = frozenset({"seed", "take", "takes", "first_new_bar", "last_new_bar"})
"""What in a recipe differs between any two takes, and is no setting."""


def summary(judged: Sequence[Judged]) -> dict[str, Any]:
    """Return what all votes say, as `sideman.studio.schemas.VoteSummary` has it."""
    answers = Counter(vote.answer for _, vote in judged)
    seconds = [vote.seconds for _, vote in judged if vote.answer != SKIP]
    return {
        "votes": len(judged),
        "answers": {answer: answers[answer] for answer in ANSWERS},
        "win_rates": _win_rates(judged),
        "repeats": _repeats(judged),
        "median_seconds": median(seconds) if seconds else 0.0,
    }


def export_lines(judged: Iterable[Judged]) -> Iterator[str]:
    """Yield a line of JSON for each pair with its vote, to learn preferences from.

    `chosen` and `rejected` name a side where one was preferred; both sides have their music
    and how it was made.
    """
    for pair, vote in judged:
        yield json.dumps(_told(pair, vote), separators=(",", ":")) + "\n"


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return the settings in which two recipes differ, and their values, as text."""
    names = (one.keys() & other.keys()) - NO_SETTINGS
    return {
        name: (_value(one[name]), _value(other[name]))
        for name in sorted(names)
        if one[name] != other[name]
    }


def _win_rates(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """Return a row for each value of each setting that was ever decisive."""
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for pair, vote in judged:
        if pair.repeats is not None or vote.answer == SKIP:
            continue
        for name, values in differences(pair.left_recipe, pair.right_recipe).items():
            for side, value in zip(DECISIVE, values, strict=True):
                if vote.answer in DECISIVE:
                    outcome = "wins" if vote.answer == side else "losses"
                else:
                    outcome = "ties"
                counts[name, value][outcome] += 1
    return [
        _win_rate(name, value, **{key: count[key] for key in ("wins", "losses", "ties")})
        for (name, value), count in sorted(counts.items())
        if count["wins"] + count["losses"]
    ]


def _win_rate(name: str, value: str, *, wins: int, losses: int, ties: int) -> dict[str, Any]:
    n_decided = wins + losses
    low, high = wilson_interval(wins, n_decided)
    return {
        "setting": name,
        "value": value,
        "wins": wins,
        "losses": losses,
        "ties": ties,
        "rate": wins / n_decided,
        "low": low,
        "high": high,
        "p": sign_test(wins, losses),
    }


def _repeats(judged: Sequence[Judged]) -> dict[str, Any]:
    """Return how many of the pairs that came again were judged the same."""
    trials = tuple(
        Trial(pair.id, pair.task, FIRST, SECOND, is_repeat=False)
        if pair.repeats is None
        else Trial(pair.repeats, pair.task, SECOND, FIRST, is_repeat=True)
        for pair, _ in judged
    )
    ballot = {number: ANSWERS[vote.answer] for number, (_, vote) in enumerate(judged)}
    found = steadiness(Key("", (FIRST, SECOND), trials), "everybody", ballot)
    n, same = found.repeats, found.alike
    low, high = wilson_interval(same, n)
    return {"n": n, "same": same, "rate": same / n if n else 0.0, "low": low, "high": high}


def _told(pair: PairRow, vote: VoteRow) -> dict[str, Any]:
    """Return all there is to say of a pair and its vote."""
    is_left = vote.answer == LEFT
    is_decided = vote.answer in DECISIVE
    return {
        "id": pair.id,
        "task": pair.task,
        "request": pair.request,
        "prompt": pair.prompt,
        "left": {"recipe": pair.left_recipe, "score": pair.left},
        "right": {"recipe": pair.right_recipe, "score": pair.right},
        "answer": vote.answer,
        "chosen": (LEFT if is_left else RIGHT) if is_decided else None,
        "rejected": (RIGHT if is_left else LEFT) if is_decided else None,
        "seconds": vote.seconds,
        "voted": f"{vote.created.isoformat()}Z",
        "shown": f"{pair.created.isoformat()}Z",
        "listener": pair.listener,
        "repeats": pair.repeats,
        "bundle": pair.bundle,
        "bundle_hash": pair.bundle_hash,
        "latency_s": pair.latency_s,
    }


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return "; ".join(map(str, value))
    return str(value)
