"""Paddle's names, of its three generations, for the networks of the catalogue.

- Attributes, in a .pdparams of `paddle.vision.models`: `_ince3a._conv1._conv.weight`.
- Variables, in the program of such a model: `conv2d_3.w_0`. Numbers follow the order of creation, which is that of the
  nodes, from any first number.
- Variables of Fluid's scripts: `inception_ince3a_1x1_weights`.
- Parameters of Paddle v2's scripts: `_ince3a_1.w0`, and `___conv_3__.w0` for layers without a name.

Paddle v2 and Fluid do not scale activations while they train with dropout, and multiply them by 1 - p at inference; so
do some models of `paddle.vision`. The weights of the next linear layer take that factor. The models of `paddle.vision`
have batch norms with VISION_EPS; for a network with another one the running variances take the difference.

Source: PaddlePaddle/models image_classification (v2, bb036f52605f) and PaddleCV/image_classification (Fluid);
paddle/vision/models of Paddle 3.3.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from math import prod
from typing import NamedTuple

from inception_lens.graph import Graph, Node
from inception_lens.ops import BatchNorm2d, Dropout, Flatten, Linear
from inception_lens.readers.tensors import WeightFile
from inception_lens.writers.weights.match import TensorMatch
from inception_lens.writers.weights.naming.own_keys import names_after_prefix
from inception_lens.writers.weights.naming.ports import (
    TORCHVISION_INCEPTION_V3,
    TORCHVISION_RESNET,
    VGGS,
    NamePattern,
    renamed,
)

Layers = Mapping[str, str]
"""The name in the file of the layer of each node."""
LayersByKind = dict[str, list[str]]
"""The names in the file of the layers of each kind: conv, norm, linear."""
NameForms = Mapping[str, str]
"""For each role the form of a tensor's name, with the layer's name in place of `{}`."""

VISION_EPS = 1e-5
ATTRIBUTES = {
    "weight": "{}.weight", "bias": "{}.bias", "running_mean": "{}._mean", "running_var": "{}._variance",
}  # fmt: skip
VARIABLES = {"weight": "{}.w_0", "bias": "{}.b_0", "running_mean": "{}.w_1", "running_var": "{}.w_2"}
FLUID = {"weight": "{}_weights", "bias": "{}_offset"}
V2 = {"weight": "_{}.w0", "bias": "_{}.wbias", "running_mean": "_{}.w1", "running_var": "_{}.w2"}

_GOOGLENET = (
    (r"conv1\.7x7_s2", "_conv._conv", "conv1", "conv1"),
    (r"conv2\.3x3_reduce", "_conv_1._conv", "conv2_1x1", "conv2_1"),
    (r"conv2\.3x3", "_conv_2._conv", "conv2_3x3", "conv2_2"),
    (r"inception_(\w\w)\.1x1", r"_ince\1._conv1._conv", r"inception_ince\1_1x1", r"ince\1_1"),
    (r"inception_(\w\w)\.3x3_reduce", r"_ince\1._conv3r._conv", r"inception_ince\1_3x3_reduce", r"ince\1_3r"),
    (r"inception_(\w\w)\.3x3", r"_ince\1._conv3._conv", r"inception_ince\1_3x3", r"ince\1_3"),
    (r"inception_(\w\w)\.5x5_reduce", r"_ince\1._conv5r._conv", r"inception_ince\1_5x5_reduce", r"ince\1_5r"),
    (r"inception_(\w\w)\.5x5", r"_ince\1._conv5._conv", r"inception_ince\1_5x5", r"ince\1_5"),
    (r"inception_(\w\w)\.pool_proj", r"_ince\1._convprj._conv", r"inception_ince\1_3x3_proj", r"ince\1_proj"),
    (r"loss3\.classifier", "_fc_out", "out", "__fc_layer_0__"),
    (r"aux(\d)\.conv", r"_conv_o\1._conv", r"conv_o\1", r"conv_o\1"),
    (r"aux(\d)\.fc", r"_fc_o\1", r"fc_o\1", r"fc_o\1"),
    (r"aux(\d)\.classifier", r"_out\1", r"out\1", r"__fc_layer_\1__"),
)
"""Paths of the network, and the layers' names as attributes, as variables of Fluid, and in Paddle v2."""
_INCEPTION_V3_BLOCKS = ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c")


class _Model(NamedTuple):
    """A model of `paddle.vision`."""

    rows: tuple[NamePattern, ...]
    """The attributes of layers by the paths of the network."""
    factors: Mapping[str, float] | None = {}
    """For nodes after a dropout that scales at inference, 1 - p; None for the p of the network's own dropout."""


