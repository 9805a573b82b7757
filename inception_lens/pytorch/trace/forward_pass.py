"""From a PyTorch model to a Graph: one forward pass is recorded, without reading weights or computing activations."""

from __future__ import annotations

import dataclasses
import os
import traceback
from collections.abc import Mapping
from functools import partial

import msgspec
import torch
from torch import Tensor, nn

from inception_lens import version
from inception_lens.errors import ConfigError, InceptionLensError, TraceError, UnknownValueError
from inception_lens.graph import Graph, Inputs, Metadata, Mode
from inception_lens.ops import Declared, TensorType, format_shape
from inception_lens.pytorch.trace.forward_arguments import ForwardArguments, parts_of, traced_input, unfit_arguments
from inception_lens.pytorch.trace.global_state import below_autograd, in_mode, undisturbed
from inception_lens.pytorch.trace.lazy_modules import indexed
from inception_lens.pytorch.trace.model_index import ModelIndex
from inception_lens.pytorch.trace.module_calls import ModuleTracer
from inception_lens.pytorch.trace.recorder import Recorder
from inception_lens.pytorch.trace.retries import NeedsValue, noted_retries
from inception_lens.pytorch.trace.traced_tensor import TracedTensor, type_of
from inception_lens.pytorch.trace.uncompiled import uncompiled


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
    """Record one forward pass of `module`, and leave the module as it was.

    The outputs of standard modules follow from their shape rules, those of other operators from PyTorch's, so that
    nothing is computed and no weight is read. A model that branches on the value of a tensor is run for real, on its
    own device.

    Args:
        module: the model; its weights may be on the meta device.
        inputs: a tensor, a shape, a `TensorType`, a tuple of those or of other arguments, or a mapping of keyword
            arguments. A shape stands for a tensor of the model's own dtype.
        mode: sets the model's training flags while it runs; None leaves them.
        batch: number of samples, the first axis of every tensor among the inputs; None leaves it.
        metadata: name and source of the graph.
        shortcuts: False runs standard modules too, which proves that their operations are right.
        values: True runs the model for real from the start.

    Raises:
        TraceError: the forward pass failed; the message names the place, and `graph` is the part before.
        UnknownValueError: it reads a value that only the weights give, and they are on the meta device.
        ConfigError: `module` is not a module, or an input is neither a tensor nor a shape.
    """
    index = indexed(_checked(module))
    metadata = metadata or Metadata(type(module).__name__, source="pytorch")
    with in_mode(index.modules, mode), undisturbed(), uncompiled(index.modules):
        try:
            return _recorded(index, inputs, batch, metadata, shortcuts=shortcuts, values=values)
        except NeedsValue:
            return _recorded(index, inputs, batch, metadata, shortcuts=False, values=True)
        except TraceError as error:
            failed = error
        hint = unfit_arguments(index.model, inputs)
        if not hint and batch is None:
            hint = _missing_batch_axis(index, inputs, metadata)
        if not hint:
            raise failed
        raise TraceError(f"{failed}; {hint}", graph=failed.graph) from failed


def _missing_batch_axis(index: ModelIndex, inputs: Inputs, metadata: Metadata) -> str:
    """The inputs with a batch axis, if the model runs on those; otherwise empty."""
    try:
        graph = _recorded(index, inputs, None, metadata, shortcuts=True, values=False, add_axis=True)
    except (NeedsValue, InceptionLensError):
        return ""
    shapes = " and ".join([format_shape(given.type.shape) for given in graph.inputs])
    return f"the batch axis is missing: the model takes {shapes}"


def _checked(module: nn.Module) -> nn.Module:
    if isinstance(module, type):
        raise ConfigError(f"you passed the class `{module.__name__}`; write `{module.__name__}()`")
    if not isinstance(module, nn.Module):
        raise ConfigError(f"an object of type {type(module).__name__} is not a PyTorch module")
    return module


