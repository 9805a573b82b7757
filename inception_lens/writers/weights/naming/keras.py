"""Keras' layers: their names, or where a file has none, their order.

Layers that nobody named are called after their class with a number, `conv2d_7`. The numbers follow the order of
creation, which for Keras' applications is that of the catalogue's nodes, but start anywhere: they count all layers that
the process created. Files of Keras 2, and of Keras 3 before 3.15, that end in `.weights.h5` hold no names. They number
the layers of each class in Keras' order of execution, in which branches take turns.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from inception_lens.errors import FormatError
from inception_lens.graph import Graph, Node
from inception_lens.ops import Concat, Conv2d, Flatten, Permute, Shape
from inception_lens.readers.tensors import KerasLayer, WeightFile, WeightTensor
from inception_lens.readers.weights.keras import EITHER
from inception_lens.writers.weights.match import TensorMatch

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

ALIASES = {
    "convolution2d": "conv2d", "batchnormalization": "batch_normalization",
    "batch_normalization_v1": "batch_normalization", "batch_normalization_v2": "batch_normalization",
}  # fmt: skip
"""Names of layers in Keras 1 and TensorFlow 1."""

APPLICATIONS = (
    (r"Block(35|17|8)_(\d+)/up_1x1", r"block\1_\2_conv"),
    (r"Conv2d_7b_1x1", r"conv_7b"),
    (r"(block\d+_conv\d+)", r"\1"),
    (r"(block\d+)/SeparableConv2d_0a_3x3", r"\1_sepconv1"),
    (r"(block\d+)/SeparableConv2d_0b_3x3", r"\1_sepconv2"),
    (r"(block\d+)/SeparableConv2d_0c_3x3", r"\1_sepconv3"),
)
"""The layers of the catalogue that Keras' applications name; the name of a norm after one ends in `_bn`."""


NUMBERED = {*KINDS.values(), *(f"{kind}_conv{n}d" for kind in ("depthwise", "separable") for n in (1, 2))}
"""Classes whose layers are called after them where nobody named them."""


class Variable(NamedTuple):
    """A tensor of the network."""

    name: str
    node: str
    role: str
    shape: Shape
    is_kernel: bool


class Place(NamedTuple):
    """A layer of the network, as Keras has it."""

    name: str
    """Its name in Keras, after those of the models that contain it; empty if Keras numbers it."""
    kind: str
    """Its class, as groups name it."""
    variables: dict[str, Variable]
    """Its tensors by Keras' names."""
    map_size: Shape = ()
    """The map (height, width) that Keras flattens to its input, channels last."""


def recognizes(weights: WeightFile) -> bool:
    """Whether Keras wrote the file."""
    return bool(weights.keras)


def match(weights: WeightFile, graph: Graph) -> list[TensorMatch]:
    """The tensors of the layers that are placed surely.

    Raises:
        FormatError: which layer is which is uncertain.
    """
    models: dict[str, list[KerasLayer]] = {}
    for layer in weights.keras:
        models.setdefault(layer.model, []).append(layer)
    variables = _variables(graph)
    in_order = graph.nodes if graph.metadata.source == "keras" else _in_keras_order(graph)
    created, executed = (_places(nodes, graph, variables) for nodes in (graph.nodes, in_order))
    try:
        if graph.metadata.source == "keras":
            pairs = _in_keras_network(models, created)
        else:
            pairs = _in_catalogue(models, created, executed)
    except FormatError as error:
        raise FormatError(f"{weights.path}: `{graph.name}` cannot be matched surely: {error}") from None
    return [each for layer, place in pairs for each in _tensor_matches(layer, place, variables)]


def _in_keras_network(models: dict[str, list[KerasLayer]], places: Sequence[Place]) -> list[tuple[KerasLayer, Place]]:
    """Layers by their names in each model, or by their order."""
    if not all(layer.name for layers in models.values() for layer in layers):
        if len(models) > 1:
            raise FormatError("it has no names of layers and several models inside each other: convert its .keras file")
        return _by_order(next(iter(models.values())), places)
    found = []
    for layers in models.values():
        parent = layers[0].name.rpartition("/")[0]
        found += _by_name(layers, [place for place in places if place.name.rpartition("/")[0] == parent])
    return found


def _in_catalogue(
    models: dict[str, list[KerasLayer]], created: Sequence[Place], executed: Sequence[Place]
) -> list[tuple[KerasLayer, Place]]:
    """The layers of the only model of the file that is the network; its places in the orders that numbers follow."""
    found, reasons = [], []
    for layers in models.values():
        try:
            named = any(layer.name for layer in layers)
            pairs = _by_name(layers, created) if named else _by_order(layers, executed)
            if 2 * len(pairs) < len(created):
                raise FormatError(f"{len(pairs)} of the network's {len(created)} layers are in it")
            found.append(pairs)
        except FormatError as error:
            reasons.append((len(layers), str(error)))
    if len(found) > 1:
        raise FormatError(f"{len(found)} of its models are the network; expected one")
    if not found:
        raise FormatError(max(reasons)[1])
    return found[0]


def _by_name(layers: Sequence[KerasLayer], places: Sequence[Place]) -> list[tuple[KerasLayer, Place]]:
    """Pair layers by the names that somebody gave them, and those of a class and a number by the order of numbers."""
    named = {_last(place.name): place for place in places if place.name and not _numbered(place.name)}
    pairs = [(layer, named[_last(layer.name)]) for layer in layers if _last(layer.name) in named]
    numbered: dict[str, list[tuple[int, KerasLayer]]] = {}
    for layer in layers:
        if found := _numbered(layer.name):
            numbered.setdefault(found[0], []).append((found[1], layer))
    wanted: dict[str, list[tuple[int, Place]]] = {}
    for place in places:
        if found := _numbered(place.name) if place.name else (place.kind, len(wanted.get(place.kind, ()))):
            wanted.setdefault(found[0], []).append((found[1], place))
    for kind, rows in wanted.items():
        if kind in numbered:
            by_number = sorted(numbered[kind], key=lambda row: row[0]), sorted(rows, key=lambda row: row[0])
            pairs += _run(kind, *by_number)
    return pairs


