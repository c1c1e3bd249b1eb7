"""Does a taste learn from votes what the model does not name, and do takes get better by it?

    .venv/bin/python benchmarks/taste.py --corpus FOLDER --takes FOLDER [--bundle FOLDER]

Simulated voters judge real pairs: answers of 4 bars to held-out pieces, which differ in one
setting as those of the studio do. Each voter has a hidden preference, and 12 of 100 votes are
turned round (somebody who judges so says the same of a pair in 79 of 100 cases).

voter      prefers
repeats    fewer repeated pitches               } what a taste has an impression of,
leaps      smaller leaps                        } and so can name
density    more notes                           }
mixture    groove, scale and chord tones over figures that return, as `sideman evaluate`
           measures them: nothing that a taste has a name for
ears A-C   three directions in what another model, `small`, hears: nothing that has a name

Right is how often a preference without noise is foretold in pairs of fresh prompts. A/B is how
often, there, the take that the taste likes best of four is preferred to a fifth: half of the
time is chance, and who knows the preference gets 80 %. Takes, and what is heard of them, are
written to the folder and found there again. Seconds are of the processor, one thread.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from machine import machine_lines
from numpy.typing import NDArray

from sideman.bundle import SMALLER, Bundle, bundled_path, load_bundle
from sideman.corpus.shards import open_corpus
from sideman.engine.options import Options, changed
from sideman.engine.tasks import carry_out
from sideman.engine.taste import Ear, Heard
from sideman.evaluate.bradley_terry import foretold, learn_weights
from sideman.evaluate.listening import sign_test, wilson_interval
from sideman.evaluate.metrics import measure
from sideman.evaluate.preferences import FEWEST_VOTES, MOST_CHANCE
from sideman.evaluate.prompts import HOLES, Prompt, draw_prompts
from sideman.files import whole_file
from sideman.score.edit import slice_bars
from sideman.score.plain import score_of
from sideman.score.types import Score
from sideman.studio.pairs import CONTESTED
from sideman.studio.score_json import json_of

N_VOTED, N_FRESH = 300, 158
"""Prompts: a pair to each of the first, `N_TAKES` to each of the others."""

N_TAKES, N_BARS = 5, 4
PROMPT_BARS = HOLES["continue"][0]
NOISE = 0.12
N_VOTES = (25, 50, 100, 150, 300)
N_VOTES_COMPARED = (100, 300)
N_VOTES_OF_DICE = (50, 100)
N_SEEDS = 4
N_DICE = 150

NAMED = {
    "repeats": ("repeated pitches", -1),
    "leaps": ("leaps", -1),
    "density": ("notes a bar", 1),
}
"""Impressions that voters go by."""

MIXTURE = {
    "groove_consistency": 1,
    "scale_consistency": 1,
    "chord_tone_ratio": 1,
    "repeated_ngram_rate": -1,
}
"""Metrics that one goes by."""

N_EARS = 3

Values = NDArray[np.float64]
Pair = tuple[int, int]
"""Rows of two answers to one prompt."""


@dataclass(frozen=True, eq=False)
class Answers:
    """All answers that were heard.

    Attributes:
        row: By prompt and take its row in what follows.
        features: Sets of features, shape (answers, F), each with the sizes of its blocks.
        likes: How much each voter likes each answer, shape (answers,).
    """

    row: Mapping[tuple[int, int], int]
    features: Mapping[str, tuple[Values, tuple[int, ...]]]
    likes: Mapping[str, Values]

    def pairs(self, prompts: Iterable[int], *takes: Pair) -> list[Pair]:
        """Return pairs of takes of some prompts, where both were heard."""
        return [
            (self.row[prompt, one], self.row[prompt, other])
            for prompt in prompts
            for one, other in takes
            if {(prompt, one), (prompt, other)} <= self.row.keys()
        ]


# -------------------------------------------------------------------------- the takes


def write_answers(prompts: Sequence[Prompt], folder: Path, bundle: Bundle) -> None:
    """Write what is not there: two rivals to each prompt of a vote, takes to the others."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, prompt in enumerate(prompts):
        path = folder / f"{number:03}.json"
        if path.is_file():
            continue
        rng = np.random.default_rng((0, number))
        if number < N_VOTED:
            name = str(rng.choice(list(CONTESTED)))
            values = rng.choice(CONTESTED[name], 2, replace=False)
            rivals = [changed(Options(), {name: str(value)}) for value in values]
        else:
            rivals = [Options(takes=N_TAKES)]
        takes = [
            json_of(take.score)
            for options in rivals
            for take in carry_out(
                "continue",
                prompt.known,
                bundle,
                replace(options, bars=str(N_BARS), seed=int(rng.integers(2**32))),
                threads=1,
            )
        ]
        with whole_file(path) as part:
            part.write_text(json.dumps({"prompt": json_of(prompt.known), "takes": takes}))


