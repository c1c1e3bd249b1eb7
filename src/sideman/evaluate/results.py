"""What an evaluation found: plain values that go into a JSON file and come out the same.

Figures that are not defined are NaN here and `null` in the file. An interval is the middle 95 %
of what the figure would be with other prompts like these (see `sideman.evaluate.bootstrap`).
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, cast, get_args, get_origin, get_type_hints

from sideman.errors import EvaluationError
from sideman.files import whole_file

RESULTS_FORMAT = 1
"""Version of the layout of a results file; a newer one is refused by name."""

RESULTS_NAME = "results.json"
"""Name of the file of results in the folder of an evaluation."""

REAL = "real"
"""System that is no system: what stands there in the piece the prompt was cut from."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean with its interval.

    Attributes:
        value: The mean.
        low: Lower end of the 95 % interval.
        high: Upper end.
        n: What it is a mean of: prompts, or windows for likelihood.
    """

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Row:
    """A metric of what one system wrote for one task.

    Attributes:
        task: One of `sideman.evaluate.prompts.TASKS`.
        system: Who wrote it; `REAL` for the pieces themselves.
        metric: Name of the metric.
        figure: Its mean over prompts, of each the mean over takes.
        gap: How far it is from what the piece itself has, prompt by prompt: see
            `sideman.evaluate.bootstrap`. Near 0 is like the real music.
    """

    task: str
    system: str
    metric: str
    figure: Figure
    gap: Figure


@dataclass(frozen=True, slots=True)
class Duel:
    """Whose gap is smaller in one row.

    Attributes:
        task: The task.
        metric: The metric.
        system: The one that is looked at.
        rival: The one it is compared with.
        difference: Gap of the system less that of the rival, prompt by prompt: below 0 the
            system is nearer to the real music.
    """

    task: str
    metric: str
    system: str
    rival: str
    difference: Figure

    @property
    def verdict(self) -> str:
        """`beats`, `loses` or `ties`: the first two where the interval leaves 0 out."""
        if self.difference.high < 0:
            return "beats"
        return "loses" if self.difference.low > 0 else "ties"


@dataclass(frozen=True, slots=True)
class Distribution:
    """A histogram over all that one system wrote for one task.

    Attributes:
        task: The task.
        system: Who wrote it.
        name: One of `sideman.evaluate.metrics.HISTOGRAMS`.
        shares: Mean of the histograms of the takes, flat.
    """

    task: str
    system: str
    name: str
    shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Take:
    """One answer to one prompt.

    Attributes:
        prompt: Id of the prompt.
        system: Who wrote it.
        number: Which of several it is, from 1.
        path: The MIDI file: the whole stretch, known bars and new ones; relative to the
            folder of the results.
        n_notes: Notes that were written.
        values: Value of each metric by name.
    """

    prompt: str
    system: str
    number: int
    path: str
    n_notes: int
    values: Mapping[str, float]

    @property
    def bits_per_note(self) -> float:
        """How surprising the notes are to the model; NaN where there are none."""
        return self.values["bits_per_note"]


@dataclass(frozen=True, slots=True)
class PromptEntry:
    """A prompt, as far as a reader wants to know of it.

    Attributes:
        id: What files of its takes begin with.
        task: The task.
        piece: Path of the piece in its corpus.
        style: Name of its style; empty where it has none.
        piece_bar: Bar of the piece that is the first of the stretch, counted from 0.
        n_bars: Bars of the stretch.
        first_bar: First bar that is written, counted from 0 in the stretch.
        end_bar: Bar after the last that is written.
    """

    id: str
    task: str
    piece: str
    style: str
    piece_bar: int
    n_bars: int
    first_bar: int
    end_bar: int


@dataclass(frozen=True, slots=True)
class Share:
    """Bits of one style, role or attribute.

    Attributes:
        name: Of which.
        bits: Bits a note.
        n_notes: Notes that were foretold.
    """

    name: str
    bits: Figure
    n_notes: int


@dataclass(frozen=True, slots=True)
class Reliability:
    """How often the likeliest value of one attribute is the true one, by how sure the model is.

    Attributes:
        name: The attribute; `all` for all together.
        is_masked: Within what the grammar allows, as the engine draws.
        n: Decisions.
        observed_bits: Bits that the true values cost on average.
        expected_bits: Bits they would cost if the model were right about how sure it is: the
            mean entropy. Less than observed: it is too sure.
        error: Expected calibration error, 0 to 1 (Guo et al. 2017, arXiv:1706.04599).
        counts: Decisions in each of ten bins of the likeliest value's probability.
        confidence: Mean probability of the likeliest value in each bin; NaN in an empty one.
        accuracy: How often it is the true one, there.
    """

    name: str
    is_masked: bool
    n: int
    observed_bits: float
    expected_bits: float
    error: float
    counts: tuple[int, ...]
    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How well the model foretells music that it has not seen.

    Attributes:
        total: Of all styles together.
        styles: By style.
        roles: By role of the part that plays the note; bars do not count there.
        attributes: By attribute: they sum to the total.
        reliability: By attribute, without and with masks, on a sample.
    """

    total: Share
    styles: tuple[Share, ...]
    roles: tuple[Share, ...]
    attributes: tuple[Share, ...]
    reliability: tuple[Reliability, ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """What was asked for.

    Attributes:
        tasks: The tasks, in order.
        prompts: Prompts of each task at most.
        takes: Takes of each prompt.
        seed: Of everything random.
    """

    tasks: tuple[str, ...]
    prompts: int
    takes: int
    seed: int


@dataclass(frozen=True, slots=True)
class Subject:
    """What was evaluated on what.

    Attributes:
        bundle: Name of the bundle; also of its system.
        bundle_hash: Its fingerprint.
        parameters: Its weights.
        precision: How they are stored.
        corpus: Name of the folder of the corpus.
        corpus_hash: Its fingerprint.
        split: Which pieces: test, or valid where there is no test split.
        sideman: Version of the program.
        machine: What it ran on, in words.
    """

    bundle: str
    bundle_hash: str
    parameters: int
    precision: str
    corpus: str
    corpus_hash: str
    split: str
    sideman: str
    machine: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Results:
    """All of it.

    Attributes:
        subject: What was evaluated on what.
        settings: What was asked for.
        systems: Who wrote takes: `REAL`, the bundle, guests, then the rivals.
        rivals: Those that are yardsticks.
        notes: What a reader must know beside the figures, a sentence each.
        prompts: The prompts.
        takes: The takes.
        rows: Metrics by task and system.
        duels: The bundle, and guests, against each rival.
        distributions: Histograms by task and system.
        likelihood: How well the model foretells.
        wall_s: Seconds it took.
        cpu_s: Seconds of processor time, all cores together.
        format: Version of the layout.
    """

    subject: Subject
    settings: Settings
    systems: tuple[str, ...]
    rivals: tuple[str, ...]
    notes: tuple[str, ...]
    prompts: tuple[PromptEntry, ...]
    takes: tuple[Take, ...]
    rows: tuple[Row, ...]
    duels: tuple[Duel, ...]
    distributions: tuple[Distribution, ...]
    likelihood: Likelihood
    wall_s: float
    cpu_s: float
    format: int = RESULTS_FORMAT


def write_results(results: Results, path: Path) -> None:
    """Write results as JSON, whole or not at all."""
    text = json.dumps(_without_nan(asdict(results)), indent=1, ensure_ascii=False)
    with whole_file(path) as part:
        part.write_text(text + "\n", encoding="utf-8")


def read_results(path: Path) -> Results:
    """Read what `write_results` wrote.

    Raises:
        EvaluationError: If it is not that, or of a newer format.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        found = data["format"]
        if found == RESULTS_FORMAT:
            return cast(Results, _read(Results, data))
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{path} holds no results of an evaluation ({error})"
        raise EvaluationError(msg) from error
    msg = f"{path} has format {found}; this sideman reads {RESULTS_FORMAT}: evaluate again"
    raise EvaluationError(msg)


def _without_nan(value: object) -> object:
    """Return a value with None for each NaN in it, which JSON does not know."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


_JSON = Any
"""A value out of a file; what it is, only the field that it goes into says."""


def _read(kind: type, value: _JSON) -> _JSON:
    """Return a JSON value as what a field of the dataclasses says it is."""
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{f.name: _read(hints[f.name], value[f.name]) for f in fields(kind)})
    if kind is float:
        return math.nan if value is None else float(value)
    inside = get_args(kind)
    if get_origin(kind) is tuple:
        return tuple(_read(inside[0], item) for item in value)
    if inside:  # a mapping
        return {key: _read(inside[1], item) for key, item in value.items()}
    return value
