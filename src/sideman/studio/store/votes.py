"""Pairs and votes, as they are stored and found again."""

from collections.abc import Iterator, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import defer

from sideman.studio.store.database import Database
from sideman.studio.store.problems import UnknownPair
from sideman.studio.store.tables import PairRow, VoteRow, is_id, now

BATCH = 100
"""Pairs that are read at a time when all are."""

Judged = tuple[PairRow, VoteRow]
"""A pair and what was said about it."""


class Votes:
    """What was shown, and what was said about it."""

    def __init__(self, database: Database) -> None:
        """Keep pairs and votes in a database."""
        self._database = database

    def add(self, pair: PairRow) -> PairRow:
        """Store a pair that is about to be shown."""
        with self._database.writing() as session:
            session.add(pair)
            return pair

    def repeatable(self, listener: str, *, spared: int, answers: Sequence[str]) -> list[str]:
        """Return the pairs that somebody may be shown again, the oldest first.

        Args:
            listener: Who.
            spared: How many of their latest pairs are not among them.
            answers: What must have been said.
        """
        with self._database.reading() as session:
            theirs = select(PairRow.id).where(PairRow.listener == listener)
            seen = session.scalars(theirs.order_by(PairRow.created, PairRow.id)).all()
            is_repeat = PairRow.listener == listener, PairRow.repeats.is_not(None)
            repeats = select(PairRow.id, PairRow.repeats).where(*is_repeat)
            used = {pair for row in session.execute(repeats) for pair in row}
            said = select(VoteRow.pair).join(PairRow, PairRow.id == VoteRow.pair)
            judged = set(
                session.scalars(
                    said.where(PairRow.listener == listener, VoteRow.answer.in_(answers))
                )
            )
        early = seen[: max(len(seen) - spared, 0)]
        return [pair for pair in early if pair in judged and pair not in used]

    def get(self, pair: str) -> PairRow:
        """Return a pair.

        Raises:
            Unknown: If there is none of this id.
        """
        with self._database.reading() as session:
            row = session.get(PairRow, pair) if is_id(pair) else None
        if row is None:
            raise UnknownPair(pair)
        return row

    def vote(self, pair: str, answer: str, seconds: float) -> None:
        """Store what was said about a pair, in place of what was said before.

        Raises:
            Unknown: If there is none of this id.
        """
        with self._database.writing() as session:
            # Of two votes at once the second waits here.
            row = session.get(PairRow, pair, with_for_update=True) if is_id(pair) else None
            if row is None:
                raise UnknownPair(pair)
            session.merge(VoteRow(pair=pair, answer=answer, seconds=seconds, created=now()))

    def count(self) -> int:
        """Return how many votes there are."""
        with self._database.reading() as session:
            return session.scalar(select(func.count()).select_from(VoteRow)) or 0

    def judged(self) -> list[Judged]:
        """Return all pairs that have a vote, in the order shown, without their music."""
        with self._database.reading() as session:
            without = (defer(PairRow.prompt), defer(PairRow.left), defer(PairRow.right))
            return [(pair, vote) for pair, vote in session.execute(_JUDGED.options(*without))]

    def judged_with_music(self) -> Iterator[Judged]:
        """Yield all pairs that have a vote, in the order shown."""
        with self._database.reading() as session:
            rows = session.execute(_JUDGED.execution_options(yield_per=BATCH))
            yield from ((pair, vote) for pair, vote in rows)


_JUDGED = (
    select(PairRow, VoteRow)
    .join(VoteRow, VoteRow.pair == PairRow.id)
    .order_by(PairRow.created, PairRow.id)
)
