"""MIDI clock in: our timeline follows another's clock.

Clocks come 24 to the quarter, so each is one of our ticks, but unevenly: most drivers send them
at the beginning of the next buffer, which at 256 frames and 48 kHz is a jitter of 1.6 ms. A
straight line is fitted to the last of them by least squares, over as many as a straight line
fits: four quarters while the tempo is steady, fewer where it changes.

Start, stop, continue and song position are those of the MIDI 1.0 Detailed Specification
("System Real Time Messages", "Song Position Pointer"): the clock after a start is tick 0.
"""

from dataclasses import dataclass
from math import floor, sqrt

from sideman.live.clock_sender import CLOCKS_PER_SIXTEENTH
from sideman.live.messages import Clock, Continue, SongPosition, Start, Stop, Timed
from sideman.live.steering import steer
from sideman.live.timeline import Timeline
from sideman.score.time import SECONDS_PER_MINUTE
from sideman.score.types import TPQ

MAX_CLOCKS = 4 * TPQ + 1
"""Clocks that a line is fitted to at most: four quarters. At a jitter of 1.6 ms that leaves a
standard error of 0.03 % of the tempo at 120 bpm, where one quarter leaves 0.2 %."""

MIN_CLOCKS = 6
"""Fewer say too little of the tempo."""

MIN_INTERVAL_S = 0.0025
"""Clocks that come faster, at 1000 bpm, came late and all at once."""

SHRINK = 0.8
"""Share of the clocks that is kept, again and again, until a line fits them."""

RECENT_CLOCKS = 6
MAX_BEND = 3.0
"""A line does not fit when the last clocks are off it by more standard errors on average."""

MIN_JITTER_S = 2e-3
MAX_JITTER = 0.25
"""Bounds of the jitter that is reckoned with, the upper one in intervals. That of buffers may
be a slow saw instead of noise, which looks exact for seconds and then jumps by a period."""

SECOND_DIFFERENCE_SD = sqrt(6.0)
"""Standard deviation of x - 2y + z, in those of each. A change of tempo hardly adds to it."""

WHOLE = 0.25
"""How near to a whole number of intervals a late clock must be for the ones before it to be
lost; otherwise the tempo has changed."""

MAX_LOST = TPQ
"""Clocks that may be lost one after the other. After more the other's clock has stood still."""

MAX_GAPS = 4
"""Gaps one after the other: after so many nothing was lost, but the clock is slower."""

GLIDE = TPQ // 3
"""Ticks in which a difference is made good."""


@dataclass(frozen=True, slots=True)
class _Line:
    """When each clock comes: at `at_s` the clock `index`, then one every `interval_s`."""

    index: int
    at_s: float
    interval_s: float

    def seconds_at(self, index: float) -> float:
        return self.at_s + (index - self.index) * self.interval_s


