"""Rehearsals: what a model that is still learning plays, to be heard while it learns."""

from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory

from sideman.engine.compose import Take, compose, continue_
from sideman.engine.fill import Wish
from sideman.errors import AudioError, MissingExtra
from sideman.model.export import export_bundle
from sideman.roll import roll_file
from sideman.score.edit import slice_bars
from sideman.score.midi import read_midi, write_midi
from sideman.score.types import Part

N_BARS = 8
BAND = (Part(0, is_drum=True), Part(33), Part(4), Part(73))
"""Drums, fingered bass, electric piano and flute."""


def rehearse(checkpoint: Path, out: Path) -> list[Path]:
    """Let a checkpoint continue the example piece and write one for a band of its own.

    Args:
        checkpoint: A file written by training.
        out: Folder for the MIDI files, their piano rolls, and their sound if the extra
            `audio` is installed; what is there of the same name is replaced.

    Returns:
        The MIDI files.
    """
    out.mkdir(parents=True, exist_ok=True)
    example = resources.files("sideman") / "examples" / "prompt.mid"
    with TemporaryDirectory(prefix="sideman-") as folder, resources.as_file(example) as path:
        bundle = export_bundle(checkpoint, Path(folder, "bundle"))
        prompt = slice_bars(read_midi(path), 0, N_BARS)
        wish = Wish(seed=0)
        (continued,) = continue_(prompt, bundle, n_bars=N_BARS, wish=wish)
        (composed,) = compose(list(BAND), bundle, n_bars=N_BARS, wish=wish)
    return [_leave(continued, out / "continue.mid"), _leave(composed, out / "compose.mid")]


def _leave(take: Take, midi: Path) -> Path:
    write_midi(take.score, midi, force=True)
    split = take.first_bar + 1 if take.first_bar else None
    roll_file(midi, midi.with_suffix(".png"), split_bar=split, force=True)
    try:
        from sideman.audio.render import render_file  # noqa: PLC0415 -- an extra

        render_file(midi, midi.with_suffix(".ogg"), force=True)
    except (AudioError, MissingExtra):
        pass  # seen and not heard
    return midi
