"""The vocabulary: every value has a number of its own, and every number a value."""

import hashlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.errors import TokenError
from sideman.score.harmony import QUALITIES
from sideman.score.types import MAX_DATA_BYTE
from sideman.tokens.vocabulary import (
    AHEAD,
    ATTRIBUTES,
    BAR_TICKS_OF,
    DENOMINATOR_OF,
    DENOMINATORS,
    DURATION_TICKS,
    FORMAT,
    HELD,
    LARGEST_VALUES,
    MAX_AHEAD,
    MAX_DURATION,
    MAX_NUMERATOR,
    N_COLUMNS,
    N_SLOTS,
    N_STYLES,
    N_VELOCITIES,
    NUMERATOR_OF,
    PROGRAM,
    TEMPO_BINS,
    Kind,
    Task,
    Vocabulary,
    bin_to_tempo,
    bin_to_velocity,
    program_value,
    tempo_to_bin,
    ticks_to_duration,
    time_signature_value,
    velocity_to_bin,
)

VOCABULARY = Vocabulary(("folk", "jazz"))


def events_of(attribute, kind):
    """Return an event of `kind` for each value of an attribute, all else 0."""
    events = np.zeros((attribute.size, N_COLUMNS), np.uint8)
    events[:, 0] = kind
    events[:, attribute.column] = np.arange(attribute.size)
    return events


def test_every_value_of_every_attribute_has_an_id_of_its_own():
    """Ids run from 1 without a gap; kinds that share an attribute share its ids."""
    seen: dict[int, tuple[str, int]] = {}
    for attribute in ATTRIBUTES:
        for kind in attribute.kinds:
            events = events_of(attribute, kind)
            if attribute.name == "kind":
                events[:, 0] = np.arange(attribute.size)
            ids = VOCABULARY.ids(events)[:, attribute.column]
            for value, number in enumerate(ids.tolist()):
                assert seen.setdefault(number, (attribute.name, value)) == (
                    attribute.name,
                    value,
                )

    assert sorted(seen) == list(range(1, VOCABULARY.n_ids))


@pytest.mark.parametrize("kind", [Kind.NOTE, Kind.GIVEN])
def test_a_note_has_the_program_ids_of_its_part(kind):
    """What the network learns of a program when it is declared, it knows when it plays."""
    programs = np.arange(LARGEST_VALUES[Kind.PART, 2] + 1)
    notes = np.zeros((len(programs), N_COLUMNS), np.uint8)
    notes[:, 0], notes[:, PROGRAM] = kind, programs
    parts = np.zeros_like(notes)
    parts[:, 0], parts[:, 2] = Kind.PART, programs

    assert (VOCABULARY.ids(notes)[:, PROGRAM] == VOCABULARY.ids(parts)[:, 2]).all()


@pytest.mark.parametrize("kind", list(Kind))
def test_columns_without_an_attribute_say_nothing(kind):
    """Their id is 0, and there is nothing for the network to decide."""
    used = {a.column for a in ATTRIBUTES if kind in a.kinds}
    if kind in (Kind.NOTE, Kind.GIVEN):
        used.add(PROGRAM)
    unused = [column for column in range(N_COLUMNS) if column not in used]
    event = np.full(N_COLUMNS, 3, np.uint8)
    event[0] = kind

    assert not VOCABULARY.ids(event)[unused].any()
    assert VOCABULARY.ids(event)[sorted(used)].all()
    slots = [column for column in unused if column < N_SLOTS]
    assert (VOCABULARY.targets(event)[slots] == -1).all()
    assert not LARGEST_VALUES[kind, unused].any()


def test_head_outputs_and_ids_are_in_one_order():
    """Within a slot an id is the output plus the start of the slot, so tables can be shared."""
    starts = 1 + np.append(0, np.cumsum(VOCABULARY.slot_sizes))
    for attribute in ATTRIBUTES:
        if attribute.column >= N_SLOTS:
            continue
        for kind in attribute.kinds:
            events = events_of(attribute, kind)
            ids = VOCABULARY.ids(events)[:, attribute.column]
            targets = VOCABULARY.targets(events)[:, attribute.column]
            is_decided = targets != -1
            assert (ids == starts[attribute.column] + targets)[is_decided].all()
            if kind in (Kind.START, Kind.GIVEN):
                assert not is_decided[events[:, 0] == kind].any()
                continue
            assert targets[-1] < VOCABULARY.slot_sizes[attribute.column]
            assert (
                targets[-1] - len(events) + 1 == VOCABULARY.slot_offsets[kind, attribute.column]
            )


def test_what_says_nothing_is_not_decided(row):
    """A velocity that a file never told must not count for or against a model."""
    silent, said = row(Kind.NOTE, 0, 0, 0, 60, 24, 0), row(Kind.NOTE, 0, 0, 0, 60, 24, 9)

    silent_targets, said_targets = VOCABULARY.targets(np.stack([silent, said]))

    assert silent_targets[6] == -1
    assert said_targets[6] == VOCABULARY.slot_offsets[Kind.NOTE, 6] + 9
    assert (silent_targets[:6] == said_targets[:6]).all()
    assert (VOCABULARY.targets(row(Kind.GIVEN, 0, 0, 0, 60, 24, 9)[None]) == -1).all()


def test_every_value_fits_a_byte():
    """Shards hold bytes."""
    assert all(attribute.size <= 256 for attribute in ATTRIBUTES)


def test_reserved_values_are_not_known():
    """Some attributes have room for more than means anything today."""
    assert LARGEST_VALUES[Kind.START, 1] == max(Task)
    assert LARGEST_VALUES[Kind.CHORD, 4] == len(QUALITIES) - 1
    assert LARGEST_VALUES[Kind.GIVEN, AHEAD] == MAX_AHEAD
    assert LARGEST_VALUES[Kind.NOTE, AHEAD] == 0


