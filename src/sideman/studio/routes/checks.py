"""What routes check of what they are given."""

import re
from typing import Any

from sideman.errors import ScoreError
from sideman.score.plain import score_of
from sideman.studio.limits import Limits
from sideman.studio.schemas import MAX_TICK, Score
from sideman.studio.store.problems import UnknownRevision

_NUMBER = re.compile(r"[0-9]{1,10}")


def checked_score(score: Score, limits: Limits) -> dict[str, Any]:
    """Return music as it is stored.

    Raises:
        LimitReached: If it is larger than the studio takes.
        ScoreError: If no score can be that, or two notes have one id.
    """
    limits.check_counts(score.notes, score.parts)
    limits.check_bars(score.n_bars)
    if len({note.id for note in score.notes}) < len(score.notes):
        msg = "two notes have the same id; give each one of its own"
        raise ScoreError(msg)
    json = score.model_dump()
    limits.check_score(score_of(json))
    return json


def revision_number(text: str) -> int:
    """Return the number of a revision.

    Raises:
        UnknownRevision: If it can be none.
    """
    if not _NUMBER.fullmatch(text) or int(text) > MAX_TICK:
        raise UnknownRevision(text)
    return int(text)
