"""Beats of performances, and scores written on them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sideman.analysis.beats import TRACKED_TPQ, align, track_beats
from sideman.score.time import bar_starts, ticks_to_seconds
from sideman.score.types import (
    CHORD_DTYPE,
    KEY_DTYPE,
    NOTE_DTYPE,
    TIME_SIGNATURE_DTYPE,
    Part,
    Score,
    table,
)

TPQ = 480
TICKS_PER_SECOND = 960
PARTS = (Part(), Part(program=32))


def recital(beat_s, *, jitter_s=0.012, seed=0, start_s=0.5):
    """Return a performance, in ticks of 120 bpm: a bass on each beat, eighths above it.

    Args:
        beat_s: Seconds of each beat, counted from `start_s`.
        jitter_s: Spread of the onsets, in seconds.
        seed: Draws them, the pitches and the velocities.
        start_s: When the first beat is.
    """
    generator = np.random.default_rng(seed)
    places = np.arange(0, len(beat_s) - 1, 0.5)
    at = start_s + np.interp(places, np.arange(len(beat_s)), beat_s)
    rows = []
    for place, moment in zip(places, at, strict=True):
        onset = round((moment + generator.uniform(-jitter_s, jitter_s)) * TICKS_PER_SECOND)
        pitch = int(generator.integers(60, 80))
        rows.append((max(onset, 0), 200, pitch, int(generator.integers(50, 70)), 0))
        if place % 1 == 0:
            long = 900 if place % 4 == 0 else 300
            rows.append((max(onset + 3, 0), long, 40 + int(place) % 5, 90, 1))
    keys = table(KEY_DTYPE, [(0, 7, False), (20_000, 2, True)])
    chords = table(CHORD_DTYPE, [(9_600, 0, 0, 0)])
    return Score(table(NOTE_DTYPE, rows), PARTS, TPQ, keys=keys, chords=chords)


def even_beats(bpm, n_beats=100):
    return np.arange(n_beats) * 60 / bpm


def drifting_beats(seed, n_beats=120):
    """Return beats whose tempo wanders by up to 15 % around 84 bpm."""
    steps = np.random.default_rng(seed).normal(0, 0.02, n_beats)
    tempo = 84 * np.exp(np.clip(np.cumsum(steps), -0.15, 0.15))
    return np.append(0, np.cumsum(60 / tempo))


def random_notes(n_notes, seconds, *, part=0, seed=0):
    generator = np.random.default_rng(seed)
    notes = np.zeros(n_notes, NOTE_DTYPE)
    notes["onset"] = generator.integers(0, int(seconds * TICKS_PER_SECOND), n_notes)
    notes["duration"] = generator.integers(1, 500, n_notes)
    notes["pitch"] = generator.integers(30, 90, n_notes)
    notes["velocity"] = generator.integers(1, 128, n_notes)
    notes["part"] = part
    return notes


def onsets_s(score):
    return ticks_to_seconds(score, score.notes["onset"])


def sequenced(places, **tables):
    rows = [(round(place * TPQ), 100, 60, 64, 0) for place in places]
    return Score(table(NOTE_DTYPE, rows), PARTS, TPQ, **tables)


def test_what_is_quantised_stays_the_very_same_object():
    """Nothing is done to what needs nothing."""
    score = sequenced(np.arange(0, 64, 0.25))

    aligned = align(score)

    assert aligned.score is score
    assert aligned.how == "none"
    assert aligned.confidence == 1


def test_a_player_at_a_click_keeps_the_beats_of_the_file():
    """Those are the ones that were played to."""
    touch = np.random.default_rng(1).normal(0, 0.03, 256)
    score = sequenced(np.arange(1, 65, 0.25) + touch)

    aligned = align(score)

    assert aligned.score is score
    assert aligned.how == "own-tempo"


@pytest.mark.parametrize("bpm", [60, 72, 85, 97, 133, 150, 170, 180])
def test_an_even_performance_is_found_at_its_own_tempo(bpm):
    """The file says 120 bpm; eighths and beats are as they were, or twice or half as many."""
    beats = even_beats(bpm)

    _, found = track_beats(recital(beats, jitter_s=0.005))

    found = found[(found > 5) & (found < beats[-1] - 5)]
    half_beats = (found - 0.5) / (60 / bpm) * 2
    assert np.abs(half_beats - np.rint(half_beats)).max() < 0.2
    steps = np.diff(np.rint(half_beats))
    assert steps.min() == steps.max()
    assert steps[0] in {1, 2, 4}


@pytest.mark.parametrize("seed", range(4))
def test_a_drifting_tempo_is_followed(seed):
    """A tempo that wanders is no other piece."""
    beats = drifting_beats(seed)

    _, found = track_beats(recital(beats, seed=seed))

    nearest = np.abs(found[:, None] - 0.5 - beats).min(axis=1)
    assert np.mean(nearest < 0.05) > 0.95
    assert abs(len(found) - len(beats)) < 6


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 100), st.floats(0.02, 3))
def test_tracking_keeps_every_note_and_every_second(seed, start_s):
    """Only the ticks are other ones."""
    score = recital(drifting_beats(seed), seed=seed, start_s=start_s)

    aligned = align(score)

    assert aligned.how == "tracked"
    assert aligned.score.parts == score.parts
    names = ["part", "pitch", "velocity"]
    assert sorted(aligned.score.notes[names].tolist()) == sorted(score.notes[names].tolist())
    tick_s = 60 / aligned.score.tempos["tempo_bpm"].min() / TRACKED_TPQ
    before, after = np.sort(onsets_s(score)), np.sort(onsets_s(aligned.score))
    assert np.allclose(before - before[0], after - after[0], atol=1.01 * tick_s)
    assert len(aligned.score.keys) == len(score.keys)
    assert len(aligned.score.chords) == len(score.chords)


def test_a_tracked_beat_is_a_quarter_and_its_bars_are_whole():
    """The notes of the bass fall on quarters, the long ones on bar lines."""
    score = recital(drifting_beats(2))

    tracked = align(score).score

    bass = tracked.notes[tracked.notes["part"] == 1]
    way = (bass["onset"] + TRACKED_TPQ // 2) % TRACKED_TPQ - TRACKED_TPQ // 2
    assert np.mean(np.abs(way) < TRACKED_TPQ / 12) > 0.95
    long = bass["onset"][score.notes["duration"][score.notes["part"] == 1] == 900]
    distance = np.abs(long[:, None] - bar_starts(tracked)).min(axis=1)
    assert np.mean(distance < TRACKED_TPQ / 12) > 0.9


def test_a_pick_up_is_a_short_bar():
    """Music that begins before its first downbeat has a bar of the beats that are left."""
    score = recital(drifting_beats(2))
    first = np.searchsorted(score.notes["onset"], np.sort(score.notes["onset"])[9])
    later = score.with_notes(score.notes[first:])

    tracked = align(later).score

    metres = tracked.time_signatures
    assert metres["onset"][0] == 0
    assert len(metres) == 1 or metres["onset"][1] == metres["numerator"][0] * TRACKED_TPQ


@pytest.mark.parametrize("sixteenths", [0.3, 1.45, 3.3])
def test_a_quantised_piece_of_one_beat_bars_is_moved_and_barred(sixteenths):
    """POP909 lies beside the beats of its files, which name no bars."""
    places = np.arange(0, 128, 0.5) + sixteenths / 4
    rows = []
    for place in places:
        onset = round(place * TPQ)
        rows.append((onset, 100, 70, 60, 0))
        beat = place - sixteenths / 4
        if beat % 4 == 0:
            root = 36 + (int(beat) // 4 * 5) % 12
            rows += [(onset, 4 * TPQ - 10, root + step, 80, 0) for step in (0, 16, 19, 24)]
    metre = table(TIME_SIGNATURE_DTYPE, [(0, 1, 4)])
    score = Score(table(NOTE_DTYPE, rows), PARTS, TPQ, time_signatures=metre)

    aligned = align(score)

    assert aligned.how == "shifted"
    onsets = aligned.score.notes["onset"]
    long = aligned.score.notes["duration"] > TPQ
    assert (onsets % (TPQ // 2) == 0).all()
    assert np.isin(onsets[long], bar_starts(aligned.score)).all()
    assert np.array_equal(np.diff(onsets), np.diff(score.notes["onset"]))


def test_a_late_recording_keeps_its_bars():
    """A few milliseconds of latency are taken away; the bar lines were right."""
    metre = table(TIME_SIGNATURE_DTYPE, [(0, 3, 4), (9 * TPQ, 4, 4)])
    score = sequenced(np.arange(0, 64, 0.25) + 0.03, time_signatures=metre)

    aligned = align(score)

    assert aligned.how == "shifted"
    assert (aligned.score.notes["onset"] % (TPQ // 4) == 0).all()
    assert np.array_equal(aligned.score.time_signatures, metre)


@pytest.mark.parametrize("seed", range(3))
def test_notes_at_random_have_no_beat(seed):
    """Found beats of no confidence are not written down."""
    score = Score(random_notes(1000, 200, seed=seed), PARTS, TPQ)

    aligned = align(score)

    assert aligned.score is score
    assert aligned.how == "failed"


@pytest.mark.parametrize(
    "score",
    [
        Score(table(NOTE_DTYPE), ()),
        Score(table(NOTE_DTYPE, [(7, 5, 60, 64, 0)]), PARTS, TPQ),
        Score(table(NOTE_DTYPE, [(7, 5, 60 + k, 64, 0) for k in range(4)]), PARTS, TPQ),
        Score(random_notes(12, 10), PARTS, TPQ),
        Score(random_notes(400, 100), (Part(is_drum=True),), TPQ),
        Score(random_notes(40, 10**7), PARTS, TPQ),
        Score(random_notes(40, 4000), PARTS, TPQ),
    ],
    ids=["empty", "one note", "one chord", "few", "drums", "years", "an hour of gaps"],
)
def test_strange_scores_come_back(score):
    """A folder of MIDI holds all of these; none may stop it, none may lose a note."""
    aligned = align(score)

    assert len(aligned.score.notes) == len(score.notes)
    assert 0 <= aligned.confidence <= 1


def test_a_long_gap_is_beats_of_silence():
    """Music on both sides of ten minutes without a note keeps its place in time."""
    score = recital(drifting_beats(3))
    notes = score.notes.copy()
    notes["onset"][len(notes) // 2 :] += 600 * TICKS_PER_SECOND

    aligned = align(score.with_notes(notes))

    gap_s = np.diff(onsets_s(aligned.score)).max()
    assert aligned.how == "tracked"
    assert gap_s == pytest.approx(np.diff(onsets_s(score.with_notes(notes))).max(), abs=0.01)


def test_the_same_score_is_aligned_the_same():
    """A corpus built twice is the same corpus."""
    score = recital(drifting_beats(4))

    once, again = align(score), align(score)

    assert once.confidence == again.confidence
    assert np.array_equal(once.score.notes, again.score.notes)
    assert np.array_equal(once.score.tempos, again.score.tempos)
