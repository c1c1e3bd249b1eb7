"""Bounds are guarantees: random weights would break every one of them, and never may.

What was written is looked at in the score that comes out, beside what was asked.
"""

from collections import Counter
from itertools import product

import numpy as np
import pytest

from sideman.engine.bounds import RANGE_MARGIN, Bounds
from sideman.engine.chart import parse_chart
from sideman.engine.compose import accompany, compose, continue_, infill, rewrite, vary
from sideman.engine.fill import Wish
from sideman.engine.parts import PartWish
from sideman.engine.pitches import Scale
from sideman.score.general_midi import PITCH_RANGES
from sideman.score.types import NOTE_DTYPE, TIME_SIGNATURE_DTYPE, Part, Score, table
from sideman.tokens.vocabulary import Role

TPQ = 480
TICK = TPQ // 24
"""Ticks of the score in one of the grid."""

N_BARS, FIRST, END = 5, 2, 4
BASS, KIT, PIANO = range(3)
PARTS = (Part(33), Part(0, is_drum=True), Part(0))
PROGRAMS = (33, 128, 0)
C_MAJOR, D_MINOR = {0, 2, 4, 5, 7, 9, 11}, {2, 4, 5, 7, 9, 10, 0}
SEEDS = range(4)
METRES = [(4, 4), (5, 8), (7, 16)]


def bar_ticks(metre=(4, 4)):
    return metre[0] * 4 * TPQ // metre[1]


