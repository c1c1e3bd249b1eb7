"""What a fingerprint does not hear: key, tempo, loudness, instruments; and what it does."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sideman.corpus.fingerprint import PERMUTATIONS, VIEWS, fingerprint, shingle_views
from sideman.score.time import resample
from sideman.score.types import NOTE_DTYPE, TEMPO_DTYPE, Part, Score, table

SEEDS = st.integers(0, 2**32 - 1)


def random_score(seed, n_notes=120, *, is_drum=False):
    """Return two parts of notes drawn at random, each seed another piece."""
    rng = np.random.default_rng(seed)
    onsets = np.cumsum(rng.choice([0, 6, 12, 24], n_notes))
    rows = [
        (onset, rng.choice([6, 12, 24]), rng.integers(40, 81), rng.integers(1, 128), index % 2)
        for index, onset in enumerate(onsets)
    ]
    return Score(table(NOTE_DTYPE, rows), (Part(0, is_drum=is_drum), Part(40, is_drum=is_drum)))


def changed(score, **columns):
    """Return the score with columns of its notes replaced."""
    notes = score.notes.copy()
    for name, values in columns.items():
        notes[name] = values
    return score.with_notes(notes)


def assert_same(score, other):
    ours, theirs = fingerprint(score), fingerprint(other)
    np.testing.assert_array_equal(ours.signatures, theirs.signatures)
    np.testing.assert_array_equal(ours.counts, theirs.counts)


def shared(score, other, view):
    """Return the share of the smaller set of shingles that is in the larger."""
    ours, theirs = (set(shingle_views(one)[view].tolist()) for one in (score, other))
    return len(ours & theirs) / min(len(ours), len(theirs))


@settings(max_examples=25)
@given(SEEDS, st.integers(-40, 40))
def test_transposed_piece_has_the_same_fingerprint(seed, semitones):
    """The same song in another key is the same song."""
    score = random_score(seed)

    assert_same(score, changed(score, pitch=score.notes["pitch"] + semitones))


@settings(max_examples=25)
@given(SEEDS, st.floats(20, 300))
def test_tempo_has_no_part_in_the_fingerprint(seed, tempo_bpm):
    """A tempo mark is the first thing that a copy changes."""
    score = random_score(seed)

    assert_same(score, replace(score, tempos=table(TEMPO_DTYPE, [(0, tempo_bpm)])))


@settings(max_examples=25)
@given(SEEDS, st.sampled_from([2, 3, 20]), st.booleans())
def test_note_values_and_resolution_have_no_part_in_it(seed, factor, is_drum):
    """Written in quavers or in crotchets, in 24 or 480 ticks: it sounds the same."""
    score = random_score(seed, is_drum=is_drum)
    longer = changed(
        score,
        onset=score.notes["onset"] * factor,
        duration=score.notes["duration"] * factor,
    )

    assert_same(score, longer)
    assert_same(score, resample(score, score.tpq * factor))


@settings(max_examples=25)
@given(SEEDS, st.integers(0, 127), st.integers(1, 127))
def test_programs_order_of_parts_and_velocity_have_no_part_in_it(seed, program, velocity):
    """Another instrument plays the same notes."""
    score = random_score(seed)
    other = changed(score, part=1 - score.notes["part"], velocity=velocity)

    assert_same(score, replace(other, parts=(Part(program), Part(3))))


@settings(max_examples=25)
@given(SEEDS)
def test_texture_is_the_same_however_parts_are_cut(seed):
    """A piano's hands lie on one track or on two."""
    score = random_score(seed)
    texture, _ = shingle_views(score)
    merged, _ = shingle_views(changed(score, part=0))
    hands, _ = shingle_views(changed(score, part=score.notes["pitch"] < 60))

    np.testing.assert_array_equal(texture, merged)
    np.testing.assert_array_equal(texture, hands)


