"""Tracing with ordinary tensors, for models that do what a `TracedTensor` cannot.

The model runs for real, and PyTorch passes each operator with ordinary tensors. Each of them is found by its memory and
replaced by the `TracedTensor` that names it in the graph; what the operator returns is ordinary again. This is slower
than a trace without values, and works for whatever PyTorch itself runs: code that reads memory, checks of
`type(x) is torch.Tensor`, compiled TorchScript, gradients. The tensors of a model on the meta device are there too,
so that only the shapes are computed and no value can be read.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn
from torch._ops import HigherOrderOperator, OpOverload
from torch.nn.parameter import is_lazy

from inception_lens.ops import Declared, TensorType
from inception_lens.ops.special import TensorKind
from inception_lens.pytorch.trace.formulas import Formula
from inception_lens.pytorch.trace.forward_arguments import example
from inception_lens.pytorch.trace.higher_order import eager_implementation
from inception_lens.pytorch.trace.module_calls import ModuleTracer
from inception_lens.pytorch.trace.operator_calls import ALIASES
from inception_lens.pytorch.trace.operator_facts import Args, Kwargs, facts_of, written_tensors
from inception_lens.pytorch.trace.recorder import Recorder
from inception_lens.pytorch.trace.retries import NeedsValue
from inception_lens.pytorch.trace.tensor_memory import TensorMemory
from inception_lens.pytorch.trace.traced_tensor import (
    DTYPES,
    TracedTensor,
    map_tensors,
    meta_tensor,
    tensors_in,
    type_of,
)

PLAIN = frozenset({Tensor, nn.Parameter, nn.Buffer, TracedTensor})
"""Types of tensors whose operators reach the tracer; those of other types are taken apart by the type itself."""


class OrdinaryTracer(ModuleTracer):  # type: ignore[no-untyped-call]
    """Records a forward pass that runs with ordinary tensors."""

    def __init__(self, recorder: Recorder, device: torch.device) -> None:
        super().__init__(recorder, device, shortcuts=False, values=True)
        self._lock = threading.RLock()
        self._memory: TensorMemory[TracedTensor] = TensorMemory()
        """Inputs, and what operators returned."""
        self._stored_memory: TensorMemory[Tensor] = TensorMemory()
        """Parameters, buffers and constants."""
        self._borrowed: dict[int, Tensor] = {}
        """The ordinary tensors among the arguments of the running operator, by the identity of the traced ones."""
        self._written: TensorMemory[Tensor] = TensorMemory()
        """Copies of parameters, buffers and constants from before the model wrote to them."""
        self._overwritten: list[tuple[Tensor, Tensor]] = []
        """Tensors that the model did not create and has written to, each with a copy from before."""
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
            device = torch.device("meta") if self.on_meta else self.device
            value = example(type_, dtype, device)
        else:
            self.note_layout(name, tensor)
            value = meta_tensor(tensor) if self.on_meta and dtype.is_floating_point else tensor.detach().clone()
        self._memory.note(value, self.output_like(name, value, None))
        return value

    def recorded(self, value: object) -> TracedTensor | None:
        """The traced tensor of what an operator returned; None for any other value."""
        if not isinstance(value, Tensor) or type(value) not in PLAIN or self.recorder.owns(value):
            return None
        return self._memory.find(value)

    def traced(self, tensor: Tensor) -> TracedTensor:
        """The traced tensor that names an ordinary one."""
        if type(tensor) is TracedTensor:
            return tensor
        if self.recorder.owns(tensor):
            return super().traced(tensor)
        found = self._memory.find(tensor)
        return self._unseen(tensor) if found is None else found

    def _unseen(self, tensor: Tensor) -> TracedTensor:
        """The traced tensor of one that no operator returned: stored, another part of known memory, or a constant."""
        stored = self._stored_memory.find(tensor)
        if stored is not None:
            return super().traced(stored)
        base = self._memory.first_in_storage(tensor)
        if base is None:
            self._stored_memory.note(tensor, tensor)
            return super().traced(tensor)
        types = (type_of(tensor),)
        name = self.recorder.add_operator("as_strided", Declared("as_strided", types, view=True), [base.path], types)
        found = self.output_like(name, tensor, None, base)
        self._memory.note(tensor, found)
        return found

    def _stored_value(self, tensor: Tensor, kind: TensorKind) -> Tensor:
        return tensor.detach()

    def known_value(self, result: Tensor) -> Tensor | None:
        """What the model goes on with, also on the meta device."""
        return result

    # --- operators

    def __torch_dispatch__(
        self, func: OpOverload | HigherOrderOperator, types: object, args: Args = (), kwargs: Kwargs | None = None
    ) -> object:
        if not PLAIN.issuperset(cast(Iterable[type], types)):
            return NotImplemented
        kwargs = kwargs or {}
        with self._lock, torch._C._AutoDispatchBelowAutograd():
            if not isinstance(func, OpOverload):
                return self._higher_order(func, args, kwargs)
            if facts_of(func).name in ALIASES:
                return func(*args, **kwargs)
            before, self._borrowed = self._borrowed, {}
            arguments: list[Tensor] = []
            try:
                args, kwargs = map_tensors(args, self._borrow), map_tensors(dict(kwargs), self._borrow)
                arguments = tensors_in((*args, *kwargs.values()))
                result = super().__torch_dispatch__(func, types, args, kwargs)
                return map_tensors(result, self._returned)
            finally:
                for each in arguments:
                    if (tensor := self._borrowed.get(id(each))) is not None:
                        self._give_back(cast(TracedTensor, each), tensor, has_changed=facts_of(func).is_mutable)
                self._borrowed = before

    def _borrow(self, tensor: Tensor) -> Tensor:
        """The traced tensor in the place of an ordinary one, which is its value while the operator runs."""
        traced = self.recorded(tensor)
        if traced is None:
            return tensor
        self._borrowed[id(traced)] = traced.value = tensor
        return traced

    def _give_back(self, traced: TracedTensor, tensor: Tensor, *, has_changed: bool) -> None:
        """Keep no value, which would fill the memory; note the tensor again if it may lie in another memory now."""
        traced.value = None
        if has_changed:
            self._memory.note(tensor, traced)

    def _returned(self, tensor: Tensor) -> Tensor:
        """The ordinary tensor that the model gets."""
        if type(tensor) is not TracedTensor:
            return tensor
        found = self._borrowed.get(id(tensor))
        if found is None:
            found, tensor.value = tensor.value, None
            assert found is not None
            self._memory.note(found, tensor)
        return found

    def _ordinary(self, tensor: Tensor) -> Tensor:
        return self._borrowed.get(id(tensor), tensor)

    def _decomposed(self, func: OpOverload, args: Args, kwargs: Kwargs) -> object:
        args, kwargs = map_tensors(args, self._ordinary), map_tensors(dict(kwargs), self._ordinary)
        return super()._decomposed(func, args, kwargs)

    def _small_result(self, func: OpOverload, args: Args, kwargs: Kwargs, *rest: object) -> object:
        return self._for_real(func, args, kwargs)

    def _results(self, func: OpOverload, args: Args, kwargs: Kwargs, inputs: object) -> object:
        return self._for_real(func, args, kwargs)

    def _for_real(self, func: OpOverload, args: Args, kwargs: Kwargs) -> object:
        args, kwargs = map_tensors(args, self._ordinary), map_tensors(dict(kwargs), self._ordinary)
        written = written_tensors(func, args, kwargs) if facts_of(func).is_mutable else []
        for each in written:
            self._keep(each)
        given = tensors_in((*args, *kwargs.values()))
        if any(each.is_meta for each in given) and not all(each.is_meta for each in given):
            if any(not each.is_meta for each in written):
                raise NeedsValue("the model writes unknown values to a tensor of known ones")
            args, kwargs = map_tensors(args, _on_meta), map_tensors(kwargs, _on_meta)
        return func(*args, **kwargs)

    def _read_value(self, func: OpOverload, args: Args, kwargs: Kwargs) -> object:
        if any(self._ordinary(each).is_meta for each in tensors_in(args)):
            raise NeedsValue("the model branches on the value of a tensor")
        return self._for_real(func, args, kwargs)

    def _flex_attention(self, func: HigherOrderOperator, args: Args, kwargs: Kwargs) -> object:
        named = tensors_in((super()._flex_attention(func, args, kwargs),))
        results = tensors_in((eager_implementation(func)(*args, **kwargs),))
        for traced, result in zip(named, results, strict=True):
            self._memory.note(result, cast(TracedTensor, traced))
        return tuple(results)

    def _by_formula(self, module: nn.Module, path: str, formula: Formula, tensors: Sequence[Tensor]) -> object:
        return map_tensors(super()._by_formula(module, path, formula, tensors), self._example_output)

    def _example_output(self, tensor: Tensor) -> Tensor:
        """What a module returns that was not run."""
        with torch._C._DisableTorchDispatch():
            device = "meta" if self.on_meta else self.device
            value = torch.zeros(tuple(tensor.shape), dtype=tensor.dtype, device=device)
        self._memory.note(value, cast(TracedTensor, tensor))
        return value

    # --- what the model writes to

    def _keep(self, tensor: Tensor) -> None:
        """Copy a tensor that is stored outside the forward pass, before the model writes to it for the first time."""
        stored = self._stored_memory.first_in_storage(tensor)
        if stored is not None and not stored.is_meta and self._written.find(stored) is None:
            copy = stored.detach().clone()
            self._written.note(stored, copy)
            self._overwritten.append((stored, copy))

    @contextmanager
    def intercepted(self) -> Iterator[None]:
        """As for traced tensors; afterwards parameters, buffers and constants hold what they held before."""
        try:
            with super().intercepted():
                yield
        finally:
            for tensor, copy in self._overwritten:
                tensor.detach().copy_(copy)


def _on_meta(tensor: Tensor) -> Tensor:
    return tensor if tensor.is_meta else meta_tensor(tensor)
