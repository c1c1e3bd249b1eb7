"""How long Notochord takes to hear a note and say the next; `benchmarks/live.py` runs it.

    PYTHON benchmarks/live_notochord.py [CHECKPOINT]

PYTHON is that of an environment with `notochord`. It is fed 512 events first. The last line
that is printed is JSON: seconds of each feed and of each query, and what was measured.
"""

import json
import random
import sys
import time
from importlib.metadata import version

import torch
from notochord import Notochord

EVENTS = 512
N_TRIALS = 300
PIANO = 1


def main() -> None:
    """Print the figures."""
    torch.set_num_threads(1)
    checkpoint = sys.argv[1] if len(sys.argv) > 1 else None
    model = Notochord.from_checkpoint(checkpoint) if checkpoint else Notochord()
    model.eval()
    model.reset()
    rng = random.Random(0)
    for _ in range(EVENTS):
        model.feed(PIANO, rng.randrange(48, 84), 0.1, 80)
    feeds, queries = [], []
    for _ in range(N_TRIALS):
        before_s = time.perf_counter()
        model.feed(PIANO, rng.randrange(48, 84), 0.1, 80)
        fed_s = time.perf_counter()
        model.query(next_inst=PIANO, min_time=0.0, max_time=2.0, min_vel=1)
        feeds.append(fed_s - before_s)
        queries.append(time.perf_counter() - fed_s)
    n_parameters = sum(weights.numel() for weights in model.parameters())
    about = (
        f"notochord {version('notochord')}, torch {torch.__version__}, one thread, "
        f"{n_parameters / 1e6:.1f}M parameters, {checkpoint or 'random weights'}"
    )
    print(json.dumps({"feed": feeds, "query": queries, "about": about}))


if __name__ == "__main__":
    main()
