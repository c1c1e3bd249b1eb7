"""Following note by note: which notes of the machine go with which of the human."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from sideman.live.memory import PlayedNote


@dataclass(slots=True)
class Followed:
    """A note of the human and what goes with it.

    Attributes:
        note: The human's note, as it is known by now.
        voices: Voices that are still to follow it.
        planned: Numbers of the notes that are written and not ordered yet.
        sounding: Notes that sound with it.
    """

    note: PlayedNote
    voices: list[int]
    planned: set[int] = field(default_factory=set)
    sounding: list[PlayedNote] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether the human let it go and nothing is to follow any more."""
        return self.note.end_s is not None and not self.voices and not self.planned


class Following:
    """The human's notes that are followed, in the order in which they came."""

    def __init__(self) -> None:
        """Follow nothing."""
        self._followed: dict[int, Followed] = {}

    def begin(self, note: PlayedNote, voices: Sequence[int]) -> None:
        """Let voices follow a note."""
        self._followed[note.id] = Followed(note, list(voices))

    def end(self, note: PlayedNote) -> list[PlayedNote]:
        """Take that a note was let go; return the notes that sound with it."""
        followed = self._followed.get(note.id)
        if followed is None:
            return []
        followed.note, sounding = note, followed.sounding
        followed.sounding = []
        self._forget_over()
        return sounding

    def next(self) -> Followed | None:
        """Return the first note that a voice is still to follow."""
        return next((f for f in self._followed.values() if f.voices), None)

    def take(self, number: int) -> Followed | None:
        """Return what a planned note goes with, as it is ordered or left out; None: nothing."""
        for followed in self._followed.values():
            if number in followed.planned:
                followed.planned.remove(number)
                self._forget_over()
                return followed
        return None

    def forget_dropped(self, planned: Collection[int]) -> None:
        """Forget the notes that are not planned any more, though nobody took them."""
        for followed in self._followed.values():
            followed.planned.intersection_update(planned)
        self._forget_over()

    def stop(self) -> list[PlayedNote]:
        """Forget all; return the notes that sound."""
        sounding = [note for f in self._followed.values() for note in f.sounding]
        self._followed.clear()
        return sounding

    def _forget_over(self) -> None:
        for number in [n for n, followed in self._followed.items() if followed.is_over]:
            del self._followed[number]
