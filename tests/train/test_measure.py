"""Bits per note: the figure runs and models are compared by."""

import math
from dataclasses import replace

import numpy as np
import pytest

from sideman.errors import CorpusError
from sideman.model.network import IGNORED, Network, NetworkConfig
from sideman.train.measure import bits_by_style, bits_per_note
from sideman.train.recipe import Recipe
from sideman.train.windows import WindowSampler

CONFIG = NetworkConfig(16, 1, 2, 1, 24, window=8)


def test_new_network_needs_the_bits_of_the_heads(corpus):
    """It holds all values of a slot for equally likely; more rows than are measured at once."""
    network = Network(CONFIG)
    sampler = WindowSampler(corpus, corpus.of_split("train"), Recipe(context=32))
    batch = sampler.batch(np.random.default_rng(1).spawn(11))

    bits = bits_per_note(network, batch)

    is_decided = (batch.targets != IGNORED).sum((0, 1))
    expected = (is_decided * np.log2(network.slot_sizes)).sum() / batch.n_notes
    assert math.isclose(bits, expected, rel_tol=1e-5)


def test_batch_without_notes_has_no_figure(corpus):
    """Rather than one that is divided by nothing."""
    sampler = WindowSampler(corpus, corpus.of_split("train"), Recipe(context=32))
    batch = sampler.batch(np.random.default_rng(1).spawn(1))
    silent = replace(batch, targets=np.full_like(batch.targets, IGNORED))

    assert math.isnan(bits_per_note(Network(CONFIG), silent))


def measured(corpus, split="valid", **options):
    wanted = {"rows_per_style": 2, "context": 48, "seed": 1} | options
    return bits_by_style(Network(CONFIG), corpus, split, **wanted)


def test_each_style_gets_its_figure(corpus):
    """By name, and for styles that have a piece in the split only."""
    found = measured(corpus)
    rock_only = replace(
        corpus, pieces=tuple(p for p in corpus.pieces if p.path.startswith("rock"))
    )

    assert list(found) == ["rest", "rock"]
    assert all(bits > 10 for bits in found.values())
    assert measured(rock_only) == {"rock": found["rock"]}


def test_figures_can_be_made_again(corpus):
    """The seed alone says which windows are measured."""
    assert measured(corpus) == measured(corpus)
    assert measured(corpus) != measured(corpus, seed=2)


def test_empty_split_is_an_error(corpus):
    """It names the split."""
    with pytest.raises(CorpusError, match="has no piece in its test split"):
        measured(corpus, split="test")
