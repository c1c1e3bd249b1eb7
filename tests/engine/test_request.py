"""Requests: the same words make the same bytes, and a file says how it was made."""

import json
import shutil
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from sideman import __version__
from sideman.engine.options import RANGES, Options
from sideman.engine.request import Request, again, write_takes
from sideman.engine.tasks import carry_out
from sideman.errors import EngineError, OutputExists
from sideman.score.midi import read_midi, read_recipe, write_midi

EXAMPLE = Path(str(resources.files("sideman"))) / "examples" / "prompt.mid"
REQUESTS = {
    "compose": Options(bars="2", parts=("piano", "drums"), key="D minor", chart="Dm | Gm"),
    "continue": Options(bars="2", parts=("voice:max-notes=3",), only_new=True),
    "infill": Options(bars="3-4", parts=("2", "3"), temperature=1.1),
    "accompany": Options(parts=("bass=fretless:polyphony=1",), rhythm="straight"),
    "rewrite": Options(parts=("voice:range=C4-C5",), seed=3),
    "vary": Options(bars="2-3", change=50, key="G major", key_mode="nudge"),
}


@pytest.fixture
def prompt(tmp_path):
    """Give the example in a folder of its own."""
    return Path(shutil.copy(EXAMPLE, tmp_path / "song.mid"))


@pytest.fixture
def model(tiny_bundles):
    """Give the folder of a bundle other than the bundled one."""
    return tiny_bundles["int8"]


@pytest.fixture
def written(prompt, model):
    """Return a function that carries out a request and gives the file."""

    def write(task="continue", *, name="take.mid", **said):
        options = replace(Options(bars="2", prompt_bars=1), **said)
        request = Request(task, None if task == "compose" else prompt, options, model)
        return write_takes(request, prompt.with_name(name))[0].path

    return write


def with_recipe(take, text):
    """Return a copy of a take with another recipe."""
    other = take.with_name("other.mid")
    write_midi(read_midi(take), other, recipe=text, force=True)
    return other


# ------------------------------------------------------------------- the same again


@pytest.mark.parametrize("task", REQUESTS)
def test_a_take_made_again_is_the_same_byte_for_byte(task, prompt, tmp_path):
    """By the bundled model, whatever the task: the file says all there is to know."""
    request = Request(task, None if task == "compose" else prompt, REQUESTS[task])
    take = write_takes(request, tmp_path / "take.mid")[0].path

    report = again(take)

    assert report.path == tmp_path / "take-again.mid"
    assert report.is_as_before
    assert report.path.read_bytes() == take.read_bytes()


def test_one_of_several_takes_is_made_again(written, model):
    """It was drawn beside the others, and is once more."""
    first = written(takes=3)

    for number in (1, 2, 3):
        assert again(first.with_name(f"take-{number}.mid"), bundle=model).is_as_before


def test_a_change_is_made_and_written_into_the_recipe(written, model):
    """So that what was changed can be made again as well."""
    take = written()

    other = again(take, changes={"seed": "8", "top-p": "0.9"}, bundle=model)

    recipe = json.loads(read_recipe(other.path) or "")
    assert (recipe["seed"], recipe["top_p"], recipe["bars"]) == (8, 0.9, "2")
    assert not other.is_as_before
    assert again(other.path, bundle=model).is_as_before


def test_settings_are_read_as_people_write_them(written, model):
    """Text, numbers, yes and no, and parts between semicolons."""
    changes = {"bars": "1", "only_new": "yes", "parts": "1:density=3; voice", "tempo": "90"}

    other = again(written(), changes=changes, bundle=model)

    recipe = json.loads(read_recipe(other.path) or "")
    assert other.n_bars == 1
    assert recipe["only_new"] is True
    assert recipe["parts"] == ["1:density=3", "voice"]
    assert recipe["tempo"] == "90"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("sed", "8", "there is no setting 'sed'; did you mean 'seed'"),
        ("task", "vary", "there is no setting 'task'"),
        ("seed", "x", "seed is 'x'; it must be a whole number"),
        ("temperature", "hot", "temperature is 'hot'; it must be a number"),
        ("temperature", "-1", "temperature is -1"),
        ("only_new", "perhaps", "known are yes, no"),
        ("takes", "0", "takes is 0; it must be 1 to 64"),
        ("tempo", "nan", "tempo is 'nan'"),
    ],
)
def test_a_change_that_cannot_be_is_refused(written, model, name, text, said):
    """A misspelt setting must not be a setting left alone."""
    with pytest.raises(EngineError, match=said):
        again(written(), changes={name: text}, bundle=model)


def test_fewer_takes_than_its_number_are_refused(written, model):
    """There would be no such take to write."""
    second = written(takes=2).with_name("take-2.mid")

    with pytest.raises(EngineError, match="is take 2; takes must be at least that, not 1"):
        again(second, changes={"takes": "1"}, bundle=model)


