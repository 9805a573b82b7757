"""What a 2017 article on GoogLeNet says of it, statement by statement, beside what follows from a network.

The article explains the paper and trains the network with PaddlePaddle v2; its figures are weights without biases.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from math import ceil
from typing import Any, Literal

import msgspec

from inception_lens.analyses.compare.attributes import pads
from inception_lens.analyses.paper.table1 import fits, size_of, told
from inception_lens.errors import ShapeError
from inception_lens.graph import Graph, Node
from inception_lens.ops import Conv2d, Linear, MaxPool2d, Padding, Shape, format_shape
from inception_lens.ops.window import explicit_padding, output_size

Standing = Literal["holds", "corrected", "unchecked", "differs"]
"""corrected: the network that it describes is otherwise, as is said; differs: this network is not the one described."""

REACH = 1000
"""Map sizes for which a rule of rounding is tried."""

MARKS = {
    "conv1/7x7_s2": "S", "pool1/3x3_s2": "S", "conv2/3x3_reduce": "V", "conv2/3x3": "S", "pool2/3x3_s2": "S",
    "inception_3a/3x3": "S", "inception_3a/5x5": "S", "inception_3a/pool": "S", "pool3/3x3_s2": "S",
    "pool4/3x3_s2": "S", "pool5/7x7_s1": "V",
}  # fmt: skip
"""Padding in the paper's Figure 3: S for SAME, V for none; the modules are alike, so that one stands for all."""


class Statement(msgspec.Struct, frozen=True):
    """One statement: what the article says, what is found, and how the two stand to each other."""

    topic: str
    said: str
    found: str
    standing: Standing
    note: str = ""


class Described(msgspec.Struct, frozen=True):
    """A network under the names of the catalogue's `googlenet`, as far as its calls stand for that one's."""

    graph: Graph
    nodes: Mapping[str, Node]
    training: Graph

    def shape(self, name: str) -> Shape | None:
        """Output of a call; None where the network has none in its place."""
        node = self.nodes.get(name)
        return self.graph.types[node.name][0].shape if node else None

    def size(self, name: str) -> str:
        """The same as the article writes it."""
        shape = self.shape(name)
        return format_shape(size_of(shape)) if shape else "nothing there"

    def values(self, name: str) -> dict[str, Any]:
        """The fields of a call's operation."""
        node = self.nodes.get(name)
        return {field: getattr(node.op, field) for field in node.op.__struct_fields__} if node else {}

    def weights(self, name: str) -> int:
        """Weights of a call, without its biases."""
        node = self.nodes.get(name)
        tensors = node.op.parameters(*self.graph.input_shapes(node)) if node else ()
        return sum(tensor.elements for tensor in tensors if tensor.role == "weight")


def statements(network: Described, reference: Described) -> tuple[Statement, ...]:
    """Every statement, found in `network`; it differs where `reference`, the paper's own, has something else."""
    found, own = list(_statements(network)), list(_statements(reference))
    return tuple(
        each
        if each.found == other.found or each.standing == "unchecked"
        else msgspec.structs.replace(each, standing="differs", note=f"not {other.found}")
        for each, other in zip(found, own, strict=True)
    )


def _statements(network: Described) -> Iterator[Statement]:
    yield from _worked_example()
    for layers in (_first_layers, _pool_sizes, _second_convolution, _pool_branches, _padding, _heads, _ends):
        yield from layers(network)


