"""Tests of recorded sessions."""

import json
import os
import signal
import subprocess
import sys
import tracemalloc
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.errors import LiveError, OutputExists
from sideman.live.fallback import Fallback
from sideman.live.messages import (
    Clock,
    ControlChange,
    NoteOff,
    NoteOn,
    ProgramChange,
    SongPosition,
    Start,
)
from sideman.live.orders import Play, Program, Release, Silence
from sideman.live.recording import (
    METERS_EVERY_S,
    Acted,
    Changed,
    Diary,
    Header,
    Heard,
    Metered,
    Metre,
    Ordered,
    Planned,
    SessionFile,
    SessionWriter,
    Sounded,
    Tempo,
)
from sideman.live.timeline import Timeline
from sideman.live.view import Meters, Quantiles, SeenNote, View

HEADER = Header("small", "0123456789abcdef", ("you=input:piano",), {"mode": "trade"})

seconds_st = st.floats(-1e6, 1e6, allow_nan=False)
byte_st = st.integers(0, 127)
note_on_st = st.builds(NoteOn, st.integers(0, 15), byte_st, st.integers(1, 127))
messages_st = st.one_of(
    note_on_st,
    st.builds(NoteOff, st.integers(0, 15), byte_st),
    st.builds(ControlChange, st.integers(0, 15), byte_st, byte_st),
    st.builds(ProgramChange, st.integers(0, 15), byte_st),
    st.builds(SongPosition, st.integers(0, 16383)),
    st.sampled_from([Clock(), Start()]),
)
ids_st = st.integers(0, 1 << 40)
orders_st = st.one_of(
    st.builds(
        Play, ids_st, st.integers(0, 15), byte_st, byte_st, seconds_st, st.none() | seconds_st
    ),
    st.builds(Release, ids_st, seconds_st),
    st.builds(Silence, seconds_st),
    st.builds(Program, st.integers(0, 15), byte_st, seconds_st),
)
planned_st = st.builds(
    SeenNote,
    ids_st,
    st.integers(0, 9),
    byte_st,
    byte_st,
    st.integers(-99, 1 << 40),
    st.integers(1, 999),
    state=st.just("planned"),
    is_human=st.sampled_from([False]),
)
records_st = st.one_of(
    st.builds(Heard, seconds_st, messages_st),
    st.builds(Ordered, seconds_st, orders_st),
    st.builds(Sounded, seconds_st, messages_st, seconds_st),
    st.builds(Changed, seconds_st, st.text(), st.text()),
    st.builds(Acted, seconds_st, st.text()),
    st.builds(
        Planned, seconds_st, st.lists(planned_st).map(tuple), st.lists(ids_st).map(tuple)
    ),
    st.builds(Tempo, seconds_st, seconds_st, seconds_st),
    st.builds(Metre, seconds_st, ids_st, st.integers(1, 32), st.sampled_from([4, 8])),
    st.builds(Metered, seconds_st, st.dictionaries(st.text(), seconds_st | st.none())),
)


def recorded(path, records):
    """Return a session file that holds records."""
    with SessionWriter(path, HEADER, force=True) as writer:
        for record in records:
            writer.write(record)
    return SessionFile(path)


@given(records=st.lists(records_st, max_size=20))
def test_what_is_written_is_read_again(records, tmp_path_factory):
    """A replay gives the same results only if it gets the same inputs, to the last bit."""
    session = recorded(tmp_path_factory.getbasetemp() / "same.session", records)

    assert session.header == HEADER
    assert list(session) == records
    assert list(session) == records  # and once more from the start


def test_each_record_is_a_line_of_json(tmp_path):
    """A session can be looked into with any tool."""
    recorded(tmp_path / "a.session", [Heard(1.5, NoteOn(0, 60, 100)), Acted(2.0, "panic")])

    first, *lines = (tmp_path / "a.session").read_text(encoding="utf-8").splitlines()

    assert json.loads(first)["sideman_session"] == 1
    assert lines == ['["heard",1.5,"903c64"]', '["acted",2.0,"panic"]']


