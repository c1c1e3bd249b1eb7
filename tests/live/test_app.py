"""The whole program at real ends: it plays, survives what dies, and leaves nothing behind."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from array import array
from pathlib import Path

import pytest

from sideman.errors import BundleError, LiveError, OutputExists
from sideman.live.app import LiveConfig, Performance, play_live
from sideman.live.control import Act, Change, parse_knob
from sideman.live.inout import session_clock
from sideman.live.messages import ControlChange, Message, NoteOff, NoteOn
from sideman.live.ports.interface import PortWish
from sideman.live.ports.jack import JackPort
from sideman.live.ports.osc import OscPort
from sideman.live.preset import Preset, read_preset
from sideman.live.recording import Heard, Ordered, SessionFile, Sounded
from sideman.live.settings import Settings, with_settings

PATIENCE_S = 60.0
"""How long a test waits for other processes; it never says how long one should take."""

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="looks for orphans in /proc"
)

PHRASE = (60, 62, 64, 65, 67, 64)


def free_address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


class Hands:
    """Who plays with the program: a port, and what was heard through it."""

    def __init__(self, port) -> None:
        self.port = port
        self.heard: list[Message] = []
        self.sounding: set[tuple[int, int]] = set()

    def play(self, *pitches, length_s=0.1):
        """Play notes one after the other, and listen meanwhile."""
        for pitch in pitches:
            self.port.send(NoteOn(0, pitch, 90), session_clock())
            self.listen(length_s)
            self.port.send(NoteOff(0, pitch), session_clock())

    def listen(self, for_s):
        """Hear what comes for some seconds."""
        until_s = session_clock() + for_s
        while (left_s := until_s - session_clock()) > 0:
            self.port.waitable.poll(min(left_s, 0.05))
            for timed in self.port.read():
                self._take(timed.message)

    def wait_for(self, condition, *, pump=lambda: None):
        """Listen until something is so."""
        until_s = session_clock() + PATIENCE_S
        while not condition() and session_clock() < until_s:
            self.listen(0.05)
            pump()
        assert condition()

    @property
    def n_notes(self):
        """How many notes were heard."""
        return sum(isinstance(message, NoteOn) for message in self.heard)

    def _take(self, message):
        self.heard.append(message)
        if isinstance(message, NoteOn):
            self.sounding.add((message.channel, message.pitch))
        elif isinstance(message, NoteOff):
            self.sounding.discard((message.channel, message.pitch))


class Room:
    """A port of ours, and the options with which the program finds it."""

    def __init__(self) -> None:
        self.here, self.there = free_address(), free_address()
        self.hands = Hands(
            OscPort(PortWish("osc", source=self.here, sink=self.there), session_clock)
        )
        self.ports = {"backend": "osc", "port_in": self.there, "port_out": self.here}


@pytest.fixture
def room():
    """Give somebody to play with, who needs no hardware."""
    pytest.importorskip("pythonosc")
    room = Room()
    yield room
    room.hands.port.close()


class Playing:
    """A session in this process, and the hands that play with it."""

    def __init__(self, performance, hands) -> None:
        self.performance = performance
        self.hands = hands
        self.said: list[str] = []

    def wait_for(self, condition):
        """Go on until something is so."""
        self.hands.wait_for(condition, pump=self._go_on)

    def kill(self, index, number):
        """Send a signal to the process of the ports (0) or of the improviser (1)."""
        os.kill(self.performance._workers.pids[index], number)

    def _go_on(self):
        self.said += self.performance.turn(0.0)


@pytest.fixture
def playing(room):
    """Start a session that goes on alone, and give it once it plays."""
    texts = {"mode": "lead", "silence": "0.1", "density": "6"}
    preset = Preset(settings=with_settings(Settings(), texts))
    with Performance(LiveConfig(preset=preset, **room.ports)) as performance:
        playing = Playing(performance, room.hands)
        playing.wait_for(lambda: performance.news and performance.report)
        room.hands.play(*PHRASE)
        playing.wait_for(lambda: room.hands.n_notes > 2)
        yield playing


# ------------------------------------------------------------------------ in this process


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_an_improviser_that_dies_or_hangs_is_replaced_with_the_same_settings(
    playing, number, monkeypatch
):
    """Its notes end, another goes on in the same mode, and the player is told."""
    monkeypatch.setattr("sideman.live.workers.HANG_S", 2.5)
    performance, hands = playing.performance, playing.hands
    performance.tell(Change("density", 7))
    playing.wait_for(lambda: performance.news.settings.density == 7)
    playing.wait_for(lambda: hands.sounding)
    bar = performance.news.view.bar
    playing.kill(1, number)
    playing.wait_for(lambda: performance.n_restarts == 1)
    playing.wait_for(lambda: not hands.sounding)
    performance.news = None
    playing.wait_for(lambda: performance.news)
    n_before = hands.n_notes
    playing.wait_for(lambda: hands.n_notes > n_before)
    assert performance.news.settings.density == 7
    assert performance.news.view.bar >= bar
    assert any("another goes on" in line for line in playing.said)


@pytest.mark.slow
def test_ports_that_die_are_replaced_and_silenced_first(playing):
    """Whatever sounded when they died, the instrument is told to stop it."""
    hands = playing.hands
    playing.kill(0, signal.SIGKILL)
    hands.heard.clear()
    playing.wait_for(lambda: ControlChange(0, 123, 0) in hands.heard)
    playing.wait_for(lambda: hands.n_notes > 0)
    assert not playing.performance.has_ended


@pytest.mark.slow
def test_panic_silences_though_the_improviser_hangs(playing):
    """The red key goes to the ports past everybody else."""
    hands = playing.hands
    playing.wait_for(lambda: hands.sounding)
    playing.kill(1, signal.SIGSTOP)
    playing.performance.tell(Act("panic"))
    hands.wait_for(lambda: ControlChange(15, 120, 0) in hands.heard)
    hands.listen(0.1)
    assert not hands.sounding


def test_what_cannot_be_used_is_said_before_anything_starts(room, tmp_path):
    """A file that is there already, a folder without a model."""
    taken = tmp_path / "taken.session"
    taken.touch()
    with pytest.raises(OutputExists):
        Performance(LiveConfig(preset=Preset(), record=taken, **room.ports))
    with pytest.raises(OutputExists):
        list(play_live(LiveConfig(preset=Preset(), save=taken, **room.ports)))
    wrong = LiveConfig(preset=Preset(), bundle=tmp_path, record=tmp_path / "new.session")
    with pytest.raises(BundleError):
        Performance(wrong)


@pytest.mark.slow
def test_an_improviser_that_cannot_begin_ends_the_session_in_one_line(room, tmp_path):
    """It is found out in another process, and said in this one."""
    config = LiveConfig(preset=Preset(), bundle=tmp_path, has_screen=False, **room.ports)
    with pytest.raises(LiveError, match=str(tmp_path)):
        list(play_live(config))


# ------------------------------------------------------------------------ as a program


class Program:
    """`sideman live` as a person starts it."""

    def __init__(self, *options, environment=None) -> None:
        command = (sys.executable, "-m", "sideman", "live", "--no-screen", *map(str, options))
        path = {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            command,
            env={**(environment or os.environ), **path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # so that all that is left of it is found
        )

    def end(self, number):
        """Send a signal to its whole group, as a terminal does, and return what it printed."""
        os.killpg(self.process.pid, number)
        printed, _ = self.process.communicate(timeout=PATIENCE_S)
        return printed


@pytest.fixture
def start():
    """Return a function that starts the program; what is left of it is killed later."""
    programs = []

    def begin(*options, environment=None):
        programs.append(Program(*options, environment=environment))
        return programs[-1]

    yield begin
    for program in programs:
        with contextlib.suppress(ProcessLookupError), program.process:
            os.killpg(program.process.pid, signal.SIGKILL)


def left_of(leader):
    """Return the processes of a group that are left, after they had time to go."""
    until_s = time.monotonic() + PATIENCE_S
    while (left := group(leader)) and time.monotonic() < until_s:
        time.sleep(0.05)
    return left


def group(leader):
    """Return the numbers of the processes of a group, as Linux tells them."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == leader and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


