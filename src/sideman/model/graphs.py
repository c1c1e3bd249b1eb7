"""The network as the engine runs it: a graph for a step, one for many events, one to choose.

It is the network of `sideman.model.network`, written down in ONNX operators; a test holds
the two together. Step and prefill take the keys and values of earlier events as inputs and
return those of the new ones; where they are kept is the engine's business. Rotary angles and
masks come from the numbers of events, so a cache may hold them in any order, local layers keep
a short ring, and each take may be at a place of its own.

Letters in shapes: B takes, T new events, S slots of a cache, C width of the model, H query
heads, G key/value heads, R = H / G, D width of one head, L layers, J slots of an event, V
values of a slot, N states of a slot's table (see `sideman.tokens.choices.Choices`), K
neighbours.
"""

from collections.abc import Callable
from typing import cast

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sideman.model.network import (
    IGNORED,
    PART_SLOT,
    ROPE_BASE,
    Attention,
    FeedForward,
    Layer,
    Network,
    RMSNorm,
)
from sideman.model.onnx_writer import CONTRIB, GraphWriter, Size
from sideman.tokens.vocabulary import N_COLUMNS, N_PARTS, N_SLOTS, Kind, Vocabulary

FORBIDDEN = -1e9
"""Score of what may not be; finite, so that no softmax turns into NaN."""

LEAST_OWN = 1e-20
"""Least weight of the network beside its neighbours: were all of them forbidden, it decides."""

NORM_EPSILON = 1e-6
"""What `RMSNorm` adds to the mean square."""

_SLOT_OFFSETS = Vocabulary().slot_offsets
_FIRST_PART = int(_SLOT_OFFSETS[Kind.NOTE, PART_SLOT])

_NEW = ["takes", "events"]


def step_graph(network: Network, *, is_int8: bool, ring: int) -> onnx.ModelProto:
    """Return the graph that runs new events and decides the next one, slot after slot.

    Inputs and outputs are those of `_Backbone` and of `_Drawing`.

    Args:
        network: What to write down.
        is_int8: Keep matrices in 8 bits.
        ring: Slots of the caches of local layers.
    """
    graph = GraphWriter("step", is_int8=is_int8)
    hidden = _Backbone(graph, network, ring).run()
    last = graph.op("Gather", hidden, graph.ints(-1, is_list=False), axis=1)  # (B, C)
    draw = _Drawing(graph, network)
    _run_chain(graph, network, last, draw.decide)
    draw.hand_out()
    return graph.model()


def choose_graph(network: Network, *, is_int8: bool) -> onnx.ModelProto:
    """Return the graph that decides the next event by a network and what it remembers.

    Inputs beside those of `_Drawing`: `hidden`, what the network knows, (B, C), and those of
    `_Recalling`. Outputs are those of `_Drawing`.
    """
    graph = GraphWriter("choose", is_int8=is_int8)
    hidden = graph.input("hidden", np.float32, ["takes", network.config.d_model])
    draw = _Recalling(graph, network)
    _run_chain(graph, network, hidden, draw.decide)
    draw.hand_out()
    return graph.model()


def prefill_graph(network: Network, *, is_int8: bool, ring: int) -> onnx.ModelProto:
    """Return the graph that runs events and tells how likely each was after those before it.

    Inputs beside those of `_Backbone`:

    - `targets`: head outputs that spell the event after each, (B, T, J), int64; -1 where none;
    - `program_ids`: embedding id of the program of that event's part, (B, T), int64; 0: none.

    Outputs beside those of `_Backbone`: `log_probs` in nats of each slot of the event after
    each, without masks, (B, T, J), 0 where the target is -1.
    """
    graph = GraphWriter("prefill", is_int8=is_int8)
    hidden = _Backbone(graph, network, ring).run()
    score = _Scoring(graph, network)
    _run_chain(graph, network, hidden, score.decide)
    score.hand_out()
    return graph.model()


