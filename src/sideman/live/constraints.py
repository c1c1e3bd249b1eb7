"""Constraints: what a plan is held to, made of the settings and of what was played."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sideman.analysis.keys import find_key, pitched_notes
from sideman.engine.bounds import CHORD_ROLES, KIT_PIECES, Bounds, Keeper
from sideman.engine.parts import PartWish
from sideman.engine.pitches import Scale
from sideman.engine.rhythm import length_mask
from sideman.engine.sampling import DEFAULT_SAMPLING, Sampling
from sideman.engine.wishes import Span
from sideman.live.frame import Frame, score_of
from sideman.live.memory import PlayedNote
from sideman.live.settings import Settings
from sideman.score.general_midi import PITCH_RANGES
from sideman.score.harmony import N_PITCH_CLASSES
from sideman.score.time import SECONDS_PER_MINUTE
from sideman.score.types import TPQ
from sideman.tokens.controls import DENSITY_STEPS
from sideman.tokens.grid import Grid
from sideman.tokens.vocabulary import (
    BAR_TICKS_OF,
    BEAT_TICKS_OF,
    FIRST_DRUM,
    MAX_DURATION,
    N_PARTS,
)

CHORD_NOTES = (3, 6)
"""Fewest and most notes at a time of a voice that plays chords only."""

SURE_KEY = 0.5
"""Confidence from which on a key that was found is kept to; below, all notes may sound."""

FEWEST_NOTES_OF_A_KEY = 8
"""Pitched notes that a key is found in; of fewer the confidence says little."""

RECENT_BARS = 2
"""Bars back in which register and density of the human are measured."""

SHARED_NOTES_PER_QUARTER = 4.0
"""Notes a quarter that human and machine together may come to where one complements the other:
sixteenths, a texture that is filled but not crowded."""

FEWEST_NOTES_PER_QUARTER = 0.5
"""Notes a quarter that a voice which complements may play however much the human plays."""


@dataclass(frozen=True, slots=True)
class VoiceLimits:
    """What a voice is held to, whatever the model would rather do.

    Attributes:
        wish: Instrument, range, notes at a time, lengths and velocities.
        avoided: Lowest and highest of the MIDI notes it keeps out of.
        keeps_chords: Whether it plays chord tones alone where the frame has chords.
        notes_per_quarter: Most notes that begin in a bar, for each of its quarters; at least
            one chord's, or one, may begin in each bar.
    """

    wish: PartWish
    avoided: Span | None = None
    keeps_chords: bool = False
    notes_per_quarter: float | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """What a plan shall be.

    Attributes:
        begin: No note begins before this tick.
        end: No note begins at this tick or later.
        voices: Numbers of the voices that may play.
        begin_by: The first note begins by this tick, if anything lets it; None: it need not.
        limits: What each of `voices` is held to, in their order. None: its part in the frame.
        scale: The notes that pitched voices may play; None: all.
        is_nudged: Notes beside the scale move to the nearest of it, rather than never being
            chosen.
        grid: Ticks between the places, from the bar line on, where notes may begin.
        sampling: How values are drawn.
        learn: How much what was learned weighs beside the model, 0 to 1.
    """

    begin: int
    end: int
    voices: tuple[int, ...]
    begin_by: int | None = None
    limits: tuple[VoiceLimits, ...] | None = None
    scale: Scale | None = None
    is_nudged: bool = False
    grid: int = 1
    sampling: Sampling = DEFAULT_SAMPLING
    learn: float = 0.0


# ----------------------------------------------------------------- what settings ask for


def ask_for(
    settings: Settings,
    frame: Frame,
    notes: Sequence[PlayedNote],
    *,
    voices: Sequence[int],
    begin: int,
    end: int,
    begin_by: int | None = None,
) -> Ask:
    """Return what is asked of a plan.

    Args:
        settings: What the player has turned.
        frame: What is said beside the notes.
        notes: What is remembered.
        voices: Those that might play; the role that is set may leave some of them out, or all.
        begin: As in `Ask`, as are the others.
        end: See there.
        begin_by: See there.
    """
    heard = [note for note in notes if note.is_human]
    playing = tuple(voice for voice in voices if _plays(frame.parts[voice], settings.role))
    bar = frame.bar_of(begin)
    since = max(frame.bar_start(bar - RECENT_BARS), frame.onset)
    recent = [note for note in heard if since <= note.onset < begin]
    longest = settings.max_note * frame.tempo_bpm(bar) * TPQ / SECONDS_PER_MINUTE
    most = _notes_per_quarter(settings, len(recent) * TPQ / max(begin - since, 1))
    limits = tuple(
        VoiceLimits(
            wish=_held_to(frame.parts[voice], settings.role, int(longest)),
            avoided=_register(frame, recent) if settings.avoid_register else None,
            keeps_chords=settings.role == "chords" or frame.parts[voice].role in CHORD_ROLES,
            notes_per_quarter=most,
        )
        for voice in playing
    )
    return Ask(
        begin=begin,
        end=end,
        voices=playing,
        begin_by=begin_by,
        limits=limits,
        scale=found_scale(frame, heard) if settings.key == "found" else settings.scale,
        is_nudged=settings.key_hold == "nudge",
        grid=settings.grid if settings.quantise_strength == FULL_STRENGTH else 1,
        sampling=settings.sampling,
        learn=settings.learn,
    )


def found_scale(frame: Frame, notes: Sequence[PlayedNote]) -> Scale | None:
    """Return the key that notes are most likely in; None if that is anybody's guess."""
    score = score_of(frame, notes)
    if len(pitched_notes(score)) < FEWEST_NOTES_OF_A_KEY:
        return None
    found = find_key(score)
    if found is None or found.confidence < SURE_KEY:
        return None
    return Scale(found.tonic, "minor" if found.is_minor else "major")


