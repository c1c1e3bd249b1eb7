"""Chord charts: from what people type to the chords of bars."""

from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sideman.engine.chart import Chart, chart_chords, chart_text, parse_chart
from sideman.engine.rhythm import parse_metre
from sideman.errors import EngineError
from sideman.score.harmony import NO_CHORD, QUALITIES, Chord, chord_symbol
from sideman.score.time import MAX_BARS
from sideman.tokens.grid import FINEST_BEAT
from sideman.tokens.vocabulary import BAR_TICKS_OF, BEAT_TICKS_OF, NUMERATOR_OF

MOST_CHORDS = 8

chords_st = st.one_of(
    st.just(Chord(NO_CHORD)),
    st.builds(
        Chord, st.integers(0, 11), st.integers(0, len(QUALITIES) - 1), st.integers(0, 11)
    ),
)
charts_st = st.lists(
    st.lists(chords_st, min_size=1, max_size=MOST_CHORDS).map(tuple), min_size=1
).map(lambda bars: Chart(tuple(bars)))
metres_st = st.integers(0, len(BAR_TICKS_OF) - 1)


def laid(text, metre="4/4", n_bars=1):
    """Return each chord of a chart with its bar and its onset there in ticks."""
    time_signature = parse_metre(metre)
    rows = chart_chords(parse_chart(text), [time_signature] * n_bars)
    beat_ticks = int(BEAT_TICKS_OF[time_signature])
    return [
        (int(row["bar"]), int(row["beat"]) * beat_ticks + int(row["tick"]), symbol(row))
        for row in rows
    ]


def symbol(row):
    """Return the symbol of a row of a table of chords."""
    return chord_symbol(Chord(int(row["root"]), int(row["quality"]), int(row["bass"])))


@given(charts_st)
def test_chart_is_read_as_it_is_written(chart):
    """The recipe in a take says the chart as text."""
    assert parse_chart(chart_text(chart)) == chart


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("| Am | F |", "Am | F"),
        ("Am || F ||", "Am | F"),
        ("Am | F\nC | G\n", "Am | F | C | G"),
        ("Am | F |\n\n| C | G |", "Am | F | C | G"),
        ("Am|F|C G", "Am | F | C G"),
        ("A:min7/b3 | N | F:maj", "Am7/C | N.C. | F"),
        ("Am F | % | %", "Am F | Am F | Am F"),
        ("Am / . F", "Am Am Am F"),
        ("Am | / F", "Am | Am F"),
        ("Am F x3 | C", "Am F | Am F | Am F | C"),
        ("(Am | F)x2 | C", "Am | F | Am | F | C"),
        ("C | (Am F) x 2", "C | Am F | Am F"),
        ("Am   F  x  2  |  C", "Am F | Am F | C"),
        ("(Am | F)x2 (C | %)x2", "Am | F | Am | F | C | C | C | C"),
        ("(A:(b3,5) | C)x2", "Am | C | Am | C"),
    ],
)
def test_chart_is_understood_as_people_type_it(text, plain):
    """Bar lines, new lines, repeats and holds as on a lead sheet."""
    assert chart_text(parse_chart(text)) == plain


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the chart is empty; write bars of chords"),
        (" | ", "the chart is empty"),
        ("Am | H7 | F", "bar 2 of the chart: chord is 'H7'; known kinds are C, Cm"),
        ("Am | | F", "bar 2 of the chart: there is no chord; write N.C."),
        ("| | Am", "bar 1 of the chart: there is no chord"),
        ("% | Am", "bar 1 of the chart: % is a whole bar like the one before"),
        ("Am | F %", "bar 2 of the chart: % is a whole bar"),
        ("/ Am", "bar 1 of the chart: '/' lets the chord before hold on, and there is none"),
        ("(Am | F", r"bar 1 of the chart: '\(Am' repeats nothing; write Am x4"),
        ("Am | F)x2", r"bar 2 of the chart: 'F\)x2' repeats nothing"),
        ("((Am)x2 | F)x2", r"bar 1 of the chart: '\(Am' repeats nothing"),
        ("(Am | (F)x2)x2", r"bar 1 of the chart: '\(Am' repeats nothing; .* not nested"),
        ("Am x100", "bar 1 of the chart: 'x100' repeats nothing; .* up to x99"),
        ("(Am)x3 | F x2 | H", "bar 6 of the chart: chord is 'H'"),
    ],
)
def test_wrong_chart_names_the_bar(text, message):
    """In sixteen bars one looks for a typo long."""
    with pytest.raises(EngineError, match=message):
        parse_chart(text)


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(["C x99"] * 202 + ["C x3"]),
        "(C x99 | C x99)x99 (C x99)x99",
        f"({' | '.join(['C x99'] * 2_000)})x99",
    ],
)
def test_a_chart_does_not_become_millions_of_bars(text):
    """Repeats in repeats make them of a line; somebody else's studio has to read that."""
    with pytest.raises(EngineError, match="the chart has more than 20000 bars"):
        parse_chart(text)


