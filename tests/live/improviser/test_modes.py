"""Each mode as the player on stage meets it, with a partner whose notes are known."""

from itertools import pairwise

import pytest

from sideman.live.messages import NoteOff, NoteOn, Timed
from sideman.live.planner import Planner

THREE = ((0.5, 0.2, 60), (0.75, 0.2, 62), (1.0, 0.2, 64))
"""A phrase that ends at 1.2 s."""


def test_an_answer_comes_when_you_have_been_silent(rehearse_with, phrase):
    """It begins within a beat of the end of the silence, and lasts as long as is set."""
    played = rehearse_with(silence=0.6, answer="2 bars").run(10, phrase(*THREE)).heard()

    first, last = played[0], played[-1]
    assert 1.8 <= first.begin_s < 2.33  # within a beat
    assert last.begin_s < 1.83 + 4 <= last.begin_s + 0.25
    assert all(note.end_s <= 1.83 + 4.001 for note in played)


def test_an_answer_to_a_held_key_waits_for_it(rehearse_with, phrase):
    """Who holds a last note is not silent."""
    notes = (*THREE[:2], (1.0, 2.0, 64))

    played = rehearse_with(silence=0.6).run(8, phrase(*notes)).heard()

    assert 3.6 <= played[0].begin_s < 4.13


def test_without_silence_the_answer_comes_at_once(rehearse_with):
    """One step of the model lies between the human's note and the first of the answer."""
    stage = rehearse_with(silence=0, min_notes=1, cost_s=0.005)

    stage.run(2, [Timed(1.003, NoteOn(0, 60, 80))])

    first = stage.heard()[0]
    assert first.ordered_s <= 1.003 + 0.0051
    assert first.begin_s == first.ordered_s


def test_too_few_notes_are_not_answered(rehearse_with, phrase):
    """A slip of a finger is no phrase."""
    assert rehearse_with(min_notes=4).run(8, phrase(*THREE)).heard() == []


def test_a_trade_begins_on_the_bar_line(rehearse_with, phrase):
    """You play two bars from the one you begin in; its first note is on its bar line."""
    notes = [(0.5 + 0.25 * n, 0.2, 60 + n) for n in range(14)]  # to 4.0 s, where bar 2 begins
    stage = rehearse_with(mode="trade", trade_bars=2)

    played = stage.run(11.9, phrase(*notes)).heard()

    assert played[0].begin_s == pytest.approx(4.0)
    assert played[0].ordered_s < 4.0
    assert all(4.0 <= n.begin_s < 8.0 and n.end_s <= 8.0 + 1e-9 for n in played)
    assert stage.run(12.1).heard()[-1].begin_s == pytest.approx(12.0)


def test_a_note_just_before_the_bar_line_means_that_bar(rehearse_with, phrase):
    """Players anticipate: the turns are counted from the bar they meant."""
    early = phrase((1.95, 0.3, 60))

    played = rehearse_with(mode="trade", trade_bars=1).run(5, early).heard()

    assert played[0].begin_s == pytest.approx(4.0)


def test_an_accompanist_plays_while_you_play(rehearse_with, phrase):
    """It comes in with your first note, and goes on when you rest."""
    notes = [(1.0 + 0.5 * n, 0.4, 60 + n) for n in range(8)]

    played = rehearse_with(mode="accompany").run(10, phrase(*notes)).heard()

    assert 1.0 <= played[0].begin_s < 1.3
    gaps = [b.begin_s - a.begin_s for a, b in pairwise(played)]
    assert max(gaps) < 0.51
    assert played[-1].begin_s > 9.7


def test_each_note_of_yours_is_followed_and_let_go(rehearse_with, phrase):
    """Followers sound with your note, at the same tick, and end when you let it go."""
    voices = ["input:piano", "low=follow:piano@2", "high=follow:piano@3", "auto:bass=33@4"]
    notes = ((1.0, 0.5, 60), (2.0, 1.0, 64))
    stage = rehearse_with(voices, mode="harmonise")

    heard = stage.run(5, phrase(*notes)).heard()

    assert [note.channel for note in heard] == [1, 2, 1, 2]
    for note, (begin_s, length_s, _) in zip(
        heard, (notes[0],) * 2 + (notes[1],) * 2, strict=True
    ):
        assert begin_s <= note.begin_s < begin_s + 0.02
        assert note.end_s == pytest.approx(begin_s + length_s)
    machine = [n for n in stage.improviser.memory.notes_since(0) if not n.is_human]
    assert {note.onset for note in machine} == {48, 96}


def test_a_follower_plays_one_note_to_each_of_yours(rehearse_with, phrase, fp32_bundle):
    """Also where chords are wanted: yours and its own are the chord."""
    planner = Planner(fp32_bundle, threads=1)
    stage = rehearse_with(["follow:piano"], planner=planner, mode="harmonise", role="chords")

    heard = stage.run(4, phrase(*THREE)).heard()

    assert [round(note.begin_s, 1) for note in heard] == [0.5, 0.8, 1.0]


def test_a_short_note_is_followed_though_it_is_over(rehearse_with, phrase):
    """A staccato shorter than a thought still gets its harmony, as short."""
    stage = rehearse_with(mode="harmonise", cost_s=0.04)

    heard = stage.run(3, phrase((1.0, 0.03, 60))).heard()

    assert len(heard) == 1
    assert 0.02 <= heard[0].end_s - heard[0].begin_s < 0.05


