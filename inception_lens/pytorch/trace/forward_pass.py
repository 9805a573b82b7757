"""From a PyTorch model to a Graph: one forward pass is recorded, without reading weights or computing activations."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from enum import IntEnum
from functools import partial
from typing import NamedTuple

import msgspec
import torch
from torch import Tensor, nn

from inception_lens.errors import ConfigError, InceptionLensError, TraceError
from inception_lens.graph import Graph, Inputs, Metadata, Mode
from inception_lens.ops import Declared, TensorType, format_shape
from inception_lens.pytorch.trace.assigned_data import refused_assignments
from inception_lens.pytorch.trace.exact_types import compare_exact_types
from inception_lens.pytorch.trace.failures import failed, is_about_traced_tensors, may_be_due_to_traced_tensors
from inception_lens.pytorch.trace.forward_arguments import (
    CreateTensor,
    ForwardArguments,
    parts_of,
    traced_input,
    unfit_arguments,
)
from inception_lens.pytorch.trace.global_state import below_autograd, in_mode, undisturbed
from inception_lens.pytorch.trace.gradient_regions import gradient_regions
from inception_lens.pytorch.trace.gradients import kept_gradients, refused_gradients
from inception_lens.pytorch.trace.lazy_modules import indexed
from inception_lens.pytorch.trace.model_index import ModelIndex
from inception_lens.pytorch.trace.module_calls import ModuleTracer
from inception_lens.pytorch.trace.ordinary_tensors import OrdinaryTracer
from inception_lens.pytorch.trace.recorder import Recorder
from inception_lens.pytorch.trace.retries import (
    CannotBeTraced,
    NeedsGradients,
    NeedsOrdinaryTensors,
    NeedsValue,
    Retry,
    noted_retries,
)
from inception_lens.pytorch.trace.threads import ThreadedRecorder, refused_threads
from inception_lens.pytorch.trace.traced_tensor import TracedTensor, inner_tensors, type_of
from inception_lens.pytorch.trace.uncompiled import uncompiled

ONE_AT_A_TIME = threading.RLock()
"""Held during a trace, which replaces functions of PyTorch for all threads."""


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
    nothing is computed and no weight is read. For a model that branches on the value of a tensor, what that value is
    computed from is run for real, on the model's own device.

    Args:
        module: the model; its weights may be on the meta device.
        inputs: a tensor, a shape, a `TensorType`, a tuple of those or of other arguments, or a mapping of keyword
            arguments. A shape stands for a tensor of the model's own dtype.
        mode: sets the model's training flags while it runs; None leaves them.
        batch: number of samples, the first axis of every tensor among the inputs; None leaves it.
        metadata: name and source of the graph.
        shortcuts: False runs standard modules too, which proves that their operations are right.
        values: True computes values from the start: from the inputs, and the weights that are not on the meta device.

    Raises:
        TraceError: the forward pass failed; the message names the place, and `graph` is the part before.
        UnknownValueError: it reads a value that only the weights give, and they are on the meta device.
        ConfigError: `module` is not a module, or an input is neither a tensor nor a shape.
    """
    with ONE_AT_A_TIME:
        index = indexed(_checked(module))
        metadata = metadata or Metadata(type(module).__name__, source="pytorch")
        return _traced(ForwardPass(index, inputs, batch, metadata, shortcuts), mode, values=values)


def _traced(forward_pass: ForwardPass, mode: Mode | None, *, values: bool) -> Graph:
    index = forward_pass.model
    with in_mode(index.modules, mode), undisturbed(), uncompiled(index.modules):
        try:
            exact = compare_exact_types(index.custom_modules)
            return forward_pass.graph(Way.ORDINARY if exact else Way.VALUES if values else Way.TYPES)
        except TraceError as error:
            if isinstance(error.__cause__, Retry):
                raise
            failure = error
        hint = unfit_arguments(index.model, forward_pass.inputs)
        if not hint and forward_pass.batch is None:
            hint = _missing_batch_axis(forward_pass)
        if not hint:
            raise failure
        raise TraceError(f"{failure}; {hint}", graph=failure.graph) from failure


def _missing_batch_axis(forward_pass: ForwardPass) -> str:
    """The inputs with a batch axis, if the model runs on those; otherwise empty."""
    try:
        graph = forward_pass.record(Way.TYPES, add_axis=True)
    except (Retry, InceptionLensError):
        return ""
    shapes = " and ".join([format_shape(given.type.shape) for given in graph.inputs])
    return f"the batch axis is missing: the model takes {shapes}"


def _checked(module: nn.Module) -> nn.Module:
    if isinstance(module, type):
        raise ConfigError(f"you passed the class `{module.__name__}`; write `{module.__name__}()`")
    if not isinstance(module, nn.Module):
        raise ConfigError(f"an object of type {type(module).__name__} is not a PyTorch module")
    return module


