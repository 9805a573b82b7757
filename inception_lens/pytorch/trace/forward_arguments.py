"""The arguments of a traced forward pass: what the caller gives, with traced tensors in the place of tensors and
shapes.
"""

from __future__ import annotations

import copy
import inspect
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import NamedTuple, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from inception_lens.errors import ConfigError
from inception_lens.graph import Inputs
from inception_lens.ops import TensorType, format_shape
from inception_lens.pytorch.trace.module_calls import ModuleTracer
from inception_lens.pytorch.trace.operator_calls import MAX_COMPUTED
from inception_lens.pytorch.trace.traced_tensor import DTYPES, TracedTensor, traced_tensor, type_of

PLAIN = (bool, int, float, complex, str, bytes, type, ModuleType, torch.dtype, torch.device)
"""Types of values that hold no tensors and are never copied."""


class LiteralArgument(NamedTuple):
    """An argument of the forward pass that is passed as it is, although it may look like a shape."""

    value: object


class ForwardArguments:
    """Creates the arguments of a forward pass, and the inputs of the graph with them.

    A tuple of whole numbers is a shape. So is a list of them, unless a tensor or a shape that is not a list is among
    the inputs: then the caller shows how it writes its inputs, and the list is an argument.
    """

    def __init__(self, tracer: ModuleTracer, batch: int | None, add_axis: bool) -> None:
        self.tracer, self.batch, self.add_axis = tracer, batch, add_axis
        self.index = tracer.recorder.index
        self._lists_are_shapes = True

    def of(self, inputs: Inputs) -> tuple[list[object], dict[str, object]]:
        """Positional and keyword arguments.

        Raises:
            ConfigError: there is no input, or the shape or dtype of one is impossible.
        """
        self._lists_are_shapes = not _has_tensors(inputs)
        if isinstance(inputs, Mapping):
            return [], {name: self._argument(name, value) for name, value in inputs.items()}
        if not isinstance(inputs, list | tuple) or _is_shape(inputs) or hasattr(inputs, "_fields"):
            if isinstance(inputs, str | int | float | None):
                raise ConfigError(
                    f"`{inputs!s}` is not an input: give a tensor, a shape, a tuple of those, or a mapping"
                )
            inputs = (inputs,)
        names = parameter_names(self.index.model)
        names += [f"input_{i}" for i in range(len(names), len(inputs))]
        return [self._argument(name, value) for name, value in zip(names, inputs, strict=False)], {}

    def _argument(self, name: str, value: object) -> object:
        if isinstance(value, LiteralArgument):
            return value.value
        if isinstance(value, Tensor):
            return self._tensor(name, type_of(value), value)
        shape = _shape(value)
        if shape is None and self._lists_are_shapes and type(value) is list and _is_sizes(value):
            shape = tuple(value)
        if shape is not None:
            dtype = getattr(value, "dtype", None) or self.index.dtype
            return self._tensor(name, TensorType(shape, str(dtype).removeprefix("torch.")), None)
        if type(value) in (dict, OrderedDict) and isinstance(value, dict):
            return type(value)([(key, self._argument(f"{name}.{key}", each)) for key, each in value.items()])
        if type(value) in (list, tuple) and isinstance(value, list | tuple):
            return type(value)([self._argument(f"{name}.{i}", each) for i, each in enumerate(value)])
        return value if is_immutable(value) else self._object(name, value)

    def _object(self, name: str, value: object) -> object:
        """A copy of an object, with traced tensors in the place of the tensors that it holds.

        The original is not passed: the model may write traced tensors into it.
        """
        replaced: dict[int, object] = {}
        for path, part in parts_of(value, name):
            if isinstance(part, Tensor):
                if self.batch is not None and isinstance(value, PackedSequence):
                    raise ConfigError(f"`{name}` is a PackedSequence, whose batch is fixed: leave out `batch`")
                replaced[id(part)] = self._tensor(path, type_of(part), part)
            elif isinstance(part, nn.Module):
                replaced[id(part)] = part
        if isinstance(value, nn.Module):
            return value
        has_tensors = any(isinstance(each, TracedTensor) for each in replaced.values())
        try:
            return copy.deepcopy(value, replaced)
        except Exception as error:
            if has_tensors:
                kind = type(value).__name__
                raise ConfigError(f"input `{name}` of type {kind} cannot be copied: {error}") from error
            return value

    def _tensor(self, name: str, type_: TensorType, tensor: Tensor | None) -> TracedTensor:
        if self.batch is not None and type_.shape:
            type_ = TensorType((self.batch, *type_.shape[1:]), type_.dtype)
            tensor = None
        if self.add_axis:  # a batch of one sample
            type_, tensor = TensorType((1, *type_.shape), type_.dtype), None
        if type_.dtype not in DTYPES:
            raise ConfigError(f"input `{name}` has the dtype `{type_.dtype}`, which PyTorch does not have")
        if min(type_.shape, default=0) < 0:
            raise ConfigError(f"input `{name}` is {format_shape(type_.shape)}: every size must be at least 0")
        if max(type_.shape, default=0) >= 2**63:
            raise ConfigError(f"input `{name}` is {format_shape(type_.shape)}: every size must be below 2^63")
        tracer, dtype = self.tracer, DTYPES[type_.dtype]
        value = None
        if tensor is not None and (tracer.values or _is_index(tensor)):
            value = tensor.detach().clone()
        elif tracer.values:
            value = _example(type_, dtype, tracer.device)
        name = tracer.recorder.add_input(name, type_)
        if tensor is not None:
            tracer.note_layout(name, tensor)
        device = tensor.device if tensor is not None and _is_index(tensor) else tracer.device
        return traced_tensor(name, type_.shape, dtype, device, value=value)


