"""Does a memory of the first half of a piece make its second half likelier, and at what cost?

    .venv/bin/python benchmarks/learning.py --corpus SHARDS > benchmarks/results/learning.txt

Held-out pieces are heard in stretches, as live play does: `HEARD` events before, the next
`TOLD` scored, without masks. So the model itself sees what came just before, and of the first
half of a long piece only the memory knows. The memory's settings are chosen on every other
piece; the figures are those of the others. Beside it a memory that goes on growing, as it does
when one plays.
"""

import argparse
import itertools
import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from decode import prompt
from machine import machine_lines
from numpy.typing import NDArray

from sideman.bundle import Bundle, load_bundle
from sideman.corpus.shards import Corpus, Piece, ShardReader, open_corpus
from sideman.engine.neighbours import CAPACITY, REACH, TEMPERATURE, NeighbourMemory
from sideman.engine.session import Neighbours, Recall, Session
from sideman.tokens.choices import Limits
from sideman.tokens.codec import Layout, events_to_grid, grid_to_events
from sideman.tokens.grid import Grid, slice_bars
from sideman.tokens.vocabulary import UNSPECIFIED, Events, Extent, Kind, Task

FEWEST_NOTES = 600
HEARD, TOLD, MOST_EVENTS = 512, 256, 2400
"""Events before a stretch, events of it, and events of a piece."""

SHARES = (0.3, 0.5, 0.7, 0.9)
TEMPERATURES = (0.025, 0.05, 0.1)
REACHES = (0.05, 0.1, 0.2)
AT_ONCE = 16
"""Events by which a growing memory grows."""

N_STEPS = 60
NO_END = Limits(kinds=np.isin(np.arange(len(Kind)), (Kind.BAR, Kind.NOTE)))
SEED = 0


@dataclass(frozen=True, slots=True, eq=False)
class Played:
    """A piece as the model heard it, event by event.

    Attributes:
        style: Name of its style.
        hidden: What the model knew before each event, (T, C).
        targets: Head outputs that spell each, (T, J).
        log_probs: How likely each slot was to the model alone, in nats, (T, J).
        is_note: True for notes, (T,).
    """

    style: str
    hidden: NDArray[np.float32]
    targets: NDArray[np.int64]
    log_probs: NDArray[np.float32]
    is_note: NDArray[np.bool_]

    @property
    def half(self) -> int:
        """First event of the second half."""
        return len(self.hidden) // 2


def chosen_pieces(corpus: Corpus, n_pieces: int) -> list[Piece]:
    """Return validation pieces of many notes, the styles in turn."""
    pieces = [piece for piece in corpus.of_split("valid") if piece.n_notes >= FEWEST_NOTES]
    by_style = defaultdict(list)
    for index in np.random.default_rng(SEED).permutation(len(pieces)):
        by_style[pieces[index].style].append(pieces[index])
    rounds = itertools.zip_longest(*by_style.values())
    in_turn = [piece for round_ in rounds for piece in round_ if piece is not None]
    return in_turn[:n_pieces]


def stretches(grid: Grid) -> Iterator[tuple[int, int, int]]:
    """Yield the bar from which on is heard, the first that is scored, and the one after."""
    in_bar = np.bincount(grid.notes["bar"], minlength=grid.n_bars) + 1
    before = np.append(0, np.cumsum(in_bar))  # events before each bar
    first = 0
    while first < grid.n_bars and before[first] < MOST_EVENTS:
        end = max(first + 1, int(np.searchsorted(before, before[first] + TOLD, "right")) - 1)
        heard = min(first, int(np.searchsorted(before, before[first] - HEARD)))
        yield heard, first, end
        first = end


def spelled(grid: Grid, heard: int, end: int, style: int, *, is_flat: bool) -> Events:
    """Return bars as events; nothing is declared of the parts that is still to come."""
    stretch = slice_bars(grid, heard, end)
    layout = Layout(
        task=Task.CONTINUE,
        style=style,
        extent=Extent.MIDDLE if heard else Extent.OPENING,
        key=grid.key,
        unspecified_velocity=np.full(len(stretch.notes), is_flat),
    )
    return grid_to_events(stretch, layout)


def play(events: Events, style: str, bundle: Bundle, threads: int) -> Played:
    """Let a model hear a piece, given as its shard spells it."""
    grid, layout = events_to_grid(events)
    grid = replace(grid, chords=grid.chords[:0])
    is_flat = layout.unspecified_velocity is not None and bool(
        layout.unspecified_velocity.all()
    )
    vocabulary = bundle.vocabulary
    label = vocabulary.style(style) if style in vocabulary.styles else UNSPECIFIED
    parts = []
    for heard, first, end in stretches(grid):
        said = spelled(grid, heard, end, label, is_flat=is_flat)
        begin = int(np.flatnonzero(said[:, 0] == Kind.BAR)[first - heard])
        session = Session(bundle, threads=threads)
        session.append(said[:begin])
        log_probs = session.score(said[begin:])[0]
        new = said[begin:]
        is_note = new[:, 0] == Kind.NOTE
        hidden = session.hidden()[begin - 1 :]
        parts.append((hidden, vocabulary.targets(new), log_probs, is_note))
    return Played(style, *map(np.concatenate, zip(*parts, strict=True)))


