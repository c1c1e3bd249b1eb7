"""Estimates: what a run takes, said before it begins."""

from dataclasses import replace

import pytest

from sideman.model.network import PRESETS, Network, NetworkConfig
from sideman.train.estimate import estimate
from sideman.train.recipe import Recipe

RECIPE = Recipe(preset="nano", context=48, batch_rows=2, steps=500, threads=1, precision="fp32")


@pytest.fixture(autouse=True)
def _tiny_preset(monkeypatch):
    monkeypatch.setitem(
        PRESETS, "nano", NetworkConfig(32, 2, 2, 1, 48, window=16, global_every=2)
    )


def test_run_by_steps_takes_its_steps_times_that_of_one(corpus):
    """A night or a week: that is what one wants to know first."""
    found = estimate(RECIPE, corpus.folder)

    assert found.device == "cpu"
    assert found.n_parameters == Network(PRESETS["nano"], corpus.vocabulary).n_parameters()
    assert found.steps == 500
    assert found.seconds > 0
    assert found.notes_per_s > 0
    # weights and gradients, and one or two figures of the optimisers for each weight
    assert found.memory_bytes / (4 * found.n_parameters) > 3


def test_run_by_minutes_takes_these(corpus):
    """How many steps that makes depends on the machine."""
    found = estimate(replace(RECIPE, steps=0, minutes=3.0), corpus.folder)

    assert found.seconds == 180
    assert found.steps > 1


def test_longer_rows_need_more_memory(corpus):
    """What is kept for the backward pass is most of it."""
    short, long = (
        estimate(replace(RECIPE, context=context), corpus.folder) for context in (48, 192)
    )

    assert long.memory_bytes > 1.5 * short.memory_bytes
