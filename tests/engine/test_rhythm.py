"""Metres, note lengths and rhythms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.engine.rhythm import (
    RHYTHMS,
    length_mask,
    length_name,
    metre_name,
    parse_length,
    parse_metre,
    rhythm_mask,
)
from sideman.errors import EngineError
from sideman.tokens.vocabulary import (
    BAR_TICKS_OF,
    BEAT_TICKS_OF,
    DURATION_TICKS,
    HELD,
    NUMERATOR_OF,
)

metres_st = st.integers(0, len(BAR_TICKS_OF) - 1)
lengths_st = st.sampled_from(DURATION_TICKS[HELD + 1 :].tolist())


@given(metres_st)
def test_metre_is_read_as_it_is_written(time_signature):
    """All that the vocabulary has can be asked for."""
    assert parse_metre(metre_name(time_signature)) == time_signature


@pytest.mark.parametrize("text", ["4/3", "0/4", "33/4", "44", "4/", "", "4/4/4"])
def test_metre_that_the_vocabulary_has_not_is_refused(text):
    """The message says which there are."""
    with pytest.raises(
        EngineError, match=f"metre is '{text}'; write 1 to 32 beats over one of"
    ):
        parse_metre(text)


@given(lengths_st)
def test_length_is_read_as_it_is_written(ticks):
    """All that the vocabulary has can be asked for."""
    assert parse_length(length_name(ticks)) == ticks


@pytest.mark.parametrize(
    ("text", "ticks"),
    [
        ("1/4", 24),
        ("1/4.", 36),
        ("3/8", 36),
        ("1/4t", 16),
        ("1/8t", 8),
        ("1/32", 3),
        ("16", 1536),
    ],
)
def test_length_is_a_part_of_a_whole_note(text, ticks):
    """Dotted is half as much more; three of a triplet last as long as two."""
    assert parse_length(text) == ticks


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "1/0",
            r"note length is '1/0'; write it as 1/16, 1/4\. \(dotted\) or 1/8t \(triplet\)",
        ),
        ("quarter", "note length is 'quarter'"),
        ("1/64", "note length '1/64' is not on the grid; near it is 1/32"),
        ("1/5", "note length '1/5' is not on the grid; near it is 3/16"),
        ("99", "note length '99' is not on the grid; near it is 16"),
        ("0", "note length '0' is not on the grid; near it is 1/32"),
    ],
)
def test_length_that_the_grid_has_not_gets_the_nearest(text, message):
    """A wish is never rounded in silence."""
    with pytest.raises(EngineError, match=message):
        parse_length(text)


@given(lengths_st, lengths_st)
def test_mask_of_lengths_holds_its_ends_and_no_held_note(one, other):
    """Ends that people name are allowed, so the mask is never empty."""
    shortest, longest = sorted((one, other))
    allowed = DURATION_TICKS[length_mask((shortest, longest))]

    assert allowed.min() == shortest
    assert allowed.max() == longest
    assert not length_mask((0, longest))[HELD]


def places(rhythm, metre):
    """Return the ticks of the bar at which notes may begin."""
    return np.flatnonzero(rhythm_mask(rhythm, parse_metre(metre)).reshape(-1)).tolist()


@pytest.mark.parametrize(
    ("rhythm", "metre", "ticks"),
    [
        ("straight", "1/4", [0, 6, 12, 18]),
        ("straight8", "2/4", [0, 12, 24, 36]),
        ("triplet", "1/4", [0, 8, 16]),
        ("swing", "2/4", [0, 16, 24, 40]),
        ("swing", "1/2", [0, 16, 24, 40]),
        ("straight8", "6/8", [0, 12, 24, 36, 48, 60]),
        ("triplet", "6/8", [0, 12, 24, 36, 48, 60]),
        ("swing", "6/8", [0, 24, 36, 60]),
        ("swing", "5/8", [0, 16, 24, 40, 48]),
        ("triplet", "3/16", [0, 6, 12]),
        ("swing", "3/32", [0, 6]),
    ],
)
def test_rhythm_allows_these_ticks(rhythm, metre, ticks):
    """A quarter has 24; in compound metres three beats are the pulse."""
    assert places(rhythm, metre) == ticks


@given(st.sampled_from(RHYTHMS), metres_st)
def test_rhythm_fits_every_metre_and_allows_its_bar_line(rhythm, time_signature):
    """There is always a place for a note, so no bar is a dead end."""
    mask = rhythm_mask(rhythm, time_signature)

    assert mask.shape == (NUMERATOR_OF[time_signature], BEAT_TICKS_OF[time_signature])
    assert mask[0, 0]
    assert (mask <= rhythm_mask("free", time_signature)).all()


def test_unknown_rhythm_gets_the_nearest():
    """The names are few, but the hyphen is tempting."""
    with pytest.raises(
        EngineError, match="there is no rhythm 'triplets'; did you mean 'triplet'"
    ):
        rhythm_mask("triplets", parse_metre("4/4"))
