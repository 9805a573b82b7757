"""The text in a box: in plain words, or as in the figures of the GoogLeNet paper."""

from collections import Counter
from collections.abc import Sequence

from inception_lens.graph import Graph, Node
from inception_lens.ops import Category, Window, format_shape
from inception_lens.renderers.diagrams.grouping import NodeGroup

MAX_NAMED = 3
"""Operations of a module that its box lists one by one; of more it shows the number of each category."""

PAPER_NAMES = {
    "MaxPool2d": "MaxPool", "AvgPool2d": "AveragePool", "AdaptiveAvgPool2d": "AveragePool", "Conv2d": "Conv",
    "LocalResponseNorm": "LocalRespNorm", "Concat": "DepthConcat", "Linear": "FC", "Softmax": "SoftmaxActivation",
}  # fmt: skip
"""The names of operations in GoogLeNet's Figure 3, by op kind."""

COUNTED: tuple[Category, ...] = (
    "conv", "linear", "attention", "recurrent", "embedding", "pool", "arithmetic", "unknown",
)  # fmt: skip
"""Categories that a module's box counts, in this order."""


def shape_text(shape: Sequence[int | None]) -> str:
    """The shape of one sample: the first axis, the batch, is left out."""
    return format_shape(shape[1:]) or format_shape(shape) or "scalar"


def node_window(graph: Graph, node: Node) -> Window | None:
    """The window of a convolution or pool; None for every other operation."""
    if node.op.category not in ("conv", "pool") or not node.inputs:
        return None
    return node.op.window(graph.input_shapes(node)[0], graph.types[node.name][0].shape)


def operation(graph: Graph, node: Node) -> str:
    """One operation in plain words: `conv 3x3/2, 64`."""
    op, label = node.op, node.op.label
    if op.category == "conv":
        label = f"conv {label}" if label[:1].isdigit() else label
        return f"{label}, {graph.types[node.name][0].shape[1]}"
    if op.category == "linear" and op.has_weights:
        return f"{label}, {graph.types[node.name][0].shape[-1]}"
    return label


def module(graph: Graph, group: NodeGroup) -> str:
    """The operations of a module: each one if they are few, or the number of each category."""
    nodes = [graph.nodes[i] for i in group.first_nodes]
    main = [node for node in nodes if not node.is_minor and node.inputs] or nodes
    if len(main) <= MAX_NAMED:
        return " | ".join([operation(graph, node) for node in main])
    counts = Counter(node.op.category for node in main)
    categories: list[Category] = [category for category in COUNTED if counts[category]]
    return ", ".join([f"{counts[category]} {category}" for category in categories or counts])


def paper_layer(graph: Graph, node: Node) -> str:
    """As in GoogLeNet's Figure 3 (arXiv 1409.4842): `Conv 7x7+2(S)`, with S for same padding and V for valid."""
    window = node_window(graph, node)
    name = PAPER_NAMES.get(node.op.kind, node.op.label)
    if window is None or node.op.kind not in PAPER_NAMES:
        return name
    before, after = graph.input_shapes(node)[0], graph.types[node.name][0].shape
    sizes = zip(before[2:], window.stride, after[2:], strict=False)
    same = all(output == -(-size // stride) for size, stride, output in sizes)
    stride = window.stride[0] if len(set(window.stride)) == 1 else format_shape(window.stride)
    return f"{name} {format_shape(window.kernel)}+{stride}({'S' if same else 'V'})"


def paper_module_layer(graph: Graph, node: Node) -> str:
    """As in GoogLeNet's Figure 2 (arXiv 1409.4842): `3x3 convolutions`, `3x3 max pooling`, `Filter concatenation`."""
    if node.op.kind == "Concat":
        return "Filter concatenation"
    window = node_window(graph, node)
    name = {"MaxPool2d": "max pooling", "AvgPool2d": "average pooling"}.get(node.op.kind)
    if node.op.category == "conv":
        name = "convolutions"
    return f"{format_shape(window.kernel)} {name}" if window and name else paper_layer(graph, node)
