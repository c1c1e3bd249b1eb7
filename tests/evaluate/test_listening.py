"""A listening test hides who is who, counts what was said, and claims no more than that."""

import io
import json
import math
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from sideman.cli.listening import listen_test
from sideman.errors import EvaluationError, OutputExists
from sideman.evaluate.listening import (
    ANSWERS,
    BOTH_BAD,
    LEFT,
    RIGHT,
    SKIP,
    TIE,
    Key,
    Pair,
    Trial,
    outcome_lines,
    plan,
    read_answers,
    read_key,
    sign_test,
    steadiness,
    tally,
    wilson_interval,
)
from sideman.evaluate.listening_page import pairs_of_folders, pairs_of_report, write_test
from sideman.evaluate.results import (
    REAL,
    Figure,
    Likelihood,
    PromptEntry,
    Results,
    Settings,
    Share,
    Subject,
    Take,
    write_results,
)
from sideman.score.midi import write_midi

OURS, THEIRS = SYSTEMS = ("okapi", "zebra")


def pairs(n, task="continue"):
    return [
        Pair(f"{task}-{i}", task, (Path("a.mid"), Path("b.mid")), (8, 16)) for i in range(n)
    ]


def key_of(*lefts, repeats=()):
    """Return a key with these systems on the left of pairs 0, 1, …; then the repeats."""
    other = dict(zip(SYSTEMS, SYSTEMS[::-1], strict=True))
    rows = [(i, left, False) for i, left in enumerate(lefts)]
    rows += [(i, other[lefts[i]], True) for i in repeats]
    trials = [Trial(str(i), "infill", left, other[left], again) for i, left, again in rows]
    return Key("0123abcd", SYSTEMS, tuple(trials))


# -------------------------------------------------------------------------- planning


@given(st.integers(1, 60), st.integers(0, 1000))
def test_every_pair_comes_once_and_one_in_ten_twice_with_sides_swapped(n, seed):
    """Otherwise steadiness would be that of the hand and not of the ear."""
    trials = plan(pairs(n), SYSTEMS, test="", seed=seed).trials

    firsts = {trial.pair: trial for trial in trials if not trial.is_repeat}
    repeats = [trial for trial in trials if trial.is_repeat]
    assert len(firsts) == n == len(trials) - len(repeats)
    assert len(repeats) == max(1, round(n / 10))
    for trial in repeats:
        first = firsts[trial.pair]
        assert (first.left, first.right) == (trial.right, trial.left)
        assert trials.index(first) < trials.index(trial)


@given(st.integers(1, 60), st.integers(0, 1000))
def test_either_system_is_on_the_left_in_half_of_the_pairs(n, seed):
    """Who always says left prefers nobody."""
    trials = plan(pairs(n), SYSTEMS, test="", seed=seed).trials

    lefts = Counter(trial.left for trial in trials if not trial.is_repeat)
    assert abs(lefts[OURS] - lefts[THEIRS]) <= 1


def test_seed_decides_order_and_sides():
    """Another seed is another test; the same one can be made again."""
    one, again, other = (plan(pairs(20), SYSTEMS, test="", seed=seed) for seed in (1, 1, 2))

    assert one == again
    assert [trial.pair for trial in one.trials] != [trial.pair for trial in other.trials]


# ------------------------------------------------------------------------- statistics


@pytest.mark.parametrize(
    ("n_first", "n_second", "p"),
    [
        (0, 0, 1.0),
        (5, 5, 1.0),
        (9, 1, 22 / 1024),
        (1, 9, 22 / 1024),
        (6, 0, 2 / 64),
        (14, 6, 0.11531829833984375),
    ],
)
def test_sign_test_is_the_exact_binomial_of_both_sides(n_first, n_second, p):
    """Golden values: by hand, and of scipy.stats.binomtest(14, 20)."""
    assert sign_test(n_first, n_second) == pytest.approx(p)


@pytest.mark.parametrize(
    ("n_hits", "n", "low", "high"),
    [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (0, 0, 0.0, 1.0)],
)
def test_interval_is_wilsons(n_hits, n, low, high):
    """Golden values: scipy.stats.binomtest(…).proportion_ci(method="wilson")."""
    assert wilson_interval(n_hits, n) == pytest.approx((low, high), abs=1e-4)


