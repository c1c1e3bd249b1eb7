"""The figures of a corpus are those that can be counted by hand."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.corpus.manifest import MANIFEST_NAME, REMARKS_NAME, SCHEMA
from sideman.corpus.shards import Piece, Shard, shard_path, write_index
from sideman.corpus.statistics import (
    MAX_EXAMPLES,
    MAX_PORTIONS,
    _binned,
    _counted,
    measure,
    short_form,
)
from sideman.errors import CorpusError
from sideman.score.types import NOTE_DTYPE, TIME_SIGNATURE_DTYPE, Part, Score, table
from sideman.tokens.codec import Layout, encode

PIANO, BASS, KIT = (Part(0, is_drum=False), Part(33, is_drum=False), Part(0, is_drum=True))

TUNE = Score(
    # onset, duration, pitch, velocity, part: four quarters in a bar
    table(NOTE_DTYPE, [(24 * beat, 24, 60 + beat, 64, 0) for beat in range(4)]),
    (PIANO,),
)
GROOVE = Score(
    # two bars of 3/4: a bass note of three quarters and a kick on each first beat
    table(
        NOTE_DTYPE,
        [(72 * b, length, 36, 100, p) for b in (0, 1) for length, p in ((72, 0), (12, 1))],
    ),
    (BASS, KIT),
    time_signatures=table(TIME_SIGNATURE_DTYPE, [(0, 3, 4)]),
)


def kept(path, split, style, **said):
    return {"path": path, "verdict": "kept", "split": split, "style": style, **said}


ROWS = [
    kept(
        "folk/tune.mid",
        "train",
        "folk",
        programs=[0],
        roles=["melody"],
        key="C major",
        licence="CC0",
        timing="quantised",
        alignment="none",
        single_velocity=True,
        tempo_bpm=120.0,
        polyphony=1.0,
        density=1.0,
        n_bars=1,
        n_parts=1,
        duration_s=1800.0,
        lost="2 duplicate_notes, 1 long_notes_cut",
        group="folk/tune.mid",
    ),
    kept(
        "rock/groove.mid",
        "valid",
        "rock",
        programs=[33, -1],
        roles=["bass", "drums"],
        licence="unstated",
        timing="performed",
        alignment="tracked",
        single_velocity=False,
        tempo_bpm=250.0,
        polyphony=1.5,
        density=0.25,
        n_bars=2,
        n_parts=2,
        duration_s=5400.0,
        lost="3 duplicate_notes",
        repairs="1 no-end",
    ),
    {
        "path": "folk/again.mid",
        "verdict": "left-out",
        "reason": "near-duplicate",
        "detail": "93% the same as folk/tune.mid",
        "style": "folk",
        "licence": "CC0",
        "group": "folk/tune.mid",
        "duration_s": 1800.0,
    },
    {
        "path": "rock/page.mid",
        "verdict": "refused",
        "reason": "not-midi",
        "detail": "it is a web page",
        "style": "rock",
        "licence": "unstated",
    },
]


def write_manifest(out, rows):
    defaults = {"size": 10, "reason": "", "group": "", "repairs": "", "lost": None}
    full = [dict.fromkeys(SCHEMA.names) | defaults | row for row in rows]
    pq.write_table(pa.Table.from_pylist(full, SCHEMA), out / MANIFEST_NAME)


def write_shards(out, scores):
    """Write each score, by path, into a shard of its own."""
    pieces, shards = [], []
    for number, (path, score) in enumerate(scores.items()):
        is_silent = np.full(len(score.notes), path == "folk/tune.mid")
        events, _ = encode(score, Layout(unspecified_velocity=is_silent))
        np.save(shard_path(out, number), events)
        shards.append(Shard(len(events), ""))
        pieces.append(Piece(path, number, 0, len(events), "train", 1, len(score.notes)))
    write_index(out, ["any"], shards, pieces)


@pytest.fixture
def out(tmp_path):
    """Return a corpus of two pieces, from four files."""
    write_manifest(tmp_path, ROWS)
    write_shards(tmp_path, {"folk/tune.mid": TUNE, "rock/groove.mid": GROOVE})
    return tmp_path


def test_totals_are_those_of_files_and_shards(out):
    """Notes, bars and events are what a model will see, not what a file held."""
    found = measure(out)

    assert (found.n_files, found.n_bytes, found.n_pieces) == (4, 40, 2)
    assert found.verdicts == {"read": 0, "kept": 2, "left-out": 1, "refused": 1}
    assert (found.n_notes, found.n_bars, found.hours) == (8, 3, 2.0)
    # START, END and a PART for each part, a BAR for each bar, the notes
    assert found.n_events == 2 * 2 + 3 + 3 + 8
    assert found.events_per_note == 18 / 8
    assert found.n_shards == 2
    assert found.shard_bytes == sum(path.stat().st_size for path in out.glob("*.npy"))
    assert (found.n_single_velocity, found.n_notes_without_velocity) == (1, 4)


def test_histograms_of_notes_count_each_note_once(out):
    """Drum pieces are never low notes, and a velocity that says nothing is not counted."""
    found = {
        name: {label: n for label, n in histogram.by_label().items() if n}
        for name, histogram in measure(out).histograms.items()
    }

    assert found["pitch"] == {"C2": 2, "C4": 1, "Db4": 1, "D4": 1, "Eb4": 1}
    assert found["drums"] == {"Bass Drum 1": 2}
    assert found["duration"] == {"1/2": 2, "1": 4, "3": 2}
    assert found["velocity"] == {"100–103": 4}
    assert found["metre"] == {"3/4": 2, "4/4": 1}


def test_histograms_of_pieces_come_from_the_manifest(out):
    """What lies on an edge belongs to the column that begins there."""
    found = {
        name: {label: n for label, n in histogram.by_label().items() if n}
        for name, histogram in measure(out).histograms.items()
    }

    assert found["tempo"] == {"120–130": 1, "250 or more": 1}
    assert found["key"] == {"C major": 1}
    assert found["polyphony"] == {"under 1.25": 1, "1.5–1.75": 1}
    assert found["density"] == {"0.25–0.5": 1, "1–1.5": 1}
    assert found["bars"] == {"1": 1, "2–3": 1}
    assert found["parts"] == {"1": 1, "2": 1}


def test_keys_stand_in_the_order_of_the_circle_of_fifths(out):
    """Majors from C upwards, then the relative minor of each."""
    labels = measure(out).histograms["key"].labels

    assert labels[:4] == ("C major", "G major", "D major", "A major")
    assert labels[12:15] == ("A minor", "E minor", "B minor")


def test_tables_tell_found_kept_notes_and_hours(out):
    """A style that lost half its files shows it."""
    found = measure(out)

    rows = [
        (row.name, row.n_files, row.n_pieces, row.n_notes, row.hours) for row in found.styles
    ]
    assert rows == [("folk", 2, 1, 4, 0.5), ("rock", 2, 1, 4, 1.5)]
    assert [(row.name, row.n_pieces) for row in found.licences] == [("CC0", 1), ("unstated", 1)]
    assert [(row.name, row.n_pieces) for row in found.splits] == [
        ("train", 1),
        ("valid", 1),
        ("test", 0),
    ]


def test_instruments_count_notes_and_pieces(out):
    """All drum kits share a row."""
    found = [(row.name, row.n_notes, row.n_pieces) for row in measure(out).instruments]

    assert found == [
        ("Acoustic Grand Piano", 4, 1),
        ("Drums", 2, 1),
        ("Electric Bass (finger)", 2, 1),
    ]


def test_roles_timing_and_changes_are_added_up(out):
    """What the grid lost is summed by name over the pieces."""
    found = measure(out)

    assert found.roles == {"bass": 1, "drums": 1, "melody": 1}
    assert found.style_roles == {"rock": {"bass": 1, "drums": 1}, "folk": {"melody": 1}}
    assert found.timing == {"performed": 1, "quantised": 1}
    assert found.alignment == {"none": 1, "tracked": 1}
    assert found.lost == {"duplicate_notes": 5, "long_notes_cut": 1}
    assert found.repairs == {"no-end": 1}


def test_each_reason_names_its_first_files(tmp_path):
    """Five of a thousand are enough to look at."""
    rows = [
        {"path": f"{n:03d}.mid", "verdict": "refused", "reason": "not-midi", "detail": "a page"}
        for n in range(20)
    ]
    write_manifest(tmp_path, rows)

    (reason,) = measure(tmp_path).reasons

    assert (reason.code, reason.verdict, reason.n_files) == ("not-midi", "refused", 20)
    assert reason.detail == "a page"
    assert reason.paths == tuple(f"{n:03d}.mid" for n in range(MAX_EXAMPLES))


def test_group_of_duplicates_counts_the_kept_file_once(out):
    """It makes no difference whether the kept file names itself."""
    duplicates = measure(out).duplicates

    assert (duplicates.n_groups, duplicates.n_files) == (1, 2)
    assert duplicates.sizes.by_label()["2"] == 1
    (group,) = duplicates.largest
    assert (group.kept, group.n_files, group.others) == (
        "folk/tune.mid",
        2,
        ("folk/again.mid",),
    )


def test_long_tables_end_in_the_sum_of_the_rest(tmp_path):
    """With a source for every file the report stays readable, and no file is lost from it."""
    rows = [
        {"path": f"{n}.mid", "verdict": "refused", "reason": "smpte", "source": f"page {n}"}
        for n in range(1000)
    ]
    write_manifest(tmp_path, rows)

    sources = measure(tmp_path).sources

    assert len(sources) == MAX_PORTIONS
    assert sources[-1].name == f"and {1000 - MAX_PORTIONS + 1} more"
    assert sum(row.n_files for row in sources) == 1000


def test_corpus_of_nothing_has_figures(tmp_path):
    """Where every file is refused there are no shards, and the reasons still count."""
    write_manifest(tmp_path, ROWS[2:])

    found = measure(tmp_path)

    assert (found.n_files, found.n_pieces, found.n_notes) == (2, 0, 0)
    assert [reason.code for reason in found.reasons] == ["near-duplicate", "not-midi"]
    assert short_form(found).startswith("       kept  0 of 2 files\n")


def test_remarks_of_the_build_are_passed_on(out):
    """A licence table that names nothing is a line of the report."""
    (out / REMARKS_NAME).write_text(json.dumps(["licences.tsv names what is not there"]))

    assert measure(out).remarks == ("licences.tsv names what is not there",)


def test_json_has_the_same_figures(out):
    """A program reads what the page shows."""
    found = json.loads(measure(out).to_json())

    assert found["n_notes"] == 8
    assert found["styles"][0]["name"] == "folk"
    assert found["histograms"]["metre"] == {
        "unit": "bars",
        "labels": ["3/4", "4/4"],
        "counts": [2, 1],
    }


def test_short_form_tells_what_matters(out):
    """It is what a person reads after a build."""
    lines = [line.strip() for line in short_form(measure(out)).splitlines()]

    assert len(lines) == 18
    assert lines[:4] == [
        "kept  2 of 4 files",
        "left out  1: 1 near-duplicate",
        "refused  1: 1 not-midi",
        "music  8 notes, 3 bars, 2.0 hours",
    ]
    assert "splits  1 train, 1 valid, 0 test" in lines
    assert "pitch  half of the notes from C2 to D4" in lines
    assert "duplicates  2 files, of which 1 differ" in lines
    assert lines[-1] == "lost  5 duplicate_notes, 1 long_notes_cut"


@pytest.mark.parametrize("missing", ["folk/tune.mid", "rock/groove.mid"])
def test_manifest_and_shards_must_go_together(out, missing):
    """Figures of two different builds are never mixed."""
    write_manifest(out, [row for row in ROWS if row["path"] != missing])

    with pytest.raises(CorpusError, match=f"manifest and shards differ, at {missing}; build"):
        measure(out)


@given(st.lists(st.floats(0, 1000), max_size=30))
def test_every_number_falls_into_the_column_that_says_so(values):
    """Columns have no gaps and do not overlap."""
    found = _binned([*values, np.nan], (1, 2, 5)).counts

    assert found == (
        sum(value < 1 for value in values),
        sum(1 <= value < 2 for value in values),
        sum(2 <= value < 5 for value in values),
        sum(value >= 5 for value in values),
    )


def test_whole_numbers_are_named_by_the_last_they_hold():
    """Three to five bars are 3–5, not 3–6."""
    assert _counted("bars", [1, 2, 3, 5, 6, 7], (1, 2, 3, 6)).by_label() == {
        "1": 1,
        "2": 1,
        "3–5": 2,
        "6 or more": 2,
    }