def _recorded(
    index: ModelIndex,
    inputs: Inputs,
    batch: int | None,
    metadata: Metadata,
    *,
    shortcuts: bool,
    values: bool,
    add_axis: bool = False,
) -> Graph:
    recorder = Recorder(index)
    tracer = ModuleTracer(recorder, index.device, shortcuts=shortcuts, values=values)
    arguments = ForwardArguments(index, partial(traced_input, tracer), batch=batch, add_axis=add_axis)
    args, kwargs = arguments.of(inputs)
    mode: Mode = "training" if index.model.training else "inference"
    try:
        with noted_retries(), torch.no_grad(), below_autograd(), tracer.intercepted(), tracer:
            result = index.model(*args, **kwargs)
            found = tensors_of(result)
            outputs = [each for each in found if isinstance(each, TracedTensor)] or [*map(tracer.traced, found)]
    except NeedsValue as error:
        if not values and all(each.device.type != "meta" for each in index.parameters.values()):
            raise
        raise _failed(error, tracer, metadata, mode) from error
    except (Exception, SystemExit) as error:
        raise _failed(error, tracer, metadata, mode) from error
    return _completed(recorder, outputs, mode, metadata)


def _completed(recorder: Recorder, outputs: list[TracedTensor], mode: Mode, metadata: Metadata) -> Graph:
    """The graph of a forward pass that ended, with a note if an output is not computed from the inputs.

    A model that calls no operator is itself the only call: it costs nothing.
    """
    inputs = [given.name for given in recorder.inputs]
    names = [each.path for each in outputs]
    if not names:
        metadata = _noted(metadata, "returns no tensor")
    elif set(names) <= set(inputs):
        metadata = _noted(metadata, "returns its input")
    elif recorder.depending_on(inputs).isdisjoint(names):
        metadata = _noted(metadata, "returns no tensor that is computed from its inputs")
    if not recorder.nodes:
        given = outputs[0] if outputs else None
        type_ = TensorType((0,)) if given is None else type_of(given)
        op = Declared(type(recorder.index.model).__name__, (type_,), view=given is not None)
        names = [recorder.add("", op, [] if given is None else [given.path], (type_,))]
    return recorder.graph(names or [recorder.nodes[-1].name], mode, metadata)


def _noted(metadata: Metadata, note: str) -> Metadata:
    return msgspec.structs.replace(metadata, note=f"`{metadata.name}` {note}: the table shows the operators that ran")


def tensors_of(result: object) -> list[Tensor]:
    """All tensors that a model returns, including those in containers and in the attributes of objects.

    A tensor that a container holds twice is listed twice; what an object keeps several times is listed once.
    """
    if dataclasses.is_dataclass(result) and not isinstance(result, Mapping | type):
        return [tensor for field in dataclasses.fields(result) for tensor in tensors_of(getattr(result, field.name))]
    if isinstance(result, Mapping):
        return [tensor for each in result.values() for tensor in tensors_of(each)]
    if isinstance(result, list | tuple):
        return [tensor for each in result for tensor in tensors_of(each)]
    return [part for _, part in parts_of(result) if isinstance(part, Tensor)]


def _failed(error: BaseException, tracer: ModuleTracer, metadata: Metadata, mode: Mode) -> TraceError:
    """The error of a forward pass that did not end, with what was recorded until then."""
    failure = tracer.failure
    path = "its forward pass"
    if failure is not None:
        shapes = " and ".join([format_shape(shape) or "a scalar" for shape in failure.shapes])
        path = f"`{failure.path or metadata.name}` ({failure.kind}{f' of {shapes}' if shapes else ''})"
    line = source_line(error)
    what = str(error).strip().split("\n")[0] or type(error).__name__
    if not isinstance(error, InceptionLensError | NeedsValue):
        what = f"{type(error).__name__}: {what}"
    if isinstance(error, NeedsValue):
        what += ", which is unknown: give the model its weights, and tensors as inputs if it reads their values"
    recorder, graph = tracer.recorder, None
    if recorder.nodes:
        graph = recorder.graph([recorder.nodes[-1].name], mode, metadata)
    kind = UnknownValueError if isinstance(error, NeedsValue) else TraceError
    return kind(f"{metadata.name}: {path}{f', at {line}' if line else ''}: {what}", graph=graph)


def source_line(error: BaseException) -> str:
    """File and line of the user's own code that raised the error, `net.py:12`; empty if none did."""
    own = tuple([os.path.dirname(str(package.__file__)) + os.sep for package in (torch, version)])
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(own)]
    return f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
