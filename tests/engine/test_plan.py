"""Plans: a whole piece, section by section."""

import pytest

from sideman.engine import plan as plan_module
from sideman.engine.chart import parse_chart
from sideman.engine.parts import parse_part
from sideman.engine.pitches import parse_scale
from sideman.engine.plan import DEFAULT_CHANGE, Plan, Section, parse_plan
from sideman.engine.rhythm import parse_metre
from sideman.errors import EngineError

PARTS = '[parts]\ndrums = "drums"\nbass = "bass=fretless:density=3"\nkeys = "piano"\n'
SONG = f"""
key = "A minor"
metre = "3/4"
tempo = 96
rhythm = "Swing"
style = "house"

{PARTS}
[[section]]
name = "intro"
bars = 4
parts = ["keys", "drums"]
chart = "Am | F"

[[section]]
name = "A"
bars = 8
density = 5

[[section]]
name = "A'"
like = "A"
change = 35
chart = "Am | Dm"
"""


def section(text, before='name = "A"\nbars = 8'):
    """Return a plan whose second section is `text`."""
    return f"{PARTS}\n[[section]]\n{before}\n[[section]]\n{text}\n"


def test_plan_says_what_is_to_be_played():
    """What a section leaves out it has from the plan, or from the one that it is like."""
    assert parse_plan(SONG, "song.toml") == Plan(
        part_names=("drums", "bass", "keys"),
        parts=(parse_part("drums"), parse_part("bass=fretless:density=3"), parse_part("piano")),
        sections=(
            Section("intro", 4, (0, 2), chart=parse_chart("Am | F")),
            Section("A", 8, (0, 1, 2), density=5),
            Section("A'", 8, (0, 1, 2), parse_chart("Am | Dm"), density=5, like=1, change=35),
        ),
        metre=parse_metre("3/4"),
        scale=parse_scale("A minor"),
        tempo_bpm=96,
        rhythm="swing",
        style="house",
    )


def test_sections_follow_one_another():
    """The bars of a section are where the piece has got to."""
    plan = parse_plan(SONG, "song.toml")

    assert plan.n_bars == 20
    assert plan.first_bars == (0, 4, 12)


def test_what_a_plan_leaves_out_is_open():
    """A plan needs parts and sections, no more."""
    plan = parse_plan(section('name = "B"\nlike = "A"'), "song.toml")

    assert plan.metre == parse_metre("4/4")
    assert (plan.scale, plan.tempo_bpm, plan.rhythm, plan.style) == (None, None, "free", None)
    assert plan.sections[1] == Section("B", 8, (0, 1, 2), like=0, change=DEFAULT_CHANGE)


def test_variation_of_a_variation_changes_by_default_again():
    """How much the first was changed says nothing about the second."""
    text = section(
        'name = "C"\nlike = "B"',
        'name = "A"\nbars = 8\n[[section]]\nname = "B"\nlike = "A"\nchange = 70',
    )
    plan = parse_plan(text, "song.toml")

    assert plan.sections[2].like == 1
    assert plan.sections[2].change == DEFAULT_CHANGE


def test_example_of_the_module_is_a_plan():
    """It is what people copy."""
    text = "\n".join(line for line in (plan_module.__doc__ or "").splitlines()[1:])
    plan = parse_plan(text, "example.toml")

    assert [section.name for section in plan.sections] == ["intro", "A", "A'"]
    assert plan.n_bars == 20


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tempo = ", r"song\.toml: it is not TOML: "),
        ("a = " + 3000 * "[", r"song\.toml: it is not TOML: "),
        ("tmepo = 90", r"song\.toml: there is no setting 'tmepo'; did you mean 'tempo'"),
        ("tempo = true", "tempo is True; it must be a number"),
        (f"tempo = 500\n{PARTS}", "tempo is 500; it must be 15 to 480"),
        (f"tempo = nan\n{PARTS}", "tempo is nan; it must be 15 to 480"),
        ("tempo = 90", "number of parts is 0; it must be 1 to 64"),
        ("[parts]\nbass = 3", "part 'bass' is 3; it must be text, as in"),
        ('[parts]\nbass = "bas=fretless"', "part 'bas=fretless': there is no role 'bas'"),
        ("parts = 3", "parts is 3; it must be a table"),
        ("section = [3]", r"section is \[3\]; it must be a list of tables"),
        (PARTS, "number of sections is 0; it must be 1 to"),
        (f'key = "D dorain"\n{section("")}', "section 2: each section needs a name of its own"),
        (f'metre = "4/3"\n{PARTS}', "metre is '4/3'"),
        (section("name = 1"), "section 1: name is 1; it must be text"),
        (section("name = 'A'\nbars = 4"), "section 'A': each section needs a name of its own"),
        (section("name = 'B'"), "section 'B': it needs either bars = … or like = …"),
        (section("name = 'B'\nbars = 4\nlike = 'A'"), "it needs either bars = … or like = …"),
        (section("name = 'B'\nbars = 4\nchange = 10"), "change goes only with like"),
        (section("name = 'B'\nbars = 0"), "section 'B': bars is 0; it must be 1 to 20000"),
        (section("name = 'B'\nbars = '4'"), "bars is '4'; it must be a whole number"),
        (section("name = 'B'\nbars = 19999"), "number of bars is 20007; it must be 1 to 20000"),
        (section("name = 'B'\nbasr = 4"), "there is no setting 'basr'; did you mean 'bars'"),
        (
            section("name = 'B'\nbars = 4\nparts = ['bas']"),
            "there is no part 'bas'; did you mean",
        ),
        (
            section("name = 'B'\nbars = 4\nparts = []"),
            "number of parts is 0; it must be 1 to 64",
        ),
        (section("name = 'B'\nbars = 4\nparts = [1]"), "it must be a list of texts"),
        (
            section("name = 'B'\nbars = 4\nchart = 'H'"),
            "section 'B': bar 1 of the chart: chord is",
        ),
        (section("name = 'B'\nbars = 4\ndensity = 10"), "density is 10; it must be 1 to 9"),
        (section("name = 'B'\nlike = 'A'\nchange = 101"), "change is 101; it must be 0 to 100"),
        (section("name = 'B'\nlike = 'B'"), "there is no earlier section 'B'; known are A"),
        (
            section("name = 'B'\nlike = 'A1'"),
            "there is no earlier section 'A1'; did you mean 'A'",
        ),
    ],
)
def test_plan_that_cannot_be_says_where_and_why(text, message):
    """Nothing is written before the whole plan is understood."""
    with pytest.raises(EngineError, match=message):
        parse_plan(text, "song.toml")


def test_chart_that_the_metre_cannot_hold_is_refused_before_anything_is_written():
    """The third section of an hour's work is a bad place to find out."""
    chords = " ".join(["C F"] * 5)
    text = 'metre = "1/4"\n' + section(f"name = 'B'\nbars = 4\nchart = '{chords}'")

    with pytest.raises(
        EngineError, match="section 'B': bar 1 of the chart: there are 10 chords"
    ):
        parse_plan(text, "song.toml")
