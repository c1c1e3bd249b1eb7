"""Recordings of what is played on pages: session files, as `sideman live --record` writes them.

They are written while somebody plays, so that neither a lost connection nor a killed studio
loses what was played. Each has a name that is ours and that nobody guesses; who knows it may
make a piece of the recording. Only so many are kept.
"""

import re
import secrets
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from threading import Lock

import numpy as np

from sideman.bundle import Bundle
from sideman.errors import LiveError
from sideman.live.inout import Heard, Sent
from sideman.live.messages import Message, NoteOn
from sideman.live.preset import Preset
from sideman.live.recorder import Recorder
from sideman.live.recording import SUFFIX, SessionFile, Sounded
from sideman.live.recording import Heard as HeardRecord
from sideman.live.transcript import to_score, voices_of
from sideman.live.voices import Voice
from sideman.live.workers import Event
from sideman.score.edit import slice_bars
from sideman.score.time import SECONDS_PER_MINUTE, bar_starts
from sideman.score.types import Score
from sideman.studio.limits import LimitReached, Limits
from sideman.studio.store.problems import Unknown

ID_BYTES = 16
"""Random bytes of an id: knowing it is all that is needed to take the music."""

_ID = re.compile(f"[0-9a-f]{{{2 * ID_BYTES}}}")

CHECK_BYTES_EVERY = 1000
"""Events after which it is looked how large a file has become."""


class UnknownRecording(Unknown):
    """There is no such recording any more."""

    def __init__(self, key: object) -> None:
        super().__init__("recording", key)


class Recording:
    """What is being played, as it is written down; used by one thread.

    Args:
        path: The file.
        preset: What the session begins with.
        bundle: The model that plays.
        begin_s: Second of tick 0 on the session's clock.
        limits: How much is written down; what comes after that is not.

    Attributes:
        id: Its name.
        n_notes: Notes so far.
        end: Why it does not go on; empty while it does.
        is_closed: Whether nothing will be written any more.

    Raises:
        LiveError: If it cannot be written.
    """

    def __init__(
        self, path: Path, preset: Preset, bundle: Bundle, begin_s: float, *, limits: Limits
    ) -> None:
        self.id = path.stem
        self.n_notes = 0
        self.end = ""
        self.is_closed = False
        self._path = path
        self._limits = limits
        self._recorder = Recorder(path, preset, bundle, begin_s)
        self._channels = _channels(preset.voices)
        self._first_s: float | None = None
        self._last_s = 0.0
        self._n_events = 0

    @property
    def seconds(self) -> float:
        """From the first note to the last."""
        return 0.0 if self._first_s is None else max(self._last_s - self._first_s, 0.0)

    def take(self, event: Event) -> None:
        """Write down what a process of the session tells, while there is room."""
        if self.end:
            return
        try:
            self._recorder.take(event)
        except LiveError as error:
            self.end = str(error)
            return
        self._count(event)
        self.end = self._full()

    def close(self) -> None:
        """Close the file; where nothing was played, none is left."""
        self._recorder.close()
        if not self.n_notes:
            self._path.unlink(missing_ok=True)
        self.is_closed = True

    def _count(self, event: Event) -> None:
        if not isinstance(event, Heard | Sent):
            return
        for timed in event.messages:
            channels = None if isinstance(event, Heard) else self._channels
            if _is_played(timed.message, channels):
                self.n_notes += 1
                self._first_s = timed.time_s if self._first_s is None else self._first_s
                self._last_s = timed.time_s

    def _full(self) -> str:
        """Return why there is no room, if there is none."""
        limits = self._limits
        self._n_events += 1
        if self.seconds > limits.play_minutes * SECONDS_PER_MINUTE:
            return f"{limits.play_minutes:g} minutes are recorded, the most that is kept"
        if self.n_notes >= limits.notes:
            return f"{limits.notes:,} notes are recorded, the most that a piece may have"
        return "" if self._n_events % CHECK_BYTES_EVERY else self._too_large()

    def _too_large(self) -> str:
        try:
            n_bytes = self._path.stat().st_size
        except OSError:
            return "the recording was deleted"
        is_full = n_bytes > self._limits.recording_bytes
        return "the recording is as large as it may be" if is_full else ""


