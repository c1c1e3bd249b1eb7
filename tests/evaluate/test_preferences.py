"""A taste is learned where votes say enough, and only there."""

import json

import numpy as np
import pytest

from sideman.cli.main import run_command
from sideman.engine.taste import Heard, read_taste
from sideman.errors import EvaluationError
from sideman.evaluate import preferences
from sideman.evaluate.preferences import (
    FEWEST_PROMPTS,
    FEWEST_VOTES,
    HeardPair,
    evidence_lines,
    hear_votes,
    learn_taste,
    taste_of,
    weigh,
)
from sideman.evaluate.votes import read_votes
from sideman.score.types import (
    CHORD_DTYPE,
    KEY_DTYPE,
    NOTE_DTYPE,
    TEMPO_DTYPE,
    TIME_SIGNATURE_DTYPE,
    Part,
    Score,
    table,
)
from sideman.studio.score_json import json_of
from sideman.studio.store.tables import PairRow, VoteRow, now
from sideman.studio.votes import export_lines

N_STATES = 8


def made_pairs(n, *, n_prompts=20, noise=0.0, seed=0):
    """Return pairs in which more of the first number of the state is preferred."""
    rng = np.random.default_rng(seed)

    def heard():
        plain = {"leaps": rng.normal(), "drums": 0.0}
        return Heard(rng.normal(size=N_STATES), plain)

    pairs = []
    for number in range(n):
        one, other = heard(), heard()
        is_other = (one.state[0] < other.state[0]) != (rng.random() < noise)
        pairs.append(
            HeardPair(*((other, one) if is_other else (one, other)), number % n_prompts)
        )
    return pairs


def score_with(pitches, first_onset=96):
    """Return the prompt and a bar of quarter notes."""
    rows = [(0, 24, 60, 80, 0), (48, 24, 64, 80, 0)]
    rows += [(first_onset + 24 * n, 24, pitch, 80, 0) for n, pitch in enumerate(pitches)]
    return Score(table(NOTE_DTYPE, rows), (Part(0, name="Piano"),))


@pytest.fixture(scope="module")
def votes_file(tmp_path_factory):
    """Return a file of votes by somebody who likes few notes, as the studio writes it."""
    rng = np.random.default_rng(7)
    judged = []
    for number in range(FEWEST_VOTES + 5):
        few, many = (score_with(rng.integers(55, 80, n)) for n in (2, 4))
        is_left = bool(rng.random() < 0.5)
        prompt = score_with([]).with_notes(score_with([]).notes)
        prompt.notes["duration"] += number % 9  # so many prompts
        left, right = (few, many) if is_left else (many, few)
        sides = []
        for side in (left, right):
            notes = np.concatenate([prompt.notes, side.notes[2:]])
            sides.append(json_of(side.with_notes(notes)))
        pair = PairRow(
            id=f"p{number}",
            task="continue",
            request={},
            prompt=json_of(prompt),
            left=sides[0],
            right=sides[1],
            left_recipe={"temperature": 0.8 if is_left else 1.1},
            right_recipe={"temperature": 1.1 if is_left else 0.8},
            bundle="base",
            bundle_hash="0",
            latency_s=1.0,
            repeats=None,
            listener="ella",
            created=now(),
        )
        answer = "left" if is_left else "right"
        judged.append((pair, VoteRow(pair=pair.id, answer=answer, seconds=3, created=now())))
    path = tmp_path_factory.mktemp("votes") / "votes.jsonl"
    path.write_text("".join(export_lines(judged)))
    return path


# ------------------------------------------------------------------------------ the gate


def test_too_few_votes_are_told_how_many_are_missing():
    """One line says what to do."""
    evidence = weigh(made_pairs(FEWEST_VOTES - 19))

    assert evidence.reason == (
        "not enough votes yet: one answer is better in 31 pairs; 19 more are needed"
    )
    assert evidence.tested == 0


def test_votes_on_too_few_prompts_are_not_learned_from():
    """What is liked in one piece was not tested on others."""
    evidence = weigh(made_pairs(80, n_prompts=FEWEST_PROMPTS - 1))

    assert "about 4 prompts" in evidence.reason


def test_clear_votes_are_learned_from():
    """The gate opens, and the taste puts the right answer first."""
    pairs = made_pairs(80)
    evidence = weigh(pairs)

    assert evidence.reason == ""
    assert evidence.right > 0.8 * evidence.tested == 80 * 0.8


def test_dice_are_not_learned_from():
    """Of fifteen who answer by chance none is taken to have a taste."""
    reasons = [weigh(made_pairs(60, noise=0.5, seed=seed)).reason for seed in range(15)]

    assert all("cannot be foretold yet" in reason for reason in reasons)


def test_who_votes_against_the_forecast_is_not_learned_from(monkeypatch):
    """Wrong nearly always is as unlikely for a coin, and is no taste either."""
    monkeypatch.setattr(preferences, "foretold", lambda *_: np.zeros(60, bool))

    assert "right in 0 of 60" in weigh(made_pairs(60)).reason


# ------------------------------------------------------------------------------ the taste


def test_a_taste_puts_first_what_was_preferred(fp32_bundle):
    """In pairs that it has not seen."""
    taste = taste_of(made_pairs(150, noise=0.1), fp32_bundle, weigh([]))

    fresh = made_pairs(100, seed=1)
    right = [taste.like(pair.preferred) > taste.like(pair.other) for pair in fresh]
    assert np.mean(right) > 0.8
    assert list(taste.impressions) == ["leaps", "drums"]
    assert taste.impressions["drums"] == 0  # the same in all