class _Backbone:
    """From new events and the cache of earlier ones to hidden vectors.

    Inputs:

    - `ids`: embedding ids, (B, T, columns), int64;
    - `positions`: number of each new event in the piece, (B, T), int64;
    - `slot_positions_0`, `slot_positions_1`: the same for each slot of the caches of local and
      of global layers, (B, S), int64; negative where a slot is empty;
    - `caches_0` …: of each layer the keys (B, G, D, S), then of each the values (B, G, S, D).

    Outputs: `hidden`, what the heads read, (B, T, C); `new_keys` (L, B, G, D, T) and
    `new_values` (L, B, G, T, D).
    """

    def __init__(self, graph: GraphWriter, network: Network, ring: int) -> None:
        self._graph, self._network, self._config = graph, network, network.config
        self._ring = ring

    def run(self) -> str:
        """Return hidden vectors (B, T, C)."""
        graph, n_layers = self._graph, self._config.n_layers
        ids = graph.input("ids", np.int64, [*_NEW, N_COLUMNS])
        self._positions = graph.input("positions", np.int64, _NEW)
        self._cos, self._sin, self._places = self._angles()
        self._biases = [self._bias(0, self._config.window), self._bias(1, None)]
        caches = [self._cache(index) for index in range(2 * n_layers)]
        x = graph.op(
            "ReduceSum", _embedded(graph, self._network, ids), graph.ints(2), keepdims=0
        )
        keys, values = [], []
        for index, module in enumerate(self._network.layers):
            layer = cast(Layer, module)
            past = (caches[index], caches[n_layers + index])
            x, k, v = self._layer(f"layer_{index}", layer, x, past)
            keys.append(graph.op("Unsqueeze", k, graph.ints(0)))
            values.append(graph.op("Unsqueeze", v, graph.ints(0)))
        sizes: list[Size] = [n_layers, "takes", self._config.n_kv_heads]
        d = self._config.d_head
        graph.output(
            "new_keys", graph.op("Concat", *keys, axis=0), np.float32, [*sizes, d, "events"]
        )
        graph.output(
            "new_values", graph.op("Concat", *values, axis=0), np.float32, [*sizes, "events", d]
        )
        hidden = _norm(graph, "norm", self._network.norm, x)
        graph.output("hidden", hidden, np.float32, [*_NEW, self._config.d_model])
        return hidden

    def _cache(self, index: int) -> str:
        """Declare the keys of a layer, or from number L on the values."""
        config = self._config
        layer = index % config.n_layers
        size = "slots" if config.is_global(layer) else self._ring
        shape = [config.d_head, size] if index < config.n_layers else [size, config.d_head]
        return self._graph.input(
            f"caches_{index}", np.float32, ["takes", config.n_kv_heads, *shape]
        )

    def _angles(self) -> tuple[str, str, str]:
        """Return cosines and sines, (B·T, D / 2), and the row of each new event, (B, T)."""
        graph, half = self._graph, self._config.d_head // 2
        speeds = ROPE_BASE ** (-torch.arange(half, dtype=torch.float32) / half)
        numbers = graph.op("Cast", self._positions, to=onnx.TensorProto.FLOAT)
        column = graph.op("Reshape", numbers, graph.ints(-1, 1))
        angles = graph.op("Mul", column, graph.floats(speeds.numpy()))
        zero, one = (graph.ints(number, is_list=False) for number in (0, 1))
        rows = graph.op("Range", zero, graph.op("Size", self._positions), one)
        places = graph.op("Reshape", rows, graph.op("Shape", self._positions))
        return graph.op("Cos", angles), graph.op("Sin", angles), places

    def _bias(self, number: int, window: int | None) -> str:
        """Return 0 where a query may look and `FORBIDDEN` elsewhere, (B, 1, R·T, S + T)."""
        graph, config = self._graph, self._config
        size = self._ring if window else "slots"
        slots = graph.input(f"slot_positions_{number}", np.int64, ["takes", size])
        keys = graph.op("Concat", slots, self._positions, axis=1)
        keys = graph.op("Unsqueeze", keys, graph.ints(1, 2))
        queries = graph.op("Unsqueeze", self._positions, graph.ints(1, 3))
        distance = graph.op("Sub", queries, keys)
        is_filled = graph.op("GreaterOrEqual", keys, graph.ints(0))
        sees = graph.op("And", is_filled, graph.op("GreaterOrEqual", distance, graph.ints(0)))
        if window:
            sees = graph.op("And", sees, graph.op("Less", distance, graph.ints(window)))
        bias = graph.op("Where", sees, graph.floats(0), graph.floats(FORBIDDEN))
        return graph.op("Tile", bias, graph.ints(1, 1, config.n_heads // config.n_kv_heads, 1))

    def _layer(
        self, name: str, layer: Layer, x: str, past: tuple[str, str]
    ) -> tuple[str, str, str]:
        """Return the output (B, T, C), new keys (B, G, D, T) and new values (B, G, T, D)."""
        graph = self._graph
        normed = _norm(graph, f"{name}_attention_norm", layer.attention_norm, x)
        y, k, v = self._attention(f"{name}_attention", layer.attention, normed, past)
        x = graph.op("Add", x, y)
        normed = _norm(graph, f"{name}_feed_forward_norm", layer.feed_forward_norm, x)
        y = _feed_forward(graph, f"{name}_feed_forward", layer.feed_forward, normed)
        return graph.op("Add", x, y), k, v

    def _attention(
        self, name: str, attention: Attention, x: str, past: tuple[str, str]
    ) -> tuple[str, str, str]:
        """Attend to a cache and to the new events without copying the cache."""
        graph = self._graph
        g, d = attention.n_kv_heads, attention.d_head
        q, k, v = self._projected(name, attention, x)
        q = graph.op("Reshape", q, graph.ints(0, g, -1, d))  # (B, G, R·T, D)
        k = graph.op("Transpose", k, perm=[0, 1, 3, 2])
        to_past, to_new = graph.op("MatMul", q, past[0]), graph.op("MatMul", q, k)
        scores = graph.op("Concat", to_past, to_new, axis=3)
        weights = graph.op(
            "Softmax", graph.op("Add", scores, self._biases[attention.is_global])
        )
        n_each = graph.op(
            "Concat",
            graph.op("Shape", past[1], start=2, end=3),
            graph.op("Shape", self._positions, start=1),
            axis=0,
        )
        on_past, on_new = graph.op_n(2, "Split", weights, n_each, axis=3)
        y = graph.op("Add", graph.op("MatMul", on_past, past[1]), graph.op("MatMul", on_new, v))
        y = graph.op("Reshape", y, graph.ints(0, attention.n_heads, -1, d))
        y = graph.op("Transpose", y, perm=[0, 2, 1, 3])
        y = graph.op("Reshape", y, graph.ints(0, 0, attention.n_heads * d))
        return graph.product(y, f"{name}_out", _array(attention.out.weight)), k, v

    def _projected(self, name: str, attention: Attention, x: str) -> tuple[str, str, str]:
        """Return queries (B, H, T, D), divided by √D, keys and values (B, G, T, D)."""
        graph = self._graph
        h, g, d = attention.n_heads, attention.n_kv_heads, attention.d_head
        rows = [attention.query.weight, attention.key.weight, attention.value.weight]
        qkv = graph.product(x, f"{name}_qkv", _array(torch.cat(rows)))
        qkv = graph.op("Reshape", qkv, graph.ints(0, 0, h + 2 * g, d))
        qkv = graph.op("Transpose", qkv, perm=[0, 2, 1, 3])
        qk, v = graph.op_n(2, "Split", qkv, graph.ints(h + g, g), axis=1)
        qk = graph.op(
            "SimplifiedLayerNormalization",
            qk,
            graph.floats(np.ones(d)),
            axis=-1,
            epsilon=NORM_EPSILON,
        )
        scales = [attention.query_norm.scale * d**-0.5] * h + [attention.key_norm.scale] * g
        qk = graph.op(
            "Mul", qk, graph.tensor(f"{name}_scales", _array(torch.stack(scales)[:, None]))
        )
        qk = graph.op("RotaryEmbedding", qk, self._places, self._cos, self._sin, domain=CONTRIB)
        q, k = graph.op_n(2, "Split", qk, graph.ints(h, g), axis=1)
        return q, k, v


# ------------------------------------------------------------------- the chain

Decide = Callable[[int, str], str]
"""Slot and scores of its values (…, V) to the embedding (…, C) of the value decided."""


def _run_chain(graph: GraphWriter, network: Network, hidden: str, decide: Decide) -> None:
    """Let the heads decide one slot after the other, from hidden vectors (…, C) on."""
    chain, state = network.chain, hidden
    for slot in range(N_SLOTS):
        normed = _norm(graph, f"chain_{slot}_norm", chain.norms[slot], state)
        scores = graph.product(
            normed, f"chain_{slot}_out", _array(cast(nn.Linear, chain.outs[slot]).weight)
        )
        decided = decide(slot, scores)
        if slot == N_SLOTS - 1:
            return
        state = graph.op("Add", state, decided)
        normed = _norm(graph, f"chain_{slot}_mix_norm", chain.mix_norms[slot], state)
        mixed = _feed_forward(graph, f"chain_{slot}_mixer", chain.mixers[slot], normed)
        state = graph.op("Add", state, mixed)


class _Scoring:
    """Each slot is what the next event says; how likely was that?"""

    def __init__(self, graph: GraphWriter, network: Network) -> None:
        self._graph, self._network = graph, network
        self._targets = graph.input("targets", np.int64, [*_NEW, N_SLOTS])
        program_ids = graph.input("program_ids", np.int64, _NEW)
        self._programs = _embedded(graph, network, program_ids)
        self._log_probs: list[str] = []

    def decide(self, slot: int, scores: str) -> str:
        """Note how likely the target is, and return its embedding (B, T, C)."""
        graph = self._graph
        target = graph.op("Gather", self._targets, graph.ints(slot), axis=2)  # (B, T, 1)
        is_said = graph.op("Greater", target, graph.ints(IGNORED))
        value = graph.op("Max", target, graph.ints(0))
        log_prob = graph.op("GatherElements", graph.op("LogSoftmax", scores), value, axis=2)
        self._log_probs.append(graph.op("Where", is_said, log_prob, graph.floats(0)))
        ids = graph.op("Add", value, graph.ints(self._network.slot_starts[slot]))
        ids = graph.op("Where", is_said, ids, graph.ints(0))
        decided = _embedded(graph, self._network, graph.op("Squeeze", ids, graph.ints(2)))
        return graph.op("Add", decided, self._programs) if slot == PART_SLOT else decided

    def hand_out(self) -> None:
        """Declare the outputs."""
        log_probs = self._graph.op("Concat", *self._log_probs, axis=2)
        self._graph.output("log_probs", log_probs, np.float32, [*_NEW, N_SLOTS])


class _Drawing:
    """Each slot is drawn from what the masks allow.

    Inputs:

    - `state`: first state of each take, (B,), int64;
    - `allowed_0` …: for each slot which values may be chosen, (N, V), bool;
    - `follow_0` …: for each slot but the last the state a value leads to, (N, V), int64;
    - `program_ids`: embedding id of the program of each part of each take, (B, parts), int64;
    - `noise`: standard Gumbel noise for all values of all slots, (B, sum of V): adding it and
      taking the best is drawing a sample (Gumbel-max);
    - `temperature`: for each slot, (J,), above 0;
    - `top_k`: keep this many best values, (), int64;
    - `top_p`: keep the fewest values whose probability sums to at least this, ();
    - `min_p`: keep values at least this share as likely as the likeliest, () (Nguyen et al.
      2024, arXiv:2407.01082).

    Outputs: `chosen`, the outputs of the heads, (B, J), int64; their `log_probs` in nats under
    the masks at temperature 1, (B, J); raw `scores`, (B, sum of V).
    """

    def __init__(self, graph: GraphWriter, network: Network) -> None:
        self._graph, self._network = graph, network
        sizes, n_values = network.slot_sizes, sum(network.slot_sizes)
        self._state = graph.input("state", np.int64, ["takes"])
        self._allowed = [
            graph.input(f"allowed_{slot}", np.bool_, [f"states_{slot}", size])
            for slot, size in enumerate(sizes)
        ]
        self._follow = [
            graph.input(f"follow_{slot}", np.int64, [f"states_{slot}", size])
            for slot, size in enumerate(sizes[:-1])
        ]
        self._program_ids = graph.input("program_ids", np.int64, ["takes", N_PARTS])
        noise = graph.input("noise", np.float32, ["takes", n_values])
        self._noise = graph.op_n(N_SLOTS, "Split", noise, graph.ints(*sizes), axis=1)
        temperature = graph.input("temperature", np.float32, [N_SLOTS])
        self._temperature = graph.op_n(
            N_SLOTS, "Split", temperature, graph.ints(*[1] * N_SLOTS)
        )
        self._top_k = graph.input("top_k", np.int64, [])
        self._top_p = graph.input("top_p", np.float32, [])
        self._log_min_p = graph.op("Log", graph.input("min_p", np.float32, []))
        # To rank the values is dear, so it is done only when it is asked for.
        self._ranks = graph.op(
            "Or",
            graph.op("Less", self._top_k, graph.ints(max(sizes), is_list=False)),
            graph.op("Less", self._top_p, graph.floats(1)),
        )
        self._chosen: list[str] = []
        self._log_probs: list[str] = []
        self._scores: list[str] = []

    def decide(self, slot: int, scores: str) -> str:
        """Draw a value and return its embedding (B, C)."""
        graph = self._graph
        allowed = graph.op("Gather", self._allowed[slot], self._state)
        masked = self._masked(slot, scores, allowed)
        noisy = graph.op("Add", self._cut(slot, masked), self._noise[slot])
        value = graph.op("ArgMax", noisy, axis=1)  # (B, 1)
        log_probs = graph.op("LogSoftmax", masked)
        self._chosen.append(value)
        self._scores.append(scores)
        self._log_probs.append(graph.op("GatherElements", log_probs, value, axis=1))
        return self._follow_on(slot, value) if slot < N_SLOTS - 1 else ""

    def _masked(self, slot: int, scores: str, allowed: str) -> str:  # noqa: ARG002 (for heirs)
        """Return the scores (B, V) to draw by: those of the network where allowed."""
        return self._graph.op("Where", allowed, scores, self._graph.floats(FORBIDDEN))

    def hand_out(self) -> None:
        """Declare the outputs."""
        graph = self._graph
        chosen = graph.op("Concat", *self._chosen, axis=1)
        graph.output("chosen", chosen, np.int64, ["takes", N_SLOTS])
        log_probs = graph.op("Concat", *self._log_probs, axis=1)
        graph.output("log_probs", log_probs, np.float32, ["takes", N_SLOTS])
        n_values = sum(self._network.slot_sizes)
        scores = graph.op("Concat", *self._scores, axis=1)
        graph.output("scores", scores, np.float32, ["takes", n_values])

    def _follow_on(self, slot: int, value: str) -> str:
        """Go to the state a value (B, 1) leads to; return the value's embedding (B, C)."""
        graph = self._graph
        leads_to = graph.op("Gather", self._follow[slot], self._state)
        state = graph.op("GatherElements", leads_to, value, axis=1)
        self._state = graph.op("Squeeze", state, graph.ints(1))
        ids = graph.op("Add", value, graph.ints(self._network.slot_starts[slot]))
        if slot > 0:
            has_attribute = graph.constant(_SLOT_OFFSETS[:, slot] >= 0, np.bool_)
            says_something = graph.op("Gather", has_attribute, self._chosen[0])
            ids = graph.op("Where", says_something, ids, graph.ints(0))
        decided = _embedded(graph, self._network, graph.op("Squeeze", ids, graph.ints(1)))
        return graph.op("Add", decided, self._program(value)) if slot == PART_SLOT else decided

    def _program(self, value: str) -> str:
        """Return the embedding (B, C) of the program of the part just decided for a note."""
        graph = self._graph
        part = graph.op("Sub", value, graph.ints(_FIRST_PART))
        part = graph.op(
            "Clip", part, graph.ints(0, is_list=False), graph.ints(N_PARTS - 1, is_list=False)
        )
        ids = graph.op("GatherElements", self._program_ids, part, axis=1)
        is_note = graph.op("Equal", self._chosen[0], graph.ints(Kind.NOTE))
        ids = graph.op("Where", is_note, ids, graph.ints(0))
        return _embedded(graph, self._network, graph.op("Squeeze", ids, graph.ints(1)))

    def _cut(self, slot: int, masked: str) -> str:
        """Return scores (B, V) at their temperature; what is cut away is forbidden.

        Each of top-k, top-p and min-p keeps what scores at least a threshold, so the highest
        of the three counts. Ties with it stay.
        """
        graph = self._graph
        scores = graph.op("Div", masked, self._temperature[slot])
        best = graph.op("ReduceMax", scores, graph.ints(1))
        likely = graph.op("Add", best, self._log_min_p)
        ranked = graph.choose(
            self._ranks,
            self._ranked(slot, scores, likely),
            self._unranked(slot, likely),
        )
        stays = graph.op("GreaterOrEqual", scores, ranked)
        return graph.op("Where", stays, scores, graph.floats(FORBIDDEN))

    def _ranked(self, slot: int, scores: str, likely: str) -> GraphWriter:
        """Return a graph that finds the least score (B, 1) that all of the three keep."""
        graph = GraphWriter(f"ranked_{slot}", is_int8=False)
        size = self._network.slot_sizes[slot]
        ranked, _ = graph.op_n(2, "TopK", scores, graph.ints(size))
        probs = graph.op("Softmax", ranked)
        before = graph.op("CumSum", probs, graph.ints(1), exclusive=1)
        stays = graph.op(
            "And",
            graph.op("Less", before, self._top_p),
            graph.op("Less", graph.constant(np.arange(size), np.int64), self._top_k),
        )
        kept = graph.op("Where", stays, ranked, graph.floats(-FORBIDDEN))
        least = graph.op("ReduceMin", kept, graph.ints(1))
        graph.output(
            f"threshold_{slot}", graph.op("Max", least, likely), np.float32, ["takes", 1]
        )
        return graph

    def _unranked(self, slot: int, likely: str) -> GraphWriter:
        """Return a graph that hands on the threshold of min-p alone."""
        graph = GraphWriter(f"unranked_{slot}", is_int8=False)
        graph.output(f"likely_{slot}", likely, np.float32, ["takes", 1])
        return graph


class _Recalling(_Drawing):
    """Each slot is drawn from the network's expectation mixed with what was remembered.

    The next event is a neighbour with the probability that is its weight, and what the network
    expects with the rest (Khandelwal et al. 2020, arXiv:1911.00172). Slot by slot that is a
    mixture whose weights follow by Bayes' rule from what was decided before: a neighbour that
    says otherwise drops out, as does one that the masks forbid. One that says nothing in a slot
    goes along with the network there.

    Inputs beside those of `_Drawing`:

    - `neighbours`: head outputs that spell each neighbour, (B, K, J), int64; -1 where none;
    - `neighbour_weights`: of each, at least 0, and at most 1 in sum, (B, K).
    """

    def __init__(self, graph: GraphWriter, network: Network) -> None:
        super().__init__(graph, network)
        self._neighbours = graph.input("neighbours", np.int64, ["takes", "neighbours", N_SLOTS])
        self._weights = graph.input("neighbour_weights", np.float32, ["takes", "neighbours"])
        self._own = self._at_least(
            LEAST_OWN, graph.op("Sub", graph.floats(1), self._sum(self._weights))
        )
        self._expected = self._said = self._is_silent = ""

    def _masked(self, slot: int, scores: str, allowed: str) -> str:
        """Return the logarithm of the mixture, (B, V)."""
        graph, zero = self._graph, self._graph.floats(0)
        self._expected = graph.op("LogSoftmax", super()._masked(slot, scores, allowed))
        place = graph.ints(slot, is_list=False)
        self._said = graph.op("Gather", self._neighbours, place, axis=2)  # (B, K)
        self._is_silent = graph.op("Less", self._said, graph.ints(0))
        value = graph.op("Max", self._said, graph.ints(0))
        is_allowed = graph.op("GatherElements", allowed, value, axis=1)
        may_be = graph.op("Or", self._is_silent, is_allowed)
        self._weights = graph.op("Where", may_be, self._weights, zero)
        along = graph.op("Where", self._is_silent, self._weights, zero)
        spoken = graph.op("Where", self._is_silent, zero, self._weights)
        own = graph.op("Add", self._own, self._sum(along))
        total = graph.op("Add", own, self._sum(spoken))
        nothing = graph.op("ConstantOfShape", graph.op("Shape", self._expected))
        recalled = graph.op("ScatterElements", nothing, value, spoken, axis=1, reduction="add")
        likely = graph.op(
            "Add", graph.op("Mul", graph.op("Exp", self._expected), own), recalled
        )
        mixed = graph.op(
            "Where",
            graph.op("Greater", recalled, zero),
            graph.op("Log", graph.op("Div", likely, total)),
            graph.op("Add", self._expected, graph.op("Log", graph.op("Div", own, total))),
        )
        return graph.op("Where", allowed, mixed, graph.floats(FORBIDDEN))

    def _follow_on(self, slot: int, value: str) -> str:
        """Let the value decided (B, 1) weigh the network and its neighbours anew."""
        graph = self._graph
        own = graph.op("Exp", graph.op("GatherElements", self._expected, value, axis=1))
        agrees = graph.op(
            "Cast", graph.op("Equal", self._said, value), to=onnx.TensorProto.FLOAT
        )
        foretold = graph.op("Where", self._is_silent, own, agrees)
        weights = graph.op("Mul", self._weights, foretold)
        own = graph.op("Mul", self._own, own)
        total = self._at_least(LEAST_OWN, graph.op("Add", own, self._sum(weights)))
        self._weights = graph.op("Div", weights, total)
        self._own = self._at_least(LEAST_OWN, graph.op("Div", own, total))
        return super()._follow_on(slot, value)

    def _sum(self, weights: str) -> str:
        """Return the sum (B, 1) of weights (B, K)."""
        return self._graph.op("ReduceSum", weights, self._graph.ints(1))

    def _at_least(self, least: float, weights: str) -> str:
        return self._graph.op("Max", weights, self._graph.floats(least))


# ------------------------------------------------------------ shared by all parts


def _array(weights: Tensor) -> NDArray[np.float32]:
    return weights.detach().float().cpu().numpy()


def _embedded(graph: GraphWriter, network: Network, ids: str) -> str:
    """Return the embeddings (…, C) of ids (…)."""
    return graph.op("Gather", graph.tensor("embedding", _array(network.embedding.weight)), ids)


def _norm(graph: GraphWriter, name: str, norm: nn.Module, x: str) -> str:
    """Return what `norm`, an `RMSNorm`, makes of `x`."""
    scale = graph.tensor(name, _array(cast(RMSNorm, norm).scale))
    return graph.op("SimplifiedLayerNormalization", x, scale, axis=-1, epsilon=NORM_EPSILON)


def _feed_forward(graph: GraphWriter, name: str, module: nn.Module, x: str) -> str:
    """Return what a `FeedForward` makes of `x`."""
    layer = cast(FeedForward, module)
    rows = torch.cat([layer.gate.weight, layer.up.weight])
    both = graph.product(x, f"{name}_in", _array(rows))
    gate, up = graph.op_n(2, "Split", both, axis=-1, num_outputs=2)
    silu = graph.op("QuickGelu", gate, domain=CONTRIB, alpha=1.0)
    return graph.product(graph.op("Mul", silu, up), f"{name}_down", _array(layer.down.weight))
