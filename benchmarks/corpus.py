"""How long does a folder take to become a corpus, how much memory, and how long in MidiTok?

    .venv/bin/python benchmarks/corpus.py --pack FOLDER [--times 1 4] [--files 4000]

Each step is timed by itself, with two workers; memory is the largest sum over the process and
all its children, shared pages counted once for each. `--times 4` builds from the pack four
times under new names: does memory grow with the number of files? The comparison turns the
same files into training data with two processes: MidiTok's `tokenize_dataset`, and of ours
the steps that do the same (`scan` and `shard`) as well as the whole pipeline, which also finds
keys, chords, beats, roles and duplicates.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pyarrow.parquet as pq
from encode import NOT_MUSIC, REMI_CONFIG, SEED, midi_paths
from machine import machine_lines
from miditok import REMI, TokenizerConfig

from sideman.corpus import build
from sideman.corpus.build import Work
from sideman.corpus.engines import LocalEngine

WORKERS = 2
MIB = 2**20


def resident(process: psutil.Process) -> int:
    """Return the bytes of memory of a process and all its children."""
    total = 0
    for member in [process, *process.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            total += member.memory_info().rss
    return total


def run(step: str, *args: str | Path) -> tuple[float, int]:
    """Run a step as a command; return its seconds and the most memory it had, in bytes."""
    command = [sys.executable, "-m", "sideman", "corpus", step, *map(str, args)]
    start, peak = time.perf_counter(), 0
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as done:
        process = psutil.Process(done.pid)
        while done.poll() is None:
            with suppress(psutil.NoSuchProcess):
                peak = max(peak, resident(process))
            time.sleep(0.1)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, command)
    return time.perf_counter() - start, peak


def build_in_steps(folder: Path, out: Path) -> list[str]:
    """Build a corpus and return a line for each step: seconds and the peak of memory."""
    workers = ("--workers", str(WORKERS))
    steps = {
        "scan": (folder, out, *workers),
        "annotate": (out, *workers),
        "dedupe": (out,),
        "split": (out,),
        "shard": (out, *workers),
        "report": (out,),
    }
    measured = {step: run(step, *args) for step, args in steps.items()}
    total_s = sum(seconds for seconds, _ in measured.values())
    highest = max(peak for _, peak in measured.values())
    rows = pq.read_table(out / "manifest.parquet", columns=["verdict", "n_notes"])
    n_notes = sum(rows["n_notes"].drop_null().to_pylist())
    n_kept = rows["verdict"].to_pylist().count("kept")
    n_files = rows.num_rows
    return [
        f"{n_files:,} files, {n_notes:,} notes; {n_kept:,} kept",
        f"{'step':<12}{'seconds':>10}{'peak MiB':>12}",
        *(f"{step:<12}{s:>10.1f}{peak / MIB:>12,.0f}" for step, (s, peak) in measured.items()),
        f"{'all':<12}{total_s:>10.1f}{highest / MIB:>12,.0f}",
        f"{n_files / total_s:,.0f} files/s, {n_notes / total_s:,.0f} notes/s",
    ]


def repeated(pack: Path, folder: Path, times: int) -> Path:
    """Return a folder that holds the music of the pack several times under new names."""
    for time_ in range(times):
        for source in sorted(pack.iterdir()):
            if source.is_dir() and source.name not in NOT_MUSIC:
                shutil.copytree(
                    source, folder / f"copy{time_}" / source.name, copy_function=os.link
                )
    return folder


def seconds_of(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare(pack: Path, n_files: int, folder: Path) -> list[str]:
    """Return the table that compares with MidiTok on the same files, two processes each."""
    paths = random.Random(SEED).sample(midi_paths(pack), n_files)
    music = folder / "music"
    for path in paths:
        copy = music / path.relative_to(pack)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    work = Work(engine=LocalEngine(WORKERS), progress=False)
    out = folder / "ours"
    tokenizer = REMI(TokenizerConfig(**REMI_CONFIG))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = seconds_of(
            lambda: tokenizer.tokenize_dataset(
                sorted(music.rglob("*.mid")),
                folder / "theirs",
                verbose=False,
                parallel_workers_size=WORKERS,
            )
        )
    ours = {
        "scan": seconds_of(lambda: build.scan(music, out, work)),
        "annotate": seconds_of(lambda: build.annotate(out, work)),
        "dedupe": seconds_of(lambda: build.dedupe(out)),
        "split": seconds_of(lambda: build.split(out)),
        "shard": seconds_of(lambda: build.shard(out, work)),
    }
    same = ours["scan"] + ours["shard"]
    whole = sum(ours.values())
    return [
        f"{n_files:,} files, {WORKERS} processes on each side, seconds on the clock",
        f"{'MidiTok tokenize_dataset':<36}{theirs:>8.1f} s",
        f"{'sideman scan + shard':<36}{same:>8.1f} s   {theirs / same:.1f}x",
        f"{'sideman whole pipeline, no report':<36}{whole:>8.1f} s   {theirs / whole:.1f}x",
    ]


def main() -> None:
    """Print the tables that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--pack", type=Path, required=True, help="folder of MIDI files")
    parser.add_argument(
        "--times", type=int, nargs="*", default=[1], help="how often it is taken"
    )
    parser.add_argument("--files", type=int, default=4000, help="files to compare on")
    asked = parser.parse_args()
    print("\n".join(machine_lines("sideman", "miditok", "symusic", "pyarrow", "numpy")))
    print(f"load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(dir=asked.pack.parent) as name:
        print("\n".join(["", *compare(asked.pack, asked.files, Path(name))]), flush=True)
    for times in asked.times:
        with tempfile.TemporaryDirectory(dir=asked.pack.parent) as name:
            music = repeated(asked.pack, Path(name) / "music", times)
            print(f"\nthe pack {times} times, {WORKERS} workers")
            print("\n".join(build_in_steps(music, Path(name) / "out")), flush=True)


if __name__ == "__main__":
    main()
