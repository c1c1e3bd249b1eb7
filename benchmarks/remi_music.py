"""The same music in two languages: our events, and MidiTok's flat REMI.

Both spell one grid, from which is taken what only one of them can say: parts of one program are
joined, all drums play the standard kit, chords and key are left out, and a velocity that says
nothing becomes the one it sounds as. Pieces whose beats are not quarters are left out: there
REMI's grid, so many positions a beat, is another than ours. What is left both code exactly:

    what         values                                       ours              REMI
    onset        24 to a quarter, by bar                      BAR, beat, tick   Bar, Position
    duration     165 lengths up to 64 quarters                NOTE              Duration
    pitch        128, and 128 drum pieces                     NOTE              Pitch, PitchDrum
    velocity     32                                           NOTE              Velocity
    instrument   128 programs and drums                       NOTE, PART        Program
    tempo        121 from 15 to 480 quarters a minute         BAR               Tempo at changes
    metre        quarters, 1 to 12 of them                    BAR               TimeSig
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from miditok import REMI, TokenizerConfig
from numpy.typing import NDArray
from symusic.core import NoteTickList, ScoreTick, TempoTick, TimeSignatureTick, TrackTick

from sideman.score.types import TPQ, Part, Score
from sideman.tokens.codec import Layout, events_to_grid, grid_to_events
from sideman.tokens.grid import Grid, from_grid, slice_bars, take_parts, to_grid
from sideman.tokens.vocabulary import (
    DENOMINATOR_OF,
    FIRST_KIT,
    NUMERATOR_OF,
    TEMPO_BINS,
    Events,
    Extent,
    Task,
    bin_to_tempo,
    tempo_to_bin,
    velocity_to_bin,
)

Ids = NDArray[np.int64]
"""Token ids, shape (T,)."""

MOST_QUARTERS = 12
"""Longest bar of a piece that is taken."""

REMI_CONFIG = {
    "pitch_range": (0, 127),
    "drums_pitch_range": (0, 127),
    "beat_res": {(0, 4): TPQ, (4, 8): 4, (8, 16): 2, (16, 64): 1},
    "num_velocities": 32,
    "use_programs": True,
    "one_token_stream_for_programs": True,
    "use_tempos": True,
    "num_tempos": TEMPO_BINS,
    "tempo_range": tuple(bin_to_tempo([0, TEMPO_BINS - 1]).tolist()),
    "log_tempos": True,
    "use_time_signatures": True,
    "time_signature_range": {4: list(range(1, MOST_QUARTERS + 1))},
}
"""REMI with our values; only above 32 quarters it has more lengths than we have."""

BEGINNING = "BOS_None"
N_REMI_HEAD = 3
"""Tokens that a stretch has more than its bars in the piece: beginning, position, tempo."""

FEWEST_NOTES = 32
"""Fewest notes of a stretch that is measured."""


class Remi:
    """MidiTok's REMI, and what of a grid it gives back."""

    def __init__(self) -> None:
        self.tokenizer = REMI(TokenizerConfig(**REMI_CONFIG))
        vocabulary: dict[str, int] = self.tokenizer.vocab
        self.size = len(vocabulary)
        self.beginning, self.bar = vocabulary[BEGINNING], vocabulary["Bar_None"]
        self.is_note = np.zeros(self.size, bool)
        self.is_note[[i for token, i in vocabulary.items() if token.startswith("Pitch")]] = True

    def spell(self, grid: Grid) -> Ids:
        """Return the tokens of a grid."""
        return np.array(self.tokenizer.encode(_to_symusic(grid)).ids, np.int64)

    def says_all(self, grid: Grid, ids: Ids) -> bool:
        """Tell whether tokens decode to the very notes, tempos and metres of a grid."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            decoded = self.tokenizer.decode(ids.tolist())
        return _content(decoded) == _content(_to_symusic(grid))


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some bars from the middle of a piece, in both languages.

    Attributes:
        events: Ours, with `START`, shape (T, columns).
        ids: REMI's, without a token for the beginning, shape (U,).
        n_notes: Notes in it.
    """

    events: Events
    ids: Ids
    n_notes: int


