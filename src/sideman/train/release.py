"""Release: a training run becomes a bundle with an honest card."""

import json
from pathlib import Path
from typing import Any

from sideman.bundle import Bundle, read_index
from sideman.corpus.shards import open_corpus
from sideman.errors import BundleError
from sideman.files import refuse_existing
from sideman.model.checkpoint import load_checkpoint
from sideman.model.export import export_bundle
from sideman.train.folder import CHECKPOINT_NAME
from sideman.train.measure import bits_by_style

VALIDATION_ROWS = 4
VALIDATION_SEED = 0


def release(
    run: Path,
    out: Path,
    *,
    precision: str = "int8",
    card: Path | None = None,
    corpus_folder: Path | None = None,
    index: Path | None = None,
    force: bool = False,
) -> Bundle:
    """Write the bundle of a run folder.

    Args:
        run: Folder of the run, with its checkpoint.
        out: Bundle to write.
        precision: `int8` or `fp32`.
        card: JSON file with more for the card: `about`, `data`, `weaknesses`.
        corpus_folder: Corpus whose validation split is measured, in bits per note by style.
        index: Index of the training corpus, in which copies are looked for. None: leave it out.
        force: Replace a bundle that is there.

    Raises:
        RecipeError: If the run has no checkpoint.
        CorpusError: If the corpus cannot be opened.
        BundleError: If the card is not a JSON object, or the index is of another corpus.
        OutputExists: If `out` exists and `force` is not given.
    """
    refuse_existing(out, force=force)  # before the measuring, which takes a minute
    checkpoint = run / CHECKPOINT_NAME
    loaded = load_checkpoint(checkpoint)
    said = _read_card(card) if card else {}
    if index is not None:
        read_index(index, loaded.corpus_hash)  # refused before the measuring as well
    if corpus_folder is not None:
        said["bits_per_note"] = bits_by_style(
            loaded.network(),
            open_corpus(corpus_folder),
            "valid",
            rows_per_style=VALIDATION_ROWS,
            context=loaded.config.context,
            seed=VALIDATION_SEED,
        )
    return export_bundle(
        checkpoint, out, precision=precision, card=said, index=index, force=force
    )


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        msg = f"{path} is not JSON: {error}"
        raise BundleError(msg) from error
    if not isinstance(card, dict):
        msg = f"{path} holds a {type(card).__name__}; a card is an object"
        raise BundleError(msg)
    return card
