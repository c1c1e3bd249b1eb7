"""What the votes say: which settings win, how sure that is, and how steady somebody judges.

Counted as `sideman.evaluate.listening` counts: ties, pairs that are bad on both sides and
skipped ones are left out of the test, and a pair that comes again tells of the listener only.
A setting wins where the two answers differ in it, so that it can be what made the difference.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from statistics import median
from typing import Any

from sideman.evaluate.listening import LEFT, RIGHT, SKIP, sign_test, wilson_interval
from sideman.evaluate.votes import ANSWERS, SettingWins, Vote, setting_wins, steady
from sideman.studio.store.tables import PairRow, VoteRow
from sideman.studio.store.votes import Judged

DECISIVE = (LEFT, RIGHT)


def summary(judged: Sequence[Judged]) -> dict[str, Any]:
    """Return what all votes say, as `sideman.studio.schemas.VoteSummary` has it."""
    answers = Counter(vote.answer for _, vote in judged)
    seconds = [vote.seconds for _, vote in judged if vote.answer != SKIP]
    votes = [_without_music(pair, vote) for pair, vote in judged]
    return {
        "votes": len(votes),
        "answers": {answer: answers[answer] for answer in ANSWERS},
        "win_rates": [_win_rate(each) for each in setting_wins(votes)],
        "repeats": _repeats(votes),
        "median_seconds": median(seconds) if seconds else 0.0,
    }


def export_lines(judged: Iterable[Judged]) -> Iterator[str]:
    """Yield a line of JSON for each pair with its vote, to learn preferences from.

    `chosen` and `rejected` name a side where one was preferred; both sides have their music
    and how it was made.
    """
    for pair, vote in judged:
        yield json.dumps(_told(pair, vote), separators=(",", ":")) + "\n"


def _without_music(pair: PairRow, vote: VoteRow) -> Vote:
    recipes = pair.left_recipe, pair.right_recipe
    return Vote(pair.id, pair.repeats, vote.answer, {}, ({}, {}), recipes)


def _win_rate(found: SettingWins) -> dict[str, Any]:
    n_decided = found.wins + found.losses
    low, high = wilson_interval(found.wins, n_decided)
    return {
        "setting": found.setting,
        "value": found.value,
        "wins": found.wins,
        "losses": found.losses,
        "ties": found.ties,
        "rate": found.wins / n_decided,
        "low": low,
        "high": high,
        "p": sign_test(found.wins, found.losses),
    }


def _repeats(votes: Sequence[Vote]) -> dict[str, Any]:
    """Return how many of the pairs that came again were judged the same."""
    same, n = steady(votes)
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
