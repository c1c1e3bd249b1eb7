"""Writers: notes come while they are written, takes fit the piece, and a death is no end."""

import os
import signal
import time
from collections import Counter
from dataclasses import replace

import pytest

from sideman.bundle import load_bundle
from sideman.engine.fill import WrittenNote
from sideman.score.types import Part
from sideman.studio.score_json import empty_json
from sideman.studio.worker import (
    Broken,
    Event,
    Finished,
    LocalWriters,
    Lost,
    Refused,
    Telling,
    Work,
    Writer,
    Wrote,
)

PATIENCE_S = 60.0
BAR = 96
NAMES = ("onset", "duration", "pitch", "velocity", "part")


def piece(n_bars=4):
    """Return the JSON of a piece for keys, a bass that is silent, and a violin."""
    parts = [(0, "Keys"), (33, "Bass"), (40, "Violin")]
    rows = [(24 * n, 24, 60 + n % 5, 80, 0) for n in range(4 * n_bars)]
    rows += [(96 * n, 96, 67 + n % 3, 72, 2) for n in range(n_bars)]
    return {
        **empty_json(),
        "n_bars": n_bars,
        "parts": [
            {"program": p, "is_drum": False, "name": name, "volume": 90, "pan": 40}
            for p, name in parts
        ],
        "notes": [
            {"id": 100 + number, **dict(zip(NAMES, row, strict=True)), "locked": number == 0}
            for number, row in enumerate(rows)
        ],
    }


def row(note):
    """Return a note without its id."""
    return tuple(note[name] for name in NAMES)


class Wire:
    """A line that keeps what it is told; stops when asked so often."""

    def __init__(self, patience=10**9):
        self.told = []
        self.patience = patience

    def tell(self, message):
        """Keep a message."""
        if message is not None:
            self.told += message.messages

    def is_stopped(self, _job):
        """Count how often it was asked."""
        self.patience -= 1
        return self.patience < 0

    def notes(self, take=0):
        """Return the notes that were told of a take."""
        return [note for m in self.told if m["take"] == take for note in m["notes"]]


@pytest.fixture(scope="module")
def writer(tiny_bundles):
    """Return a writer with the tiny model."""
    return Writer(load_bundle(tiny_bundles["fp32"]), threads=1)


def asked(task, options=None, *, locks=(), takes=1, **selection):
    request = {"options": options or {}, "selection": selection, "takes": takes, "seed": 5}
    return Work("j", task, piece(), request, tuple(locks))


TASKS = {
    "continue": asked("continue", {"bars": "2"}, takes=2),
    "infill": asked("infill", bars=[1, 3], takes=2),
    "accompany": asked("accompany", {"parts": ["bass=Fretless Bass"]}, takes=2),
    "rewrite": asked("rewrite", parts=[0], locks=[100, 103], takes=2),
    "vary": asked("vary", {"change": 80}, takes=2),
    "harmonise": asked("harmonise", takes=2),
    "loop": asked("loop", {"bars": "4"}, parts=[0], takes=2),
    "compose": asked("compose", {"bars": "2", "parts": ["piano", "drums"]}, takes=2),
}


@pytest.mark.parametrize("task", TASKS)
def test_every_task_of_the_page_is_answered(writer, task):
    """Each take knows the notes that stay by their ids, and how it was made."""
    work, wire = TASKS[task], Wire()
    finished = writer.write(work, wire)

    assert isinstance(finished, Finished), finished
    assert [take.number for take in finished.takes] == [0, 1]
    known = {note["id"]: row(note) for note in work.score["notes"]}
    for take in finished.takes:
        notes = take.score["notes"]
        ids = [note["id"] for note in notes]
        assert len(set(ids)) == len(ids) > 0
        if task != "compose":
            assert all(known[note["id"]] == row(note) for note in notes if note["id"] in known)
            assert take.score["parts"][:3] == work.score["parts"]
        assert take.first_bar < take.end_bar <= take.score["n_bars"]
        assert {"task": task, "take": take.number, "seed": 5}.items() <= take.recipe.items()
        assert take.recipe["bundle_hash"] == load_bundle(writer._bundle.folder).hash


