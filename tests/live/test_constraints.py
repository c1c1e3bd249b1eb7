"""Constraints: what holds for every plan, whatever model writes it and whatever is played."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sideman.engine.chart import parse_chart
from sideman.engine.parts import parse_part
from sideman.engine.pitches import parse_scale
from sideman.engine.rhythm import parse_metre
from sideman.live.constraints import Ask, VoiceLimits, ask_for, found_scale, places
from sideman.live.frame import Bar, Frame, with_chart
from sideman.live.memory import PlayedNote
from sideman.live.planner import Planner
from sideman.live.settings import Settings
from sideman.score.harmony import chord_pitch_classes
from sideman.tokens.controls import DENSITY_STEPS

PARTS = tuple(map(parse_part, ("piano", "piano:range=C3-C6", "bass=acoustic bass", "drums")))
HUMAN, PIANO, BASS, DRUMS = range(4)
LOOKAHEAD, COMMIT = 48, 3
FREE = Settings(temperature=3.0, max_note=2.0)
"""A random model, drawn from boldly, does everything that it may."""


def frame_of(metre="4/4", n_bars=12):
    """Return a frame of equal bars."""
    return Frame(PARTS, (Bar(parse_metre(metre), 120.0),) * n_bars)


def human(number, onset, pitch, duration=8):
    """Return a note that the human played."""
    return PlayedNote(number, HUMAN, pitch, 80, 0.0, None, onset, duration, is_human=True)


def jam(bundle, options, frame, keys, *, seed=0, hears_itself=True, end=160):
    """Let a machine accompany onsets and pitches of a human, a few ticks at a time."""
    planner = Planner(bundle, threads=1, seed=seed)
    memory: list[PlayedNote] = []
    own: list[PlayedNote] = []
    for now in range(0, end, 7):
        memory += [human(planner.new_id(), *key) for key in keys if now - 7 < key[0] <= now]
        told = sorted(memory + own * hears_itself, key=lambda note: note.onset)
        planner.attend(told, frame, now)
        begin = now + COMMIT
        ask = ask_for(
            options,
            frame,
            memory,
            voices=(PIANO, BASS, DRUMS),
            begin=begin,
            end=begin + LOOKAHEAD,
            begin_by=begin + 5,  # or a random model would hardly play
        )
        for _ in range(12):
            planner.step(ask)
        due = [note for note in planner.plan if note.onset <= now + 7 + COMMIT]
        planner.accept({note.id for note in due})
        own += [
            PlayedNote(
                n.id,
                n.voice,
                n.pitch,
                n.velocity,
                0.0,
                None,
                n.onset,
                n.duration,
                is_human=False,
            )
            for n in due
        ]
    return own


def by_voice(notes, voice):
    return [note for note in notes if note.voice == voice]


def count_at_once(notes):
    """Return how many notes sound at each tick in which any does."""
    return Counter(tick for n in notes for tick in range(n.onset, n.onset + n.duration))


def asked(options, *, notes=(), frame=None):
    """Return what the piano is held to."""
    ask = ask_for(options, frame or frame_of(), notes, voices=(PIANO,), begin=192, end=300)
    assert ask.limits is not None
    return ask.limits


KEYS = st.lists(st.tuples(st.integers(0, 240), st.integers(50, 80)), max_size=8)
METRES = st.sampled_from(("4/4", "7/8", "6/8"))
few = settings(max_examples=6)


# ------------------------------------------------------------------ roles


@few
@given(keys=KEYS, metre=METRES, hears_itself=st.booleans(), seed=st.integers(0, 9))
def test_a_line_is_one_note_at_a_time(fp32_bundle, keys, metre, hears_itself, seed):
    """Across everything that comes between: new notes, new plans, notes it does not hear."""
    options = replace(FREE, role="line")

    notes = jam(
        fp32_bundle, options, frame_of(metre), keys, seed=seed, hears_itself=hears_itself
    )

    assert {note.voice for note in notes} <= {PIANO, BASS}
    for voice in (PIANO, BASS):
        assert max(count_at_once(by_voice(notes, voice)).values(), default=0) <= 1


@few
@given(keys=KEYS, metre=METRES, seed=st.integers(0, 9))
def test_chords_are_struck_together(fp32_bundle, keys, metre, seed):
    """Three notes and more at each onset, never more than six that sound."""
    notes = jam(fp32_bundle, replace(FREE, role="chords"), frame_of(metre), keys, seed=seed)

    struck = Counter((note.voice, note.onset) for note in notes)
    assert {voice for voice, _ in struck} <= {PIANO, BASS}
    assert all(n_notes >= 3 for n_notes in struck.values())
    for voice in (PIANO, BASS):
        assert max(count_at_once(by_voice(notes, voice)).values(), default=0) <= 6


def test_a_chord_is_planned_when_it_is_complete(fp32_bundle):
    """Who plays what is planned at any moment, or stops it, never plays half a chord."""
    planner = Planner(fp32_bundle, threads=1)
    limits = (VoiceLimits(parse_part("piano:polyphony=3-6")),)
    keys: list[PlayedNote] = []
    n_unseen = 0
    for begin in range(0, 180, 6):
        ask = Ask(begin, begin + 12, (PIANO,), begin_by=begin, limits=limits)
        planner.attend(keys, frame_of(), begin)
        for _ in range(2 + begin % 3):
            planner.step(ask)
            n_unseen += len(planner._plan) > len(planner.plan)
            struck = Counter(note.onset for note in planner.plan)
            assert all(n_notes >= 3 for n_notes in struck.values())
        if begin % 4 == 0:
            keys.append(human(900 + begin, begin, 60))
    assert planner.plan
    assert n_unseen > 10


def test_drums_only_are_drums_only(fp32_bundle):
    """And where there are none, nobody plays."""
    options = replace(FREE, role="drums")

    assert {note.voice for note in jam(fp32_bundle, options, frame_of(), [])} == {DRUMS}
    frame = frame_of()
    assert ask_for(options, frame, [], voices=(PIANO, BASS), begin=0, end=9).voices == ()


# ------------------------------------------------------------------ pitches


@few
@given(keys=KEYS, hold=st.sampled_from(("mask", "nudge")), seed=st.integers(0, 9))
def test_a_key_is_kept(fp32_bundle, keys, hold, seed):
    """Whether other notes are never chosen or moved; drums have none."""
    options = replace(FREE, key="C major pentatonic", key_hold=hold)

    notes = jam(fp32_bundle, options, frame_of(), keys, seed=seed)

    pitched = [note for note in notes if note.voice != DRUMS]
    assert {note.pitch % 12 for note in pitched} <= {0, 2, 4, 7, 9}
    assert all(48 <= note.pitch <= 84 for note in by_voice(notes, PIANO))
    places_of = Counter((note.voice, note.onset, note.pitch) for note in notes)
    assert max(places_of.values(), default=1) == 1


@few
@given(keys=KEYS, metre=METRES, role=st.sampled_from(("all", "chords")), seed=st.integers(0, 9))
def test_chord_tones_are_kept_to(fp32_bundle, keys, metre, role, seed):
    """The bass always, the others where chords are all they play; at every change of chord."""
    frame = with_chart(frame_of(metre), parse_chart("C F#m7 | Bb"))

    notes = jam(fp32_bundle, replace(FREE, role=role), frame, keys, seed=seed)

    for note in notes:
        if note.voice == BASS or role == "chords":
            chord = [chord for onset, chord in frame.chords if onset <= note.onset][-1]
            assert note.pitch % 12 in chord_pitch_classes(chord)


@pytest.mark.parametrize(("low", "high", "is_avoided"), [(60, 71, True), (50, 82, False)])
def test_the_humans_register_is_avoided(fp32_bundle, low, high, is_avoided):
    """Unless less than an octave would be left."""
    planner, options = Planner(fp32_bundle, threads=1), replace(FREE, avoid_register=True)
    heard = [human(900 + number, number, low + number) for number in range(high - low + 1)]
    planner.attend(heard, frame_of(), 50)

    ask = ask_for(options, frame_of(), heard, voices=(PIANO,), begin=50, end=200)
    while not planner.is_full(ask):
        planner.step(ask)

    assert planner.plan
    assert any(low <= note.pitch <= high for note in planner.plan) != is_avoided


def test_a_key_is_found_in_what_the_human_plays():
    """If it is sure enough; two notes may be anything."""
    scale = [
        human(number, 12 * number, pitch)
        for number, pitch in enumerate((62, 64, 66, 67, 69, 71, 73, 74, 69, 66, 62, 69, 62))
    ]

    assert found_scale(frame_of(), scale) == parse_scale("D major")
    assert found_scale(frame_of(), scale[:1]) is None
    assert found_scale(frame_of(), []) is None
    options = Settings(key="found")
    ask = ask_for(options, frame_of(), scale, voices=(PIANO,), begin=200, end=300)
    assert ask.scale == parse_scale("D major")


# ------------------------------------------------------------------ how much, and where


@few
@given(
    keys=KEYS,
    metre=METRES,
    density=st.integers(1, 9),
    complement=st.booleans(),
    seed=st.integers(0, 9),
)
def test_density_is_a_cap(fp32_bundle, keys, metre, density, complement, seed):  # noqa: PLR0917 (drawn)
    """No voice begins more notes in a bar than its level says, however often it is planned."""
    frame = frame_of(metre)
    options = replace(FREE, density=density, complement=complement)

    notes = jam(fp32_bundle, options, frame, keys, seed=seed)

    if density <= len(DENSITY_STEPS):
        most = max(DENSITY_STEPS[density - 1] * frame.bar_ticks(0) / 24, 1)
        in_bar = Counter((note.voice, frame.bar_of(note.onset)) for note in notes)
        assert max(in_bar.values(), default=0) <= most


def test_complementing_leaves_room():
    """Much is played: little is added; little is played: more."""
    options = Settings(complement=True)
    many = [human(number, number, 60) for number in range(0, 192, 4)]

    caps = [
        limits.notes_per_quarter
        for notes in (many, many[::4], [])
        for limits in asked(options, notes=notes)
    ]

    assert caps == [0.5, 2.5, 4.0]


@few
@given(
    keys=KEYS,
    metre=METRES,
    grid=st.sampled_from(("4", "8", "16", "8t", "16t", "32")),
    seed=st.integers(0, 9),
)
def test_notes_begin_on_the_grid(fp32_bundle, keys, metre, grid, seed):
    """Counted from the bar line, in any metre."""
    options, frame = replace(FREE, quantise=grid), frame_of(metre)

    for note in jam(fp32_bundle, options, frame, keys, seed=seed):
        place = note.onset - frame.bar_start(frame.bar_of(note.onset))
        assert place % options.grid == 0


def test_weaker_quantisation_plans_freely():
    """Notes are then moved part of the way when they are played; a grid would be all of it."""
    options = Settings(quantise="8", quantise_strength=50.0)

    assert ask_for(options, frame_of(), [], voices=(PIANO,), begin=0, end=9).grid == 1
    assert places(1, parse_metre("4/4")) is None
    eighths = places(12, parse_metre("3/4"))
    assert eighths is not None
    assert np.flatnonzero(eighths).tolist() == [0, 12, 24, 36, 48, 60]


@pytest.mark.parametrize("max_note", [0.1, 0.5, 2.0])
def test_no_note_is_planned_longer_than_is_allowed(fp32_bundle, max_note):
    """The scheduler would cut it; better the model knows."""
    notes = jam(fp32_bundle, replace(FREE, max_note=max_note), frame_of(), [(0, 60)])

    assert notes
    assert max(note.duration for note in notes) <= max_note * 48


def test_a_voice_with_lengths_of_its_own_keeps_them_where_it_can():
    """The longest note that is set goes above the shortest that a voice would like."""
    parts = (PARTS[HUMAN], parse_part("piano:lengths=1/4-1"))
    frame = replace(frame_of(), parts=parts)

    def lengths(max_note):
        (limits,) = asked(Settings(max_note=max_note), frame=frame)
        return limits.wish.lengths

    assert lengths(10.0) == (24, 96)
    assert lengths(1.0) == (24, 48)
    assert lengths(0.1) == (1, 4)


def test_a_held_note_of_a_line_leaves_room_for_no_other(fp32_bundle):
    """Nobody knows when it will end."""
    planner = Planner(fp32_bundle, threads=1)
    held = PlayedNote(1, PIANO, 60, 80, 0.0, None, 0, None, is_human=False)
    line = (VoiceLimits(parse_part("piano:polyphony=1")),)
    ask = Ask(10, 200, (PIANO,), limits=line)
    for note, is_silent in ((held, True), (replace(held, duration=24), False)):
        planner.attend([note], frame_of(), 30)
        planner.drop()
        while not planner.is_full(ask):
            planner.step(ask)
        assert (planner.plan == ()) == is_silent
