"""Compose: scores in, scores out. For now `continue`."""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sideman import __version__
from sideman.bundle import Bundle, load_bundle
from sideman.engine.generate import Stop, generate
from sideman.engine.sampling import DEFAULT_SAMPLING, Sampling
from sideman.engine.session import Session
from sideman.errors import EngineError, PromptTooLong
from sideman.files import refuse_existing
from sideman.score.edit import append_score, drop_empty_parts
from sideman.score.midi import read_midi, write_midi
from sideman.score.time import resample
from sideman.score.types import TPQ, Score
from sideman.tokens.codec import Layout, events_to_grid, grid_to_events
from sideman.tokens.controls import measure_controls
from sideman.tokens.grammar import Limits
from sideman.tokens.grid import Grid, from_grid, join, slice_bars, take_parts, to_grid
from sideman.tokens.vocabulary import (
    BAR_TICKS_OF,
    FIRST_DRUM,
    FIRST_KIT,
    N_PARTS,
    TEMPO_BINS,
    Events,
    Extent,
    Kind,
    Task,
)

PROMPT_SHARE = 0.6
"""Share of the context that a prompt may fill; the rest is for what is written."""

RANGE_MARGIN = 5
"""Semitones that a part may go beyond the range it has played: a fourth."""

KIT_PIECES = range(35, 60)
"""Drum pieces every kit may play: from kick to ride (General MIDI percussion key map)."""

MAX_TPQ = 32_767
"""Largest division of a Standard MIDI File (SMF 1.0, header chunk)."""


@dataclass(frozen=True, slots=True)
class Take:
    """One continuation.

    Attributes:
        score: The music, prompt first unless only the new part was wanted.
        first_bar: Bar at which the new part begins in `score`, counted from 0.
        n_bars: Bars written.
        n_notes: Notes written.
        stop: Why it ended.
        bits_per_note: How surprising it was to the model, within what was allowed.
    """

    score: Score
    first_bar: int
    n_bars: int
    n_notes: int
    stop: Stop
    bits_per_note: float


@dataclass(frozen=True, slots=True)
class TakeReport:
    """One continuation written to a file; people read `stopped`."""

    path: Path
    n_bars: int
    n_notes: int
    stopped: str


def continue_score(
    score: Score,
    bundle: Bundle,
    *,
    n_bars: int = 8,
    n_takes: int = 1,
    seed: int = 0,
    sampling: Sampling = DEFAULT_SAMPLING,
    prompt_bars: int = 16,
    only_new: bool = False,
    threads: int = 0,
) -> list[Take]:
    """Write what might come after a score, from the bar after its last onset.

    Metre, tempo and parts of the last bar hold on, and parts stay near the range they have
    played. The model hears the last `prompt_bars`
    bars, fewer if they are too dense for its context.

    Raises:
        PromptTooLong: If not even the last bar fits the context.
        EngineError: If the score has no note.
    """
    score = drop_empty_parts(score)
    if len(score.notes) == 0:
        msg = "the prompt has no note; there is nothing to continue"
        raise EngineError(msg)
    grid, _ = to_grid(score)
    n_played = int(grid.notes["bar"].max()) + 1
    grid = slice_bars(grid, 0, n_played)
    wish = _Wish(n_bars, n_takes, seed, sampling, prompt_bars, threads)
    drafts = _drafts(grid, bundle, wish)
    return [_assembled(score, grid, draft, only_new=only_new) for draft in drafts]


