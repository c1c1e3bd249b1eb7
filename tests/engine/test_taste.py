"""A taste ranks takes by what a model hears in them, and belongs to that model."""

import json
import shutil
from dataclasses import replace
from importlib import resources
from math import inf
from pathlib import Path

import numpy as np
import pytest

from sideman.engine.compose import Take, continue_
from sideman.engine.fill import Wish
from sideman.engine.options import Options
from sideman.engine.ranking import rank
from sideman.engine.request import Request, again, write_takes
from sideman.engine.taste import BEST_OF, Ear, Taste, read_taste, write_taste
from sideman.errors import EngineError, OutputExists
from sideman.score.edit import slice_bars
from sideman.score.midi import read_midi, read_recipe
from sideman.score.types import NOTE_DTYPE, Part, Score, table

BAR = 96
PIANO, FLUTE = Part(0), Part(73)
EXAMPLE = Path(str(resources.files("sideman"))) / "examples" / "prompt.mid"


def score_of(*places, parts=(PIANO,)):
    """Return a score of quarter notes, each given as (onset, pitch) or (onset, pitch, part)."""
    rows = [(onset, 24, pitch, 80, *(part or (0,))) for onset, pitch, *part in places]
    return Score(table(NOTE_DTYPE, rows), parts)


def take_of(score):
    return Take(score, 1, 2, n_notes=1, bits_per_note=1.0)


PROMPT = score_of((0, 60), (24, 62), (48, 64))
ANSWER = score_of((0, 60), (24, 62), (48, 64), (BAR, 65), (BAR + 24, 65))


@pytest.fixture(scope="module")
def ear(fp32_bundle):
    return Ear(fp32_bundle)


@pytest.fixture
def taste(fp32_bundle):
    """Return a taste for many notes, which does not care about anything else."""
    width = int(fp32_bundle.card["network"]["d_model"])
    return Taste(
        fp32_bundle.name, fp32_bundle.hash, {"votes": 60}, {"notes a bar": 1.0}, (0.0,) * width
    )


# ------------------------------------------------------------------------ what is heard


def test_only_new_notes_are_heard(ear):
    """A prompt is the same for all its answers, and says nothing of which is better."""
    heard = ear.hear(ANSWER, PROMPT)

    assert heard.impressions["notes a bar"] == 1.0  # two notes, as a power of two
    assert heard.impressions["repeated pitches"] == 1.0
    assert ear.hear(ANSWER).impressions["repeated pitches"] == 0.25


def test_what_was_played_before_is_heard_behind_the_new_notes(ear):
    """The same notes are another answer to another prompt."""
    other = score_of((0, 72), (24, 71), (48, 69))
    after_other = other.with_notes(np.concatenate([other.notes, ANSWER.notes[3:]]))

    one, two = ear.hear(ANSWER, PROMPT), ear.hear(after_other, other)

    assert one.impressions["high notes"] == two.impressions["high notes"]
    assert np.abs(one.state - two.state).max() > 0.01


def test_what_comes_behind_the_new_notes_makes_no_difference(ear):
    """Bars behind a hole are the same in all answers, and have not been heard yet."""
    behind = [(2 * BAR, 50), (3 * BAR, 52)]
    infilled = score_of(*((o, p) for o, _, p, *_ in ANSWER.notes.tolist()), *behind)
    prompt = score_of(*((o, p) for o, _, p, *_ in PROMPT.notes.tolist()), *behind)

    one, two = ear.hear(ANSWER, PROMPT), ear.hear(infilled, prompt)

    assert one.impressions == pytest.approx(two.impressions)
    assert two.state == pytest.approx(one.state, abs=1e-5)


def test_a_part_that_is_silent_makes_no_difference(ear):
    """A score from the studio has all parts of the piece, one from a file may not."""
    more = replace(ANSWER, parts=(PIANO, FLUTE))

    assert ear.hear(more, PROMPT).state.tolist() == ear.hear(ANSWER, PROMPT).state.tolist()


def test_hearing_leaves_nothing_behind(ear):
    """The order in which answers are heard must not change what is thought of them."""
    before = ear.hear(ANSWER, PROMPT)
    ear.hear(read_midi(EXAMPLE))

    assert ear.hear(ANSWER, PROMPT).state.tolist() == before.state.tolist()


def test_an_answer_without_a_new_note_is_not_heard(ear):
    """There is nothing to hear in it."""
    assert ear.hear(PROMPT, PROMPT) is None
    assert ear.hear(score_of()) is None


def test_of_more_than_fits_something_is_heard(ear):
    """The tiny model hears 256 events: bars before the new ones go first, then what is last."""
    dense = [(3 * tick, 40 + tick % 40) for tick in range(8 * 32)]
    longer = [*dense, *((8 * BAR + 3 * tick, 60) for tick in range(32))]

    after = ear.hear(score_of(*longer), score_of(*dense))
    whole = ear.hear(score_of(*longer))

    assert after.impressions["high notes"] == 60
    assert np.isfinite(after.state).all()
    assert np.isfinite(whole.state).all()


# -------------------------------------------------------------------------- how it ranks


def test_takes_are_ranked_by_what_is_liked(ear, taste):
    """Best first; the taste likes many notes, and no take less than one without a new note."""
    few, many = ANSWER, score_of(*((o, p) for o, _, p, *_ in ANSWER.notes.tolist()), (150, 50))
    takes = [take_of(score) for score in (PROMPT, few, many)]
    scorer = taste.scorer(ear, PROMPT)

    assert rank(takes, scorer) == [2, 1, 0]
    assert scorer(takes[0]) == -inf


