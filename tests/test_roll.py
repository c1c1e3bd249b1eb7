"""Where notes lie in a piano roll, and that they are to be seen there."""

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from sideman.errors import OutputExists, ScoreError, SidemanError
from sideman.roll import (
    DRUMS,
    MARGIN,
    MAX_SYSTEMS,
    PALETTE,
    WIDTH,
    Label,
    drum_rows,
    lay_out,
    legend_lines,
    mix,
    part_colours,
    pitch_range,
    place_notes,
    roll_file,
    roll_png,
    roll_svg,
    system_bars,
    velocity_opacity,
)
from sideman.roll import draw as draw_shapes
from sideman.score.midi import write_midi
from sideman.score.time import resample
from sideman.score.types import NOTE_DTYPE, TIME_SIGNATURE_DTYPE, Part, Score, table

SVG = "{http://www.w3.org/2000/svg}"
TPQ = 24
BAR = 4 * TPQ
VIOLIN, VIOLA = 40, 41
KICK, OTHER_KICK, COWBELL = 36, 35, 56
PARTS = (Part(VIOLIN), Part(VIOLA), Part(0, is_drum=True))


def make_score(*rows, parts=PARTS) -> Score:
    """Return a score of notes given as onset, duration, pitch, velocity, part."""
    return Score(notes=table(NOTE_DTYPE, rows), parts=parts, tpq=TPQ)


@pytest.fixture
def score() -> Score:
    """Twelve bars: a violin note in each, one long viola note over bars 6 and 7, some drums."""
    violin = [(bar * BAR, TPQ, 60 + bar, 100, 0) for bar in range(12)]
    drums = [(0, 1, KICK, 127, 2), (TPQ, 1, OTHER_KICK, 60, 2), (BAR, 1, COWBELL, 60, 2)]
    return make_score(*violin, (5 * BAR, 2 * BAR, 50, 64, 1), *drums)


def rectangles(score: Score, **options):
    layout = lay_out(score, **options)
    colours = part_colours(score, is_split=layout.split is not None)
    return layout, place_notes(score, layout, colours)


# ------------------------------------------------------------------------ layout


@pytest.mark.parametrize(
    ("n_bars", "rows"),
    [
        (1, [(0, 1)]),
        (8, [(0, 8)]),
        (11, [(0, 11)]),
        (12, [(0, 6), (6, 12)]),
        (16, [(0, 8), (8, 16)]),
        (25, [(0, 9), (9, 18), (18, 25)]),
    ],
)
def test_rows_are_about_eight_bars_and_nearly_equal(n_bars, rows):
    assert system_bars(n_bars) == rows


@pytest.mark.parametrize("n_bars", [1, 7, 100, 193, 5_000])
def test_each_bar_is_in_one_row_and_a_long_piece_still_fits_a_picture(n_bars):
    rows = system_bars(n_bars)

    assert [bar for first, end in rows for bar in range(first, end)] == list(range(n_bars))
    assert len(rows) <= MAX_SYSTEMS


def test_range_is_cropped_to_what_is_played_and_three_semitones():
    assert pitch_range(np.array([60, 72], np.int16)) == (57, 75)
    assert pitch_range(np.array([1, 126], np.int16)) == (0, 127)


def test_drums_alone_need_no_rows_for_pitches():
    layout = lay_out(make_score((0, 1, KICK, 90, 2)))

    assert layout.pitch_height == 0
    assert layout.plot_height == layout.drum_height > 0


def test_drum_pieces_of_one_kind_share_a_row_and_kicks_are_lowest():
    rows = drum_rows(np.array([COWBELL, 42, KICK, OTHER_KICK, 20], np.int16))

    assert rows == ("Kick", "Closed hat", "Drum 20", "Cowbell")


def test_note_lies_at_its_time_and_pitch(score):
    """Bar 3 of six starts a third of the way; one semitone is one row."""
    layout, placed = rectangles(score)
    first_row = layout.systems[0]
    by_x = sorted(
        (
            note
            for note in placed
            if note.colour == PALETTE[0] and note.y < layout.systems[1].top
        ),
        key=lambda note: note.x,
    )

    plot_width = layout.right - layout.left
    assert by_x[0].x == layout.left
    assert by_x[2].x == pytest.approx(layout.left + plot_width / 3)
    assert by_x[0].width == pytest.approx(plot_width / 24, abs=1.5)
    assert by_x[0].y - by_x[1].y == pytest.approx(layout.row_height)
    assert all(
        first_row.top <= note.y and note.y + note.height <= first_row.top + layout.plot_height
        for note in by_x
    )


