"""What do 8-bit weights cost in bits per note, against 32 bits of the same checkpoint?

    .venv/bin/python benchmarks/quantisation.py --run RUN --corpus SHARDS [--pieces 40]

Both bundles score the openings of the same validation pieces, without masks; what is counted is
every attribute of every event after the first bar line.
"""

import argparse
import math
import tempfile
from pathlib import Path

import numpy as np
from machine import machine_lines

from sideman.bundle import load_bundle
from sideman.corpus.shards import Piece, ShardReader, open_corpus
from sideman.engine.session import Session
from sideman.model.export import PRECISIONS, export_bundle
from sideman.tokens.codec import Layout, events_to_grid, grid_to_events
from sideman.tokens.controls import measure_controls
from sideman.tokens.grid import slice_bars
from sideman.tokens.vocabulary import Events, Extent, Kind, Task
from sideman.train.folder import CHECKPOINT_NAME

N_EVENTS = 512
SEED = 0


def opening(events: Events, style: int) -> Events:
    """Return the first events of a piece, as training shows them."""
    grid, layout = events_to_grid(events)
    n_bars = int(np.searchsorted(np.cumsum(np.bincount(grid.notes["bar"]) + 1), N_EVENTS)) + 1
    head = slice_bars(grid, 0, n_bars)
    assert layout.unspecified_velocity is not None  # decoding always says
    said = Layout(
        task=Task.CONTINUE,
        style=style,
        extent=Extent.OPENING,
        controls=measure_controls(head),
        unspecified_velocity=layout.unspecified_velocity[: len(head.notes)],
    )
    return grid_to_events(head, said)[:N_EVENTS]


def bits_per_note(bundle: Path, music: list[Events]) -> list[float]:
    """Return the bits per note of each piece."""
    figures = []
    for events in music:
        first = int(np.flatnonzero(events[:, 0] == Kind.BAR)[0]) + 1
        session = Session(load_bundle(bundle))
        session.append(events[:first])
        nats = -float(session.score(events[first:]).sum())
        figures.append(nats / math.log(2) / int((events[first:, 0] == Kind.NOTE).sum()))
    return figures


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--run", type=Path, required=True, help="run folder with a checkpoint")
    parser.add_argument("--corpus", type=Path, required=True, help="shards it learned from")
    parser.add_argument("--pieces", type=int, default=40, help="validation pieces to score")
    asked = parser.parse_args()
    corpus = open_corpus(asked.corpus)
    pieces = corpus.of_split("valid")
    rng = np.random.default_rng(SEED)
    chosen: list[Piece] = [
        pieces[i] for i in rng.choice(len(pieces), asked.pieces, replace=False)
    ]
    reader = ShardReader(corpus)
    music = [opening(reader.events(piece), piece.style) for piece in chosen]
    with tempfile.TemporaryDirectory() as folder:
        figures = {}
        for precision in PRECISIONS:
            out = Path(folder, precision)
            export_bundle(asked.run / CHECKPOINT_NAME, out, precision=precision)
            figures[precision] = np.array(bits_per_note(out, music))
    change = figures["int8"] - figures["fp32"]
    print("\n".join(machine_lines("sideman", "onnxruntime", "torch")))
    print(f"\n{len(music)} validation pieces, up to {N_EVENTS} events each")
    for precision, bits in figures.items():
        print(f"{precision}  {bits.mean():.4f} bits per note")
    print(f"change {change.mean():+.5f} on average, {np.abs(change).max():.4f} at worst")


if __name__ == "__main__":
    main()
