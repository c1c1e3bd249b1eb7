"""The process of the ports: whatever happens to others, no note is left hanging."""

import itertools
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from array import array
from typing import Any

import pytest

from sideman.errors import LiveError
from sideman.live.inout import (
    Adopt,
    Beat,
    Heard,
    InOut,
    InOutConfig,
    Leave,
    Panic,
    Peer,
    Report,
    Sent,
    main,
    session_clock,
)
from sideman.live.messages import ControlChange, NoteOff, NoteOn
from sideman.live.orders import Play, Silence
from sideman.live.ports.interface import PortWish, Wish
from sideman.live.ports.osc import OscPort
from sideman.live.ports.virtual import virtual_pair

PATIENCE_S = 20.0
"""How long a test waits for another process; it never says how long one should take."""


SOON_S = 1.0
"""How far ahead a note is ordered that must not be too late on a busy machine."""


class Rig:
    """An `InOut` on a clock we turn, a virtual port, and pipes whose other ends we hold."""

    def __init__(self, **config) -> None:
        self.now_s = 100.0
        self.near, self.far = virtual_pair(self.clock)
        self.refusals = 0
        self.owner, theirs = multiprocessing.Pipe()
        self.inout = InOut(
            Peer(theirs, self.now_s),
            InOutConfig(**config),
            clock=self.clock,
            open_port=self.open_port,
        )

    def clock(self):
        """Return the time we say it is."""
        return self.now_s

    def open_port(self, _wish, _clock):
        """Give the near port, unless it is to be missing for now."""
        if self.refusals:
            self.refusals -= 1
            msg = "not plugged in"
            raise LiveError(msg)
        return self.near

    def adopt(self):
        """Give it a worker, and return our end of the pipe."""
        ours, theirs = multiprocessing.Pipe()
        self.inout._take(self.inout.owner, Adopt(theirs))
        return ours

    def turn(self, after_s=0.0):
        """Let time pass, let it work, and return what was played."""
        self.now_s += after_s
        self.inout.turn()
        return [timed.message for timed in self.far.read()]


@pytest.fixture
def rig():
    """Give a rig that has said hello: every new port is silenced first."""
    rig = Rig()
    assert ControlChange(15, 123, 0) in rig.turn()
    return rig


def received(connection, kind, n=1):
    """Return the first `n` messages of a kind that come out of a pipe."""
    found: list[Any] = []
    while len(found) < n and connection.poll(PATIENCE_S):
        message = connection.recv()
        if isinstance(message, kind):
            found.append(message)
    return found


def test_orders_are_played_at_their_times_and_told(rig):
    """From a worker's order to the port, and back what was sent."""
    worker = rig.adopt()
    worker.send([Play(1, 0, 60, 100, 100.5, 101.0)])
    assert rig.turn() == []
    assert rig.turn(0.5) == [NoteOn(0, 60, 100)]
    assert rig.turn(0.5) == [NoteOff(0, 60)]
    on, off = received(worker, Sent, 2)
    assert (on.at_s, [timed.message for timed in on.messages]) == (100.5, [NoteOn(0, 60, 100)])
    assert (off.at_s, [timed.message for timed in off.messages]) == (101.0, [NoteOff(0, 60)])


def test_what_is_heard_is_told_to_owner_and_worker(rig):
    """The worker answers it; the owner shows it."""
    worker = rig.adopt()
    rig.far.send_bytes(b"\x90\x3c\x40\xfe\x3c\x00")
    rig.turn()
    for peer in (worker, rig.owner):
        (heard,) = received(peer, Heard)
        assert [timed.message for timed in heard.messages] == [
            NoteOn(0, 60, 64),
            NoteOff(0, 60),
        ]


def test_a_burst_of_a_thousand_arrives_whole_and_in_order(rig):
    """Somebody lays both arms on the keyboard."""
    for number in range(1000):
        rig.far.send(NoteOn(number % 16, number % 128, 1), 0.0)
    rig.turn()
    (heard,) = received(rig.owner, Heard)
    assert [timed.message for timed in heard.messages] == [
        NoteOn(number % 16, number % 128, 1) for number in range(1000)
    ]


@pytest.mark.parametrize("how", ["dies", "hangs", "is replaced"])
def test_notes_end_when_the_worker(rig, how):
    """A crash of the model must not be heard as an organ point."""
    worker = rig.adopt()
    worker.send([Play(1, 0, 60, 100, 100.0, None), Play(2, 0, 62, 100, 103.0, None)])
    assert rig.turn() == [NoteOn(0, 60, 100)]
    if how == "dies":
        worker.close()
    replacement = rig.adopt() if how == "is replaced" else None
    assert rig.turn(2.5) == [NoteOff(0, 60)]
    assert rig.turn(2.5) == []
    assert rig.inout.n_lost == 1
    assert (rig.inout.worker is None) == (how == "dies")
    assert replacement is None or not replacement.closed