class Way(IntEnum):
    """What a forward pass runs with; each way does what the ones before cannot, and takes longer."""

    TYPES = 0
    """Traced tensors: types are computed, and values only where they do not depend on the inputs."""
    VALUES = 1
    """Traced tensors with values: every operator is run."""
    ORDINARY = 2
    """Ordinary tensors, for models that do more with a tensor than to call operators."""
    GRADIENTS = 3
    """Ordinary tensors and autograd, for models that compute gradients."""


class ForwardPass(NamedTuple):
    """One forward pass of a model, which can run in several ways."""

    model: ModelIndex
    inputs: Inputs
    batch: int | None
    metadata: Metadata
    shortcuts: bool
    """Whether standard modules are read as operations, where their values are not needed."""

    def graph(self, way: Way) -> Graph:
        """Record the forward pass this way, or in the first later way that the model can run in."""
        try:
            return self.record(way)
        except NeedsGradients:
            way = Way.GRADIENTS
        except NeedsOrdinaryTensors:
            way = Way.ORDINARY
        except NeedsValue:
            way = Way(way + 1)  # what traced tensors cannot compute either, ordinary ones can
        except TraceError as error:
            if way >= Way.ORDINARY or not may_be_due_to_traced_tensors(error):
                raise
            return self._graph_after(error)
        return self.graph(way)

    def _graph_after(self, failure: TraceError) -> Graph:
        """The graph of a run with ordinary tensors after one that failed."""
        try:
            return self.graph(Way.ORDINARY)
        except TraceError as error:
            if isinstance(error.__cause__, Retry) or is_about_traced_tensors(failure):
                raise
            raise failure from error

    def record(self, way: Way, *, add_axis: bool = False) -> Graph:
        """Record the forward pass in one way.

        Raises:
            Retry: it cannot run in this way, and may in a later one.
            TraceError: it failed.
        """
        tracer, create = self._tracer(way)
        arguments = ForwardArguments(self.model, create, batch=self.batch, add_axis=add_axis)
        args, kwargs = arguments.of(self.inputs)
        mode: Mode = "training" if self.model.model.training else "inference"
        has_regions = mode == "training" and way < Way.GRADIENTS
        regions = gradient_regions(tracer.recorder.note_gradients) if has_regions else nullcontext()
        try:
            with noted_retries(), self._surroundings(way), tracer.intercepted(), regions, tracer:
                result = self.model.model(*args, **kwargs)
                found = inner_tensors(tensors_of(result))
                outputs = [each for tensor in found if (each := tracer.recorded(tensor)) is not None]
                outputs = outputs or [*map(tracer.traced, found)]
        except Retry as error:
            if self._can_run_again(way, error):
                raise
            raise failed(error, tracer, self.metadata, mode) from error
        except (Exception, SystemExit) as error:
            if way >= Way.ORDINARY and self._is_on_meta() and "meta" in str(error):
                error = NeedsValue("the model reads the memory of a tensor")
            raise failed(error, tracer, self.metadata, mode) from error
        return _completed(tracer.recorder, outputs, mode, self.metadata)

    def _tracer(self, way: Way) -> tuple[ModuleTracer, CreateTensor]:
        """The tracer, and what creates the inputs."""
        if way >= Way.ORDINARY:
            ordinary = OrdinaryTracer(ThreadedRecorder(self.model), self.model.device, gradients=way is Way.GRADIENTS)
            return ordinary, ordinary.input
        values, recorder = way is Way.VALUES, Recorder(self.model)
        tracer = ModuleTracer(recorder, self.model.device, shortcuts=self.shortcuts and not values, values=values)
        return tracer, partial(traced_input, tracer)

    @contextmanager
    def _surroundings(self, way: Way) -> Iterator[None]:
        """Raise a Retry where the model does what it cannot in this way, and keep the gradients of parameters."""
        if way is Way.GRADIENTS:
            with kept_gradients(self.model.parameters.values()):
                yield
        else:
            with ExitStack() as stack:
                if way < Way.ORDINARY:
                    stack.enter_context(refused_threads())
                    stack.enter_context(refused_assignments())
                for each in (refused_gradients(), torch.no_grad(), below_autograd()):
                    stack.enter_context(each)
                yield

    def _can_run_again(self, way: Way, reason: Retry) -> bool:
        if isinstance(reason, CannotBeTraced):
            return False
        if isinstance(reason, NeedsGradients):
            return way < Way.GRADIENTS
        if isinstance(reason, NeedsOrdinaryTensors):
            return way < Way.ORDINARY
        return way < Way.ORDINARY and not self._is_on_meta()

    def _is_on_meta(self) -> bool:
        return any(each.is_meta for each in self.model.parameters.values())


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
    elif not recorder.depends_on_inputs(names):
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
