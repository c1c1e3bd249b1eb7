"""Opens the port that somebody wants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sideman.errors import LiveError, MissingExtra
from sideman.live.ports.interface import Clock, MidiPort, PortWish
from sideman.live.ports.jack import JackPort
from sideman.live.ports.osc import OscPort
from sideman.live.ports.rtmidi import RtmidiPort

BACKENDS: dict[str, Callable[[PortWish, Clock], MidiPort]] = {
    "jack": JackPort,
    "rtmidi": RtmidiPort,
    "osc": OscPort,
}


def open_port(wish: PortWish, clock: Clock) -> MidiPort:
    """Open a port; what it is to be connected with may come later.

    Raises:
        MissingExtra: If the package it needs is not installed.
        LiveError: If there is no such backend, or it does not work here.
    """
    if wish.backend == "auto":
        try:
            return JackPort(wish, clock)
        except (LiveError, MissingExtra):
            return open_port(replace(wish, backend="rtmidi"), clock)
    make = BACKENDS.get(wish.backend)
    if make is None:
        msg = (
            f"there is no MIDI backend {wish.backend!r}; there are: auto, {', '.join(BACKENDS)}"
        )
        raise LiveError(msg)
    return make(wish, clock)
