"""Each rule measures what its name says, and a person may set where it begins."""

import numpy as np
import pyarrow as pa
import pytest

from sideman.corpus.rules import RULES, judge, mean_tempo_bpm, measure_quality, set_thresholds
from sideman.errors import CorpusError
from sideman.score.types import NOTE_DTYPE, TEMPO_DTYPE, Part, Score, table

BAR = 96


def score(*rows, parts=1, tempos=()):
    return Score(
        table(NOTE_DTYPE, rows),
        tuple(Part() for _ in range(parts)),
        tempos=table(TEMPO_DTYPE, tempos),
    )


def scale(part=0, n_notes=16, *, shift=0):
    return [(24 * n + shift, 24, 40 + n, 90, part) for n in range(n_notes)]


def good_rows(n_rows=1):
    """Return measures of pieces that break no rule."""
    columns = {rule.measure: [1e9 if rule.is_least else 0.0] * n_rows for rule in RULES}
    return pa.table(columns | {"tempo_bpm": [120.0] * n_rows})


def test_pitches_are_counted_once():
    """A click track has one."""
    assert measure_quality(score(*scale(), *scale()))["n_pitches"] == 16


def test_notes_a_second_are_of_the_time_from_first_to_last():
    """16 quarters at 120 are 8 seconds; silence before the first note counts for nothing."""
    late = [(onset + 100 * BAR, *rest) for onset, *rest in scale()]

    assert measure_quality(score(*late))["notes_per_s"] == pytest.approx(2.0)


def test_silence_is_counted_in_bars_between_notes():
    """A bar into which a note is held is not silent."""
    first, second = (0, BAR + 1, 60, 90, 0), (8 * BAR, 24, 60, 90, 0)

    assert measure_quality(score(first, second))["silence_bars"] == 6
    assert measure_quality(score(first))["silence_bars"] == 0


def test_note_of_sixteen_bars_is_stuck():
    """Shorter ones may be an organ point."""
    held = score((0, 16 * BAR, 40, 90, 0), (0, 16 * BAR + 1, 41, 90, 0))

    assert measure_quality(held)["stuck_share"] == 0.5


def test_copied_part_is_found_and_a_voice_in_unison_for_a_while_is_not():
    """Files are written with each track doubled; violins that share a line are music."""
    doubled = score(*scale(0), *scale(1), parts=2)
    part_time = score(*scale(0), *scale(1, n_notes=8), *scale(1, shift=400), parts=2)

    assert measure_quality(doubled)["copied_share"] == 0.5
    assert measure_quality(part_time)["copied_share"] == 0.0


def test_mean_tempo_is_by_time():
    """One bar at 60 takes as long as two at 120: three bars in eight seconds."""
    slow_then_fast = score(*scale(n_notes=12), tempos=[(0, 60.0), (BAR, 120.0)])

    assert mean_tempo_bpm(slow_then_fast) == pytest.approx(12 / 8 * 60)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_piece_is_left_out_beyond_the_threshold_and_kept_at_it(rule):
    """The detail in the manifest gives value and threshold."""
    step = -0.001 if rule.is_least else 0.001
    for value, is_kept in ((rule.threshold, True), (rule.threshold + step, False)):
        rows = good_rows().set_column(
            good_rows().column_names.index(rule.measure), rule.measure, [[float(value)]]
        )

        (verdict,) = judge(rows, RULES)

        assert (verdict is None) == is_kept
        if verdict is not None:
            assert verdict[0] == rule.name
            assert f"{rule.threshold:g}" in verdict[1]


def test_first_rule_that_is_broken_is_the_reason():
    """One reason a file; the order of the rules is the order of importance."""
    rows = good_rows().drop_columns(["n_notes"])
    rows = rows.append_column("n_notes", [[0]])
    rows = rows.set_column(rows.column_names.index("n_pitches"), "n_pitches", [[0.0]])

    ((reason, _),) = filter(None, judge(rows, RULES))
    assert reason == "too-few-notes"


def test_what_could_not_be_measured_breaks_no_rule():
    """A file that was refused has no measures; its verdict stands already."""
    nothing = pa.table({rule.measure: pa.array([None], pa.float64()) for rule in RULES})

    assert judge(nothing, RULES) == [None]


def test_thresholds_can_be_changed_and_switched_off():
    """The others stay as they are."""
    rules = {r.name: r for r in set_thresholds({"too-few-notes": "16", "too-long": "off"})}

    assert rules["too-few-notes"].threshold == 16
    assert rules["too-long"].threshold is None
    assert not rules["too-long"].breaks(np.array([1e12])).any()
    assert rules["too-long"].line() == "too-long: off"
    assert rules["one-pitch"] in RULES


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"too-few": "3"}, "no rule 'too-few'; there are .*too-few-notes"),
        ({"too-few-notes": "many"}, "'too-few-notes' is 'many'; it must be a number or 'off'"),
        ({"too-few-notes": "nan"}, "'too-few-notes' is 'nan'"),
    ],
)
def test_mistyped_rule_is_refused(changes, message):
    """Silently keeping the old threshold would be found out hours later."""
    with pytest.raises(CorpusError, match=message):
        set_thresholds(changes)
