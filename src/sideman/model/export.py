"""Export: a checkpoint becomes a bundle, with 8-bit weights if wanted."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sideman.bundle import (
    CHOOSE,
    ORIGINALITY,
    PREFILL,
    STEP,
    WEIGHTS,
    Bundle,
    read_index,
    write_bundle,
)
from sideman.errors import BundleError
from sideman.files import refuse_existing
from sideman.model.checkpoint import load_checkpoint
from sideman.model.graphs import choose_graph, prefill_graph, step_graph
from sideman.model.network import Network
from sideman.model.onnx_writer import share_weights
from sideman.tokens.vocabulary import Vocabulary

RING_SLACK = 128
"""Slots of a local cache beyond its window: how far one may go back without recomputing."""

PRECISIONS = ("fp32", "int8")


def export_bundle(
    checkpoint: Path,
    out: Path,
    *,
    precision: str = "int8",
    card: Mapping[str, Any] | None = None,
    index: Path | None = None,
    force: bool = False,
) -> Bundle:
    """Write the bundle of a checkpoint.

    Args:
        checkpoint: A file written by training.
        out: Folder to write.
        precision: `fp32`, or `int8` for 8-bit weights of all matrices.
        card: What else the card shall say; `name` defaults to the name of `out`.
        index: Index of the training corpus, in which copies are looked for. None: leave it out.
        force: Replace what is there.

    Raises:
        RecipeError: If there is no checkpoint.
        BundleError: If there is no such precision, or the index is of another corpus.
        OutputExists: If `out` exists and `force` is not given.
    """
    refuse_existing(out, force=force)
    loaded = load_checkpoint(checkpoint)
    said = {
        "name": out.name,
        "recipe": loaded.recipe,
        "steps": loaded.step,
        "minutes": round(loaded.minutes, 1),
        "corpus_hash": loaded.corpus_hash,
    }
    indices = {ORIGINALITY: read_index(index, loaded.corpus_hash)} if index else {}
    return bundle_network(
        loaded.network(),
        Vocabulary(loaded.styles),
        out,
        precision=precision,
        card={**said, **(card or {})},
        more_files=indices,
        force=force,
    )


def bundle_network(
    network: Network,
    vocabulary: Vocabulary,
    out: Path,
    *,
    precision: str,
    card: Mapping[str, Any],
    ring_slack: int = RING_SLACK,
    more_files: Mapping[str, bytes] | None = None,
    force: bool = False,
) -> Bundle:
    """Write the bundle of a network; see `export_bundle` and `write_bundle`.

    Raises:
        BundleError: If there is no such precision.
        OutputExists: If `out` exists and `force` is not given.
    """
    if precision not in PRECISIONS:
        msg = f"there is no precision {precision!r}; choose one of {', '.join(PRECISIONS)}"
        raise BundleError(msg)
    is_int8 = precision == "int8"
    ring = network.config.window + ring_slack
    graphs = {
        STEP: step_graph(network, is_int8=is_int8, ring=ring),
        PREFILL: prefill_graph(network, is_int8=is_int8, ring=ring),
        CHOOSE: choose_graph(network, is_int8=is_int8),
    }
    files, weights = share_weights(graphs, WEIGHTS)
    said = {
        **card,
        "precision": precision,
        "parameters": network.n_parameters(),
        "network": network.config.to_dict(),
        "ring_slack": ring_slack,
    }
    contents = {**files, WEIGHTS: weights, **(more_files or {})}
    return write_bundle(out, said, vocabulary, contents, force=force)
