"""Locks: who names a note finds it in every take and every file as it was."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.engine.compose import infill, rewrite, vary
from sideman.engine.fill import Wish
from sideman.engine.locks import locked_notes
from sideman.errors import EngineError
from sideman.score.edit import cut_overlaps
from sideman.score.midi import read_midi, write_midi
from sideman.score.time import resample
from sideman.score.types import NOTE_DTYPE, TIME_SIGNATURE_DTYPE, Part, Score, table

TPQ, N_BARS = 480, 4
PARTS = (Part(0, name="keys"), Part(33, name="bass"), Part(0, is_drum=True, name="kit"))
KEYS, BASS, KIT = range(3)


def piece(seed=0):
    """Return four bars for three, not quite on the grid, that a file can hold."""
    rng = np.random.default_rng(seed)
    rows = [
        (
            beat * TPQ + int(rng.integers(9)),
            int(rng.integers(60, 900)),
            int(rng.integers(*((35, 50), (60, 67))[part == KEYS])),
            int(rng.integers(1, 128)),
            part,
        )
        for beat in range(4 * N_BARS)
        for part in range(len(PARTS))
    ]
    return cut_overlaps(Score(notes=table(NOTE_DTYPE, rows), parts=PARTS, tpq=TPQ))


def answers(score, bundle, locks, wish):
    """Return takes of the tasks that know locks, with everything to be written anew."""
    return [
        *infill(score, bundle, first_bar=0, end_bar=N_BARS, locks=locks, wish=wish),
        *rewrite(score, bundle, part=KEYS, locks=locks, wish=wish),
        *vary(score, bundle, change=1.0, locks=locks, wish=wish),
    ]


@pytest.mark.parametrize("seed", range(5))
def test_locked_notes_stay_exactly_as_they_are_in_the_file_too(fp32_bundle, tmp_path, seed):
    """Onset, length, pitch and velocity, whatever random weights write around them."""
    score = piece(seed)
    locks = np.random.default_rng(seed).choice(len(score.notes), 12, replace=False)
    wish = Wish(n_takes=2, seed=seed, threads=1)

    for take in answers(score, fp32_bundle, locks, wish):
        locked = resample(score.with_notes(score.notes[locks]), take.score.tpq).notes.tolist()
        write_midi(take.score, tmp_path / "take.mid", force=True)
        filed = read_midi(tmp_path / "take.mid").notes.tolist()
        for notes in (take.score.notes.tolist(), filed):
            assert not Counter(row[:4] for row in locked) - Counter(row[:4] for row in notes)
        assert take.n_notes > 0


def test_what_is_not_locked_is_written_anew(fp32_bundle):
    """A lock on some notes is none on the others: of a random piece they do not come again."""
    score = piece()
    is_locked = score.notes["part"] == BASS

    for take in infill(score, fp32_bundle, first_bar=0, end_bar=N_BARS, locks=is_locked):
        kept = Counter(score.notes.tolist()) & Counter(take.score.notes.tolist())
        assert set(score.notes[is_locked].tolist()) <= set(kept)
        assert kept.total() < is_locked.sum() + 4


def test_one_locked_note_does_not_narrow_the_range(fp32_bundle):
    """A part keeps to what it played, not to a fourth around the note that stays."""
    score = piece()
    played = np.where(score.notes["part"] == KEYS, score.notes["pitch"], 60)
    low, high = played.min(), played.max()
    lock = int(played.argmin())
    written = []
    for seed in range(6):
        wish = Wish(seed=seed, threads=1)
        (take,) = rewrite(score, fp32_bundle, part=KEYS, locks=[lock], wish=wish)
        written += take.score.notes["pitch"][take.score.notes["part"] == KEYS].tolist()

    assert max(written) > low + 5
    assert low - 5 <= min(written)
    assert max(written) <= high + 5


def test_everything_locked_is_nothing_lost(fp32_bundle):
    """All that was there is there."""
    score = piece()

    for take in answers(score, fp32_bundle, np.ones(len(score.notes), bool), Wish(threads=1)):
        assert not Counter(score.notes.tolist()) - Counter(take.score.notes.tolist())


@pytest.mark.parametrize("locks", [[999], [-1], [True, False]])
def test_locks_on_notes_there_are_not_are_refused(fp32_bundle, locks):
    """A number too many is no lock left out."""
    with pytest.raises(EngineError, match="the score has 48 notes; locks are their numbers"):
        rewrite(piece(), fp32_bundle, part=0, locks=locks)


# ------------------------------------------------------------------ what people write


def tune(metre=(4, 4)):
    """Return three bars of an arpeggio for keys, with a bass on each bar line."""
    beat = 4 * TPQ // metre[1]
    rows = [
        (beat * number - (3 if number else 0), beat, 60 + 4 * (number % metre[0]), 80, KEYS)
        for number in range(3 * metre[0])
    ]
    rows += [(beat * metre[0] * bar, beat, 40, 80, BASS) for bar in range(3)]
    metres = table(TIME_SIGNATURE_DTYPE, [(0, *metre)])
    return Score(table(NOTE_DTYPE, rows), PARTS, tpq=TPQ, time_signatures=metres)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("1-3", [(bar, beat) for bar in range(3) for beat in (0, 0, 1, 2, 3)]),
        ("2", [(1, 0), (1, 0), (1, 1), (1, 2), (1, 3)]),
        ("2.3", [(1, 2)]),
        ("E4@1-2", [(0, 1), (1, 1)]),
        ("C4 @ 3.1", [(2, 0)]),
        ("bass:2-3", [(1, 0), (2, 0)]),
        ("2:E2@1", [(0, 0)]),
        ("acoustic grand piano:2.1", [(1, 0)]),
        ("#3-4", [(0, 1), (0, 2)]),
        ("#1", [(0, 0)]),
    ],
)
@pytest.mark.parametrize("metre", [(4, 4), (4, 8)])
def test_bars_beats_pitches_and_parts_are_understood(text, places, metre):
    """A note that comes a little early is where it is written."""
    score = tune(metre)
    onsets = score.notes["onset"][locked_notes(score, [text])]
    beat = 4 * TPQ // metre[1]

    assert [divmod(round(onset / beat), metre[0]) for onset in onsets.tolist()] == places


@given(st.lists(st.sampled_from(["1", "2.3", "bass:2-3", "E4@1-2"])))
def test_several_locks_lock_what_each_does(texts):
    """Locks add up."""
    score = tune()
    each = [locked_notes(score, [text]) for text in texts]

    assert (locked_notes(score, texts) == np.any([np.zeros(15, bool), *each], axis=0)).all()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("C9@1.1", "lock 'C9@1.1': there is no such note; near are C4@1.1, E2@1.1, E4@1.2"),
        ("kit:2", "there is no such note; near are none"),
        ("4", "bars are '4'; the piece has 3"),
        ("bas:2", "did you mean 'bass'?"),
        ("7:2", "there is no part 7; the piece has 3"),
        ("C4", "write bars, as in 5-8, or a beat, as in 5.2"),
        ("1-2.3", "write bars, as in 5-8"),
        ("X4@1", "note is 'X4'"),
        ("3-1", "runs backwards"),
        ("", "write bars"),
    ],
)
def test_a_lock_that_means_nothing_is_refused_in_a_line(text, said):
    """Else a note would be lost that somebody believes safe."""
    with pytest.raises(EngineError) as error:
        locked_notes(tune(), [text])

    assert said in str(error.value)
    assert "\n" not in str(error.value)