def hear_answers(folder: Path, bundle: Bundle) -> Answers:
    """Hear all answers in a folder, and have every voter like them."""
    ear, other_ear = (_Ear(each) for each in (bundle, load_bundle(bundled_path(SMALLER))))
    row: dict[tuple[int, int], int] = {}
    plain: list[Mapping[str, float]] = []
    measured: list[Mapping[str, float]] = []
    states, other_states = [], []
    for path in sorted(folder.glob("[0-9][0-9][0-9].json")):
        heard = zip(ear.hear(path), other_ear.hear(path), _answers(path)[1], strict=True)
        for take, (one, two, answer) in enumerate(heard):
            if one is not None and two is not None:
                row[int(path.stem), take] = len(row)
                states.append(one.state)
                other_states.append(two.state)
                plain.append(one.impressions)
                measured.append(measure(slice_bars(answer, PROMPT_BARS, PROMPT_BARS + N_BARS)))
    impressions, metrics = _table(plain), _table(measured)
    state = np.array(states)
    return Answers(
        row=row,
        features={
            "both": (np.hstack([state, impressions]), (state.shape[1], impressions.shape[1])),
            "state": (state, state.shape[1:]),
            "impressions": (impressions, impressions.shape[1:]),
            "metrics": (metrics, metrics.shape[1:]),
            "surprise": (impressions[:, -1:], (1,)),
        },
        likes=_likes(plain, measured, _evened(np.array(other_states))),
    )


class _Ear:
    """Hears what lies in files, and writes what it heard beside them."""

    def __init__(self, bundle: Bundle) -> None:
        self._ear = Ear(bundle)
        self._suffix = f".{bundle.hash}.json"

    def hear(self, path: Path) -> list[Heard | None]:
        """Return what is heard of each answer in a file."""
        there = path.with_suffix(self._suffix)
        if not there.is_file():
            prompt, answers = _answers(path)
            heard = [self._ear.hear(answer, prompt) for answer in answers]
            plain = [
                each and {"state": each.state.tolist(), "impressions": dict(each.impressions)}
                for each in heard
            ]
            with whole_file(there) as part:
                part.write_text(json.dumps(plain))
        said = json.loads(there.read_text(encoding="utf-8"))
        return [each and Heard(np.array(each["state"]), each["impressions"]) for each in said]


def _answers(path: Path) -> tuple[Score, list[Score]]:
    """Return a prompt and what was written to it."""
    said = json.loads(path.read_text(encoding="utf-8"))
    return score_of(said["prompt"]), [score_of(take) for take in said["takes"]]


def hearing_ms(folder: Path, bundle: Bundle) -> float:
    """Return how long the processor takes to hear an answer, in the middle of twenty."""
    ear, taken = Ear(bundle), []
    for path in sorted(folder.glob("[0-9][0-9][0-9].json"))[:10]:
        prompt, answers = _answers(path)
        for answer in answers:
            begin = time.process_time()
            ear.hear(answer, prompt)
            taken.append(time.process_time() - begin)
    return 1e3 * statistics.median(taken)


