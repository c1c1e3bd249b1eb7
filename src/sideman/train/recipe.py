"""Recipes: the settings of a training run, as a TOML file."""

import difflib
import math
import sys
from dataclasses import asdict, dataclass, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any

from sideman.corpus.augment import RANGES as AUGMENTATION_RANGES
from sideman.corpus.augment import Augmentation
from sideman.errors import RecipeError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


CHOICES: dict[str, tuple[str, ...]] = {
    "schedule": ("cosine", "trapezoid"),
    "precision": ("auto", "fp32", "bf16"),
    "compile": ("auto", "on", "off"),
}
"""What a setting that is a word may be."""

N_TASKS = 7
"""Tasks that `task_weights` weighs: continue, infill, accompany, vary, chart, harmonise,
live."""

_TINY = sys.float_info.min  # the least there is above 0
RANGES: dict[str, tuple[float, float]] = {
    "context": (16, math.inf),
    "batch_rows": (1, math.inf),
    "minutes": (_TINY, math.inf),
    "steps": (0, math.inf),
    "learning_rate": (_TINY, math.inf),
    "matrix_learning_rate": (_TINY, math.inf),
    "weight_decay": (0, math.inf),
    "warmup": (0, 0.99),
    "final_rate": (0, 1),
    "cooldown": (_TINY, 1),
    "clip_norm": (_TINY, math.inf),
    "style_exponent": (0, 1),
    **AUGMENTATION_RANGES,
    "chord_share": (0, 1),
    "control_dropout": (0, 1),
    "open_share": (0, 1),
    "held_share": (0, 1),
    "validate_every": (1, math.inf),
    "validation_rows": (1, math.inf),
    "save_minutes": (0, math.inf),
    "keep_every": (0, math.inf),
    "rehearse_every": (0, math.inf),
    "seed": (0, math.inf),
    "threads": (0, math.inf),
}
"""Smallest and largest value of a setting, both allowed."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings of a training run.

    A setting that came later than others is off unless a recipe names it, so that an old
    recipe still asks for what it did.

    Attributes:
        preset: Size of the network, one of `sideman.model.network.PRESETS`.
        context: Events in a row of a batch.
        batch_rows: Rows in a batch.
        minutes: Wall-clock minutes of training; the schedule is laid over them.
        steps: Steps of training instead, for runs that can be made again exactly; 0 goes by
            `minutes`.
        learning_rate: Peak for embeddings, norms and heads (AdamW).
        matrix_learning_rate: Peak for the matrices between (Muon).
        weight_decay: Of both.
        schedule: How the rate falls, `cosine` or `trapezoid`
            (`sideman.train.schedule.learning_rate_share`).
        warmup: Share of the run in which the rate rises.
        cooldown: Share of the run in which the rate of a trapezoid falls.
        final_rate: Share of the peak that is left at the end.
        clip_norm: Largest norm of the gradient.
        style_exponent: A style's share of the windows is its events to this power.
        task_weights: How often each task is asked, in the order of `TASKS`; those behind the
            last weight never are.
        transpose: Most semitones a window is moved up or down (this and the next four are the
            settings of `Augmentation`).
        tempo_change: Most that its tempo rises, as a share of it.
        velocity_curve: Strength of the curve that its velocities are bent by.
        part_dropout: How often each of its parts is left out.
        permute_parts: Number its parts anew.
        chord_share: Share of windows that keep their chords; charts always do.
        control_dropout: How often each declared control is left unspecified.
        open_share: Share of windows that declare nothing: neither style nor key nor any
            control.
        held_share: Share of windows in which some lengths are hidden as `HELD`.
        validate_every: Steps between measurements on the validation split.
        validation_rows: Rows measured.
        save_minutes: Minutes after which a checkpoint is written, if there was no measurement.
        keep_every: Steps after which a checkpoint is kept for good; 0 keeps the last and the
            best.
        rehearse_every: Steps after which the model plays something; 0: it never does.
        seed: Of everything random.
        threads: Threads that compute; 0 for all cores.
        precision: `auto` (measured at the start), `fp32` or `bf16`.
        compile: `auto` (if the run is long enough and it is faster), `on` or `off`.
    """

    preset: str = "small"
    context: int = 1024
    batch_rows: int = 8
    minutes: float = 120.0
    steps: int = 0
    learning_rate: float = 3e-3
    matrix_learning_rate: float = 3e-3
    weight_decay: float = 0.01
    schedule: str = "cosine"
    warmup: float = 0.02
    cooldown: float = 0.2
    final_rate: float = 0.02
    clip_norm: float = 1.0
    style_exponent: float = 0.5
    task_weights: tuple[float, ...] = (0.6, 0.15, 0.15, 0.1)
    transpose: int = 6
    tempo_change: float = 0.0
    velocity_curve: float = 0.0
    part_dropout: float = 0.0
    permute_parts: bool = True
    chord_share: float = 0.0
    control_dropout: float = 0.4
    open_share: float = 0.0
    held_share: float = 0.1
    validate_every: int = 200
    validation_rows: int = 32
    save_minutes: float = 10.0
    keep_every: int = 0
    rehearse_every: int = 0
    seed: int = 1
    threads: int = 0
    precision: str = "auto"
    compile: str = "auto"

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                msg = f"{name} is {value}; it must be {_range_text(low, high)}"
                raise RecipeError(msg)
        for name, words in CHOICES.items():
            word = getattr(self, name)
            if word not in words:
                msg = f"{name} is {word!r}; it must be one of {', '.join(words)}"
                raise RecipeError(msg)
        weights = self.task_weights
        if not 1 <= len(weights) <= N_TASKS or min(weights) < 0 or sum(weights) == 0:
            msg = (
                f"task_weights are {weights}; they must be 1 to {N_TASKS} numbers, none "
                f"negative, not all 0"
            )
            raise RecipeError(msg)

    @property
    def augmentation(self) -> Augmentation:
        """What windows are changed by when they are drawn."""
        return Augmentation(**{f.name: getattr(self, f.name) for f in fields(Augmentation)})

    def unchanged(self) -> "Recipe":
        """Return the recipe with windows drawn as they are, not augmented."""
        return replace(self, **asdict(Augmentation()))

    def to_dict(self) -> dict[str, Any]:
        """Return the settings by name."""
        return asdict(self)


