"""The page of a blind listening test, and its key.

The page is whole in itself: script and sound are in the file, and nothing is loaded from
anywhere. It knows nothing of systems, pieces or files: its sounds lie in a drawn order and have
no names. Which is which stands in the key, a file beside the page.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from string import Template

import numpy as np
from tqdm import tqdm

from sideman.errors import EvaluationError
from sideman.evaluate.listening import Key, Pair, plan, write_key
from sideman.evaluate.results import RESULTS_NAME, PromptEntry, Results, read_results
from sideman.files import refuse_existing, whole_file
from sideman.score.midi import read_midi
from sideman.score.time import bar_starts, resample, ticks_to_seconds
from sideman.score.types import TPQ, Score

TEMPLATE_NAME = "listening.html"

KEY_SUFFIX = ".key.json"
"""What the name of a key ends in, in place of `.html`."""

TEST_DIGITS = 8

Voice = Callable[[Sequence[Path]], Sequence[bytes]]
"""Makes MIDI files audible, all equally loud, as OGG: `sideman.audio.loudness.render_alike`."""


def pairs_of_report(
    folder: Path, systems: tuple[str, str] | None, n: int, *, seed: int
) -> tuple[tuple[str, str], list[Pair]]:
    """Draw pairs from what an evaluation wrote, the tasks in turn.

    Args:
        folder: With `results.json` and the takes.
        systems: Whom to compare. None: the bundle with the real music.
        n: Most pairs.
        seed: Of which prompts, and which of several takes.

    Returns:
        The systems and the pairs.

    Raises:
        EvaluationError: If there are no such results, systems or pairs.
        MidiFileError: If a take cannot be read.
    """
    results = read_results(folder / RESULTS_NAME)
    if systems is None:
        systems = results.subject.bundle, results.systems[0]
    for system in systems:
        if system not in results.systems:
            msg = (
                f"{folder}: nobody is called {system!r}; there are {', '.join(results.systems)}"
            )
            raise EvaluationError(msg)
    rng = np.random.default_rng(seed)
    by_task = [
        [prompt for prompt in results.prompts if prompt.task == task]
        for task in dict.fromkeys(prompt.task for prompt in results.prompts)
    ]
    drawn = [[of[i] for i in rng.permutation(len(of)).tolist()] for of in by_task]
    prompts = [prompt for prompt in chain.from_iterable(zip_longest(*drawn)) if prompt]
    pairs = (_pair(folder, results, systems, prompt, rng) for prompt in prompts)
    return systems, _first(n, (pair for pair in pairs if pair), folder)


def pairs_of_folders(
    first: Path, second: Path, n: int, *, seed: int
) -> tuple[tuple[str, str], list[Pair]]:
    """Draw pairs of MIDI files that have one name in two folders.

    Their new bars are those from the first on in which their notes differ.

    Args:
        first: A folder; its name is that of the system.
        second: Another.
        n: Most pairs.
        seed: Of which.

    Returns:
        The systems and the pairs.

    Raises:
        EvaluationError: If the folders have one name, or no pair.
        MidiFileError: If a file cannot be read.
    """
    systems = first.resolve().name, second.resolve().name
    if systems[0] == systems[1]:
        msg = f"both folders are called {systems[0]!r}; give one another name"
        raise EvaluationError(msg)
    names = sorted(path.name for path in first.glob("*.mid") if (second / path.name).is_file())
    order = np.random.default_rng(seed).permutation(len(names)).tolist()
    found = ((names[i], (first / names[i], second / names[i])) for i in order)
    pairs = (
        Pair(name, "", takes, (bar, n_bars))
        for name, takes in found
        for bar, n_bars in _difference(*map(read_midi, takes))
    )
    return systems, _first(n, pairs, first)


def write_test(
    pairs: Sequence[Pair],
    systems: tuple[str, str],
    out: Path,
    voice: Voice,
    *,
    seed: int,
    force: bool = False,
    progress: bool = False,
) -> Key:
    """Write the page of a test and, beside it, its key.

    Args:
        pairs: What is compared.
        systems: Who wrote the first and the second take of each.
        out: The page, `.html`; the key ends in `KEY_SUFFIX` instead.
        voice: What the takes are played with.
        seed: Of order, sides and repeats.
        force: Overwrite what is there.
        progress: Show it.

    Raises:
        OutputExists: If page or key is there and `force` is not given.
        MidiFileError: If a take cannot be read.
    """
    key_path = out.with_suffix(KEY_SUFFIX)
    for path in (out, key_path):
        refuse_existing(path, force=force)
    key = plan(pairs, systems, test=_digest(pairs, seed), seed=seed)
    sounds = [
        (pair.name, system, starts, ogg)
        for pair in tqdm(pairs, unit="pair", disable=not progress)
        for system, starts, ogg in zip(
            systems, _bar_seconds(pair), voice(pair.takes), strict=True
        )
    ]
    order = np.random.default_rng((seed, len(pairs))).permutation(len(sounds)).tolist()
    sounds = [sounds[i] for i in order]
    place = {(name, system): i for i, (name, system, _, _) in enumerate(sounds)}
    new = {pair.name: pair.new for pair in pairs}
    data = {
        "test": key.test,
        "trials": [
            {
                "left": place[trial.pair, trial.left],
                "right": place[trial.pair, trial.right],
                "new": new[trial.pair],
            }
            for trial in key.trials
        ],
        "sounds": [
            {"starts": starts, "ogg": base64.b64encode(ogg).decode("ascii")}
            for _, _, starts, ogg in sounds
        ],
    }
    template = Template(Path(__file__).with_name(TEMPLATE_NAME).read_text(encoding="utf-8"))
    with whole_file(out) as part:
        part.write_text(template.substitute(data=json.dumps(data)), encoding="utf-8")
    write_key(key, key_path, force=force)
    return key


def _pair(
    folder: Path,
    results: Results,
    systems: tuple[str, str],
    prompt: PromptEntry,
    rng: np.random.Generator,
) -> Pair | None:
    """Return the pair of a prompt; None where a system has no take, or both wrote the same."""
    paths = []
    for system in systems:
        takes = [
            folder / take.path
            for take in results.takes
            if (take.prompt, take.system) == (prompt.id, system)
        ]
        if not takes:
            return None
        paths.append(takes[int(rng.integers(len(takes)))])
    if not _difference(read_midi(paths[0]), read_midi(paths[1])):
        return None
    new = prompt.first_bar, prompt.end_bar
    return Pair(prompt.id, prompt.task, (paths[0], paths[1]), new)


def _first(n: int, pairs: Iterable[Pair], folder: Path) -> list[Pair]:
    """Return the first `n` pairs.

    Raises:
        EvaluationError: If there is none.
    """
    found = [pair for _, pair in zip(range(n), pairs, strict=False)]
    if not found:
        msg = f"{folder} has no two takes to compare: each system needs one of the same name"
        raise EvaluationError(msg)
    return found


def _difference(one: Score, other: Score) -> list[tuple[int, int]]:
    """Return the first bar in which the notes differ and the number of bars, if they do.

    Empty also where one has no note at all: it cannot be heard. Where notes end does not count:
    what is known may be cut off differently.
    """
    differing = _attacks(one) ^ _attacks(other)
    if not differing or 0 in (len(one.notes), len(other.notes)):
        return []
    starts = bar_starts(resample(one, TPQ))
    bar = int(np.searchsorted(starts[:-1], min(differing)[0], side="right")) - 1
    return [(bar, max(len(bar_starts(score)) - 1 for score in (one, other)))]


def _attacks(score: Score) -> set[tuple[int, int, int, bool]]:
    """Return when which pitch begins on what instrument, in ticks of `TPQ` a quarter."""
    notes = resample(score, TPQ).notes
    return {
        (onset, pitch, score.parts[part].program, score.parts[part].is_drum)
        for onset, pitch, part in notes[["onset", "pitch", "part"]].tolist()
    }


def _bar_seconds(pair: Pair) -> Iterator[list[float]]:
    """Yield where the bars of each side begin, in seconds, and where the last ends.

    Both have the same bars: one that stops early goes on in silence.
    """
    scores = [read_midi(path) for path in pair.takes]
    starts = [bar_starts(score) for score in scores]
    n_bars = max(pair.new[1], *(len(of) - 1 for of in starts))
    for score, of in zip(scores, starts, strict=True):
        missing = np.arange(1, n_bars + 2 - len(of))
        ticks = np.concatenate([of, of[-1] + missing * (of[-1] - of[-2])])
        yield np.round(ticks_to_seconds(score, ticks), 4).tolist()


def _digest(pairs: Iterable[Pair], seed: int) -> str:
    """Return digits that follow from the music and the seed."""
    found = hashlib.sha256(str(seed).encode())
    for pair in pairs:
        for take in pair.takes:
            found.update(hashlib.sha256(take.read_bytes()).digest())
    return found.hexdigest()[:TEST_DIGITS]
