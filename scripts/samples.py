"""Continue held-out pieces of many styles, beside their originals: a page to hear and see.

    .venv/bin/python scripts/samples.py PACK OUT [--bundle PATH] [--only NAME …]

PACK is the folder of openly licensed MIDI that the bundled model learned from; the pieces are
of its test and validation splits, which it never saw. One take and one seed: nothing is picked.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from sideman.audio.render import render_file
from sideman.bundle import load_bundle
from sideman.engine.compose import continue_
from sideman.engine.fill import Wish
from sideman.roll import roll_file
from sideman.score.edit import slice_bars
from sideman.score.midi import read_midi, write_midi
from sideman.score.time import bar_starts
from sideman.score.types import Score


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece to continue.

    Attributes:
        title: What it is.
        source: Where it is from, and under what licence.
        path: In the pack.
    """

    title: str
    source: str
    path: str


PIECES = {
    "chorale": Piece(
        "A chorale by J. S. Bach",
        "Boulanger-Lewandowski's split; the music is in the public domain",
        "jsb-chorales/test/003.mid",
    ),
    "hymn": Piece(
        "Lord, Enthroned in Heavenly Splendor (Bryn Calfaria)",
        "Open Hymnal Project, public domain",
        "openhymnal/Lord_Enthroned_In_Heavenly_Splendor-Bryn_Calfaria.mid",
    ),
    "art-song": Piece(
        "Louise Reichardt, Frühlingsblumen (op. 3 no. 1)",
        "OpenScore Lieder, CC0",
        "openscore-lieder/Reichardt__Louise/12_Gesange__Op.3/1_Fruhlingsblumen/lc5001965.mid",
    ),
    "string-quartet": Piece(
        "Joseph Bologne, String Quartet in G minor, op. 1 no. 5",
        "OpenScore String Quartets, CC0",
        "openscore-quartets/Saint-Georges__Joseph_Bologne/"
        "String_Quartet_in_G_minor__Op.1_No.5/sq8438999.mid",
    ),
    "mazurka": Piece(
        "Mazur no. 11, anonymous",
        "Polish Music Heritage in Open Access, CC BY 4.0",
        "polish-scores/pl-wnifc/pl-wnifc--6439-n--011_anonim--mazur-no-11.mid",
    ),
    "fiddle-tune": Piece(
        "A tune from Aird's Airs",
        "transcription shipped with music21; the tune is in the public domain",
        "folk-abc/airdsAirs/book1_103.mid",
    ),
    "pop": Piece("POP909 no. 13", "POP909, MIT (the arrangement)", "pop909/013/013.mid"),
    "rock": Piece("Freedoom, E1M5", "Freedoom, BSD 3-clause", "freedoom/d_e1m5.mid"),
    "jazz-band": Piece(
        "Joshua Fit the Battle of Jericho, arranged by a machine",
        "OpenEWLD-PD with MMA; the melody is in the public domain",
        "band-synth/jazz/471_Joshua_Fit_the_Battle_of_Jericho__JazzGuitar.mid",
    ),
    "house": Piece(
        "Tell Me Why, arranged by a machine",
        "OpenEWLD-PD with MMA; the melody is in the public domain",
        "band-synth/electronic/126_Tell_Me_Why__LatinHouse.mid",
    ),
}
PROMPT_BARS = 8
NEW_BARS = 8
SEED = 7

PAGE_HEAD = f"""# Ten held-out pieces, continued

The first {PROMPT_BARS} bars are given, the next {NEW_BARS} written by the bundled model; below
them stands what really follows. The model has seen none of these pieces. One take each with
seed {SEED}: nothing was picked. Made by `scripts/samples.py`.
"""


def main() -> None:
    """Make the samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--bundle", type=Path, default=None)
    parser.add_argument("--only", nargs="*", default=list(PIECES))
    args = parser.parse_args()
    bundle = load_bundle(args.bundle)
    args.out.mkdir(parents=True, exist_ok=True)
    page = [PAGE_HEAD]
    for name in args.only:
        piece = PIECES[name]
        original = stretch(read_midi(args.pack / piece.path))
        prompt = slice_bars(original, 0, PROMPT_BARS)
        take = continue_(prompt, bundle, n_bars=NEW_BARS, wish=Wish(seed=SEED))[0]
        leave(original, args.out / f"{name}-original.mid")
        leave(take.score, args.out / f"{name}.mid")
        page.append(section(name, piece, take.bits_per_note))
        print(f"{name}: {take.n_notes} notes, {take.bits_per_note:.2f} bits a note")
    (args.out / "README.md").write_text("\n".join(page), encoding="utf-8")


def stretch(score: Score) -> Score:
    """Return the bars of a piece that are given and to be written, not from its beginning."""
    n_bars = len(bar_starts(score)) - 1
    first = min(max((n_bars - PROMPT_BARS - NEW_BARS) // 2, 0), 8)
    return slice_bars(score, first, min(first + PROMPT_BARS + NEW_BARS, n_bars))


def leave(score: Score, midi: Path) -> None:
    """Write a piece, its sound and its picture."""
    write_midi(score, midi, force=True)
    render_file(midi, midi.with_suffix(".ogg"), force=True)
    roll_file(midi, midi.with_suffix(".png"), split_bar=PROMPT_BARS + 1, force=True)


def section(name: str, piece: Piece, bits: float) -> str:
    """Return a section of the page."""
    links = [
        f"{what}: [sound]({stem}.ogg), [notes]({stem}.mid)"
        for what, stem in (("model", name), ("original", f"{name}-original"))
    ]
    return (
        f"## {name.replace('-', ' ').capitalize()}\n\n{piece.title}. {piece.source}.\n\n"
        f"{'; '.join(links)}; the model spent {bits:.2f} bits a note.\n\n"
        f"![As the model goes on]({name}.png)\n![As it goes on really]({name}-original.png)\n"
    )


if __name__ == "__main__":
    main()
