"""Continuing a score: what was there stays, what comes is as long as asked and fits on."""

import json

import numpy as np
import pytest

from sideman.engine.compose import continue_
from sideman.engine.fill import Wish
from sideman.engine.options import Options
from sideman.engine.request import Request, write_takes
from sideman.engine.sampling import Sampling
from sideman.engine.tasks import carry_out
from sideman.errors import EngineError, OutputExists, PromptTooLong
from sideman.score.midi import read_midi, read_recipe, write_midi
from sideman.score.time import bar_starts
from sideman.score.types import (
    NOTE_DTYPE,
    TEMPO_DTYPE,
    TIME_SIGNATURE_DTYPE,
    Part,
    Score,
    table,
)
from sideman.tokens.grid import to_grid

TPQ = 480
METRE, BEATS = (3, 4), 3
TEMPO_BPM = 93.0
PARTS = (Part(33, name="bass"), Part(0, is_drum=True, name="kit"), Part(0, name="piano"))
SAFE = Sampling(min_p=0.03)


def prompt_score(n_bars=4, *, velocity=None, seed=0, per_bar=4):
    """Return a waltz for three, not quite on the grid."""
    rng = np.random.default_rng(seed)
    rows = []
    for bar in range(n_bars):
        start = bar * BEATS * TPQ
        rows.append((start, TPQ, 36, velocity or 90, 0))
        rows.append((start + TPQ + 7, 60, 38, velocity or 70, 1))
        for _ in range(per_bar - 2):
            onset = start + int(rng.integers(BEATS * TPQ - 20))
            duration, pitch = int(rng.integers(50, 500)), int(rng.integers(60, 72))
            rows.append((onset, duration, pitch, velocity or int(rng.integers(40, 100)), 2))
    return Score(
        notes=table(NOTE_DTYPE, sorted(set(rows))),
        parts=PARTS,
        tpq=TPQ,
        tempos=table(TEMPO_DTYPE, [(0, TEMPO_BPM)]),
        time_signatures=table(TIME_SIGNATURE_DTYPE, [(0, *METRE)]),
    )


def continued(score, bundle, *, n_bars=2, only_new=False, **how):
    wish = Wish(**{"sampling": SAFE, "threads": 1, **how})
    return continue_(score, bundle, n_bars=n_bars, only_new=only_new, wish=wish)


def new_notes(take, score):
    """Return the notes behind the prompt."""
    line = bar_starts(take.score)[take.first_bar] if take.first_bar else 0
    return take.score.notes[take.score.notes["onset"] >= line]


@pytest.mark.parametrize("n_bars", [1, 3, 8])
def test_the_bars_asked_for_are_written(bundle, n_bars):
    """They stand right behind the last bar that was played."""
    score = prompt_score()

    for take in continued(score, bundle, n_bars=n_bars, n_takes=2):
        assert (take.first_bar, take.end_bar) == (4, 4 + n_bars)
        fresh = new_notes(take, score)
        assert len(fresh) == take.n_notes
        end = (4 + n_bars) * BEATS * take.score.tpq
        assert (fresh["onset"] < end).all()


def test_the_prompt_stays_as_it_is(bundle):
    """Every onset, length and velocity, at the resolution it came in: nothing is snapped."""
    score = prompt_score()
    (take,) = continued(score, bundle)

    kept = take.score.notes[: len(score.notes)]
    assert take.score.tpq % TPQ == 0
    times = take.score.tpq // TPQ
    for name in ("onset", "duration"):
        np.testing.assert_array_equal(kept[name], score.notes[name] * times)
    for name in ("pitch", "velocity", "part"):
        np.testing.assert_array_equal(kept[name], score.notes[name])
    assert take.score.parts == PARTS


def test_metre_and_tempo_hold(bundle):
    """One metre and one tempo from the first bar to the last, the tempo not even rounded."""
    (take,) = continued(prompt_score(), bundle, n_bars=5)

    rows = take.score.time_signatures
    assert [tuple(row)[1:] for row in rows.tolist()] == [METRE]
    assert take.score.tempos["tempo_bpm"].tolist() == [TEMPO_BPM]


def test_parts_stay_parts(bundle):
    """Who played plays on; drums stay drums; no one joins."""
    takes = continued(prompt_score(), bundle, n_bars=8, n_takes=3)

    for take in takes:
        assert take.score.parts == PARTS
    assert {part for take in takes for part in new_notes(take, None)["part"].tolist()} > {0}


def test_a_flat_prompt_stays_flat(bundle):
    """A prompt typed in at velocity 77 is continued at 77, to the number."""
    (take,) = continued(prompt_score(velocity=77), bundle, n_bars=6)

    fresh = new_notes(take, None)
    assert len(fresh) > 0
    np.testing.assert_allclose(fresh["velocity"], 77, atol=1)


def test_a_prompt_with_dynamics_is_continued_with_some(bundle):
    """More than one velocity among many notes."""
    (take,) = continued(prompt_score(), bundle, n_bars=8)

    assert len(np.unique(new_notes(take, None)["velocity"])) > 1


def test_only_the_new_part_begins_at_its_first_bar(bundle):
    """The same notes, without what they continue."""
    score = prompt_score()
    (whole,) = continued(score, bundle)
    (alone,) = continued(score, bundle, only_new=True)

    assert alone.first_bar == 0
    fresh, line = new_notes(whole, score), bar_starts(whole.score)[whole.first_bar]
    times = whole.score.tpq // alone.score.tpq
    np.testing.assert_array_equal(alone.score.notes["onset"] * times, fresh["onset"] - line)
    np.testing.assert_array_equal(alone.score.notes["pitch"], fresh["pitch"])


