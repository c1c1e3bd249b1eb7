"""Ports of every kind: what goes in at one end comes out at the other, also after a crash."""

import contextlib
import itertools
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.errors import LiveError, MissingExtra
from sideman.live.messages import (
    Clock,
    ControlChange,
    NoteOff,
    NoteOn,
    ProgramChange,
    SongPosition,
    Start,
    Timed,
    to_bytes,
)
from sideman.live.port_doctor import examine_ports, measure_loop
from sideman.live.ports.interface import PortWish, Wish
from sideman.live.ports.jack import (
    CycleClock,
    FrameQueue,
    JackPort,
    RecentStops,
    frames_between,
)
from sideman.live.ports.opening import open_port
from sideman.live.ports.osc import OscPort, address_of
from sideman.live.ports.rtmidi import RtmidiPort
from sideman.live.ports.virtual import virtual_pair

PATIENCE_S = 30.0
"""How long a test waits for a real end; it never says how long one should take."""

PERIOD_FRAMES = 256
"""What comes in is stamped one period of the server early."""

EVERY_KIND = (
    NoteOn(3, 60, 100),
    NoteOff(3, 60),
    ControlChange(0, 64, 127),
    ProgramChange(15, 12),
    SongPosition(1000),
    Start(),
    Clock(),
)


def read_until(port, enough, patience_s=PATIENCE_S):
    """Return what a port read when `enough` says so, or after all patience."""
    came: list[Timed] = []
    until_s = time.monotonic() + patience_s
    while not enough(came) and time.monotonic() < until_s:
        came += port.read()
        time.sleep(0.005)
    return came


def in_peace(ports, attempt):
    """Return what `attempt` returns of the first time that JACK misses no period meanwhile.

    Where a machine stalls, JACK misses periods and loses what was in them.
    """
    for _ in range(6):
        n_missed = sum(port.n_missed for port in ports)
        result = attempt()
        if n_missed == sum(port.n_missed for port in ports):
            return result
    return pytest.skip("this machine is too busy: JACK misses period after period")


def wait_for(condition):
    until_s = time.monotonic() + PATIENCE_S
    while not condition() and time.monotonic() < until_s:
        time.sleep(0.02)
    return condition()


@pytest.fixture
def keep():
    """Close the ports it is given, also when the test fails: libjack would crash later."""
    with contextlib.ExitStack() as stack:

        def keep(port):
            stack.callback(port.close)
            return port

        yield keep


# ------------------------------------------------------------------ in memory


def test_a_virtual_pair_passes_bytes_and_forgets_them_when_unplugged():
    """Every test of what is above the ports stands on it."""
    near, far = virtual_pair(lambda: 7.0)
    near.send(NoteOn(0, 60, 1), 99.0)
    near.send_bytes(b"\x90\x40")
    assert far.waitable.poll()
    assert far.read() == [Timed(7.0, NoteOn(0, 60, 1))]
    assert not far.waitable.poll()
    near.send_bytes(b"\x02\x41\x03")  # the rest, and running status
    assert [timed.message for timed in far.read()] == [NoteOn(0, 64, 2), NoteOn(0, 65, 3)]
    far.is_plugged = False
    near.send(NoteOn(0, 61, 1), 0.0)
    far.is_plugged = True
    assert not far.is_open
    assert far.reopen()
    assert far.read() == []


# ----------------------------------------------------------------- JACK, pure

periods = st.lists(
    st.lists(st.tuples(st.floats(-0.01, 0.03), st.binary(min_size=3, max_size=3)), max_size=8),
    min_size=1,
    max_size=8,
)


@given(periods)
def test_offsets_in_a_period_never_fall_and_nothing_is_lost(script):
    """JACK refuses an offset below the one before, and one outside the period."""
    queue, n_frames, rate_hz = FrameQueue(), 256, 48_000.0
    sent, written = [], []
    for number, batch in enumerate(script):
        start_s = number * n_frames / rate_hz
        for after_s, data in batch:
            queue.put(start_s + after_s, data)
            sent.append(data)
        entries = queue.take(start_s + n_frames / rate_hz)
        offsets = queue.offsets(entries, start_s, rate_hz, n_frames)
        assert offsets == sorted(offsets)
        assert all(0 <= offset < n_frames for offset in offsets)
        assert [entry[0] for entry in entries] == sorted(entry[0] for entry in entries)
        for (time_s, _, _), offset in zip(entries, offsets, strict=True):
            if time_s >= start_s:
                assert offset == pytest.approx((time_s - start_s) * rate_hz, abs=1.0)
        half = len(entries) // 2
        queue.put_back(entries[half:])  # as if the period were full
        written += [entry[2] for entry in entries[:half]]
    written += [entry[2] for entry in queue.take(1e9)]
    assert sorted(written) == sorted(sent)
    assert queue.is_empty()


