"""Leanings: what was just played and what is known becomes likelier or less likely, no more."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.engine.bounds import Bounds
from sideman.engine.compose import continue_, infill
from sideman.engine.fill import Wish
from sideman.engine.leaning import MEMORY, MOST_LEANING, STRENGTH, Leaning
from sideman.engine.pitches import Scale
from sideman.engine.session import Session
from sideman.errors import EngineError
from sideman.score.types import NOTE_DTYPE, Part, Score, table
from sideman.tokens.grid import to_grid
from sideman.tokens.vocabulary import FIRST_DRUM, N_PITCHES, Kind, Vocabulary

PARTS = (Part(0), Part(0, is_drum=True))
PITCH_VALUES = sum(Vocabulary().slot_sizes[:4]) + int(Vocabulary().slot_offsets[Kind.NOTE, 4])


def piece(pitches):
    """Return quarters of a piano over a drum on each beat."""
    rows = [(24 * n, 24, pitch, 80, 0) for n, pitch in enumerate(pitches)]
    rows += [(24 * n, 6, 36, 80, 1) for n in range(len(pitches))]
    return Score(notes=table(NOTE_DTYPE, rows), parts=PARTS)


def leaning_after(pitches, *, repetition=0.0, novelty=0.0, known=()):
    """Return what is added to each pitch when the piano has played some."""
    grid, _ = to_grid(piece(known))
    before, _ = to_grid(piece(pitches))
    leaning = Leaning(grid, before.notes, np.arange(2), repetition=repetition, novelty=novelty)
    values = leaning.bias([])
    assert values.shape == (sum(Vocabulary().slot_sizes),)
    return values[PITCH_VALUES : PITCH_VALUES + FIRST_DRUM + N_PITCHES]


@given(st.lists(st.integers(0, 127), min_size=1, max_size=30), st.floats(-2, 2))
def test_repetition_leans_on_recent_pitches_alone(pitches, repetition):
    """The last most, then less; what is long past, and drum pieces, not at all."""
    values = leaning_after(pitches, repetition=repetition)

    assert set(np.flatnonzero(values)) <= set(pitches[-MEMORY:])
    assert values[pitches[-1]] == pytest.approx(repetition * STRENGTH)
    assert abs(values).max() <= abs(repetition) * STRENGTH + 1e-6
    assert (values * np.sign(repetition) >= 0).all()


@pytest.mark.parametrize("steps", [0, 7, -5])
def test_novelty_shuns_the_next_pitch_of_a_known_turn_in_any_key(steps):
    """C D E goes on to G, and D E F sharp to A."""
    played = [60 + steps, 62 + steps, 64 + steps]
    for novelty in (1.0, -0.5):
        values = leaning_after(played, novelty=novelty, known=[48, 60, 62, 64, 67, 30])
        assert np.flatnonzero(values).tolist() == [67 + steps]
        assert values[67 + steps] == pytest.approx(-novelty * STRENGTH)


def test_what_is_not_known_is_no_copy():
    """Two pitches are no turn yet, and other three another."""
    for played in ([60, 62], [60, 62, 65], [64]):
        assert not leaning_after(played, novelty=1.0, known=[60, 62, 64, 67]).any()


@pytest.mark.parametrize("wish", [{"repetition": -2.0}, {"repetition": 2.0}, {"novelty": 2.0}])
def test_a_leaning_changes_what_is_written_and_breaks_nothing(fp32_bundle, wish):
    """Random weights, every bound as before: it only weighs what may be chosen."""
    bounds = Bounds(scale=Scale(0))
    changed = 0
    for seed in range(10):
        plain, leaning = (
            infill(
                piece([60, 62, 64, 67] * 6),
                fp32_bundle,
                first_bar=2,
                end_bar=5,
                parts=[0],
                wish=Wish(seed=seed, threads=1, bounds=bounds, **asked),
            )[0]
            for asked in ({"novelty": 0.0}, wish)
        )
        changed += plain.score.notes.tolist() != leaning.score.notes.tolist()
        new = leaning.score.notes[leaning.score.notes["part"] == 0]
        assert set((new["pitch"] % 12).tolist()) <= {0, 2, 4, 5, 7, 9, 11}
    assert changed > 0


def test_a_take_with_leanings_is_the_same_beside_others(fp32_bundle):
    """Each take remembers for itself, over window after window."""
    asked: dict[str, Any] = {"repetition": -1.0, "novelty": 1.0, "threads": 1}
    score = piece([60, 62, 64, 67] * 4)
    three = continue_(score, fp32_bundle, n_bars=30, wish=Wish(n_takes=3, **asked))
    (alone,) = continue_(score, fp32_bundle, n_bars=30, wish=Wish(**asked))

    assert three[0].score.notes.tolist() == alone.score.notes.tolist()


def test_a_bias_weighs_what_may_be_chosen_and_brings_nothing_back(fp32_bundle, row):
    """A score as high as you like is no way around the grammar, nor around the cuts."""
    from sideman.engine.sampling import Sampling

    session = Session(fp32_bundle, threads=1)
    session.append(np.stack([row(Kind.START, 1, 0, 0, 1), row(Kind.PART, 0, 0)]))
    values = np.zeros((1, sum(Vocabulary().slot_sizes)), np.float32)
    values[0, Kind.NOTE] = 1000.0

    rngs = [np.random.default_rng(0)]
    step = session.next(sampling=Sampling(), rngs=rngs, bias=values)

    assert step.events[0, 0] in (Kind.PART, Kind.BAR)


@pytest.mark.parametrize("name", ["repetition", "novelty"])
@pytest.mark.parametrize("value", [MOST_LEANING + 0.1, -3.0, float("nan")])
def test_a_leaning_outside_its_range_is_refused(name, value):
    """Beyond it there is nothing but noise."""
    asked: dict[str, Any] = {name: value}
    with pytest.raises(EngineError, match=f"{name} is {value}; it must be -2 to 2"):
        Wish(**asked)