def test_answers_are_counted_for_the_system_that_stood_there():
    """A side means nothing without the key."""
    key = key_of(OURS, THEIRS, OURS, OURS, OURS, OURS, repeats=(0,))
    ballot = {0: LEFT, 1: LEFT, 2: RIGHT, 3: TIE, 4: BOTH_BAD, 6: LEFT}

    (row,) = tally(key, [ballot])

    assert (row.first, row.second, row.ties, row.both_bad, row.unanswered) == (1, 2, 1, 1, 1)
    assert row.decided == 3  # the repeat is no vote
    assert row.share == pytest.approx(1 / 3)
    assert row.p_value == sign_test(1, 2)


def test_a_pair_has_one_vote_however_many_heard_it():
    """Ten friends and one pair are not ten pairs."""
    key = key_of(OURS, OURS, OURS)
    ballots = [
        {0: LEFT, 1: LEFT, 2: SKIP},
        {0: LEFT, 1: RIGHT, 2: BOTH_BAD},
        {0: RIGHT, 1: TIE, 2: BOTH_BAD},
    ]

    (row,) = tally(key, ballots)

    assert (row.first, row.second, row.ties, row.both_bad, row.unanswered) == (1, 0, 1, 1, 0)


def test_tasks_are_counted_apart_where_there_are_several():
    """A model may continue well and harmonise badly."""
    key = plan([*pairs(2, "continue"), *pairs(3, "chart")], SYSTEMS, test="", seed=0)
    ballot = {i: LEFT if trial.left == OURS else RIGHT for i, trial in enumerate(key.trials)}

    rows = {row.task: (row.first, row.second) for row in tally(key, [ballot])}

    assert rows == {"all": (5, 0), "continue": (2, 0), "chart": (3, 0)}


def test_steadiness_is_of_what_was_meant_and_beside_chance():
    """Left twice is not the same system twice."""
    key = key_of(OURS, OURS, OURS, OURS, repeats=(0, 1, 2, 3))
    ballot = {0: LEFT, 4: RIGHT, 1: LEFT, 5: LEFT, 2: TIE, 6: TIE, 3: LEFT, 7: SKIP}

    found = steadiness(key, "anna", ballot)

    assert (found.alike, found.repeats) == (2, 3)
    assert found.chance == pytest.approx(2 * (4 / 7) * (1 / 7) + (2 / 7) ** 2)


def test_nothing_answered_is_nothing_shown():
    """An empty file is no evidence, and no crash."""
    key = key_of(OURS, THEIRS, repeats=(0,))

    (row,) = tally(key, [{}])
    text = "\n".join(outcome_lines(key, {"anna": {}}))

    assert (row.unanswered, row.p_value, row.interval) == (2, 1.0, (0.0, 1.0))
    assert math.isnan(row.share)
    assert "too few pairs were decided" in text
    assert "anna: no repeated pair was answered twice" in text


@pytest.mark.parametrize(
    ("n_ours", "words"),
    [(9, "okapi is preferred"), (1, "zebra is preferred"), (6, "no preference is shown")],
)
def test_conclusion_names_the_winner_only_where_one_is_shown(n_ours, words):
    """Six of ten is what coins do."""
    key = key_of(*[OURS] * 10)
    ballot = {i: LEFT if i < n_ours else RIGHT for i in range(10)}

    assert any(line.startswith(words) for line in outcome_lines(key, {"anna": ballot}))


# ------------------------------------------------------------------------------ files


def tone(midis):
    """Stand in for a synthesizer: two seconds of a sine each."""
    wave = 0.1 * np.sin(np.arange(32_000) * 0.2)
    files = [io.BytesIO() for _ in midis]
    for file in files:
        soundfile.write(file, wave, 16_000, format="OGG", subtype="VORBIS")
    return [file.getvalue() for file in files]


@pytest.fixture
def folders(tmp_path, bars):
    """Return two folders with six pieces each that differ from their second bar on."""
    for name, end in (("okapi", "ccgg"), ("zebra", "h-h-")):
        (tmp_path / name).mkdir()
        for i, letter in enumerate("abcdef"):
            write_midi(bars(letter * 4, end, "cccc"), tmp_path / name / f"secret-{i}.mid")
    return tmp_path / "okapi", tmp_path / "zebra"


@pytest.fixture
def made(folders, tmp_path):
    """Return the page of a test of six pairs."""
    systems, found = pairs_of_folders(folders[0], folders[1], 20, seed=3)
    write_test(found, systems, tmp_path / "test.html", tone, seed=3)
    return tmp_path / "test.html"


