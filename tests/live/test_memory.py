"""Memory: what was played, when it ended, and how it is forgotten."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sideman.live.memory import MOST_NOTES, PHRASE_REST_S, Memory, PlayedNote

TICKS_PER_S = 48


def machine_note(number, begin_s, *, length_s=0.5):
    """Return a note of the machine."""
    return PlayedNote(
        id=number,
        voice=1,
        pitch=40,
        velocity=70,
        begin_s=begin_s,
        end_s=begin_s + length_s,
        onset=int(begin_s * TICKS_PER_S),
        duration=int(length_s * TICKS_PER_S),
        is_human=False,
    )


def play(memory, pitch, begin_s, length_s=0.2):
    """Press a key and let it go."""
    memory.press(0, pitch, 80, begin_s, int(begin_s * TICKS_PER_S))
    end_s = begin_s + length_s
    return memory.release(0, pitch, end_s, int(end_s * TICKS_PER_S))


def test_a_key_that_is_down_has_no_length():
    """The model is told that it is held, not how long it might be."""
    memory = Memory()

    down = memory.press(0, 60, 80, 1.0, 48)

    assert (down.duration, down.end_s) == (None, None)
    assert memory.held() == (down,) == memory.notes_since(0)
    up = memory.release(0, 60, 1.5, 72)
    assert up is not None
    assert (up.id, up.duration, up.end_s) == (down.id, 24, 1.5)
    assert memory.held() == ()
    assert memory.notes_since(0) == (up,)


def test_a_note_that_the_pedal_holds_sounds_until_it_is_up():
    """A pianist means the length that is heard, not how long the finger stayed."""
    memory = Memory()
    down = memory.press(0, 60, 80, 1.0, 48)
    other = memory.press(1, 40, 80, 1.0, 48)

    assert memory.pedal(0, 1.1, 53, is_down=True) == []
    assert memory.release(0, 60, 1.2, 58) is None
    assert memory.release(1, 40, 1.2, 58) == replace(other, end_s=1.2, duration=10)
    assert memory.held() == (down,)
    assert memory.pedal(0, 2.0, 96, is_down=False) == [replace(down, end_s=2.0, duration=48)]
    assert memory.held() == ()


def test_a_key_that_is_still_down_outlasts_the_pedal():
    """The pedal lets go only what no finger holds."""
    memory = Memory()
    memory.pedal(0, 0.5, 24, is_down=True)
    down = memory.press(0, 60, 80, 1.0, 48)

    assert memory.pedal(0, 2.0, 96, is_down=False) == []
    assert memory.held() == (down,)
    assert memory.release(0, 60, 3.0, 144) == replace(down, end_s=3.0, duration=96)


def test_a_key_that_is_struck_again_ends_what_the_pedal_held():
    """One string, one note."""
    memory = Memory()
    memory.pedal(0, 0.5, 24, is_down=True)
    play(memory, 60, 1.0)

    again = memory.press(0, 60, 80, 2.0, 96)

    first, second = memory.notes_since(0)
    assert (first.end_s, first.duration) == (2.0, 48)
    assert memory.held() == (second,) == (again,)


def test_what_is_forgotten_the_pedal_does_not_bring_back():
    """Its end is nobody's."""
    memory = Memory()
    memory.pedal(0, 0.5, 24, is_down=True)
    play(memory, 60, 1.0)

    memory.forget_all()

    assert memory.pedal(0, 2.0, 96, is_down=False) == []
    assert memory.notes_since(0) == ()


def test_a_note_lasts_a_tick_at_least():
    """A key may come and go between two ticks."""
    memory = Memory()
    memory.press(0, 60, 80, 1.0, 48)

    up = memory.release(0, 60, 1.001, 48)

    assert up is not None
    assert up.duration == 1


def test_a_key_pressed_twice_is_let_go_in_between():
    """A lost note-off must not leave a note that never ends."""
    memory = Memory()
    first = memory.press(0, 60, 80, 1.0, 48)

    second = memory.press(0, 60, 90, 2.0, 96)

    assert memory.held() == (second,)
    assert memory.notes_since(0) == (replace(first, end_s=2.0, duration=48), second)


def test_letting_go_what_was_never_pressed_is_nothing():
    """Stray note-offs come when cables are plugged."""
    memory = Memory()
    memory.press(0, 60, 80, 1.0, 48)

    assert memory.release(0, 61, 1.5, 72) is None
    assert memory.release(1, 60, 1.5, 72) is None
    assert len(memory.held()) == 1


def test_the_machines_notes_stand_among_the_humans():
    """They are told in the order of their onsets, whoever played, and may change their end."""
    memory = Memory(iter(range(100, 200)).__next__)
    later = play(memory, 60, 2.0)
    note = machine_note(7, 1.0)
    memory.add(note)

    assert memory.notes_since(0) == (note, later)
    ended = replace(note, end_s=1.1, duration=5)
    memory.add(ended)
    assert memory.notes_since(48) == (ended, later)
    assert memory.notes_since(49) == (later,)
    assert memory.last_human_onset_s == 2.0


def test_the_last_phrase_is_forgotten_back_to_a_rest():
    """What its player played before the rest stays, as does what the other one played."""
    memory = Memory(iter(range(100, 200)).__next__)
    before = play(memory, 60, 0.0)
    other = machine_note(7, 1.0)
    memory.add(other)
    begin_s = 0.2 + PHRASE_REST_S
    phrase = (play(memory, 62, begin_s), play(memory, 64, begin_s + 0.3))

    assert memory.forget_last() == phrase
    assert memory.notes_since(0) == (before, other)
    assert memory.forget_last() == (other,)
    assert memory.forget_last() == (before,)
    assert memory.forget_last() == ()


def test_a_forgotten_key_ends_nothing():
    """The key is still down when all is forgotten, and comes up later."""
    memory = Memory()
    memory.press(0, 60, 80, 1.0, 48)
    memory.forget_all()

    assert memory.release(0, 60, 2.0, 96) is None
    memory.press(0, 62, 80, 3.0, 144)
    memory.forget_last()
    assert memory.held() == ()
    assert memory.release(0, 62, 4.0, 192) is None
    assert len(memory) == 0


def test_a_session_of_hours_does_not_grow():
    """The oldest notes go; the latest stay."""
    memory = Memory()
    for number in range(MOST_NOTES + 100):
        play(memory, 60, float(number))

    assert len(memory) == MOST_NOTES == len(memory.notes_since(0))
    assert memory.notes_since(0)[0].onset == 100 * TICKS_PER_S


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 5))))
def test_memory_agrees_with_a_list(actions):
    """Whatever is pressed, let go, added and removed, in whatever order."""
    memory, expected = Memory(iter(range(1000, 2000)).__next__), {}
    for time_s, (what, voice, pitch) in enumerate(actions):
        if what == 0:
            memory.press(voice, pitch, 80, float(time_s), time_s)
        elif what == 1:
            memory.release(voice, pitch, float(time_s), time_s)
        elif what == 2:
            memory.add(machine_note(pitch, float(time_s % 3)))
        else:
            memory.remove([pitch])
        for note in memory.notes_since(0):
            expected[note.id] = note
        kept = {note.id for note in memory.notes_since(0)}
        expected = {number: note for number, note in expected.items() if number in kept}
        onsets = [note.onset for note in memory.notes_since(0)]
        assert onsets == sorted(onsets)
        assert len(kept) == len(onsets) == len(memory)
        assert {note.id for note in memory.held()} == {
            note.id for note in expected.values() if note.duration is None
        }
