"""Blind listening: which side a pair is shown on, what the answers say, and how sure that is.

A test is a list of *trials*. Each shows a pair of takes, one of either system, left and right,
and one pair in ten comes a second time with its sides swapped. Where which system stood is in
the *key*, a file of its own that the listener does not need.

How answers are counted:

- A pair has one vote. If several people heard it, it goes to the system that more of them
  preferred: answers to one pair are not independent of each other, pairs are.
- Second showings tell how steady a listener is; as votes they do not count.
- Ties, pairs that are bad on both sides and pairs without an answer are reported, and left out
  of the test. That is an exact sign test with two sides: how likely pairs that are really a
  toss of a coin would be split at least as unevenly (Conover 1999, "Practical nonparametric
  statistics", 3.4). The interval is that of Wilson 1927, "Probable inference, the law of
  succession, and statistical inference", at 95 %.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np

from sideman.errors import EvaluationError
from sideman.files import refuse_existing, whole_file

KEY_FORMAT = 1
"""Version of the layout of a key; another one is refused by name."""

LEFT, RIGHT, TIE, BOTH_BAD, SKIP = ANSWERS = ("left", "right", "tie", "both bad", "skip")
"""What can be answered."""

FIRST, SECOND = "first", "second"
"""Which of the two systems was preferred."""

REPEATED_SHARE = 0.1
"""Share of the pairs that are shown twice; at least one is."""

SIGNIFICANCE = 0.05
"""Below it a preference counts as shown."""

COVERAGE = 0.95
"""Of the interval."""

FEWEST_VOTES = 6
"""With fewer no split is uneven enough: five to none has p = 0.0625."""

ALL = "all"
"""Stands for all tasks together."""

NAME_WIDTH = 12
COLUMN_WIDTH = 10


@dataclass(frozen=True, slots=True)
class Pair:
    """Two takes to be compared.

    Attributes:
        name: Of the pair, such as the id of a prompt.
        task: What was to be written; empty where nobody says.
        takes: The MIDI file of the first system and that of the second.
        new: First bar in which they may differ and the bar after the last, from 0.
    """

    name: str
    task: str
    takes: tuple[Path, Path]
    new: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Trial:
    """A pair as it is shown.

    Attributes:
        pair: Name of the pair.
        task: Its task.
        left: System that is heard on the left.
        right: System that is heard on the right.
        is_repeat: Whether the pair was there before, the other way round.
    """

    pair: str
    task: str
    left: str
    right: str
    is_repeat: bool


@dataclass(frozen=True, slots=True)
class Key:
    """What the listener must not know.

    Attributes:
        test: Digits by which a page, its key and its answers know each other.
        systems: The two systems; shares are those of the first.
        trials: What is shown, in order.
        format: Version of the layout.
    """

    test: str
    systems: tuple[str, str]
    trials: tuple[Trial, ...]
    format: int = KEY_FORMAT


Ballot = Mapping[int, str]
"""What one person answered, one of `ANSWERS` by number of the trial."""


# -------------------------------------------------------------------------- planning


def plan(pairs: Sequence[Pair], systems: tuple[str, str], *, test: str, seed: int) -> Key:
    """Return what is shown in which order and on which side.

    Either system is on the left in half of the pairs. A repeat comes in the second half of the
    test, of a pair from the first third.

    Args:
        pairs: At least one.
        systems: Who wrote the first and the second take of each.
        test: Digits of the test.
        seed: Of order, sides and repeats.
    """
    rng = np.random.default_rng(seed)
    n = len(pairs)
    order = rng.permutation(n)
    is_swapped = rng.permutation(np.arange(n) % 2 == 1)
    n_repeats = max(1, round(REPEATED_SHARE * n))
    repeats = n + rng.choice(order[: max(n_repeats, n // 3)], n_repeats, replace=False)
    middle = (n + 1) // 2
    late = rng.permutation(np.concatenate([order[middle:], repeats]))
    trials = []
    for number in (*order[:middle].tolist(), *late.tolist()):
        pair, is_repeat = pairs[number % n], number >= n
        left, right = systems[::-1] if is_swapped[number % n] != is_repeat else systems
        trials.append(Trial(pair.name, pair.task, left, right, is_repeat))
    return Key(test, systems, tuple(trials))


# ------------------------------------------------------------------------- statistics


def sign_test(n_first: int, n_second: int) -> float:
    """Return how likely a fair coin splits as unevenly as this or more, either way, 0 to 1.

    Example:
        >>> sign_test(14, 6)
        0.11531829833984375
    """
    n = n_first + n_second
    more = max(n_first, n_second)
    n_uneven = 2 * sum(math.comb(n, k) for k in range(more, n + 1))
    return min(1.0, n_uneven / (1 << n))


def wilson_interval(n_hits: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of `n_hits` in `n`, 0 to 1; all of it for n = 0."""
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + COVERAGE) / 2)
    share = n_hits / n
    centre = share + z * z / (2 * n)
    reach = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - reach) / scale), min(1.0, (centre + reach) / scale)


