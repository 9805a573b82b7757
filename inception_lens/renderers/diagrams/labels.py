"""What stands in a box: in plain words, or as in the paper's figures."""

from collections import Counter
from collections.abc import Iterable

from inception_lens.graph import Graph, Node
from inception_lens.ops import Category, Shape, format_shape
from inception_lens.renderers.diagrams.parts import Part

MAX_NAMED = 3
"""Operations of a module that its box names one by one; of more it counts them."""

PAPER_NAMES = {
    "MaxPool2d": "MaxPool",
    "AvgPool2d": "AveragePool",
    "AdaptiveAvgPool2d": "AveragePool",
    "LocalResponseNorm": "LocalRespNorm",
    "Concat": "DepthConcat",
    "Linear": "FC",
    "Softmax": "SoftmaxActivation",
    "Conv2d": "Conv",
}
"""What GoogLeNet's Figure 3 calls the operations."""

COUNTED: tuple[Category, ...] = (
    "conv",
    "linear",
    "attention",
    "recurrent",
    "embedding",
    "pool",
    "arithmetic",
    "unknown",
)


def shape_text(shape: Shape) -> str:
    """The shape of one sample."""
    return format_shape(shape[1:]) or format_shape(shape) or "scalar"


def operation(graph: Graph, node: Node) -> str:
    """One operation in plain words: `conv 3x3/2, 64`."""
    op, label = node.op, node.op.label
    if op.category == "conv":
        label = f"conv {label}" if label[:1].isdigit() else label
        return f"{label}, {graph.types[node.name][0].shape[1]}"
    if op.category == "linear" and op.has_weights:
        return f"{label}, {graph.types[node.name][0].shape[-1]}"
    return label


def module(graph: Graph, part: Part) -> str:
    """What a module does: its operations by name where they are few, or how many of each kind."""
    nodes = [graph.nodes[i] for i in part.once]
    told = [node for node in nodes if not node.is_minor and node.inputs] or nodes
    if len(told) <= MAX_NAMED:
        return " | ".join([operation(graph, node) for node in told])
    counts = Counter(node.op.category for node in told)
    kinds: Iterable[Category] = [kind for kind in COUNTED if counts[kind]] or list(counts)
    return ", ".join([f"{counts[kind]} {kind}" for kind in kinds])


def paper_layer(graph: Graph, node: Node) -> str:
    """As in GoogLeNet's Figure 3 (arXiv 1409.4842): `Conv 7x7+2(S)`, with S for same padding and V for valid."""
    window = _window(graph, node)
    name = PAPER_NAMES.get(node.op.kind, node.op.label)
    if window is None or node.op.kind not in PAPER_NAMES:
        return name
    kernel, stride, same = window
    step = stride[0] if len(set(stride)) == 1 else format_shape(stride)
    return f"{name} {format_shape(kernel)}+{step}({'S' if same else 'V'})"


def paper_module_layer(graph: Graph, node: Node) -> str:
    """As in GoogLeNet's Figure 2 (arXiv 1409.4842): `3x3 convolutions`, `3x3 max pooling`, `Filter concatenation`."""
    window = _window(graph, node)
    if node.op.kind == "Concat":
        return "Filter concatenation"
    kind = {"MaxPool2d": "max pooling", "AvgPool2d": "average pooling"}.get(node.op.kind)
    if node.op.category == "conv":
        kind = "convolutions"
    return f"{format_shape(window[0])} {kind}" if window and kind else paper_layer(graph, node)


def _window(graph: Graph, node: Node) -> tuple[Shape, Shape, bool] | None:
    """Kernel, stride and whether the map keeps its size but for the stride, of a convolution or a pool."""
    if node.op.category not in ("conv", "pool") or not node.inputs:
        return None
    before, after = graph.input_shapes(node)[0], graph.types[node.name][0].shape
    window = node.op.window(before, after)
    if window is None:
        return None
    same = all(n == -(-size // step) for size, step, n in zip(before[2:], window.stride, after[2:], strict=False))
    return window.kernel, window.stride, same
