"""What all tests share."""

import logging
import os
import sys

import numpy as np
import pytest
from hypothesis import settings

from sideman.bundle import load_bundle
from sideman.tokens.choices import Limits, choices
from sideman.tokens.grammar import Sentence, advance
from sideman.tokens.vocabulary import (
    N_COLUMNS,
    N_SLOTS,
    PROGRAM,
    Extent,
    Kind,
    Vocabulary,
    time_signature_value,
)

# The same examples on every machine and in every run; how long one takes says nothing about it.
settings.register_profile("sideman", deadline=None, derandomize=True, max_examples=80)
# Many more, and others each time: `pytest --hypothesis-profile=deep`, to hunt for bugs.
settings.register_profile("deep", deadline=None, max_examples=600)
settings.load_profile("sideman")

STYLES = ("folk", "rag")
FOUR_FOUR = int(time_signature_value(4, 4))
WINDOW, RING_SLACK, CONTEXT = 8, 8, 256
"""So small that the ring of a local layer has been round after 17 events."""


@pytest.fixture(scope="session")
def tiny_network():
    """Return a network with random weights: a local, a global, and a local layer."""
    import torch

    from sideman.model.network import Network, NetworkConfig

    sizes = NetworkConfig(32, 3, 4, 2, 48, window=WINDOW, global_every=2, context=CONTEXT)
    network = Network(sizes, Vocabulary(STYLES))
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=parameter.shape[1] ** -0.5, generator=generator)
            else:
                parameter.uniform_(0.5, 1.5, generator=generator)
        network.embedding.weight[0] = 0
        for weight in network.chain.outs.parameters():
            weight.mul_(0.3)  # undecided, so that everything happens
    return network.eval()


@pytest.fixture(scope="session")
def tiny_bundles(tiny_network, tmp_path_factory):
    """Return the paths of a bundle of the tiny network in each precision."""
    from sideman.model.export import PRECISIONS, bundle_network

    folder = tmp_path_factory.mktemp("bundles")
    for precision in PRECISIONS:
        bundle_network(
            tiny_network,
            Vocabulary(STYLES),
            folder / precision,
            precision=precision,
            card={"name": f"tiny {precision}"},
            ring_slack=RING_SLACK,
        )
    return {precision: folder / precision for precision in PRECISIONS}


@pytest.fixture(scope="session", params=["fp32", "int8"])
def bundle(request, tiny_bundles):
    """Give the tiny bundle, in each precision."""
    return load_bundle(tiny_bundles[request.param])


@pytest.fixture(scope="session")
def fp32_bundle(tiny_bundles):
    """Return the tiny bundle with exact weights."""
    return load_bundle(tiny_bundles["fp32"])


@pytest.fixture(scope="session")
def row():
    """Return a function that spells an event: kind, values in order, what is only given."""

    def spell(kind, *values, ahead=0, program=0):
        event = np.zeros(N_COLUMNS, np.uint8)
        event[: 1 + len(values)] = (kind, *values)
        event[N_COLUMNS - 2 :] = (ahead, program)
        return event

    return spell


@pytest.fixture(scope="session")
def draw_event():
    """Return a function that draws an event from a sentence's choices, slot by slot."""

    def draw(sentence, rng, limits=None):
        table, state, event = choices(sentence, limits), 0, np.zeros(N_COLUMNS, np.uint8)
        offsets = Vocabulary().slot_offsets
        for slot in range(N_SLOTS):
            allowed = table.allowed[slot][state]
            assert allowed.any(), f"stuck in slot {slot}"
            value = rng.choice(np.flatnonzero(allowed))
            if offsets[event[0], slot] >= 0:
                event[slot] = value - offsets[event[0], slot]
            if slot < N_SLOTS - 1:
                state = table.follow[slot][state, value]
        if event[0] == Kind.NOTE:
            event[PROGRAM] = sentence.programs[event[3]]
        return event

    return draw


@pytest.fixture(scope="session")
def speak(row, draw_event):
    """Return a function that draws the events of a sentence that has no END."""
    goes_on = Limits(kinds=np.arange(len(Kind)) != Kind.END)

    def sentence(
        rng,
        n_events,
        limits=None,
        *,
        extent=Extent.MIDDLE,
        n_parts=4,
        metre=FOUR_FOUR,
    ):
        said = [row(Kind.START, 1, 0, 0, extent)]
        programs = [0, 30, 128, 40, 135, 5][:n_parts]
        said += [row(Kind.PART, part, program) for part, program in enumerate(programs)]
        said.append(row(Kind.BAR, metre, 72))
        now = Sentence()
        for event in said:
            now = advance(now, event)
        while len(said) < n_events:
            said.append(draw_event(now, rng, limits or goes_on))
            now = advance(now, said[-1])
        return np.stack(said)

    return sentence


class _InlineEngine:
    """Does a job here and now: no processes to wait for."""

    def map(self, job, chunks):
        return ((number, job.run(items)) for number, items in chunks)


@pytest.fixture(scope="session")
def inline():
    """Return the way to build a little corpus at once."""
    from sideman.corpus.build import Work

    return Work(engine=_InlineEngine(), progress=False)


@pytest.fixture(scope="session")
def ray_cluster():
    """Start a Ray cluster of three workers on this machine; skip where Ray is not installed."""
    ray = pytest.importorskip("ray", reason="the extra 'cluster' is not installed")
    found_by = {"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path)}}  # the jobs of the tests
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "include_dashboard": False}
    ray.init("local", num_cpus=3, runtime_env=found_by, **quiet)
    yield
    ray.shutdown()
