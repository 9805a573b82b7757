"""PyTorch -> Graph: any model that runs, followed through one forward pass without its weights or its arithmetic."""

from __future__ import annotations

import dataclasses
import inspect
import os
import random
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

import inception_lens
from inception_lens.errors import ConfigError, InceptionLensError, TraceError
from inception_lens.graph import Graph, Metadata, Mode
from inception_lens.ops import TensorType, format_shape
from inception_lens.pytorch.trace.dispatch import NeedsValue
from inception_lens.pytorch.trace.recorder import Recorder
from inception_lens.pytorch.trace.survey import Survey
from inception_lens.pytorch.trace.tracer import Tracer
from inception_lens.pytorch.trace.values import DTYPES, Traced, tensors_in, traced, type_of

Inputs = Sequence[Any] | Mapping[str, Any] | torch.Tensor


def trace(
    module: nn.Module,
    inputs: Inputs,
    *,
    mode: Mode | None = None,
    batch: int | None = None,
    metadata: Metadata | None = None,
    shortcuts: bool = True,
    values: bool = False,
) -> Graph:
    """Follow one forward pass of `module`, and leave the module as it was.

    Standard modules answer by their shape rules, and other operators by PyTorch's, so that nothing is computed and no
    weight is read. Where the model decides by what a tensor holds, it is run for real, on its own device.

    Args:
        module: the model; its weights may be on the meta device.
        inputs: a tensor, a shape, a `TensorType`, a tuple of those or of other arguments, or a mapping of keyword
            arguments. A shape stands for a tensor of the model's own dtype.
        mode: sets the model's training flags while it runs; None leaves them.
        batch: samples at once, the first axis of every tensor among the inputs; None leaves them.
        metadata: name, description and source of the model.
        shortcuts: False runs standard modules too, which proves that their rules say the same.
        values: True runs the model for real from the start.

    Raises:
        TraceError: the forward pass ended in an error; the message says where, and `graph` holds the part before.
        ConfigError: an input is neither a tensor nor a shape.
    """
    survey = _surveyed(module)
    metadata = metadata or Metadata(type(module).__name__, source="pytorch")
    with _undisturbed(survey, mode):
        try:
            return _followed(survey, inputs, batch, metadata, shortcuts=shortcuts, values=values)
        except NeedsValue:
            return _followed(survey, inputs, batch, metadata, shortcuts=False, values=True)


def _followed(
    survey: Survey, inputs: Inputs, batch: int | None, metadata: Metadata, *, shortcuts: bool, values: bool
) -> Graph:
    module, recorder = survey.model, Recorder(survey)
    tracer = Tracer(recorder, survey.device, shortcuts=shortcuts, values=values)
    args, kwargs = _Arguments(survey, tracer, batch).of(inputs)
    mode: Mode = "training" if module.training else "inference"
    try:
        with torch.no_grad(), _below_autograd(), tracer.following(), tracer:
            result = module(*args, **kwargs)
    except NeedsValue as error:
        if not values and all(each.device.type != "meta" for each in survey.parameters.values()):
            raise
        raise _failed(error, tracer, metadata, mode) from error
    except InceptionLensError as error:
        raise _failed(error, tracer, metadata, mode) from error
    except (Exception, SystemExit) as error:
        raise _failed(error, tracer, metadata, mode) from error
    outputs = [each.path for each in _outputs(result) if type(each) is Traced]
    if not outputs:
        raise TraceError(f"`{metadata.name}` answers with no tensor that was computed from its inputs")
    graph = recorder.graph(outputs, mode, metadata)
    if not graph.nodes:
        raise TraceError(f"`{metadata.name}` computes nothing: it answers with its inputs")
    return graph


def _failed(error: BaseException, tracer: Tracer, metadata: Metadata, mode: Mode) -> TraceError:
    """The error of a forward pass that ended too soon, with what was recorded until then."""
    where = tracer.failure
    path = "its forward pass"
    if where is not None:
        shapes = " and ".join([format_shape(shape) or "a scalar" for shape in where.shapes])
        path = f"`{where.path or metadata.name}` ({where.kind}{f' of {shapes}' if shapes else ''})"
    line = source_line(error)
    what = str(error).strip().split("\n")[0] or type(error).__name__
    if not isinstance(error, InceptionLensError | NeedsValue):
        what = f"{type(error).__name__}: {what}"
    if isinstance(error, NeedsValue):
        what += ", which a model without values cannot: give real weights, and inputs if it decides by those"
    recorder, graph = tracer.recorder, None
    if recorder.nodes:
        graph = recorder.graph([recorder.nodes[-1].name], mode, metadata)
    return TraceError(f"{metadata.name}: {path}{f', at {line}' if line else ''}: {what}", graph=graph)


def source_line(error: BaseException) -> str:
    """The line of the user's own code that raised the error."""
    own = tuple([os.path.dirname(str(package.__file__)) + os.sep for package in (torch, inception_lens)])
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(own)]
    return f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""


def _surveyed(module: nn.Module) -> Survey:
    if not isinstance(module, nn.Module):
        raise ConfigError(f"{module!r} is no PyTorch module")
    survey = Survey(module)
    for name, tensor in (*survey.parameters.items(), *survey.buffers.items()):
        if isinstance(tensor, UninitializedParameter | UninitializedBuffer):
            raise TraceError(f"`{name}` of {type(module).__name__} has no shape yet: run the model once first")
    return survey


def set_mode(module: nn.Module, training: bool) -> None:
    """Put a module in training or in evaluation mode."""
    try:
        module.train(training)
    except NotImplementedError:  # an exported program computes in either what it did when it was exported
        for each in module.modules():
            each.training = training