def continue_file(
    prompt: Path,
    out: Path,
    *,
    bars: int = 8,
    takes: int = 1,
    seed: int = 0,
    sampling: Sampling = DEFAULT_SAMPLING,
    prompt_bars: int = 16,
    only_new: bool = False,
    bundle: Path | None = None,
    force: bool = False,
) -> list[TakeReport]:
    """Continue a MIDI file; several takes go to `out` with -1, -2, … before its suffix.

    Each file carries its recipe: bundle, prompt, seed and settings.

    Raises:
        MidiFileError: If the prompt cannot be read.
        OutputExists: If a file to write exists and `force` is not given; nothing is written.
    """
    paths = [out] if takes == 1 else [_numbered(out, number + 1) for number in range(takes)]
    for path in paths:
        refuse_existing(path, force=force)
    score, model = read_midi(prompt), load_bundle(bundle)
    made = continue_score(
        score,
        model,
        n_bars=bars,
        n_takes=takes,
        seed=seed,
        sampling=sampling,
        prompt_bars=prompt_bars,
        only_new=only_new,
    )
    recipe = {
        "sideman": __version__,
        "task": "continue",
        "bundle": model.name,
        "bundle_hash": model.hash,
        "prompt": prompt.name,
        "prompt_sha256": hashlib.sha256(prompt.read_bytes()).hexdigest(),
        "bars": bars,
        "prompt_bars": prompt_bars,
        "seed": seed,
        **asdict(sampling),
    }
    reports = []
    for number, (path, take) in enumerate(zip(paths, made, strict=True)):
        said = {**recipe, "take": number, "first_new_bar": take.first_bar + 1}
        write_midi(take.score, path, recipe=json.dumps(said), force=force)
        reports.append(TakeReport(path, take.n_bars, take.n_notes, take.stop.value))
    return reports


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}-{number}{path.suffix}")


# ------------------------------------------------------------------ the prompt


@dataclass(frozen=True, slots=True, eq=False)
class _Prompt:
    """What the model hears.

    Attributes:
        events: Shape (T, N_COLUMNS).
        n_bars: Bars in them.
        parts: For each part the model hears, its number in the score.
        is_flat: All notes have one velocity, so none is said.
    """

    events: Events
    n_bars: int
    parts: NDArray[np.int64]
    is_flat: bool


def _prompt(grid: Grid, prompt_bars: int, bundle: Bundle) -> _Prompt:
    """Return the last bars of a grid as a prompt, as many as are wanted and fit.

    Raises:
        PromptTooLong: If not even the last bar fits.
    """
    room = int(PROMPT_SHARE * int(bundle.card["network"]["context"]))
    for n_bars in range(min(prompt_bars, grid.n_bars), 0, -1):
        heard = slice_bars(grid, grid.n_bars - n_bars, grid.n_bars)
        prompt = _spelled(heard)
        if len(prompt.events) <= room and len(heard.notes):
            return prompt
    msg = f"the last bar has more than the {room} events that fit beside what is to be written"
    raise PromptTooLong(msg)


def _spelled(grid: Grid) -> _Prompt:
    """Spell a grid as the middle of a piece that goes on."""
    parts = np.unique(grid.notes["part"]).astype(np.int64)
    heard = take_parts(grid, parts)
    velocities = heard.notes["velocity"]
    is_flat = len(velocities) > 0 and bool((velocities == velocities[0]).all())
    layout = Layout(
        task=Task.CONTINUE,
        extent=Extent.MIDDLE,
        key=grid.key,
        controls=measure_controls(heard),
        unspecified_velocity=np.full(len(velocities), is_flat),
    )
    return _Prompt(grid_to_events(heard, layout), grid.n_bars, parts, is_flat)


# ----------------------------------------------------------------- the writing


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is asked for; see `continue_score`."""

    n_bars: int
    n_takes: int
    seed: int
    sampling: Sampling
    prompt_bars: int
    threads: int


@dataclass(slots=True)
class _Draft:
    """A take on its way: the piece so far, in the score's own part numbers."""

    grid: Grid
    rng: np.random.Generator
    n_written: int = 0
    nats: float = 0.0
    stop: Stop = Stop.CONTEXT


def _drafts(grid: Grid, bundle: Bundle, wish: _Wish) -> list[_Draft]:
    """Write takes behind a grid, side by side as long as the context lasts, then one by one."""
    drafts = [_Draft(grid, np.random.default_rng((wish.seed, n))) for n in range(wish.n_takes)]
    _write(drafts, bundle, wish)
    for draft in drafts:
        while draft.stop is Stop.CONTEXT:
            _write([draft], bundle, wish)
    return drafts


def _write(drafts: Sequence[_Draft], bundle: Bundle, wish: _Wish) -> None:
    """Go on with drafts that are alike so far; each grows by whole bars."""
    prompt = _prompt(drafts[0].grid, wish.prompt_bars, bundle)
    session = Session(bundle, n_takes=len(drafts), threads=wish.threads)
    session.append(prompt.events)
    events: list[list[Events]] = [[] for _ in drafts]
    for written in generate(
        session,
        n_bars=wish.n_bars - drafts[0].n_written,
        rngs=[draft.rng for draft in drafts],
        sampling=wish.sampling,
        limits=_held_limits(drafts[0].grid, prompt.parts),
        is_flat=prompt.is_flat,
    ):
        draft = drafts[written.take]
        if written.stop is not None:
            draft.stop = written.stop
        elif written.event is not None:
            events[written.take].append(written.event)
            draft.nats -= written.log_prob
    for draft, new in zip(drafts, events, strict=True):
        _take_in(draft, prompt, np.stack(new))


