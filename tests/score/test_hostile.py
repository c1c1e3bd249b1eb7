"""Whatever a file holds, reading it ends soon with a score or a refusal."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.errors import MidiFileError
from sideman.score.midi import midi_bytes, parse_midi
from sideman.score.time import bar_starts, resample, ticks_to_seconds
from sideman.score.types import NOTE_DTYPE, TIME_SIGNATURE_DTYPE, Part, Score, table

HOSTILE = os.environ.get("SIDEMAN_HOSTILE")
TIMEOUT_S = 60

READ_ALL = """
import resource, sys
from pathlib import Path
from sideman.errors import MidiFileError
from sideman.score.midi import midi_bytes, parse_midi, read_midi
from sideman.score.time import bar_starts, resample

resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
for path in sorted(Path(sys.argv[1]).rglob("*")):
    if not path.is_file():
        continue
    try:
        score = read_midi(path)
    except MidiFileError as error:
        assert error.path == path and str(path) in str(error), path
        print("refused", error.reason)
        continue
    bar_starts(score), resample(score, 24)
    assert len(parse_midi(midi_bytes(score), path).notes) <= len(score.notes), path
    print("read")
"""

SAMPLE = midi_bytes(
    Score(
        table(NOTE_DTYPE, [(i * 24, 24, 60 + i % 5, 80, i % 2) for i in range(20)]),
        (Part(0, name="piano"), Part(0, is_drum=True)),
        time_signatures=table(TIME_SIGNATURE_DTYPE, [(0, 4, 4), (96, 3, 4)]),
    )
)


def read_or_refuse(data):
    """Read `data` as far as a corpus would, or be refused with a reason."""
    try:
        score = parse_midi(data, Path("a.mid"))
    except MidiFileError:
        return
    ticks_to_seconds(score, bar_starts(score))
    resample(score, 24)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    """Alone, as the body of a track, and as the chunks of a file."""
    read_or_refuse(data)
    read_or_refuse(SAMPLE[:22] + data)
    read_or_refuse(SAMPLE[:14] + b"MTrk" + len(data).to_bytes(4, "big") + data)


@given(
    st.lists(st.tuples(st.integers(0, len(SAMPLE) - 1), st.binary(max_size=3)), max_size=6),
    st.integers(0, len(SAMPLE)),
)
def test_file_with_wrong_bytes_is_read_or_refused(changes, length):
    """A good file, some bytes of it replaced, its end cut off."""
    data = bytearray(SAMPLE)
    for at, wrong in changes:
        data[at : at + len(wrong)] = wrong
    read_or_refuse(bytes(data))
    read_or_refuse(bytes(data[:length]))


@pytest.mark.skipif(
    HOSTILE is None, reason="SIDEMAN_HOSTILE does not name the folder of hostile MIDI files"
)
def test_all_hostile_files_are_read_or_refused():
    """In a process of its own, with 2 GiB of memory and a minute for all: no crash, no hang."""
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, str(HOSTILE)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr == ""
    n_files = sum(path.is_file() for path in Path(str(HOSTILE)).rglob("*"))
    assert len(done.stdout.splitlines()) == n_files > 0