@contextmanager
def _undisturbed(survey: Survey, mode: Mode | None) -> Iterator[None]:
    """Set the training flags, and put them and the random state back."""
    flags = [each.training for each in survey.modules]
    numbers, python, depth = torch.get_rng_state(), random.getstate(), sys.getrecursionlimit()
    sys.setrecursionlimit(3 * depth)  # following a module takes more frames than calling it
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # one opaque operator for what is several
    cached = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)  # it would keep tensors of this forward pass for the next
    if mode is not None:
        set_mode(survey.model, mode == "training")
    try:
        yield
    finally:
        sys.setrecursionlimit(depth)
        torch.backends.mha.set_fastpath_enabled(fast)
        torch.set_rng_state(numbers)
        random.setstate(python)
        torch.set_autocast_cache_enabled(cached)
        for each, flag in zip(survey.modules, flags, strict=True):
            if each.training != flag:
                each.training = flag


@contextmanager
def _below_autograd() -> Iterator[None]:
    """See operators as the model calls them, before autograd takes those apart that are made of others.

    A model that asks for inference mode has it already, so that asking does nothing.
    """
    mode = torch.inference_mode
    entered, left = mode.__enter__, mode.__exit__
    mode.__enter__ = lambda self: None  # type: ignore[method-assign]
    mode.__exit__ = lambda self, *error: None  # type: ignore[method-assign]
    guard = torch._C._AutoDispatchBelowAutograd()
    try:
        yield
    except BaseException as error:
        _let_go(error)
        raise
    finally:
        del guard
        mode.__enter__, mode.__exit__ = entered, left  # type: ignore[method-assign]


def _let_go(error: BaseException | None) -> None:
    """Drop what an error's frames hold: a guard of PyTorch's that ended after the one around it would bring it back."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


class _Arguments:
    """The arguments of the forward pass, with tensors of no storage in the place of the inputs."""

    def __init__(self, survey: Survey, tracer: Tracer, batch: int | None) -> None:
        self.tracer, self.dtype, self.batch = tracer, survey.dtype, batch
        try:
            parameters = inspect.signature(survey.model.forward).parameters.values()
            kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
            self.names = [each.name for each in parameters if each.kind in kinds]
        except (TypeError, ValueError):
            self.names = []

    def of(self, inputs: Inputs) -> tuple[list[Any], dict[str, Any]]:
        """Positional and keyword arguments."""
        if isinstance(inputs, Mapping):
            return [], {name: self._argument(name, value) for name, value in inputs.items()}
        if hasattr(inputs, "shape") or _is_shape(inputs):
            inputs = (inputs,)
        if not isinstance(inputs, Sequence) or isinstance(inputs, str):
            raise ConfigError(f"{inputs!r} is no input: it is a tensor, a shape, a tuple of those, or a mapping")
        names = [*self.names, *[f"input_{i}" for i in range(len(self.names), len(inputs))]]
        return [self._argument(name, value) for name, value in zip(names, inputs, strict=False)], {}

    def _argument(self, name: str, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return self._tensor(name, type_of(value), value)
        if hasattr(value, "shape") or _is_shape(value):
            dtype = getattr(value, "dtype", None) or self.dtype
            shape = tuple(getattr(value, "shape", value))
            return self._tensor(name, TensorType(shape, str(dtype).removeprefix("torch.")), None)
        if isinstance(value, Mapping):
            return {key: self._argument(f"{name}.{key}", each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return type(value)([self._argument(f"{name}.{i}", each) for i, each in enumerate(value)])
        return value

    def _tensor(self, name: str, given: TensorType, tensor: torch.Tensor | None) -> Traced:
        if self.batch is not None and given.shape:
            given = TensorType((self.batch, *given.shape[1:]), given.dtype)
            tensor = None
        if given.dtype not in DTYPES:
            raise ConfigError(f"the input `{name}` has the dtype `{given.dtype}`, which PyTorch does not have")
        if min(given.shape, default=1) < 1:
            raise ConfigError(f"the input `{name}` is {format_shape(given.shape)}: every size must be at least 1")
        if max(given.shape, default=1) >= 2**63:
            raise ConfigError(f"the input `{name}` is {format_shape(given.shape)}: every size must be below 2^63")
        tracer, dtype = self.tracer, DTYPES[given.dtype]
        value = None
        if tracer.values:
            value = tensor.detach().clone() if tensor is not None else _some(given, dtype, tracer.device)
        name = tracer.recorder.add_input(name, given)
        return traced(name, given.shape, dtype, tracer.device, value=value)


def _some(given: TensorType, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Values for an input of which only the type is known: numbers from 0 to 1, or zeros where they are whole."""
    if not dtype.is_floating_point:
        return torch.zeros(given.shape, dtype=dtype, device=device)
    generator = torch.Generator().manual_seed(0)
    return torch.rand(given.shape, generator=generator).to(device, dtype)


def _is_shape(value: Any) -> bool:
    if isinstance(value, torch.Size):
        return True
    return isinstance(value, list | tuple) and bool(value) and all(type(size) is int for size in value)


def _outputs(result: Any) -> list[torch.Tensor]:
    """All tensors that the model answers with, in tuples, mappings and records."""
    if dataclasses.is_dataclass(result) and not isinstance(result, Mapping | type):
        return _outputs([getattr(result, field.name) for field in dataclasses.fields(result)])
    if isinstance(result, Mapping):
        return _outputs(list(result.values()))
    if isinstance(result, list | tuple):
        return [tensor for each in result for tensor in _outputs(each)]
    return tensors_in([result])