def parameter_names(model: nn.Module) -> list[str]:
    """Names of the arguments that the model's forward pass takes by position."""
    try:
        parameters = inspect.signature(model.forward).parameters.values()
    except (TypeError, ValueError):
        return []
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [each.name for each in parameters if each.kind in kinds]


def parts_of(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    """All that an object holds, with the path of each part, `batch.x`: itself, elements, values and attributes.

    Private attributes add nothing to a path; modules are not opened.
    """
    seen: set[int] = set()
    stack = [(name, value)]
    while stack:
        path, part = stack.pop()
        if id(part) in seen or (is_immutable(part) and part is not value):
            continue
        seen.add(id(part))
        yield path, part
        stack += reversed([(f"{path}.{key}" if key else path, each) for key, each in _children(part)])


def _children(part: object) -> list[tuple[str, object]]:
    if isinstance(part, Tensor | nn.Module):
        return []
    if isinstance(part, tuple) and (fields := getattr(part, "_fields", None)):
        return list(zip(fields, part, strict=True))
    if isinstance(part, list | tuple | set | frozenset):
        return [(str(i), each) for i, each in enumerate(part)]
    found = [(str(key), each) for key, each in part.items()] if isinstance(part, dict) else []
    slots = [name for kind in type(part).__mro__ for name in _slots(kind) if hasattr(part, name)]
    attributes = {**getattr(part, "__dict__", {}), **{name: getattr(part, name) for name in slots}}
    return found + [("" if key.startswith("_") else key, each) for key, each in attributes.items()]


def _slots(kind: type) -> Sequence[str]:
    slots = vars(kind).get("__slots__", ())
    return [slots] if isinstance(slots, str) else [name for name in slots if name not in ("__dict__", "__weakref__")]


def is_immutable(value: object) -> bool:
    """Whether a value is a plain one, or a function or a class, which holds no tensors and need not be copied."""
    if value is None or isinstance(value, PLAIN):
        return True
    return callable(value) and not isinstance(value, nn.Module) and not getattr(value, "__dict__", None)


def _is_index(tensor: Tensor) -> bool:
    """Whether a tensor holds lengths, positions or a mask, whose values a model may read."""
    integers = not tensor.is_floating_point() and not tensor.is_complex()
    return integers and tensor.numel() <= MAX_COMPUTED and tensor.device.type != "meta"


def _example(type_: TensorType, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Values for an input of which only the type is given: numbers between 0 and 1, or zeros if they are integers."""
    if not dtype.is_floating_point:
        return torch.zeros(type_.shape, dtype=dtype, device=device)
    generator = torch.Generator().manual_seed(0)
    return torch.rand(type_.shape, generator=generator).to(device, dtype)


def _is_sizes(value: Sequence[object]) -> bool:
    return bool(value) and all(type(size) is int for size in value)


def _is_shape(value: object) -> TypeGuard[Sequence[int]]:
    """Whether a value is a shape if it is the only input."""
    return isinstance(value, torch.Size) or (type(value) in (list, tuple) and _is_sizes(value))  # type: ignore[arg-type]


def _shape(value: object) -> tuple[int, ...] | None:
    """The sizes of a shape that is not a list, or of an object that has one; None for anything else."""
    if isinstance(value, torch.Size) or (type(value) is tuple and _is_sizes(value)):
        return tuple(value)
    shape = getattr(value, "shape", None)
    return tuple(shape) if isinstance(shape, list | tuple) and all(isinstance(each, int) for each in shape) else None


def _has_tensors(inputs: object) -> bool:
    """Whether a tensor, or a shape that is not a list, is among inputs."""
    if isinstance(inputs, Tensor) or _shape(inputs) is not None:
        return True
    if isinstance(inputs, Mapping):
        return any(map(_has_tensors, inputs.values()))
    if isinstance(inputs, list | tuple):
        return any(map(_has_tensors, inputs))
    return any(isinstance(part, Tensor) for _, part in parts_of(inputs))
