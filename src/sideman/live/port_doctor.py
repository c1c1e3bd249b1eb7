"""What live play finds on this machine, how fast it is, and what to change."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata

from sideman.errors import LiveError, MissingExtra
from sideman.live.inout import InOutConfig, raise_priority, session_clock
from sideman.live.messages import ControlChange
from sideman.live.ports.interface import Clock, MidiPort, PortWish
from sideman.live.ports.jack import look_at_server
from sideman.live.ports.opening import open_port
from sideman.live.ports.rtmidi import list_rtmidi
from sideman.live.scheduler import Lateness

NAME_WIDTH = 16
"""The longest name and a space: what is found stands in one column."""

PACKAGES = (
    ("JACK-Client", "ports that send at the exact frame"),
    ("python-rtmidi" if sys.version_info < (3, 13) else "rtmidi2", "ports of every system"),
    ("python-osc", "settings and notes by OSC"),
)
"""Distributions, and what each is for."""

QUICK_PERIOD_S = 0.006
"""256 frames at 48 kHz: shorter ones gain little and cost periods that are missed."""

LOOP_NAME = "sideman-hears"
"""The port that a loop is measured to."""

PROBES = 100
"""Messages that are sent to measure a loop."""

PROBE_S = 0.007
"""From one to the next: no multiple of a usual period, so that they fall everywhere in it."""

PATIENCE_S = 1.0
"""A probe that has not come by then is lost."""

RTPRIO_REMEDY = (
    "put '@audio - rtprio 95' into /etc/security/limits.d/audio.conf, "
    "join the group audio, and log in again"
)


LOSS_REMEDY = "messages get lost: take a longer period, or allow real-time priority"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked for.

    Attributes:
        name: What was looked for.
        found: What was found, or None.
        remedy: What to do to have it, or to have it better; empty if nothing.

    Example:
        >>> Finding("JACK server", "48000 Hz, period 21.3 ms", "shorten the period").line()
        'JACK server     48000 Hz, period 21.3 ms; shorten the period'
        >>> Finding("python-osc", None, 'pip install "sideman[live]"').line()
        'python-osc      missing: pip install "sideman[live]"'
    """

    name: str
    found: str | None
    remedy: str = ""

    def line(self) -> str:
        """Return the finding as one line of text."""
        if self.found is None:
            return f"{self.name:<{NAME_WIDTH}}missing: {self.remedy}"
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{self.name:<{NAME_WIDTH}}{self.found}{remedy}"


def examine_ports(clock: Clock = session_clock) -> list[Finding]:
    """Look at packages, servers, ports and priority, and measure a loop; takes seconds."""
    return [
        *_packages(),
        _jack_server(),
        _rtmidi_ports(),
        _priority(),
        *(_loop(backend, clock) for backend in ("jack", "rtmidi")),
    ]


def measure_loop(sender: MidiPort, receiver: MidiPort, clock: Clock) -> Lateness:
    """Return how late messages are that go from one port to another.

    Args:
        sender: What is sent here must come in at `receiver`; a cable may lie between them.
        receiver: Where it is waited for.
        clock: The clock of both.

    Returns:
        From sending to being able to read, of those that came of `PROBES`.
    """
    receiver.read()
    latency = Lateness()
    for number in range(PROBES):
        probe = ControlChange(15, 119, number)  # a number that MIDI leaves undefined
        sent_s = clock()
        sender.send(probe, sent_s)
        while clock() - sent_s < PATIENCE_S:
            receiver.waitable.poll(PATIENCE_S)
            came_s = clock()
            if any(timed.message == probe for timed in receiver.read()):
                latency.add(came_s - sent_s)
                break
        time.sleep(PROBE_S)
    return latency


def _packages() -> Iterator[Finding]:
    for name, purpose in PACKAGES:
        found = None
        with contextlib.suppress(metadata.PackageNotFoundError):
            found = f"{metadata.version(name)}, {purpose}"
        yield Finding(name, found, "" if found else f'pip install "sideman[live]" ({purpose})')


def _jack_server() -> Finding:
    try:
        server = look_at_server()
    except (LiveError, MissingExtra) as error:
        return Finding("JACK server", None, str(error))
    period_s = server.n_frames / server.rate_hz
    is_slow = period_s > QUICK_PERIOD_S
    return Finding(
        "JACK server",
        f"period {server.n_frames} frames = {1000 * period_s:.1f} ms; "
        f"to hear {_listed(server.sources)}; to play to {_listed(server.sinks)}",
        "256 frames answer sooner (jackd -p 256; PipeWire's quantum)" if is_slow else "",
    )


def _rtmidi_ports() -> Finding:
    try:
        sources, sinks = list_rtmidi()
    except (LiveError, MissingExtra) as error:
        return Finding("RtMidi ports", None, str(error))
    return Finding("RtMidi ports", f"to hear {_listed(sources)}; to play to {_listed(sinks)}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "nothing"


def _priority() -> Finding:
    """Try it, in a thread that ends with the try: priority belongs to a thread."""
    with ThreadPoolExecutor(1) as pool:
        reason = pool.submit(raise_priority, InOutConfig().priority).result()
    if not reason:
        return Finding("priority", "real time is allowed")
    return Finding("priority", reason, RTPRIO_REMEDY if sys.platform == "linux" else "")


def _loop(backend: str, clock: Clock) -> Finding:
    """Measure from a port of ours to another through the system."""
    name = f"{backend} loop"
    with contextlib.ExitStack() as stack:
        try:
            receiver = open_port(PortWish(backend, LOOP_NAME), clock)
            stack.callback(receiver.close)
            sender = open_port(
                PortWish(backend, "sideman-sends", sink=f"{LOOP_NAME}:in"), clock
            )
            stack.callback(sender.close)
        except (LiveError, MissingExtra) as error:
            return Finding(name, None, str(error))
        latency = measure_loop(sender, receiver, clock)
    p50_ms, p99_ms = (1000 * latency.quantile(share) for share in (0.5, 0.99))
    return Finding(
        name,
        f"p50 {p50_ms:.1f} ms, p99 {p99_ms:.1f} ms, {latency.n} of {PROBES} came back",
        LOSS_REMEDY if latency.n < PROBES else "",
    )
