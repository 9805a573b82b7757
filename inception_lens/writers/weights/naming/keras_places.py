"""The layers of a network as Keras has them: their classes, the names of their variables, and their order."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from inception_lens.graph import Graph, Node
from inception_lens.ops import Concat, Conv2d, Flatten, Permute, Shape

KINDS = {
    "Conv1d": "conv1d", "Conv2d": "conv2d", "Conv3d": "conv3d", "ConvTranspose1d": "conv1d_transpose",
    "ConvTranspose2d": "conv2d_transpose", "ConvTranspose3d": "conv3d_transpose", "Linear": "dense",
    "BatchNorm1d": "batch_normalization", "BatchNorm2d": "batch_normalization", "BatchNorm3d": "batch_normalization",
    "LayerNorm": "layer_normalization", "GroupNorm": "group_normalization", "Embedding": "embedding",
    "PReLU": "p_re_lu",
}  # fmt: skip
"""Keras' classes, as groups name them, by the kind of the operation."""

NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
LAYER = {"weight": "kernel", "bias": "bias"}
OTHERS = {"Embedding": "embeddings", "PReLU": "alpha"}
"""Keras' names of variables, by the role of a norm's tensor, of another layer's, and of the only tensor of a kind."""

APPLICATIONS = (
    (r"Block(35|17|8)_(\d+)/up_1x1", r"block\1_\2_conv"),
    (r"Conv2d_7b_1x1", r"conv_7b"),
    (r"(block\d+_conv\d+)", r"\1"),
    (r"(block\d+)/SeparableConv2d_0a_3x3", r"\1_sepconv1"),
    (r"(block\d+)/SeparableConv2d_0b_3x3", r"\1_sepconv2"),
    (r"(block\d+)/SeparableConv2d_0c_3x3", r"\1_sepconv3"),
)
"""The layers of the catalogue that Keras' applications name; the name of a norm after one ends in `_bn`."""


class KerasVariable(NamedTuple):
    """A tensor of the network."""

    name: str
    node: str
    role: str
    shape: Shape
    is_kernel: bool


class KerasPlace(NamedTuple):
    """A layer of the network, as Keras has it."""

    name: str
    """Its name in Keras, after those of the models that contain it; empty if Keras numbers it."""
    kind: str
    """Its class, as groups name it."""
    variables: dict[str, KerasVariable]
    """Its tensors by Keras' names."""
    map_size: Shape = ()
    """The map (height, width) that Keras flattens to its input, channels last."""


def variables_of(graph: Graph) -> dict[str, list[KerasVariable]]:
    """The tensors of the layers by their names in the graph; several calls can share one."""
    found: dict[str, list[KerasVariable]] = {}
    for node in graph.nodes:
        if node.op.kind in KINDS:
            for name, tensor in graph.tensors(node):
                is_kernel = tensor.role == "weight" and node.op.category in ("conv", "linear")
                found.setdefault(name, []).append(KerasVariable(name, node.name, tensor.role, tensor.shape, is_kernel))
    return found


def places_of(nodes: Iterable[Node], graph: Graph, variables: Mapping[str, list[KerasVariable]]) -> list[KerasPlace]:
    """The layers with weights among nodes, in their order; a separable convolution is one layer of two nodes."""
    is_own = graph.metadata.source == "keras"
    places: list[KerasPlace] = []
    for node in nodes:
        own = [variables[name][0] for name, _ in graph.tensors(node) if name in variables]
        if not own or own[0].node != node.name or node.name.endswith("/depthwise"):
            continue  # no weights, or a later call of a layer
        roles = NORM if node.op.category == "norm" else LAYER
        only = OTHERS.get(node.op.kind)
        found = {only or roles[each.role]: each for each in own}
        kind, base = KINDS[node.op.kind], node.name.removesuffix("/pointwise")
        if base != node.name and f"{base}/depthwise" in graph.index.nodes:
            kind = f"separable_{kind}"
            first = graph.tensors(graph[f"{base}/depthwise"])[0][0]
            found = {"depthwise_kernel": variables[first][0], "pointwise_kernel": found.pop("kernel"), **found}
        elif isinstance(node.op, Conv2d) and 1 < node.op.groups == graph.input_shapes(node)[0][1]:
            kind = "depthwise_conv2d"
        places.append(
            KerasPlace(base if is_own else _application_name(base, kind), kind, found, _map_size(graph, node))
        )
    return places


def _application_name(node: str, kind: str) -> str:
    """The name that Keras' applications give the layer of a node of the catalogue; empty if it is numbered."""
    if kind == "dense":
        return "predictions"
    layer = node.removesuffix("/bn").removesuffix("/pointwise")
    for pattern, name in APPLICATIONS:
        if found := re.fullmatch(pattern, layer):
            return found.expand(name) + "_bn" * node.endswith("/bn")
    return ""


def in_keras_order(graph: Graph) -> list[Node]:
    """The nodes in the order of Keras' layers: by their distance from the output, then as a search from there meets
    them (keras/src/ops/function.py, `map_graph`).

    Both parts of a separable convolution are one layer. Branches that fork again are concatenated first.
    """
    nodes = graph.index.nodes
    distance = dict.fromkeys(nodes, 0)
    for node in reversed(graph.nodes):
        forks = Counter(map(_branch, node.inputs)) if isinstance(node.op, Concat) else Counter[str]()
        for name in node.inputs:
            step = 0 if name.endswith("/depthwise") else 1 + (forks[_branch(name)] > 1)
            distance[name] = max(distance.get(name, 0), distance[node.name] + step)
    met: dict[str, int] = {}
    todo = [graph.outputs[0].node]
    while todo:
        name = todo.pop()
        if name in nodes and name not in met:
            met[name] = len(met)
            todo += reversed(nodes[name].inputs)
    return [nodes[name] for name in sorted(met, key=lambda name: (-distance[name], met[name]))]


def _branch(name: str) -> str:
    found = re.match(r".*?/Branch_\d+/", name)
    return found[0] if found else name


def _map_size(graph: Graph, node: Node) -> Shape:
    """The size of the map that is flattened to the input of a linear layer, by channels first; empty if none is."""
    nodes = graph.index.nodes
    name = node.inputs[0]
    while name in nodes and nodes[name].role == "finish":
        name = nodes[name].inputs[0]
    if node.op.kind != "Linear" or name not in nodes or not isinstance(nodes[name].op, Flatten):
        return ()
    flattened = nodes[name].inputs[0]
    is_last = flattened in nodes and isinstance(nodes[flattened].op, Permute)
    size = graph.types[flattened][0].shape[2:]
    return () if is_last or set(size) <= {1} else size
