"""Let the simulated player play with Sideman; write sessions as notes, sound and pictures.

    .venv/bin/python scripts/live-samples.py PACK OUT [--bundle PATH] [--only NAME …]

PACK is the folder of openly licensed MIDI that the bundled model learned from; the tunes below
are of its test split, which it never saw. What `docs/live.md` shows is `OUT` = `docs`: notes
and sound in `OUT/samples/live`, pictures in `OUT/images/live`. Sessions are in virtual time, in
which each thought takes `THOUGHT_S`, so they come out the same every time.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sideman.audio.render import render_file
from sideman.bundle import Bundle, load_bundle
from sideman.live.improviser import Improviser
from sideman.live.planner import Planner
from sideman.live.player import perform, phrases_of
from sideman.live.preset import Preset, read_preset
from sideman.live.recording import Header
from sideman.live.scheduler import Scheduler
from sideman.live.settings import settings_texts, with_settings
from sideman.live.timeline import Timeline
from sideman.live.transcript import metre_of, to_score
from sideman.live.virtual import Script, rehearse, steady
from sideman.live.voices import voice_text
from sideman.roll import roll_png
from sideman.score.edit import slice_bars
from sideman.score.midi import read_midi, write_midi
from sideman.score.types import Score

THOUGHT_S = 0.006
"""About what an event of `base` takes on a laptop."""

PICTURE_WIDTH = 1000


@dataclass(frozen=True, slots=True)
class Sample:
    """A tune that is played with a preset.

    Attributes:
        preset: Name of the preset.
        tune: In the pack.
        phrase_bars: Bars the player plays at a time.
        rest_bars: Bars it waits after each.
        n_phrases: Phrases it plays.
        n_bars: Bars that are kept.
        settings: What is set otherwise than in the preset.
    """

    preset: str
    tune: str
    phrase_bars: int
    rest_bars: int
    n_phrases: int
    n_bars: int
    settings: Mapping[str, str] = field(default_factory=dict)


TRADITIONAL = "openewld-pd/_Traditional_"

SAMPLES = {
    "trading-fours": Sample(
        preset="trading-fours",
        tune=f"{TRADITIONAL}/Joshua_Fit_the_Battle_of_Jericho/"
        "Joshua_Fit_the_Battle_of_Jericho.mid",
        phrase_bars=4,
        rest_bars=4,
        n_phrases=3,
        n_bars=24,
        settings={"quantise": "16"},
    ),
    "jazz-trio": Sample(
        preset="jazz-trio",
        tune=f"{TRADITIONAL}/Banks_of_the_Ohio/Banks_of_the_Ohio.mid",
        phrase_bars=8,
        rest_bars=0,
        n_phrases=2,
        n_bars=16,
        settings={
            "chords": "C | C | C | G7 | G7 | G7 | G7 | C | C | C7 | C7 | F | F | C | G7 | C",
            "quantise": "8t",
        },
    ),
}


def play(sample: Sample, pack: Path, bundle: Bundle) -> Score:
    """Return what the player and Sideman play together."""
    preset: Preset = read_preset(sample.preset)
    settings = with_settings(preset.settings, sample.settings)
    tune = read_midi(pack / sample.tune)
    phrases = phrases_of(
        tune, n_bars=sample.phrase_bars, part=0, tempo_bpm=settings.tempo, seed=1
    )[: sample.n_phrases]
    header = Header(
        bundle=bundle.name,
        bundle_hash=bundle.hash,
        voices=tuple(map(voice_text, preset.voices)),
        settings=settings_texts(settings),
    )
    improviser = Improviser(
        Planner(bundle, threads=1, seed=settings.seed),
        Timeline(settings.tempo, metre_of(settings)),
        settings,
        preset.voices,
        seed=settings.seed,
    )
    length_s = sum(phrase.length_s for phrase in phrases)
    until_s = length_s * (1 + sample.rest_bars / sample.phrase_bars)
    records = rehearse(
        improviser,
        Scheduler(),
        Script(perform(phrases, rest_bars=sample.rest_bars)),
        until_s=until_s,
        lap=steady(THOUGHT_S),
    )
    return slice_bars(to_score(header, records), 0, sample.n_bars)


def write(name: str, score: Score, out: Path) -> None:
    """Write notes, sound and picture of a session."""
    samples, images = out / "samples" / "live", out / "images" / "live"
    for folder in (samples, images):
        folder.mkdir(parents=True, exist_ok=True)
    midi = samples / f"{name}.mid"
    write_midi(score, midi, force=True)
    render_file(midi, midi.with_suffix(".ogg"), force=True)
    is_human = score.notes["part"] == 0
    human = score.with_notes(score.notes.compress(is_human))
    roll_png(score, images / f"{name}.png", before=human, width=PICTURE_WIDTH)
    n_human = np.count_nonzero(is_human)
    print(f"{name}: {n_human} notes of the player, {len(score.notes) - n_human} of Sideman")


def main() -> None:
    """Write the samples that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--bundle", type=Path, default=None)
    parser.add_argument("--only", nargs="*", default=list(SAMPLES), choices=list(SAMPLES))
    asked = parser.parse_args()
    bundle = load_bundle(asked.bundle)
    for name in asked.only:
        write(name, play(SAMPLES[name], asked.pack, bundle), asked.out)


if __name__ == "__main__":
    main()