def load_recipe(name_or_path: str) -> Recipe:
    """Read a recipe: one of ours by name, or a TOML file; what is left out keeps its default.

    Raises:
        RecipeError: If there is no such recipe, or it names a setting or value that cannot be.
    """
    path = Path(name_or_path)
    if path.suffix == ".toml":
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            msg = f"there is no recipe {path} that can be read: {error}"
            raise RecipeError(msg) from error
        return parse_recipe(text, name_or_path)
    folder = resources.files("sideman.train") / "recipes"
    found = sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir())
    if name_or_path not in found:
        ours = ", ".join(found)
        msg = f"there is no recipe {name_or_path!r}; ours are {ours}, or name a .toml file"
        raise RecipeError(msg)
    text = (folder / f"{name_or_path}.toml").read_text(encoding="utf-8")
    return parse_recipe(text, name_or_path)


def parse_recipe(text: str, source: str) -> Recipe:
    """Return the recipe that TOML text spells; `source` is named in messages.

    Raises:
        RecipeError: If it is not TOML, or names a setting or a value that cannot be.
    """
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        msg = f"{source} is not TOML: {error}"
        raise RecipeError(msg) from error
    defaults = Recipe().to_dict()
    for name, value in given.items():
        if name not in defaults:
            near = difflib.get_close_matches(name, defaults, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            msg = f"{source}: there is no setting {name!r}{hint}"
            raise RecipeError(msg)
        given[name] = _of_type(defaults[name], value, f"{source}: {name}")
    try:
        return Recipe(**given)
    except RecipeError as error:
        msg = f"{source}: {error}"
        raise RecipeError(msg) from error


def _of_type(default: object, value: object, what: str) -> object:
    """Return a value as the type its setting has; `what` is named in messages."""
    if isinstance(default, tuple):
        if isinstance(value, list) and all(_is_number(item) for item in value):
            return tuple(float(item) for item in value)
        wanted = "a list of numbers"
    elif isinstance(default, float):
        if _is_number(value):
            return value
        wanted = "a number"
    else:
        if type(value) is type(default):
            return value
        wanted = {bool: "true or false", int: "a whole number"}.get(type(default), "text")
    msg = f"{what} is {value!r}; it must be {wanted}"
    raise RecipeError(msg)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _range_text(low: float, high: float) -> str:
    smallest = "more than 0" if low == _TINY else f"at least {low}"
    return smallest if high == math.inf else f"{smallest} and at most {high}"
