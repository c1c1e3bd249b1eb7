"""Music: pieces to learn from and pieces to measure on, of a corpus or of a folder of files."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sideman.corpus.build import Work, build_corpus
from sideman.corpus.manifest import MANIFEST_NAME, summary
from sideman.corpus.shards import INDEX_NAME, Corpus, Piece, open_corpus
from sideman.errors import CorpusError
from sideman.tokens.vocabulary import UNSPECIFIED, Vocabulary
from sideman.train.loop import VALIDATION_SEED
from sideman.train.recipe import Recipe
from sideman.train.windows import Batch, WindowSampler

HELD_SHARE = 0.2
"""Share of the pieces that are held out where nobody has said which; at least one is."""


@dataclass(frozen=True, slots=True)
class Music:
    """Pieces to learn from and pieces to measure on.

    Attributes:
        corpus: Where they lie.
        learned: Those to learn from, at least one.
        held: Those to measure on, at least one; none of them is learned from.
        files: What became of the files they come from, in a line.
    """

    corpus: Corpus
    learned: list[Piece]
    held: list[Piece]
    files: str

    def sampler(self, recipe: Recipe) -> WindowSampler:
        """Return what draws from the pieces to learn from."""
        return WindowSampler(self.corpus, self.learned, recipe)

    def measured(self, recipe: Recipe) -> Batch:
        """Return rows of the pieces to measure on: windows as they are, not augmented."""
        sampler = WindowSampler(self.corpus, self.held, recipe.unchanged())
        rngs = np.random.default_rng(VALIDATION_SEED).spawn(recipe.validation_rows)
        return sampler.batch(rngs)


def open_music(path: Path, scratch: Path, vocabulary: Vocabulary, *, seed: int) -> Music:
    """Open a corpus, or make one of a folder of files, and say which pieces are held out.

    These are the validation pieces of a corpus; where it has none, and of a folder, a share is
    drawn. Pieces have the style labels of `vocabulary`, by name; where it lacks one they have
    none.

    Args:
        path: The corpus or the folder.
        scratch: Where the corpus of a folder is made.
        vocabulary: That of the model that learns.
        seed: Of what is held out.

    Raises:
        CorpusError: If there are fewer than two pieces.
    """
    if (path / INDEX_NAME).is_file():
        corpus = open_corpus(path)
        files = f"{path.resolve().name}: {len(corpus.pieces)} pieces"
        learned, held = corpus.of_split("train"), corpus.of_split("valid")
    else:
        corpus, files = _build(path, scratch)
        learned, held = list(corpus.pieces), []
    if not held:
        drawn = np.random.default_rng(seed).permutation(len(learned))
        n_held = max(round(HELD_SHARE * len(learned)), 1)
        held = [learned[number] for number in drawn[:n_held]]
        learned = [learned[number] for number in drawn[n_held:]]
    if not learned:
        msg = f"{files}; at least 2 pieces are needed: one is held out to measure on"
        raise CorpusError(msg)
    return Music(
        corpus,
        _relabelled(learned, corpus.vocabulary, vocabulary),
        _relabelled(held, corpus.vocabulary, vocabulary),
        files,
    )


def _build(folder: Path, scratch: Path) -> tuple[Corpus, str]:
    """Make a corpus of a folder of files.

    Returns:
        The corpus, and what became of the files, in a line.

    Raises:
        CorpusError: If none of them is left.
    """
    try:
        build_corpus(folder, scratch, Work(progress=False))
    except CorpusError as error:
        if not (scratch / MANIFEST_NAME).is_file():
            raise
        msg = f"there is nothing to learn from in {_files(folder, scratch)}"
        raise CorpusError(msg) from error
    return open_corpus(scratch), _files(folder, scratch)


def _files(folder: Path, scratch: Path) -> str:
    """Say what became of the files of a folder, whose corpus is elsewhere."""
    return summary(scratch)[0].replace(str(scratch), folder.resolve().name, 1)


def _relabelled(pieces: list[Piece], theirs: Vocabulary, ours: Vocabulary) -> list[Piece]:
    labels = [UNSPECIFIED] + [
        ours.style(name) if name in ours.styles else UNSPECIFIED for name in theirs.styles
    ]
    return [replace(piece, style=labels[piece.style]) for piece in pieces]
