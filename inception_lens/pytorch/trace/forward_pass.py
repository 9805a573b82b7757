"""From a PyTorch model to a Graph: one forward pass is recorded, without reading weights or computing activations."""

from __future__ import annotations

import dataclasses
import os
import traceback
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from inception_lens import version
from inception_lens.errors import ConfigError, InceptionLensError, TraceError
from inception_lens.graph import Graph, Inputs, Metadata, Mode
from inception_lens.ops import format_shape
from inception_lens.pytorch.trace.forward_arguments import ForwardArguments
from inception_lens.pytorch.trace.global_state import below_autograd, in_mode, undisturbed
from inception_lens.pytorch.trace.model_index import ModelIndex
from inception_lens.pytorch.trace.module_calls import ModuleTracer
from inception_lens.pytorch.trace.operator_calls import NeedsValue
from inception_lens.pytorch.trace.recorder import Recorder
from inception_lens.pytorch.trace.traced_tensor import TracedTensor, tensors_in


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
        ConfigError: `module` is not a module, or an input is neither a tensor nor a shape.
    """
    index = _indexed(module)
    metadata = metadata or Metadata(type(module).__name__, source="pytorch")
    with in_mode(index.modules, mode), undisturbed():
        try:
            return _recorded(index, inputs, batch, metadata, shortcuts=shortcuts, values=values)
        except NeedsValue:
            return _recorded(index, inputs, batch, metadata, shortcuts=False, values=True)


def _indexed(module: nn.Module) -> ModelIndex:
    if not isinstance(module, nn.Module):
        raise ConfigError(f"`{module!r}` is not a PyTorch module")
    index = ModelIndex(module)
    for name, tensor in (*index.parameters.items(), *index.buffers.items()):
        if isinstance(tensor, UninitializedParameter | UninitializedBuffer):
            raise TraceError(f"`{name}` of {type(module).__name__} has no shape yet: run the model once first")
    return index


def _recorded(
    index: ModelIndex, inputs: Inputs, batch: int | None, metadata: Metadata, *, shortcuts: bool, values: bool
) -> Graph:
    recorder = Recorder(index)
    tracer = ModuleTracer(recorder, index.device, shortcuts=shortcuts, values=values)
    args, kwargs = ForwardArguments(tracer, batch).of(inputs)
    mode: Mode = "training" if index.model.training else "inference"
    try:
        with torch.no_grad(), below_autograd(), tracer.intercepted(), tracer:
            result = index.model(*args, **kwargs)
    except NeedsValue as error:
        if not values and all(each.device.type != "meta" for each in index.parameters.values()):
            raise
        raise _failed(error, tracer, metadata, mode) from error
    except (Exception, SystemExit) as error:
        raise _failed(error, tracer, metadata, mode) from error
    outputs = [each.path for each in _outputs(result) if type(each) is TracedTensor]
    if not outputs:
        raise TraceError(f"`{metadata.name}` returns no tensor that is computed from its inputs")
    graph = recorder.graph(outputs, mode, metadata)
    if not graph.nodes:
        raise TraceError(f"`{metadata.name}` computes nothing: it returns its inputs")
    return graph


def _outputs(result: object) -> list[Tensor]:
    """All tensors that the model returns, including those in tuples, mappings and dataclasses."""
    if dataclasses.is_dataclass(result) and not isinstance(result, Mapping | type):
        return _outputs([getattr(result, field.name) for field in dataclasses.fields(result)])
    if isinstance(result, Mapping):
        return _outputs(list(result.values()))
    if isinstance(result, list | tuple):
        return [tensor for each in result for tensor in _outputs(each)]
    return tensors_in([result])


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
    return TraceError(f"{metadata.name}: {path}{f', at {line}' if line else ''}: {what}", graph=graph)


def source_line(error: BaseException) -> str:
    """File and line of the user's own code that raised the error, `net.py:12`; empty if none did."""
    own = tuple([os.path.dirname(str(package.__file__)) + os.sep for package in (torch, version)])
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(own)]
    return f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
