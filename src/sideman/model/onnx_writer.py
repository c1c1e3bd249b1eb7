"""Writing an ONNX graph by hand: one call for each operator, matrices in 32 or 8 bits.

Beside standard ONNX we use a few operators of ONNX Runtime: `SimplifiedLayerNormalization`
(root-mean-square normalisation), `QuickGelu` (with alpha 1 it is SiLU), `RotaryEmbedding` and
`MatMulNBits` (8-bit weights), all in the CPU package from version 1.22 on.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import external_data_helper, helper, numpy_helper

OPSET = 21
IR_VERSION = 10
"""Versions of ONNX that ONNX Runtime reads from 1.20 on."""

CONTRIB = "com.microsoft"

BLOCK = 32
"""Weights that share one scale in an 8-bit matrix."""

ZERO = 128
"""What stands for weight 0 in an 8-bit matrix."""

INT8_ACTIVATIONS = 4
"""`accuracy_level` of MatMulNBits that multiplies in 8 bits (ONNX Runtime's own operators)."""

SMALLEST_SHARED = 1024
"""Tensors of fewer bytes stay inside their graph."""

ALIGNMENT = 64
"""Bytes at whose multiples shared tensors begin, so that they can be mapped."""

Size = int | str
"""Length of a dimension, or the name of one that varies."""


class GraphWriter:
    """A graph on its way. Values go by name; names are made up as we go."""

    def __init__(self, name: str, *, is_int8: bool) -> None:
        self._name = name
        self._is_int8 = is_int8
        self._nodes: list[onnx.NodeProto] = []
        self._tensors: dict[str, onnx.TensorProto] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._n_values = 0

    def input(self, name: str, kind: type, shape: Sequence[Size]) -> str:
        """Declare an input; `kind` is a NumPy scalar type."""
        self._inputs.append(helper.make_tensor_value_info(name, _onnx_type(kind), list(shape)))
        return name

    def output(self, name: str, value: str, kind: type, shape: Sequence[Size]) -> None:
        """Hand a value out under `name`."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, _onnx_type(kind), list(shape)))

    def op(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:  # noqa: ANN401 (as ONNX has them)
        """Add a node and return its one output."""
        return self.op_n(1, operator, *inputs, domain=domain, **attributes)[0]

    def op_n(
        self,
        n_outputs: int,
        operator: str,
        *inputs: str,
        domain: str = "",
        **attributes: Any,  # noqa: ANN401 (as ONNX has them)
    ) -> list[str]:
        """Add a node and return its outputs."""
        outputs = [self._new_name(operator) for _ in range(n_outputs)]
        self._nodes.append(
            helper.make_node(operator, list(inputs), outputs, domain=domain, **attributes)
        )
        return outputs

    def constant(self, value: ArrayLike, kind: type) -> str:
        """Return a constant; equal ones are stored once."""
        array: NDArray[Any] = np.asarray(value, kind)
        digest = hashlib.sha256(array.tobytes()).hexdigest()[:16]
        return self.tensor(f"{self._name}_constant_{array.dtype}_{array.shape}_{digest}", array)

    def ints(self, *values: int, is_list: bool = True) -> str:
        """Return a constant of integers, (n,); of one without a dimension if not `is_list`."""
        return self.constant(values if is_list else values[0], np.int64)

    def floats(self, values: ArrayLike) -> str:
        """Return a constant of floats of the shape of `values`."""
        return self.constant(values, np.float32)

    def tensor(self, name: str, array: NDArray[Any]) -> str:
        """Return a tensor of weights, stored once under its name."""
        if name not in self._tensors:
            self._tensors[name] = numpy_helper.from_array(np.asarray(array, order="C"), name)
        return name

    def product(self, x: str, name: str, matrix: NDArray[np.float32]) -> str:
        """Return x (…, K) times the transpose of a matrix (N, K) of weights."""
        if not self._is_int8:
            return self.op("MatMul", x, self.tensor(name, matrix.T))
        packed, scales = quantise(matrix)
        n, k = matrix.shape
        return self.op(
            "MatMulNBits",
            x,
            self.tensor(f"{name}_int8", packed),
            self.tensor(f"{name}_scales", scales),
            domain=CONTRIB,
            N=n,
            K=k,
            bits=8,
            block_size=BLOCK,
            accuracy_level=INT8_ACTIVATIONS,
        )

    def choose(self, condition: str, yes: "GraphWriter", no: "GraphWriter") -> str:
        """Return the output of one of two graphs without inputs; only that one is run.

        They may use the values of this graph.
        """
        return self.op("If", condition, then_branch=yes.graph(), else_branch=no.graph())

    def model(self) -> onnx.ModelProto:
        """Return the finished model."""
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)]
        return helper.make_model(
            self.graph(), opset_imports=opsets, ir_version=IR_VERSION, producer_name="sideman"
        )

    def graph(self) -> onnx.GraphProto:
        """Return the finished graph."""
        return helper.make_graph(
            self._nodes,
            self._name,
            self._inputs,
            self._outputs,
            initializer=list(self._tensors.values()),
        )

    def _new_name(self, operator: str) -> str:
        self._n_values += 1
        return f"{self._name}_{operator}_{self._n_values}"


def quantise(matrix: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return a matrix (N, K) in 8 bits, as `MatMulNBits` has it.

    Each `BLOCK` weights of a row share one scale, such that the largest becomes ±127. K is
    filled up with zeros to a multiple of `BLOCK`.

    Returns:
        Weights (N, blocks, BLOCK), `ZERO` above their signed value, and scales (N · blocks,).
    """
    n, k = matrix.shape
    padded = np.pad(matrix, [(0, 0), (0, -k % BLOCK)]).reshape(n, -1, BLOCK)
    scales = np.abs(padded).max(axis=2) / (ZERO - 1)
    steps = np.rint(padded / np.where(scales == 0, 1, scales)[..., None])
    return (steps + ZERO).astype(np.uint8), scales.astype(np.float32).ravel()


def share_weights(
    graphs: Mapping[str, onnx.ModelProto], location: str
) -> tuple[dict[str, bytes], bytes]:
    """Move large tensors of all graphs to one block of bytes, equal ones once.

    Args:
        graphs: By name; they are changed.
        location: File name under which the graphs will find the block.

    Returns:
        Each graph as bytes, and the block.
    """
    block = bytearray()
    places: dict[bytes, int] = {}
    for graph in graphs.values():
        for tensor in graph.graph.initializer:
            data = tensor.raw_data
            if len(data) < SMALLEST_SHARED:
                continue
            key = hashlib.sha256(data).digest()
            if key not in places:
                block += bytes(-len(block) % ALIGNMENT)
                places[key] = len(block)
                block += data
            external_data_helper.set_external_data(tensor, location, places[key], len(data))
            tensor.ClearField("raw_data")
    return {name: graph.SerializeToString() for name, graph in graphs.items()}, bytes(block)


def _onnx_type(kind: type) -> int:
    element: int = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    return element
