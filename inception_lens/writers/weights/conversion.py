"""Weights of others' files in the names of a network that is built from a Graph: their safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from inception_lens.errors import FormatError, require
from inception_lens.graph import Graph
from inception_lens.ops import Shape, format_shape
from inception_lens.readers.tensors import WeightFile, WeightTensor
from inception_lens.writers.pytorch.module_paths import module_paths
from inception_lens.writers.weights.names import Move, moves

if TYPE_CHECKING:
    import numpy as np


class Missed(msgspec.Struct, frozen=True):
    """A tensor of the file that found no place, and why."""

    name: str
    why: str


class Placed(msgspec.Struct, frozen=True):
    """How the tensors of a file and those of a network met."""

    file: str
    model: str
    placed: tuple[tuple[str, str], ...]
    """Names in the file and in the network."""
    missed: tuple[Missed, ...]
    unset: tuple[str, ...]
    """Tensors of the network that the file has nothing for."""


class _Target(NamedTuple):
    key: str
    shape: Shape


def state_names(graph: Graph) -> dict[tuple[str, str], _Target]:
    """What `build(graph).state_dict()` calls each tensor, and its shape, by node and role.

    Raises:
        GraphError: as `module_paths`.
    """
    paths = module_paths([node.name for node in graph.nodes])
    targets = {}
    for node in graph.nodes:
        if node.op.has_weights:
            shapes = graph.input_shapes(node)
            for tensor in (*node.op.parameters(*shapes), *node.op.buffers(*shapes)):
                targets[node.name, tensor.role] = _Target(".".join((*paths[node.name], tensor.role)), tensor.shape)
    return targets


def place(weights: WeightFile, graph: Graph) -> tuple[bytes, Placed]:
    """Bring the tensors of a file into a network's names: the bytes of a safetensors file, and what became of each.

    Raises:
        FormatError: not one of them has a place in the network.
        MissingExtraError: the package that writes safetensors is not installed.
    """
    writer = require("safetensors.numpy", extra="weights")
    arrays, report = arrays_for(weights, graph)
    data: bytes = writer.save(arrays, metadata={"format": "pt"})  # several entries would be in any order
    return data, report


def arrays_for(weights: WeightFile, graph: Graph) -> tuple[dict[str, np.ndarray[Any, Any]], Placed]:
    """The tensors of a file by a network's names, and what became of each; as `place`."""
    require("numpy", extra="weights")
    targets, tensors = state_names(graph), {tensor.name: tensor for tensor in weights.tensors}
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    placed, missed = [], {name: _homeless(name) for name in tensors}
    for move in moves(weights, graph, {target.key: place for place, target in targets.items()}):
        target = targets.get((move.node, move.role))
        if target is None:
            missed[move.name] = f"`{move.node}` has no {move.role}"
            continue
        source = tensors[move.name]
        if why := _misfit(move, source, target):
            missed[move.name] = why
            continue
        arrays[target.key] = _converted(weights, move, tensors, target, graph.dtype)
        placed.append((move.name, target.key))
        for name in (move.name, move.divisor):
            missed.pop(name, None)
    if not arrays:
        why = next(iter(missed.values()), "it is empty")
        raise FormatError(f"{weights.path}: none of its {len(tensors)} tensors has a place in `{graph.name}`: {why}")
    report = Placed(
        weights.path,
        graph.name,
        tuple(placed),
        tuple(Missed(name, why) for name, why in missed.items()),
        tuple(target.key for target in targets.values() if target.key not in arrays),
    )
    return arrays, report


def _homeless(name: str) -> str:
    counter = name.endswith("num_batches_tracked")
    return "PyTorch's count of batches, which nothing needs" if counter else "the network has no such tensor"


def _order(move: Move, axes: int) -> tuple[int, ...]:
    """How TensorFlow's axes become PyTorch's: of a kernel, of a depthwise one, of a matrix."""
    if move.axes and axes == 2:
        return (1, 0)
    return {"hwio": (3, 2, 0, 1), "hwim": (2, 3, 0, 1)}.get(move.axes, ()) if axes == 4 else ()


def _misfit(move: Move, source: WeightTensor, target: _Target) -> str:
    """Why the numbers cannot stand there; axes of 1 do not matter, and a depthwise kernel's channels are one axis."""
    order = _order(move, len(source.shape))
    shape = tuple(source.shape[axis] for axis in order) if order else source.shape
    if move.axes == "hwim" and len(shape) == 4:
        shape = (shape[0] * shape[1], *shape[2:])
    if [size for size in shape if size != 1] == [size for size in target.shape if size != 1]:
        return ""
    classes = "; --set classes=N makes it fit" if "classifier" in target.key or "ogits" in target.key else ""
    return f"it is {format_shape(source.shape)}, and `{target.key}` is {format_shape(target.shape)}{classes}"


def _converted(
    weights: WeightFile, move: Move, tensors: Mapping[str, WeightTensor], target: _Target, dtype: str
) -> np.ndarray[Any, Any]:
    import numpy as np

    numbers = weights.read(tensors[move.name])
    if move.divisor:
        factor = float(weights.read(tensors[move.divisor]).reshape(-1)[0])
        numbers = numbers / factor if factor else np.zeros_like(numbers)
    if order := _order(move, numbers.ndim):
        numbers = numbers.transpose(order)
    kind = dtype if numbers.dtype.kind == "f" and dtype in ("float16", "float32", "float64") else numbers.dtype
    return np.ascontiguousarray(numbers.reshape(target.shape), dtype=kind)