def test_messages_of_one_moment_leave_in_the_order_they_were_given():
    """A note-off and the next note-on of a key share a frame; swapped, the note would hang."""
    queue = FrameQueue()
    for data in (b"off", b"on1", b"on2"):
        queue.put(1.0, data)
    assert [entry[2] for entry in queue.take(2.0)] == [b"off", b"on1", b"on2"]


def test_late_messages_are_counted():
    """A player is told how often the exact frame was missed."""
    queue = FrameQueue()
    queue.put(0.9, b"late")
    queue.put(1.001, b"good")
    assert queue.offsets(queue.take(2.0), 1.0, 48_000.0, 256) == [0, 48]
    assert queue.n_late == 1


def test_note_offs_that_may_be_lost_are_known_until_their_keys_are_struck_again():
    """JACK loses what is in a period it misses; a note-off must be said again then."""
    stops = RecentStops()
    for message, said_s in (
        (NoteOn(0, 60, 1), 1.0),
        (NoteOff(0, 60), 2.0),
        (NoteOff(0, 61), 3.0),
        (NoteOff(5, 62), 3.0),
        (ControlChange(0, 61, 0), 3.1),
        (NoteOn(5, 62, 9), 3.2),
        (Clock(), 3.3),
    ):
        stops.note(to_bytes(message), said_s)
    assert stops.since(2.5) == [to_bytes(NoteOff(0, 61))]
    assert stops.since(2.0) == [to_bytes(NoteOff(0, 60)), to_bytes(NoteOff(0, 61))]


@pytest.mark.slow
def test_jack_repeats_note_offs_after_a_period_it_missed(jack_server, keep):
    """The callback is ours to call: what matters is what leaves afterwards."""
    clock = time.perf_counter
    sink = keep(JackPort(PortWish(name="sink"), clock))
    source = keep(JackPort(PortWish(name="source", sink="sink:in"), clock))
    source.send(NoteOff(0, 60), clock())
    assert wait_for(source._queue.is_empty)
    source._miss(0.0)
    came = read_until(sink, lambda came: len(came) >= 2)
    assert [timed.message for timed in came].count(NoteOff(0, 60)) >= 2


@pytest.mark.parametrize("drift", [0.0, 5e-5, 1e-2, -1e-2])
def test_the_cycle_clock_smooths_noise_and_follows_drift(drift):
    """Sound cards are off by parts in 100,000; the dummy driver by up to one in 100."""
    cycle, true_s, errors = CycleClock(48_000.0), 100.0, []
    for number in range(2000):
        noise_s = 2e-4 * (-1) ** number
        errors.append(cycle.begin(number * 256, true_s + noise_s) - true_s)
        true_s += 256 / 48_000 * (1 + drift)
    assert max(map(abs, errors[-500:])) < 3e-5


def test_the_cycle_clock_follows_a_jump_at_once_and_the_turn_of_the_counter():
    """After missed periods the frame clock stands elsewhere; once a day it begins again."""
    cycle = CycleClock(48_000.0)
    first = (1 << 32) - 512
    starts = [
        cycle.begin((first + number * 256) % (1 << 32), number * 256 / 48_000)
        for number in range(5)
    ]
    assert starts == pytest.approx([number * 256 / 48_000 for number in range(5)])
    assert cycle.begin(5 * 256 - 512, 9.0) == 9.0
    assert frames_between(first, 0) == 512
    assert frames_between(0, first) == -512


@pytest.mark.parametrize(
    ("error", "raised", "said"),
    [
        (ImportError("no"), MissingExtra, "pip install"),
        (OSError("no library"), LiveError, "install jackd2"),
    ],
)
def test_what_is_missing_for_jack_is_one_line_with_the_way_out(
    monkeypatch, error, raised, said
):
    """A player has no use for a traceback."""

    def fail(_name):
        raise error

    monkeypatch.setattr("importlib.import_module", fail)
    with pytest.raises(raised, match=said):
        JackPort(PortWish(), time.perf_counter)


def test_no_server_is_said_in_one_line(monkeypatch):
    """And none is started behind the player's back."""
    pytest.importorskip("jack")
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "sideman-nobody-is-called-this")
    with pytest.raises(LiveError, match="no JACK server runs"):
        JackPort(PortWish(), time.perf_counter)


# ----------------------------------------------------------------- JACK, real


