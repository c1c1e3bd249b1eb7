"""Does the bundled model still write as well as it did?

    .venv/bin/python benchmarks/quality.py            compare with benchmarks/quality.json
    .venv/bin/python benchmarks/quality.py --update   measure anew and store it there

A tiny evaluation that needs nothing but the package: how well the bundled model foretells the
bundled example, a song it never saw, and what a dozen continuations of its first half are like.
Everything is seeded. Processors round 8-bit weights differently, so the bits may differ by
`BITS_TOLERANCE` from machine to machine, and whole takes may differ: their means may be off by
as much as chance explains, `ERRORS_TOLERATED` standard errors of the difference, and at least
`LEAST_TOLERANCE`, for a figure may be the same in all takes by chance. What is guaranteed, the
number of bars, is exact. Ends with status 1 if a figure is off.
"""

import argparse
import json
import sys
from importlib import resources
from pathlib import Path

import numpy as np

from sideman.bundle import Bundle, load_bundle
from sideman.engine.compose import continue_
from sideman.engine.fill import Wish
from sideman.evaluate.likelihood import BITS_PER_NAT
from sideman.evaluate.listener import Listener
from sideman.evaluate.metrics import measure
from sideman.score.edit import slice_bars
from sideman.score.midi import read_midi
from sideman.score.types import Score
from sideman.tokens.codec import encode
from sideman.tokens.vocabulary import Kind

STORED = Path(__file__).with_name("quality.json")

N_TAKES = 12
PROMPT_BARS = 8
NEW_BARS = 8

BITS_TOLERANCE = 0.05
ERRORS_TOLERATED = 4.0
LEAST_TOLERANCE = 0.05

Figure = tuple[float, float]
"""A value, and by how much it may be off."""


def main() -> int:
    """Measure; compare or store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--update", action="store_true", help="store what is measured")
    update = parser.parse_args().update
    bundle = load_bundle()
    song = read_midi(Path(str(resources.files("sideman"))) / "examples" / "prompt.mid")
    found = {"bits_per_note": (bits_per_note(song, bundle), BITS_TOLERANCE)}
    found |= take_figures(slice_bars(song, 0, PROMPT_BARS), bundle)
    if update:
        figures = {name: [round(number, 6) for number in each] for name, each in found.items()}
        text = json.dumps({"bundle_hash": bundle.hash, "figures": figures}, indent=1)
        STORED.write_text(text + "\n", encoding="utf-8")
        print(f"{STORED}: stored")
        return 0
    return compare(found, bundle)


def bits_per_note(song: Score, bundle: Bundle) -> float:
    """Return how surprising the example is to the model, from the first bar line on."""
    events, _ = encode(song)
    kinds = events[:, 0]
    nats = Listener(bundle, threads=1).hear(events).nats[np.cumsum(kinds == Kind.BAR) > 0]
    return float(nats.sum() * BITS_PER_NAT / (kinds == Kind.NOTE).sum())


def take_figures(prompt: Score, bundle: Bundle) -> dict[str, Figure]:
    """Return the mean of each metric of the new bars, and by how much chance may move it."""
    wish = Wish(n_takes=N_TAKES, threads=1)
    takes = continue_(prompt, bundle, n_bars=NEW_BARS, wish=wish)
    rows = [measure(slice_bars(take.score, take.first_bar, take.end_bar)) for take in takes]
    figures = {"new_bars": (float(np.mean([take.n_bars for take in takes])), 0.0)}
    for name in rows[0]:
        values = np.array([row[name] for row in rows])
        if not np.isnan(values).any():
            chance = ERRORS_TOLERATED * values.std(ddof=1) * np.sqrt(2 / N_TAKES)
            figures[name] = float(values.mean()), max(float(chance), LEAST_TOLERANCE)
    return figures


def compare(found: dict[str, Figure], bundle: Bundle) -> int:
    """Print figures beside those that are stored; return how the process ends."""
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    if stored["bundle_hash"] != bundle.hash:
        print(f"{STORED} is of another model; look at the figures and store them with --update")
        return 1
    n_off = 0
    print(f"{'figure':<24}{'stored':>10}{'now':>10}{'tolerance':>12}")
    for name, (before, tolerance) in stored["figures"].items():
        now = found[name][0] if name in found else np.nan
        is_off = not abs(now - before) <= tolerance
        n_off += is_off
        print(f"{name:<24}{before:>10.3f}{now:>10.3f}{tolerance:>12.3f}{'  OFF' * is_off}")
    return int(n_off > 0)


if __name__ == "__main__":
    sys.exit(main())
