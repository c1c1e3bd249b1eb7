"""Requests: a task on files, asked for in words that are kept, so that it can be asked again.

A `Request` is a task, the file it is about, and options as a person writes them. It goes as
text, its *recipe*, into every file that comes of it, and the same recipe makes the same bytes:
`again`.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from sideman import __version__
from sideman.bundle import Bundle, load_bundle
from sideman.engine.compose import Take, new_bars
from sideman.engine.options import NOTHING_SAID, RANGES, Options, changed
from sideman.engine.originality import original_lines
from sideman.engine.ranking import likelihood, nearest, rank
from sideman.engine.tasks import carry_out
from sideman.engine.taste import BEST_OF, Ear, Taste, read_taste
from sideman.errors import EngineError
from sideman.files import refuse_existing
from sideman.score.midi import read_midi, read_recipe, write_midi
from sideman.score.types import Score


@dataclass(frozen=True, slots=True)
class Request:
    """A task that is asked for.

    Attributes:
        task: One of `sideman.engine.tasks.TASKS`.
        prompt: The MIDI file it is about; None for a task that needs none.
        options: How it is to be done.
        bundle: The model. None: the one that comes with Sideman.
        taste: File of what is liked (`sideman.engine.taste`): more takes are drawn, and those
            that it likes best are written. None: no such file.
        best_of: Takes that are drawn for each one that is written, where there is a taste and
            the options do not say how many are kept.
    """

    task: str
    prompt: Path | None = None
    options: Options = NOTHING_SAID
    bundle: Path | None = None
    taste: Path | None = None
    best_of: int = BEST_OF


@dataclass(frozen=True, slots=True)
class TakeReport:
    """One take written to a file.

    Attributes:
        path: The file.
        n_bars: Bars in which something was written.
        n_notes: Notes written.
        bits_per_note: How surprising they are to the model.
        distance: How far they are from the other take most like this one, 0 to 1
            (see `sideman.engine.ranking.distances`); None where there is no other.
        originality: What they share with the training corpus, in one line; "" where the bundle
            has no index of it.
        is_stopped: Writing was stopped after these bars.
        is_as_before: The bytes are those of the take that was made again.
    """

    path: Path
    n_bars: int
    n_notes: int
    bits_per_note: float
    distance: float | None = None
    originality: str = ""
    is_stopped: bool = False
    is_as_before: bool = False


def write_takes(
    request: Request,
    out: Path,
    *,
    force: bool = False,
    should_stop: Callable[[], bool] | None = None,
) -> list[TakeReport]:
    """Carry out a request; several files are called `out` with -1, -2, … before its suffix.

    Args:
        request: What is asked for.
        out: The file to write.
        force: Overwrite what is there.
        should_stop: Asked before each event; once it says yes, the bars that are full are
            written. A take that has none is not.

    Raises:
        OutputExists: If a file to write exists and `force` is not given; nothing is written.
        MidiFileError: If the prompt cannot be read.
        EngineError: If something is asked for that cannot be, or the taste cannot be used.
    """
    options = _enough_takes(request)
    n_files = options.keep or options.takes
    paths = [out]
    if n_files > 1:
        paths = [_numbered(out, number + 1) for number in range(n_files)]
    for path in paths:
        refuse_existing(path, force=force)
    model = load_bundle(request.bundle)
    taste = read_taste(request.taste, model) if request.taste else None
    score = read_midi(request.prompt) if request.prompt else None
    is_cut = taste is not None and options.only_new  # it hears what was known as well
    asked = replace(options, only_new=False) if is_cut else options
    takes = carry_out(request.task, score, model, asked, should_stop=should_stop)
    scorer = taste.scorer(Ear(model), score) if taste else likelihood
    numbers = rank(takes, scorer)[: options.keep] if options.keep else list(range(len(takes)))
    numbers = [number for number in numbers if takes[number].n_bars]
    takes = [new_bars(take) for take in takes] if is_cut else takes
    recipe = _recipe(replace(request, options=options), model, taste)
    reports = [
        _write(takes[number], path, recipe | {"take": number}, force=force)
        for path, number in zip(paths, numbers, strict=False)  # fewer where it was stopped
    ]
    known = None if options.only_new else score
    return _compared(reports, [takes[number] for number in numbers], model, known)


def again(
    take: Path,
    out: Path | None = None,
    changes: Mapping[str, str] | None = None,
    *,
    prompt: Path | None = None,
    bundle: Path | None = None,
    force: bool = False,
) -> TakeReport:
    """Make a take once more: the same bytes, or what comes of other settings.

    Where several takes were made, all are drawn and the one of that number is written: in 8
    bits a batch rounds differently from a single take.

    Args:
        take: A file that Sideman wrote; the recipe in it says how.
        out: The file to write. None: `take` with `-again` before its suffix.
        changes: New values of `Options` by name, as people write them; `parts` are separated
            by semicolons.
        prompt: What the take was made from. None: looked for by name beside the take, then in
            the working folder.
        bundle: The model that made it. None: the one that comes with Sideman.
        force: Overwrite `out` if it is there.

    Raises:
        OutputExists: If `out` is there and `force` is False.
        MidiFileError: If the take or the prompt cannot be read.
        EngineError: If there is no recipe, it is another version's, the prompt or the model are
            not those it names, or a change cannot be.
    """
    out = out or take.with_name(f"{take.stem}-again{take.suffix}")
    refuse_existing(out, force=force)
    recipe = _read_recipe(take)
    options = changed(_options(recipe), changes or {})
    number = int(recipe["take"])
    if not 0 <= number < options.takes:
        msg = f"'{take}' is take {number + 1}; takes must be at least that, not {options.takes}"
        raise EngineError(msg)
    model = _same_bundle(recipe, take, bundle)
    heard = _same_prompt(recipe, take, prompt)
    score = read_midi(heard) if heard else None
    takes = carry_out(recipe["task"], score, model, options)
    before = take.read_bytes()
    written = _write(takes[number], out, recipe | asdict(options), force=force)
    known = None if options.only_new else score
    (report,) = _compared([written], [takes[number]], model, known)
    return replace(report, is_as_before=out.read_bytes() == before)


def _write(take: Take, path: Path, recipe: Mapping[str, Any], *, force: bool) -> TakeReport:
    """Write a take with its recipe, which also says where what is new stands."""
    where = {"first_new_bar": take.first_bar + 1, "last_new_bar": take.end_bar}
    write_midi(take.score, path, recipe=json.dumps({**recipe, **where}), force=force)
    return TakeReport(
        path, take.n_bars, take.n_notes, take.bits_per_note, is_stopped=take.is_stopped
    )


def _compared(
    reports: Sequence[TakeReport], takes: Sequence[Take], model: Bundle, known: Score | None
) -> list[TakeReport]:
    """Return reports that say how takes differ, and what they share with the corpus."""
    apart = nearest(takes, known) if len(takes) > 1 else [None] * len(takes)
    said = original_lines(takes, model, known) or [""] * len(takes)
    return [
        replace(report, distance=distance, originality=line)
        for report, distance, line in zip(reports, apart, said, strict=True)
    ]


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}-{number}{path.suffix}")


def _enough_takes(request: Request) -> Options:
    """Return the options with as many takes as a taste needs to have a choice.

    Raises:
        EngineError: If that is more than are drawn at once.
    """
    options = request.options
    if request.taste is None or options.keep:
        return options
    n_drawn = options.takes * request.best_of
    most = RANGES["takes"][1]
    if n_drawn > most:
        msg = (
            f"takes is {options.takes}, each the best of {request.best_of}: {n_drawn} would be "
            f"drawn, more than {most}; ask for fewer takes, or the best of fewer"
        )
        raise EngineError(msg)
    return replace(options, takes=n_drawn, keep=options.takes)


def _recipe(request: Request, model: Bundle, taste: Taste | None) -> dict[str, Any]:
    """Return what a file says of how it was made; its number among the takes comes last.

    The taste is told, not needed: to make a take again is to draw them all and write that one.
    """
    prompt = request.prompt
    heard = {} if taste is None else {"taste": taste.hash}
    if prompt is not None:
        heard["prompt"] = prompt.name
        heard["prompt_sha256"] = _sha256(prompt)
    return {
        "sideman": __version__,
        "task": request.task,
        "bundle": model.name,
        "bundle_hash": model.hash,
        **heard,
        **asdict(request.options),
    }


# ------------------------------------------------------------------ the same again

_RECIPE_LIKE = {"task": "", "bundle": "", "bundle_hash": "", "take": 0, **asdict(Options())}
"""What each recipe says, with a value of the kind that it has."""


def _read_recipe(take: Path) -> dict[str, Any]:
    """Return the recipe in a file.

    Raises:
        EngineError: If there is none, or it is not one of this version.
    """
    text = read_recipe(take)
    if text is None:
        msg = f"'{take}' carries no recipe; only what Sideman wrote can be made again"
        raise EngineError(msg)
    try:
        recipe = json.loads(text)
    except (ValueError, RecursionError):
        recipe = None
    if not isinstance(recipe, dict) or "sideman" not in recipe:
        msg = f"the recipe in '{take}' is another program's, or damaged; it cannot be followed"
        raise EngineError(msg)
    if recipe["sideman"] != __version__:
        msg = (
            f"'{take}' was written by sideman {recipe['sideman']}; this is {__version__}, "
            "which would write other notes: install that version"
        )
        raise EngineError(msg)
    for name, like in _RECIPE_LIKE.items():
        if not _is_like(recipe.get(name), like):
            msg = f"the recipe in '{take}' is damaged: {name} is {recipe.get(name)!r}"
            raise EngineError(msg)
    return recipe


def _is_like(value: object, like: object) -> bool:
    """Whether a value out of JSON is of the same kind as another."""
    if isinstance(like, tuple):
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if isinstance(like, float):
        return type(value) in (int, float)
    return type(value) is type(like)


def _options(recipe: Mapping[str, Any]) -> Options:
    said: dict[str, Any] = {}
    for field in fields(Options):
        value = recipe[field.name]
        said[field.name] = tuple(value) if isinstance(value, list) else value
    return Options(**said)


def _same_bundle(recipe: Mapping[str, Any], take: Path, path: Path | None) -> Bundle:
    """Return the model that a recipe names.

    Raises:
        EngineError: If the one given is another.
    """
    model = load_bundle(path)
    if model.hash != recipe["bundle_hash"]:
        msg = (
            f"'{take}' was made by the bundle {recipe['bundle']!r} {recipe['bundle_hash']}, "
            f"this is {model.name!r} {model.hash}; name the other with --bundle"
        )
        raise EngineError(msg)
    return model


def _same_prompt(recipe: Mapping[str, Any], take: Path, path: Path | None) -> Path | None:
    """Return the file that a recipe names as its prompt; None where it names none.

    Raises:
        EngineError: If it cannot be found, or is not what it was.
    """
    if "prompt" not in recipe:
        return None
    name = Path(str(recipe["prompt"])).name
    places = [path] if path else [take.parent / name, Path(name)]
    found = [place for place in places if place.is_file()]
    for place in found:
        if _sha256(place) == recipe.get("prompt_sha256"):
            return place
    if found:
        msg = f"'{found[0]}' is not, or no longer, what '{take}' was made from"
    else:
        msg = f"there is no '{path or name}' that '{take}' was made from"
    msg += "; name that file with --prompt"
    raise EngineError(msg)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