@pytest.mark.slow
def test_jack_delivers_at_the_exact_frame(jack_server, keep):
    """On a clock that is JACK's own, what is sent for a moment arrives at that very frame."""
    jack = pytest.importorskip("jack")
    watch = keep(jack.Client("watch", no_start_server=True))
    watch.activate()
    rate_hz = watch.samplerate

    def clock():
        return watch.frame_time / rate_hz

    sink = keep(JackPort(PortWish(name="sink"), clock))
    source = keep(JackPort(PortWish(name="source", sink="sink:in"), clock))
    assert wait_for(lambda: source.is_open and sink.is_open)
    sent = [NoteOn(number % 16, number % 128, 1 + number % 127) for number in range(300)]

    def attempt():
        begin_s = round((clock() + 0.2) * rate_hz) / rate_hz
        for number, message in enumerate(sent):
            source.send(message, begin_s + number * 0.0031)
        return begin_s, read_until(sink, lambda came: len(came) == 300, 3.0)

    begin_s, came = in_peace((source, sink), attempt)
    assert [timed.message for timed in came] == sent
    assert (source.n_faults, sink.n_faults) == (0, 0)
    for number, timed in enumerate(came):
        target_s = begin_s + number * 0.0031
        assert abs((timed.time_s - target_s) * rate_hz + PERIOD_FRAMES) < 2


