"""Options: what a person may say about a task, in the words in which they are kept."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from sideman.engine.sampling import DEFAULT_SAMPLING, Sampling
from sideman.engine.wishes import choose, parse_number
from sideman.errors import EngineError

DEFAULT_BARS = 8
MAX_BARS = 1_000
"""Most bars that are written at once: half an hour of music."""

PERCENT = 100

RANGES: Mapping[str, tuple[float, float]] = {
    "change": (0, PERCENT),
    "prompt_bars": (1, MAX_BARS),
    "takes": (1, 64),
    "keep": (0, 64),
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
        locks: Notes that stay exactly as they are (`sideman.engine.locks`).
        metre: Of new bars, as `3/4`; it, tempo and key may change at a bar, as in
            `4/4; 9=3/4` (`sideman.engine.course`).
        tempo: Of new bars, in quarter notes per minute.
        key: Key or scale that pitched parts keep to (`sideman.engine.pitches`).
        key_mode: `lock`: no other note is ever chosen; `nudge`: others move to the nearest.
        chart: Chords that are followed (`sideman.engine.chart`).
        rhythm: Where notes may begin (`sideman.engine.rhythm`).
        style: One of the model's styles.
        prompt_bars: Most bars before the new ones that are heard.
        only_new: Leave out what was known.
        takes: How many answers.
        keep: How many of them are written, the likeliest first; 0: all, as they come.
        seed: Same seed and options, same notes.
        repetition: How far parts repeat pitches and lengths (`sideman.engine.leaning`).
        novelty: How far successions of known pitches are shunned.
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
    locks: tuple[str, ...] = ()
    metre: str = ""
    tempo: str = ""
    key: str = ""
    key_mode: str = "lock"
    chart: str = ""
    rhythm: str = "free"
    style: str = ""
    prompt_bars: int = 16
    only_new: bool = False
    takes: int = 1
    keep: int = 0
    seed: int = 0
    repetition: float = 0.0
    novelty: float = 0.0
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
        if self.keep > self.takes:
            msg = f"keep is {self.keep}; there are no more than the {self.takes} takes"
            raise EngineError(msg)

    def sampling(self) -> Sampling:
        """Return how values are drawn."""
        return Sampling(**{f.name: getattr(self, f.name) for f in fields(Sampling)})


NOTHING_SAID = Options()


def changed(options: Options, changes: Mapping[str, str]) -> Options:
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