def test_the_prompt_is_looked_for_beside_the_take_and_here(
    written, model, prompt, tmp_path, monkeypatch
):
    """Files that were sent somewhere go together; else whoever works is where the prompt is."""
    take = written()
    away = tmp_path / "away"
    away.mkdir()
    moved = Path(shutil.copy(take, away / "take.mid"))
    monkeypatch.chdir(tmp_path)

    assert again(take, tmp_path / "a.mid", bundle=model).is_as_before
    assert again(moved, tmp_path / "b.mid", bundle=model).is_as_before

    named = prompt.rename(tmp_path / "named.mid")
    with pytest.raises(EngineError, match=r"there is no 'song.mid' .* with --prompt"):
        again(moved, bundle=model)
    assert again(moved, tmp_path / "c.mid", prompt=named, bundle=model).is_as_before


def test_another_prompt_is_refused(written, model, prompt):
    """The same name is not the same music."""
    take = written()
    write_midi(read_midi(take), prompt, force=True)

    with pytest.raises(EngineError, match=r"no longer, what .* with --prompt"):
        again(take, bundle=model)
    with pytest.raises(EngineError, match="is not, or no longer"):
        again(take, prompt=take, bundle=model)


def test_another_model_is_refused(written):
    """It would write something else and call it the same."""
    with pytest.raises(EngineError, match=r"made by the bundle 'tiny int8' .* with --bundle"):
        again(written())


def test_a_file_without_a_recipe_is_refused(prompt):
    """Most MIDI files are not ours."""
    with pytest.raises(EngineError, match="carries no recipe"):
        again(prompt)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("not JSON", "another program's, or damaged"),
        ("[1, 2]", "another program's, or damaged"),
        ({"sideman": None}, "was written by sideman None; this is"),
        ({"sideman": "0.0.1"}, f"was written by sideman 0.0.1; this is {__version__}"),
        ({"seed": "7"}, "damaged: seed is '7'"),
        ({"parts": "piano"}, "damaged: parts is 'piano'"),
        ({"take": 5}, "is take 6"),
        ({"temperature": True}, "damaged: temperature is True"),
        ({"task": "arange"}, "there is no task 'arange'"),
        ({"seed": -1}, "seed is -1"),
        ({"prompt": "../.."}, "there is no '..'"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused(written, model, change, said):
    """A recipe comes with a file from anywhere: nothing in it is taken on trust."""
    take = written()
    recipe = json.loads(read_recipe(take) or "")
    other = with_recipe(
        take, change if isinstance(change, str) else json.dumps(recipe | change)
    )

    with pytest.raises(EngineError, match=said):
        again(other, bundle=model)


def test_nothing_is_overwritten_unasked(written, model):
    """The first answer may be the best."""
    take = written()
    before = take.read_bytes()

    with pytest.raises(OutputExists):
        again(take, take, {"seed": "9"}, bundle=model)
    assert take.read_bytes() == before
    again(take, take, {"seed": "9"}, bundle=model, force=True)
    assert take.read_bytes() != before


# ----------------------------------------------------------------------- what is asked


@pytest.mark.parametrize("name", RANGES)
def test_numbers_outside_their_range_are_refused(name):
    """Said in words, before anything is read or written."""
    low, high = RANGES[name]

    for value in (low - 1, high + 1):
        said: dict[str, Any] = {name: value}
        with pytest.raises(EngineError, match=f"{name} is .*; it must be"):
            Options(**said)


@pytest.mark.parametrize(
    ("task", "said", "words"),
    [
        ("compse", {}, "did you mean 'compose'"),
        ("continue", {"bars": "0"}, "bars is 0; it must be 1 to"),
        ("continue", {"bars": "9999"}, "bars is 9999; it must be 1 to"),
        ("compose", {}, "nobody plays"),
        ("infill", {"bars": "16-17"}, "the piece has 16"),
        ("infill", {"parts": ("4",)}, "there is no part 4; the piece has 3"),
        ("infill", {"parts": ("viola",)}, "there is no part 'viola'; known are voice"),
        ("rewrite", {"parts": ("1", "2")}, "2 parts are named; rewrite writes one"),
        ("vary", {"key": "H"}, "key is 'H'"),
        ("vary", {"key_mode": "loose"}, "there is no key mode 'loose'"),
        ("continue", {"style": "polka"}, "there is no style 'polka'"),
        ("continue", {"rhythm": "swung"}, "did you mean 'swing'"),
        ("continue", {"chart": "Am | Q"}, "bar 2 of the chart"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(fp32_bundle, task, said, words):
    """The message names what was said and what can be said instead."""
    score = None if task == "compose" else read_midi(EXAMPLE)

    with pytest.raises(EngineError, match=words):
        carry_out(task, score, fp32_bundle, Options(**said))


def test_a_task_about_a_piece_needs_one(fp32_bundle):
    """Only `compose` begins with nothing."""
    with pytest.raises(EngineError, match="vary is about a piece; name a MIDI file"):
        carry_out("vary", None, fp32_bundle, Options())