def _likes(
    plain: Sequence[Mapping[str, float]],
    measured: Sequence[Mapping[str, float]],
    other_states: Values,
) -> dict[str, Values]:
    """Return what each voter likes."""

    def column(rows: Sequence[Mapping[str, float]], name: str) -> Values:
        return _evened(_table([{name: each[name]} for each in rows]))[:, 0]

    likes = {voter: sign * column(plain, name) for voter, (name, sign) in NAMED.items()}
    weighed = [sign * column(measured, name) for name, sign in MIXTURE.items()]
    likes["mixture"] = np.sum(weighed, axis=0)
    for number in range(N_EARS):
        direction = np.random.default_rng(number).normal(size=other_states.shape[1])
        likes[f"ears {'ABC'[number]}"] = other_states @ direction
    return likes


def _table(rows: Sequence[Mapping[str, float]]) -> Values:
    """Return values as a table; what is not defined is as it is on average."""
    table = np.array([list(each.values()) for each in rows], np.float64)
    is_known = ~np.isnan(table)
    means = np.divide(np.nansum(table, axis=0), np.maximum(is_known.sum(axis=0), 1))
    filled: Values = np.where(is_known, table, means)
    return filled


def _evened(table: Values) -> Values:
    spread = table.std(axis=0)
    evened: Values = (table - table.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return evened


# ------------------------------------------------------------------------- the voters


@dataclass(frozen=True)
class Found:
    """What became of votes.

    Attributes:
        right: Share of fresh pairs in which the true preference is foretold.
        wins: Share of fresh prompts in which the best of four wins against the fifth.
        held_out: Share of the votes, held out, that are foretold; NaN where there are too few.
        is_open: The votes would be learned from.
    """

    right: float
    wins: float
    held_out: float
    is_open: bool


def voted(
    answers: Answers, likes: Values, n_votes: int, rng: np.random.Generator
) -> list[Pair]:
    """Return pairs, the answer that was voted for first; now and then that is the other."""
    pairs = [(one, other) for one, other in answers.pairs(range(N_VOTED), (0, 1))]
    pairs = [pairs[index] for index in rng.permutation(len(pairs))]
    pairs = [pair for pair in pairs if likes[pair[0]] != likes[pair[1]]][:n_votes]
    return [
        (one, other) if (likes[one] > likes[other]) != (rng.random() < NOISE) else (other, one)
        for one, other in pairs
    ]


def learned(answers: Answers, voter: str, n_votes: int, seed: int, features: str) -> Found:
    """Let somebody vote, learn from it, and look what it is good for."""
    rng = np.random.default_rng((seed, n_votes))
    likes = answers.likes[voter]
    table, blocks = answers.features[features]
    votes = np.array(voted(answers, likes, n_votes, rng))
    differences, groups = table[votes[:, 0]] - table[votes[:, 1]], np.arange(len(votes))
    weights = learn_weights(differences, groups, blocks)
    fresh = np.array(answers.pairs(range(N_VOTED, N_VOTED + N_FRESH), (0, 1), (2, 3)))
    truth = np.sign(likes[fresh[:, 0]] - likes[fresh[:, 1]])
    guess = np.sign((table[fresh[:, 0]] - table[fresh[:, 1]]) @ weights)
    n_right = 0
    if features == "both" and len(votes) >= FEWEST_VOTES:
        n_right = int(foretold(differences, groups, blocks).sum())
    return Found(
        right=float((guess == truth)[truth != 0].mean()),
        wins=_wins(answers, likes, table @ weights),
        held_out=n_right / len(votes) if n_right else np.nan,
        is_open=is_foretold(n_right, len(votes)),
    )


def is_foretold(n_right: int, n_votes: int) -> bool:
    """Whether so many votes would be learned from."""
    more_than_half = 2 * n_right > n_votes
    return more_than_half and sign_test(n_right, n_votes - n_right) < MOST_CHANCE


def _wins(answers: Answers, likes: Values, scores: Values) -> float:
    """Return how often the best of the first takes is liked more than the last one."""
    outcomes = []
    for prompt in range(N_VOTED, N_VOTED + N_FRESH):
        rows = [answers.row.get((prompt, take), -1) for take in range(N_TAKES)]
        if min(rows) >= 0:
            *drawn, rival = rows
            best = max(drawn, key=lambda row: float(scores[row]))
            outcomes.append((1 + np.sign(likes[best] - likes[rival])) / 2)
    return float(np.mean(outcomes))


def open_by_luck(answers: Answers, n_votes: int) -> int:
    """Return how many voters who vote at random would be learned from."""
    table, blocks = answers.features["both"]
    pairs = np.array(answers.pairs(range(N_VOTED), (0, 1)))
    n_open = 0
    for seed in range(N_DICE):
        rng = np.random.default_rng((seed, n_votes))
        votes = rng.permuted(pairs[rng.permutation(len(pairs))[:n_votes]], axis=1)
        differences = table[votes[:, 0]] - table[votes[:, 1]]
        is_right = foretold(differences, np.arange(len(votes)), blocks)
        n_open += is_foretold(int(is_right.sum()), len(votes))
    return n_open


# ------------------------------------------------------------------------------ words


def curve_lines(answers: Answers) -> Iterator[str]:
    """Yield what more votes do."""
    yield f"\nmeans of {N_SEEDS} draws of the votes"
    yield "voter     votes   right     A/B   held out   learned from"
    for voter in answers.likes:
        for n_votes in N_VOTES:
            found = [learned(answers, voter, n_votes, seed, "both") for seed in range(N_SEEDS)]
            right, wins, held_out = (
                np.mean([getattr(each, name) for each in found])
                for name in ("right", "wins", "held_out")
            )
            n_open = sum(each.is_open for each in found)
            yield (
                f"{voter:<9} {n_votes:5}   {right:5.0%}   {wins:5.0%}   "
                + (
                    f"{held_out:8.0%}   {n_open} of {N_SEEDS}"
                    if n_votes >= FEWEST_VOTES
                    else ""
                )
            )


def feature_lines(answers: Answers) -> Iterator[str]:
    """Yield what is best to go by: right, and A/B."""
    for n_votes in N_VOTES_COMPARED:
        yield f"\n{n_votes} votes, right and A/B, by what is weighed"
        yield "voter    " + "".join(f"{name:>16}" for name in answers.features)
        for voter in answers.likes:
            cells = []
            for features in answers.features:
                found = [
                    learned(answers, voter, n_votes, seed, features) for seed in range(N_SEEDS)
                ]
                right = np.mean([each.right for each in found])
                wins = np.mean([each.wins for each in found])
                cells.append(f"{right:.0%} {wins:.0%}")
            yield f"{voter:<9}" + "".join(f"{cell:>16}" for cell in cells)


def luck_lines(answers: Answers) -> Iterator[str]:
    """Yield how often dice are learned from."""
    yield f"\n{N_DICE} voters who vote at random"
    for n_votes in N_VOTES_OF_DICE:
        n_open = open_by_luck(answers, n_votes)
        low, high = wilson_interval(n_open, N_DICE)
        yield f"{n_votes:3} votes: learned from {n_open}, {low:.1%} to {high:.1%}"


def main() -> None:
    """Print what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--corpus", type=Path, required=True, help="shards with a test split")
    parser.add_argument("--takes", type=Path, required=True, help="folder for what is written")
    parser.add_argument("--bundle", type=Path, default=None)
    given = parser.parse_args()
    bundle = load_bundle(given.bundle)
    prompts = draw_prompts(open_corpus(given.corpus), "continue", N_VOTED + N_FRESH, seed=0)
    write_answers(prompts, given.takes, bundle)
    answers = hear_answers(given.takes, bundle)
    print(*machine_lines("sideman", "onnxruntime", "numpy"), sep="\n")
    print(f"bundle    {bundle.name} {bundle.hash}")
    heard_ms = hearing_ms(given.takes, bundle)
    print(f"answers   {len(answers.row)}; to hear one takes {heard_ms:.0f} ms")
    begin = time.process_time()
    learned(answers, "mixture", N_VOTED, 0, "both")
    print(f"learning  {time.process_time() - begin:.1f} s from {N_VOTED} votes that were heard")
    for lines in (curve_lines, feature_lines, luck_lines):
        for line in lines(answers):
            print(line, flush=True)


if __name__ == "__main__":
    main()
