"""Ableton Link: one tempo, beat and bar with other programs on the network.

The protocol is that of LinkPython-extern, an optional extra: Link is licensed GPL-2 or later,
so Sideman never brings it along. Peers share the tempo and the place in the bar; which bar it
is, is each one's own.
"""

from __future__ import annotations

import importlib
from collections import deque
from typing import Any

from sideman.errors import MissingExtra
from sideman.live.steering import steer
from sideman.live.timeline import Timeline
from sideman.score.types import TPQ

MICROSECONDS = 1e6

KEPT_OFFSETS = 64
"""Readings of the two clocks, of which the best counts: the one least held up in between."""

GLIDE = TPQ
"""Ticks in which a difference is made good; `follow` is called more often than once in them."""


def open_link(tempo_bpm: float) -> Any:  # noqa: ANN401 - the package has no types
    """Join the session on the network, or begin one at a tempo until others are found.

    Raises:
        MissingExtra: If LinkPython-extern is not installed.
    """
    try:
        link = importlib.import_module("link")
    except ImportError as error:
        msg = 'LinkPython-extern, for Ableton Link, is missing; pip install "sideman[link]"'
        raise MissingExtra(msg) from error
    session = link.Link(tempo_bpm)
    session.startStopSyncEnabled = True
    session.enabled = True
    return session


class LinkFollower:
    """Keeps a timeline with a Link session."""

    def __init__(self, timeline: Timeline, session: Any) -> None:  # noqa: ANN401
        """Follow a session that `open_link` gave."""
        self._timeline = timeline
        self._session = session
        self._offsets_s: deque[float] = deque(maxlen=KEPT_OFFSETS)

    @property
    def n_peers(self) -> int:
        """Others in the session."""
        return int(self._session.numPeers())

    @property
    def tempo_bpm(self) -> float:
        """Quarter notes per minute of the session."""
        return float(self._session.captureAppSessionState().tempo())

    @property
    def is_running(self) -> bool:
        """Whether somebody who shares start and stop has started."""
        return bool(self._session.captureAppSessionState().isPlaying())

    def follow(self, now_s: float) -> None:
        """Steer the timeline; `now_s` is the session's clock read just before."""
        at_us = self._link_us(now_s)
        state = self._session.captureAppSessionState()
        bar = self._timeline.bar_of(self._timeline.ticks_at(now_s))
        bar_ticks = self._timeline.bar_ticks(bar)
        theirs = state.phaseAtTime(at_us, bar_ticks / TPQ) * TPQ
        off = theirs - (self._timeline.ticks_at(now_s) - self._timeline.bar_start(bar))
        off -= round(off / bar_ticks) * bar_ticks
        steer(self._timeline, now_s, state.tempo(), off=off, glide=GLIDE)

    def set_tempo(self, now_s: float, tempo_bpm: float) -> None:
        """Ask the session for another tempo, which `follow` then brings to the timeline."""
        state = self._session.captureAppSessionState()
        state.setTempo(tempo_bpm, self._link_us(now_s))
        self._session.commitAppSessionState(state)

    def close(self) -> None:
        """Leave the session."""
        self._session.enabled = False

    def _link_us(self, now_s: float) -> int:
        """Return a second of our clock in microseconds of Link's."""
        self._offsets_s.append(self._session.clock().micros() / MICROSECONDS - now_s)
        return round((now_s + min(self._offsets_s)) * MICROSECONDS)