class Recordings:
    """The recordings of a studio, in a folder of their own."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        """Keep them in `folder`, which is made when it is needed."""
        self._folder = folder
        self._limits = limits
        self._going_on: list[Recording] = []
        self._lock = Lock()

    def begin(self, preset: Preset, bundle: Bundle, begin_s: float) -> Recording:
        """Begin a recording; those without notes make room for it, then the oldest.

        Raises:
            LiveError: If it cannot be written.
        """
        with self._lock:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._make_room()
            except OSError as error:
                msg = f"cannot record in '{self._folder}': {error.strerror}"
                raise LiveError(msg) from error
            path = self._folder / f"{secrets.token_hex(ID_BYTES)}{SUFFIX}"
            recording = Recording(path, preset, bundle, begin_s, limits=self._limits)
            self._going_on.append(recording)
        return recording

    def path(self, id: str) -> Path:
        """Return the file of a recording.

        Raises:
            UnknownRecording: If there is none of that name.
        """
        path = self._folder / f"{id}{SUFFIX}"
        if not _ID.fullmatch(id) or not path.is_file():
            raise UnknownRecording(id)
        return path

    def name(self, id: str) -> str:
        """Return what a piece that is made of a recording is called.

        Raises:
            UnknownRecording: If there is none of that name.
            LiveError: If it cannot be read.
        """
        began = datetime.fromisoformat(SessionFile(self.path(id)).header.began)
        return f"Played {began:%Y-%m-%d %H:%M}"

    def score(self, id: str) -> Score:
        """Return the music of a recording, a part for each voice.

        It begins with the bar in which something is played first; if there are more bars than
        a piece may have, these are the last.

        Raises:
            UnknownRecording: If there is none of that name.
            LimitReached: If nothing was played.
            LiveError: If it cannot be read.
        """
        session = SessionFile(self.path(id))
        score = to_score(session.header, session)
        if not len(score.notes):
            msg = "nothing is recorded yet; play something first"
            raise LimitReached(msg, code="nothing_played")
        starts = bar_starts(score)
        first = int(np.searchsorted(starts, score.notes["onset"].min(), side="right")) - 1
        end = len(starts) - 1
        return slice_bars(score, max(first, end - self._limits.bars), end)

    def remove(self, id: str) -> None:
        """Forget a recording.

        Raises:
            UnknownRecording: If there is none of that name.
        """
        self.path(id).unlink(missing_ok=True)

    def _make_room(self) -> None:
        self._going_on = [each for each in self._going_on if not each.is_closed]
        going_on = {each.id for each in self._going_on}
        files = list(self._folder.glob(f"*{SUFFIX}"))
        n_over = len(files) + 1 - self._limits.recordings
        if n_over > 0:
            ended = [path for path in files if path.stem not in going_on]
            for path in sorted(ended, key=_worth)[:n_over]:
                path.unlink(missing_ok=True)


def _worth(path: Path) -> tuple[bool, float]:
    """Return whether there is music in a file, and when it ended: what is least goes first.

    Where a studio was killed before anybody played, there is none.
    """
    try:
        session = SessionFile(path)
        channels = _channels(voices_of(session.header))
        has_notes = any(
            _is_played(record.message, None if isinstance(record, HeardRecord) else channels)
            for record in session
            if isinstance(record, HeardRecord | Sounded)
        )
        return has_notes, path.stat().st_mtime
    except (LiveError, OSError):  # nothing can be had of it, or it is gone
        return False, 0.0


def _channels(voices: Iterable[Voice]) -> set[int | None]:
    """Return where voices play; clicks of a metronome are nobody's."""
    return {voice.channel for voice in voices if not voice.is_input}


def _is_played(message: Message, channels: set[int | None] | None) -> bool:
    """Return whether a message begins a note on one of some channels; None: on any."""
    return isinstance(message, NoteOn) and (channels is None or message.channel in channels)