def test_a_leader_is_silent_while_you_play(rehearse_with, phrase):
    """It plays from the first moment, stops soon when you come in, and goes on after you."""
    notes = [(5.0 + 0.25 * n, 0.2, 60 + n) for n in range(8)]  # to 6.95 s

    played = rehearse_with(mode="lead", silence=1).run(12, phrase(*notes)).heard()

    assert played[0].begin_s < 0.1
    assert not [note for note in played if 5.0 < note.begin_s < 7.95]
    assert all(note.end_s <= 5.09 for note in played if note.begin_s < 5.0)
    assert [note for note in played if 7.95 <= note.begin_s < 8.3]


def test_an_unchanged_echo_is_your_phrase(rehearse_with, phrase):
    """The same pitches in the same rhythm, on the same places of the beat."""
    played = rehearse_with(mode="echo", change=0).run(8, phrase(*THREE)).heard()

    assert [note.pitch for note in played] == [60, 62, 64]
    shift_s = played[0].begin_s - 0.5
    assert shift_s % 0.5 == pytest.approx(0, abs=1e-6)
    for note, (begin_s, length_s, _) in zip(played, THREE, strict=True):
        assert note.begin_s - shift_s == pytest.approx(begin_s, abs=0.011)
        assert note.end_s - note.begin_s == pytest.approx(length_s, abs=0.011)


def test_an_echo_that_is_all_changed_keeps_the_length(rehearse_with, phrase):
    """Nothing of the phrase is left but where it is and how long."""
    stage = rehearse_with(mode="echo", change=100)

    played = stage.run(8, phrase(*THREE)).heard()

    assert {(ask.begin_by is None) for ask in stage.planner.asks} == {True, False}
    assert played[0].begin_s == pytest.approx(2.0)
    assert played[-1].begin_s < 2.0 + 0.71


def test_an_echo_comes_in_the_range_of_its_voice(rehearse_with, phrase):
    """A bass plays your phrase back some octaves lower."""
    voices = ["input:piano", "auto:bass=33:range=E1-E2"]

    played = rehearse_with(voices, mode="echo", change=0).run(8, phrase(*THREE)).heard()

    assert [note.pitch for note in played] == [36, 38, 40]


def test_a_loop_goes_round(rehearse_with, phrase):
    """Your first bars come again and again, the same while nothing is to be changed."""
    stage = rehearse_with(mode="loop", loop_bars=2, change=0)

    played = stage.run(15.9, phrase(*THREE, (2.5, 0.4, 67))).heard()

    assert [note.pitch for note in played] == [60, 62, 64, 67] * 3
    begins_s = [note.begin_s for note in played]
    assert begins_s[:4] == pytest.approx([4.5, 4.75, 5.0, 6.5], abs=0.011)
    assert begins_s[4:] == pytest.approx([begin_s + 4 for begin_s in begins_s[:-4]])


def test_a_loop_changes_while_it_goes_round(rehearse_with, phrase):
    """With some change the second round differs from the first, and the tenth from both."""
    notes = [(0.25 * n, 0.2, 48 + n) for n in range(8)]
    stage = rehearse_with(mode="loop", loop_bars=1, change=40)

    played = stage.run(22, phrase(*notes)).heard()

    rounds = [
        tuple(note.pitch for note in played if begin_s <= note.begin_s < begin_s + 2)
        for begin_s in (2, 4, 20)
    ]
    assert len(set(rounds)) == 3
    assert all(rounds)


def test_a_loop_can_be_made_of_what_was_just_played(rehearse_with, phrase):
    """As with a looper: play, then press; the last bars come again from the next bar line."""
    told = [*phrase(*THREE), (1.5, "mode", "loop"), (1.5, "change", "0")]

    played = rehearse_with(loop_bars=1).run(3.9, told).heard()

    assert [note.pitch for note in played] == [60, 62, 64]
    assert played[0].begin_s == pytest.approx(2.5, abs=0.011)


def test_its_last_turn_can_be_played_again(rehearse_with, phrase):
    """The same notes, at the same places of the beat."""
    stage = rehearse_with(answer="1 bar").run(5, phrase(*THREE))
    before = stage.heard()

    again = stage.run(10, [(6.0, "play_again")]).heard()[len(before) :]

    assert [note.pitch for note in again] == [note.pitch for note in before]
    shifts_s = [b.begin_s - a.begin_s for a, b in zip(before, again, strict=True)]
    assert shifts_s == pytest.approx([4.0] * len(before), abs=0.021)
    assert again[0].begin_s < 6.5


def test_a_change_of_mode_leaves_nothing_hanging(rehearse_with, phrase):
    """Whatever sounds ends soon, also what waited for a key that is down still."""
    held = [Timed(1.0, NoteOn(0, 60, 80)), Timed(9.0, NoteOff(0, 60))]
    stage = rehearse_with(mode="harmonise")

    heard = stage.run(4, [*held, (2.0, "mode", "answer")]).heard()

    assert len(heard) == 1
    assert heard[0].end_s <= 2.1


def test_all_modes_follow_one_another(rehearse_with, phrase):
    """Switching while both play is what switches are for."""
    notes = [(0.5 * n, 0.4, 60 + n % 12) for n in range(60)]
    modes = ("lead", "accompany", "trade", "loop", "echo", "harmonise", "answer")
    told = [(2.2 + 4 * n, "mode", mode) for n, mode in enumerate(modes)]

    played = rehearse_with(silence=0, answer="1 bar").run(32, phrase(*notes) + told).heard()

    assert played
    assert all(note.end_s is not None for note in played)