def test_states_are_weighed_too(ear, taste):
    """Number by number."""
    heard = ear.hear(ANSWER, PROMPT)
    weights = np.linspace(-1, 1, len(heard.state))

    liked = replace(taste, state=tuple(weights)).like(heard)

    assert liked == pytest.approx(1.0 + heard.state @ weights)


def test_the_fingerprint_is_that_of_what_is_weighed(taste):
    """What it was learned from changes no take."""
    assert replace(taste, about={}).hash == taste.hash
    assert replace(taste, impressions={"notes a bar": 2.0}).hash != taste.hash
    assert replace(taste, bundle_hash="0").hash != taste.hash


# ------------------------------------------------------------------------------ files


def test_a_taste_comes_back_from_its_file(taste, tmp_path, fp32_bundle):
    """And is not overwritten unasked."""
    path = tmp_path / "taste.json"
    write_taste(taste, path)

    assert read_taste(path, fp32_bundle) == taste
    with pytest.raises(OutputExists, match="pass --force"):
        write_taste(taste, path)


def test_a_taste_for_another_model_is_refused(taste, tmp_path, fp32_bundle):
    """Its weights mean nothing there: any take might come first."""
    path = tmp_path / "taste.json"
    write_taste(replace(taste, bundle_hash="feed"), path)

    with pytest.raises(EngineError, match=r"feed hears; this is 'tiny fp32'.*learn it again"):
        read_taste(path, fp32_bundle)


def test_a_taste_that_is_damaged_is_refused(taste, tmp_path, fp32_bundle):
    """As one line, and not in the midst of ranking."""
    path = tmp_path / "taste.json"
    write_taste(replace(taste, state=(0.0, 1.0)), path)

    with pytest.raises(EngineError, match="it weighs 2 numbers of the 32 of a state"):
        read_taste(path, fp32_bundle)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no taste"),
        ("[]", "is no taste"),
        ("{}", "is no taste"),
        ('{"format": 1}', "is no taste"),
        ('{"format": 2}', "has format 2; this sideman reads 1"),
    ],
)
def test_what_is_no_taste_is_refused(text, said, tmp_path, fp32_bundle):
    """By its name and with the way out."""
    path = tmp_path / "taste.json"
    path.write_text(text)

    with pytest.raises(EngineError, match=f"taste.json' {said}.*'sideman prefer'"):
        read_taste(path, fp32_bundle)


# --------------------------------------------------------------------------- requests


@pytest.fixture
def request_with(taste, tmp_path, tiny_bundles):
    """Return a function that asks for a continuation by that taste, in a folder of its own."""
    path = tmp_path / "taste.json"
    write_taste(taste, path)
    prompt = Path(shutil.copy(EXAMPLE, tmp_path / "song.mid"))

    def asked(**said):
        options = Options(bars="2", prompt_bars=1, **said)
        return Request("continue", prompt, options, tiny_bundles["fp32"], path)

    return asked


def test_the_best_of_several_is_written(request_with, tmp_path, fp32_bundle, taste):
    """One file; it is the take that the taste likes best of those drawn."""
    (report,) = write_takes(request_with(), tmp_path / "best.mid")

    wish = Wish(n_takes=BEST_OF, prompt_bars=1)
    drawn = continue_(read_midi(EXAMPLE), fp32_bundle, n_bars=2, wish=wish)
    assert report.n_notes == max(take.n_notes for take in drawn)
    assert len({take.n_notes for take in drawn}) > 1


def test_the_recipe_names_the_taste_and_needs_it_not(request_with, tmp_path, taste):
    """What it chose is made again without it, byte for byte."""
    request = request_with(takes=2)
    reports = write_takes(replace(request, best_of=3), tmp_path / "best.mid")
    (tmp_path / "taste.json").unlink()

    assert [report.path.name for report in reports] == ["best-1.mid", "best-2.mid"]
    recipe = json.loads(read_recipe(reports[0].path) or "")
    assert (recipe["taste"], recipe["takes"], recipe["keep"]) == (taste.hash, 6, 2)
    assert all(again(each.path, bundle=request.bundle).is_as_before for each in reports)


def test_how_many_are_kept_of_how_many_may_be_said(request_with, tmp_path):
    """Then no more are drawn than that."""
    (report,) = write_takes(request_with(takes=3, keep=1), tmp_path / "best.mid")

    assert json.loads(read_recipe(report.path) or "")["takes"] == 3


def test_how_many_would_be_drawn_is_refused_in_the_numbers_that_were_said(
    request_with, tmp_path
):
    """Nobody wrote 80."""
    with pytest.raises(
        EngineError, match=r"takes is 20, each the best of 4: 80 would be drawn"
    ):
        write_takes(request_with(takes=20), tmp_path / "best.mid")


def test_new_bars_alone_are_judged_by_what_came_before(request_with, tmp_path):
    """The same take is best, whether what was known is left out of the file or not."""
    (whole,) = write_takes(request_with(), tmp_path / "whole.mid")
    (alone,) = write_takes(request_with(only_new=True), tmp_path / "alone.mid")

    bars = slice_bars(read_midi(whole.path), 16, 18)
    assert read_midi(alone.path).notes.tolist() == bars.notes.tolist()
    assert again(alone.path, bundle=request_with().bundle).is_as_before
