"""The claims of a 2017 article on GoogLeNet, each compared with a network.

The article explains the paper and trains the network with PaddlePaddle v2; its figures are weights without biases.
"""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from math import ceil
from typing import Literal

import msgspec

from inception_lens.analyses.compare.attributes import pads
from inception_lens.analyses.paper.table1 import describe, fits, size_of
from inception_lens.errors import ShapeError
from inception_lens.graph import Graph, Node
from inception_lens.ops import Conv2d, Linear, MaxPool2d, Padding, Shape, format_shape
from inception_lens.ops.window import explicit_padding, output_size
from inception_lens.rewrites.widths import width_of

ClaimVerdict = Literal["holds", "corrected", "unchecked", "differs"]
"""`corrected`: the claim is wrong for the paper's network; `differs`: this network is not the paper's."""

REACH = 1000
"""Map sizes for which a rounding rule is checked."""

MARKS = {
    "conv1/7x7_s2": "S", "pool1/3x3_s2": "S", "conv2/3x3_reduce": "V", "conv2/3x3": "S", "pool2/3x3_s2": "S",
    "inception_3a/3x3": "S", "inception_3a/5x5": "S", "inception_3a/pool": "S", "pool3/3x3_s2": "S",
    "pool4/3x3_s2": "S", "pool5/7x7_s1": "V",
}  # fmt: skip
"""Padding in the paper's Figure 3: S is SAME, V is none; one module represents all."""


class Statement(msgspec.Struct, frozen=True):
    """One claim of the article and the fact of the network."""

    topic: str
    """What the claim is about."""
    claim: str
    """What the article states."""
    found: str
    """What the network has."""
    verdict: ClaimVerdict
    """How the two compare."""
    note: str = ""
    """An explanation, where one is needed."""


class Described(msgspec.Struct, frozen=True):
    """A network whose calls are looked up by the names of the catalogue's `googlenet`."""

    graph: Graph
    """The network at inference."""
    nodes: Mapping[str, Node]
    """Its calls, by the name of the paired call of `googlenet`."""
    training: Graph
    """The network in training mode, with its auxiliary heads."""

    def shape(self, name: str) -> Shape | None:
        """Output shape of a call; None where the network has no such call."""
        node = self.nodes.get(name)
        return self.graph.types[node.name][0].shape if node else None

    def size(self, name: str) -> str:
        """Output size as the article writes it: height, width, channels."""
        shape = self.shape(name)
        return format_shape(size_of(shape)) if shape else "no such layer"

    def convolution(self, name: str, *, stride: bool) -> str:
        """Width, kernel, padding and output size of a convolution as the article writes them."""
        node = self.nodes.get(name)
        if not node or not isinstance(op := node.op, Conv2d):
            return "no such layer"
        before, after = pads(op, self.graph.input_shapes(node)[0])[0]
        step = f"/{op.stride[0]}" if stride else ""
        padding = str(before) if before == after else f"{before}+{after}"
        return f"{op.out_channels} of {format_shape(op.kernel_size)}{step}, padding {padding}: {self.size(name)}"

    def weights(self, name: str) -> int:
        """Weights of a call, without its biases."""
        node = self.nodes.get(name)
        tensors = node.op.parameters(*self.graph.input_shapes(node)) if node else ()
        return sum(tensor.elements for tensor in tensors if tensor.role == "weight")