KILLED = """
import sys
from pathlib import Path
from sideman.live.messages import NoteOn
from sideman.live.recording import Header, Heard, SessionWriter

writer = SessionWriter(Path(sys.argv[1]), Header("small", "", (), {}))
for number in range(10**9):
    writer.write(Heard(float(number), NoteOn(0, 60, 100)))
    print(number, flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no kill -9")
def test_a_killed_program_loses_nothing_it_has_written(tmp_path):
    """A crash on stage must not take the session with it."""
    path = tmp_path / "killed.session"
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    for _ in range(200):
        child.stdout.readline()
    os.kill(child.pid, signal.SIGKILL)
    rest, _ = child.communicate()

    n_said = 200 + rest.count("\n")
    times = [record.time_s for record in SessionFile(path)]

    assert len(times) >= n_said
    assert times == [float(number) for number in range(len(times))]


def test_a_last_line_that_is_cut_is_left_out(tmp_path):
    """A power cut may end a file anywhere."""
    records = [Heard(float(number), NoteOn(0, 60, 100)) for number in range(3)]
    path = tmp_path / "cut.session"
    recorded(path, records)
    data = path.read_bytes()
    last = data.rindex(b"\n", 0, -1) + 1

    for end in range(last, len(data)):
        path.write_bytes(data[:end])
        assert list(SessionFile(path)) == records[:2]


@pytest.mark.parametrize(
    "data",
    [b"", b"MThd\x00\x00\x00\x06", b'{"bundle": "x"}\n', b"[1, 2]\n", b"\xff\xfe\n", b"7\n"],
)
def test_a_foreign_file_is_refused_by_name(data, tmp_path):
    """Whoever mistypes a name must not read a traceback."""
    path = tmp_path / "song.mid"
    path.write_bytes(data)

    with pytest.raises(LiveError, match=r"song\.mid' is not a recorded session"):
        SessionFile(path)


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path):
    """The same."""
    with pytest.raises(LiveError, match=r"cannot open .*none\.session"):
        SessionFile(tmp_path / "none.session")


def test_a_newer_format_is_refused(tmp_path):
    """To guess at what is not known yet would replay something else."""
    path = tmp_path / "new.session"
    path.write_text('{"sideman_session": 2, "stars": []}\n', encoding="utf-8")

    with pytest.raises(LiveError, match="of format 2; this Sideman reads format 1"):
        SessionFile(path)


@pytest.mark.parametrize(
    "line",
    ["nonsense", '["sang",1.0]', '["heard",1.0,"90"]', '["heard","x","903c64"]', '["acted"]'],
)
def test_a_line_that_is_damaged_is_named(line, tmp_path):
    """What is damaged in the middle has lost more than the last moment: say so."""
    path = tmp_path / "damaged.session"
    recorded(path, [Acted(0.0, "tap")])
    with path.open("a", encoding="utf-8") as file:
        file.write(line + '\n["acted",2.0,"tap"]\n')

    with pytest.raises(LiveError, match="damaged: line 3 is no record"):
        list(SessionFile(path))


def test_a_session_never_overwrites_another(tmp_path):
    """What was played once cannot be played again."""
    path = tmp_path / "a.session"
    SessionWriter(path, HEADER).close()

    with pytest.raises(OutputExists):
        SessionWriter(path, HEADER)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    """Recording that fails must say so before the music begins."""
    with pytest.raises(LiveError, match="cannot record to"):
        SessionWriter(tmp_path / "none" / "a.session", HEADER)


def test_memory_does_not_grow_with_the_session(tmp_path):
    """Sessions last for hours."""
    record = Sounded(0.0, NoteOn(0, 60, 100), 0.001)
    with SessionWriter(tmp_path / "long.session", HEADER) as writer:
        tracemalloc.start()
        held = []
        for _ in range(2):
            for _ in range(5_000):
                writer.write(record)
            held.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()

    assert held[1] - held[0] < 1_000


# ------------------------------------------------------------------------ the diary


@dataclass
class FakePartner:
    """A partner whose plan is what a test says."""

    timeline: Timeline = field(default_factory=Timeline)
    notes: tuple[SeenNote, ...] = ()

    def view(self, now_s):
        """Return what there is to see."""
        unknown = Quantiles(None, None)
        meters = Meters(unknown, unknown, 50.0, 7, 0, 0, Fallback.NONE, {})
        tick = int(self.timeline.ticks_at(now_s))
        return View(now_s, tick, 0, "answer", None, self.notes, None, None, meters)


def seen(id, state="planned"):
    return SeenNote(id, 1, 60, 80, id, 24, state, is_human=False)


def looks(diary, *times_s, of):
    """Return the records of a type that a diary finds at these times."""
    records = [record for time_s in times_s for record in diary.look(time_s)]
    return [record for record in records if isinstance(record, of)]


def test_the_diary_tells_tempo_and_metre_once_and_when_they_change():
    """A score of the session keeps its bars only if the file knows them."""
    partner = FakePartner()
    diary = Diary(partner)

    first = looks(diary, 0.0, 0.1, 1.0, 5.0, of=Tempo | Metre)
    partner.timeline.set_tempo(5.5, 90.0)
    partner.timeline.set_metre(5, (3, 4))
    then = looks(diary, 6.0, 12.0, 21.0, of=Tempo | Metre)

    assert first == [Tempo(0.0, 0.0, 120.0), Metre(0.0, 0, 4, 4)]
    assert then == [
        Tempo(6.0, partner.timeline.ticks_at(6.0), 90.0),
        Metre(12.0, partner.timeline.bar_start(5), 3, 4),
    ]


def test_the_diary_tells_of_jumps():
    """A clock that is started again goes on elsewhere."""
    partner = FakePartner()
    diary = Diary(partner)
    looks(diary, 0.0, 3.0, of=Tempo)

    partner.timeline.locate(4.0, 0.0)

    assert looks(diary, 5.0, 6.0, of=Tempo) == [Tempo(5.0, 48.0, 120.0)]


def test_versions_of_the_plan_are_told_by_what_differs():
    """The whole plan each time would fill the disk and show no change."""
    partner = FakePartner(notes=(seen(1), seen(2)))
    diary = Diary(partner)

    first = looks(diary, 0.0, of=Planned)
    partner.notes = (seen(1, "committed"), seen(3))
    then = looks(diary, 1.0, 2.0, of=Planned)

    assert first == [Planned(0.0, (seen(1), seen(2)), ())]
    assert then == [Planned(1.0, (seen(3),), (2,))]


def test_meters_are_written_from_time_to_time():
    """How well it went is asked after the session."""
    diary = Diary(FakePartner())
    times_s = [0.25 * number for number in range(81)]

    records = looks(diary, *times_s, of=Metered)

    assert [record.time_s for record in records] == [
        METERS_EVERY_S * number for number in range(5)
    ]
    assert records[0].meters["events_per_s"] == 50.0
