"""Export: the graphs are what the network is, in 32 and in 8 bits, and quiet to make."""

from collections import Counter
from itertools import pairwise

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from sideman.bundle import CHOOSE, PREFILL, STEP, WEIGHTS, load_bundle
from sideman.errors import BundleError, OutputExists, RecipeError
from sideman.model.checkpoint import Checkpoint, save_checkpoint
from sideman.model.export import bundle_network, export_bundle
from sideman.model.graphs import NORM_EPSILON
from sideman.model.network import RMSNorm
from sideman.model.onnx_writer import BLOCK, SMALLEST_SHARED, ZERO, quantise
from sideman.tokens.vocabulary import Vocabulary


def graph(folder, name):
    """Return a graph of a bundle without its weights."""
    return onnx.load(folder / name, load_external_data=False)


def nodes(folder, name):
    """Count the operators of a graph, those inside branches too."""
    counts: Counter[str] = Counter()

    def count(part):
        for node in part.node:
            counts[node.op_type] += 1
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.GRAPH:
                    count(attribute.g)

    count(graph(folder, name).graph)
    return counts


def places(folder, name):
    """Return offset and length in `weights.bin` of each shared tensor of a graph."""
    found = {}
    for tensor in graph(folder, name).graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            said = {entry.key: entry.value for entry in tensor.external_data}
            assert said["location"] == WEIGHTS
            found[tensor.name] = (int(said["offset"]), int(said["length"]))
    return found


@pytest.mark.parametrize("name", [STEP, PREFILL])
def test_every_matrix_is_in_eight_bits(tiny_bundles, tiny_network, name):
    """No linear layer is left in 32 bits; what is left as MatMul is attention itself."""
    exact, small = nodes(tiny_bundles["fp32"], name), nodes(tiny_bundles["int8"], name)
    n_linear = sum(isinstance(module, nn.Linear) for module in tiny_network.modules())
    # Queries, keys and values are one product, and so are the gate and what it opens.
    n_layers, n_mixers = len(tiny_network.layers), len(tiny_network.chain.mixers)
    n_products = n_linear - 2 * n_layers - (n_layers + n_mixers)
    n_attention = 4 * n_layers

    assert small["MatMulNBits"] == n_products
    assert small["MatMul"] == n_attention
    assert exact["MatMul"] == n_products + n_attention
    assert small["Gemm"] == exact["Gemm"] == exact["MatMulNBits"] == 0


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_the_graphs_share_their_weights(tiny_bundles, tiny_network, precision):
    """Each tensor is stored once: the file is as large as the tensors, and no larger."""
    folder = tiny_bundles[precision]
    step, *others = (places(folder, name) for name in (STEP, PREFILL, CHOOSE))
    stored = set(step.values()).union(*(other.values() for other in others))

    for other in others:
        assert {name: step[name] for name in step.keys() & other.keys()} == {
            name: other[name] for name in step.keys() & other.keys()
        }
        assert "embedding" in step.keys() & other.keys()
    padding = 64 * len(stored)
    size = (folder / WEIGHTS).stat().st_size
    assert 0 <= size - sum(length for _, length in stored) <= padding
    ends = sorted((offset, offset + length) for offset, length in stored)
    assert all(end <= start for (_, end), (start, _) in pairwise(ends))
    for name in (STEP, PREFILL, CHOOSE):
        inside = [t for t in graph(folder, name).graph.initializer if t.HasField("raw_data")]
        assert all(len(tensor.raw_data) < SMALLEST_SHARED for tensor in inside)


def test_eight_bits_take_a_third_of_the_space(tiny_network, tmp_path):
    """One byte a weight and a scale for 32 of them; embeddings stay as they are."""
    matrix = np.random.default_rng(0).normal(size=(64, 96)).astype(np.float32)

    packed, scales = quantise(matrix)

    assert packed.nbytes + scales.nbytes == matrix.size * (1 + 4 / BLOCK)


@pytest.mark.parametrize("width", [16, 32, 48, 96])
def test_an_eight_bit_weight_is_off_by_half_a_step_at_most(width):
    """A step is 1/127 of the largest weight among 32 neighbours."""
    matrix = np.random.default_rng(1).normal(size=(5, width)).astype(np.float32)
    matrix[2] = 0

    packed, scales = quantise(matrix)

    steps = scales.reshape(5, -1)[..., None]
    back = ((packed.astype(np.float32) - ZERO) * steps).reshape(5, -1)[:, :width]
    allowed = np.repeat(steps[..., 0] / 2, BLOCK, axis=1)[:, :width] * 1.001
    assert (np.abs(back - matrix) <= allowed).all()
    assert packed.min() >= 1


def test_the_graphs_normalise_as_the_network_does():
    """The constant is written down twice; this holds the two together."""
    norm, x = RMSNorm(4), torch.full((1, 4), 1e-3)

    expected = x / torch.sqrt((x**2).mean() + NORM_EPSILON)

    torch.testing.assert_close(norm(x), expected)


def test_exporting_is_quiet(tiny_network, tmp_path, capfd, caplog):
    """No word on stdout or stderr, none in the log."""
    caplog.set_level("DEBUG")

    bundle_network(
        tiny_network, Vocabulary(), tmp_path / "b", precision="int8", card={"name": "b"}
    )

    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_a_checkpoint_becomes_a_bundle_that_names_its_origin(tiny_network, tmp_path):
    """The card says how long it learned, from what, and how."""
    checkpoint = tmp_path / "checkpoint.pt"
    save_checkpoint(
        Checkpoint(
            config=tiny_network.config,
            styles=("folk",),
            step=7,
            minutes=1.26,
            recipe={"preset": "tiny"},
            corpus_hash="abc",
            weights=tiny_network.state_dict(),
            optimizers=[],
        ),
        checkpoint,
    )

    export_bundle(checkpoint, tmp_path / "small", card={"about": {"by": "us"}})

    bundle = load_bundle(tmp_path / "small")
    card = bundle.card
    assert bundle.vocabulary.styles == ("folk",)
    assert (card["name"], card["steps"], card["minutes"]) == ("small", 7, 1.3)
    assert (card["corpus_hash"], card["recipe"]) == ("abc", {"preset": "tiny"})
    assert (card["precision"], card["about"]) == ("int8", {"by": "us"})
    assert card["parameters"] == tiny_network.n_parameters()
    with pytest.raises(OutputExists, match="exists already"):
        export_bundle(checkpoint, tmp_path / "small")


def test_a_checkpoint_that_is_not_there_is_an_error(tmp_path):
    """And nothing is written."""
    with pytest.raises(RecipeError, match="there is no checkpoint"):
        export_bundle(tmp_path / "none.pt", tmp_path / "b")
    assert not list(tmp_path.iterdir())


def test_an_unknown_precision_is_an_error(tiny_network, tmp_path):
    """The message lists those there are."""
    with pytest.raises(BundleError, match="no precision 'int4'; choose one of fp32, int8"):
        bundle_network(
            tiny_network, Vocabulary(), tmp_path / "b", precision="int4", card={"name": "b"}
        )
