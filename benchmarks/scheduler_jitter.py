"""How exactly do notes leave while a model works in another process, on every core?

    .venv/bin/python benchmarks/scheduler_jitter.py [--notes 1500]

Notes are ordered 60–120 ms ahead, as the improviser orders them, and the process of the ports
sends them; beside it the bundled model writes without a pause, on as many threads as there are
cores. What is measured is how late a note is against the moment it was ordered for:

    left     when the process has handed it to its port, by the process's own clock; this is
             what RtMidi and OSC have
    heard    when it has come in at another process, through OSC on this machine; the process
             that hears runs before others too, or its own lateness would be measured
    frame    JACK: the frame it came in at, of another client; from that the constant part, the
             median, is taken away, so that what is left may be early or late

Each is measured with and without real-time priority. For JACK a server with the dummy driver is
started, which has a sound card's clock of its own.
"""

import argparse
import multiprocessing
import os
import statistics
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection

from decode import step_s
from machine import machine_lines

from sideman.bundle import load_bundle
from sideman.live.inout import (
    InOutConfig,
    Leave,
    Report,
    Sent,
    main,
    raise_priority,
    session_clock,
)
from sideman.live.messages import NoteOn
from sideman.live.orders import Play
from sideman.live.ports.interface import MidiPort, PortWish
from sideman.live.ports.opening import open_port

PRIORITY = 20
BATCH = 4
"""Notes of one list of orders."""

APART_S, LENGTH_S = 0.02, 0.01
AHEAD_S = 0.06
"""How far ahead the first note of a list is ordered."""

CONTEXT = 512
"""Events that the model looks back at."""

GRACE_S = 1.0
TARGET_MS = 2.0


def work(n_threads: int) -> None:
    """Be the model, which writes for ever."""
    os.nice(5)
    bundle = load_bundle(None)
    while True:
        step_s(bundle, CONTEXT, 1, n_threads)


@contextmanager
def model_at_work() -> Iterator[None]:
    """Keep every core busy with the model."""
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=work, args=(os.cpu_count() or 1,), daemon=True)
    process.start()
    time.sleep(4.0)  # it has loaded the bundle and begun
    try:
        yield
    finally:
        process.kill()
        process.join()


@contextmanager
def jack_server() -> Iterator[None]:
    """Run a JACK server of our own; clients find it by the environment."""
    name = f"jitter-{uuid.uuid4().hex[:8]}"
    os.environ.update(JACK_NO_START_SERVER="1", JACK_DEFAULT_SERVER=name)
    driver = ("-d", "dummy", "-r", "48000", "-p", "256")
    server = ("jackd", "-n", name, "-R", "-P", str(PRIORITY + 10), *driver)
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(server, stdout=quiet, stderr=quiet)
    subprocess.run(("jack_wait", "-w", "-t", "20"), check=True, stdout=quiet, stderr=quiet)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


@contextmanager
def first_of_all() -> Iterator[None]:
    """Run before all others for a while; processes that we start would inherit it."""
    slow = raise_priority(PRIORITY)
    try:
        yield
    finally:
        if not slow:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def play(pipe: Connection, listener: MidiPort, n_notes: int) -> tuple[list[float], list[float]]:
    """Order notes, and return how late each left and was heard, in seconds."""
    begin_s = session_clock() + 0.5
    moments = [begin_s + number * APART_S for number in range(n_notes)]
    left: list[float] = []
    heard: list[float] = []
    ordered = 0
    while session_clock() < moments[-1] + GRACE_S:
        if ordered < n_notes and session_clock() > moments[ordered] - AHEAD_S:
            numbers = range(ordered, min(ordered + BATCH, n_notes))
            pipe.send([_note(number, moments[number]) for number in numbers])
            ordered = numbers.stop
        multiprocessing.connection.wait([pipe, listener.waitable], 0.01)
        while pipe.poll():
            left += _left(pipe.recv())
        for timed in listener.read():
            if isinstance(timed.message, NoteOn):
                number = _number(timed.message, (timed.time_s - begin_s) / APART_S)
                heard.append(timed.time_s - moments[number])
    return left, heard


def _left(message: object) -> list[float]:
    """Return how late the notes left that a message tells of."""
    if not isinstance(message, Sent):
        return []
    times = [timed.time_s for timed in message.messages if isinstance(timed.message, NoteOn)]
    return [message.at_s - time_s for time_s in times]


def _note(number: int, begin_s: float) -> Play:
    return Play(number, 0, number % 128, 100, begin_s, begin_s + LENGTH_S)


def _number(message: NoteOn, about: float) -> int:
    """Return which note it is: the one of its pitch that is nearest to where it was heard."""
    return message.pitch + 128 * round((about - message.pitch) / 128)


def run(backend: str, priority: int, n_notes: int) -> tuple[list[float], list[float], int]:
    """Return how late notes left and were heard, and how many were dropped."""
    if backend == "jack":
        ours = PortWish("jack", "hears")
        theirs = PortWish("jack", "plays", sink="hears:in")
    else:
        ours = PortWish("osc", source="127.0.0.1:9135")
        theirs = PortWish("osc", source="127.0.0.1:9136", sink="127.0.0.1:9135")
    context = multiprocessing.get_context("spawn")
    pipe, other = context.Pipe()
    process = context.Process(
        target=main, args=(other, InOutConfig((theirs,), priority=priority))
    )
    process.start()
    other.close()
    with first_of_all():
        listener = open_port(ours, session_clock)
        while not _is_open(pipe.recv()):
            pass
        left, heard = play(pipe, listener, n_notes)
        pipe.send(Leave())
        listener.close()
    process.join()
    return left, heard, n_notes - len(left)


def _is_open(message: object) -> bool:
    return isinstance(message, Report) and not message.lines[0].trouble


def line(name: str, priority: int, lateness_s: Sequence[float], dropped: int) -> str:
    """Return a line of the table."""
    ordered = sorted(1000 * late for late in lateness_s)
    p50, p99 = ordered[len(ordered) // 2], ordered[int(0.99 * len(ordered))]
    share = sum(late <= TARGET_MS for late in ordered) / len(ordered)
    return (
        f"{name:6} {'FIFO ' + str(priority) if priority else 'usual':9} {len(ordered):6} "
        f"{dropped:8} {p50:8.3f} {p99:8.3f} {ordered[-1]:8.3f} {100 * share:12.2f}"
        f"   {os.getloadavg()[0]:.1f}"
    )


def measure() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notes", type=int, default=1500, help="of each run")
    asked = parser.parse_args()
    print(*machine_lines("JACK-Client", "onnxruntime", "python-osc", "sideman"), sep="\n")
    with ThreadPoolExecutor(1) as pool:  # priority belongs to a thread, and ends with it
        slow = pool.submit(raise_priority, PRIORITY).result()
    print(f"priority  {slow or 'real time is allowed; this process hears with it'}")
    print()
    print("what   priority   notes  dropped   p50 ms   p99 ms   max ms  % in 2.0 ms   load")
    with model_at_work(), jack_server():
        for priority in (0,) if slow else (0, PRIORITY):
            left, heard, dropped = run("osc", priority, asked.notes)
            print(line("left", priority, left, dropped))
            print(line("heard", priority, heard, dropped))
        for priority in (0,) if slow else (0, PRIORITY):
            _, heard, dropped = run("jack", priority, asked.notes)
            middle = statistics.median(heard)
            away = [abs(late - middle) for late in heard]
            print(line("frame", priority, away, dropped), flush=True)


if __name__ == "__main__":
    measure()