def _inception_v3(match: re.Match[str]) -> str:
    """The attribute of a layer that torchvision's inception_v3 has under a name of its own."""
    wrapped, norm = match[1], match[2]
    theirs = renamed(TORCHVISION_INCEPTION_V3.rows, wrapped) or wrapped
    theirs = re.sub(r"^Conv2d_(\d\w_\dx\d)$", r"inception_stem.conv_\1", theirs)
    theirs = re.sub(r"^Mixed_(\d\w)", lambda m: f"inception_block_list.{_INCEPTION_V3_BLOCKS.index(m[1])}", theirs)
    theirs = re.sub(r"branch_pool$", "branch_pool_conv", theirs)
    return f"{theirs}.{1 if norm else 0}"


_MODELS = (
    _Model(tuple((path, attribute) for path, attribute, _, _ in _GOOGLENET), None),
    _Model(
        (
            *((f"conv{i}", f"_conv{i}._conv" if i in (1, 2, 5) else f"_conv{i}") for i in range(1, 6)),
            *((ours, f"_{theirs}") for ours, theirs in (("fc1", "fc6"), ("fc2", "fc7"), ("out", "fc8"))),
        ),
        None,
    ),
    _Model(
        (
            ("fc", "fc"),
            (r"((?:Conv2d_\d\w|Mixed_(?:5[bcd]|6[a-e]|7[abc])).*?)(\.bn)?", _inception_v3),
        ),
        {"fc": 0.8},
    ),
    *(_Model(port.rows) for port in (TORCHVISION_RESNET, *VGGS)),
)

_V2_ORDER = (
    *(r"stem_conv", r"stem_", r"inceptA", r"ReductA", r"inceptB", r"ReductB", r"inceptC"),
    *(r"xception_conv\d(_|$)", r"xception_block", r""),
)
"""Beginnings of the names of Paddle v2's inception_v4 and xception, in the order of the network."""


class _Names(NamedTuple):
    """Names that a file can have for the tensors of a network."""

    forms: NameForms
    layers: Layers
    factors: Mapping[str, float]
    """By node."""
    eps: float | None = None
    """Of the batch norms; None if it is the network's own."""


def recognizes(weights: WeightFile) -> bool:
    """Whether Paddle wrote the file."""
    return weights.format in ("paddle", "paddle v2")


def match(weights: WeightFile, graph: Graph) -> list[TensorMatch]:
    """The tensors under the names that the file has for most of them."""
    given = {tensor.name: tensor.name for tensor in weights.tensors}
    nodes = [node for node in graph.nodes if node.op.has_weights]
    candidates = (_v2_names if weights.format == "paddle v2" else _other_names)(weights, graph, nodes)
    found = [(names, names_after_prefix(given, _tensor_names(graph, nodes, names))) for names in candidates]
    names, places = max(found, key=lambda each: len(each[1]))
    flat = {tensor.name for tensor in weights.tensors if len(tensor.shape) == 1 or tensor.shape[:-1] == (1,)}
    return [
        _matched(name, graph.index.nodes[node], role, names, flat=name in flat) for name, (node, role) in places.items()
    ]


def _tensor_names(graph: Graph, nodes: list[Node], names: _Names) -> dict[str, tuple[str, str]]:
    """The nodes and roles of the tensors by their names in the file."""
    return {
        names.forms[tensor.role].format(names.layers[node.name]): (node.name, tensor.role)
        for node in nodes
        if node.name in names.layers
        for _, tensor in graph.tensors(node)
        if tensor.role in names.forms
    }


def _matched(name: str, node: Node, role: str, names: _Names, *, flat: bool) -> TensorMatch:
    if role == "weight" and isinstance(node.op, Linear):
        return TensorMatch(name, node.name, role, "io", factor=names.factors.get(node.name, 1.0))
    shift = 0.0
    if role == "running_var" and names.eps is not None and isinstance(node.op, BatchNorm2d):
        shift = names.eps - node.op.eps
    return TensorMatch(name, node.name, role, "flat" if flat else "", shift=shift)


def _other_names(weights: WeightFile, graph: Graph, nodes: list[Node]) -> list[_Names]:
    """Names as attributes and as variables for the models of `paddle.vision`, and as variables of Fluid."""
    dropout = _factors_of_dropout(graph)
    found = [_Names(FLUID, _table(nodes, [(path, variable) for path, _, variable, _ in _GOOGLENET]), dropout)]
    for model in _MODELS:
        layers = _table(nodes, model.rows)
        factors = dropout if model.factors is None else model.factors
        found.append(_Names(ATTRIBUTES, layers, factors, VISION_EPS))
        if len(layers) == len(nodes):
            in_order = _in_order(weights, graph, nodes, VARIABLES, _numbered_variables)
            found.append(_Names(VARIABLES, in_order, factors, VISION_EPS))
    return found


