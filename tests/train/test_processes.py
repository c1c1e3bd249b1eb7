"""Many processes: together they learn what one alone would have."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

RUN = """
import sys
from pathlib import Path
from sideman.model.network import PRESETS, NetworkConfig
from sideman.train.loop import train
from sideman.train.recipe import Recipe
PRESETS["nano"] = NetworkConfig(32, 2, 2, 1, 48, window=16, global_every=2)
recipe = Recipe(preset="nano", context=48, batch_rows=4, steps=6, validate_every=3,
                validation_rows=3, threads=1, precision="fp32")
train(recipe, Path(sys.argv[1]), Path(sys.argv[2]), progress=False)
"""


def test_two_processes_have_the_curve_of_one(corpus, tmp_path):
    """Gradients are summed, whatever each process had to decide; so is what is measured."""
    script = tmp_path / "run.py"
    script.write_text(RUN)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OMP_NUM_THREADS": "1",
    }
    torchrun = [sys.executable, "-m", "torch.distributed.run"]
    for name, command in {
        "one": [sys.executable],
        "two": [*torchrun, "--standalone", "--nproc-per-node=2"],
    }.items():
        subprocess.run(
            [*command, str(script), str(corpus.folder), str(tmp_path / name)],
            env=environment,
            check=True,
            capture_output=True,
            timeout=300,
        )

    one, two = (figures(tmp_path / name) for name in ("one", "two"))
    assert [row["notes"] for row in one] == [row["notes"] for row in two]
    for name in ("bits_per_note", "gradient_norm"):
        np.testing.assert_allclose(
            [row[name] for row in one], [row[name] for row in two], rtol=1e-4
        )
    np.testing.assert_allclose(
        one[-1]["valid_bits_per_note"], two[-1]["valid_bits_per_note"], rtol=1e-4
    )


def figures(folder: Path):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
