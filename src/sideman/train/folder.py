"""The folder of a run: what is needed to go on, to make it again, and to draw its curve."""

import json
import platform
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from sideman import __version__
from sideman.errors import RecipeError
from sideman.files import whole_file
from sideman.model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from sideman.train.recipe import Recipe

CHECKPOINT_NAME = "checkpoint.pt"
BEST_NAME = "best.pt"
METRICS_NAME = "metrics.jsonl"
RUN_NAME = "run.json"
TENSORBOARD_FOLDER = "tensorboard"


class RunFolder:
    """Where a run leaves its checkpoints and figures.

    - `checkpoint.pt`: where it stands; `best.pt`: where validation was best;
      `step-N.pt`: kept every so many steps, if the recipe wants it;
    - `metrics.jsonl`: a line for each step;
    - `run.json`: recipe, corpus, versions;
    - `tensorboard/`: the same figures for TensorBoard, if it is installed;
    - `samples/step-N/`: what the model played.

    Args:
        path: The folder; made when the run begins.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoint = path / CHECKPOINT_NAME
        self._board: Any = None

    def last(self, *, resume: bool) -> Checkpoint | None:
        """Return the checkpoint to go on from, None if there is none yet.

        Raises:
            RecipeError: If there is one and the run is not to be resumed.
        """
        if not self.checkpoint.exists():
            return None
        if not resume:
            msg = f"{self.checkpoint} exists already; resume it, or name another run folder"
            raise RecipeError(msg)
        return load_checkpoint(self.checkpoint)

    def begin(self, recipe: Recipe, corpus_hash: str, step: int) -> None:
        """Make the folder, say what is run, and drop the figures of steps that were lost."""
        self.path.mkdir(parents=True, exist_ok=True)
        about = {
            "sideman": __version__,
            "commit": _commit(),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "corpus_hash": corpus_hash,
            "recipe": recipe.to_dict(),
        }
        with whole_file(self.path / RUN_NAME) as part:
            part.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        _forget_after(self.path / METRICS_NAME, step)
        self._board = _tensorboard(self.path / TENSORBOARD_FOLDER, step)

    def samples(self, step: int) -> Path:
        """Return the folder for what the model plays at a step."""
        return self.path / "samples" / f"step-{step}"

    def log(self, row: Mapping[str, Any]) -> None:
        """Add the figures of a step."""
        with (self.path / METRICS_NAME).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        if self._board is not None:
            for name, value in row.items():
                if isinstance(value, float):
                    self._board.add_scalar(name, value, row["step"])

    def save(self, checkpoint: Checkpoint, *, is_best: bool, is_kept: bool) -> None:
        """Write the checkpoint, and copies of it that stay."""
        save_checkpoint(checkpoint, self.checkpoint)
        names = [BEST_NAME] * is_best + [f"step-{checkpoint.step}.pt"] * is_kept
        for name in names:
            with whole_file(self.path / name) as part:
                shutil.copyfile(self.checkpoint, part)

    def lowest(self) -> float:
        """Return the lowest figure of validation so far; infinite if there is none."""
        metrics = self.path / METRICS_NAME
        if not metrics.exists():
            return float("inf")
        rows = map(json.loads, metrics.read_text(encoding="utf-8").splitlines())
        return min(
            (row.get("valid_bits_per_note", float("inf")) for row in rows), default=float("inf")
        )


def _commit() -> str | None:
    """Return the commit of the source, `+` behind it if it was changed; None outside git."""
    git = shutil.which("git")
    if git is None:
        return None
    told = subprocess.run(
        [git, "describe", "--always", "--dirty=+", "--exclude=*"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return told.stdout.strip() or None


def _forget_after(metrics: Path, step: int) -> None:
    """Drop the lines of steps that were done after the checkpoint was written, and lost."""
    if not metrics.exists():
        return
    kept = []
    for line in metrics.read_text(encoding="utf-8").splitlines(keepends=True):
        if not line.endswith("\n") or json.loads(line)["step"] > step:
            break
        kept.append(line)
    metrics.write_text("".join(kept), encoding="utf-8")


def _tensorboard(folder: Path, step: int) -> Any:  # noqa: ANN401 (TensorBoard may be missing)
    """Return a writer of TensorBoard's files, None if TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step + 1)
