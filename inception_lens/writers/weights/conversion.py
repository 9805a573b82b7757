"""Weights of a file, under the names of a network that is built from a Graph, as safetensors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from inception_lens.errors import FormatError, require
from inception_lens.graph import Graph
from inception_lens.ops import Shape, format_shape
from inception_lens.readers.tensors import WeightFile, WeightTensor
from inception_lens.writers.pytorch.module_paths import module_paths
from inception_lens.writers.weights.match import TensorMatch
from inception_lens.writers.weights.matching import match_tensors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class MissedTensor(msgspec.Struct, frozen=True):
    """A tensor of the file that the network has no use for."""

    name: str
    """The name in the file."""
    why: str
    """The reason, as a sentence without a full stop."""


class ConversionReport(msgspec.Struct, frozen=True):
    """Which tensors of a file were converted."""

    file: str
    """Path of the file."""
    model: str
    """Name of the network."""
    placed: tuple[tuple[str, str], ...]
    """Names in the file and in the network of the tensors that were converted."""
    missed: tuple[MissedTensor, ...]
    """The other tensors of the file."""
    unset: tuple[str, ...]
    """Names of the network's tensors that the file does not have."""


class StateTensor(NamedTuple):
    """A tensor in the `state_dict` of a module."""

    key: str
    """Such as `inception_3a.5x5_reduce.weight`."""
    shape: Shape
    """As in PyTorch."""


def state_tensors(graph: Graph) -> dict[tuple[str, str], StateTensor]:
    """The tensors of the module that the graph was traced from, or of `build(graph)`, by node and role.

    Raises:
        GraphError: as `module_paths`.
    """
    is_traced = graph.metadata.source == "pytorch"
    paths = {} if is_traced else module_paths([node.name for node in graph.nodes])
    found: dict[tuple[str, str], StateTensor] = {}
    for node in graph.nodes:
        for name, tensor in graph.tensors(node):
            if not is_traced:
                key = ".".join((*paths[node.name], tensor.role))
            else:  # a node without names of tensors has the path of its module
                key = name if node.parameters else name.replace("/", ".")
            found[node.name, tensor.role] = StateTensor(key, tensor.shape)
    return found


def convert_weights(weights: WeightFile, graph: Graph) -> tuple[bytes, ConversionReport]:
    """A safetensors file with the network's tensors, and a report.

    Raises:
        FormatError: no tensor of the file matches the network.
        GraphError: as `state_tensors`.
        MissingExtraError: the package that writes safetensors is not installed.
    """
    writer = require("safetensors.numpy", extra="weights")
    arrays, report = converted_arrays(weights, graph)
    data: bytes = writer.save(arrays, metadata={"format": "pt"})  # more entries would be in random order
    return data, report


def converted_arrays(weights: WeightFile, graph: Graph) -> tuple[dict[str, NDArray[np.generic]], ConversionReport]:
    """The tensors of a file by their `state_dict` keys, and a report; errors as in `convert_weights`."""
    require("numpy", extra="weights")
    targets, tensors = state_tensors(graph), {tensor.name: tensor for tensor in weights.tensors}
    arrays: dict[str, NDArray[np.generic]] = {}
    placed, missed = [], {name: _no_match(name) for name in tensors}
    for match in match_tensors(weights, graph, {target.key: place for place, target in targets.items()}):
        target = targets.get((match.node, match.role))
        if target is None:
            missed[match.name] = f"`{match.node}` has no {match.role}"
            continue
        if reason := _mismatch(match, tensors[match.name], target):
            missed[match.name] = reason
            continue
        arrays[target.key] = _converted(weights, match, tensors, target, graph.dtype)
        placed.append((match.name, target.key))
        for name in (match.name, match.divisor):
            missed.pop(name, None)
    if not arrays:
        reason = next(iter(missed.values()), "it is empty")
        raise FormatError(f"{weights.path}: none of its {len(tensors)} tensors matches `{graph.name}`: {reason}")
    report = ConversionReport(
        weights.path,
        graph.name,
        tuple(placed),
        tuple(MissedTensor(name, reason) for name, reason in missed.items()),
        tuple(target.key for target in targets.values() if target.key not in arrays),
    )
    return arrays, report


_TRAINING_STATE = re.compile(
    r"(^|/)(global_step|ExponentialMovingAverage|Momentum|(RMSProp|Adam|Adagrad|Ftrl)(_\d)?)$"
    r"|_(moment[12]|beta[12]_pow_acc|velocity)_\d$"
)
"""Names of what TensorFlow and Paddle save for training."""


def _no_match(name: str) -> str:
    if name.endswith("num_batches_tracked"):
        return "PyTorch's count of batches, which inference does not use"
    if _TRAINING_STATE.search(name):
        return "the state of an optimizer or a moving average, not a weight"
    return "the network has no such tensor"


def _axis_order(match: TensorMatch, axes: int) -> tuple[int, ...]:
    """The permutation from TensorFlow's order of axes to PyTorch's: of a kernel, a depthwise kernel or a matrix."""
    if match.axes not in ("hwio", "hwim", "io") or axes < 2 or (match.axes == "io" and axes > 2):
        return ()
    channels = (axes - 2, axes - 1) if match.axes == "hwim" else (axes - 1, axes - 2)
    return (*channels, *range(axes - 2))


def _mismatch(match: TensorMatch, source: WeightTensor, target: StateTensor) -> str:
    """Why the shapes do not match, or an empty string.

    Axes of size 1 do not matter, and the two channel axes of a depthwise kernel are one axis in PyTorch.
    """
    if match.axes == "flat" and source.elements == prod(target.shape):
        return ""
    order = _axis_order(match, len(source.shape))
    shape = tuple(source.shape[axis] for axis in order) if order else source.shape
    if match.axes == "hwim" and len(shape) > 2:
        shape = (shape[0] * shape[1], *shape[2:])
    if [size for size in shape if size != 1] == [size for size in target.shape if size != 1]:
        return ""
    classes = "; --set classes=N makes it fit" if "classifier" in target.key or "ogits" in target.key else ""
    return f"it is {format_shape(source.shape)}, and `{target.key}` is {format_shape(target.shape)}{classes}"


def _converted(
    weights: WeightFile, match: TensorMatch, tensors: Mapping[str, WeightTensor], target: StateTensor, dtype: str
) -> NDArray[np.generic]:
    import numpy as np

    values = weights.read(tensors[match.name])
    if match.divisor:
        factor = float(weights.read(tensors[match.divisor]).reshape(-1)[0])
        values = values / factor if factor else np.zeros_like(values)
    if match.factor != 1 or match.shift:
        values = values.astype(np.promote_types(values.dtype, "f4")) * match.factor + match.shift
    if match.map_size:
        values = values.reshape(*match.map_size, -1, values.shape[-1])
    if order := _axis_order(match, values.ndim):
        values = values.transpose(order)
    kind = dtype if values.dtype.kind == "f" and dtype in ("float16", "float32", "float64") else values.dtype
    return np.ascontiguousarray(values.reshape(target.shape), dtype=kind)