def piece(metre=(4, 4), *, velocity=None):
    """Return a piece of five bars for three, all on the grid."""
    rng = np.random.default_rng(11)
    rows = {
        (
            bar * bar_ticks(metre) + int(rng.integers(bar_ticks(metre) // TICK)) * TICK,
            int(rng.integers(1, 30)) * TICK,
            int(rng.integers(36, 60)),
            velocity or int(rng.integers(30, 120)),
            part,
        )
        for bar in range(N_BARS)
        for part in range(len(PARTS))
        for _ in range(3)
    }
    return Score(
        notes=table(NOTE_DTYPE, sorted(rows)),
        parts=PARTS,
        tpq=TPQ,
        time_signatures=table(TIME_SIGNATURE_DTYPE, [(0, *metre)]),
    )


def in_hole(notes, first, end, parts, metre=(4, 4)):
    bars = notes["onset"] // bar_ticks(metre)
    return (bars >= first) & (bars < end) & np.isin(notes["part"], parts)


def written(take, known):
    """Return the notes of a take that are not among the known ones, as a table."""
    times = take.score.tpq // TPQ
    kept = known.copy()
    kept["onset"] *= times
    kept["duration"] *= times
    left = Counter(take.score.notes.tolist())
    left.subtract(kept.tolist())
    assert min(left.values(), default=0) >= 0, "a known note has changed"
    assert sum(left.values()) == take.n_notes
    notes = table(NOTE_DTYPE, sorted(left.elements()))
    notes["onset"] //= times
    notes["duration"] //= times
    return notes


def answers(bundle, bounds, *, metre=(4, 4), seeds=SEEDS, velocity=None):
    """Yield takes of continue, infill and rewrite: known notes, and those written."""
    score = piece(metre, velocity=velocity)
    last = int(score.notes["onset"].max()) // bar_ticks(metre) + 1
    for seed in seeds:
        wish = Wish(seed=seed, threads=1, bounds=bounds)
        for first, end, parts, takes in (
            (N_BARS, N_BARS + 3, (0, 1, 2), continue_(score, bundle, n_bars=3, wish=wish)),
            (FIRST, END, (0, 2), infill(
                score, bundle, first_bar=FIRST, end_bar=END, parts=(0, 2), wish=wish
            )),
            (0, last, (2,), rewrite(score, bundle, part=2, wish=wish)),
        ):  # fmt: skip
            known = score.notes[~in_hole(score.notes, first, end, parts, metre)]
            notes = written(takes[0], known)
            assert in_hole(notes, first, end, parts, metre).all()
            yield known, notes


def pitched(notes):
    return notes[notes["part"] != KIT]


def of_part(notes, part):
    return notes[notes["part"] == part]


def most_at_a_time(known, notes):
    """Return how many notes sound at most while a written one does."""
    together = np.concatenate([known, notes])
    ends = together["onset"] + together["duration"]
    return max(
        (
            int(((together["onset"] <= moment) & (moment < ends)).sum())
            for note in notes
            for moment in {int(note["onset"]), *together["onset"].tolist()}
            if note["onset"] <= moment < note["onset"] + note["duration"]
        ),
        default=0,
    )


def fewest_struck(known, notes):
    """Return with how many notes a written one begins at least, itself included."""
    struck = Counter([*known["onset"].tolist(), *notes["onset"].tolist()])
    return min((struck[onset] for onset in notes["onset"].tolist()), default=None)


@pytest.mark.parametrize("is_nudged", [False, True])
def test_pitched_parts_keep_to_the_key(fp32_bundle, is_nudged):
    """Locked or nudged: no note beside it, of drums apart."""
    bounds = Bounds(scale=Scale(2, "minor"), is_nudged=is_nudged)

    found = [pitched(notes) for _, notes in answers(fp32_bundle, bounds)]

    assert sum(map(len, found)) > 20
    for notes in found:
        assert set((notes["pitch"] % 12).tolist()) <= D_MINOR


def test_a_key_changes_nothing_for_drums(fp32_bundle):
    """Drum pieces are no pitches: a kit alone plays on, notes beside the key too."""
    kit = [Part(0, is_drum=True)]
    wish = Wish(bounds=Bounds(scale=Scale(0)), threads=1)

    (take,) = compose(kit, fp32_bundle, n_bars=20, wish=wish)

    assert not set((take.score.notes["pitch"] % 12).tolist()) <= C_MAJOR


@pytest.mark.parametrize("is_nudged", [False, True])
def test_parts_that_keep_to_the_chart_play_chord_tones(fp32_bundle, is_nudged):
    """Those of the role or those named; in the key as well, where the chord has any."""
    chart = parse_chart("C | F#m | N.C. | E7")
    tones = [{0, 4, 7}, {6, 9, 1}, None, {4, 8, 11, 2}]
    players = [Part(33), Part(0)]
    wishes = {0: PartWish(33, Role.BASS), 1: PartWish(0, Role.MELODY)}
    n_free = 0
    for seed, chart_parts in product(SEEDS, (None, frozenset({0}))):
        for scale in (None, Scale(0)):
            bounds = Bounds(wishes, scale, is_nudged, chart_parts)
            wish = Wish(seed=seed, threads=1, bounds=bounds)
            (take,) = compose(players, fp32_bundle, n_bars=4, chart=chart, wish=wish)
            length = 4 * take.score.tpq
            for onset, _, pitch, _, part in take.score.notes.tolist():
                chord, in_key = tones[onset // length], pitch % 12 in C_MAJOR
                n_free += part == 1 and chord is not None and pitch % 12 not in chord
                assert part or chord is None or pitch % 12 in chord
                assert scale is None or in_key
    assert n_free > 0


def test_a_part_without_a_tone_of_the_chord_plays_on(fp32_bundle):
    """A range of one note that the chord has not: the range is kept, and the part heard."""
    bounds = Bounds({0: PartWish(33, Role.BASS, range=(37, 37))})
    for seed in SEEDS:
        wish = Wish(seed=seed, threads=1, bounds=bounds)
        (take,) = compose([Part(33)], fp32_bundle, n_bars=4, chart=parse_chart("C"), wish=wish)
        assert set(take.score.notes["pitch"].tolist()) == {37}


def test_ranges_are_kept(fp32_bundle):
    """That which is asked for; else a fourth around what was played."""
    bounds = Bounds({PIANO: PartWish(0, range=(70, 75))})
    for known, notes in answers(fp32_bundle, bounds):
        piano, bass = of_part(notes, PIANO)["pitch"], of_part(notes, BASS)["pitch"]
        played = of_part(known, BASS)["pitch"]
        assert ((piano >= 70) & (piano <= 75)).all()
        assert (bass >= played.min() - RANGE_MARGIN).all()
        assert (bass <= played.max() + RANGE_MARGIN).all()


@pytest.mark.parametrize("program", [40, 56, 73])
def test_a_new_instrument_plays_what_it_can(fp32_bundle, program):
    """In one window and in several: what it has written itself widens no range."""
    low, high = PITCH_RANGES[program]
    (take,) = compose([Part(program)], fp32_bundle, n_bars=100, wish=Wish(threads=1))

    pitches = take.score.notes["pitch"]
    assert len(pitches) > 50
    assert low <= pitches.min() <= pitches.max() <= high


def test_nobody_joins_unasked(fp32_bundle):
    """New parts beside old ones: the old ones are not touched, nor is anyone else there."""
    score = piece()
    for seed in SEEDS:
        wish = Wish(seed=seed, threads=1)
        (take,) = accompany(score, fp32_bundle, new_parts=[Part(40), Part(60)], wish=wish)
        assert set(written(take, score.notes)["part"].tolist()) == {3, 4}


@pytest.mark.parametrize("span", [(1, 1), (1, 3), (2, 3), (3, 3)])
@pytest.mark.parametrize("lengths", [None, (12, 24)])
def test_polyphony_is_kept(fp32_bundle, span, lengths):
    """Never more at a time, known notes included; and no chord of fewer notes."""
    bounds = Bounds({PIANO: PartWish(0, polyphony=span, lengths=lengths)})
    for known, notes in answers(fp32_bundle, bounds):
        ours, theirs = of_part(notes, PIANO), of_part(known, PIANO)
        assert most_at_a_time(theirs, ours) <= span[1]
        assert (fewest_struck(theirs, ours) or span[0]) >= span[0]


@pytest.mark.parametrize("is_nudged", [False, True])
def test_chords_of_locked_and_new_notes_keep_to_the_polyphony(fp32_bundle, is_nudged):
    """Among locked notes there is seldom room for three: where there is not, the part rests."""
    score = piece()
    asked = PartWish(0, polyphony=(2, 3), lengths=(6, 48))
    for seed in range(12):
        bounds = Bounds({PIANO: asked}, Scale(0), is_nudged)
        wish = Wish(seed=seed, threads=1, bounds=bounds)
        (take,) = vary(score, fp32_bundle, change=0.5, parts=[PIANO], wish=wish)
        before = Counter(score.notes.tolist())
        after = Counter(take.score.notes.tolist())
        known = table(NOTE_DTYPE, sorted((before & after).elements()))
        notes = table(NOTE_DTYPE, sorted((after - before).elements()))
        theirs = of_part(known, PIANO)
        assert most_at_a_time(theirs, notes) <= 3
        assert (fewest_struck(theirs, notes) or 2) >= 2


@pytest.mark.parametrize("scale", [None, Scale(0, "major pentatonic")])
def test_more_notes_at_a_time_than_there_are_is_silence(fp32_bundle, scale):
    """Four of a range of three, or of four in which the key has two: nobody waits for ever."""
    asked = PartWish(0, polyphony=(4, 4), range=(60, 62 if scale is None else 63))
    for is_nudged in (False, True):
        bounds = Bounds({PIANO: asked}, scale, is_nudged)
        for _, notes in answers(fp32_bundle, bounds, seeds=range(3)):
            assert len(of_part(notes, PIANO)) == 0


@pytest.mark.parametrize("most", [1, 2, 5])
def test_no_bar_has_more_notes_than_asked(fp32_bundle, most):
    """Known notes count; chords are not begun that could not be ended."""
    asked = PartWish(0, max_notes=most, polyphony=(2, 4))
    for known, notes in answers(fp32_bundle, Bounds({PIANO: asked})):
        ours, theirs = of_part(notes, PIANO), of_part(known, PIANO)
        per_bar = Counter((ours["onset"] // bar_ticks()).tolist())
        held = Counter((theirs["onset"] // bar_ticks()).tolist())
        assert all(n + held[bar] <= most for bar, n in per_bar.items())
        assert (fewest_struck(theirs, ours) or 2) >= 2


def test_a_bar_of_no_notes_stays_empty(fp32_bundle):
    """None at all may be asked for, by bar and part."""
    bounds = Bounds(max_notes=dict.fromkeys(product(range(2, 8), range(3)), 0))
    for _, notes in answers(fp32_bundle, bounds, seeds=range(3)):
        assert (notes["onset"] // bar_ticks() < 2).all()


@pytest.mark.parametrize(("asked", "heard"), [((40, 60), (40, 60)), ((90, 90), (90, 90))])
@pytest.mark.parametrize("velocity", [None, 78])
def test_velocities_are_kept(fp32_bundle, asked, heard, velocity):
    """Also where all that is known has one velocity, which the others then keep."""
    bounds = Bounds({PIANO: PartWish(0, velocity=asked)})
    for _, notes in answers(fp32_bundle, bounds, velocity=velocity):
        ours, others = of_part(notes, PIANO), notes[notes["part"] != PIANO]
        assert ((ours["velocity"] >= heard[0]) & (ours["velocity"] <= heard[1])).all()
        assert velocity is None or (others["velocity"] == velocity).all()


def test_note_lengths_are_kept(fp32_bundle):
    """No shorter, no longer, cut for the polyphony or not; 97 is no length the grid has."""
    asked = PartWish(0, lengths=(97, 150), polyphony=(1, 2))
    for _, notes in answers(fp32_bundle, Bounds({PIANO: asked})):
        lengths = of_part(notes, PIANO)["duration"] / TICK
        assert ((lengths >= 97) & (lengths <= 150)).all()


@pytest.mark.parametrize("metre", METRES)
@pytest.mark.parametrize(
    ("rhythm", "places"),
    [("straight", {0, 6, 12, 18}), ("straight8", {0, 12}), ("swing", {0, 16})],
)
def test_notes_begin_where_the_rhythm_has_them(fp32_bundle, rhythm, places, metre):
    """Counted in quarters from the bar line, in odd metres as well."""
    n_written = 0
    for _, notes in answers(fp32_bundle, Bounds(rhythm=rhythm), metre=metre, seeds=range(6)):
        ticks = notes["onset"] % bar_ticks(metre) / TICK % 24
        n_written += len(ticks)
        assert set(ticks.tolist()) <= places
    assert n_written > 10


def test_what_is_locked_is_there(fp32_bundle):
    """Nothing may change: nothing does. Half may: the others are as they were."""
    score = piece()
    for seed in SEEDS:
        wish = Wish(seed=seed, threads=1)
        (same,) = vary(score, fp32_bundle, change=0, wish=wish)
        (half,) = vary(score, fp32_bundle, change=0.5, first_bar=FIRST, end_bar=END, wish=wish)

        assert Counter(score.notes.tolist()) <= Counter(same.score.notes.tolist())
        kept = Counter(score.notes.tolist()) & Counter(half.score.notes.tolist())
        outside = score.notes[~in_hole(score.notes, FIRST, END, (0, 1, 2))]
        assert Counter(outside.tolist()) <= kept
        assert kept.total() >= len(half.score.notes) - half.n_notes


@pytest.mark.parametrize("metre", METRES)
@pytest.mark.parametrize("is_nudged", [False, True])
def test_all_at_once(fp32_bundle, metre, is_nudged):
    """Each for itself is easy; together they leave little, and never nothing to say."""
    asked = PartWish(
        0, max_notes=6, polyphony=(2, 3), range=(48, 72), lengths=(6, 24), velocity=(60, 90)
    )
    wishes = {PIANO: asked, BASS: PartWish(33, polyphony=(1, 1), lengths=(3, 96))}
    bounds = Bounds(wishes, Scale(0), is_nudged, rhythm="straight")
    for known, notes in answers(fp32_bundle, bounds, metre=metre):
        ours, theirs = of_part(notes, PIANO), of_part(known, PIANO)
        assert set((pitched(notes)["pitch"] % 12).tolist()) <= C_MAJOR
        assert ((ours["pitch"] >= 48) & (ours["pitch"] <= 72)).all()
        assert ((ours["velocity"] >= 60) & (ours["velocity"] <= 90)).all()
        lengths = ours["duration"] / TICK
        assert ((lengths >= 6) & (lengths <= 24)).all()
        assert most_at_a_time(theirs, ours) <= 3
        assert (fewest_struck(theirs, ours) or 2) >= 2
        assert most_at_a_time(of_part(known, BASS), of_part(notes, BASS)) <= 1
        assert (notes["onset"] % bar_ticks(metre) % (6 * TICK) == 0).all()
        per_bar = Counter((ours["onset"] // bar_ticks(metre)).tolist())
        assert max(per_bar.values(), default=0) <= 6