@pytest.mark.parametrize("task", ["continue", "infill", "accompany", "compose"])
def test_notes_that_were_told_are_those_of_the_take(writer, task):
    """What is seen while it is written is what stays, in the numbers of the page's parts."""
    work, wire = TASKS[task], Wire()
    finished = writer.write(work, wire)

    for take in finished.takes:
        told = wire.notes(take.number)
        assert len({note["id"] for note in told}) == len(told) == take.n_notes
        assert not Counter(map(row, told)) - Counter(map(row, take.score["notes"]))
    assert all(m["bar"] == n["onset"] // BAR for m in wire.told for n in m["notes"])
    with_parts = [m["parts"] for m in wire.told if "parts" in m]
    assert bool(with_parts) == (task in {"accompany", "compose"})
    for parts in with_parts:
        kept = finished.takes[0].score["parts"][: len(parts)]
        assert all(said.items() <= part.items() for said, part in zip(parts, kept, strict=True))


def test_locked_notes_stay(writer):
    """The page's locks are the engine's."""
    finished = writer.write(asked("rewrite", parts=[0], locks=[100, 103]), Wire())

    (take,) = finished.takes
    ids = {note["id"]: note for note in take.score["notes"]}
    assert {100, 103} <= ids.keys()
    assert ids[100]["locked"]


def test_what_is_full_when_it_is_stopped_is_kept(writer):
    """A take ends with its last full bar; one without any is none."""
    work = asked("continue", {"bars": "64"}, takes=2)
    (one, other) = writer.write(work, Wire(patience=60)).takes
    none = writer.write(work, Wire(patience=0)).takes

    for take in (one, other):
        assert 4 == take.first_bar < take.end_bar < 68
        assert all(note["onset"] < take.end_bar * BAR for note in take.score["notes"])
    assert none == ()


def test_who_stops_while_takes_are_heard_gets_them_at_once(writer, monkeypatch):
    """The next one is not heard any more: it takes longer than a writer may take to stop."""
    heard = []

    class SlowEar:
        def __init__(self, *_, **__):
            pass

        def hear(self, score, _known):
            heard.append(score)
            wire.patience = 0
            return 0.5

    class Likes:
        def like(self, heard):
            return heard

    monkeypatch.setattr("sideman.studio.worker.Ear", SlowEar)
    wire = Wire()
    finished = writer.write(replace(TASKS["continue"], taste=Likes()), wire)

    assert len(heard) == 1
    assert [take.liking for take in finished.takes] == [0.5, None]


def test_what_cannot_be_is_refused_in_the_words_of_the_engine(writer):
    """Also what nobody thought of is one line."""
    empty = writer.write(Work("j", "continue", None, {}), Wire())
    assert empty == Refused("j", "the score has no note; there is nothing to continue")

    class Torn(Wire):
        def is_stopped(self, _job):
            msg = "torn\napart"
            raise OSError(msg)

    torn = writer.write(TASKS["continue"], Torn())
    assert torn.reason == "continue failed, a mistake of Sideman's: OSError: torn apart"


def test_the_first_note_goes_out_at_once_and_the_others_a_few_at_a_time(monkeypatch):
    """A page is not flooded, and nobody waits for the first note."""
    clock = iter([10.0, 10.0, 10.01, 10.06, 10.06])
    monkeypatch.setattr("sideman.studio.worker.time.monotonic", lambda: next(clock))
    telling = Telling(TASKS["continue"], [Part(0)], [0])
    note = WrittenNote(0, 4, 400, 24, 60, 80, 0, Part(0))

    def takes_told():
        told = telling.due()
        return told and [message["take"] for message in told.messages]

    assert takes_told() is None
    telling.hear(note)
    assert takes_told() == [0]
    for take in (0, 1):
        telling.hear(WrittenNote(take, 4, 401, 24, 60, 80, 0, Part(0)))
    assert takes_told() is None
    assert takes_told() == [0, 1]
    assert telling.rest() is None


# -------------------------------------------------------------------- real processes


@pytest.fixture(scope="module")
def writers(tiny_bundles):
    """Give one process with the tiny model."""
    writers = LocalWriters(tiny_bundles["fp32"], 1, threads=1)
    writers.start()
    yield writers
    writers.stop()


def until_free(writers):
    events = []
    give_up_s = time.monotonic() + PATIENCE_S
    while not writers.n_free and time.monotonic() < give_up_s:
        events += writers.wait(1.0)
    assert writers.n_free
    return events


def until_it_writes(writers):
    give_up_s = time.monotonic() + PATIENCE_S
    while not any(isinstance(event, Wrote) for event in writers.wait(1.0)):
        assert time.monotonic() < give_up_s


def test_a_process_writes_tells_and_is_free_again(writers):
    """Notes come before the takes that have them."""
    until_free(writers)
    writers.give(TASKS["continue"])
    assert writers.n_free == 0
    events = until_free(writers)

    assert isinstance(events[0], Wrote)
    assert isinstance(events[-1], Finished)
    assert len(events[-1].takes) == 2


def test_a_process_stops_when_it_is_told_to(writers):
    """It does not write a thousand bars that nobody wants."""
    until_free(writers)
    writers.give(asked("continue", {"bars": "1000"}))
    until_it_writes(writers)
    writers.end_job("j")
    events = until_free(writers)

    (finished,) = [event for event in events if isinstance(event, Finished)]
    assert all(take.end_bar < 1004 for take in finished.takes)


def test_a_process_that_is_killed_is_replaced(writers):
    """Its job is told to be lost; the next one is written by another."""
    until_free(writers)
    (pid,) = writers.pids
    writers.give(asked("continue", {"bars": "1000"}))
    until_it_writes(writers)
    os.kill(pid, signal.SIGKILL)
    events = until_free(writers)
    writers.give(TASKS["continue"])

    lost = [event for event in events if isinstance(event, Lost)]
    assert lost == [Lost("j", "the process that wrote it died (signal 9)")]
    assert isinstance(until_free(writers)[-1], Finished)
    assert writers.pids != [pid]


def test_a_bundle_that_cannot_be_used_is_told(tmp_path):
    """And no new process is started every moment."""
    writers = LocalWriters(tmp_path, 1)
    writers.start()
    events: list[Event] = []
    while not events:
        events += writers.wait(1.0)
    while writers.pids:
        events += writers.wait(1.0)

    assert events == [Broken(f"{tmp_path} is no bundle: card.json is missing")]
    assert writers.wait(0.0) == []
    assert writers.pids == []
    writers.stop()


def test_waiting_ends_when_somebody_wakes(writers):
    """Whoever asks is not kept until the next look."""
    until_free(writers)
    writers.wake()
    began_s = time.monotonic()

    assert writers.wait(PATIENCE_S) == []
    assert time.monotonic() - began_s < PATIENCE_S