@pytest.mark.slow
def test_jack_takes_a_burst_of_a_thousand_and_every_kind(jack_server, keep):
    """All at once, in the order they were given."""
    clock = time.perf_counter
    sink = keep(JackPort(PortWish(name="sink"), clock))
    source = keep(JackPort(PortWish(name="source", sink="sink:in"), clock))
    burst = [*(NoteOn(number % 16, number // 16, 64) for number in range(1000)), *EVERY_KIND]

    def attempt():
        for message in burst:
            source.send(message, clock())
        return read_until(sink, lambda came: len(came) == len(burst), 3.0)

    came = in_peace((source, sink), attempt)
    assert [timed.message for timed in came] == burst
    assert (source.n_faults, sink.n_faults) == (0, 0)


@pytest.mark.slow
def test_jack_sends_what_waits_before_it_leaves(jack_server, keep):
    """The last note-offs are sent a moment before the end."""
    clock = time.perf_counter
    sink = keep(JackPort(PortWish(name="sink"), clock))

    def attempt():
        source = keep(JackPort(PortWish(name="source", sink="sink:in"), clock))
        for pitch in range(50):
            source.send(NoteOff(0, pitch), clock() + 0.01)
        source.close()
        return read_until(sink, lambda came: len(came) == 50, 3.0)

    came = in_peace((sink,), attempt)
    assert [timed.message for timed in came] == [NoteOff(0, pitch) for pitch in range(50)]


@pytest.mark.slow
def test_a_jack_server_that_dies_and_returns_is_taken_again(jack_server, keep):
    """Somebody changes the sound card's settings, and the server starts anew."""
    clock = time.perf_counter
    sink = keep(JackPort(PortWish(name="sink"), clock))
    source = keep(JackPort(PortWish(name="source", sink="sink:in"), clock))
    jack_server.kill()
    assert wait_for(lambda: not source.is_open and not sink.is_open)
    source.send(NoteOn(0, 60, 1), clock())
    for port in (source, sink, source, sink):
        assert not port.reopen()
    assert source.read() == []
    jack_server.start()
    assert wait_for(sink.reopen)
    assert wait_for(source.reopen)
    source.send(NoteOn(0, 61, 1), clock())
    came = read_until(sink, bool)
    assert [timed.message for timed in came] == [NoteOn(0, 61, 1)]


@pytest.mark.slow
def test_jack_waits_for_a_port_that_is_not_there_yet(jack_server, keep):
    """A synthesizer may be started after us."""
    clock = time.perf_counter
    source = keep(JackPort(PortWish(name="source", sink="late:in"), clock))
    assert not source.is_open
    sink = keep(JackPort(PortWish(name="late"), clock))
    assert wait_for(source.reopen)
    sink.close()
    assert wait_for(lambda: not source.is_open)


# --------------------------------------------------------------------- RtMidi


ECHO = """
import select, sys, time
sys.path[:0] = {path!r}
from sideman.live.port_doctor import examine_ports, measure_loop
from sideman.live.ports.interface import PortWish
from sideman.live.ports.{module} import {port}
port = {port}(PortWish(name="echo"), time.perf_counter)
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    port.waitable.poll(0.05)
    for timed in port.read():
        port.send(timed.message, time.perf_counter())
port.close()
"""


@contextlib.contextmanager
def echoing(jack_server, module="jack"):
    """Run another process that sends back what it hears; give its port to hear and to play to.

    Another process, because two libraries of JACK in one wait for each other for seconds.
    """
    port = {"jack": "JackPort", "rtmidi": "RtmidiPort"}[module]
    process = subprocess.Popen(
        [sys.executable, "-c", ECHO.format(path=sys.path, module=module, port=port)],
        env=jack_server.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            names = [name for name in jack_server.run("jack_lsp").split() if "echo" in name]
            yield (
                next(name for name in names if "out" in name),
                next(name for name in names if "in" in name.rpartition(":")[2]),
            )
        finally:
            process.stdin.close()


@pytest.fixture(params=["jack", "rtmidi"])
def echo(request, jack_server):
    """Give the ports of another process that sends back what it hears, by either library."""
    with echoing(jack_server, request.param) as ports:
        yield ports


@pytest.mark.slow
@pytest.mark.parametrize("make", [JackPort, RtmidiPort])
def test_every_kind_of_message_comes_back_from_another_process(make, echo, keep):
    """Both libraries talk to both, over a real server, with clock and song position."""
    source, sink = echo
    if make is RtmidiPort:
        pytest.importorskip("rtmidi")
    port = keep(make(PortWish(name="probe", source=source, sink=sink), time.perf_counter))
    assert wait_for(port.reopen)
    for message in EVERY_KIND:
        came: list[Timed] = []
        until_s = time.monotonic() + PATIENCE_S
        while message not in {timed.message for timed in came}:  # again where JACK lost it
            assert time.monotonic() < until_s
            port.send(message, time.perf_counter())
            port.waitable.poll(1.0)
            came = port.read()


@pytest.mark.slow
def test_a_port_of_rtmidi_that_vanishes_is_taken_again(jack_server, keep):
    """A cable is pulled out and put in again."""
    pytest.importorskip("rtmidi")
    clock = time.perf_counter
    with echoing(jack_server) as (source, sink):
        port = keep(RtmidiPort(PortWish(name="probe", source=source, sink=sink), clock))
        assert port.is_open
    assert wait_for(lambda: not port.is_open)
    port.send(NoteOn(0, 60, 1), clock())
    assert not port.reopen()
    with echoing(jack_server):
        assert wait_for(port.reopen)
        port.send(NoteOn(0, 61, 1), clock())
        assert NoteOn(0, 61, 1) in {timed.message for timed in read_until(port, bool)}


@pytest.mark.slow
def test_a_port_that_rtmidi_does_not_have_is_named_with_those_there_are(jack_server):
    """Names of ports are long; a player copies one from the message."""
    pytest.importorskip("rtmidi")
    with (
        echoing(jack_server),
        pytest.raises(LiveError, match=r"no MIDI port 'nothing'; there are: .*'echo:out'"),
    ):
        RtmidiPort(PortWish(source="nothing"), time.perf_counter)


def test_rtmidi2_serves_where_python_rtmidi_is_not_installed(monkeypatch, keep):
    """From Python 3.13 on it has the only wheel."""
    opened: list[int] = []
    ignored: dict[str, bool] = {}
    end: SimpleNamespace = SimpleNamespace(
        ports=("Piano 1", "Synth 2"),
        ignore_types=lambda **given: ignored.update(given),
        open_port=opened.append,
        close_port=opened.clear,
        send_raw=lambda *data: end.callback(list(data), 0.0),
    )
    package = SimpleNamespace(MidiIn=lambda _name: end, MidiOut=lambda _name: end)

    def load(name):
        if name == "rtmidi":
            raise ImportError
        return package

    monkeypatch.setattr("importlib.import_module", load)
    port = keep(RtmidiPort(PortWish(source="Synth", sink="Piano"), lambda: 5.0))
    assert opened == [1, 0]
    assert ignored == {"midi_sysex": True, "midi_time": False, "midi_sense": True}
    port.send(NoteOn(0, 60, 1), 9.0)
    assert port.read() == [Timed(5.0, NoteOn(0, 60, 1))]


def test_a_system_without_any_midi_is_one_line(monkeypatch):
    """As in a container; RtMidi itself prints several."""
    from sideman.live.ports import rtmidi

    monkeypatch.setattr(rtmidi, "_interfaces", lambda _name, _reasons: iter(()))
    with pytest.raises(LiveError, match="RtMidi was built without any way"):
        RtmidiPort(PortWish(), time.perf_counter)


# ------------------------------------------------------------------------ OSC


def free_address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def osc_pair():
    """Two OSC ports that send to each other."""
    pytest.importorskip("pythonosc")
    near, far = free_address(), free_address()
    ports = [
        OscPort(PortWish("osc", source=own, sink=other), lambda: 3.0)
        for own, other in ((near, far), (far, near))
    ]
    yield ports
    for port in ports:
        port.close()


def test_osc_carries_every_kind_of_message(osc_pair):
    """A patch in Pure Data or Max is an instrument too."""
    near, far = osc_pair
    for message in EVERY_KIND:
        near.send(message, 9.0)
    came = read_until(far, lambda came: len(came) == len(EVERY_KIND))
    assert came == [Timed(3.0, message) for message in EVERY_KIND]


def test_osc_carries_settings_and_actions_by_name(osc_pair):
    """A tablet with faders turns what the player may turn."""
    from pythonosc.udp_client import SimpleUDPClient

    _, far = osc_pair
    client = SimpleUDPClient(*far._address)
    client.send_message("/sideman/density", 5)
    client.send_message("/sideman/temperature", 0.5)
    client.send_message("/sideman/overlap", [True])
    client.send_message("/sideman/memory", "4 bars")
    client.send_message("/sideman/panic", [])
    client.send_message("/sideman/note_on", [0, 60, 0])
    client.send_message("/sideman/note_on", [0, 600, 0])
    client.send_message("/elsewhere/note_on", [0, 60, 0])
    client._sock.sendto(b"noise", far._address)
    assert wait_for(lambda: far.n_unread == 3)
    client._sock.close()
    assert [timed.message for timed in far.read()] == [NoteOff(0, 60)]
    assert far.wishes() == [
        Wish(3.0, "density", "5"),
        Wish(3.0, "temperature", "0.5"),
        Wish(3.0, "overlap", "on"),
        Wish(3.0, "memory", "4 bars"),
        Wish(3.0, "panic", ""),
    ]
    assert far.is_open


def test_an_address_in_use_and_one_that_is_none_are_one_line(keep):
    """Two Sidemen on one machine need two addresses."""
    port = keep(OscPort(PortWish(source=free_address()), time.perf_counter))
    taken = f"127.0.0.1:{port._address[1]}"
    with pytest.raises(LiveError, match=f"cannot listen for OSC at {taken}"):
        OscPort(PortWish(source=taken), time.perf_counter)
    with pytest.raises(LiveError, match="'9125' is not host:port"):
        address_of("9125")


# -------------------------------------------------------------------- opening


@pytest.mark.slow
def test_auto_takes_jack_where_it_runs(jack_server, keep):
    """The exact frame is worth most."""
    port = keep(open_port(PortWish(), time.perf_counter))
    assert isinstance(port, JackPort)


def test_an_unknown_backend_is_named_with_those_there_are():
    """A typo is put right at once."""
    with pytest.raises(LiveError, match="'jak'; there are: auto, jack, rtmidi, osc"):
        open_port(PortWish("jak"), time.perf_counter)


# --------------------------------------------------------------------- doctor


@pytest.mark.slow
def test_the_doctor_finds_servers_ports_and_loops(jack_server):
    """A player who hears nothing is told what is there, and how fast it is."""
    pytest.importorskip("rtmidi")
    with echoing(jack_server):
        found = {finding.name: finding for finding in examine_ports()}
    assert "period 256 frames = 5.3 ms" in found["JACK server"].line()
    assert "echo:out" in found["JACK server"].line()
    assert "echo:in" in found["RtMidi ports"].line()
    assert " of 100 came back" in found["jack loop"].line()
    assert " of 100 came back" in found["rtmidi loop"].line()
    assert found["priority"].found is not None


def test_the_doctor_says_what_is_missing_in_one_line_each(monkeypatch):
    """Every optional package, and every server that does not run."""

    def fail(name):
        raise ImportError(name)

    monkeypatch.setattr("importlib.import_module", fail)
    lines = {finding.name: finding.line() for finding in examine_ports()}
    for name in ("JACK server", "RtMidi ports", "jack loop", "rtmidi loop"):
        assert "missing: " in lines[name]
        assert 'pip install "sideman[live]"' in lines[name]
        assert "\n" not in lines[name]


def test_a_loop_is_measured_on_the_clock_that_is_given():
    """The figure is from sending until it can be read."""
    near, far = virtual_pair(lambda: 0.0)
    ticks = itertools.count()
    latency = measure_loop(near, far, lambda: next(ticks) * 0.001)
    assert latency.n == 100
    assert latency.quantile(0.5) == pytest.approx(0.002, abs=2e-4)
