"""Writing a session down, by who has started its processes: the file outlives them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from sideman.bundle import Bundle
from sideman.live.inout import Heard, Sent
from sideman.live.messages import Timed
from sideman.live.news import News
from sideman.live.preset import Preset
from sideman.live.recording import Header, Record, SessionWriter, Sounded
from sideman.live.recording import Heard as HeardRecord
from sideman.live.settings import settings_texts
from sideman.live.voices import voice_text
from sideman.live.workers import Event


class Recorder:
    """Writes what the processes of a session tell into a session file.

    The improviser's records come with its news, if it is told to keep them
    (`EngineConfig.keeps_records`).

    Args:
        path: The file.
        preset: What the session begins with.
        bundle: The model that plays.
        begin_s: Second of tick 0 on the session's clock.
        force: Replace a file that is already there.

    Raises:
        OutputExists: If the file exists and `force` is not set.
        LiveError: If it cannot be written, here and in `take`.
    """

    def __init__(
        self, path: Path, preset: Preset, bundle: Bundle, begin_s: float, *, force: bool = False
    ) -> None:
        header = Header(
            bundle=bundle.name,
            bundle_hash=bundle.hash,
            voices=tuple(map(voice_text, preset.voices)),
            settings=settings_texts(preset.settings),
            begin_s=begin_s,
            began=datetime.now().astimezone().isoformat(timespec="seconds"),
        )
        self._writer = SessionWriter(path, header, force=force)

    def take(self, event: Event) -> None:
        """Write down what a process tells, as far as it belongs to the session."""
        for record in _records(event):
            self._writer.write(record)

    def close(self) -> None:
        """Close the file."""
        self._writer.close()


def _records(event: Event) -> Iterator[Record]:
    match event:
        case News(records=records):
            yield from records
        case Heard(messages):
            for timed in messages:
                yield HeardRecord(timed.time_s, timed.message)
        case Sent(messages, at_s):
            for timed in messages:
                yield _sounded(timed, at_s)


def _sounded(timed: Timed, at_s: float) -> Sounded:
    sent_s = max(at_s, timed.time_s)  # a port that is exact is given it before its time
    return Sounded(sent_s, timed.message, sent_s - timed.time_s)