@pytest.mark.slow
@needs_proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_every_end_leaves_no_note_and_no_process(room, start, number, tmp_path):
    """Ctrl-C, a polite kill, and the parent alone killed without a chance to clean up."""
    session, preset = tmp_path / "a.session", tmp_path / "a.toml"
    program = start(
        *("--backend", "osc", "--in", room.there, "--out", room.here, "--mode", "lead"),
        *("--silence", 0.1, "--record", session, "--save", preset, "--knob", "21=tempo"),
    )
    hands = room.hands
    hands.wait_for(
        lambda: hands.n_notes > 0, pump=lambda: (hands.play(*PHRASE[:2]), hands.listen(0.5))
    )
    hands.wait_for(lambda: hands.n_notes > 4 and hands.sounding)
    if number == signal.SIGKILL:
        program.process.kill()
        program.process.communicate()
    else:
        printed = program.end(number)
        assert program.process.returncode == 0, printed
        assert "deadlines" in printed
        assert read_preset(preset).knobs == {parse_knob("21"): "tempo"}
    hands.wait_for(lambda: not hands.sounding)
    hands.listen(0.3)
    assert not hands.sounding
    assert left_of(program.process.pid) == []
    records = list(SessionFile(session))
    for kind in (Heard, Ordered, Sounded):
        assert any(isinstance(record, kind) for record in records)


