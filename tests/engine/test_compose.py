"""The tasks: what is known stays, what is asked for is written, nothing else."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from sideman.engine.bounds import Bounds
from sideman.engine.chart import chart_chords, parse_chart
from sideman.engine.compose import accompany, compose, continue_, infill, rewrite, vary
from sideman.engine.fill import Wish
from sideman.engine.harmonise import harmonise, name_chords
from sideman.engine.sampling import Sampling
from sideman.errors import EngineError
from sideman.score.harmony import N_PITCH_CLASSES, Chord, chord_pitch_classes
from sideman.score.time import bar_starts, resample
from sideman.score.types import (
    NOTE_DTYPE,
    TIME_SIGNATURE_DTYPE,
    Part,
    Score,
    table,
)
from sideman.tokens.grid import to_grid

TPQ = 480
N_BARS, BAR_TICKS = 6, 4 * TPQ
DRUMS, BASS, PIANO = range(3)
PARTS = (Part(0, is_drum=True, name="kit"), Part(33, name="bass"), Part(0, name="piano"))
CELLO = Part(42, name="cello")
WISH = Wish(n_takes=2, sampling=Sampling(min_p=0.03), threads=1)


def piece():
    """Return six bars for three, not quite on the grid."""
    rng = np.random.default_rng(1)
    rows = []
    for start in range(0, N_BARS * BAR_TICKS, BAR_TICKS):
        rows += [(start + beat * TPQ, 60, 36, 90, DRUMS) for beat in range(4)]
        rows += [(start + 3, TPQ, 40, 80, BASS), (start + 2 * TPQ + 5, TPQ, 43, 75, BASS)]
        for beat in range(4):
            duration, pitch = int(rng.integers(100, 400)), int(rng.integers(60, 72))
            rows.append((start + beat * TPQ + 7, duration, pitch, 60 + beat, PIANO))
    return Score(notes=table(NOTE_DTYPE, rows), parts=PARTS, tpq=TPQ)


def rows_of(score):
    """Return the notes as a set, to ask what is where."""
    return {tuple(row) for row in score.notes.tolist()}


def where(score, parts, first, end):
    """Return the notes of parts that begin in bars."""
    notes, bar = score.notes, score.notes["onset"] // BAR_TICKS
    inside = (bar >= first) & (bar < end) & np.isin(notes["part"], parts)
    return {tuple(row) for row in notes[inside].tolist()}


# ------------------------------------------------------------------ what stays


def test_compose_writes_the_bars_and_parts_asked_for(fp32_bundle):
    """As many bars, nobody else, in the metre asked for."""
    takes = compose(PARTS, fp32_bundle, n_bars=3, metre=(7, 8), wish=WISH)

    for take in takes:
        assert (take.first_bar, take.end_bar, take.n_notes) == (0, 3, len(take.score.notes))
        assert take.n_notes > 0
        assert take.score.parts == PARTS
        assert (take.score.notes["onset"] < 3 * 7 * take.score.tpq // 2).all()
        assert take.score.time_signatures.tolist() == [(0, 7, 8)]


def test_infill_leaves_everything_but_the_hole_bit_for_bit(fp32_bundle):
    """Onsets between the grid's, lengths, velocities: the neighbours are not touched."""
    score = piece()
    takes = infill(score, fp32_bundle, first_bar=2, end_bar=4, parts=[PIANO], wish=WISH)

    stays = rows_of(score) - where(score, [PIANO], 2, 4)
    for take in takes:
        assert take.score.tpq == TPQ
        fresh = rows_of(take.score) - stays
        assert stays <= rows_of(take.score)
        assert fresh == where(take.score, [PIANO], 2, 4)
        assert len(fresh) == take.n_notes


def test_accompany_adds_parts_and_leaves_those_that_are_there(fp32_bundle):
    """The cello plays in the piece's bars; of the others not a tick is moved."""
    score = piece()

    for take in accompany(score, fp32_bundle, new_parts=[CELLO], wish=WISH):
        assert take.score.parts == (*PARTS, CELLO)
        assert rows_of(score) == where(take.score, [DRUMS, BASS, PIANO], 0, N_BARS)
        assert len(where(take.score, [3], 0, N_BARS)) == take.n_notes > 0


def test_rewrite_changes_one_part(fp32_bundle):
    """All of it: no note of the old bass is kept but by chance."""
    score = piece()

    for take in rewrite(score, fp32_bundle, part=BASS, wish=WISH):
        others = [DRUMS, PIANO]
        assert where(score, others, 0, N_BARS) == where(take.score, others, 0, N_BARS)
        assert len(where(take.score, [BASS], 0, N_BARS)) == take.n_notes > 0


