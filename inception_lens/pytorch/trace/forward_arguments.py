"""The arguments of a traced forward pass: what the caller gives, with traced tensors in the place of tensors and
shapes.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TypeGuard

import torch
from torch import Tensor

from inception_lens.errors import ConfigError
from inception_lens.graph import Inputs
from inception_lens.ops import TensorType, format_shape
from inception_lens.pytorch.trace.module_calls import ModuleTracer
from inception_lens.pytorch.trace.traced_tensor import DTYPES, TracedTensor, traced_tensor, type_of


class ForwardArguments:
    """Creates the arguments of a forward pass, and the inputs of the graph with them."""

    def __init__(self, tracer: ModuleTracer, batch: int | None) -> None:
        self.tracer, self.batch = tracer, batch
        self.index = tracer.recorder.index

    def of(self, inputs: Inputs) -> tuple[list[object], dict[str, object]]:
        """Positional and keyword arguments.

        Raises:
            ConfigError: an input is neither a tensor nor a shape, or its shape or dtype is impossible.
        """
        if isinstance(inputs, Mapping):
            return [], {name: self._argument(name, value) for name, value in inputs.items()}
        if hasattr(inputs, "shape") or _is_shape(inputs):
            inputs = (inputs,)
        if not isinstance(inputs, Sequence) or isinstance(inputs, str):
            raise ConfigError(f"`{inputs}` is not an input: give a tensor, a shape, a tuple of those, or a mapping")
        names = self._names()
        names += [f"input_{i}" for i in range(len(names), len(inputs))]
        return [self._argument(name, value) for name, value in zip(names, inputs, strict=False)], {}

    def _names(self) -> list[str]:
        try:
            parameters = inspect.signature(self.index.model.forward).parameters.values()
        except (TypeError, ValueError):
            return []
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        return [each.name for each in parameters if each.kind in kinds]

    def _argument(self, name: str, value: object) -> object:
        if isinstance(value, Tensor):
            return self._tensor(name, type_of(value), value)
        shape = value if _is_shape(value) else getattr(value, "shape", None)
        if shape is not None:
            dtype = getattr(value, "dtype", None) or self.index.dtype
            return self._tensor(name, TensorType(tuple(shape), str(dtype).removeprefix("torch.")), None)
        if isinstance(value, Mapping):
            return {key: self._argument(f"{name}.{key}", each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            items = [self._argument(f"{name}.{i}", each) for i, each in enumerate(value)]
            return items if isinstance(value, list) else tuple(items)
        return value

    def _tensor(self, name: str, type_: TensorType, tensor: Tensor | None) -> TracedTensor:
        if self.batch is not None and type_.shape:
            type_ = TensorType((self.batch, *type_.shape[1:]), type_.dtype)
            tensor = None
        if type_.dtype not in DTYPES:
            raise ConfigError(f"input `{name}` has the dtype `{type_.dtype}`, which PyTorch does not have")
        if min(type_.shape, default=1) < 1:
            raise ConfigError(f"input `{name}` is {format_shape(type_.shape)}: every size must be at least 1")
        if max(type_.shape, default=1) >= 2**63:
            raise ConfigError(f"input `{name}` is {format_shape(type_.shape)}: every size must be below 2^63")
        tracer, dtype = self.tracer, DTYPES[type_.dtype]
        value = None
        if tracer.values:
            value = tensor.detach().clone() if tensor is not None else _example(type_, dtype, tracer.device)
        name = tracer.recorder.add_input(name, type_)
        return traced_tensor(name, type_.shape, dtype, tracer.device, value=value)


def _example(type_: TensorType, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Values for an input of which only the type is given: numbers between 0 and 1, or zeros if they are integers."""
    if not dtype.is_floating_point:
        return torch.zeros(type_.shape, dtype=dtype, device=device)
    generator = torch.Generator().manual_seed(0)
    return torch.rand(type_.shape, generator=generator).to(device, dtype)


def _is_shape(value: object) -> TypeGuard[Sequence[int]]:
    if isinstance(value, torch.Size):
        return True
    return isinstance(value, list | tuple) and bool(value) and all(type(size) is int for size in value)