def test_each_note_is_one_rectangle_and_goes_on_in_the_next_row(score):
    """The viola note reaches from the last bar of one row into the first of the next."""
    layout, placed = rectangles(score)

    assert sum(note.kind == "note" for note in placed) == len(score.notes)
    (tied,) = (note for note in placed if note.kind == "tied")
    assert tied.x == layout.left
    assert tied.y > layout.systems[1].top
    assert tied.width == pytest.approx(BAR * layout.pixels_per_tick, abs=1.5)


def test_everything_stays_inside_the_picture(score):
    layout, placed = rectangles(score, split_bar=7)

    for shape in placed:
        assert layout.left <= shape.x
        assert shape.x + shape.width <= layout.right
        assert shape.y > MARGIN
        assert shape.y + shape.height <= layout.height - MARGIN
        assert shape.width > 0


def test_louder_is_more_opaque():
    opacities = [velocity_opacity(velocity) for velocity in (1, 64, 127)]

    assert opacities == sorted(opacities)
    assert opacities[0] > 0.3
    assert opacities[-1] == 1.0


def test_notes_before_the_split_are_slate_and_after_it_vivid(score):
    """What counts is when a note begins; the note held over the split is the prompt's."""
    layout, placed = rectangles(score, split_bar=7)
    colours = part_colours(score, is_split=True)

    assert layout.split == (6 * BAR, 12 * BAR)
    prompt = [pair[0] for pair in colours.values()]
    new = [pair[1] for pair in colours.values()]
    assert sum(note.colour in prompt for note in placed if note.kind == "note") == 6 + 1 + 3
    assert sum(note.colour in new for note in placed if note.kind == "note") == 6
    assert [note.colour for note in placed if note.kind == "tied"] == [colours[1][0]]


def test_bars_written_in_the_middle_end_where_they_end(score):
    """Behind an infill the old piece goes on."""
    layout, placed = rectangles(score, split_bar=3, last_bar=4)

    is_new = (score.notes["onset"] >= 2 * BAR) & (score.notes["onset"] < 4 * BAR)
    vivid = {colour for _, colour in part_colours(score, is_split=True).values()}
    assert layout.is_new.tolist() == is_new.tolist()
    assert sum(shape.kind == "note" and shape.colour in vivid for shape in placed) == 2


def test_a_last_bar_behind_the_end_is_the_last(score):
    """The last bars of an answer may hold no note."""
    assert lay_out(score, split_bar=3, last_bar=99).split == lay_out(score, split_bar=3).split


def test_what_was_not_there_before_is_new(score):
    """In any bar and at any resolution: a note that moved, or that another part plays."""
    before = resample(score.with_notes(score.notes[2:]), 10 * TPQ)

    layout = lay_out(score, before=before)

    assert layout.split is None
    assert layout.is_new is not None
    assert np.flatnonzero(layout.is_new).tolist() == [0, 1]


def test_parts_differ_in_shade_on_both_sides_of_a_split(score):
    colours = part_colours(score, is_split=True)

    assert list(colours) == [0, 1, DRUMS]
    assert len({colour for pair in colours.values() for colour in pair}) == 6


def test_split_is_labelled_once_and_bars_count_from_one(score):
    layout = lay_out(score, split_bar=7)
    labels = [shape.text for shape in draw_shapes(score, layout) if isinstance(shape, Label)]

    assert labels.count("prompt") == labels.count("Sideman") == 1
    assert [text for text in labels if text.isdigit()] == [str(bar) for bar in range(1, 13)]
    assert {"C4", "C5", "Kick", "Cowbell"} <= set(labels)


@pytest.mark.parametrize("split_bar", [0, 13])
def test_split_outside_the_piece_is_refused(score, split_bar):
    with pytest.raises(ScoreError, match=rf"split bar is {split_bar}; .* bars 1 to 12"):
        lay_out(score, split_bar=split_bar)


def test_bars_after_the_last_note_are_left_out(score):
    """A change of metre at bar 500 is no reason to draw 480 empty bars."""
    late = replace(score, time_signatures=table(TIME_SIGNATURE_DTYPE, [(500 * BAR, 3, 4)]))

    assert lay_out(late).systems[-1].end == 12 * BAR
    assert lay_out(late, split_bar=15).systems[-1].end == 15 * BAR


def test_legend_names_programs_numbers_twins_and_leaves_out_who_is_silent():
    score = make_score(
        (0, 1, 60, 90, 0),
        (0, 1, 60, 90, 1),
        (0, 1, KICK, 90, 2),
        parts=(Part(VIOLIN), Part(VIOLIN), Part(0, is_drum=True), Part(VIOLA)),
    )

    assert legend_lines(score, 1000) == ((("Violin 1", 0), ("Violin 2", 1), ("Drums", DRUMS)),)


