"""Requests: a task on files, asked for in words that are kept, so that it can be asked again.

A `Request` is a task, the file it is about, and options as a person writes them. It goes as
text, its *recipe*, into every file that comes of it, and the same recipe makes the same bytes:
`again`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from sideman import __version__
from sideman.bundle import Bundle, load_bundle
from sideman.engine import compose
from sideman.engine.arrange import arrange
from sideman.engine.bounds import Bounds
from sideman.engine.chart import Chart, parse_chart
from sideman.engine.compose import Take
from sideman.engine.fill import Wish
from sideman.engine.harmonise import harmonise
from sideman.engine.loop import loop
from sideman.engine.parts import PartWish, instrument_name, parse_part
from sideman.engine.pitches import parse_scale
from sideman.engine.plan import parse_plan
from sideman.engine.rhythm import RHYTHMS, parse_metre
from sideman.engine.sampling import DEFAULT_SAMPLING, Sampling
from sideman.engine.wishes import choose, parse_bars, parse_number
from sideman.errors import EngineError
from sideman.files import refuse_existing
from sideman.score.edit import drop_empty_parts
from sideman.score.harmony import N_PITCH_CLASSES
from sideman.score.midi import read_midi, read_recipe, write_midi
from sideman.score.types import Part, Score
from sideman.tokens.vocabulary import (
    DENOMINATOR_OF,
    NUMERATOR_OF,
    Role,
    program_value,
)

KEY_MODES = ("lock", "nudge")

DEFAULT_BARS = 8
MAX_BARS = 1_000
"""Most bars that are written at once: half an hour of music."""

PERCENT = 100

RANGES: Mapping[str, tuple[float, float]] = {
    "change": (0, PERCENT),
    "tempo": (15, 480),
    "prompt_bars": (1, MAX_BARS),
    "takes": (1, 64),
    "seed": (0, 2**63 - 1),
}
"""What numbers among the options may be; those of drawing are checked by `Sampling`."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a person may say about a task, as they write it; "" leaves it open.

    Attributes:
        bars: How many, `8`, or which ones, `5-8`, as the task wants it.
        parts: Parts that are added (`sideman.engine.parts`), or those that are there, by
            number or name, with wishes behind a colon.
        rewritten: Parts of a loop that are there and are written anew, by number or name.
        change: Percent of the notes that may change.
        extend: Bars that are added to a loop.
        chords_only: Add chords, and no part that plays them.
        plan: Text of a plan (`sideman.engine.plan`).
        metre: Of a new piece, as `3/4`.
        tempo: Of a new piece, in quarter notes per minute.
        key: Key or scale that pitched parts keep to (`sideman.engine.pitches`).
        key_mode: `lock`: no other note is ever chosen; `nudge`: others move to the nearest.
        chart: Chords that are followed (`sideman.engine.chart`).
        rhythm: Where notes may begin (`sideman.engine.rhythm`).
        style: One of the model's styles.
        prompt_bars: Most bars before the new ones that are heard.
        only_new: Leave out what was known.
        takes: How many answers.
        seed: Same seed and options, same notes.
        temperature: And the following: see `sideman.engine.sampling.Sampling`.

    Raises:
        EngineError: If a number is outside its range.
    """

    bars: str = ""
    parts: tuple[str, ...] = ()
    rewritten: tuple[str, ...] = ()
    change: float = 30.0
    extend: int = 0
    chords_only: bool = False
    plan: str = ""
    metre: str = "4/4"
    tempo: float = 120.0
    key: str = ""
    key_mode: str = "lock"
    chart: str = ""
    rhythm: str = "free"
    style: str = ""
    prompt_bars: int = 16
    only_new: bool = False
    takes: int = 1
    seed: int = 0
    temperature: float = DEFAULT_SAMPLING.temperature
    rhythm_temperature: float = DEFAULT_SAMPLING.rhythm_temperature
    pitch_temperature: float = DEFAULT_SAMPLING.pitch_temperature
    velocity_temperature: float = DEFAULT_SAMPLING.velocity_temperature
    top_k: int = DEFAULT_SAMPLING.top_k
    top_p: float = DEFAULT_SAMPLING.top_p
    min_p: float = DEFAULT_SAMPLING.min_p

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                msg = f"{name} is {value}; it must be {low} to {high}"
                raise EngineError(msg)

    def sampling(self) -> Sampling:
        """Return how values are drawn."""
        return Sampling(**{f.name: getattr(self, f.name) for f in fields(Sampling)})


@dataclass(frozen=True, slots=True)
class Request:
    """A task that is asked for.

    Attributes:
        task: One of `TASKS`.
        prompt: The MIDI file it is about; None for a task that needs none.
        options: How it is to be done.
        bundle: The model. None: the one that comes with Sideman.
    """

    task: str
    prompt: Path | None = None
    options: Options = Options()
    bundle: Path | None = None


@dataclass(frozen=True, slots=True)
class TakeReport:
    """One take written to a file.

    Attributes:
        path: The file.
        n_bars: Bars in which something was written.
        n_notes: Notes written.
        is_as_before: The bytes are those of the take that was made again.
    """

    path: Path
    n_bars: int
    n_notes: int
    is_as_before: bool = False


def write_takes(request: Request, out: Path, *, force: bool = False) -> list[TakeReport]:
    """Carry out a request; several takes go to `out` with -1, -2, … before its suffix.

    Raises:
        OutputExists: If a file to write exists and `force` is not given; nothing is written.
        MidiFileError: If the prompt cannot be read.
        EngineError: If something is asked for that cannot be.
    """
    options = request.options
    paths = [out]
    if options.takes > 1:
        paths = [_numbered(out, number + 1) for number in range(options.takes)]
    for path in paths:
        refuse_existing(path, force=force)
    model = load_bundle(request.bundle)
    score = read_midi(request.prompt) if request.prompt else None
    takes = carry_out(request.task, score, model, options)
    recipe = _recipe(request, model)
    return [
        _write(take, path, recipe | {"take": number}, force=force)
        for number, (path, take) in enumerate(zip(paths, takes, strict=True))
    ]


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
    options = _changed(_options(recipe), changes or {})
    number = int(recipe["take"])
    if not 0 <= number < options.takes:
        msg = f"'{take}' is take {number + 1}; takes must be at least that, not {options.takes}"
        raise EngineError(msg)
    model = _same_bundle(recipe, take, bundle)
    heard = _same_prompt(recipe, take, prompt)
    score = read_midi(heard) if heard else None
    takes = carry_out(recipe["task"], score, model, options)
    before = take.read_bytes()
    report = _write(takes[number], out, recipe | asdict(options), force=force)
    return replace(report, is_as_before=out.read_bytes() == before)


def _write(take: Take, path: Path, recipe: Mapping[str, Any], *, force: bool) -> TakeReport:
    """Write a take with its recipe, which also says where what is new stands."""
    where = {"first_new_bar": take.first_bar + 1, "last_new_bar": take.end_bar}
    write_midi(take.score, path, recipe=json.dumps({**recipe, **where}), force=force)
    return TakeReport(path, take.n_bars, take.n_notes)


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}-{number}{path.suffix}")


def _recipe(request: Request, model: Bundle) -> dict[str, Any]:
    """Return what a file says of how it was made; its number among the takes comes last."""
    prompt = request.prompt
    heard = {}
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
    except ValueError:
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
    said = {field.name: recipe[field.name] for field in fields(Options)}
    return Options(**said | {"parts": tuple(said["parts"])})


def _changed(options: Options, changes: Mapping[str, str]) -> Options:
    """Return options with new values, read from text.

    Raises:
        EngineError: If there is no such option, or the text says no value of it.
    """
    known = asdict(Options())
    said: dict[str, Any] = {}
    for word, text in changes.items():
        name = choose(word.replace("-", "_"), known, "setting")
        said[name] = _read_setting(name, text.strip(), known[name])
    return replace(options, **said)


def _read_setting(name: str, text: str, like: object) -> object:
    """Return the value that a text says, of the same kind as `like`."""
    if isinstance(like, tuple):
        return tuple(item.strip() for item in text.split(";") if item.strip())
    if isinstance(like, bool):
        return choose(text.lower(), ("yes", "no"), f"answer to {name}") == "yes"
    if isinstance(like, int):
        return parse_number(text, name)
    if isinstance(like, str):
        return text
    try:
        return float(text)
    except ValueError:
        msg = f"{name} is {text!r}; it must be a number"
        raise EngineError(msg) from None


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


# ------------------------------------------------------------------- the tasks


def carry_out(task: str, score: Score | None, model: Bundle, options: Options) -> list[Take]:
    """Return the takes that are asked for.

    Args:
        task: One of `TASKS`.
        score: What it is about; None for a task that needs nothing.
        model: Who answers.
        options: What is asked for.

    Raises:
        EngineError: If there is no such task, or something is asked for that cannot be.
    """
    choose(task, TASKS, "task")
    if task in _FROM_NOTHING:
        return _FROM_NOTHING[task](model, options)
    if task == "loop":
        return _loop(score, model, options)
    if score is None:
        msg = f"{task} is about a piece; name a MIDI file"
        raise EngineError(msg)
    return _ABOUT_A_SCORE[task](score, model, options)


def _compose(model: Bundle, options: Options) -> list[Take]:
    wishes = _new_parts(options)
    return compose.compose(
        [compose.player(wish) for wish in wishes],
        model,
        n_bars=_n_bars(options),
        metre=_metre(options),
        tempo_bpm=options.tempo,
        key=_key(options),
        chart=_chart(options),
        wish=_wish(options, model, dict(enumerate(wishes))),
    )


def _arrange(model: Bundle, options: Options) -> list[Take]:
    plan = parse_plan(options.plan, "the plan")
    return arrange(plan, model, wish=_wish(options, model, {}))


def _loop(score: Score | None, model: Bundle, options: Options) -> list[Take]:
    rewritten, wishes = _chosen(score, options.rewritten) if score else ((), {})
    return loop(
        model,
        parts=[*(rewritten or ()), *_new_parts(options)],
        n_bars=_n_bars(options) if options.bars else None,
        metre=_metre(options),
        tempo_bpm=options.tempo,
        key=_key(options),
        chart=_chart(options),
        score=score,
        extend=options.extend,
        change=options.change / PERCENT,
        wish=_wish(options, model, wishes),
    )


def _harmonise(score: Score, model: Bundle, options: Options) -> list[Take]:
    parts, wishes = _chosen(score, options.parts)
    return harmonise(
        score,
        model,
        parts=parts,
        chords_only=options.chords_only,
        wish=_wish(options, model, wishes),
    )


def _continue(score: Score, model: Bundle, options: Options) -> list[Take]:
    score = drop_empty_parts(score)
    _, wishes = _chosen(score, options.parts)
    return compose.continue_(
        score,
        model,
        n_bars=_n_bars(options),
        only_new=options.only_new,
        chart=_chart(options),
        wish=_wish(options, model, wishes),
    )


def _infill(score: Score, model: Bundle, options: Options) -> list[Take]:
    parts, wishes = _chosen(score, options.parts)
    bars = _bars(options, score)
    return compose.infill(
        score,
        model,
        first_bar=bars.start,
        end_bar=bars.stop,
        parts=parts,
        wish=_wish(options, model, wishes),
    )


def _accompany(score: Score, model: Bundle, options: Options) -> list[Take]:
    wishes = _new_parts(options)
    return compose.accompany(
        score,
        model,
        new_parts=[compose.player(wish) for wish in wishes],
        chart=_chart(options),
        wish=_wish(options, model, dict(enumerate(wishes, start=len(score.parts)))),
    )


def _rewrite(score: Score, model: Bundle, options: Options) -> list[Take]:
    parts, wishes = _chosen(score, options.parts)
    if len(options.parts) != 1:
        msg = f"{len(options.parts)} parts are named; rewrite writes one anew: name it"
        raise EngineError(msg)
    wish = _wish(options, model, wishes)
    return compose.rewrite(score, model, part=(parts or (0,))[0], wish=wish)


def _vary(score: Score, model: Bundle, options: Options) -> list[Take]:
    parts, wishes = _chosen(score, options.parts)
    bars = _bars(options, score)
    return compose.vary(
        score,
        model,
        change=options.change / PERCENT,
        first_bar=bars.start,
        end_bar=bars.stop,
        parts=parts,
        wish=_wish(options, model, wishes),
    )


_ABOUT_A_SCORE = {
    "continue": _continue,
    "infill": _infill,
    "accompany": _accompany,
    "rewrite": _rewrite,
    "vary": _vary,
    "harmonise": _harmonise,
}

_FROM_NOTHING = {"compose": _compose, "arrange": _arrange}

TASKS = (*_FROM_NOTHING, *_ABOUT_A_SCORE, "loop")


def _wish(options: Options, model: Bundle, parts: Mapping[int, PartWish]) -> Wish:
    """Return how it is to be written, whatever the task."""
    choose(options.key_mode, KEY_MODES, "key mode")
    styles = model.vocabulary.styles
    style = styles.index(choose(options.style, styles, "style")) + 1 if options.style else 0
    return Wish(
        n_takes=options.takes,
        seed=options.seed,
        sampling=options.sampling(),
        prompt_bars=options.prompt_bars,
        style=style,
        bounds=Bounds(
            parts=parts,
            scale=parse_scale(options.key) if options.key else None,
            is_nudged=options.key_mode == "nudge",
            rhythm=choose(options.rhythm.lower(), RHYTHMS, "rhythm"),
        ),
    )


def _chart(options: Options) -> Chart | None:
    return parse_chart(options.chart) if options.chart else None


def _n_bars(options: Options) -> int:
    """Return how many bars are to be written.

    Raises:
        EngineError: If that is no number, none, or too many.
    """
    n_bars = parse_number(options.bars, "bars") if options.bars else DEFAULT_BARS
    if not 1 <= n_bars <= MAX_BARS:
        msg = f"bars is {n_bars}; it must be 1 to {MAX_BARS}"
        raise EngineError(msg)
    return n_bars


def _bars(options: Options, score: Score) -> range:
    n_bars = compose.n_bars_played(score)
    return parse_bars(options.bars, n_bars) if options.bars else range(n_bars)


def _metre(options: Options) -> tuple[int, int]:
    metre = parse_metre(options.metre)
    return int(NUMERATOR_OF[metre]), int(DENOMINATOR_OF[metre])


def _key(options: Options) -> tuple[int, bool] | None:
    """Return tonic and whether it is minor, None for a scale that is neither."""
    scale = parse_scale(options.key) if options.key else None
    return (scale.tonic, scale.key > N_PITCH_CLASSES) if scale and scale.key else None


def _new_parts(options: Options) -> list[PartWish]:
    """Return the parts that are asked for; a bass plays one note at a time unless told."""
    wishes = [parse_part(text) for text in options.parts]
    return [
        replace(wish, polyphony=(1, 1))
        if wish.role is Role.BASS and wish.polyphony is None
        else wish
        for wish in wishes
    ]


def _chosen(
    score: Score, texts: Sequence[str]
) -> tuple[tuple[int, ...] | None, dict[int, PartWish]]:
    """Return the parts of a score that are meant, None for all, and what is wished of them.

    Each text is the number of a part, counted from 1, or its name or instrument, with wishes
    behind a colon as for a new part.
    """
    parts, wishes = [], {}
    for text in texts:
        which, colon, asked = text.partition(":")
        part = _find_part(score, which.strip())
        parts.append(part)
        if colon:
            instrument = instrument_name(_program(score.parts[part]))
            wishes[part] = parse_part(f"{instrument}:{asked}")
    return tuple(parts) or None, wishes


def _find_part(score: Score, text: str) -> int:
    if text.isdigit():
        number = parse_number(text, "part")
        if not 1 <= number <= len(score.parts):
            msg = f"there is no part {number}; the piece has {len(score.parts)}"
            raise EngineError(msg)
        return number - 1
    names: dict[str, int] = {}
    for number, part in enumerate(score.parts):
        for name in (part.name, instrument_name(_program(part))):
            names.setdefault(name.lower(), number)
    return names[choose(text.lower(), [name for name in names if name], "part")]


def _program(part: Part) -> int:
    return program_value(part.program, is_drum=part.is_drum)
