"""What is pointed at on the page is what the engine is asked for."""

import pytest

from sideman.engine.locks import locked_notes
from sideman.errors import EngineError
from sideman.studio.asking import prepare
from sideman.studio.score_json import empty_json


@pytest.fixture
def locked(piece):
    """Return a function that says which pitches an options' locks keep."""

    def pitches(prepared):
        score = prepared.score
        return sorted(score.notes["pitch"][locked_notes(score, prepared.options.locks)])

    return pitches


def test_bars_parts_and_locks_become_words_of_the_engine(piece, locked):
    """The engine counts as people do; the page counts from 0."""
    request = {"options": {"temperature": 1}, "selection": {"bars": [0, 2], "parts": [1]}}
    prepared = prepare("infill", piece, {**request, "takes": 3, "seed": 7}, [4])
    options = prepared.options
    assert prepared.task == "infill"
    assert (options.bars, options.parts, options.temperature) == ("1-2", ("2",), 1.0)
    assert (options.takes, options.seed) == (3, 7)
    assert locked(prepared) == [43]


def test_what_is_wished_of_a_part_goes_with_it(piece):
    """A bass that is written anew may have a range."""
    wished = {"options": {"parts": ["2:range=E1-G3"]}, "selection": {"parts": [1]}}
    assert prepare("rewrite", piece, wished, []).options.parts == ("2:range=E1-G3",)


def test_of_selected_notes_the_others_around_them_stay(piece, locked):
    """Who selects one note wants that one changed."""
    more = [{**piece["notes"][0], "id": 9, "pitch": 67}]
    piece = {**piece, "notes": [*piece["notes"], *more]}
    prepared = prepare("vary", piece, {"selection": {"notes": [1]}}, [])
    assert (prepared.options.bars, prepared.options.parts) == ("1", ("1",))
    assert locked(prepared) == [67]


def test_to_continue_from_a_bar_forgets_what_lies_behind(piece):
    """`From here` means from here; a rest before it stays one."""
    request = {"options": {"bars": "4"}, "selection": {"bars": [0, 2]}}
    prepared = prepare("continue", piece, request, [])
    assert prepared.score
    assert sorted(prepared.score.notes["pitch"]) == [36, 60, 64]
    assert prepared.options.bars == "3-6"
    rest = prepare(
        "continue", piece, {"options": {"bars": 1}, "selection": {"bars": [0, 5]}}, []
    )
    assert rest.options.bars == "6-6"


def test_what_the_lane_says_of_the_new_bars_is_kept(piece):
    """Who writes chords and metres ahead wants them followed."""
    ahead = {
        **piece,
        "chords": [{"onset": 192, "symbol": "Am"}, {"onset": 768, "symbol": "F"}],
        "time_signatures": [
            *piece["time_signatures"],
            {"onset": 288, "numerator": 3, "denominator": 4},
        ],
    }
    prepared = prepare(
        "continue", ahead, {"options": {"bars": 2}, "selection": {"bars": [0, 2]}}, []
    )
    assert prepared.score
    assert prepared.score.chords["onset"].tolist() == [192]
    assert prepared.score.time_signatures["numerator"].tolist() == [4, 3]


def test_to_rewrite_some_bars_is_to_fill_them(piece):
    """The engine's task writes a whole part."""
    some = {"selection": {"parts": [1], "bars": [1, 3]}}
    assert prepare("rewrite", piece, some, []).task == "infill"
    whole = prepare("rewrite", piece, {"selection": {"parts": [1]}}, [])
    assert (whole.task, whole.options.parts) == ("rewrite", ("2",))


def test_a_selection_reaches_into_empty_bars_but_not_only(piece):
    """The page shows eight bars, however few have notes."""
    reach = prepare("infill", piece, {"selection": {"bars": [1, 8]}}, [])
    assert reach.options.bars == "2-3"
    with pytest.raises(EngineError, match="bars 5-8 lie behind the last note"):
        prepare("infill", piece, {"selection": {"bars": [4, 8]}}, [])


def test_a_new_piece_has_the_tempo_and_metre_of_the_page(piece):
    """A person has set them, and has set them for this."""
    slow = {
        **empty_json(),
        "tempos": [{"onset": 0, "bpm": 66.5}],
        "time_signatures": [{"onset": 0, "numerator": 3, "denominator": 4}],
    }
    options = prepare("compose", slow, {"options": {"parts": ["bass"]}}, []).options
    assert (options.tempo, options.metre) == ("66.5", "3/4")
    said = prepare("compose", slow, {"options": {"tempo": 90, "metre": "4/4"}}, []).options
    assert (said.tempo, said.metre) == ("90", "4/4")


def test_a_loop_is_of_what_is_there_or_of_what_is_named(piece):
    """The same button serves an empty page and a full one."""
    empty = prepare("loop", empty_json(), {"options": {"parts": ["bass"], "bars": "4"}}, [])
    assert (empty.score, empty.options.parts) == (None, ("bass",))
    full = prepare("loop", piece, {"selection": {"parts": [1]}}, [])
    assert full.options.rewritten == ("2",)
    assert full.score
    assert len(full.score.notes) == 4


def test_a_loop_grows_beside_what_is_locked(piece):
    """Tracks are built one by one, and what is good stays."""
    assert prepare("loop", piece, {}, [1]).options.rewritten == ("2",)
    more = prepare("loop", piece, {"options": {"parts": ["drums"]}}, [1, 3])
    assert (more.options.parts, more.options.rewritten) == (("drums",), ())
    with pytest.raises(EngineError, match="every part of the loop has locked notes"):
        prepare("loop", piece, {}, [1, 3])


@pytest.mark.parametrize(
    ("task", "request_", "locks", "wanted"),
    [
        ("arrange", {}, [], "there is no task 'arrange'"),
        ("vary", {"options": {"chnage": 1}}, [], "did you mean 'change'"),
        ("vary", {"options": {"change": "much"}}, [], "change is 'much'; it must be a number"),
        ("vary", {"options": {"chords_only": "yes"}}, [], "must be true or false"),
        ("vary", {"options": {"top_k": 1.5}}, [], "must be a whole number"),
        ("vary", {"options": {"parts": "bass"}}, [], "must be a list of texts"),
        ("vary", {"options": {"key": ["C"]}}, [], "must be a text"),
        ("vary", {"takes": 65}, [], "takes is 65"),
        ("vary", {"selection": {"bars": [3, 3]}}, [], "the piece has 8"),
        ("vary", {"selection": {"bars": [0, 9]}}, [], "the piece has 8"),
        ("vary", {"selection": {"parts": [2]}}, [], "there is no part 3; the piece has 2"),
        ("vary", {}, [99], "there is no note 99"),
        (
            "continue",
            {"options": {"bars": "few"}, "selection": {"bars": [0, 1]}},
            [],
            "bars is",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_it_waits(piece, task, request_, locks, wanted):
    """Nobody should stand in a queue for an error."""
    with pytest.raises(EngineError, match=wanted):
        prepare(task, piece, request_, locks)
