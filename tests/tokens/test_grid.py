"""The grid: what is snapped, what is counted, and that nothing else is lost."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.errors import ScoreError
from sideman.score.time import MAX_BARS, bar_starts
from sideman.score.types import TPQ, Part
from sideman.tokens.grid import from_grid, join, onsets, slice_bars, snap, take_parts, to_grid
from sideman.tokens.vocabulary import (
    BAR_TICKS_OF,
    BEAT_TICKS_OF,
    DURATION_TICKS,
    FIRST_DRUM,
    FIRST_KIT,
    MAX_DURATION,
    N_PARTS,
    NUMERATOR_OF,
    bin_to_tempo,
    time_signature_value,
)

PIANO, DRUMS = Part(0), Part(0, is_drum=True)


# ------------------------------------------------------------------ properties


@given(data=st.data())
def test_nothing_vanishes_uncounted(scores_st, data):
    """Notes on the grid and notes counted as dropped are all the notes there were."""
    score = data.draw(scores_st)

    grid, counts = to_grid(score)

    dropped = counts["parts_over_limit"] + counts["duplicate_notes"]
    assert len(grid.notes) + dropped == len(score.notes)
    assert len(grid.chords) + counts["duplicate_chords"] == len(score.chords)
    assert counts["parts_over_limit"] == (score.notes["part"] >= N_PARTS).sum()


@given(data=st.data())
def test_every_note_is_near_where_it_was(scores_st, data):
    """Each note that has a part has a snapped one within half a tick, and the other way."""
    score = data.draw(scores_st)

    snapped = snap(score).notes

    notes = score.notes[score.notes["part"] < N_PARTS]
    is_same = notes["part"][:, None] == snapped["part"]
    is_same &= notes["pitch"][:, None] == snapped["pitch"]
    way = notes["onset"][:, None] * TPQ - snapped["onset"] * score.tpq
    is_same &= 2 * np.abs(way) <= score.tpq
    assert is_same.any(1).all()
    is_same &= _is_as_long(notes, snapped, score.tpq)
    assert is_same.any(0).all()


def _is_as_long(notes, snapped, tpq):
    """Return whether lengths differ by half a tick and half a step at most, shape (N, M)."""
    exact = np.clip(notes["duration"] * TPQ / tpq, 1, MAX_DURATION)
    index = np.searchsorted(DURATION_TICKS, snapped["duration"])
    steps = np.diff(DURATION_TICKS, append=DURATION_TICKS[-1])
    step = np.maximum(steps[index], steps[index - 1])
    return np.abs(exact[:, None] - snapped["duration"]) <= 0.5 + step / 2


@given(data=st.data())
def test_snapping_twice_changes_nothing(scores_st, same_score, data):
    """What is on the grid stays there, and nothing more is counted."""
    snapped = snap(data.draw(scores_st))

    grid, counts = to_grid(snapped)

    assert same_score(from_grid(grid), snapped)
    assert counts.total() == 0


@given(data=st.data())
def test_all_values_fit_the_vocabulary(scores_st, data):
    """Positions lie inside their bars, and rows are in order, each once."""
    grid, _ = to_grid(data.draw(scores_st))

    metre = grid.bars["time_signature"]
    for rows in (grid.notes, grid.chords):
        assert (rows["beat"] < NUMERATOR_OF[metre[rows["bar"]]]).all()
        assert (rows["tick"] < BEAT_TICKS_OF[metre[rows["bar"]]]).all()
    keys = [tuple(row)[:5] for row in grid.notes[["bar", "beat", "tick", "part", "pitch"]]]
    assert keys == sorted(set(keys))
    is_drum = grid.programs[grid.notes["part"]] >= FIRST_KIT
    assert ((grid.notes["pitch"] >= FIRST_DRUM) == is_drum).all()
    assert grid.n_bars >= 1


@given(data=st.data())
def test_bars_end_where_the_music_ends(scores_st, data):
    """The last bar has something in it: an onset, a chord or the end of a note."""
    score = data.draw(scores_st)
    grid, _ = to_grid(score)
    snapped = from_grid(grid)
    starts = grid.bar_starts()

    end = max(snapped.end, int(snapped.chords["onset"].max(initial=0)) + 1, 1)

    assert starts[-2] < end <= starts[-1]


@given(data=st.data())
def test_a_bar_count_is_kept_unless_notes_begin_later(scores_st, data):
    """Empty bars at the end are bars; a cut never drops a note."""
    score = data.draw(scores_st)
    n_bars = data.draw(st.integers(0, 60))
    natural, _ = to_grid(score)

    grid, _ = to_grid(score, n_bars=n_bars)

    last = max(int(rows["bar"].max(initial=-1)) for rows in (grid.notes, grid.chords))
    assert grid.n_bars == max(n_bars, last + 1)
    assert np.array_equal(grid.notes, natural.notes)
    assert np.array_equal(grid.chords, natural.chords)


@given(data=st.data())
def test_a_piece_cut_at_a_bar_line_is_joined_again(scores_st, data):
    """Slicing and joining are inverse, but that the chord of the cut may be said again."""
    grid, _ = to_grid(data.draw(scores_st))
    at = data.draw(st.integers(0, grid.n_bars))

    joined = join(slice_bars(grid, 0, at), slice_bars(grid, at, grid.n_bars))

    for name in ("bars", "notes"):
        assert np.array_equal(getattr(joined, name), getattr(grid, name))
    place = ["bar", "beat", "tick"]
    is_added = ~np.isin(joined.chords[place], grid.chords[place])
    assert np.array_equal(joined.chords[~is_added], grid.chords)
    assert joined.chords[is_added][place].tolist() in ([], [(at, 0, 0)])


@given(data=st.data())
def test_bars_begin_with_the_chord_that_sounds(scores_st, data):
    """A window cut out under a long chord would else not know what it plays over."""
    grid, _ = to_grid(data.draw(scores_st))
    first = data.draw(st.integers(0, grid.n_bars - 1))

    chords = slice_bars(grid, first, grid.n_bars).chords

    starts = grid.bar_starts()
    sounding = grid.chords[onsets(grid, grid.chords, starts) <= starts[first]][-1:]
    at_start = chords[(chords["bar"] == 0) & (chords["beat"] == 0) & (chords["tick"] == 0)]
    what = ["root", "quality", "bass"]
    assert at_start[what].tolist() == sounding[what].tolist()


@given(data=st.data())
def test_parts_renumbered_and_back_are_the_same(scores_st, data):
    """Part numbers carry no meaning, so any order of them is the same piece."""
    grid, _ = to_grid(data.draw(scores_st))
    order = np.array(data.draw(st.permutations(range(len(grid.programs)))), np.int64)

    back = take_parts(take_parts(grid, order), np.argsort(order))

    assert np.array_equal(back.notes, grid.notes)
    assert np.array_equal(back.programs, grid.programs)
    assert back.names == grid.names


# ------------------------------------------------------------------- by example


@pytest.mark.parametrize("tpq", [1, 24, 96, 480, 960])
@pytest.mark.parametrize(
    ("metre", "bar_ticks"),
    [((5, 8), 60), ((7, 4), 168), ((3, 16), 18), ((4, 2), 192), ((9, 32), 27), ((32, 1), 3072)],
)
def test_odd_metres_are_bars_of_their_own(make_score, tpq, metre, bar_ticks):
    """Every metre up to 32 beats of a 32nd to a whole note is spelled as it is written."""
    length = 3 * bar_ticks * tpq // TPQ
    score = make_score([(0, max(length, 1), 60, 64, 0)], tpq=tpq, time_signatures=[(0, *metre)])

    grid, counts = to_grid(score)

    assert set(grid.bars["time_signature"]) == {time_signature_value(*metre)}
    assert (np.diff(grid.bar_starts()) == bar_ticks).all()
    assert counts["bars_respelled"] == counts["bar_lines_moved"] == 0


def test_a_pick_up_is_a_bar_as_short_as_it_sounds(make_score):
    """A quarter before the first bar line of a 3/4 is a bar of 1/4, however it was written."""
    score = make_score(
        [(0, 480, 60, 64, 0), (480, 480, 62, 64, 0)],
        tpq=480,
        time_signatures=[(0, 4, 4), (480, 3, 4)],
    )

    grid, counts = to_grid(score)

    assert grid.bar_starts().tolist() == [0, 24, 96]
    assert grid.bars["time_signature"].tolist() == [
        time_signature_value(1, 4),
        time_signature_value(3, 4),
    ]
    assert counts["bars_respelled"] == 1


@pytest.mark.parametrize(
    ("metre", "spelled"),
    [
        ((8, 64), [(4, 32)]),
        ((33, 4), [(4, 4), (29, 4)]),
        ((64, 4), [(32, 2)]),
        ((100, 4), [(25, 1)]),
        ((64, 32), [(32, 16)]),
        ((4, 64), [(2, 32)]),
        ((6, 3), [(8, 4)]),
    ],
)
def test_strange_metres_become_the_nearest_in_reach(make_score, metre, spelled):
    """The bar is as long as it was; finer beats are tried first, then coarser, then several."""
    score = make_score([(0, 1, 60, 64, 0)], time_signatures=[(0, *metre)])

    grid, counts = to_grid(score, n_bars=len(spelled))

    assert grid.bars["time_signature"].tolist() == [time_signature_value(*m) for m in spelled]
    assert counts["bars_respelled"] == 1


def test_bar_lines_of_a_64th_do_not_drift(make_score):
    """Bars of 5/64 fall between ticks; each bar line is rounded, not each length."""
    score = make_score([(48000, 1, 60, 64, 0)], tpq=480, time_signatures=[(0, 5, 64)])

    grid, _ = to_grid(score)

    exact = bar_starts(score) * TPQ / score.tpq
    starts = grid.bar_starts()
    assert len(starts) == len(exact)
    assert np.abs(starts - exact).max() <= 1.5


def test_triplets_are_exact(make_score):
    """Thirds of a quarter are 8 ticks, at any resolution of the file."""
    notes = [(third * 160, 160, 60, 64, 0) for third in range(6)]

    snapped = snap(make_score(notes, tpq=480))

    assert snapped.notes["onset"].tolist() == [0, 8, 16, 24, 32, 40]
    assert set(snapped.notes["duration"]) == {8}


def test_a_bar_has_the_mean_of_its_tempos(make_score):
    """Half a bar at 60 and half at 180 last as long as a bar at 90."""
    score = make_score(
        [(0, 192, 60, 64, 0)], tempos=[(0, 60.0), (48, 180.0), (96, 120.0), (150, 120.0)]
    )

    grid, counts = to_grid(score)

    assert bin_to_tempo(grid.bars["tempo"]) == pytest.approx([90, 120], rel=0.015)
    assert counts["tempo_changes_averaged"] == 1


def test_drums_keep_their_kit_and_their_pieces(make_score):
    """A kit that the vocabulary lacks sounds as the one below it; a kick is never a low C."""
    score = make_score(
        [(0, 1, 36, 64, 0), (0, 1, 36, 64, 1)], parts=[Part(26, is_drum=True), Part(26)]
    )

    grid, _ = to_grid(score)

    assert grid.notes["pitch"].tolist() == [36 + FIRST_DRUM, 36]
    assert [(p.program, p.is_drum) for p in from_grid(grid).parts] == [(25, True), (26, False)]


def test_parts_keep_their_names(make_score):
    """Names are free text; a model never sees them, a file gets them back."""
    assert snap(make_score(parts=[Part(name="Lead")])).parts[0].name == "Lead"


@pytest.mark.parametrize(
    ("keys", "value"),
    [([], 0), ([(0, 0, False)], 1), ([(0, 11, False)], 12), ([(0, 0, True)], 13)],
)
def test_the_key_is_the_first(make_score, keys, value):
    """0 says nothing, then major on C to B, then minor."""
    score = make_score(keys=keys)

    assert to_grid(score)[0].key == value
    assert snap(score).keys.tolist() == keys


def test_a_chord_chart_without_notes_is_as_long_as_its_chords(make_score):
    """A chart is a piece too: chords are never cut off behind the last note."""
    chords = [(0, 0, 0, 0), (96, 5, 1, 5), (5 * 96 + 48, 7, 4, 7)]

    grid, _ = to_grid(make_score(chords=chords))

    assert grid.n_bars == 6
    assert from_grid(grid).chords.tolist() == chords


@pytest.mark.parametrize(
    ("counter", "count", "content"),
    [
        (
            "parts_over_limit",
            3,
            {
                "parts": [PIANO] * 66,
                "notes": [
                    (t, 1, 60, 64, p) for t, p in [(0, 0), (0, 63), (0, 64), (5, 65), (9, 65)]
                ],
            },
        ),
        (
            "duplicate_notes",
            2,
            {"notes": [(0, length, 60, 64, 0) for length in (5, 20, 10)] + [(1, 5, 60, 64, 0)]},
        ),
        ("duplicate_chords", 1, {"chords": [(0, 0, 0, 0), (0, 1, 0, 1), (24, 1, 0, 1)]}),
        (
            "long_notes_cut",
            1,
            {"notes": [(0, MAX_DURATION, 60, 64, 0), (0, MAX_DURATION + 1, 62, 64, 0)]},
        ),
        (
            "bar_lines_moved",
            1,
            {"notes": [(0, 30, 60, 64, 0)], "time_signatures": [(0, 4, 4), (25, 1, 4)]},
        ),
        (
            "bars_respelled",
            2,
            {"notes": [(0, 400, 60, 64, 0)], "time_signatures": [(0, 2, 64), (3, 33, 4)]},
        ),
        (
            "tempo_changes_averaged",
            1,
            {
                "notes": [(0, 192, 60, 64, 0)],
                "tempos": [(0, 100.0), (48, 110.0), (60, 110.0), (96, 90.0), (999, 80.0)],
            },
        ),
        (
            "tempos_clipped",
            2,
            {
                "notes": [(0, 400, 60, 64, 0)],
                "tempos": [(0, 15.0), (96, 7.0), (192, 900.0), (288, 480.0)],
            },
        ),
        (
            "key_changes_dropped",
            2,
            {"keys": [(0, 0, False), (96, 0, True), (100, 0, True), (192, 0, False)]},
        ),
    ],
)
def test_what_does_not_fit_is_counted_by_name(make_score, counter, count, content):
    """Each counter counts its own, and only that."""
    _, counts = to_grid(make_score(**content))

    expected = {counter: count}
    if counter == "bar_lines_moved":
        expected["bars_respelled"] = 1  # it makes a bar of another length
    assert dict(+counts) == expected


def test_of_clashing_notes_the_longest_stays(make_score):
    """Two notes of one pitch at one moment sound as one that ends with the later."""
    score = make_score([(0, length, 60, 64, 0) for length in (5, 20, 10)])

    assert to_grid(score)[0].notes["duration"].tolist() == [20]


@pytest.mark.parametrize("metres", [[], [(0, 33, 4)]])
def test_endless_scores_are_refused(make_score, metres):
    """More bars than a broken file may ask for are an error, not minutes of work."""
    score = make_score([(0, 1, 60, 64, 0)], time_signatures=metres)

    with pytest.raises(ScoreError, match=f"at most {MAX_BARS}"):
        to_grid(score, n_bars=MAX_BARS + 1)


def test_a_bar_of_thousands_of_beats_is_no_trouble(make_score):
    """A numerator of 32,767 is a broken file, but one that can be read to its end."""
    score = make_score([(500, 1, 60, 64, 0)], time_signatures=[(0, 32767, 1)])

    grid, _ = to_grid(score)

    assert grid.n_bars == 6
    assert set(np.diff(grid.bar_starts())) == {96}


@pytest.mark.parametrize("tempo_bpm", [1e-9, 1e12])
def test_absurd_tempos_are_the_last_bins(make_score, tempo_bpm):
    """A tempo beyond all music is the slowest or the fastest there is."""
    grid, counts = to_grid(make_score([(0, 96, 60, 64, 0)], tempos=[(0, tempo_bpm)]))

    assert grid.bars["tempo"].tolist() == [0 if tempo_bpm < 1 else 120]
    assert counts["tempos_clipped"] == 1


def test_a_grid_without_bars_is_an_empty_score(make_score):
    """A model may be asked before it has said anything."""
    grid = slice_bars(to_grid(make_score())[0], 0, 0)

    score = from_grid(replace(grid, names=()))

    assert len(score.notes) == len(score.tempos) == len(score.time_signatures) == 0
    assert grid.bar_starts().tolist() == [0]


def test_bar_lengths_follow_from_the_metre():
    """Numerator times beat, for every value of the vocabulary."""
    assert (NUMERATOR_OF * BEAT_TICKS_OF == BAR_TICKS_OF).all()