def test_the_language_of_this_format_never_changes():
    """Trained models know these numbers: another order or size is another `FORMAT`."""
    attributes = json.loads(Vocabulary().to_json())["attributes"]
    digest = hashlib.sha256(json.dumps(attributes, sort_keys=True).encode()).hexdigest()

    assert (FORMAT, digest[:16]) == (1, "4b30d89604ffcc1b")
    assert Vocabulary().slot_sizes == (7, 304, 417, 114, 303, 173, 44)
    assert Vocabulary().n_ids == 1380
    assert " ".join(kind.name for kind in Kind) == "START PART BAR CHORD NOTE GIVEN END"


def test_json_brings_the_vocabulary_back():
    """A bundle carries it as text."""
    assert Vocabulary.from_json(VOCABULARY.to_json()) == VOCABULARY


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"format": 2, "styles": []}', "has format 2; this sideman reads 1"),
        ('{"format": "1", "styles": []}', "has format 1; this sideman reads 1"),
        ("[]", "no vocabulary"),
        ('{"format": 1}', "no vocabulary"),
        ("<html>", "not JSON"),
    ],
)
def test_what_is_no_vocabulary_of_ours_is_refused(text, message):
    """Another format is named, not misread."""
    with pytest.raises(TokenError, match=message):
        Vocabulary.from_json(text)


def test_styles_have_values_from_1():
    """0 is a style that nobody has named."""
    assert [VOCABULARY.style(name) for name in ("folk", "jazz")] == [1, 2]


def test_an_unknown_style_is_refused_with_those_there_are():
    """The way out stands in the message."""
    with pytest.raises(TokenError, match="no style 'polka'; this model knows folk, jazz"):
        VOCABULARY.style("polka")
    with pytest.raises(TokenError, match="this model knows none"):
        Vocabulary().style("polka")


def test_too_many_styles_are_refused():
    """As many as there are values but the one for unspecified."""
    names = tuple(f"style {number}" for number in range(N_STYLES))
    Vocabulary(names[1:])

    with pytest.raises(TokenError, match=f"{N_STYLES} style labels; at most {N_STYLES - 1}"):
        Vocabulary(names)


# ---------------------------------------------------------------------- values


def test_tempo_bins_come_back():
    """Every bin is the nearest of its own tempo; 120 is exact."""
    bins = np.arange(TEMPO_BINS)

    assert (tempo_to_bin(bin_to_tempo(bins)) == bins).all()
    assert bin_to_tempo(tempo_to_bin(120)) == 120
    assert bin_to_tempo([0, TEMPO_BINS - 1]).tolist() == [15, 480]


@given(st.floats(15, 480))
def test_tempos_are_kept_within_half_a_bin(tempo_bpm):
    """A bin is a 24th of an octave, so half of one is 1.45 %."""
    assert bin_to_tempo(tempo_to_bin(tempo_bpm)) == pytest.approx(tempo_bpm, rel=0.0146)


@pytest.mark.parametrize(
    ("tempo_bpm", "value"), [(1e-300, 0), (3, 0), (1000, 120), (float("inf"), 120)]
)
def test_tempos_beyond_the_table_are_its_ends(tempo_bpm, value):
    """Nothing overflows."""
    assert tempo_to_bin(tempo_bpm) == value


def test_velocities_come_back():
    """Every bin is that of its own middle, and every velocity within two of it."""
    bins = np.arange(1, N_VELOCITIES)
    velocities = np.arange(1, MAX_DATA_BYTE + 1)

    assert (velocity_to_bin(bin_to_velocity(bins)) == bins).all()
    assert np.abs(bin_to_velocity(velocity_to_bin(velocities)) - velocities).max() <= 2
    assert set(velocity_to_bin(velocities)) == set(bins)
    assert 1 <= bin_to_velocity(0) <= MAX_DATA_BYTE


def test_durations_come_back():
    """Every value but `HELD` is that of its own length; lengths grow with it."""
    values = np.arange(1, len(DURATION_TICKS))

    assert (ticks_to_duration(DURATION_TICKS[values]) == values).all()
    assert (np.diff(DURATION_TICKS) > 0).all()
    assert DURATION_TICKS[HELD] == 0


def test_every_length_gets_the_nearest_duration():
    """At least a tick, at most 64 quarters, exact up to four quarters."""
    ticks = np.arange(2 * MAX_DURATION)
    capped = np.clip(ticks, 1, MAX_DURATION)

    snapped = DURATION_TICKS[ticks_to_duration(ticks)]

    nearest = np.abs(capped[:, None] - DURATION_TICKS[1:]).min(1)
    assert (np.abs(snapped - capped) == nearest).all()
    assert (snapped[1:97] == ticks[1:97]).all()


def test_time_signatures_come_back():
    """Each numerator and denominator has a value of its own."""
    values = time_signature_value(NUMERATOR_OF, DENOMINATOR_OF)

    assert values.tolist() == list(range(MAX_NUMERATOR * len(DENOMINATORS)))
    assert BAR_TICKS_OF[time_signature_value(7, 8)] == 84


@pytest.mark.parametrize(
    ("program", "is_drum", "value"),
    [
        (0, False, 0),
        (127, False, 127),
        (0, True, 128),
        (7, True, 128),
        (26, True, 132),
        (127, True, 135),
    ],
)
def test_programs_and_kits_share_a_column(program, is_drum, value):
    """Kits follow the programs; one between two counts as the lower."""
    assert program_value(program, is_drum=is_drum) == value