def statements(network: Described, reference: Described) -> tuple[Statement, ...]:
    """Check every claim on `network`; the verdict is `differs` where `reference`, the paper's network, disagrees."""
    found, own = list(_statements(network)), list(_statements(reference))
    return tuple(
        each
        if each.found == other.found or each.verdict == "unchecked"
        else msgspec.structs.replace(each, verdict="differs", note=f"not {other.found}")
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
    yield _compared("the same after 32 filters of 1x1", "82,944 weights", f"{reduced:,} weights")
    ways = describe(tuple(fits("5.5", Fraction(direct, reduced))))
    note = f"{ways}: the ratio is {direct / reduced:.4f}"
    yield Statement("the saving", "1/5.5", f"1/{direct / reduced:.2f}", "holds" if ways else "corrected", note)


def _compared(topic: str, claim: str, found: str, note: str = "") -> Statement:
    return Statement(topic, claim, found, "holds" if claim == found else "corrected", note)


def _first_layers(network: Described) -> Iterator[Statement]:
    yield _compared("C1", "64 of 7x7/2, padding 3: 112x112x64", network.convolution("conv1/7x7_s2", stride=True))


def _pool_sizes(network: Described) -> Iterator[Statement]:
    """With truncated division, (n - k + 1) / s + 1 equals rounding up at stride 2; rounding down gives less."""
    always = all((n - k + 1) // 2 + 1 == ceil(Fraction(n - k, 2)) + 1 for k in (2, 3, 5, 7) for n in range(k, REACH))
    for topic, name, before in (("P1", "pool1/3x3_s2", 112), ("P2", "pool2/3x3_s2", 56)):
        by_formula = (before - 3 + 1) // 2 + 1
        down = output_size((before,), (3,), (2,), (0,), (1,), "floor")[0]
        shape = network.shape(name)
        note = f"the formula rounds up, as Caffe does{', for every map at stride 2' if always else ''}; down is {down}"
        found = str(shape[2]) if shape else "no such layer"
        yield _compared(topic, str(by_formula), found, note)


def _second_convolution(network: Described) -> Iterator[Statement]:
    yield _compared("C2", "192 of 3x3, padding 1: 56x56x192", network.convolution("conv2/3x3", stride=False))
    reduction, convolution = network.weights("conv2/3x3_reduce"), network.weights("conv2/3x3")
    both = f"two: of {reduction:,} and {convolution:,} weights" if reduction else f"one, of {convolution:,} weights"
    note = "the article omits the 1x1 reduction before it, which Table 1 counts as a layer (depth 2)"
    yield Statement("C2, layers", "one 3x3 convolution", both, "corrected" if reduction else "holds", note)


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
    """Whether each layer's output has the size that its mark in the figure implies."""
    agree = sum(_has_size_of(mark, network, name) for name, mark in MARKS.items())
    first, last = explicit_padding((224,), (7,), (2,), "same", (1,))[0]
    note = f"sizes only: SAME pads C1 by {first} before and {last} after, the article by 3 and 3: one pixel apart"
    found = f"{agree} of {len(MARKS)} layers have the size of their mark"
    verdict: ClaimVerdict = "holds" if agree == len(MARKS) else "corrected"
    yield Statement("padding marks", "S keeps the size, V is none", found, verdict, note)


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
    nodes = graph.index.nodes
    heads = [output for output in graph.outputs[1:] if graph.mode == "training"]
    seen = []
    for head in heads:
        chain, name = [nodes[head.node]], head.node
        while sum(isinstance(node.op, Linear) for node in chain) < 2 or not isinstance(chain[-1].op, Conv2d):
            name = nodes[name].inputs[0]
            if name not in nodes or len(nodes[name].inputs) != 1:
                break
            chain.append(nodes[name])
        widths = [width for node in chain if (width := width_of(node))]
        rate = next((getattr(node.op, "p", 0) for node in chain if node.op.category == "dropout"), 0)
        seen.append(f"{' and '.join(map(str, widths[-1:0:-1]))}, dropout {rate:g}, weight {head.loss_weight:g}")
    found = f"{len(heads)}: {'; '.join(dict.fromkeys(seen))}" if heads else "none"
    claim = "2: 128 and 1024, dropout 0.7, weight 0.3"
    note = "networks have no auxiliary heads at inference"
    none = Statement("heads on 4a and 4d", claim, found, "unchecked", note)
    yield _compared("heads on 4a and 4d", claim, found) if heads else none


def _ends(network: Described) -> Iterator[Statement]:
    graph = network.graph
    linear = sum(isinstance(node.op, Linear) for node in graph.nodes)
    kept = f"{network.size('pool5/7x7_s1')}, then {linear} linear"
    yield _compared("the end", "1x1x1024, then 1 linear", kept)
    yield _compared("activations", "ReLU after every convolution", _activated(graph))
    note = "not a property of the graph; the paper reports it"
    yield Statement("average pooling", "top-1 better by 0.6 %", "-", "unchecked", note)


def _activated(graph: Graph) -> str:
    readers = graph.index.readers
    without = 0
    for node in graph.nodes:
        if isinstance(node.op, Conv2d):
            following = readers[node.name]
            while following and graph.nodes[following[0]].op.category == "norm":
                following = readers[graph.nodes[following[0]].name]
            without += not any(graph.nodes[i].op.kind == "ReLU" for i in following)
    return f"ReLU after all but {without} convolutions" if without else "ReLU after every convolution"