def test_a_worker_that_says_something_now_and_then_is_alive(rig):
    """It may think for long about an answer to a long held note."""
    worker = rig.adopt()
    worker.send([Play(1, 0, 60, 100, 100.0, None)])
    assert rig.turn() == [NoteOn(0, 60, 100)]
    for _ in range(10):
        worker.send(Beat())
        assert rig.turn(1.5) == []


def test_a_worker_that_speaks_nonsense_is_replaced_and_the_next_one_plays(rig):
    """What a dying process wrote half is no reason to die too."""
    worker = rig.adopt()
    worker.send([Play(1, 0, 60, 100, 100.0, None), Play(2, 77, 60, 100, 100.0, None)])
    assert rig.turn() == [NoteOn(0, 60, 100)]
    assert rig.inout.n_refused == 1
    worker.send_bytes(b"\x80\x05 half a pickle")
    assert rig.turn() == [NoteOff(0, 60)]
    successor = rig.adopt()
    successor.send([Play(3, 0, 64, 100, 100.0, None)])
    assert rig.turn() == [NoteOn(0, 64, 100)]


def test_a_port_that_vanishes_is_waited_for_and_silenced_when_it_returns(rig):
    """Held keys are let go, waiting notes are forgotten, and nothing sounds afterwards."""
    worker = rig.adopt()
    worker.send([Play(1, 0, 60, 100, 100.0, None), Play(2, 0, 62, 100, 105.0, None)])
    rig.far.send(NoteOn(0, 40, 1), 0.0)
    rig.turn()
    rig.near.is_plugged = False
    rig.turn(1.1)
    rig.turn(1.1)
    heard = [timed.message for some in received(worker, Heard, 2) for timed in some.messages]
    assert heard == [NoteOn(0, 40, 1), NoteOff(0, 40)]
    worker.send([Play(3, 0, 64, 100, 102.5, None)])
    rig.turn()
    rig.near.is_plugged = True
    worker.send(Beat())
    messages = rig.turn(1.1)
    assert ControlChange(0, 123, 0) in messages
    assert not any(isinstance(message, NoteOn) for message in messages + rig.turn(5.0))
    troubles = [report.lines[0].trouble for report in received(rig.owner, Report, 5)]
    assert "not connected; waiting for it" in troubles
    assert troubles[-1] == ""


def test_a_port_that_is_not_there_at_first_is_taken_when_it_comes():
    """The keyboard is switched on after the program."""
    rig = Rig()
    rig.refusals = 2
    assert [bool(rig.turn(1.1)) for _ in range(4)] == [False, False, True, False]
    troubles = [report.lines[0].trouble for report in received(rig.owner, Report, 3)]
    assert troubles == ["not plugged in", "not plugged in", ""]


def test_panic_and_silence_come_through_the_pipe(rig):
    """The red button works whoever plays."""
    worker = rig.adopt()
    worker.send([Play(1, 0, 60, 100, 100.0, None)])
    rig.turn()
    worker.send([Silence(100.0), Play(2, 0, 61, 100, 100.0, None)])
    assert rig.turn() == [NoteOff(0, 60), NoteOn(0, 61, 100)]
    rig.owner.send(Panic())
    assert rig.turn()[:2] == [NoteOff(0, 61), ControlChange(0, 64, 0)]


@pytest.mark.parametrize("how", ["asked", "gone"])
def test_it_leaves_with_every_note_ended(rig, how):
    """When asked, and when nobody is left to ask."""
    rig.owner.send([Play(1, 0, 60, 100, 100.0, None)])
    assert rig.turn() == [NoteOn(0, 60, 100)]
    if how == "asked":
        rig.owner.send(Leave())
    else:
        rig.owner.close()
    rig.inout.run()
    assert [timed.message for timed in rig.far.read()] == [NoteOff(0, 60)]


def test_it_waits_no_longer_than_until_the_next_note(rig):
    """On the clock we turn: what it waits for is the note, the port or the pipe."""
    rig.owner.send([Play(1, 0, 60, 100, 100.25, None)])
    rig.turn()
    assert min(rig.inout._moments()) == 100.25
    assert rig.owner not in rig.inout._waitables()
    assert rig.near.waitable in rig.inout._waitables()


# -------------------------------------------------------------- as a process


def free_address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def process():
    """Start the process with an OSC port; give it, our end of the pipe, and who listens."""
    pytest.importorskip("pythonosc")
    here, there = free_address(), free_address()
    listener = OscPort(PortWish("osc", source=here, sink=there), session_clock)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    config = InOutConfig((PortWish("osc", source=there, sink=here),), heartbeat_s=60.0)
    process = context.Process(target=main, args=(theirs, config))
    process.start()
    theirs.close()
    assert received(ours, Report)
    yield process, ours, listener
    process.kill()
    process.join()
    listener.close()


def heard_by(listener, enough):
    messages: list[Any] = []
    until_s = time.monotonic() + PATIENCE_S
    while not enough(messages) and time.monotonic() < until_s:
        listener.waitable.poll(0.1)
        messages += [timed.message for timed in listener.read()]
    return messages


