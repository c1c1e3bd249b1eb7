"""The programme: the machine's turns, one after the other, and what has been said of them."""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from math import inf

from sideman.live.planner import PlannedNote
from sideman.live.turns import Piece, Span, Turn, begin_of, moved

SAID_NOTES = 4096
"""Own notes that are kept, to be played again: 16 bars, the longest loop, of 256 notes."""


class Programme:
    """What the machine is to play, and what it was to play lately.

    Attributes:
        turn: The turn that has begun; None if none has, or it is over.
        queued: Turns that follow, in order.
        pieces: What is not yet played of all these turns, in playing order.
        said: Notes that were planned and are so no more: ordered, or left out.
        last_turn: The turn that began last.
        last_onset: Latest onset of the notes that were said.
    """

    def __init__(self) -> None:
        """Begin with nothing to play."""
        self.turn: Turn | None = None
        self.queued: list[Turn] = []
        self.pieces: list[Piece] = []
        self.said: deque[PlannedNote] = deque(maxlen=SAID_NOTES)
        self.last_turn: Turn | None = None
        self.last_onset: float = -inf

    @property
    def turns(self) -> list[Turn]:
        """The turn that has begun and those that follow."""
        return [*([self.turn] if self.turn else []), *self.queued]

    def turn_of(self, tick: int) -> Turn | None:
        """Return the turn that a tick lies in."""
        return next((turn for turn in self.turns if turn.begin <= tick < turn.end), None)

    def queue(self, turn: Turn) -> None:
        """Let a turn follow."""
        self.queued.append(turn)
        self.pieces += turn.pieces

    def pass_over(self, turn: Turn) -> None:
        """Let a turn follow, but in silence; what was given of it counts as said."""
        self.said.extend(piece for piece in turn.pieces if isinstance(piece, PlannedNote))
        self.queued.append(replace(turn, pieces=()))

    def unqueue(self) -> int | None:
        """Take back the turns that have not begun; return where the first would."""
        if not self.queued:
            return None
        begin = self.queued[0].begin
        self.queued.clear()
        self.pieces = [piece for piece in self.pieces if begin_of(piece) < begin]
        return begin

    def stop(self) -> None:
        """Take everything back."""
        self.turn = None
        self.queued.clear()
        self.pieces.clear()

    def forget(self) -> None:
        """Take everything back, and forget what was said."""
        self.stop()
        self.said.clear()
        self.last_turn = None
        self.last_onset = -inf

    def advance(self, now: int, fixed: int) -> bool:
        """Let turns end and begin; return whether one has begun.

        Args:
            now: The tick that sounds.
            fixed: First tick that is not fixed yet; what begins before has begun.
        """
        has_begun = False
        while self.queued and self.queued[0].begin <= fixed:
            self.turn = self.last_turn = self.queued.pop(0)
            has_begun = True
        if self.turn and now >= self.turn.end:
            self.turn = None
        return has_begun

    def leave_out_past(self, now: int, is_lost: Callable[[PlannedNote], bool]) -> int:
        """Leave out what should have been written by now; return how many notes were lost."""
        lost = [p for p in self.pieces if isinstance(p, PlannedNote) and is_lost(p)]
        self.said.extend(lost)
        self.pieces = [
            piece
            for piece in self.pieces
            if (piece.end > now if isinstance(piece, Span) else piece not in lost)
        ]
        return len(lost)

    def take(self, notes: Sequence[PlannedNote]) -> None:
        """Take notes, in order, as said: they are ordered, or never will be."""
        ids = {note.id for note in notes}
        self.said.extend(notes)
        self.last_onset = max(self.last_onset, notes[-1].onset)
        self.pieces = [p for p in self.pieces if isinstance(p, Span) or p.id not in ids]

    def give(self, span: Span, notes: Sequence[PlannedNote], until: int) -> None:
        """Give the beginning of a span, up to a tick, rather than have it written."""
        rest = [replace(span, begin=until, begin_by=None)] if until < span.end else []
        index = self.pieces.index(span)
        self.pieces[index : index + 1] = [*notes, *rest]

    def first_unsaid(
        self, planned: Collection[int], is_written: Callable[[Span], bool]
    ) -> Piece | None:
        """Return the first piece that is not written to its end.

        Args:
            planned: Numbers of the notes that are planned.
            is_written: Whether a span is written to its end.
        """
        for piece in self.pieces:
            is_said = is_written(piece) if isinstance(piece, Span) else piece.id in planned
            if not is_said:
                return piece
        return None

    def said_in(self, turn: Turn) -> list[PlannedNote]:
        """Return the notes that were said in a turn."""
        return [note for note in self.said if turn.begin <= note.onset < turn.end]

    def shift(self, ticks: int) -> None:
        """Take that time has jumped: what was said lies elsewhere."""
        said = [moved(note, ticks) for note in self.said]
        self.said.clear()
        self.said.extend(said)
        self.last_onset += ticks
        self.last_turn = None
