"""Continue held-out pieces of many styles; write notes, sound and pictures to look at.

    .venv/bin/python scripts/samples.py PACK OUT [--bundle PATH] [--only NAME …]

PACK is the folder of openly licensed MIDI that the bundled model learned from; the pieces below
are of its test and validation splits, which it never saw.
"""

import argparse
from pathlib import Path

from sideman.audio.render import render_file
from sideman.bundle import load_bundle
from sideman.engine.compose import continue_
from sideman.engine.fill import Wish
from sideman.roll import roll_file
from sideman.score.edit import slice_bars
from sideman.score.midi import read_midi, write_midi
from sideman.score.time import bar_starts

PROMPTS = {
    "chorale": "jsb-chorales/test/003.mid",
    "hymn": "openhymnal/Lord_Enthroned_In_Heavenly_Splendor-Bryn_Calfaria.mid",
    "art-song": (
        "openscore-lieder/Reichardt__Louise/12_Gesange__Op.3/1_Fruhlingsblumen/lc5001965.mid"
    ),
    "string-quartet": (
        "openscore-quartets/Saint-Georges__Joseph_Bologne/"
        "String_Quartet_in_G_minor__Op.1_No.5/sq8438999.mid"
    ),
    "mazurka": "polish-scores/pl-wnifc/pl-wnifc--6439-n--011_anonim--mazur-no-11.mid",
    "fiddle-tune": "folk-abc/airdsAirs/book1_103.mid",
    "pop": "pop909/013/013.mid",
    "rock": "freedoom/d_e1m5.mid",
    "jazz-band": "band-synth/jazz/471_Joshua_Fit_the_Battle_of_Jericho__JazzGuitar.mid",
    "house": "band-synth/electronic/126_Tell_Me_Why__LatinHouse.mid",
}
PROMPT_BARS = 8
NEW_BARS = 8


def main() -> None:
    """Make the samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--bundle", type=Path, default=None)
    parser.add_argument("--only", nargs="*", default=list(PROMPTS))
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    bundle = load_bundle(args.bundle)
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.only:
        score = read_midi(args.pack / PROMPTS[name])
        n_bars = len(bar_starts(score)) - 1
        first = min(max((n_bars - PROMPT_BARS - NEW_BARS) // 2, 0), 8)
        prompt = slice_bars(score, first, first + PROMPT_BARS)
        take = continue_(prompt, bundle, n_bars=NEW_BARS, wish=Wish(seed=args.seed))[0]
        midi = args.out / f"{name}.mid"
        write_midi(take.score, midi, force=True)
        render_file(midi, midi.with_suffix(".ogg"), force=True)
        roll_file(midi, midi.with_suffix(".png"), split_bar=take.first_bar + 1, force=True)
        bits = f"{take.bits_per_note:.2f} bits a note"
        print(f"{midi}: {take.n_bars} bars, {take.n_notes} notes, {bits}")


if __name__ == "__main__":
    main()
