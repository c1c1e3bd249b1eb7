"""The protocol: everybody answers the same prompts, and every answer is measured alike.

`evaluate` does all of it: it draws prompts from the pieces a corpus holds out, lets the bundle,
other systems and the rivals answer them, writes the takes as MIDI, measures them beside the
pieces themselves, and counts who is nearer to them.
"""

import os
import platform
import re
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from tqdm import tqdm

from sideman import __version__
from sideman.bundle import Bundle, load_bundle
from sideman.corpus.shards import Corpus, ShardReader, open_corpus
from sideman.errors import CorpusError, EvaluationError
from sideman.evaluate.comparing import compare, distributions
from sideman.evaluate.judging import Judged, judge
from sideman.evaluate.likelihood import measure_likelihood
from sideman.evaluate.listener import Listener
from sideman.evaluate.prompts import (
    TASKS,
    Prompt,
    draw_prompts,
    held_out,
    in_turn,
    read_piece,
)
from sideman.evaluate.results import (
    RESULTS_NAME,
    Distribution,
    Duel,
    Results,
    Row,
    Settings,
    Subject,
    Take,
    write_results,
)
from sideman.evaluate.rivals import (
    Chain,
    Copy,
    Elsewhere,
    Files,
    Markov,
    Model,
    Player,
    Real,
    uniform,
)
from sideman.files import refuse_existing
from sideman.score.midi import write_midi
from sideman.tokens.grid import from_grid

TAKES_FOLDER = "takes"

DEFAULTS = Settings(tasks=TASKS, prompts=40, takes=2, seed=0)

MARKOV_PIECES = 300
"""Pieces of the training split that the Markov chain is counted on, the styles in turn."""


_Takes = dict[str, dict[str, list[tuple[Take, Judged]]]]
"""By id of the prompt and name of who answered."""


@dataclass(frozen=True, slots=True)
class Cast:
    """Who answers.

    Attributes:
        systems: Those that are looked at: the bundle, and guests.
        rivals: Those that they are compared with.
    """

    systems: tuple[Player, ...]
    rivals: tuple[Player, ...]

    @property
    def players(self) -> tuple[Player, ...]:
        """Everybody, the pieces themselves first."""
        return (Real(), *self.systems, *self.rivals)


def evaluate(
    bundle: Path | None,
    corpus: Path,
    out: Path,
    settings: Settings = DEFAULTS,
    *,
    takes_from: Sequence[Path] = (),
    force: bool = False,
    progress: bool = False,
) -> Results:
    """Evaluate a bundle on the pieces that a corpus holds out.

    Args:
        bundle: Its folder. None: the one that comes with the package.
        corpus: Folder of shards.
        out: Folder to write to: `results.json`, and takes as MIDI under `takes/SYSTEM`.
        settings: What is asked for.
        takes_from: Folders of takes of other systems, see `sideman.evaluate.rivals.Files`.
        force: Overwrite what is there.
        progress: Show it.

    Raises:
        OutputExists: If results are there and `force` is not given.
        BundleError: If the bundle cannot be used.
        CorpusError: If the corpus cannot, or has no piece for any task.
        EvaluationError: If takes are missing, or two systems have one name.
        MidiFileError: If a take cannot be read.
    """
    begun = time.perf_counter(), time.process_time()
    refuse_existing(out / RESULTS_NAME, force=force)
    model, shards = load_bundle(bundle), open_corpus(corpus)
    prompts = collect_prompts(shards, settings)
    guests = tuple(Files(folder) for folder in takes_from)
    for guest in guests:
        guest.check(prompts, settings.takes)
    cast = _cast(model, shards, prompts, guests, settings.seed)
    listener = Listener(model)
    takes: _Takes = {}
    for prompt in tqdm(prompts, unit="prompt", disable=not progress):
        takes[prompt.id] = {
            player.name: _answers(prompt, player, settings, listener, out)
            for player in cast.players
        }
    rows, duels, shapes = _compared(prompts, cast, takes, settings)
    results = Results(
        subject=_subject(model, shards),
        settings=settings,
        systems=tuple(player.name for player in cast.players),
        rivals=tuple(player.name for player in cast.rivals),
        notes=tuple(_notes(model, shards, settings, prompts, takes)),
        prompts=tuple(prompt.entry(shards.vocabulary.styles) for prompt in prompts),
        takes=tuple(
            take for players in takes.values() for of in players.values() for take, _ in of
        ),
        rows=rows,
        duels=duels,
        distributions=shapes,
        likelihood=measure_likelihood(listener, shards, seed=settings.seed),
        wall_s=time.perf_counter() - begun[0],
        cpu_s=time.process_time() - begun[1],
    )
    write_results(results, out / RESULTS_NAME)
    return results


def collect_prompts(corpus: Corpus, settings: Settings) -> list[Prompt]:
    """Return the prompts of all tasks; a task that no piece will do for has none.

    Raises:
        CorpusError: If the corpus holds nothing out, or no task has a prompt.
    """
    prompts = [
        prompt
        for task in settings.tasks
        for prompt in draw_prompts(corpus, task, settings.prompts, seed=settings.seed)
    ]
    if not prompts:
        msg = (
            f"no piece that {corpus.folder} holds out has enough bars in one metre for "
            f"{', '.join(settings.tasks)}; name a larger corpus"
        )
        raise CorpusError(msg)
    return prompts