@pytest.mark.slow
@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "Leave", "owner gone"])
def test_the_process_ends_every_note_when_it_is_ended(process, how):
    """Ctrl-C, a session that ends, a program that crashed: silence afterwards."""
    process, ours, listener = process
    soon_s = session_clock() + SOON_S
    ours.send([Play(number, 0, 60 + number, 100, soon_s, None) for number in range(8)])
    assert NoteOn(0, 67, 100) in heard_by(listener, lambda came: NoteOn(0, 67, 100) in came)
    if how.startswith("SIG"):
        os.kill(process.pid, getattr(signal, how))
    elif how == "Leave":
        ours.send(Leave())
    else:
        ours.close()
    offs = {NoteOff(0, 60 + number) for number in range(8)}
    assert offs <= set(heard_by(listener, lambda came: offs <= set(came)))
    process.join(PATIENCE_S)
    assert process.exitcode == 0


@pytest.mark.slow
def test_workers_that_are_killed_leave_no_note_and_the_next_is_adopted(process):
    """The model's process may die at any moment; the ports live on."""
    _, ours, listener = process
    context = multiprocessing.get_context("spawn")
    for _ in range(3):
        near, far = context.Pipe()
        command = (sys.executable, "-c", "import time; time.sleep(60)")
        worker = subprocess.Popen(command, pass_fds=[near.fileno()])
        near.send([Play(1, 0, 60, 100, session_clock() + SOON_S, None)])
        near.close()
        ours.send(Adopt(far))
        assert NoteOn(0, 60, 100) in heard_by(listener, lambda came: NoteOn(0, 60, 100) in came)
        far.close()
        worker.kill()
        worker.wait()
        assert NoteOff(0, 60) in heard_by(listener, lambda came: NoteOff(0, 60) in came)


@pytest.mark.slow
def test_wishes_and_notes_come_in_by_osc(process):
    """One port for the notes and the settings of a tablet."""
    _, ours, listener = process
    listener.send(NoteOn(1, 60, 5), 0.0)
    (heard,) = received(ours, Heard)
    assert heard.messages[0].message == NoteOn(1, 60, 5)
    assert abs(heard.messages[0].time_s - session_clock()) < 60  # one clock for all processes
    from pythonosc.udp_client import SimpleUDPClient

    client = SimpleUDPClient(*listener._sink)
    client.send_message("/sideman/density", 5)
    client._sock.close()
    (wish,) = received(ours, Wish)
    assert (wish.name, wish.text) == ("density", "5")


def test_the_process_imports_neither_numpy_nor_the_engine():
    """It starts fast, stays small, and nothing heavy can hold it up."""
    code = (
        "import sys, sideman.live.inout, sideman.live.ports.jack, sideman.live.ports.osc\n"
        "import jack, rtmidi, pythonosc.osc_packet, pythonosc.osc_message_builder\n"
        "print(*sys.modules)"
    )
    pytest.importorskip("jack")
    pytest.importorskip("rtmidi")
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert "sideman.live.scheduler" in loaded
    heavy = {"numpy", "onnxruntime", "torch", "asyncio", "sideman.engine", "sideman.score"}
    assert not loaded & heavy


# ------------------------------------------------------------- with a synth


def sounding_windows(raw):
    """Return which quarter seconds of 16-bit stereo at 48 kHz are louder than a whisper."""
    samples = array("h", raw[: len(raw) // 4 * 4])
    size = 48_000 // 2
    windows = [samples[start : start + size] for start in range(0, len(samples), size)]
    return [sum(value * value for value in window) > 1e4 * len(window) for window in windows]


def play_three_notes(pipe):
    """Order three notes two seconds apart, and wait until they have died away."""
    begin_s = session_clock() + 0.5
    moments = [begin_s + 2.0 * number for number in range(3)]
    pipe.send(
        [Play(number, 0, 60, 110, at_s, at_s + 0.5) for number, at_s in enumerate(moments)]
    )
    while session_clock() < moments[-1] + 2.0:
        pipe.send(Beat())
        time.sleep(0.2)


@pytest.mark.slow
def test_a_synthesizer_sounds_where_notes_were_and_is_silent_after(fluidsynth):
    """The whole way: orders, process, JACK, another program, sound."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    config = InOutConfig((PortWish("jack", sink="fluid:midi"),))
    process = context.Process(target=main, args=(theirs, config))
    process.start()
    theirs.close()
    (report,) = received(ours, Report)
    assert report.lines[0].trouble == ""
    windows: list[bool] = []
    n_heard = 0
    for _ in range(4):  # again where the machine stalled and JACK lost a note
        n_before = fluidsynth.stat().st_size
        play_three_notes(ours)
        windows = sounding_windows(fluidsynth.read_bytes()[n_before:])
        n_heard = sum(now and not before for before, now in itertools.pairwise(windows))
        if n_heard == 3:
            break
    ours.send(Leave())
    process.join(PATIENCE_S)
    assert n_heard == 3
    assert not windows[-1]
