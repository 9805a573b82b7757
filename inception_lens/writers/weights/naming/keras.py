"""Keras' layers: their names, or where a file has none, their order.

Layers without a name of their own are called after their class with a number, `conv2d_7`. The numbers follow the order
of creation, which for Keras' applications is that of the catalogue's nodes, but start anywhere: they count all layers
that the process created. Files of Keras 2, and of Keras 3 before 3.15, that end in `.weights.h5` hold no names. They
number the layers of each class in Keras' order of execution, in which branches take turns.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from inception_lens.errors import FormatError
from inception_lens.graph import Graph
from inception_lens.ops import Shape
from inception_lens.readers.tensors import KerasLayer, WeightFile, WeightTensor
from inception_lens.readers.weights.keras import EITHER
from inception_lens.writers.weights.match import TensorMatch
from inception_lens.writers.weights.naming.keras_places import (
    KINDS,
    KerasPlace,
    KerasVariable,
    in_keras_order,
    places_of,
    variables_of,
)

ALIASES = {
    "convolution2d": "conv2d", "batchnormalization": "batch_normalization",
    "batch_normalization_v1": "batch_normalization", "batch_normalization_v2": "batch_normalization",
}  # fmt: skip
"""Names of layers in Keras 1 and TensorFlow 1."""

NUMBERED = {*KINDS.values(), *(f"{kind}_conv{n}d" for kind in ("depthwise", "separable") for n in (1, 2))}
"""Classes after which layers without a name of their own are called."""


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
    variables = variables_of(graph)
    in_order = graph.nodes if graph.metadata.source == "keras" else in_keras_order(graph)
    created, executed = (places_of(nodes, graph, variables) for nodes in (graph.nodes, in_order))
    try:
        if graph.metadata.source == "keras":
            pairs = _in_keras_network(models, created)
        else:
            pairs = _in_catalogue(models, created, executed)
    except FormatError as error:
        raise FormatError(f"{weights.path}: `{graph.name}` cannot be matched surely: {error}") from None
    return [each for layer, place in pairs for each in _tensor_matches(layer, place, variables)]


def _in_keras_network(
    models: dict[str, list[KerasLayer]], places: Sequence[KerasPlace]
) -> list[tuple[KerasLayer, KerasPlace]]:
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
    models: dict[str, list[KerasLayer]], created: Sequence[KerasPlace], executed: Sequence[KerasPlace]
) -> list[tuple[KerasLayer, KerasPlace]]:
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


def _by_name(layers: Sequence[KerasLayer], places: Sequence[KerasPlace]) -> list[tuple[KerasLayer, KerasPlace]]:
    """Pair layers by their own names, and those of a class and a number by the order of numbers."""
    named = {_last(place.name): place for place in places if place.name and not _numbered(place.name)}
    pairs = [(layer, named[_last(layer.name)]) for layer in layers if _last(layer.name) in named]
    numbered: dict[str, list[tuple[int, KerasLayer]]] = {}
    for layer in layers:
        if found := _numbered(layer.name):
            numbered.setdefault(found[0], []).append((found[1], layer))
    wanted: dict[str, list[tuple[int, KerasPlace]]] = {}
    for place in places:
        if found := _numbered(place.name) if place.name else (place.kind, len(wanted.get(place.kind, ()))):
            wanted.setdefault(found[0], []).append((found[1], place))
    for kind, rows in wanted.items():
        if kind in numbered:
            by_number = sorted(numbered[kind], key=lambda row: row[0]), sorted(rows, key=lambda row: row[0])
            pairs += _run(kind, *by_number)
    return pairs


def _run(
    kind: str, layers: Sequence[tuple[int, KerasLayer]], places: Sequence[tuple[int, KerasPlace]]
) -> list[tuple[KerasLayer, KerasPlace]]:
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


def _by_order(layers: Sequence[KerasLayer], places: Sequence[KerasPlace]) -> list[tuple[KerasLayer, KerasPlace]]:
    """Pair the layers of each class by their order.

    Raises:
        FormatError: the network has another number of them, or other shapes.
    """
    pairs: list[tuple[KerasLayer, KerasPlace]] = []
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
    """The class and number of a layer without a name of its own; None for another."""
    found = re.fullmatch(r"(.+?)(?:_(\d+))?", _last(name))
    kind = ALIASES.get(found[1], found[1]) if found else ""
    return (kind, int(found[2] or 0)) if found and kind in NUMBERED else None


def _fit(pairs: Iterable[tuple[KerasLayer, KerasPlace]]) -> bool:
    """Whether the layers have the tensors of their places in their shapes; a classifier may have other classes."""
    return all(
        place.kind == "dense"
        or (
            len(layer.tensors) == len(place.variables)
            and all(variable and _axes(tensor.shape, variable) is not None for tensor, variable in _rows(layer, place))
        )
        for layer, place in pairs
    )


def _rows(layer: KerasLayer, place: KerasPlace) -> Iterator[tuple[WeightTensor, KerasVariable | None]]:
    """The tensors of a layer, and what they are in the network."""
    learned = [place.variables[each] for each in ("gamma", "beta") if each in place.variables]
    for name, tensor in layer.tensors:
        if name == "depthwise_kernel" and "kernel" in place.variables:  # of a depthwise convolution in Keras 2
            name = "kernel"
        yield tensor, place.variables.get(name) if name != EITHER else learned[0] if len(learned) == 1 else None


def _axes(shape: Shape, variable: KerasVariable) -> str | None:
    """The order of a tensor's axes if its shape is that of the variable in PyTorch; None if it is not.

    A depthwise kernel is (height, width, channels, multiplier), every other one (..., inputs, outputs).
    """
    if not variable.is_kernel or len(shape) < 2:
        return "" if [n for n in shape if n > 1] == [n for n in variable.shape if n > 1] else None
    *window, inputs, outputs = shape
    if (outputs, inputs, *window) == variable.shape:
        return "hwio"
    return "hwim" if (inputs * outputs, 1, *window) == variable.shape else None


def _tensor_matches(
    layer: KerasLayer, place: KerasPlace, shared: Mapping[str, list[KerasVariable]]
) -> Iterator[TensorMatch]:
    for tensor, variable in _rows(layer, place):
        if variable is None:
            continue
        axes = _axes(tensor.shape, variable)
        axes = ("hwio" if variable.is_kernel else "") if axes is None else axes  # the mismatch is reported
        for each in shared[variable.name]:
            size = place.map_size if variable.is_kernel else ()
            yield TensorMatch(tensor.name, each.node, each.role, axes, map_size=size)
