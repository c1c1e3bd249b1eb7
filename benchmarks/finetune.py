"""What do a few pieces teach a bundle in minutes, and what does it forget for them?

    .venv/bin/python benchmarks/finetune.py --music FOLDER --test FOLDER --base SHARDS
        [--bundle BUNDLE] [--steps 60] [--seed 1]

The pieces of `--music` are learned (a fifth of them chooses the best weights on the way), those
of `--test` are only measured; what is forgotten is measured on the validation pieces of
`--base`, the corpus that the bundle learned from. All ways to learn take the same steps. The
strengths of one way are the same run: weights between the old and the learned ones.
"""

import argparse
import copy
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from machine import machine_lines

from sideman.bundle import load_bundle
from sideman.model.network import Network
from sideman.model.restore import restore_network
from sideman.train.finetune import RECIPE, Tuning, finetune, recipe_of
from sideman.train.measure import bits_per_note
from sideman.train.music import open_music
from sideman.train.windows import Batch

ROWS = 24
"""Rows measured of either music."""

STRENGTHS = (0.5, 0.7, 1.0)
RANK = 8


@dataclass(frozen=True, slots=True)
class Way:
    """A way to learn."""

    name: str
    rank: int
    is_mixed: bool


WAYS = (
    Way("all weights", 0, is_mixed=False),
    Way("all weights, base mixed in", 0, is_mixed=True),
    Way(f"LoRA of rank {RANK}", RANK, is_mixed=False),
    Way(f"LoRA of rank {RANK}, base mixed in", RANK, is_mixed=True),
)


def between(old: Network, learned: Network, strength: float) -> Network:
    """Return the network that is so far on the way from one to the other."""
    ends, network = (old.state_dict(), learned.state_dict()), copy.deepcopy(old)
    network.load_state_dict(
        {name: torch.lerp(ends[0][name], ends[1][name], strength) for name in ends[0]}
    )
    return network


def row(name: str, network: Network, measured: list[Batch], before: list[float]) -> str:
    """Return a line of the table: bits per note of each music, and how they have changed."""
    bits = [bits_per_note(network, rows) for rows in measured]
    figures = "".join(
        f"{now:>10.3f} ({now - then:+.3f})" for now, then in zip(bits, before, strict=True)
    )
    return f"{name:<46}{figures}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--music", type=Path, required=True, help="pieces to learn")
    parser.add_argument("--test", type=Path, required=True, help="more pieces like them")
    parser.add_argument("--base", type=Path, required=True, help="corpus of the bundle")
    parser.add_argument("--bundle", type=Path, default=None, help="the bundle to begin with")
    parser.add_argument("--steps", type=int, default=60, help="steps of each way to learn")
    parser.add_argument("--seed", type=int, default=1, help="of what is held out, and the rest")
    asked = parser.parse_args()
    print("\n".join(machine_lines("sideman", "torch")))
    bundle = load_bundle(asked.bundle)
    old = restore_network(bundle)
    recipe = replace(recipe_of(bundle, Tuning()), validation_rows=ROWS)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        test = open_music(asked.test, scratch / "test", bundle.vocabulary, seed=0)
        test = replace(test, held=[*test.learned, *test.held])
        base = open_music(asked.base, scratch / "base", bundle.vocabulary, seed=0)
        measured = [test.measured(recipe), base.measured(recipe)]
        before = [bits_per_note(old, rows) for rows in measured]
        print(
            f"{bundle.name}, seed {asked.seed}, {asked.steps} steps of {RECIPE.batch_rows} "
            f"rows of {recipe.context} events; bits per note, and the change\n"
        )
        print(f"{'':<46}{'new pieces':>19}{'the base':>19}")
        print(row("before", old, measured, before))
        for way in WAYS:
            began = time.monotonic()
            report = finetune(
                asked.music,
                scratch / "new",
                bundle=bundle.folder,
                keep=asked.base if way.is_mixed else None,
                tuning=Tuning(steps=asked.steps, rank=way.rank, strength=1.0, seed=asked.seed),
                force=True,
                progress=sys.stderr.isatty(),
            )
            minutes = (time.monotonic() - began) / 60
            learned = restore_network(report.bundle)
            for strength in STRENGTHS:
                name = f"{way.name}, strength {strength:g}"
                print(row(name, between(old, learned, strength), measured, before), flush=True)
            print(f"  {minutes:.1f} minutes; {report.mine.line()}", flush=True)


if __name__ == "__main__":
    main()
