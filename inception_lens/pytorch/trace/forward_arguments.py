"""The arguments of a traced forward pass: what the caller gives, with traced tensors in the place of tensors and
shapes.
"""

from __future__ import annotations

import copy
import inspect
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from numbers import Integral
from types import ModuleType
from typing import NamedTuple, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from inception_lens.errors import ConfigError
from inception_lens.graph import Inputs
from inception_lens.ops import TensorType, format_shape
from inception_lens.pytorch.trace.deferred_values import DeferredValue, computed_value
from inception_lens.pytorch.trace.model_index import ModelIndex
from inception_lens.pytorch.trace.module_calls import ModuleTracer
from inception_lens.pytorch.trace.retries import NeedsOrdinaryTensors
from inception_lens.pytorch.trace.traced_tensor import DTYPES, TracedTensor, layout_of, traced_tensor, type_of

PLAIN = (bool, int, float, complex, str, bytes, type, ModuleType, torch.dtype, torch.device)
"""Types of values that hold no tensors and are never copied."""


CreateTensor = Callable[[str, TensorType, Tensor | None], Tensor]
"""From the name and the type of an input, and the tensor that the caller gives for it, to the tensor that is passed."""


class LiteralArgument(NamedTuple):
    """An argument of the forward pass that is passed as it is, although it may look like a shape."""

    value: object


class ForwardArguments:
    """Creates the arguments of a forward pass, and the inputs of the graph with them.

    A tuple of whole numbers is a shape. So is a list of them, unless a tensor or a shape that is not a list is among
    the inputs: then the caller shows how it writes its inputs, and the list is an argument.
    """

    def __init__(
        self, index: ModelIndex, create: CreateTensor, *, batch: int | None = None, add_axis: bool = False
    ) -> None:
        """`batch` is the size of the first axis of every tensor; with `add_axis` each gets one of one sample."""
        self.index, self.create, self.batch, self.add_axis = index, create, batch, add_axis
        self._lists_are_shapes = True

    def of(self, inputs: Inputs) -> tuple[list[object], dict[str, object]]:
        """Positional and keyword arguments.

        Raises:
            ConfigError: there is no input, or the shape or dtype of one is impossible.
        """
        self._lists_are_shapes = not _has_tensors(inputs)
        if isinstance(inputs, Mapping):
            return [], {name: self._argument(name, value) for name, value in inputs.items()}
        listed = _listed(inputs)
        names = _names(self.index.model, len(listed))
        return [self._argument(name, value) for name, value in zip(names, listed, strict=True)], {}

    def _argument(self, name: str, value: object) -> object:
        if isinstance(value, LiteralArgument):
            return value.value
        if isinstance(value, Tensor):
            if is_traceable_wrapper_subclass(value):
                return self._composed(name, value)
            if value.is_nested:
                raise ConfigError(f"input `{name}` is a nested tensor: create it with layout=torch.jagged")
            return self._tensor(name, type_of(value), value)
        shape = _shape(value)
        if shape is None and self._lists_are_shapes and type(value) is list and _is_sizes(value):
            shape = tuple(map(int, value))
        if shape is not None:
            dtype = getattr(value, "dtype", None) or self.index.dtype
            return self._tensor(name, TensorType(shape, str(dtype).removeprefix("torch.")), None)
        if type(value) in (dict, OrderedDict) and isinstance(value, dict):
            return type(value)([(key, self._argument(f"{name}.{key}", each)) for key, each in value.items()])
        if type(value) in (list, tuple) and isinstance(value, list | tuple):
            return type(value)([self._argument(f"{name}.{i}", each) for i, each in enumerate(value)])
        return value if is_immutable(value) else self._object(name, value)

    def _composed(self, name: str, value: Tensor) -> object:
        """A tensor that consists of several, such as a jagged one, each of which is an input of the graph."""
        if self.batch is not None:
            raise ConfigError(f"`{name}` is a {type(value).__name__}, whose batch is fixed: leave out `batch`")
        names, context = value.__tensor_flatten__()  # type: ignore[attr-defined]
        parts = {each: self._argument(f"{name}.{each.strip('_')}", getattr(value, each)) for each in names}
        if any(type(part) is TracedTensor for part in parts.values()):
            raise NeedsOrdinaryTensors(f"an input is a {type(value).__name__}")
        return type(value).__tensor_unflatten__(parts, context, value.shape, value.stride())  # type: ignore[attr-defined]

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
        has_tensors = any(isinstance(each, Tensor) for each in replaced.values())
        try:
            return copy.deepcopy(value, replaced)
        except Exception as error:
            if has_tensors:
                kind = type(value).__name__
                raise ConfigError(f"input `{name}` of type {kind} cannot be copied: {error}") from error
            return value

    def _tensor(self, name: str, type_: TensorType, tensor: Tensor | None) -> Tensor:
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
        return self.create(name, type_, tensor)