def count_chain(corpus: Corpus, *, seed: int) -> Chain:
    """Return a Markov chain counted on `MARKOV_PIECES` of the training split at most."""
    chain, reader = Chain(), ShardReader(corpus)
    pieces = in_turn(corpus.of_split("train"), np.random.default_rng(seed))
    for piece, _ in zip(pieces, range(MARKOV_PIECES), strict=False):
        chain.learn(from_grid(read_piece(reader, piece)))
    return chain


def _cast(
    model: Bundle, corpus: Corpus, prompts: Sequence[Prompt], guests: Sequence[Files], seed: int
) -> Cast:
    """Return who answers.

    Raises:
        EvaluationError: If two of them have one name.
    """
    cast = Cast(
        systems=(Model(model, model.name), *guests),
        rivals=(
            Markov(count_chain(corpus, seed=seed)),
            Copy(),
            uniform(model),
            Elsewhere(prompts),
        ),
    )
    names = [player.name for player in cast.players]
    for name in names:
        if names.count(name) > 1:
            msg = f"two systems are called {name!r}; give the folder of takes another name"
            raise EvaluationError(msg)
    return cast


def _answers(
    prompt: Prompt, player: Player, settings: Settings, listener: Listener, out: Path
) -> list[tuple[Take, Judged]]:
    """Let somebody answer a prompt; write the takes and judge them."""
    folder = Path(TAKES_FOLDER) / re.sub(r"[^\w.-]+", "-", player.name)
    (out / folder).mkdir(parents=True, exist_ok=True)
    (seed,) = np.random.SeedSequence(
        (settings.seed, zlib.crc32(prompt.id.encode()))
    ).generate_state(1)
    found = []
    for number, score in enumerate(player.play(prompt, settings.takes, int(seed)), start=1):
        path = folder / f"{prompt.id}-{number}.mid"
        write_midi(score, out / path, force=True)
        judged = judge(prompt, score, listener)
        take = Take(
            prompt=prompt.id,
            system=player.name,
            number=number,
            path=path.as_posix(),
            n_notes=judged.n_notes,
            values=judged.values,
        )
        found.append((take, judged))
    return found


def _compared(
    prompts: Sequence[Prompt], cast: Cast, takes: _Takes, settings: Settings
) -> tuple[tuple[Row, ...], tuple[Duel, ...], tuple[Distribution, ...]]:
    """Return rows, duels and distributions of all tasks."""
    rows: list[Row] = []
    duels: list[Duel] = []
    shapes: list[Distribution] = []
    for task in dict.fromkeys(prompt.task for prompt in prompts):
        answers = {
            player.name: {
                prompt.id: [judged for _, judged in takes[prompt.id][player.name]]
                for prompt in prompts
                if prompt.task == task
            }
            for player in cast.players
        }
        more_rows, more_duels = compare(
            task,
            answers,
            [player.name for player in cast.systems],
            [player.name for player in (*cast.systems, *cast.rivals)],
            seed=settings.seed,
        )
        rows += more_rows
        duels += more_duels
        shapes += distributions(task, answers)
    return tuple(rows), tuple(duels), tuple(shapes)


def _notes(
    model: Bundle,
    corpus: Corpus,
    settings: Settings,
    prompts: Sequence[Prompt],
    takes: _Takes,
) -> Iterator[str]:
    """Yield what a reader must know beside the figures."""
    if model.card.get("corpus_hash") != corpus.hash():
        yield (
            f"{model.name} did not learn from this corpus: what is held out here may have been "
            "learned there"
        )
    split, _ = held_out(corpus)
    if split != "test":
        yield f"the corpus has no test split; its {split} split may have chosen the weights"
    known = {"", *model.vocabulary.styles}
    unknown = sorted({*corpus.vocabulary.styles} - known)
    if unknown:
        yield f"{model.name} has no label for {', '.join(unknown)}: it is not told these styles"
    for task in settings.tasks:
        n_prompts = sum(prompt.task == task for prompt in prompts)
        if n_prompts < settings.prompts:
            yield f"{task} has {n_prompts} prompts of {settings.prompts}: no more pieces fit"
        for system in takes[prompts[0].id]:
            n_none = sum(
                not takes[prompt.id][system] for prompt in prompts if prompt.task == task
            )
            if n_none:
                yield f"{system} has no take for {n_none} of {n_prompts} prompts of {task}"


def _subject(model: Bundle, corpus: Corpus) -> Subject:
    return Subject(
        bundle=model.name,
        bundle_hash=model.hash,
        parameters=int(model.card["parameters"]),
        precision=str(model.card["precision"]),
        corpus=corpus.folder.resolve().name,
        corpus_hash=corpus.hash(),
        split=held_out(corpus)[0],
        sideman=__version__,
        machine={
            "system": f"{platform.system()} {platform.machine()}",
            "cores": str(os.cpu_count()),
            "python": platform.python_version(),
            "numpy": version("numpy"),
            "onnxruntime": version("onnxruntime"),
        },
    )