def _held_limits(grid: Grid, parts: NDArray[np.int64]) -> Limits:
    """Return limits that hold metre, tempo, parts, ranges, and chords where there are none."""
    kinds = np.ones(len(Kind), bool)
    kinds[Kind.PART] = False
    kinds[Kind.CHORD] = len(grid.chords) > 0
    last = grid.bars[-1]
    return Limits(
        kinds=kinds,
        pitches=_ranges(grid, parts),
        time_signatures=np.arange(len(BAR_TICKS_OF)) == last["time_signature"],
        tempos=np.arange(TEMPO_BINS) == last["tempo"],
    )


def _ranges(grid: Grid, parts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which pitch values each part may play, shape (N_PARTS, pitches).

    A pitched part keeps to what it has played and `RANGE_MARGIN` semitones beyond; drums to
    the pieces they have played and those of `KIT_PIECES`.
    """
    ranges = np.zeros((N_PARTS, 2 * FIRST_DRUM), bool)
    for number, part in enumerate(parts):
        played = grid.notes["pitch"][grid.notes["part"] == part].astype(np.int64)
        if grid.programs[part] >= FIRST_KIT:
            ranges[number, played] = True
            ranges[number, FIRST_DRUM + np.array(KIT_PIECES)] = True
        else:
            low = max(int(played.min()) - RANGE_MARGIN, 0)
            ranges[number, low : int(played.max()) + RANGE_MARGIN + 1] = True
    return ranges


def _take_in(draft: _Draft, prompt: _Prompt, new: Events) -> None:
    """Add the full bars of new events to a draft; a bar that was cut is left out."""
    grid, _ = events_to_grid(np.concatenate([prompt.events, new]))
    end = grid.n_bars - (draft.stop is Stop.CONTEXT)
    fresh = slice_bars(grid, prompt.n_bars, end)
    fresh.notes["part"] = prompt.parts[fresh.notes["part"]]
    if prompt.is_flat:
        fresh.notes["velocity"] = draft.grid.notes["velocity"][-1]
    draft.n_written += fresh.n_bars
    draft.grid = join(draft.grid, fresh)


def _assembled(score: Score, grid: Grid, draft: _Draft, *, only_new: bool) -> Take:
    """Return a take with the new bars of a draft behind the score it continues."""
    fresh = slice_bars(draft.grid, grid.n_bars, draft.grid.n_bars)
    tail = from_grid(fresh)
    at = int(grid.bar_starts()[-1])
    if only_new:
        whole = tail
    else:
        tpq = math.lcm(score.tpq, TPQ) if math.lcm(score.tpq, TPQ) <= MAX_TPQ else TPQ
        held = replace(
            tail,
            tempos=tail.tempos[:0],
            time_signatures=tail.time_signatures[:0],
            keys=tail.keys[:0],
        )
        whole = append_score(resample(score, tpq), resample(held, tpq), at * tpq // TPQ)
    return Take(
        score=whole,
        first_bar=0 if only_new else grid.n_bars,
        n_bars=draft.n_written,
        n_notes=len(fresh.notes),
        stop=draft.stop,
        bits_per_note=draft.nats / math.log(2) / max(len(fresh.notes), 1),
    )


def _behind(score: Score, tail: Score, at: int) -> Score:
    """Return a score with new notes from tick `at` on (of `TPQ`), in ticks that hold both.

    Tempo, metre and key of the score hold on: the tail says none of its own.
    """
    tpq = math.lcm(score.tpq, TPQ)
    if tpq > MAX_TPQ:
        tpq = TPQ
    silent = replace(
        tail,
        tempos=tail.tempos[:0],
        time_signatures=tail.time_signatures[:0],
        keys=tail.keys[:0],
    )
    return append_score(resample(score, tpq), resample(silent, tpq), at * tpq // TPQ)