def traced_input(tracer: ModuleTracer, name: str, type_: TensorType, tensor: Tensor | None) -> TracedTensor:
    """An input of the graph; its value is known if the model is run with values, or if it holds indices."""
    dtype, device = DTYPES[type_.dtype], tracer.device
    deferred: DeferredValue | None = None
    if tensor is not None and tensor.device.type != "meta" and (tracer.values or _is_index(tensor)):
        device = tensor.device if _is_index(tensor) else device
        deferred = computed_value(lambda: tensor.detach().clone())
    elif tracer.values:
        deferred = computed_value(lambda: example(type_, dtype, device))
    name = tracer.recorder.add_input(name, type_)
    is_sparse = tensor is not None and tensor.layout is not torch.strided
    if tensor is not None:
        tracer.note_layout(name, tensor)
    return traced_tensor(name, layout_of(type_.shape, dtype, is_sparse=is_sparse), device, deferred)


def by_name(model: nn.Module, inputs: Inputs) -> Mapping[str, object]:
    """Inputs by the names of the forward pass's arguments."""
    if isinstance(inputs, Mapping):
        return inputs
    listed = _listed(inputs)
    return dict(zip(_names(model, len(listed)), listed, strict=True))


def _listed(inputs: object) -> Sequence[object]:
    """The inputs as a sequence of arguments: a shape, a tensor or another object alone is one."""
    if isinstance(inputs, list | tuple) and not _is_shape(inputs) and not hasattr(inputs, "_fields"):
        return inputs
    kinds = [kind.__name__ for kind in type(inputs).__mro__]
    if isinstance(inputs, Iterator) or "DataLoader" in kinds or "Dataset" in kinds:
        raise ConfigError(f"a {kinds[0]} is not an input: give what the model takes of one batch, such as its images")
    if isinstance(inputs, str | int | float | None):
        raise ConfigError(f"`{inputs!s}` is not an input: give a tensor, a shape, a tuple of those, or a mapping")
    return (inputs,)


def unfit_arguments(model: nn.Module, inputs: Inputs) -> str:
    """What the forward pass of a model takes, if the inputs are too many or too few or have other names."""
    named = isinstance(inputs, Mapping)
    args, kwargs = ((), inputs) if isinstance(inputs, Mapping) else (_listed(inputs), {})
    try:
        signature = inspect.signature(model.forward)
    except (TypeError, ValueError):
        return ""
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        takes = f"its forward pass takes ({', '.join(signature.parameters)})"
        return takes if named else f"{takes}, and each element of the inputs is one argument"
    return ""


def _names(model: nn.Module, count: int) -> list[str]:
    names = parameter_names(model)
    return [*names, *[f"input_{i}" for i in range(len(names), count)]][:count]


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
    return not tensor.is_floating_point() and not tensor.is_complex() and tensor.device.type != "meta"


def example(type_: TensorType, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Values for an input of which only the type is given: numbers between 0 and 1, or zeros if they are integers."""
    if not dtype.is_floating_point:
        return torch.zeros(type_.shape, dtype=dtype, device=device)
    generator = torch.Generator().manual_seed(0)
    return torch.rand(type_.shape, generator=generator).to(device, dtype)


def _is_sizes(value: Sequence[object]) -> bool:
    return bool(value) and all(isinstance(size, Integral) and not isinstance(size, bool) for size in value)


def _is_shape(value: object) -> TypeGuard[Sequence[int]]:
    """Whether a value is a shape if it is the only input."""
    return isinstance(value, torch.Size) or (type(value) in (list, tuple) and _is_sizes(value))  # type: ignore[arg-type]


def _shape(value: object) -> tuple[int, ...] | None:
    """The sizes of a shape that is not a list, or of an object that has one; None for anything else."""
    if isinstance(value, torch.Size) or (type(value) is tuple and _is_sizes(value)):
        return tuple(map(int, value))
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