def test_new_bars_begin_where_two_files_differ(folders):
    """A listener is told from where on there is something to judge."""
    systems, found = pairs_of_folders(folders[0], folders[1], 20, seed=0)

    assert systems == SYSTEMS
    assert len(found) == 6
    assert {pair.new for pair in found} == {(1, 3)}


def test_same_music_and_silence_are_no_pairs(folders, bars):
    """There is nothing to prefer, or nothing to hear."""
    shutil.copy(folders[0] / "secret-0.mid", folders[1] / "secret-0.mid")
    write_midi(bars("----"), folders[1] / "secret-1.mid", force=True)
    (folders[0] / "secret-2.mid").unlink()

    names = [pair.name for pair in pairs_of_folders(folders[0], folders[1], 20, seed=0)[1]]

    assert sorted(names) == ["secret-3.mid", "secret-4.mid", "secret-5.mid"]


def test_page_does_not_know_who_is_who(made):
    """Not even somebody who reads its source is told."""
    text = made.read_text(encoding="utf-8")

    assert not any(word in text for word in ("okapi", "zebra", "secret"))
    assert not any(loads in text for loads in ("http:", "https:", "url(", "@import", "fetch("))
    data = json.loads(text.split('id="data">')[1].split("</script>")[0])
    key = read_key(made.with_suffix(".key.json"))
    is_earlier = {
        (shown["left"] < shown["right"]) == (trial.left == OURS)
        for shown, trial in zip(data["trials"], key.trials, strict=True)
    }
    assert is_earlier == {True, False}  # nor does the order of the sounds tell


def test_nothing_is_overwritten_unasked(made, folders):
    """A lost key makes every answer worthless."""
    systems, found = pairs_of_folders(folders[0], folders[1], 20, seed=4)
    made.unlink()

    with pytest.raises(OutputExists, match="key"):
        write_test(found, systems, made, tone, seed=4)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[", "holds no answers"),
        ("[]", "holds no answers"),
        ('{"test": "x", "answers": []}', "answers test x"),
        ('{"test": "0123abcd", "answers": [{"trial": 9, "answer": "left"}]}', "trial 9"),
        ('{"test": "0123abcd", "answers": [{"trial": 0, "answer": "okapi"}]}', "'okapi'"),
    ],
)
def test_answers_that_no_page_wrote_are_refused(tmp_path, text, words):
    """Answers counted with the key of another test would be noise that looks like votes."""
    path = tmp_path / "answers.json"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(EvaluationError, match=words):
        read_answers(path, key_of(OURS))


def test_a_key_of_another_format_is_refused(made):
    """Rather than read half of it."""
    path = made.with_suffix(".key.json")
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))

    with pytest.raises(EvaluationError, match="has format 2"):
        read_key(path)


def test_folders_without_a_common_name_are_refused(folders, tmp_path):
    """The error says what a pair is."""
    (tmp_path / "empty").mkdir()

    with pytest.raises(EvaluationError, match="no two takes"):
        pairs_of_folders(folders[0], tmp_path / "empty", 20, seed=0)


@pytest.fixture
def report(tmp_path, bars):
    """Return what an evaluation wrote: two tasks, the real music, a model, and a copyist."""
    prompts, takes = [], []
    for task, first in (("continue", 1), ("chart", 0)):
        for i, letter in enumerate("abc"):
            name = f"{task}-{i}"
            prompts.append(PromptEntry(name, task, "x.mid", "", 0, 2, first, 2))
            for system, end in ((REAL, "gggg"), ("okapi", "h-h-"), ("copy", "gggg")):
                path = tmp_path / f"{system}-{name}.mid"
                write_midi(bars(letter * 4, end), path)
                takes.append(Take(name, system, 1, path.name, 4, {}))
    bits = Share("all", Figure(1.0, 1.0, 1.0, 1), 1)
    results = Results(
        subject=Subject("okapi", "", 1, "int8", "", "", "test", "", {}),
        settings=Settings(("continue", "chart"), 3, 1, 0),
        systems=(REAL, "okapi", "copy"),
        rivals=("copy",),
        notes=(),
        prompts=tuple(prompts),
        takes=tuple(takes),
        rows=(),
        duels=(),
        distributions=(),
        likelihood=Likelihood(bits, (), (), (), ()),
        wall_s=0.0,
        cpu_s=0.0,
    )
    write_results(results, tmp_path / "results.json")
    return tmp_path


