"""Preferences: a taste is learned from votes, if they say enough.

Learned from are pairs in which one answer was preferred: ties say nothing of which is better.
(Rao and Kupper 1967, "Ties in paired-comparison experiments", would learn from them how far
apart answers are, with one more number to fit.)

Whether a taste foretells votes is tested on pairs that it was not learned from, nor its penalty
chosen by. Pairs about one prompt, in whatever key, are held out together.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sideman.bundle import Bundle
from sideman.engine.taste import Ear, Heard, Taste
from sideman.errors import EvaluationError
from sideman.evaluate.bradley_terry import (
    FOLDS,
    Differences,
    Groups,
    foretold,
    learn_weights,
)
from sideman.evaluate.listening import SIGNIFICANCE, sign_test, wilson_interval
from sideman.evaluate.votes import (
    SettingWins,
    Vote,
    corrected,
    learnable,
    setting_wins,
    steady,
)
from sideman.score.plain import NOT_A_SCORE, Plain, score_of
from sideman.score.types import Score

FEWEST_VOTES = 50
"""Decided pairs without which nothing is learned; `benchmarks/taste.py` shows what more do."""

FEWEST_PROMPTS = FOLDS
"""Prompts that they are about: fewer cannot be held out in turn."""

MOST_CHANCE = 0.01
"""Votes count as foretold if a coin would be right as often with a smaller chance than this, by
the sign test. One in a hundred, for people try again with every few votes."""

DIGITS = 5
"""Of each weight: votes are sure of fewer."""

Follow = Callable[[Sequence[Vote]], Iterable[Vote]]
"""Hands on votes one by one while they are heard, and shows how far it is, as `tqdm` does."""


@dataclass(frozen=True, slots=True)
class HeardPair:
    """A pair in which one answer was preferred.

    Attributes:
        preferred: What was heard of it, and
        other: of the other one.
        prompt: Number of what they answer, the same in whatever key.
    """

    preferred: Heard
    other: Heard
    prompt: int


@dataclass(frozen=True, slots=True)
class Liking:
    """In how many pairs the answer that was preferred has more of something, or less.

    Attributes:
        impression: What, one of `Heard.impressions`.
        more: Pairs in which it has more.
        less: Those in which it has less.
        p_value: Of the sign test, corrected for how many impressions there are.
    """

    impression: str
    more: int
    less: int
    p_value: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What votes amount to.

    Attributes:
        votes: All of them.
        decided: Pairs that are learned from, each once: one answer was preferred, and neither
            is without a new note.
        prompts: What they are about, each in whatever key; 0 where they were not heard.
        right: Held-out pairs that were foretold right, of
        tested: held-out pairs; 0 where it was not tried.
        alike: Pairs that came again and were judged the same, of
        repeats: those that came again.
        settings: How often settings won.
        likings: What the preferred answers have more of, or less.
    """

    votes: int
    decided: int
    prompts: int
    right: int
    tested: int
    alike: int
    repeats: int
    settings: tuple[SettingWins, ...]
    likings: tuple[Liking, ...]

    @property
    def chance(self) -> float:
        """How likely a coin would split the held-out pairs as unevenly."""
        return sign_test(self.right, self.tested - self.right)

    @property
    def reason(self) -> str:
        """Why nothing can be learned; empty where something can."""
        if self.decided < FEWEST_VOTES:
            return (
                f"not enough votes yet: one answer is better in {self.decided} pairs; "
                f"{FEWEST_VOTES - self.decided} more are needed"
            )
        if self.prompts < FEWEST_PROMPTS:
            return (
                f"the votes are about {self.prompts} prompts; vote on others too, on "
                f"{FEWEST_PROMPTS} at least, for what is liked in one may not be in the next"
            )
        if 2 * self.right <= self.tested or self.chance >= MOST_CHANCE:
            return (
                f"the votes cannot be foretold yet: right in {self.right} of {self.tested} "
                "held-out pairs, as a coin may be; vote on more"
            )
        return ""


def learn_taste(
    votes: Sequence[Vote], bundle: Bundle, *, threads: int = 1, follow: Follow = iter
) -> tuple[Taste | None, Evidence]:
    """Learn what is liked.

    Args:
        votes: All there are; who wrote the answers does not matter.
        bundle: The model that hears them, and for whose takes the taste is.
        threads: Threads of the model.
        follow: Shows how far the listening is.

    Returns:
        The taste, None where the votes do not say enough; and what they amount to.

    Raises:
        EvaluationError: If the music of a vote is no music.
    """
    n_decided = len(learnable(votes))
    if n_decided < FEWEST_VOTES:  # nothing needs to be heard to say so
        return None, replace(weigh([], votes), decided=n_decided)
    pairs = hear_votes(votes, bundle, threads=threads, follow=follow)
    evidence = weigh(pairs, votes)
    return None if evidence.reason else taste_of(pairs, bundle, evidence), evidence