FULL_STRENGTH = 100.0
"""Strength of quantisation at which nothing is planned beside the grid. Below it notes are
planned freely, and moved as they are played."""


def _plays(part: PartWish, role: str) -> bool:
    """Return whether a voice may play where a role is all that is wanted."""
    return role == "all" or part.is_drum == (role == "drums")


def _held_to(part: PartWish, role: str, longest: int) -> PartWish:
    """Return what is wished of a voice, with the role and the longest note that are set."""
    shortest, longest_wished = part.lengths or (1, MAX_DURATION)
    lengths = (shortest, max(min(longest_wished, longest), 1))
    if not length_mask(lengths).any():
        lengths = (1, lengths[1])
    polyphony = part.polyphony
    if role == "line":
        polyphony = (1, 1)
    elif role == "chords":
        _, most = polyphony or CHORD_NOTES
        polyphony = (CHORD_NOTES[0], max(most, CHORD_NOTES[0]))
    return replace(part, lengths=lengths, polyphony=polyphony)


def _notes_per_quarter(settings: Settings, heard: float) -> float | None:
    """Return how many notes a quarter a voice may play where the human plays `heard`."""
    most = []
    if 0 < settings.density <= len(DENSITY_STEPS):
        most.append(DENSITY_STEPS[settings.density - 1])
    if settings.complement:
        most.append(max(SHARED_NOTES_PER_QUARTER - heard, FEWEST_NOTES_PER_QUARTER))
    return min(most, default=None)


def _register(frame: Frame, notes: Sequence[PlayedNote]) -> Span | None:
    """Return the lowest and the highest pitch of the notes that are no drums."""
    pitches = [note.pitch for note in notes if not frame.parts[note.voice].is_drum]
    return (min(pitches), max(pitches)) if pitches else None


# ----------------------------------------------------------------- what they come to


def keeper_of(ask: Ask, frame: Frame, grid: Grid, first: int) -> Keeper:
    """Return what keeps a plan within what is asked.

    Args:
        ask: What is asked.
        frame: What is said beside the notes.
        grid: All notes, with bars to the end of the plan.
        first: The first of these bars that is planned.
    """
    limits = dict(zip(ask.voices, ask.limits or _own_limits(ask, frame), strict=True))
    bounds = Bounds(
        parts={voice: of_voice.wish for voice, of_voice in limits.items()},
        scale=ask.scale,
        is_nudged=ask.is_nudged,
        chart_parts=frozenset(v for v, of_voice in limits.items() if of_voice.keeps_chords),
        max_notes={
            (bar, voice): _most_notes(of_voice, frame.bar_ticks(bar))
            for voice, of_voice in limits.items()
            if of_voice.notes_per_quarter is not None
            for bar in range(first, grid.n_bars)
        },
    )
    playable = np.zeros((N_PARTS, 2 * FIRST_DRUM), bool)
    for voice, of_voice in limits.items():
        playable[voice] = _playable(of_voice)
    parts = np.arange(len(frame.parts))
    return Keeper(bounds, grid, parts, [part.role for part in frame.parts], playable)


@lru_cache(maxsize=64)
def places(grid: int, time_signature: int) -> NDArray[np.bool_] | None:
    """Return where in a bar notes may begin, (beats, ticks in a beat); None: anywhere.

    Args:
        grid: Ticks between the places, counted from the bar line.
        time_signature: Value of the vocabulary.
    """
    if grid == 1:
        return None
    mask: NDArray[np.bool_] = np.arange(BAR_TICKS_OF[time_signature]) % grid == 0
    return mask.reshape(-1, BEAT_TICKS_OF[time_signature])


def _own_limits(ask: Ask, frame: Frame) -> tuple[VoiceLimits, ...]:
    """Return what voices are held to if no more is asked than their parts."""
    parts = [frame.parts[voice] for voice in ask.voices]
    return tuple(VoiceLimits(part, keeps_chords=part.role in CHORD_ROLES) for part in parts)


def _most_notes(limits: VoiceLimits, bar_ticks: int) -> int:
    assert limits.notes_per_quarter is not None
    fewest, _ = limits.wish.polyphony or (1, 1)
    return max(int(limits.notes_per_quarter * bar_ticks / TPQ), fewest)


def _playable(limits: VoiceLimits) -> NDArray[np.bool_]:
    """Return which pitch values a voice may play, shape (pitches,).

    It does not keep out of a register if that would leave it less than an octave.
    """
    allowed = np.zeros(2 * FIRST_DRUM, bool)
    if limits.wish.is_drum:
        allowed[FIRST_DRUM + np.array(KIT_PIECES)] = True
        return allowed
    low, high = limits.wish.range or PITCH_RANGES[limits.wish.program]
    allowed[low : high + 1] = True
    if limits.avoided:
        apart = allowed.copy()
        apart[limits.avoided[0] : limits.avoided[1] + 1] = False
        if apart.sum() >= N_PITCH_CLASSES:
            return apart
    return allowed
