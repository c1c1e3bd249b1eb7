"""Do each task of `sideman` on held-out pieces; write notes, sound and pictures.

    .venv/bin/python scripts/compose-samples.py PACK OUT [--bundle PATH] [--only NAME …]

PACK is the folder of openly licensed MIDI that the bundled model learned from; the pieces below
are of its test split, which it never saw. What `docs/compose.md` shows is `OUT` = `docs`: notes
and sound in `OUT/samples/compose`, pictures in `OUT/images/compose`.
"""

import argparse
import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from sideman.audio.render import render_file
from sideman.cli import run_command
from sideman.roll import roll_file
from sideman.score.edit import slice_bars
from sideman.score.midi import read_midi, write_midi

PICTURE_WIDTH = 1000
OGG_COMPRESSION = 0.85
"""0 is the largest file and 1 the smallest; at this it sounds like a good radio."""

PEAK = 0.7
"""Loudest sample of each sound, so that all can be heard at one setting; 1 is full scale."""

SILENCE = 1e-3
"""A peak below this means that something is wrong."""


@dataclass(frozen=True)
class Sample:
    """A task on some bars of a piece.

    Attributes:
        command: What is typed, without file names and without `sideman`.
        piece: The piece, a path in the pack; "" for a task that needs none.
        first_bar: First bar that is taken, counted from 1.
        n_bars: How many are.
    """

    command: str
    piece: str = ""
    first_bar: int = 1
    n_bars: int = 8


SAMPLES = {
    "compose": Sample(
        "compose --part drums --part bass=33 --part chords=piano --part melody=flute "
        '--key "D minor" --tempo 96'
    ),
    "chart": Sample(
        "compose --part melody=flute --part chords=piano --part bass=33 "
        '--chart "Am | F | C G | E7/G#"'
    ),
    "continue": Sample("continue --bars 8", "openhymnal/Faith_Of_Our_Fathers-St_Catherine.mid"),
    "infill": Sample(
        "infill --bars 5-8",
        "openscore-lieder/Lehmann__Liza/Bird_Songs/4_The_Wren/lc6421815.mid",
        first_bar=13,
        n_bars=12,
    ),
    "accompany": Sample(
        "accompany --part bass=33 --part drums",
        "openewld-pd/_Traditional_/Banks_of_the_Ohio/Banks_of_the_Ohio.mid",
    ),
    "rewrite": Sample(
        "rewrite --part viola",
        "openscore-quartets/Brahms__Johannes/String_Quartet_No.3__Op.67/sq8928855.mid",
    ),
    "vary": Sample("vary --change 30", "chopin-first-editions/064_2-1-BR-002.mid"),
    "harmonise": Sample(
        "harmonise --part 1",
        "openewld-pd/_Traditional_/Banks_of_the_Ohio/Banks_of_the_Ohio.mid",
    ),
    "loop": Sample(
        "loop --bars 4 --part drums --part bass=33 --part chords=5 --part melody=81 "
        '--key "A minor" --chart "Am | F | C | G" --rhythm straight --tempo 124'
    ),
    "arrange": Sample("arrange docs/samples/compose/arrange.toml"),
}


def make(name: str, pack: Path, out: Path, *, bundle: Path | None) -> None:
    """Write the files of a sample."""
    sample = SAMPLES[name]
    notes, pictures = out / "samples" / "compose", out / "images" / "compose"
    for folder in (notes, pictures):
        folder.mkdir(parents=True, exist_ok=True)
    task, *options = shlex.split(sample.command)
    if bundle is not None:
        options += ["--bundle", str(bundle)]
    after = notes / f"{name}.mid"
    before = notes / f"{name}-before.mid" if sample.piece else None
    if before is not None:
        first = sample.first_bar - 1
        piece = read_midi(pack / sample.piece)
        write_midi(slice_bars(piece, first, first + sample.n_bars), before, force=True)
        draw(before, pictures)
        render(before)
        options.insert(0, str(before))
    if run_command([task, *options, str(after), "--force"]):
        raise SystemExit(1)
    draw(after, pictures, before=before)
    render(after)


def draw(midi: Path, folder: Path, *, before: Path | None = None) -> None:
    """Draw a file into a folder."""
    picture = folder / midi.with_suffix(".png").name
    roll_file(midi, picture, before=before, width=PICTURE_WIDTH, force=True)


def render(midi: Path) -> None:
    """Make a file audible beside itself, small, and say how long and loud it is."""
    ogg = midi.with_suffix(".ogg")
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder, "sound.wav")
        render_file(midi, wav)
        sound, rate = soundfile.read(wav, dtype="float32")
    mono = sound.mean(axis=1)
    peak = float(np.abs(mono).max())
    if peak < SILENCE:
        msg = f"{midi} is silent"
        raise SystemExit(msg)
    mono *= PEAK / peak
    soundfile.write(ogg, mono, rate, format="OGG", compression_level=OGG_COMPRESSION)
    mean_db = 10 * np.log10(float(np.square(mono).mean()))
    seconds, size = len(mono) / rate, ogg.stat().st_size / 1024
    print(f"{ogg}: {seconds:.1f} s, mean {mean_db:.1f} dB, {size:.0f} KiB")


def main() -> None:
    """Make the samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--bundle", type=Path, default=None)
    parser.add_argument("--only", nargs="*", default=list(SAMPLES))
    args = parser.parse_args()
    for name in args.only:
        make(name, args.pack, args.out, bundle=args.bundle)


if __name__ == "__main__":
    main()