def hear_votes(
    votes: Sequence[Vote], bundle: Bundle, *, threads: int = 1, follow: Follow = iter
) -> list[HeardPair]:
    """Hear the answers of the votes that can be learned from, as `learn_taste` does."""
    ear = Ear(bundle, threads=threads)
    prompts: dict[tuple[tuple[int, ...], ...], int] = {}
    pairs = []
    for vote in follow(learnable(votes)):
        prompt = _music(vote, vote.prompt)
        sides = [ear.hear(_music(vote, side), prompt) for side in vote.scores]
        preferred, other = sides[vote.preferred], sides[1 - vote.preferred]
        if preferred is not None and other is not None:
            number = prompts.setdefault(_without_key(prompt), len(prompts))
            pairs.append(HeardPair(preferred, other, number))
    return pairs


def weigh(pairs: Sequence[HeardPair], votes: Sequence[Vote] = ()) -> Evidence:
    """Return what pairs amount to, and all the votes that they are from."""
    prompts = len({pair.prompt for pair in pairs})
    can_test = len(pairs) >= FEWEST_VOTES and prompts >= FEWEST_PROMPTS
    is_right = foretold(*_table(pairs)) if can_test else np.zeros(0, bool)
    alike, repeats = steady(votes)
    return Evidence(
        votes=len(votes),
        decided=len(pairs),
        prompts=prompts,
        right=int(is_right.sum()),
        tested=len(is_right),
        alike=alike,
        repeats=repeats,
        settings=tuple(setting_wins(votes)),
        likings=tuple(_likings(pairs)),
    )


def taste_of(pairs: Sequence[HeardPair], bundle: Bundle, evidence: Evidence) -> Taste:
    """Return the taste that foretells pairs best, at least one."""
    weights = [float(f"{weight:.{DIGITS}g}") for weight in learn_weights(*_table(pairs))]
    names = pairs[0].preferred.impressions
    n_states = len(weights) - len(names)
    return Taste(
        bundle=bundle.name,
        bundle_hash=bundle.hash,
        about=asdict(evidence),
        impressions=dict(zip(names, weights[n_states:], strict=True)),
        state=tuple(weights[:n_states]),
    )


def _table(pairs: Sequence[HeardPair]) -> tuple[Differences, Groups, tuple[int, int]]:
    """Return what `learn_weights` wants: states, then impressions."""
    differences = np.array(
        [_features(pair.preferred) - _features(pair.other) for pair in pairs]
    )
    groups = np.array([pair.prompt for pair in pairs])
    n_impressions = len(pairs[0].preferred.impressions)
    return differences, groups, (differences.shape[1] - n_impressions, n_impressions)


def _features(heard: Heard) -> NDArray[np.float64]:
    return np.concatenate([heard.state, list(heard.impressions.values())])


def _likings(pairs: Sequence[HeardPair]) -> Iterator[Liking]:
    names = list(pairs[0].preferred.impressions) if pairs else []
    splits = []
    for name in names:
        signs = [
            np.sign(pair.preferred.impressions[name] - pair.other.impressions[name])
            for pair in pairs
        ]
        splits.append((signs.count(1), signs.count(-1)))
    p_values = corrected([sign_test(*split) for split in splits])
    for name, split, p_value in zip(names, splits, p_values, strict=True):
        yield Liking(name, *split, p_value)


def _music(vote: Vote, plain: Plain) -> Score:
    try:
        return score_of(plain)
    except NOT_A_SCORE as error:
        msg = f"pair {vote.pair}: its music cannot be read ({error}); leave that line out"
        raise EvaluationError(msg) from error


def _without_key(prompt: Score) -> tuple[tuple[int, ...], ...]:
    """Return the notes of a prompt, as far above the first as they are."""
    first = int(prompt.notes["pitch"][0]) if len(prompt.notes) else 0
    notes = prompt.notes[["onset", "part", "pitch", "duration"]].tolist()
    return tuple((onset, part, pitch - first, length) for onset, part, pitch, length in notes)


# ------------------------------------------------------------------------------ words


def evidence_lines(evidence: Evidence) -> Iterator[str]:
    """Yield what votes amount to, as lines for a terminal."""
    about = f", about {evidence.prompts} prompts" if evidence.prompts else ""
    yield f"votes     {evidence.votes}; one answer is better in {evidence.decided} pairs{about}"
    yield _steady_line(evidence)
    if evidence.tested:
        share = _share(evidence.right, evidence.tested)
        yield f"foretold  {share} of the held-out pairs, by luck with p = {evidence.chance:.2g}"
    for liking in evidence.likings:
        if liking.p_value < SIGNIFICANCE:
            what = "more" if liking.more > liking.less else "less"
            share = _share(max(liking.more, liking.less), liking.more + liking.less)
            yield f"liked     {what} of: {liking.impression}, in {share} of the pairs"
    for row in evidence.settings:
        sure = ", surely better" if row.has_won else ""
        share = _share(row.wins, row.wins + row.losses)
        yield f"setting   {row.setting} {row.value}: won {share}{sure}"


def _steady_line(evidence: Evidence) -> str:
    if not evidence.repeats:
        return "steady    unknown: no pair was judged twice"
    share = _share(evidence.alike, evidence.repeats)
    return f"steady    {share} of the pairs that came again were judged the same"


def _share(n_hits: int, n: int) -> str:
    low, high = wilson_interval(n_hits, n)
    return f"{n_hits} of {n}, {n_hits / n:.0%} ({low:.0%} to {high:.0%})"