def _weights(channels: int, width: int, kernel: int) -> int:
    op = Conv2d(width, (kernel, kernel), padding=(kernel // 2, kernel // 2), bias=False)
    return sum(tensor.elements for tensor in op.parameters((1, channels, 28, 28)))


def _worked_example() -> Iterator[Statement]:
    direct = _weights(192, 96, 5)
    reduced = _weights(192, 32, 1) + _weights(32, 96, 5)
    yield _compared("96 filters of 5x5 on 28x28x192", "460,800 weights", f"{direct:,} weights")
    yield _compared("the same behind 32 filters of 1x1", "82,944 weights", f"{reduced:,} weights")
    ways = told(tuple(fits("5.5", Fraction(direct, reduced))))
    note = f"{ways}: the ratio is {direct / reduced:.4f}"
    yield Statement("the saving", "1/5.5", f"1/{direct / reduced:.2f}", "holds" if ways else "corrected", note)


def _compared(topic: str, said: str, found: str, note: str = "") -> Statement:
    return Statement(topic, said, found, "holds" if said == found else "corrected", note)


def _first_layers(network: Described) -> Iterator[Statement]:
    op = network.values("conv1/7x7_s2")
    node = network.nodes.get("conv1/7x7_s2")
    found = "nothing there"
    if node and isinstance(node.op, Conv2d):
        before, behind = pads(node.op, network.graph.input_shapes(node)[0])[0]
        padding = str(before) if before == behind else f"{before}+{behind}"
        found = f"{op['out_channels']} of {format_shape(op['kernel_size'])}/{op['stride'][0]}, padding {padding}"
        found += f": {network.size('conv1/7x7_s2')}"
    yield _compared("C1", "64 of 7x7/2, padding 3: 112x112x64", found)


def _pool_sizes(network: Described) -> Iterator[Statement]:
    """(n - k + 1) / s + 1, division cut, is what rounding up gives where the stride is 2; rounding down gives less."""
    always = all((n - k + 1) // 2 + 1 == ceil(Fraction(n - k, 2)) + 1 for k in (2, 3, 5, 7) for n in range(k, REACH))
    for topic, name, before in (("P1", "pool1/3x3_s2", 112), ("P2", "pool2/3x3_s2", 56)):
        by_formula = (before - 3 + 1) // 2 + 1
        down = output_size((before,), (3,), (2,), (0,), (1,), "floor")[0]
        shape = network.shape(name)
        note = f"the formula rounds up, as Caffe does{', for every map at stride 2' if always else ''}; down is {down}"
        found = str(shape[2]) if shape else "nothing there"
        yield _compared(topic, str(by_formula), found, note)


def _second_convolution(network: Described) -> Iterator[Statement]:
    yield _compared("C2", "192 of 3x3, padding 1: 56x56x192", _conv2(network))
    reduction, convolution = network.weights("conv2/3x3_reduce"), network.weights("conv2/3x3")
    both = f"two: of {reduction:,} and {convolution:,} weights" if reduction else f"one, of {convolution:,} weights"
    note = "it leaves out the 1x1 reduction in front, which Table 1 counts as a layer (depth 2)"
    yield Statement("C2, layers", "one 3x3 convolution", both, "corrected" if reduction else "holds", note)


def _conv2(network: Described) -> str:
    op = network.values("conv2/3x3")
    node = network.nodes.get("conv2/3x3")
    if not node or "kernel_size" not in op:
        return "nothing there"
    before, _ = pads(node.op, network.graph.input_shapes(node)[0])[0]
    return f"{op['out_channels']} of {format_shape(op['kernel_size'])}, padding {before}: {network.size('conv2/3x3')}"


def _pool_branches(network: Described) -> Iterator[Statement]:
    for module, channels, total in (("inception_3a", 192, "28x28x256"), ("inception_3b", 256, "28x28x480")):
        yield _compared(module.removeprefix("inception_"), total, network.size(f"{module}/output"))
        node = network.nodes.get(f"{module}/pool")
        kind = "a 3x3 max pool, no weights" if node and isinstance(node.op, MaxPool2d) else "no max pool"
        own = sum(network.weights(name) for name in network.nodes if name.startswith(f"{module}/"))
        note = f"as convolutions they would have {_weights(channels, channels, 3):,} weights; the module has {own:,}"
        topic = f"{module.removeprefix('inception_')}, pool branch"
        yield Statement(topic, f"{channels} 3x3 convolution kernels", kind, "corrected", note)


def _padding(network: Described) -> Iterator[Statement]:
    """Whether each layer's output has the size that its mark in the figure gives."""
    agree = sum(_has_size_of(mark, network, name) for name, mark in MARKS.items())
    first, last = explicit_padding((224,), (7,), (2,), "same", (1,))[0]
    note = f"sizes alone: SAME pads C1 {first} before and {last} behind, where the article has 3 and 3: one pixel apart"
    found = f"{agree} of {len(MARKS)} layers have the size of their mark"
    standing: Standing = "holds" if agree == len(MARKS) else "corrected"
    yield Statement("padding marks", "S keeps the size, V is none", found, standing, note)


def _has_size_of(mark: str, network: Described, name: str) -> bool:
    node, shape = network.nodes.get(name), network.shape(name)
    if not node or not shape or node.op.category not in ("conv", "pool"):
        return False
    before = network.graph.input_shapes(node)[0]
    window = node.op.window(before, shape)
    if window is None:
        return False
    try:
        padding: Padding = "same" if mark == "S" else (0,) * len(window.kernel)
        return output_size(before[2:], window.kernel, window.stride, padding, window.dilation, "floor") == shape[2:]
    except ShapeError:
        return False


def _heads(network: Described) -> Iterator[Statement]:
    graph = network.training
    nodes = {node.name: node for node in graph.nodes}
    heads = [output for output in graph.outputs[1:] if graph.mode == "training"]
    seen = []
    for head in heads:
        chain, name = [nodes[head.node]], head.node
        while sum(isinstance(node.op, Linear) for node in chain) < 2 or not isinstance(chain[-1].op, Conv2d):
            name = nodes[name].inputs[0]
            if name not in nodes or len(nodes[name].inputs) != 1:
                break
            chain.append(nodes[name])
        widths = [op.out_channels if isinstance(op, Conv2d) else op.out_features for op in _learned(chain)]
        rate = next((getattr(node.op, "p", 0) for node in chain if node.op.category == "dropout"), 0)
        seen.append(f"{' and '.join(map(str, widths[-1:0:-1]))}, dropout {rate:g}, weight {head.loss_weight:g}")
    found = f"{len(heads)}: {'; '.join(dict.fromkeys(seen))}" if heads else "none"
    said = "2: 128 and 1024, dropout 0.7, weight 0.3"
    if heads:
        yield _compared("heads on 4a and 4d", said, found)
    else:
        yield Statement("heads on 4a and 4d", said, found, "unchecked", "it has none, as no network has at inference")


def _learned(chain: list[Node]) -> list[Any]:
    return [node.op for node in chain if isinstance(node.op, Conv2d | Linear)]


def _ends(network: Described) -> Iterator[Statement]:
    graph = network.graph
    linear = sum(isinstance(node.op, Linear) for node in graph.nodes)
    kept = f"{network.size('pool5/7x7_s1')}, then {linear} linear"
    yield _compared("the end", "1x1x1024, then 1 linear", kept)
    yield _compared("activations", "ReLU behind every convolution", _activated(graph))
    note = "no property of the graph; the paper says so"
    yield Statement("average pooling", "top-1 better by 0.6 %", "-", "unchecked", note)


def _activated(graph: Graph) -> str:
    readers: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    without = 0
    for node in graph.nodes:
        if isinstance(node.op, Conv2d):
            following = readers.get(node.name, [])
            while following and following[0].op.category == "norm":
                following = readers.get(following[0].name, [])
            without += not any(each.op.kind == "ReLU" for each in following)
    return f"ReLU behind all but {without} convolutions" if without else "ReLU behind every convolution"