@pytest.mark.parametrize("change", [0.0, 0.4, 1.0])
def test_vary_leaves_the_locked_notes(fp32_bundle, change):
    """About the share asked for changes, and no bar of a part is denser than it was."""
    score = piece()
    (first, _) = takes = vary(score, fp32_bundle, change=change, parts=[PIANO], wish=WISH)

    kept = rows_of(first.score) & rows_of(score)
    n_gone = len(rows_of(score) - kept)
    assert n_gone <= len(where(score, [PIANO], 0, N_BARS)) * min(change * 2, 1)
    for take in takes:
        assert where(score, [DRUMS, BASS], 0, N_BARS) <= rows_of(take.score)
        for bar in range(N_BARS):
            before, after = (len(where(s, [PIANO], bar, bar + 1)) for s in (score, take.score))
            assert after <= before
        if not change:
            assert rows_of(take.score) == rows_of(score)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (lambda b: infill(piece(), b, first_bar=4, end_bar=9), "bars 5 to 9 .* piece has 6"),
        (lambda b: rewrite(piece(), b, part=3), "there is no part 4; the piece has 3"),
        (lambda b: vary(piece(), b, change=1.2), "change is 1.2; it must be 0 to 1"),
        (lambda b: accompany(piece(), b, new_parts=[]), "0 parts are to be added to 3"),
        (lambda b: compose([], b), "nobody plays; name at least one part"),
        (lambda b: harmonise(piece(), b, parts=[7]), "there is no part 8; the piece has 3"),
        (lambda b: harmonise(piece(), b, parts=[DRUMS]), "no pitched note"),
        (lambda _: name_chords(piece(), parts=[DRUMS]), "no pitched note"),
    ],
)
def test_an_error_names_what_is_wrong(fp32_bundle, task, message):
    """It counts bars and parts from 1, as people do."""
    with pytest.raises(EngineError, match=message):
        task(fp32_bundle)


# ------------------------------------------------------------------- harmonise


def melody(seed, *, metre=(4, 4), n_bars=8):
    """Return a tune in C that has a silent bar, the second, and rests at the start."""
    rng = np.random.default_rng(seed)
    beat_ticks = 4 * TPQ // metre[1]
    bar_ticks, rows = metre[0] * beat_ticks, []
    for bar in [0, *range(2, n_bars)]:
        for beat in range(1 if bar == 0 else 0, metre[0]):
            pitch = 60 + int(rng.choice([0, 2, 4, 5, 7, 9, 11, 12]))
            rows.append((bar * bar_ticks + beat * beat_ticks, beat_ticks, pitch, 80, 0))
    return Score(
        notes=table(NOTE_DTYPE, rows),
        parts=(Part(73, name="flute"),),
        tpq=TPQ,
        time_signatures=table(TIME_SIGNATURE_DTYPE, [(0, *metre)]),
    )


def harmonised_by(bundle, score, **how):
    return harmonise(score, bundle, wish=replace(WISH, **how))


@pytest.mark.parametrize("metre", [(4, 4), (3, 4), (6, 8), (5, 4)])
@pytest.mark.parametrize("seed", range(3))
def test_chords_change_at_bar_lines_and_in_mid_bar(fp32_bundle, seed, metre):
    """Where people change them; a metre of three or five has no middle."""
    score = melody(seed, metre=metre)
    bar_ticks = metre[0] * 4 * TPQ // metre[1]
    unit = bar_ticks if metre[0] % 2 else bar_ticks // 2

    for take in harmonised_by(fp32_bundle, score, seed=seed):
        onsets = take.score.chords["onset"]
        assert len(onsets) > 0
        assert (onsets % unit == 0).all()
        assert (np.diff(onsets) > 0).all()


@pytest.mark.parametrize("seed", range(8))
def test_each_bar_has_a_chord_that_shares_tones_with_it(fp32_bundle, seed):
    """From the first that sounds on, whatever a model of random weights would rather say."""
    score = melody(seed, n_bars=16)

    for take in harmonised_by(fp32_bundle, score, seed=seed):
        chords = take.score.chords
        for start, end in pairwise(bar_starts(score)):
            notes = score.notes[(score.notes["onset"] >= start) & (score.notes["onset"] < end)]
            if len(notes):
                inside = (chords["onset"] < end) & (
                    np.append(chords["onset"][1:], 1 << 30) > start
                )
                sounding = {
                    tone
                    for row in chords[inside].tolist()
                    for tone in chord_pitch_classes(Chord(*row[1:]))
                }
                assert sounding & {int(p) % N_PITCH_CLASSES for p in notes["pitch"]}


def test_chords_are_of_the_key_where_such_chords_fit(fp32_bundle):
    """A tune in C gets no F sharp."""
    for take in harmonised_by(fp32_bundle, melody(4), seed=4):
        tones = {
            tone
            for row in take.score.chords.tolist()
            for tone in chord_pitch_classes(Chord(*row[1:]))
        }
        assert tones <= {0, 2, 4, 5, 7, 9, 11}


