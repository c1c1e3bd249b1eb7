"""Files of strangers are read where they can do no harm."""

import importlib
import sys
from importlib import resources

import pytest

from sideman.errors import MidiFileError
from sideman.score.midi import midi_bytes
from sideman.score.types import NOTE_DTYPE, Part, Score, table
from sideman.studio import uploads as module
from sideman.studio.limits import LimitReached, Limits
from sideman.studio.uploads import Uploads, title

EXAMPLE = (resources.files("sideman") / "examples" / "prompt.mid").read_bytes()


HARMS = """
import os, time

def hang(*_):
    time.sleep(60)

def die(*_):
    os._exit(3)

def eat(*_):
    return len(bytearray(2**33))
"""


@pytest.fixture
def harm(request, monkeypatch, tmp_path):
    """Return a function that does harm, of a module that other processes find."""
    (tmp_path / "harms.py").write_text(HARMS)
    monkeypatch.syspath_prepend(tmp_path)
    yield getattr(importlib.import_module("harms"), request.param)
    del sys.modules["harms"]


@pytest.fixture
def uploads(request):
    """Return a reader with limits that the test names."""
    reader = Uploads(Limits(**getattr(request, "param", {})))
    yield reader
    reader.close()


@pytest.mark.parametrize(
    ("file_name", "wanted"),
    [
        ("song.mid", "song"),
        ("My Song (2).MIDI", "My Song (2)"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ella\\song.mid", "song"),
        ("no.suffix.here", "no.suffix.here"),
        ("", "Untitled"),
        ("\x00\n.mid", ".mid"),
        ("x" * 300 + ".mid", "x" * 200),
    ],
)
def test_a_project_is_called_like_its_file(file_name, wanted):
    """Whatever a browser, or what pretends to be one, calls it."""
    assert title(file_name) == wanted


def test_a_file_that_is_too_large_is_not_even_looked_at(uploads):
    """No process is begun for it."""
    with pytest.raises(LimitReached, match=r"a.mid is larger than 2,000,000 bytes"):
        uploads.read(b"x" * 2_000_001, "dir/a.mid")


@pytest.mark.slow
def test_what_is_wrong_with_a_file_is_said(uploads):
    """Errors come back from the other process as they were."""
    with pytest.raises(MidiFileError, match="web page or XML"):
        uploads.read(b"<html>", "b.mid")
    silent = midi_bytes(Score(table(NOTE_DTYPE), (Part(),)))
    with pytest.raises(MidiFileError, match="has no notes"):
        uploads.read(silent, "b.mid")
    assert uploads.read(EXAMPLE, "a.mid")["n_bars"] == 16


@pytest.mark.slow
@pytest.mark.parametrize("uploads", [{"notes": 199}], indirect=True)
def test_a_piece_that_is_too_large_is_refused_by_the_process(uploads):
    """It never travels back."""
    with pytest.raises(LimitReached) as error:
        uploads.read(EXAMPLE, "a.mid")
    assert (error.value.code, error.value.status) == ("too_many_notes", 422)


@pytest.mark.slow
@pytest.mark.parametrize("uploads", [{"upload_seconds": 0.5}], indirect=True)
@pytest.mark.parametrize("harm", ["hang", "die"], indirect=True)
def test_a_file_that_hangs_or_kills_costs_itself_only(uploads, monkeypatch, harm):
    """A parser has bugs that nobody has found yet."""
    with monkeypatch.context() as patch:
        patch.setattr(module, "_read", harm)
        with pytest.raises(LimitReached) as error:
            uploads.read(EXAMPLE, "a.mid")
    assert error.value.code == "too_hard_to_read"
    assert uploads.read(EXAMPLE, "a.mid")["n_bars"] == 16


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")
@pytest.mark.parametrize("harm", ["eat"], indirect=True)
def test_a_file_that_eats_memory_is_stopped(uploads, monkeypatch, harm):
    """A few bytes can ask for gigabytes."""
    monkeypatch.setattr(module, "_read", harm)
    with pytest.raises(LimitReached, match="cannot be read"):
        uploads.read(EXAMPLE, "a.mid")