class ClockFollower:
    """Keeps a timeline with a MIDI clock.

    A clock that runs without a start tells the tempo only. While stopped our time goes on at
    the clock's tempo; on a start or continue it jumps to where the song is.

    Attributes:
        is_running: Whether the song runs: since a start or continue, until a stop.
        lost: Clocks that never came and were made up for.
    """

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self.is_running = False
        self.lost = 0
        self._position = 0  # of the next clock, in the song
        self._index = 0  # of the last clock, in all clocks
        self._clocks: list[tuple[int, float]] = []
        self._gaps: list[int] = []
        self._is_even = True  # the last clock came at a whole number of intervals
        self._line: _Line | None = None
        self._must_jump = False

    @property
    def tempo_bpm(self) -> float | None:
        """Quarter notes per minute of the clock; None as long as too few came."""
        line = self._line
        return SECONDS_PER_MINUTE / (line.interval_s * TPQ) if line else None

    def hear(self, timed: Timed) -> None:
        """Take a message; those that are none of a clock's are passed by."""
        time_s = timed.time_s
        match timed.message:
            case Clock():
                self.tick(time_s)
            case Start():
                self.start()
            case Continue():
                self.continue_()
            case Stop():
                self.stop()
            case SongPosition(sixteenths):
                self.song_position(sixteenths)

    def start(self) -> None:
        """Take a start: the next clock is tick 0."""
        self._position = 0
        self.continue_()

    def continue_(self) -> None:
        """Take a continue: the next clock is where the song stands."""
        self.is_running = self._must_jump = True

    def stop(self) -> None:
        """Take a stop: the song stands where it is."""
        self.is_running = False

    def song_position(self, sixteenths: int) -> None:
        """Take a song position: the next clock of the running song is that many sixteenths."""
        self._position = sixteenths * CLOCKS_PER_SIXTEENTH
        self._must_jump = True

    def tick(self, time_s: float) -> None:
        """Take a clock."""
        steps = self._steps_to(time_s)
        self._index += steps
        self._clocks.append((self._index, time_s))
        del self._clocks[:-MAX_CLOCKS]
        self._line = self._fit()
        off = 0.0
        if self.is_running:
            self._position += 1 if self._must_jump else steps
            off = self._behind(time_s)
        if self.tempo_bpm:
            steer(self._timeline, time_s, self.tempo_bpm, off=off, glide=GLIDE)

    def _steps_to(self, time_s: float) -> int:
        """Return which clock came, counted from the last one: 1, or more if some were lost."""
        if not self._clocks or time_s < self._clocks[-1][1]:
            return self._begin_again(keep=0)
        line = self._line
        if line is None:
            return 1
        late = (time_s - line.seconds_at(self._index + 1)) / line.interval_s
        lost = max(floor(late + WHOLE), 0)
        was_even, self._is_even = self._is_even, abs(late - lost) <= WHOLE
        if not lost:
            self._gaps.clear()
            return 1
        if lost > MAX_LOST:
            self._must_jump = True
            return self._begin_again(keep=0)
        return 1 + lost if self._is_loss(lost, was_even=was_even) else self._begin_again(keep=1)

    def _is_loss(self, lost: int, *, was_even: bool) -> bool:
        """Return whether clocks were lost, and not the other's clock has become slower."""
        if not (was_even and self._is_even):
            return False
        if len(self._gaps) == MAX_GAPS - 1:
            taken_back = sum(self._gaps)
            self._position -= taken_back
            self.lost -= taken_back
            return False
        self._gaps.append(lost)
        self.lost += lost
        return True

    def _begin_again(self, *, keep: int) -> int:
        """Forget all clocks but the last `keep`, and return one step."""
        self._clocks = self._clocks[len(self._clocks) - keep :]
        self._gaps.clear()
        self._is_even = True
        self._line = None
        return 1

    def _fit(self) -> _Line | None:
        """Return the line of the clocks, after forgetting those that are not on it."""
        while len(self._clocks) >= MIN_CLOCKS:
            line = _least_squares(self._clocks)
            if line.interval_s < MIN_INTERVAL_S:
                return None
            recent = self._clocks[-RECENT_CLOCKS:]
            bend_s = sum(at_s - line.seconds_at(index) for index, at_s in recent) / len(recent)
            most_s = MAX_BEND * self._jitter_s(line) / sqrt(len(recent))
            if abs(bend_s) <= most_s or len(self._clocks) == MIN_CLOCKS:
                return line
            kept = max(int(SHRINK * len(self._clocks)), MIN_CLOCKS)
            del self._clocks[:-kept]
        return None

    def _jitter_s(self, line: _Line) -> float:
        """Return the standard deviation of clocks from where they should be."""
        clocks = self._clocks
        bends_s = [
            earlier_s - 2 * at_s + later_s
            for (before, earlier_s), (index, at_s), (after, later_s) in zip(
                clocks, clocks[1:], clocks[2:], strict=False
            )
            if before + 1 == index == after - 1
        ]
        mean_square = sum(bend_s**2 for bend_s in bends_s) / max(len(bends_s), 1)
        jitter_s = sqrt(mean_square) / SECOND_DIFFERENCE_SD
        return min(max(jitter_s, MIN_JITTER_S), MAX_JITTER * line.interval_s)

    def _behind(self, time_s: float) -> float:
        """Return by how many ticks the timeline is behind the song.

        After a start, and as long as there is no line, it jumps to each clock as that comes.
        """
        late = (time_s - self._line.at_s) / self._line.interval_s if self._line else 0.0
        ticks = self._position - 1 + late
        if self._must_jump or self._line is None:
            self._must_jump = False
            self._timeline.locate(time_s, ticks)
        return ticks - self._timeline.ticks_at(time_s)


def _least_squares(clocks: list[tuple[int, float]]) -> _Line:
    """Return the straight line with the least squared differences to some clocks."""
    count, (last_index, last_s) = len(clocks), clocks[-1]
    indices = [index - last_index for index, _ in clocks]
    seconds = [at_s - last_s for _, at_s in clocks]  # small: nothing is lost to rounding
    mean_index, mean_s = sum(indices) / count, sum(seconds) / count
    products = sum(i * s for i, s in zip(indices, seconds, strict=True))
    squares = sum(i * i for i in indices)
    covariance = products - count * mean_index * mean_s
    interval_s = covariance / (squares - count * mean_index**2)
    return _Line(last_index, last_s + mean_s - mean_index * interval_s, interval_s)
