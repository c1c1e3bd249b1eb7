"""What keeps time beside the improviser: a metronome, a clock for others, a beat that is found.

Pure: it says what is to be sent when, and steers the timeline, whenever it is asked.
"""

from collections.abc import Iterator

from sideman.live.beat_follower import BeatFollower
from sideman.live.clock_sender import ClockSender
from sideman.live.link import LinkFollower, open_link
from sideman.live.messages import NoteOn, Stop, Timed
from sideman.live.metronome import CLICK_S, Metronome
from sideman.live.orders import Play
from sideman.live.settings import Settings
from sideman.live.timeline import Timeline

AHEAD_S = 0.25
"""How much before their time clicks and clocks are ordered: longer than any thought takes."""


class Timekeeper:
    """Does what the settings `metronome`, `clock_out` and `sync` say, as long as they say it.

    Args:
        timeline: Which tick sounds when.
    """

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._metronome: Metronome | None = None
        self._sender: ClockSender | None = None
        self._sync = "set"
        self._beats: BeatFollower | None = None
        self._link: LinkFollower | None = None
        self._tempo_bpm = 0.0  # that the session of Link was told
        self._n_clicks = 0

    def hear(self, time_s: float, note: NoteOn) -> None:
        """Take a note of the human's."""
        if self._beats:
            self._beats.hear(time_s, note.pitch, note.velocity)

    def keep(self, settings: Settings, now_s: float) -> list[Play | Timed]:
        """Steer the timeline, and return clicks as orders and clocks as messages.

        Raises:
            MissingExtra: Once, if Ableton Link is to be followed and is not installed.
        """
        self._follow(settings, now_s)
        return [*self._clicks(settings, now_s), *self._clocks(settings, now_s)]

    def close(self) -> None:
        """Leave others that time is shared with."""
        if self._link:
            self._link.close()

    def _follow(self, settings: Settings, now_s: float) -> None:
        """Let the timeline follow whom it is to follow."""
        if settings.sync != self._sync:
            self._sync = settings.sync
            self.close()
            self._beats = self._link = None
            if self._sync == "tracked":
                self._beats = BeatFollower(self._timeline)
            elif self._sync == "link":
                tempo_bpm = self._timeline.tempo_at(now_s)
                self._link = LinkFollower(self._timeline, open_link(tempo_bpm))
            self._tempo_bpm = settings.tempo
        if self._beats:
            self._beats.follow(now_s)
        elif self._link:
            if settings.tempo != self._tempo_bpm:
                self._tempo_bpm = settings.tempo
                self._link.set_tempo(now_s, settings.tempo)
            self._link.follow(now_s)

    def _clicks(self, settings: Settings, now_s: float) -> Iterator[Play]:
        """Give clicks, under numbers that no note of the improviser has."""
        if not settings.metronome:
            self._metronome = None
            return
        self._metronome = self._metronome or Metronome(self._timeline, now_s)
        for timed in self._metronome.until(now_s + AHEAD_S):
            if isinstance(click := timed.message, NoteOn):
                self._n_clicks += 1
                yield Play(
                    -self._n_clicks,
                    click.channel,
                    click.pitch,
                    click.velocity,
                    timed.time_s,
                    timed.time_s + CLICK_S,
                )

    def _clocks(self, settings: Settings, now_s: float) -> list[Timed]:
        if not settings.clock_out:
            sender, self._sender = self._sender, None
            return [Timed(now_s + AHEAD_S, Stop())] if sender else []
        if self._sender is None:
            self._sender = ClockSender(self._timeline, now_s)
            self._sender.start()
        return self._sender.until(now_s + AHEAD_S)