def mixed(played: Played, at: slice, found: Neighbours) -> NDArray[np.float64]:
    """Return the log-probability of whole events, (T,), with neighbours mixed in."""
    likely = played.log_probs[at].astype(np.float64)
    said, targets = found.targets, played.targets[at, None]
    foretold = np.where(said < 0, np.exp(likely)[:, None], said == targets).prod(axis=2)
    own = (1 - found.weights.sum(axis=1)) * np.exp(likely.sum(axis=1))
    together: NDArray[np.float64] = np.log(own + (found.weights * foretold).sum(axis=1))
    return together


def bits(
    played: Played, memory: NeighbourMemory | None = None, *, grows: bool = False
) -> float:
    """Return the bits per note of the second half, remembering the first."""
    half, n_events = played.half, len(played.hidden)
    nats = -float(played.log_probs[half:].sum())
    if memory is not None:
        memory.forget()
        memory.add(played.hidden[:half], played.targets[:half])
        nats = 0.0
        at_once = AT_ONCE if grows else n_events
        for first in range(half, n_events, at_once):
            at = slice(first, first + at_once)
            nats -= float(mixed(played, at, memory.recall(played.hidden[at])).sum())
            if grows:
                memory.add(played.hidden[at], played.targets[at])
    return nats / math.log(2) / int(played.is_note[half:].sum())


def best_settings(pieces: Sequence[Played], bundle: Bundle) -> NeighbourMemory:
    """Return the memory that helps these pieces most, and print its settings."""
    figures = {}
    for share, temperature, reach in itertools.product(SHARES, TEMPERATURES, REACHES):
        memory = NeighbourMemory(bundle, share=share, temperature=temperature, reach=reach)
        figures[share, temperature, reach] = np.mean([bits(p, memory) for p in pieces])
    alone = np.mean([bits(piece) for piece in pieces])
    print("share  bits per note with the best temperature and reach")
    for share in SHARES:
        of_share = {key: value for key, value in figures.items() if key[0] == share}
        best = min(of_share, key=of_share.__getitem__)
        print(f"{share:5}  {of_share[best]:.3f} ({alone:.3f} without), {best[1:]}")
    default = [figures[share, TEMPERATURE, REACH] for share in SHARES]
    print(f"with {TEMPERATURE} and {REACH}: {', '.join(f'{value:.3f}' for value in default)}")
    share, temperature, reach = min(figures, key=figures.__getitem__)
    return NeighbourMemory(bundle, share=share, temperature=temperature, reach=reach)


def timed_ms(run: Callable[[], object]) -> float:
    """Return the milliseconds that something takes."""
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3


def print_cost(played: Played, bundle: Bundle, threads: int) -> None:
    """Print what a step costs with a full memory and without one, and finding neighbours."""
    memory = NeighbourMemory(bundle, share=SHARES[0])
    while len(memory) < CAPACITY:
        memory.add(played.hidden, played.targets)
    times: dict[str, list[float]] = defaultdict(list)
    ways: tuple[tuple[str, Recall | None], ...] = (
        ("without", None),
        (f"with {CAPACITY:,} events", memory.recall),
    )
    sessions = [Session(bundle, threads=threads) for _ in ways]
    for session in sessions:
        session.append(prompt(HEARD))
    for number in range(N_STEPS):
        for session, (name, recall) in zip(sessions, ways, strict=True):
            rngs = [np.random.default_rng(number)]
            step: Callable[[], object] = partial(session.next, NO_END, rngs=rngs, recall=recall)
            times[name].append(timed_ms(step))
            session.append(session.next(NO_END, rngs=rngs).events)
        find = partial(memory.recall, played.hidden[:1])
        times["of it finding neighbours"].append(timed_ms(find))
    print(f"\na step after {HEARD} events, median ms")
    for name, found in times.items():
        print(f"{name:25} {statistics.median(found):.2f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="shards with a valid split")
    parser.add_argument("--bundle", type=Path, help="default: the one in the package")
    parser.add_argument("--pieces", type=int, default=60, help="half of them to choose by")
    parser.add_argument("--threads", type=int, default=0, help="0: as the engine chooses")
    asked = parser.parse_args()
    bundle, corpus = load_bundle(asked.bundle), open_corpus(asked.corpus)
    reader, styles = ShardReader(corpus), ("", *corpus.vocabulary.styles)
    pieces = [
        play(np.asarray(reader.events(piece)), styles[piece.style], bundle, asked.threads)
        for piece in chosen_pieces(corpus, asked.pieces)
    ]
    print(*machine_lines("numpy", "onnxruntime", "sideman"), sep="\n")
    print(f"bundle    {bundle.name}; {len(pieces)} validation pieces\n")
    chosen, reported = pieces[::2], pieces[1::2]
    memory = best_settings(chosen, bundle)
    print("\nbits per note of second halves, of the other pieces")
    print("style              pieces  alone  first half known  and growing")
    rows = defaultdict(list)
    for piece in reported:
        figures = bits(piece), bits(piece, memory), bits(piece, memory, grows=True)
        rows[piece.style].append(figures)
        rows["all"].append(figures)
    for style, found in sorted(rows.items(), key=lambda row: (row[0] == "all", row[0])):
        alone, known, growing = np.mean(found, axis=0)
        print(f"{style:18} {len(found):6}  {alone:5.2f}  {known:16.2f}  {growing:11.2f}")
    table = np.array(rows["all"])
    for column, name in ((1, "first half known"), (2, "and growing")):
        change = table[:, column] - table[:, 0]
        print(f"{name}: likelier in {(change < 0).mean():.0%} of the pieces; ", end="")
        print(f"median {np.median(change):+.2f}, {change.min():+.2f} to {change.max():+.2f}")
    print_cost(pieces[0], bundle, asked.threads)


if __name__ == "__main__":
    main()