def test_new_bars_may_begin_behind_a_rest(bundle):
    """A last chord may ring out before the music goes on."""
    score = prompt_score(n_bars=4)

    (take,) = continue_(score, bundle, n_bars=2, first_bar=5, wish=Wish(sampling=SAFE))

    assert (take.first_bar, take.end_bar) == (5, 7)
    onsets, lines = take.score.notes["onset"], bar_starts(take.score)
    assert not ((onsets >= lines[4]) & (onsets < lines[5])).any()


def test_new_bars_never_begin_where_notes_do(fp32_bundle):
    """What is known is neither written over nor thrown away."""
    with pytest.raises(
        EngineError, match="bar 4 is to be the first new one; notes begin up to"
    ):
        continue_(prompt_score(n_bars=4), fp32_bundle, first_bar=3)


@pytest.mark.parametrize(("bars", "wanted"), [("2", (4, 6)), ("6-7", (5, 7)), ("6-6", (5, 6))])
def test_bars_are_how_many_or_which(fp32_bundle, bars, wanted):
    """One option says either."""
    options = Options(bars=bars)
    (take,) = carry_out("continue", prompt_score(n_bars=4), fp32_bundle, options, threads=1)
    assert (take.first_bar, take.end_bar) == wanted


def test_more_bars_than_the_context_holds(fp32_bundle):
    """The model forgets the beginning and goes on; the listener does not notice."""
    score = prompt_score(16)

    takes = continued(score, fp32_bundle, n_bars=64, n_takes=2)

    for take in takes:
        assert take.end_bar - take.first_bar == 64
        grid, _ = to_grid(take.score)
        assert len(new_notes(take, score)) == take.n_notes
        assert grid.notes["bar"].max() <= 16 + 64


def test_a_seed_repeats_a_take_and_another_does_not(bundle):
    """Same seed, same notes."""
    score = prompt_score()
    one, again, other = (
        continued(score, bundle, n_bars=4, seed=seed)[0].score.notes for seed in (3, 3, 4)
    )

    np.testing.assert_array_equal(one, again)
    assert len(one) != len(other) or (one != other).any()


def test_a_take_does_not_depend_on_how_many_are_asked_for(fp32_bundle):
    """The first of four is the only one of one; in 8 bits a batch may round differently."""
    score = prompt_score()

    (alone,) = continued(score, fp32_bundle, n_bars=4)
    together = continued(score, fp32_bundle, n_bars=4, n_takes=4)

    np.testing.assert_array_equal(together[0].score.notes, alone.score.notes)
    assert any(len(take.score.notes) != len(alone.score.notes) for take in together[1:])


def test_a_score_without_notes_cannot_be_continued(fp32_bundle):
    """There is nothing to hear."""
    empty = Score(notes=table(NOTE_DTYPE), parts=PARTS, tpq=TPQ)

    with pytest.raises(
        EngineError, match="the score has no note; there is nothing to continue"
    ):
        continued(empty, fp32_bundle)


def test_a_bar_too_dense_for_the_context_is_refused(fp32_bundle):
    """The message says how much would fit."""
    with pytest.raises(PromptTooLong, match="more than the 153 known events"):
        continued(prompt_score(1, per_bar=400), fp32_bundle)


# ---------------------------------------------------------------------- files


@pytest.fixture
def prompt_file(tmp_path):
    """Write the waltz to a file."""
    write_midi(prompt_score(), tmp_path / "prompt.mid")
    return tmp_path / "prompt.mid"


def file_continued(prompt, out, bundle, **options):
    force = options.pop("force", False)
    asked = Options(**{"bars": "2", **options})
    return write_takes(Request("continue", prompt, asked, bundle.folder), out, force=force)


def test_a_file_is_continued_byte_for_byte_the_same(prompt_file, bundle, tmp_path):
    """Same seed, same bytes; and the file tells how it was made."""
    for name in ("a.mid", "b.mid"):
        file_continued(prompt_file, tmp_path / name, bundle, seed=5)

    assert (tmp_path / "a.mid").read_bytes() == (tmp_path / "b.mid").read_bytes()
    recipe = json.loads(read_recipe(tmp_path / "a.mid") or "")
    assert (recipe["bundle_hash"], recipe["seed"], recipe["take"]) == (bundle.hash, 5, 0)
    assert recipe["first_new_bar"] == 5
    score = read_midi(tmp_path / "a.mid")
    assert len(score.notes) >= len(prompt_score().notes)


def test_several_takes_go_to_numbered_files(prompt_file, fp32_bundle, tmp_path):
    """The names people get are told."""
    reports = file_continued(prompt_file, tmp_path / "out.mid", fp32_bundle, takes=3)

    assert [report.path.name for report in reports] == ["out-1.mid", "out-2.mid", "out-3.mid"]
    assert all(report.path.is_file() and report.n_bars == 2 for report in reports)
    assert not (tmp_path / "out.mid").exists()


def test_nothing_is_written_if_one_file_is_in_the_way(prompt_file, fp32_bundle, tmp_path):
    """Not the first take either."""
    (tmp_path / "out-2.mid").write_bytes(b"mine")

    with pytest.raises(OutputExists, match=r"out-2\.mid' exists already"):
        file_continued(prompt_file, tmp_path / "out.mid", fp32_bundle, takes=3)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["out-2.mid", "prompt.mid"]
    assert (tmp_path / "out-2.mid").read_bytes() == b"mine"
    file_continued(prompt_file, tmp_path / "out.mid", fp32_bundle, takes=3, force=True)
    assert (tmp_path / "out-2.mid").read_bytes() != b"mine"
