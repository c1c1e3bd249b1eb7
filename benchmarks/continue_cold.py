"""How long does `sideman continue` take, as a whole process that starts from nothing?

    .venv/bin/python benchmarks/continue_cold.py [--bundle FOLDER]

Eight bars behind the example prompt, five times; each is a fresh process: Python, imports,
checksums, prompt, writing. Beside it, how long Python alone takes, and the command's help.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import resources
from pathlib import Path

from machine import machine_lines

REPETITIONS = 5
BARS = 8
TARGET_S = 5.0


def process_s(*arguments: str) -> float:
    """Return the seconds that a Python process takes, from its start to its end."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, help="default: the one in the package")
    asked = parser.parse_args()
    prompt = Path(str(resources.files("sideman"))) / "examples" / "prompt.mid"
    options = ["--bundle", str(asked.bundle)] if asked.bundle else []
    print(*machine_lines("numpy", "onnxruntime", "sideman"), sep="\n")
    print()
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "out.mid")
        command = [
            "-m",
            "sideman",
            "continue",
            str(prompt),
            out,
            "--bars",
            str(BARS),
            "--force",
        ]
        runs = {
            "python -c pass": ["-c", "pass"],
            "sideman --help": ["-m", "sideman", "--help"],
            f"sideman continue --bars {BARS}": [*command, *options],
        }
        medians = {}
        for name, arguments in runs.items():
            times = [process_s(*arguments) for _ in range(REPETITIONS)]
            medians[name] = statistics.median(times)
            spread = f"{min(times):.2f} to {max(times):.2f}"
            print(f"{name:26} {medians[name]:.2f} s (median of {REPETITIONS}; {spread})")
    share = medians[f"sideman continue --bars {BARS}"] / TARGET_S
    print(f"\nthat is {share:.0%} of the {TARGET_S:.0f} s it may take")


if __name__ == "__main__":
    main()