def test_the_chart_says_the_chords(fp32_bundle):
    """Who reads the text back has the chords of the score again."""
    score = melody(2)
    grid, _ = to_grid(score)

    for take in [*harmonised_by(fp32_bundle, score), name_chords(score)]:
        rows = chart_chords(parse_chart(take.chart_text), grid.bars["time_signature"].tolist())
        sounds = rows[rows["root"] < N_PITCH_CLASSES]
        said = take.score.chords[take.score.chords["root"] < N_PITCH_CLASSES]
        at = sounds["bar"] * BAR_TICKS + sounds["beat"].astype(np.int64) * TPQ
        assert at.tolist() == said["onset"].tolist()
        for name in ("root", "quality", "bass"):
            assert sounds[name].tolist() == said[name].tolist()


def test_the_added_part_plays_the_chords_and_the_melody_stays(fp32_bundle):
    """In every bar, in close position, nothing beside the chord."""
    score = melody(3)

    for take in [*harmonised_by(fp32_bundle, score), name_chords(score)]:
        assert [part.name for part in take.score.parts] == ["flute", "chords"]
        blocks = take.score.notes[take.score.notes["part"] == 1]
        assert rows_of(resample(score, take.score.tpq)) == rows_of(take.score) - {
            tuple(row) for row in blocks.tolist()
        }
        assert len(blocks) == take.n_notes
        chords = take.score.chords
        for onset in np.unique(blocks["onset"]):
            row = chords[np.searchsorted(chords["onset"], onset, side="right") - 1]
            pitches = blocks["pitch"][blocks["onset"] == onset]
            assert {int(p) % N_PITCH_CLASSES for p in pitches} == set(
                chord_pitch_classes(Chord(*(int(value) for value in tuple(row)[1:])))
            )
            assert np.ptp(pitches) < N_PITCH_CLASSES
        assert blocks["onset"].max() + BAR_TICKS >= score.end - TPQ


def test_chords_only_adds_no_part(fp32_bundle):
    """The notes are those that came."""
    score = melody(5)
    for take in harmonise(score, fp32_bundle, chords_only=True, wish=WISH):
        assert rows_of(take.score) == rows_of(score)
        assert take.score.parts == score.parts
        assert take.n_notes == 0


def test_only_the_chosen_parts_are_harmonised(fp32_bundle):
    """Another part neither changes the chords nor is lost."""
    score = melody(6)
    with_bass = replace(
        score,
        notes=np.concatenate([score.notes, table(NOTE_DTYPE, [(0, TPQ, 37, 80, 1)])]),
        parts=(*score.parts, PARTS[BASS]),
    )
    alone = harmonise(score, fp32_bundle, wish=WISH)
    beside = harmonise(with_bass, fp32_bundle, parts=[0], wish=WISH)

    assert [take.chart_text for take in alone] == [take.chart_text for take in beside]
    assert rows_of(with_bass) <= rows_of(beside[0].score)


def test_a_long_piece_is_harmonised_over_several_contexts(fp32_bundle):
    """The chords go on where the context was full."""
    score = melody(7, n_bars=60)
    (take,) = harmonised_by(fp32_bundle, score, n_takes=1)

    assert take.score.chords["onset"].max() > 50 * BAR_TICKS
    assert take.end_bar == 60


def test_a_triad_in_the_bass_and_above_is_named(fp32_bundle):
    """What spells C major is C major, with a model and without."""
    rows = [(0, BAR_TICKS, pitch, 80, 0) for pitch in (48, 52, 55, 60)]
    score = Score(notes=table(NOTE_DTYPE, rows), parts=(Part(0),), tpq=TPQ)

    assert name_chords(score).chart_text == "C"
    (take, _) = harmonise(score, fp32_bundle, wish=WISH)
    assert {0, 4} <= set(chord_pitch_classes(Chord(*take.score.chords.tolist()[0][1:])))


def test_known_notes_stay_exact_at_a_division_that_no_file_can_refine(fp32_bundle):
    """24 and 16,384 ticks a quarter have no common division that a file may have."""
    rows = [(16384 * beat + 5, 16383, 60 + beat, 80, 0) for beat in range(8)]
    score = Score(table(NOTE_DTYPE, rows), (Part(0),), tpq=16384)

    (take,) = continue_(score, fp32_bundle, n_bars=1, wish=Wish(threads=1))

    assert take.score.tpq == 16384
    assert take.score.notes["onset"][:8].tolist() == [row[0] for row in rows]


def test_vary_keeps_the_smaller_of_two_limits(fp32_bundle):
    """What is asked for does not lift what `vary` promises, nor the other way round."""
    rows = [(24 * beat, 24, 60 + beat, 80, 0) for beat in range(8)]
    score = Score(table(NOTE_DTYPE, rows), (Part(0),))
    for most, allowed in ((99, 4), (2, 2)):
        bounds = Bounds(max_notes={(0, 0): most, (1, 0): most})
        (take,) = vary(score, fp32_bundle, change=1.0, wish=Wish(threads=1, bounds=bounds))
        bars = take.score.notes["onset"] // (4 * take.score.tpq)
        assert np.bincount(bars).max() <= allowed