def test_pairs_of_an_evaluation_are_the_model_and_the_music_task_by_task(report):
    """A short test has heard something of everything; new bars are those of the prompt."""
    systems, found = pairs_of_report(report, None, 4, seed=0)

    assert systems == ("okapi", REAL)
    assert [pair.task for pair in found] == ["continue", "chart", "continue", "chart"]
    assert {(pair.task, pair.new) for pair in found} == {
        ("continue", (1, 2)),
        ("chart", (0, 2)),
    }
    for pair in found:
        assert [take.name for take in pair.takes] == [
            f"okapi-{pair.name}.mid",
            f"real-{pair.name}.mid",
        ]


@pytest.mark.parametrize(
    ("systems", "words"),
    [(("okapi", "gnu"), "nobody is called 'gnu'; there are real"), ((REAL, "copy"), "no two")],
)
def test_systems_that_cannot_be_compared_are_refused(report, systems, words):
    """One that is not there, and one that wrote the same notes."""
    with pytest.raises(EvaluationError, match=words):
        pairs_of_report(report, systems, 4, seed=0)


def test_command_counts_answers_by_the_key(made, tmp_path):
    """The way back from a saved file to a result."""
    key_path = made.with_suffix(".key.json")
    key = read_key(key_path)
    rows = [
        {"trial": i, "answer": LEFT if trial.left == OURS else RIGHT}
        for i, trial in enumerate(key.trials)
    ]
    answers = tmp_path / "anna.json"
    answers.write_text(json.dumps({"test": key.test, "answers": rows}), encoding="utf-8")

    done = CliRunner().invoke(listen_test, ["--answers", str(answers), "--key", str(key_path)])

    assert done.exit_code == 0
    assert "okapi is preferred" in done.output
    assert "1 of 1 repeated pairs answered alike" in done.output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "name the folder of an evaluation"),
        (["--a", "."], "name the folder of an evaluation"),
        ([".", "--a", ".", "--b", "."], "name the folder of an evaluation"),
        (["--a", ".", "--b", ".", "--between", "x", "y"], "name the folder of an evaluation"),
        (["--key", __file__], "both --answers and --key"),
    ],
)
def test_command_says_what_it_takes(options, words):
    """Half of a question gets the other half told."""
    done = CliRunner().invoke(listen_test, options)

    assert done.exit_code == 2
    assert words in done.output


# ------------------------------------------------------------------------ in a browser


@pytest.fixture
def browser():
    browsers = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no Chromium on this machine")
    with browsers.sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        yield started
        started.close()


READY = "() => trial !== null && trial.ready"


def hear_both(page):
    """Play, wait until the cursor moves, go over to the other side at the same place."""
    page.wait_for_function(READY)
    page.keyboard.press(" ")
    page.wait_for_function("() => parseFloat(byId('cursor').style.left) > 2")
    before = page.evaluate("place()")
    page.keyboard.press("x")
    assert page.evaluate("playing.side") == "right"
    assert page.evaluate("place()") >= before


def test_a_test_is_taken_by_keys_alone_and_counted(made, browser, tmp_path):
    """Open, listen, answer, leave, come back, save, count: what the key says comes out."""
    key = read_key(made.with_suffix(".key.json"))
    complaints, requests = [], []
    page = browser.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(made.as_uri())
    page.keyboard.press("Enter")
    page.wait_for_function(READY)
    page.keyboard.press("ArrowLeft")  # nothing was heard yet
    assert page.evaluate("answers.length") == 0
    presses = {LEFT: "ArrowLeft", RIGHT: "ArrowRight", TIE: "t", BOTH_BAD: "b", SKIP: "s"}
    for number, press in enumerate(presses.values()):
        hear_both(page)
        page.keyboard.press(press)
        assert page.evaluate("answers.length") == number + 1

    page.reload()
    page.keyboard.press("Enter")
    page.wait_for_function(READY)
    page.keyboard.press("Backspace")
    for number in (4, 5, 6):
        page.wait_for_function(READY)
        page.keyboard.press("s")
        assert page.evaluate("answers.length") == number + 1
    assert page.is_visible("#end")
    with page.expect_download() as saved:
        page.keyboard.press("e")
    saved.value.save_as(tmp_path / "anna.json")

    ballot = read_answers(tmp_path / "anna.json", key)
    assert [ballot[number] for number in range(7)] == [*ANSWERS, SKIP, SKIP]
    rows = json.loads((tmp_path / "anna.json").read_text())["answers"]
    assert all(row["heard_s"]["left"] > 0 for row in rows[:4])
    assert complaints == []
    assert [url for url in requests if not url.startswith("blob:")] == [made.as_uri()] * 2