def test_a_chart_may_be_as_long_as_a_score():
    """Up to the last bar."""
    text = "\n".join(["C x99"] * 202 + ["C x2"])
    assert len(parse_chart(text).bars) == MAX_BARS


@pytest.mark.parametrize("filler", [" ", "|", "\t", " |\n"])
def test_a_chart_may_have_room_in_it(filler):
    """Ten thousand times a blank or a line must not take a hundred million looks."""
    chart = parse_chart(f"(C{filler * 10_000}|D)x99")
    assert len(chart.bars) == 2 * 99


@pytest.mark.parametrize("filler", ["(", " (", ") ", " (C)  ", "(C) ", " ) x"])
def test_a_chart_full_of_brackets_is_refused(filler):
    """Each might be one of a group: they are not all tried with each other."""
    with pytest.raises(EngineError, match="bar 1 of the chart"):
        parse_chart("C" + filler * 5_000 + "D")


@pytest.mark.parametrize(
    ("text", "metre", "onsets"),
    [
        ("C F", "4/4", [0, 48]),
        ("C F G", "4/4", [0, 48, 72]),
        ("C F G Am", "4/4", [0, 24, 48, 72]),
        ("C / / F", "4/4", [0, 72]),
        ("C F", "3/4", [0, 48]),
        ("C F", "5/4", [0, 72]),
        ("C F", "7/8", [0, 48]),
        ("C F", "6/8", [0, 36]),
        ("C F G", "6/8", [0, 24, 48]),
        ("C F G", "12/8", [0, 72, 108]),
        ("C F G Am", "2/2", [0, 24, 48, 72]),
        ("C F", "1/4", [0, 12]),
    ],
)
def test_chords_of_a_bar_share_its_beats(text, metre, onsets):
    """What does not divide goes to the first chords; compound metres count in threes."""
    assert [onset for _, onset, _ in laid(text, metre)] == onsets


def test_short_chart_comes_again_and_long_one_is_cut():
    """The number of bars is asked for apart from the chart."""
    assert laid("C | F", n_bars=3) == [(0, 0, "C"), (1, 0, "F"), (2, 0, "C")]
    assert laid("C | F | G", n_bars=2) == [(0, 0, "C"), (1, 0, "F")]


def test_chord_that_holds_over_a_bar_line_is_said_once():
    """As in the pieces that the model learnt from, a row is where the chord changes."""
    assert laid("C | % | / F | C", n_bars=5) == [(0, 0, "C"), (2, 48, "F"), (3, 0, "C")]


def test_metre_may_change_from_bar_to_bar():
    """Each bar is shared in its own metre."""
    metres = [parse_metre("4/4"), parse_metre("3/4")]
    rows = chart_chords(parse_chart("C F"), metres)

    assert rows[["bar", "beat"]].tolist() == [(0, 0), (0, 2), (1, 0), (1, 2)]


def test_more_chords_than_32nds_are_refused():
    """The message says how many the bar holds."""
    with pytest.raises(
        EngineError, match=r"bar 2 .*: there are 9 chords; a bar of 1/4 holds 8"
    ):
        laid("C | C F C F C F C F C", "1/4", n_bars=2)


@given(charts_st, st.lists(metres_st, min_size=1, max_size=6))
def test_laid_chords_are_in_order_inside_their_bars_and_each_a_change(chart, metres):
    """What the grid asks of a table of chords."""
    assume(all(BAR_TICKS_OF[metre] >= MOST_CHORDS * FINEST_BEAT for metre in metres))
    rows = chart_chords(chart, metres)
    positions = rows[["bar", "beat", "tick"]].tolist()
    chords = rows[["root", "quality", "bass"]].tolist()

    assert positions[0] == (0, 0, 0)
    assert positions == sorted(set(positions))
    for bar, beat, tick in positions:
        assert tick < BEAT_TICKS_OF[metres[bar]]
        assert beat < NUMERATOR_OF[metres[bar]]
    assert all(one != other for one, other in pairwise(chords))