def _run(
    kind: str, layers: Sequence[tuple[int, KerasLayer]], places: Sequence[tuple[int, Place]]
) -> list[tuple[KerasLayer, Place]]:
    """Pair the places with the only consecutive layers that have their shapes.

    Raises:
        FormatError: there are no such layers, or different ones.
    """
    found = []
    for start in range(len(layers) - len(places) + 1):
        rows = layers[start : start + len(places)]
        steps = {number - place for (number, _), (place, _) in zip(rows, places, strict=True)}
        pairs = [(layer, place) for (_, layer), (_, place) in zip(rows, places, strict=True)]
        if (len(steps) == 1 or len(layers) == len(places)) and _fit(pairs):
            found.append(pairs)
    if len(found) != 1:
        what = "several of which have" if found else "no run of which has"
        called = f"it has {len(layers)} layers called `{kind}` and a number"
        raise FormatError(f"{called}, {what} the shapes of the network's {len(places)}")
    return found[0]


def _by_order(layers: Sequence[KerasLayer], places: Sequence[Place]) -> list[tuple[KerasLayer, Place]]:
    """Pair the layers of each class by their order.

    Raises:
        FormatError: the network has another number of them, or other shapes.
    """
    pairs: list[tuple[KerasLayer, Place]] = []
    for kind in dict.fromkeys(place.kind for place in places):
        wanted = [place for place in places if place.kind == kind]
        found = sorted([layer for layer in layers if layer.kind == kind], key=lambda layer: layer.place)
        if kind == "dense" and len(found) != len(wanted):
            continue  # the classifier of another task, or none
        if len(found) != len(wanted) or not _fit(rows := list(zip(found, wanted, strict=True))):
            shapes = "of other shapes than" if len(found) == len(wanted) else "and"
            raise FormatError(f"it has {len(found)} layers of the class `{kind}`, {shapes} the network's {len(wanted)}")
        pairs += rows
    return pairs


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _numbered(name: str) -> tuple[str, int] | None:
    """The class and number of a layer that nobody named; None for another name."""
    found = re.fullmatch(r"(.+?)(?:_(\d+))?", _last(name))
    kind = ALIASES.get(found[1], found[1]) if found else ""
    return (kind, int(found[2] or 0)) if found and kind in NUMBERED else None


def _fit(pairs: Iterable[tuple[KerasLayer, Place]]) -> bool:
    """Whether the layers have the tensors of their places in their shapes; a classifier may have other classes."""
    return all(
        place.kind == "dense"
        or (
            len(layer.tensors) == len(place.variables)
            and all(variable and _axes(tensor.shape, variable) is not None for tensor, variable in _rows(layer, place))
        )
        for layer, place in pairs
    )


def _rows(layer: KerasLayer, place: Place) -> Iterator[tuple[WeightTensor, Variable | None]]:
    """The tensors of a layer, and what they are in the network."""
    learned = [place.variables[each] for each in ("gamma", "beta") if each in place.variables]
    for name, tensor in layer.tensors:
        if name == "depthwise_kernel" and "kernel" in place.variables:  # of a depthwise convolution in Keras 2
            name = "kernel"
        yield tensor, place.variables.get(name) if name != EITHER else learned[0] if len(learned) == 1 else None


def _axes(shape: Shape, variable: Variable) -> str | None:
    """The order of a tensor's axes if its shape is that of the variable in PyTorch; None if it is not.

    A depthwise kernel is (height, width, channels, multiplier), every other one (..., inputs, outputs).
    """
    if not variable.is_kernel or len(shape) < 2:
        return "" if [n for n in shape if n > 1] == [n for n in variable.shape if n > 1] else None
    *window, inputs, outputs = shape
    if (outputs, inputs, *window) == variable.shape:
        return "hwio"
    return "hwim" if (inputs * outputs, 1, *window) == variable.shape else None


def _tensor_matches(layer: KerasLayer, place: Place, shared: Mapping[str, list[Variable]]) -> Iterator[TensorMatch]:
    for tensor, variable in _rows(layer, place):
        if variable is None:
            continue
        axes = _axes(tensor.shape, variable)
        axes = ("hwio" if variable.is_kernel else "") if axes is None else axes  # the mismatch is reported
        for each in shared[variable.name]:
            size = place.map_size if variable.is_kernel else ()
            yield TensorMatch(tensor.name, each.node, each.role, axes, map_size=size)


def _variables(graph: Graph) -> dict[str, list[Variable]]:
    """The tensors of the layers by their names in the graph; several calls can share one."""
    found: dict[str, list[Variable]] = {}
    for node in graph.nodes:
        if node.op.kind in KINDS:
            for name, tensor in graph.tensors(node):
                is_kernel = tensor.role == "weight" and node.op.category in ("conv", "linear")
                found.setdefault(name, []).append(Variable(name, node.name, tensor.role, tensor.shape, is_kernel))
    return found


def _places(nodes: Iterable[Node], graph: Graph, variables: Mapping[str, list[Variable]]) -> list[Place]:
    """The layers with weights among nodes, in their order; a separable convolution is one layer of two nodes."""
    is_own = graph.metadata.source == "keras"
    places: list[Place] = []
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
        places.append(Place(base if is_own else _application_name(base, kind), kind, found, _map_size(graph, node)))
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


def _in_keras_order(graph: Graph) -> list[Node]:
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
