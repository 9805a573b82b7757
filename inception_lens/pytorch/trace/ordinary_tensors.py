"""Tracing with ordinary tensors, for models that do what a `TracedTensor` cannot.

The model runs for real, and PyTorch passes each operator with ordinary tensors. Each of them is found by its memory and
replaced by the `TracedTensor` that names it in the graph; what the operator returns is ordinary again. This is slower
than a trace without values, and works for all that PyTorch itself runs: code that reads memory, checks of
`type(x) is torch.Tensor`, TorchScript, gradients. The tensors of a model on the meta device stay there, so that shapes
are computed and no value can be read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import cast

import torch
from torch import Tensor, nn
from torch._ops import HigherOrderOperator, OpOverload
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import TorchDispatchMode

from inception_lens.errors import GraphError
from inception_lens.graph import output_name
from inception_lens.ops import Declared, TensorType, format_shape
from inception_lens.pytorch.trace.assigned_data import intercepted_assignments
from inception_lens.pytorch.trace.call_record import CallRecord
from inception_lens.pytorch.trace.containers import map_tensors, tensors_in
from inception_lens.pytorch.trace.deferred_values import DeferredValue
from inception_lens.pytorch.trace.formulas import Formula
from inception_lens.pytorch.trace.forward_arguments import example
from inception_lens.pytorch.trace.higher_order import eager_implementation
from inception_lens.pytorch.trace.module_calls import ModuleTracer
from inception_lens.pytorch.trace.nested import flat_tensor, nested_operation
from inception_lens.pytorch.trace.operator_facts import ALIASES, Args, Kwargs, facts_of
from inception_lens.pytorch.trace.retries import CannotBeTraced, NeedsValue
from inception_lens.pytorch.trace.running_operator import RunningOperator
from inception_lens.pytorch.trace.tensor_memory import TensorMemory, share_memory
from inception_lens.pytorch.trace.threads import ThreadedRecorder, recorded_threads
from inception_lens.pytorch.trace.traced_tensor import (
    DTYPES,
    TRACED_THREADS,
    TracedTensor,
    layout_of,
    layout_of_tensor,
    meta_tensor,
    traced_tensor,
)

NESTED = torch.ops.aten._nested_tensor_from_tensor_list.default
"""Creates a nested tensor of the strided layout."""

PLAIN = frozenset({Tensor, nn.Parameter, nn.Buffer})
"""Types of tensors whose operators reach the tracer; those of other types are taken apart by the type itself."""


class OrdinaryTracer(ModuleTracer):  # type: ignore[no-untyped-call]
    """Records a forward pass that runs with ordinary tensors."""

    _running: RunningOperator

    def __init__(self, recorder: ThreadedRecorder, device: torch.device, *, gradients: bool) -> None:
        super().__init__(recorder, device, shortcuts=False, values=True)
        self._gradients = gradients
        self._lock = threading.RLock()
        """Held while one thread records an operator."""
        self._memory: TensorMemory[TracedTensor] = TensorMemory()
        """Inputs, and what operators returned."""
        self._stored_memory: TensorMemory[Tensor] = TensorMemory()
        """Parameters, buffers and constants."""
        self._detached: dict[int, tuple[Tensor, TracedTensor]] = {}
        """What `detach` returned in training mode, with the traced tensor of each, by its identity."""
        self._first_data: dict[int, tuple[Tensor, Tensor]] = {}
        """Tensors that the forward pass writes to or gives other data, each with its first data, by their identity."""
        self._overwritten: dict[int, tuple[Tensor, Tensor]] = {}
        """The first data of those that it writes to, each with a copy from before, by the identity of the tensor."""
        self._assigned: set[int] = set()
        """The identities of those that got other data: their memory shows which tensors of the graph they are."""
        stored = [*recorder.index.parameters.values(), *recorder.index.buffers.values()]
        self.on_meta = any(each.is_meta for each in stored)
        for each in stored:
            if not is_lazy(each):
                self._stored_memory.note(each, each)
        for each in recorder.index.buffers.values():
            self._keep(each)  # the statistics of a norm are written to without being named as written

    # --- tensors

    def input(self, name: str, type_: TensorType, tensor: Tensor | None) -> Tensor:
        """An input of the graph: a copy of the caller's tensor, or an example."""
        name, dtype = self.recorder.add_input(name, type_), DTYPES[type_.dtype]
        if tensor is None:
            value = example(type_, dtype, torch.device("meta") if self.on_meta else self.device)
        else:
            self.note_layout(name, tensor)
            is_known = not self.on_meta or not dtype.is_floating_point
            value = tensor.detach().clone() if is_known else meta_tensor(layout_of_tensor(tensor))
        self._memory.note(value, traced_tensor(name, layout_of_tensor(value), self.device))
        return value

    def recorded(self, value: object) -> TracedTensor | None:
        """The traced tensor of what an operator returned; None for any other value."""
        if not isinstance(value, Tensor) or type(value) not in PLAIN or self._owns(value):
            return None
        detached = self._detached.get(id(value))
        return self._memory.find(value) if detached is None else detached[1]

    def traced(self, tensor: Tensor) -> TracedTensor:
        """The traced tensor that names an ordinary one."""
        if type(tensor) is TracedTensor or self._owns(tensor):
            return super().traced(tensor)
        found = self.recorded(tensor)
        return self._unseen(tensor) if found is None else found

    def _owns(self, tensor: Tensor) -> bool:
        """Whether a tensor is a parameter or a buffer, and not computed from what the graph has."""
        if not self.recorder.owns(tensor) or id(tensor) in self._assigned:
            return False
        created = None if id(tensor) in self.recorder.index.names else self._memory.find(tensor)
        return created is None or not self.recorder.depends_on_inputs([created.path], or_weights=True)

    def _unseen(self, tensor: Tensor) -> TracedTensor:
        """The traced tensor of one that no operator returned: stored, another part of known memory, or a constant."""
        stored = self._stored_memory.find(tensor)
        if stored is not None:
            return super().traced(stored)
        base = self._memory.first_in_storage(tensor)
        if base is None:
            self._stored_memory.note(tensor, tensor)
            return super().traced(tensor)
        layout = layout_of_tensor(tensor)
        op = Declared("as_strided", (layout.type,), view=True)
        name = self.recorder.add_operator("as_strided", op, [base.path], (layout.type,))
        found = traced_tensor(name, layout, self.device, base=base)
        self._memory.note(tensor, found)
        return found

    # --- operators

    def __torch_dispatch__(
        self,
        func: OpOverload | HigherOrderOperator,
        types: Iterable[type],
        args: Args = (),
        kwargs: Kwargs | None = None,
    ) -> object:
        if not PLAIN.issuperset(types):
            return NotImplemented
        with self._lock, torch._C._AutoDispatchBelowAutograd():
            if not isinstance(func, OpOverload):
                return self._higher_order(func, args, kwargs or {})
            if facts_of(func).name in ALIASES:
                return self._same_memory(func, *args)
            if facts_of(func).short_name == "set":
                self._assign(cast(Tensor, args[0]))
                return func(*args, **kwargs or {})
            if self.on_meta and self.autocast_regions[-1]:
                raise NeedsValue("the model uses `torch.autocast`, which leaves tensors on the meta device as they are")
            outer, self._running = getattr(self, "_running", None), RunningOperator(func, args, kwargs or {})
            try:
                return self._called_with_ordinary_tensors(self._running)
            finally:
                if outer is not None:
                    self._running = outer

    def _same_memory(self, func: OpOverload, tensor: Tensor) -> Tensor:
        """A tensor whose memory shows which it is; without its gradient its identity does."""
        result: Tensor = func(tensor)
        if facts_of(func).name == "aten::detach" and self.training and not self._gradients:
            self._detached[id(result)] = (result, self._aliased(func, tensor))
        return result

    def _called_with_ordinary_tensors(self, running: RunningOperator) -> object:
        for each in running.written():
            self._keep(each)
        if running.func is NESTED or any(each.is_nested for each in tensors_in((running.args, running.kwargs))):
            return self._with_nested_tensors(running)

        def named(tensor: Tensor) -> Tensor:
            traced = self.recorded(tensor)
            if traced is None:
                return tensor
            running.ordinary[id(traced)] = tensor
            return traced

        args, kwargs = map_tensors((running.args, dict(running.kwargs)), named)
        traced = super().__torch_dispatch__(running.func, (), args, kwargs)
        if running.is_decomposed:
            return traced
        results = running.results()
        for each, real in zip(tensors_in((traced,)), tensors_in((results,)), strict=True):
            if type(each) is TracedTensor and id(each) not in running.ordinary:
                self._note(each, real)
        if facts_of(running.func).is_mutable:  # which may have changed the shape or the memory of an argument
            for each in tensors_in((args, kwargs)):
                if (tensor := running.ordinary.get(id(each))) is not None:
                    self._note(cast(TracedTensor, each), tensor)
        return results

    def _with_nested_tensors(self, running: RunningOperator) -> object:
        """What an operator returns that reads nested tensors or creates one, unless it is a view."""
        results = running.results()
        tensors = tensors_in((running.args, running.kwargs))
        flat = [flat_tensor(each) for each in tensors_in((results,))]
        if running.written() or not all(each.layout is torch.strided for each in flat):
            raise CannotBeTraced(f"`{running.func}` writes to a nested tensor, or returns one of several layouts")
        if not flat or any(self._memory.find(each) is not None for each in flat):
            return results
        inputs = [self.traced(flat_tensor(each)).path for each in tensors]
        layouts = [layout_of_tensor(each) for each in flat]
        types, name = tuple([each.type for each in layouts]), facts_of(running.func).short_name
        node = self.recorder.add_operator(name, nested_operation(name, tensors, types), inputs, types)
        for i, each in enumerate(flat):
            self._memory.note(each, traced_tensor(output_name(node, i), layouts[i], self.device))
        return results

    def _note(self, traced: TracedTensor, real: Tensor) -> None:
        """Note the ordinary tensor that a traced one names."""
        if real.layout is torch.strided:
            was = traced.traced_layout
            if (
                tuple(real.shape) != was.shape and ":" not in traced.path
            ):  # what kernels keep for a backward pass differs
                shapes = format_shape(tuple(real.shape)), format_shape(was.shape)
                raise GraphError(f"`{traced.path}` has the shape {shapes[0]}, and its rule gives {shapes[1]}")
            traced.traced_layout = layout_of(tuple(real.shape), real.dtype, real.stride(), is_owned=was.is_owned)
        self._memory.note(real, traced)

    def _evaluated(self, tensors: Sequence[Tensor]) -> list[Tensor | None]:
        found = [self._running.ordinary.get(id(each), each) for each in tensors]
        return [None if each.is_meta else each for each in found]

    def _called(self, func: OpOverload, args: Args, kwargs: Kwargs, reals: Sequence[Tensor | None]) -> object:
        return self._running.results()

    def _decompose(self, func: OpOverload, args: Args, kwargs: Kwargs, tensors: list[Tensor]) -> object:
        running = self._running
        running.is_decomposed = True
        with self:
            return func.decompose(*running.args, **running.kwargs)

    def _value(self, tensor: Tensor) -> DeferredValue | None:
        """Unknown to the graph: the ordinary tensors have the values."""
        if type(tensor) is not TracedTensor:
            self._kept.append(tensor)
        return None

    def values_of(self, record: CallRecord, *rest: object) -> Sequence[DeferredValue | None]:
        return ()

    def _flex_attention(self, func: HigherOrderOperator, args: Args, kwargs: Kwargs) -> object:
        named = super()._flex_attention(func, args, kwargs)
        results = eager_implementation(func)(*args, **kwargs)
        for traced, real in zip(tensors_in((named,)), tensors_in((results,)), strict=True):
            self._note(cast(TracedTensor, traced), real)
        return results

    def _by_formula(self, module: nn.Module, path: str, formula: Formula, tensors: Sequence[Tensor]) -> object:
        return map_tensors(super()._by_formula(module, path, formula, tensors), self._example_output)

    def _example_output(self, tensor: Tensor) -> Tensor:
        """What a module returns that was not run."""
        with torch._C._DisableTorchDispatch():
            device = "meta" if self.on_meta else self.device
            real = torch.zeros(tuple(tensor.shape), dtype=tensor.dtype, device=device)
        self._note(cast(TracedTensor, tensor), real)
        return real

    # --- what the model writes to

    def _keep(self, tensor: Tensor) -> None:
        """Copy a tensor from outside the forward pass, before this writes to it for the first time."""
        stored = self._stored_memory.first_in_storage(tensor)
        if stored is not None and not stored.is_meta and id(stored) not in self._overwritten:
            first = self._first_data_of(stored)
            self._overwritten[id(stored)] = (first, first.clone())

    def _assign(self, tensor: Tensor, data: Tensor | None = None) -> None:
        """Note that a tensor gets other data."""
        self._first_data_of(tensor)
        self._assigned.add(id(tensor))

    def _first_data_of(self, tensor: Tensor) -> Tensor:
        return self._first_data.setdefault(id(tensor), (tensor, tensor.data))[1]

    def _restore_stored(self) -> None:
        for first, copy in self._overwritten.values():
            first.copy_(copy)
        for tensor, first in self._first_data.values():
            if not share_memory(tensor, first):
                tensor.data = first

    # --- threads

    @contextmanager
    def autograd(self) -> Iterator[None]:
        """Set whether this thread computes gradients."""
        below = nullcontext() if self._gradients else torch._C._AutoDispatchBelowAutograd()
        with torch.set_grad_enabled(self._gradients), below:
            yield

    def record_thread(self, function: Callable[[], object]) -> object:
        """Call a function in another thread than the model was called in, and record what it calls."""
        thread = threading.get_ident()
        self.threads.add(thread)
        TRACED_THREADS.add(thread)
        try:
            with self.autograd(), ThreadTracer(self):
                return function()
        finally:
            TRACED_THREADS.discard(thread)
            self.threads.discard(thread)

    def _called_elsewhere(self, module: nn.Module, args: Args, kwargs: Kwargs) -> object:
        if self.recorder.index.path(module, "") is not None:
            where = "is called in a thread that was started before the trace"
            raise CannotBeTraced(f"`{type(module).__name__}` {where}", elsewhere=True)
        return super()._called_elsewhere(module, args, kwargs)

    def _give_path(self, path: str, result: object) -> None:
        with self._lock:
            super()._give_path(path, result)

    @contextmanager
    def intercepted(self) -> Iterator[None]:
        """As for traced tensors; afterwards parameters, buffers and constants hold what they held before."""
        try:
            with (
                super().intercepted(),
                intercepted_assignments(self._assign),
                recorded_threads(self.record_thread),
                self.autograd(),
            ):
                yield
        finally:
            self._restore_stored()


class ThreadTracer(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Passes the operators that are called in another thread to the tracer; a mode is enabled in one thread only."""

    supports_higher_order_operators = True

    def __init__(self, tracer: OrdinaryTracer) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._tracer = tracer

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __torch_dispatch__(
        self, func: OpOverload, types: Iterable[type], args: Args = (), kwargs: Kwargs | None = None
    ) -> object:
        return self._tracer.__torch_dispatch__(func, types, args, kwargs)