def _v2_names(weights: WeightFile, graph: Graph, nodes: list[Node]) -> list[_Names]:
    """Names of Paddle v2's GoogLeNet, and of the layers of its other networks in their order."""
    unnamed = [layer for layer in _layers_of_v2(weights)["linear"] if layer.startswith("__")]
    table = _table(nodes, [(path, parameter) for path, _, _, parameter in _GOOGLENET])
    numbered = {f"__fc_layer_{i}__": layer for i, layer in enumerate(unnamed)}
    googlenet = {node: numbered.get(layer, layer) for node, layer in table.items()}
    dropout = _factors_of_dropout(graph)
    return [_Names(V2, layers, dropout) for layers in (googlenet, _in_order(weights, graph, nodes, V2, _layers_of_v2))]


def _table(nodes: list[Node], rows: Iterable[NamePattern]) -> dict[str, str]:
    """The layers' names for the nodes that have a row."""
    rows = list(rows)
    found = {node.name: renamed(rows, node.name.replace("/", ".")) for node in nodes}
    return {node: layer for node, layer in found.items() if layer is not None}


def _factors_of_dropout(graph: Graph) -> dict[str, float]:
    """1 - p for the linear layers after a dropout, also if their input is flattened in between."""
    after: dict[str, float] = {}
    found: dict[str, float] = {}
    for node in graph.nodes:
        before = after.get(node.inputs[0], 1.0) if node.inputs else 1.0
        if isinstance(node.op, Dropout):
            after[node.name] = before * (1 - node.op.p)
        elif isinstance(node.op, Flatten):
            after[node.name] = before
        elif isinstance(node.op, Linear):
            found[node.name] = before
    return found


def _in_order(
    weights: WeightFile,
    graph: Graph,
    nodes: list[Node],
    forms: NameForms,
    layers_of: Callable[[WeightFile], LayersByKind],
) -> Layers:
    """The file's layers of each kind in their order; none unless they are as many and of the sizes of the network's.

    The file may have more at the end of each kind: those of heads that the network lacks.
    """
    sizes = {tensor.name: tensor.shape for tensor in weights.tensors}
    in_file = {kind: iter(layers) for kind, layers in layers_of(weights).items()}
    found = {}
    for node in nodes:
        layer = next(in_file.get(node.op.category, iter(())), "")
        role, shape = next((tensor.role, tensor.shape) for _, tensor in graph.tensors(node))
        stored = sizes.get(forms[role].format(layer), ()) if role in forms else ()
        if not layer or (not isinstance(node.op, Linear) and stored not in (shape, (prod(shape),), (1, prod(shape)))):
            return {}
        found[node.name] = layer
    return found


def _numbered_variables(weights: WeightFile) -> LayersByKind:
    """The layers of a program's variables, `conv2d_3.w_0`, by their numbers."""
    kinds = {"conv2d": "conv", "batch_norm2d": "norm", "batch_norm": "norm", "linear": "linear", "fc": "linear"}
    found: dict[str, list[tuple[int, str]]] = {}
    for tensor in weights.tensors:
        if (parts := re.fullmatch(r"((\w+?)_(\d+))\.w_0", tensor.name)) and parts[2] in kinds:
            found.setdefault(kinds[parts[2]], []).append((int(parts[3]), parts[1]))
    return {kind: [layer for _, layer in sorted(layers)] for kind, layers in found.items()}


def _layers_of_v2(weights: WeightFile) -> LayersByKind:
    """The layers of parameters of Paddle v2, `_stem_conv0.w0`, in the order of the network."""
    found: LayersByKind = {"conv": [], "norm": [], "linear": []}
    names = {parts[1] for tensor in weights.tensors if (parts := re.fullmatch(r"_(.+)\.w0", tensor.name))}
    for layer in sorted(names, key=_v2_order):
        if re.search(r"batch_norm|_norm$", layer):
            found["norm"].append(layer)
        else:
            found["linear" if re.search(r"fc(_|$)", layer) else "conv"].append(layer)
    return found


def _v2_order(layer: str) -> tuple[int, list[tuple[str, int]]]:
    """A key that sorts by the part of the network, and then by name with numbers as numbers."""
    part = next(i for i, start in enumerate(_V2_ORDER) if re.match(start, layer))
    return part, [(text, int(number or 0)) for text, number in re.findall(r"(\D+)(\d*)", layer)]