@dataclass(frozen=True, slots=True)
class Tally:
    """How the pairs of a task were decided.

    Attributes:
        task: The task; `ALL` for all together.
        first: Pairs where the first system is preferred.
        second: Those where the second is.
        ties: Those where neither is.
        both_bad: Those where everybody who answered finds both bad.
        unanswered: Those without an answer.
    """

    task: str
    first: int
    second: int
    ties: int
    both_bad: int
    unanswered: int

    @property
    def decided(self) -> int:
        """Pairs that count in the test."""
        return self.first + self.second

    @property
    def share(self) -> float:
        """Share of the decided pairs that the first system has; NaN where there is none."""
        return self.first / self.decided if self.decided else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the share."""
        return wilson_interval(self.first, self.decided)

    @property
    def p_value(self) -> float:
        """Of the sign test."""
        return sign_test(self.first, self.second)


@dataclass(frozen=True, slots=True)
class Steadiness:
    """Whether somebody says the same of a pair when it comes again with its sides swapped.

    Attributes:
        rater: Who.
        alike: Repeats that were answered like the first time.
        repeats: Repeats that were answered both times.
        chance: Share that would be alike if the same answers were given blindly: as often left,
            right, tie and both bad. NaN where nothing was answered.
    """

    rater: str
    alike: int
    repeats: int
    chance: float


def tally(key: Key, ballots: Sequence[Ballot]) -> list[Tally]:
    """Return how the pairs were decided: all, then those of each task if there are several."""
    verdicts: dict[str, list[str]] = {}
    for number, trial in enumerate(key.trials):
        if not trial.is_repeat:
            meant = [_meant(key, trial, ballot.get(number, SKIP)) for ballot in ballots]
            verdicts.setdefault(trial.task, []).append(_verdict(meant))
    groups = {ALL: [verdict for of_task in verdicts.values() for verdict in of_task]}
    if len(verdicts) > 1:
        groups |= verdicts
    kinds = (FIRST, SECOND, TIE, BOTH_BAD, SKIP)
    return [Tally(task, *(of.count(kind) for kind in kinds)) for task, of in groups.items()]


def steadiness(key: Key, rater: str, ballot: Ballot) -> Steadiness:
    """Return how steady somebody is."""
    before = {
        trial.pair: _meant(key, trial, ballot.get(number, SKIP))
        for number, trial in enumerate(key.trials)
        if not trial.is_repeat
    }
    twice = [
        (before[trial.pair], _meant(key, trial, ballot.get(number, SKIP)))
        for number, trial in enumerate(key.trials)
        if trial.is_repeat
    ]
    answered = [(one, two) for one, two in twice if SKIP not in (one, two)]
    return Steadiness(
        rater, sum(one == two for one, two in answered), len(answered), _chance(ballot)
    )


def _meant(key: Key, trial: Trial, answer: str) -> str:
    """Return an answer with the system in place of the side."""
    if answer not in (LEFT, RIGHT):
        return answer
    system = trial.left if answer == LEFT else trial.right
    return FIRST if system == key.systems[0] else SECOND


def _verdict(meant: Sequence[str]) -> str:
    """Return what several people together say of a pair."""
    answers = [answer for answer in meant if answer != SKIP]
    if not answers:
        return SKIP
    lead = answers.count(FIRST) - answers.count(SECOND)
    if lead:
        return FIRST if lead > 0 else SECOND
    return BOTH_BAD if set(answers) == {BOTH_BAD} else TIE


def _chance(ballot: Ballot) -> float:
    """Return how often two blind answers mean the same when the sides are swapped between."""
    answers = [answer for answer in ballot.values() if answer != SKIP]
    if not answers:
        return math.nan
    left, right, tie, both_bad = (
        answers.count(kind) / len(answers) for kind in (LEFT, RIGHT, TIE, BOTH_BAD)
    )
    return 2 * left * right + tie**2 + both_bad**2


# ------------------------------------------------------------------------------ words


def outcome_lines(key: Key, ballots: Mapping[str, Ballot]) -> Iterator[str]:
    """Yield what came out, as lines for a terminal.

    Args:
        key: The key.
        ballots: What was answered, by who answered.
    """
    tallies = tally(key, list(ballots.values()))
    first, second = key.systems
    raters = "1 listener" if len(ballots) == 1 else f"{len(ballots)} listeners"
    heads = ("1 better", "2 better", "tie", "both bad", "no answer", "share of 1", "95 %", "p")
    yield f"1 is {first}, 2 is {second}; {raters}"
    yield ""
    yield " " * NAME_WIDTH + "".join(f"{head:>{COLUMN_WIDTH + 2}}" for head in heads)
    for row in tallies:
        yield _row(row)
    yield ""
    yield _conclusion(key, tallies[0])
    for rater, ballot in ballots.items():
        yield _steadiness_line(steadiness(key, rater, ballot))


def _row(row: Tally) -> str:
    counts = (row.first, row.second, row.ties, row.both_bad, row.unanswered)
    cells = [str(value) for value in counts]
    if row.decided:
        low, high = row.interval
        cells += [f"{row.share:.0%}", f"{low:.0%} to {high:.0%}", f"{row.p_value:.3f}"]
    name = row.task or "no task"
    return f"{name:<{NAME_WIDTH}}" + "".join(f"{cell:>{COLUMN_WIDTH + 2}}" for cell in cells)


def _conclusion(key: Key, row: Tally) -> str:
    """Say whether a preference is shown."""
    if row.decided < FEWEST_VOTES:
        return f"too few pairs were decided to show anything; it takes {FEWEST_VOTES}"
    if row.p_value >= SIGNIFICANCE:
        return f"no preference is shown: a fair coin is as uneven with p = {row.p_value:.3f}"
    preferred = key.systems[0] if row.first > row.second else key.systems[1]
    return f"{preferred} is preferred: a fair coin is as uneven with p = {row.p_value:.3g}"


def _steadiness_line(found: Steadiness) -> str:
    if not found.repeats:
        return f"{found.rater}: no repeated pair was answered twice"
    return (
        f"{found.rater}: {found.alike} of {found.repeats} repeated pairs answered alike; "
        f"blindly it would be {found.chance:.0%}"
    )


# ------------------------------------------------------------------------------ files


def write_key(key: Key, path: Path, *, force: bool = False) -> None:
    """Write a key as JSON, whole or not at all.

    Raises:
        OutputExists: If `path` is there and `force` is not given.
    """
    refuse_existing(path, force=force)
    with whole_file(path) as part:
        part.write_text(json.dumps(asdict(key), indent=1) + "\n", encoding="utf-8")


def read_key(path: Path) -> Key:
    """Read what `write_key` wrote.

    Raises:
        EvaluationError: If it is not that, or of another format.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        found = data["format"]
        if found == KEY_FORMAT:
            first, second = data["systems"]
            trials = tuple(Trial(**row) for row in data["trials"])
            return Key(str(data["test"]), (first, second), trials)
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{path} is no key of a listening test ({error})"
        raise EvaluationError(msg) from error
    msg = f"{path} has format {found}; this sideman reads {KEY_FORMAT}: make the test again"
    raise EvaluationError(msg)


def read_answers(path: Path, key: Key) -> Ballot:
    """Read what a page saved.

    Raises:
        EvaluationError: If it is not that, or of another test than the key.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        test = data["test"]
        ballot = {int(row["trial"]): str(row["answer"]) for row in data["answers"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{path} holds no answers of a listening test ({error})"
        raise EvaluationError(msg) from error
    if test != key.test:
        msg = f"{path} answers test {test}, the key is that of {key.test}; name the other key"
        raise EvaluationError(msg)
    for number, answer in ballot.items():
        if answer not in ANSWERS or not 0 <= number < len(key.trials):
            msg = f"{path}: trial {number} has the answer {answer!r}; no page writes that"
            raise EvaluationError(msg)
    return ballot
