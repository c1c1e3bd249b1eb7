"""The bundle that comes with the package: its 8 bits say what exact arithmetic would."""

from importlib import resources
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from sideman.bundle import PREFILL, load_bundle
from sideman.engine.compose import continue_
from sideman.engine.fill import Wish
from sideman.engine.session import Session
from sideman.model.onnx_writer import BLOCK, ZERO
from sideman.score.midi import read_midi
from sideman.tokens.codec import Layout, grid_to_events
from sideman.tokens.grid import slice_bars, to_grid
from sideman.tokens.vocabulary import Extent, Kind, Task

BITS_PER_NOTE_TOLERANCE = 0.05
"""Measured on 40 pieces in 32 bits and in 8: 0.0015 bits a note on average, 0.012 at worst."""

CACHED_TOLERANCE = 0.5  # nats a slot; 8-bit rounding makes a step of a difference of 1e-7


@pytest.fixture(scope="module")
def bundled():
    return load_bundle()


@pytest.fixture(scope="module")
def example():
    """Return the example prompt."""
    return read_midi(Path(str(resources.files("sideman"))) / "examples" / "prompt.mid")


@pytest.fixture(scope="module")
def events(example):
    """Return its first bars as events."""
    grid, _ = to_grid(example)
    return grid_to_events(
        slice_bars(grid, 0, min(grid.n_bars, 16)),
        Layout(task=Task.CONTINUE, extent=Extent.OPENING, key=grid.key),
    )


def exact_prefill(folder):
    """Return the prefill graph with its 8-bit products replaced by products in 32 bits."""
    model = onnx.load(folder / PREFILL)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "MatMulNBits":
            continue
        packed, scales = (numpy_helper.to_array(tensors[name]) for name in node.input[1:3])
        n, n_blocks, _ = packed.shape
        k = next(attribute.i for attribute in node.attribute if attribute.name == "K")
        steps = scales.reshape(n, n_blocks, 1)
        matrix = ((packed.astype(np.float32) - ZERO) * steps).reshape(n, n_blocks * BLOCK)
        name = f"{node.input[1]}_exact"
        model.graph.initializer.append(numpy_helper.from_array(matrix[:, :k].T.copy(), name))
        plain = onnx.helper.make_node("MatMul", [node.input[0], name], list(node.output))
        node.CopyFrom(plain)
    return onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )


def scored(session, events):
    session.append(events[:1])
    return session.score(events[1:])[0]


def test_eight_bit_arithmetic_costs_no_bits(bundled, events):
    """What is rounded while it plays changes the surprise of real notes by next to nothing."""
    exact = Session(bundled, threads=1)
    exact._prefill = exact_prefill(bundled.folder)

    change = scored(Session(bundled, threads=1), events) - scored(exact, events)

    n_notes = (events[:, 0] == Kind.NOTE).sum()
    assert abs(change.sum()) / np.log(2) / n_notes < BITS_PER_NOTE_TOLERANCE


def test_event_by_event_is_all_at_once(bundled, events):
    """In 8 bits too, as far as rounding lets it."""
    whole = scored(Session(bundled, threads=1), events)
    session = Session(bundled, threads=1)
    session.append(events[:1])
    single = np.concatenate([session.score(event[None])[0] for event in events[1:]])

    np.testing.assert_allclose(single, whole, atol=CACHED_TOLERANCE)
    n_notes = (events[:, 0] == Kind.NOTE).sum()
    assert abs((single - whole).sum()) / np.log(2) / n_notes < BITS_PER_NOTE_TOLERANCE


def test_the_example_is_continued(bundled, example):
    """The first thing anybody tries."""
    (take,) = continue_(example, bundled, n_bars=2, wish=Wish(threads=1))

    assert take.n_bars == 2