def plain(events: Events) -> Grid | None:
    """Return what both languages can say of a piece; None if its beats are not quarters."""
    grid, _ = events_to_grid(events)
    metres = grid.bars["time_signature"]
    fits = (DENOMINATOR_OF[metres] == 4) & (NUMERATOR_OF[metres] <= MOST_QUARTERS)
    if not fits.all() or len(grid.notes) == 0:
        return None
    programs, part = np.unique(np.minimum(grid.programs, FIRST_KIT), return_inverse=True)
    score = from_grid(grid)
    notes = score.notes.copy()
    notes["part"] = part[notes["part"]]
    parts = tuple(
        Part(0 if value == FIRST_KIT else int(value), is_drum=bool(value == FIRST_KIT))
        for value in programs
    )
    joined = Score(
        notes=notes, parts=parts, tempos=score.tempos, time_signatures=score.time_signatures
    )
    return to_grid(joined)[0]


def training_stretches(grid: Grid, remi: Remi, ids: Ids, n_tokens: int) -> Iterator[Ids]:
    """Cut a piece into stretches of whole bars, each of at least `n_tokens` but the last.

    Each is spelled by itself, so that it begins with its tempo.
    """
    bar_at = np.flatnonzero(ids == remi.bar)
    first = 0
    while first < len(bar_at):
        end = int(np.searchsorted(bar_at, bar_at[first] + n_tokens))
        yield remi.spell(slice_bars(grid, first, end))
        first = end


def measured_stretch(
    grid: Grid, remi: Remi, rng: np.random.Generator, *, context: int, fits_remi: bool
) -> Stretch | None:
    """Return bars from inside a piece, neither its first nor its last among them.

    There are as many as fit a context of REMI's tokens, or of our events; they begin anywhere.
    None if they have too few notes.
    """
    if fits_remi:
        sizes = np.diff(np.flatnonzero(remi.spell(grid) == remi.bar))[1:]
        room = context - N_REMI_HEAD
    else:
        sizes = np.bincount(grid.notes["bar"], minlength=grid.n_bars)[1:-1] + 1
        room = context - 1 - len(grid.programs)
    from_here = np.cumsum(sizes[::-1])[::-1]
    first = int(rng.integers(max(int(np.searchsorted(-from_here, -room)), 1)))
    n_bars = int(np.searchsorted(np.cumsum(sizes[first:]), room, side="right"))
    if n_bars == 0:
        return None
    stretch = _spell_both(slice_bars(grid, 1 + first, 1 + first + n_bars), remi)
    return stretch if stretch.n_notes >= FEWEST_NOTES else None


def _spell_both(grid: Grid, remi: Remi) -> Stretch:
    grid = take_parts(grid, np.unique(grid.notes["part"]).astype(np.int64))
    layout = Layout(task=Task.CONTINUE, extent=Extent.MIDDLE)
    return Stretch(grid_to_events(grid, layout), remi.spell(grid), len(grid.notes))


def _to_symusic(grid: Grid) -> ScoreTick:
    score = from_grid(grid)
    found = ScoreTick(score.tpq)
    for index, part in enumerate(score.parts):
        notes = score.notes[score.notes["part"] == index]
        track = TrackTick("", part.program, part.is_drum)
        track.notes = NoteTickList.from_numpy(
            notes["onset"].astype(np.int32),
            notes["duration"].astype(np.int32),
            notes["pitch"].astype(np.int8),
            notes["velocity"].astype(np.int8),
        )
        found.tracks.append(track)
    for onset, tempo_bpm in score.tempos.tolist():
        found.tempos.append(TempoTick(onset, qpm=tempo_bpm))
    for onset, numerator, denominator in score.time_signatures.tolist():
        found.time_signatures.append(TimeSignatureTick(onset, numerator, denominator))
    return found


def _content(score: ScoreTick) -> tuple[object, ...]:
    """Return notes, tempos and metres, sorted, with velocities and tempos as bins."""
    notes = sorted(
        (
            track.program * (not track.is_drum),
            track.is_drum,
            note.time,
            note.pitch,
            note.duration,
            int(velocity_to_bin(note.velocity)),
        )
        for track in score.tracks
        for note in track.notes
    )
    tempos = [(tempo.time, int(tempo_to_bin(tempo.qpm))) for tempo in score.tempos]
    metres = [(t.time, t.numerator, t.denominator) for t in score.time_signatures]
    return notes, tempos, metres