def test_what_is_liked_is_told_if_it_is_sure():
    """In words a musician knows."""
    pairs = [
        HeardPair(
            Heard(pair.preferred.state, {"leaps": 0.0, "drums": 0.0}),
            Heard(pair.other.state, {"leaps": 1.0, "drums": 0.0}),
            pair.prompt,
        )
        for pair in made_pairs(60)
    ]

    lines = list(evidence_lines(weigh(pairs)))

    assert [line for line in lines if line.startswith("liked")] == [
        "liked     less of: leaps, in 60 of 60, 100% (94% to 100%) of the pairs"
    ]


# ------------------------------------------------------------------------------ the whole


def test_votes_of_the_studio_become_a_taste(votes_file, fp32_bundle):
    """From its own lines, by a model of random weights, twice the same."""
    votes = read_votes(votes_file)

    taste, evidence = learn_taste(votes, fp32_bundle)
    pairs = hear_votes(votes, fp32_bundle)

    assert taste == taste_of(pairs, fp32_bundle, weigh(pairs, votes))
    assert (evidence.votes, evidence.decided, evidence.prompts) == (55, 55, 9)
    assert taste.about["right"] == evidence.right > 45
    assert all(taste.like(pair.preferred) > taste.like(pair.other) for pair in pairs)


def test_a_vote_without_a_new_note_is_left_out(votes_file, fp32_bundle):
    """There is nothing to hear on one of its sides."""
    first, second, *_ = read_votes(votes_file)
    silent = type(first)(
        first.pair, None, "left", first.prompt, (first.prompt, first.scores[1]), first.recipes
    )

    assert len(hear_votes([silent, second], fp32_bundle)) == 1


def test_prompts_in_another_key_are_the_same(votes_file, fp32_bundle):
    """The studio transposes its example, and one is not to be learned from the other."""
    first = read_votes(votes_file)[0]
    higher = json.loads(json.dumps([first.prompt, *first.scores]))
    for score in higher:
        for note in score["notes"]:
            note["pitch"] += 2
    other = type(first)("other", None, "left", higher[0], tuple(higher[1:]), first.recipes)

    one, two = hear_votes([first, other], fp32_bundle)

    assert one.prompt == two.prompt


def test_music_that_cannot_be_read_is_refused_by_its_pair(votes_file, fp32_bundle):
    """A line that somebody edited is to be found again."""
    first = read_votes(votes_file)[0]
    broken = type(first)("p7", None, "left", {"notes": []}, first.scores, first.recipes)

    with pytest.raises(EvaluationError, match="pair p7: its music cannot be read"):
        hear_votes([broken], fp32_bundle)


def test_the_score_of_the_studio_is_read_whole(fp32_bundle):
    """Metre, tempo, key and chords are heard too."""
    from sideman.score.plain import score_of

    score = Score(
        table(NOTE_DTYPE, [(0, 24, 60, 80, 0), (24, 12, 40, 90, 1)]),
        (Part(0, name="Piano"), Part(8, is_drum=True)),
        tempos=table(TEMPO_DTYPE, [(0, 96.0)]),
        time_signatures=table(TIME_SIGNATURE_DTYPE, [(0, 3, 4)]),
        keys=table(KEY_DTYPE, [(0, 2, True)]),
        chords=table(CHORD_DTYPE, [(0, 2, 1, 2)]),
    )

    read = score_of(json_of(score))

    assert read.parts == score.parts
    for name in ("notes", "tempos", "time_signatures", "keys", "chords"):
        assert getattr(read, name).tolist() == getattr(score, name).tolist()


# ------------------------------------------------------------------------------ as typed


def test_prefer_writes_a_taste_and_says_what_it_found(
    votes_file, tmp_path, tiny_bundles, capsys
):
    """The whole way, as a person types it."""
    path = tmp_path / "taste.json"
    command = ["prefer", str(votes_file), str(path), "--bundle", str(tiny_bundles["fp32"])]

    assert run_command(command) == 0
    out = capsys.readouterr().out
    assert "55; one answer is better in 55 pairs, about 9 prompts" in out
    assert "liked     less of: notes a bar" in out
    assert "temperature 0.8: won 55 of 55, 100% (93% to 100%), surely better" in out
    assert path.exists()

    assert run_command(command) == 2
    assert "exists already" in capsys.readouterr().err


def test_prefer_writes_nothing_where_votes_are_few(votes_file, tmp_path, tiny_bundles, capsys):
    """And says how many are missing, with the status of what did not come about."""
    few = tmp_path / "few.jsonl"
    few.write_text("\n".join(votes_file.read_text().splitlines()[:20]))
    path = tmp_path / "taste.json"

    assert run_command(["prefer", str(few), str(path)]) == 2
    said = capsys.readouterr()
    assert said.err == (
        "sideman: not enough votes yet: one answer is better in 20 pairs; 30 more are needed\n"
    )
    assert "votes     20" in said.out
    assert not path.exists()


def test_a_taste_is_used_as_typed(votes_file, tmp_path, tiny_bundles, capsys, fp32_bundle):
    """The file that one command writes is what the other reads."""
    taste, out = tmp_path / "taste.json", tmp_path / "tune.mid"
    bundle = ["--bundle", str(tiny_bundles["fp32"])]
    assert run_command(["prefer", str(votes_file), str(taste), *bundle]) == 0

    command = ["compose", str(out), "--part", "piano", "--bars", "1", "--taste", str(taste)]
    assert run_command([*command, "--best-of", "2", *bundle]) == 0

    assert read_taste(taste, fp32_bundle).hash in capsys.readouterr().out
    assert out.exists()