@pytest.mark.slow
@needs_proc
@pytest.mark.parametrize("how", ["a key", "the window is closed"])
def test_with_a_screen_it_ends_as_well(room, how, tmp_path):
    """A program that cannot write to its terminal any more must not wait for it for ever."""
    pytest.importorskip("textual")
    pty = pytest.importorskip("pty")
    preset = tmp_path / "a.toml"
    command = (sys.executable, "-m", "sideman", "live", "--save", str(preset))
    leader, terminal = pty.fork()
    if leader == 0:
        os.environ.update(TERM="xterm-256color", PYTHONPATH=os.pathsep.join(sys.path))
        os.execv(command[0], (*command, "--backend", "osc", "--in", room.there))
    until_s = time.monotonic() + PATIENCE_S
    shown = b""
    while b"accompany" not in shown and time.monotonic() < until_s:
        shown += os.read(terminal, 1 << 16)
    if how == "a key":
        os.write(terminal, b"q")
        with contextlib.suppress(OSError):  # that is how a terminal without a program ends
            while os.read(terminal, 1 << 16):
                pass
    os.close(terminal)
    _, status = os.waitpid(leader, 0)
    assert os.waitstatus_to_exitcode(status) == (0 if how == "a key" else 129)
    assert left_of(leader) == []
    assert read_preset(preset).settings == Settings()


def loudness(samples, begin_s, end_s):
    """Return the mean square of 16-bit stereo samples between two times."""
    part = samples[round(begin_s * 48_000) * 2 : round(end_s * 48_000) * 2]
    return sum(sample * sample for sample in part) / max(len(part), 1)


def connect(jack_server, source, sink):
    """Connect two ports, as soon as both are there and their clients run."""
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s:
        with contextlib.suppress(subprocess.CalledProcessError):
            jack_server.run("jack_connect", source, sink)
            return
        time.sleep(0.1)
    pytest.fail(f"{source} and {sink} cannot be connected")


@pytest.mark.slow
def test_over_jack_a_player_is_answered_and_a_synthesizer_sounds(
    jack_server, fluidsynth, start
):
    """Another process's port in, ours out, a third that renders it: as on a stage."""
    program = Program(
        "--backend", "jack", "--silence", 0.3, environment=jack_server.environment
    )
    hands = Hands(JackPort(PortWish("jack", "keys"), session_clock))
    for source, sink in (
        ("keys:out", "sideman:in"),
        ("sideman:out", "keys:in"),
        ("sideman:out", "fluid:midi_00"),
    ):
        connect(jack_server, source, sink)
    hands.wait_for(
        lambda: hands.n_notes > 3,
        pump=lambda: None if hands.n_notes else (hands.play(*PHRASE), hands.listen(2.0)),
    )
    heard_s = fluidsynth.stat().st_size / 4 / 48_000
    printed = program.end(signal.SIGTERM)
    assert "heard" in printed
    hands.wait_for(lambda: not hands.sounding)
    hands.listen(2.0)
    hands.port.close()
    rendered = fluidsynth.read_bytes()
    samples = array("h", rendered[: len(rendered) // 4 * 4])
    assert loudness(samples, heard_s - 1.0, heard_s + 0.5) > 100
    assert loudness(samples, len(samples) / 96_000 - 0.3, len(samples) / 96_000) < 1