def test_legend_goes_on_in_further_lines():
    parts = tuple(Part(program) for program in range(0, 120, 8))
    score = make_score(*((0, 1, 60, 90, part) for part in range(len(parts))), parts=parts)

    lines = legend_lines(score, 600)

    assert len(lines) > 2
    assert [part for line in lines for _, part in line] == list(range(len(parts)))
    assert lay_out(score, width=600).systems[0].top > lay_out(score, width=3000).systems[0].top


@pytest.mark.parametrize("share", [0, 0.25, 1])
def test_mixed_colours_lie_between(share):
    assert mix("#204060", "#a0c0e0", share) == "#" + "".join(
        f"{round(low + 128 * share):02x}" for low in (0x20, 0x40, 0x60)
    )


# ----------------------------------------------------------------------- pictures


def test_svg_is_well_formed_and_has_one_rect_a_note(score):
    root = ElementTree.fromstring(roll_svg(score, split_bar=7))

    classes = [rect.get("class") for rect in root.iter(f"{SVG}rect")]
    assert root.tag == f"{SVG}svg"
    assert root.get("width") == str(WIDTH)
    assert classes.count("note") == len(score.notes)
    assert classes.count("tied") == 1
    assert {"prompt", "Sideman"} <= {text.text for text in root.iter(f"{SVG}text")}


def test_svg_of_the_same_score_is_the_same_text(score):
    assert roll_svg(score) == roll_svg(score)


def test_png_has_the_size_of_the_layout_and_the_colours_of_the_notes(score, tmp_path):
    """At the middle of each loud note its colour is to be seen, on nearly white paper."""
    loud = score.with_notes(score.notes.copy())
    loud.notes["velocity"] = 127
    layout, placed = rectangles(loud, width=900)

    roll_png(loud, tmp_path / "roll.png", width=900)

    with Image.open(tmp_path / "roll.png") as image:
        assert image.size == (900, layout.height)
        pixels = np.asarray(image.convert("RGB")).astype(int)
    for note in placed:
        middle = pixels[round(note.y + note.height / 2), round(note.x + note.width / 2)]
        wanted = list(bytes.fromhex(note.colour[1:]))
        assert np.abs(middle - wanted).max() < 40, note
    assert pixels[2, 2].min() > 245
    assert [path.name for path in tmp_path.iterdir()] == ["roll.png"]


def test_score_without_notes_is_an_empty_roll(tmp_path):
    empty = make_score(parts=())

    assert 'class="note"' not in roll_svg(empty)
    roll_png(empty, tmp_path / "empty.png")
    assert (tmp_path / "empty.png").stat().st_size > 0


def test_picture_too_narrow_to_be_read_is_refused(score):
    with pytest.raises(ScoreError, match="width of the picture is 100"):
        lay_out(score, width=100)


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG"), ("a.SVG", b"<svg")])
def test_file_is_drawn_in_the_format_its_name_says(score, tmp_path, name, start):
    write_midi(score, tmp_path / "a.mid")

    roll_file(tmp_path / "a.mid", tmp_path / name, split_bar=7)

    assert (tmp_path / name).read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("recipe", "split_bar"),
    [
        ('{"first_new_bar": 7, "last_new_bar": 99}', 7),
        ('{"first_new_bar": 1, "last_new_bar": 12}', None),
        ('{"first_new_bar": 7}', 7),
        ('{"first_new_bar": 1}', None),  # nothing but new bars
        ('{"seed": 3}', None),
        ("made by hand", None),
        ("[7]", None),
        (None, None),
    ],
)
def test_the_recipe_in_the_file_says_where_new_bars_begin(score, tmp_path, recipe, split_bar):
    """Whoever draws a take sees what was written without counting bars."""
    write_midi(score, tmp_path / "a.mid", recipe=recipe)

    roll_file(tmp_path / "a.mid", tmp_path / "drawn.svg")
    roll_file(tmp_path / "a.mid", tmp_path / "b.mid.svg", split_bar=split_bar)

    drawn = (tmp_path / "drawn.svg").read_text()
    assert drawn == (tmp_path / "b.mid.svg").read_text()
    assert ("prompt" in drawn) == (split_bar is not None)


def test_picture_that_is_there_is_overwritten_only_by_force(score, tmp_path):
    write_midi(score, tmp_path / "a.mid")
    out = tmp_path / "a.svg"
    out.write_text("precious")

    with pytest.raises(OutputExists, match="--force"):
        roll_file(tmp_path / "a.mid", out)
    assert out.read_text() == "precious"

    roll_file(tmp_path / "a.mid", out, force=True)
    assert out.read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("a.gif", r"must end in \.png or \.svg"), ("nowhere/a.png", "there is no folder")],
)
def test_picture_that_cannot_be_written_is_refused_at_once(score, tmp_path, name, reason):
    with pytest.raises(SidemanError, match=reason):
        roll_file(tmp_path / "a.mid", tmp_path / name)