@settings(max_examples=25)
@given(SEEDS, st.integers(0, 1))
def test_part_alone_is_contained_in_the_piece(seed, part):
    """An accompaniment that lost its tune is still a copy."""
    score = random_score(seed)
    alone = score.with_notes(score.notes.compress(score.notes["part"] == part))

    assert shared(alone, score, VIEWS.index("parts")) == 1


@settings(max_examples=25)
@given(SEEDS, st.booleans())
def test_piece_that_was_cut_is_contained_in_the_whole(seed, is_drum):
    """Half of a song is in the song; only a chord that the cut goes through differs."""
    score = random_score(seed, 240, is_drum=is_drum)
    middle = int(np.median(score.notes["onset"]))
    half = score.with_notes(score.notes.compress(score.notes["onset"] >= middle))

    assert shared(half, score, VIEWS.index("texture")) > 0.9


def test_spread_chord_counts_as_struck_together():
    """Nobody's fingers are as exact as a score."""
    rng = np.random.default_rng(3)
    rows = [
        (chord * 480, 480, pitch, 80, 0)
        for chord in range(40)
        for pitch in rng.choice(np.arange(40, 80), 3, replace=False)
    ]
    exact = Score(table(NOTE_DTYPE, rows), (Part(),), tpq=480)
    played = changed(exact, onset=exact.notes["onset"] + rng.integers(0, 60, len(rows)))

    assert_same(exact, played)


@settings(max_examples=25)
@given(SEEDS, SEEDS)
def test_unrelated_pieces_share_next_to_nothing(seed, other_seed):
    """Eight intervals in a row are not met by chance."""
    if seed != other_seed:
        score, other = random_score(seed), random_score(other_seed)
        assert all(shared(score, other, view) < 0.05 for view in range(len(VIEWS)))


def test_rhythm_tells_drum_patterns_apart():
    """The drums are the same everywhere; when they are struck is the pattern."""
    straight = [(6 * at, 3, 42, 80, 0) for at in range(64)]
    rng = np.random.default_rng(1)
    onsets = np.cumsum(rng.choice([6, 12, 24], 64))
    other = [(onset, 3, 42, 80, 0) for onset in onsets]
    parts = (Part(is_drum=True),)

    patterns = [Score(table(NOTE_DTYPE, rows), parts) for rows in (straight, other)]

    assert [len(shingle_views(pattern)[0]) > 1 for pattern in patterns] == [False, True]


def test_drums_do_not_count_beside_other_notes():
    """A thousand songs have the same beat."""
    score = random_score(5)
    beat = np.array([(12 * at, 6, 36 + at % 3, 80, 2) for at in range(200)], NOTE_DTYPE)
    band = replace(
        score,
        notes=np.concatenate([score.notes, beat]),
        parts=(*score.parts, Part(is_drum=True)),
    )

    assert_same(score, band)


@pytest.mark.parametrize("n_notes", [0, 1, 2, 8])
@pytest.mark.parametrize("is_drum", [False, True])
def test_tiny_score_has_no_more_shingles_than_notes(n_notes, is_drum):
    """Too short to say anything, but no reason to stop."""
    found = fingerprint(random_score(1, n_notes, is_drum=is_drum))

    assert found.signatures.shape == (len(VIEWS), PERMUTATIONS)
    assert (found.counts <= max(n_notes - 5, 0)).all()


def test_score_without_parts_has_an_empty_fingerprint():
    """Files without notes have no parts either."""
    assert fingerprint(Score(table(NOTE_DTYPE), ())).counts.tolist() == [0, 0]


def test_fingerprint_never_changes():
    """Fingerprints are stored: a corpus that is added to compares old with new."""
    score = Score(
        table(NOTE_DTYPE, [(12 * at, 12, 60 + at * at % 13, 80, 0) for at in range(40)]),
        (Part(),),
    )

    found = fingerprint(score)

    assert found.counts.tolist() == [13, 13]
    assert found.signatures[0, :3].tolist() == [444076765, 556728343, 159125176]
