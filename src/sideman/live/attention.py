"""What the model is told: which of the notes that were played, and what beside them."""

from collections.abc import Sequence
from dataclasses import replace

from sideman.live.frame import Frame, bars_of, lagging_bar, with_chart, with_found_chords
from sideman.live.memory import Memory, PlayedNote
from sideman.live.settings import Settings
from sideman.live.timeline import Timeline
from sideman.live.voices import Voice
from sideman.tokens.vocabulary import N_DENSITIES, UNSPECIFIED

BARS_AHEAD = 2
"""Bars behind the one that is played which the model is told of; later ones are the same."""


class Attention:
    """Tells, again and again, what the model is to know.

    What it is told begins with whole bars, and the first of them moves rarely, as each move
    costs a run of all the rest. A memory shorter than a bar is cut to the tick, but only when
    there is something new, as that has the plan written anew anyway.
    """

    def __init__(self) -> None:
        """Begin a session."""
        self._first_bar: int | None = None
        self._begin = 0.0

    def begin_anew(self) -> None:
        """Forget where it began: time has jumped, or the memory is another."""
        self._first_bar = None

    def attend(
        self,
        memory: Memory,
        timeline: Timeline,
        settings: Settings,
        voices: Sequence[Voice],
        *,
        now: int,
        hears_from: int,
        is_news: bool,
    ) -> tuple[list[PlayedNote], Frame]:
        """Return the notes that are heard, and the frame around them.

        Args:
            memory: All that was played.
            timeline: Where the bar lines are.
            settings: How far back is remembered, and what is set of the harmony.
            voices: Who plays.
            now: The tick that sounds.
            hears_from: First tick from which the machine's own notes are heard though it does
                not hear itself: what it is playing now it must know.
            is_news: Whether the human has played since.
        """
        now_bar = timeline.bar_of(now)
        length = settings.memory.ticks(timeline, now)
        is_cut = length < timeline.bar_ticks(now_bar)
        if is_news or self._first_bar is None or not is_cut:
            self._begin = now - length
        remembered = memory.notes_since(self._begin)
        wanted = timeline.bar_of(remembered[0].onset) if remembered else now_bar
        self._first_bar = lagging_bar(self._first_bar, min(wanted, now_bar), now_bar)
        if not is_cut:
            remembered = memory.notes_since(timeline.bar_start(self._first_bar))
        notes = [
            note
            for note in remembered
            if note.is_human or settings.hears_itself or note.onset >= hears_from
        ]
        return notes, self._frame(notes, timeline, settings, voices, now_bar)

    def _frame(
        self,
        notes: Sequence[PlayedNote],
        timeline: Timeline,
        settings: Settings,
        voices: Sequence[Voice],
        now_bar: int,
    ) -> Frame:
        assert self._first_bar is not None
        density = min(settings.density, N_DENSITIES - 1) or None
        parts = tuple(
            v.part if v.is_input or not density else replace(v.part, density=density)
            for v in voices
        )
        frame = Frame(
            parts=parts,
            bars=bars_of(timeline, self._first_bar, now_bar + 1 + BARS_AHEAD),
            first_bar=self._first_bar,
            onset=timeline.bar_start(self._first_bar),
            key=settings.scale.key if settings.scale else UNSPECIFIED,
        )
        if settings.chart:
            return with_chart(frame, settings.chart)
        return with_found_chords(frame, notes) if settings.chords == "found" else frame
