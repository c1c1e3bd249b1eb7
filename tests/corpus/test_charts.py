"""Charts show the numbers they are given, and say them too."""

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.corpus import charts
from sideman.score.harmony import MAJOR_KEY_NAMES, MINOR_KEY_NAMES

HOSTILE = "<i>\"&'\u202e"

KEYS = [
    *(f"{MAJOR_KEY_NAMES[7 * n % 12]} major" for n in range(12)),
    *(f"{MINOR_KEY_NAMES[(9 + 7 * n) % 12]} minor" for n in range(12)),
]


def parsed(markup):
    return ET.fromstring(f"<all>{markup}</all>")


def elements(markup, tag, class_=None):
    """Return the elements of a kind."""
    return [e for e in parsed(markup).iter(tag) if class_ is None or e.get("class") == class_]


def heights(chart):
    """Return the heights of the columns of a chart."""
    columns = elements(chart, "g", "column")
    return [
        float(rect.get("height")) for group in columns for rect in group.findall("rect")[1:]
    ]


@pytest.mark.parametrize(
    "markup",
    [
        charts.text(HOSTILE),
        charts.columns("Size", HOSTILE, {HOSTILE: 1, "more": 2}, "note"),
        charts.stacked({HOSTILE: 1}, "file"),
        charts.bars({HOSTILE: 1}, "file"),
        charts.heat_table(
            "Roles", {HOSTILE: {HOSTILE: 1}}, [HOSTILE], row="Style", unit="part"
        ),
    ],
)
def test_names_are_escaped_in_every_chart(markup):
    """A name may come from anywhere; it is text, never an element."""
    assert elements(markup, "i") == []
    assert "<i>" in "".join(parsed(markup).itertext())


def test_columns_are_as_high_as_their_counts():
    """The highest fills the plot; empty ones outside are left out, those between are not."""
    chart = charts.columns("Size", "", {"1": 0, "2": 4, "3": 0, "4": 1, "5": 0}, "note")

    full = charts.PLOT_BOTTOM - charts.PLOT_TOP
    assert heights(chart) == [full, 0, full / 4]
    assert [title.text for title in elements(chart, "title")] == [
        "2: 4 notes (80 %)",
        "3: 0 notes (0 %)",
        "4: 1 note (20 %)",
    ]


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=30))
def test_labels_below_the_columns_have_room(numbers):
    """Some are left out rather than written over each other."""
    counts = {f"{100 * index}–{100 * index + 100}": n for index, n in enumerate(numbers)}

    labels = elements(charts.columns("Size", "", counts, "note"), "text")[1:]

    spans = [
        (float(label.get("x")), len(label.text) * charts.LETTER_WIDTH / 2) for label in labels
    ]
    for (x, half), (after, half_after) in pairwise(spans):
        assert x + half <= after - half_after + 0.2  # places are written to a tenth


def test_long_list_ends_in_the_sum_of_the_rest():
    """Nothing is lost without a word."""
    markup = charts.bars({f"style {n}": 10 - n for n in range(10)}, "piece", limit=8)

    items = ["".join(item.itertext()) for item in elements(markup, "li")]
    assert items[0] == "style 010"
    assert items[8:] == ["and 2 more: 3"]


@pytest.mark.parametrize("chart", [charts.bars, charts.stacked])
def test_counts_of_nothing_say_so(chart):
    """An empty list would look like an error."""
    assert chart({"a": 0}, "piece") == charts.NOTHING


def test_wheel_names_the_key_found_most_often():
    """It is heard as well as seen: the darkest of 24 sectors, and the line below the title."""
    counts = dict.fromkeys(KEYS, 0) | {"Bb major": 3, "F# minor": 1}

    wheel = charts.key_wheel(counts, "piece")

    sectors = elements(wheel, "g", "heat")
    heat = {sector.find("text").text: sector.get("style") for sector in sectors}
    assert len(heat) == 24
    assert heat["B♭"] == "--heat:1.00"
    assert heat["F♯m"] == "--heat:0.33"
    assert elements(wheel, "p")[0].text == "most often B♭ major, 75 % of the pieces"


def test_relative_keys_lie_on_one_ray():
    """The minors are turned with their majors: C and A minor are both at the top."""
    wheel = charts.key_wheel(dict.fromkeys(KEYS, 1), "piece")

    x_of = {text.text: text.get("x") for text in elements(wheel, "text")}

    assert x_of["C"] == x_of["Am"] == f"{charts.WHEEL_SIZE / 2:.1f}"


def test_heat_is_the_share_of_a_row():
    """Styles of very different size can be compared."""
    rows = {"folk": {"melody": 3, "bass": 1}, "jazz": {"bass": 200}}

    table = charts.heat_table("Roles", rows, ["melody", "bass"], row="Style", unit="part")

    cells = [(cell.get("style", "")[-4:], cell.text) for cell in elements(table, "td")]
    assert cells == [
        *(("0.75", "75 %"), ("0.25", "25 %"), ("", "4")),
        *(("0.00", "·"), ("1.00", "100 %"), ("", "200")),
    ]


def test_roll_draws_each_note_at_its_time_and_pitch():
    """High notes lie above low ones and drums below both; a path has the colour of its role."""
    notes = np.array(
        [[0, 500, 60, 80, 0], [500, 500, 64, 80, 0], [0, 100, 36, 80, 1], [0, 100, 90, 80, 1]]
    )

    drawn = charts.roll(notes, 1000, [500], ["melody", "drums"], [False, True])

    paths = {path.get("class"): path.get("d") for path in elements(drawn, "path")}
    moves = {
        name: [
            (int(x), float(y), int(w)) for x, y, w in re.findall(r"M(\d+) ([\d.]+)h(\d+)", d)
        ]
        for name, d in paths.items()
    }
    (first, second), drums = moves["role-melody"], moves["role-drums"]
    assert (first[0], second[0]) == (0, charts.ROLL_WIDTH // 2)
    assert first[1] - second[1] == 4  # semitones
    assert min(row for _, row, _ in drums) > first[1]
    assert {width for *_, width in drums} == {charts.STROKE_WIDTH}
    n_rows = int(elements(drawn, "svg")[0].get("viewBox").split()[-1])
    assert paths["lines"] == f"M{charts.ROLL_WIDTH // 2} 0V{n_rows}"
    assert n_rows >= charts.MIN_ROWS
