"""Calls of operators that depend on more than the layouts of their arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch._ops import OpOverload

from inception_lens.pytorch.trace.call_resolver import Unresolved
from inception_lens.pytorch.trace.containers import found_in, map_tensors, tensors_in
from inception_lens.pytorch.trace.deferred_values import (
    DeferredCall,
    DeferredValue,
    Memory,
    run_all,
)
from inception_lens.pytorch.trace.operator_calls import OperatorTracer
from inception_lens.pytorch.trace.operator_facts import Args, Kwargs, facts_of, sized_by_values
from inception_lens.pytorch.trace.packed_weights import PackedTensors
from inception_lens.pytorch.trace.quantized_calls import quantized_record
from inception_lens.pytorch.trace.retries import NeedsValue
from inception_lens.pytorch.trace.rules.rule import OperatorArguments
from inception_lens.pytorch.trace.sparse import result_count, sparse_operation
from inception_lens.pytorch.trace.tensor_tracer import uninitialised
from inception_lens.pytorch.trace.traced_tensor import (
    OWN_CASTS,
    TracedTensor,
    layout_of,
    layout_of_tensor,
    traced_tensor,
    type_of,
)


class SpecialCallTracer(OperatorTracer):  # type: ignore[no-untyped-call]
    """Records those operators too that read values, change layouts, cast for autocast or take sparse tensors."""

    def _read_value(self, func: OpOverload, args: Args, kwargs: Kwargs, tensors: list[Tensor]) -> object:
        reals = self._evaluated(tensors)
        if any(real is None for real in reals):
            raise NeedsValue("the model branches on the value of a tensor")
        return self._called(func, args, kwargs, reals)

    def _by_value(self, func: OpOverload, args: Args, kwargs: Kwargs, tensors: list[Tensor]) -> object:
        """What an operator returns whose types depend on values, or that the meta device does not have."""
        reals = self._evaluated(tensors)
        if any(real is None for real in reals):
            raise NeedsValue(sized_by_values(func))
        if facts_of(func).is_mutable:
            run_all([call for tensor in tensors if (value := self._value(tensor)) for call in value.memory.reads])
        return self._by_results(func, args, kwargs, tensors, self._called(func, args, kwargs, reals))

    def _by_results(
        self,
        func: OpOverload,
        args: Args,
        kwargs: Kwargs,
        tensors: list[Tensor],
        results: object,
        *,
        is_known: Callable[[Tensor], bool] = lambda tensor: True,
    ) -> object:
        """What an operator returns, from its results: their types, and their values where these are known."""
        record = self._resolver(tensors).record_results(func, args, kwargs, results)
        reals = [each if is_known(each) else None for each in tensors_in((results,))]
        return self._replay(record, args, kwargs, tensors, reals)

    def _sized_by_integers(self, func: OpOverload, args: Args, kwargs: Kwargs, tensors: list[Tensor]) -> object:
        """What an operator returns if the values of its integer inputs are known: those are real, others are not."""
        reals = self._evaluated(tensors)
        if all(real is not None for real in reals):
            return self._by_value(func, args, kwargs, tensors)
        layouts = self._layouts(tensors)
        for i, layout in enumerate(layouts):
            if reals[i] is None and not layout.dtype.is_floating_point:
                raise NeedsValue(sized_by_values(func))
            reals[i] = uninitialised(layout) if reals[i] is None else reals[i]
        results = self._called(func, args, kwargs, reals)
        return self._by_results(
            func, args, kwargs, tensors, results, is_known=lambda tensor: not tensor.is_floating_point()
        )

    def _quantized(self, func: OpOverload, args: Args, kwargs: Kwargs, tensors: list[Tensor]) -> object:
        """An operator on quantized tensors or packed weights, of which its rule says what it computes."""
        rule, packed = facts_of(func).quantized_rule, dict[int, Tensor]()
        assert rule is not None

        def unpack(value: torch.ScriptObject) -> PackedTensors:
            found = self.recorder.unpacked(value)
            packed.update({id(tensor): tensor for tensor in found.tensors})
            return found

        calls = rule(OperatorArguments(args, kwargs, self.recorder.owns, self.training), unpack)
        if calls is None:
            return self._by_value(func, args, kwargs, tensors)
        named = [*tensors, *packed.values()]
        record = quantized_record(func, calls, named, len(tensors), self.recorder.owns)
        return self._replay(record, args, kwargs, named)

    def _decompose(self, func: OpOverload, args: Args, kwargs: Kwargs, tensors: list[Tensor]) -> object:
        with self:
            return func.decompose(*args, **kwargs)

    def _alias(self, func: OpOverload, args: Args, kwargs: Kwargs, tensors: list[Tensor]) -> object:
        if type(tensors[0]) is not TracedTensor and not self.recorder.owns(tensors[0]):
            return func(tensors[0])
        return self._aliased(func, tensors[0])

    def _aliased(self, func: OpOverload, tensor: Tensor) -> TracedTensor:
        """The same tensor; for `detach` in training mode without its gradient, which is a node."""
        traced = self.traced(tensor)
        path, layout = traced.path, traced.traced_layout
        if self.training and facts_of(func).name == "aten::detach":
            path = self.recorder.add_detached(path, layout.type)
        return traced_tensor(path, layout, self.device, traced.deferred, self.base_of(traced))

    def _count(self, func: OpOverload, args: Args, kwargs: Kwargs, tensors: list[Tensor]) -> object:
        """A counter of a module is not a tensor of the network."""
        return args[0] if self.recorder.is_counter(tensors[0]) else self._by_layouts(func, args, kwargs, tensors)

    def _change_layout(self, func: OpOverload, args: Args, kwargs: Kwargs, tensors: list[Tensor]) -> object:
        """An operator that changes the sizes and strides of a tensor in its place."""
        record = self._resolver(tensors).record_changed_layout(func, args, kwargs)
        self._replay(record, args, kwargs, tensors)
        tensor = self.traced(tensors[0])
        with torch._C._DisableTorchDispatch():
            func(tensor, *args[1:], **kwargs)
        tensor.traced_layout = layout_of_tensor(tensor)
        if facts_of(func).short_name in ("resize", "resize_as", "set"):
            tensor.deferred = None
        return tensors[0]

    def _copy(self, func: OpOverload, args: Args, kwargs: Kwargs, tensors: list[Tensor]) -> object:
        """A copy in a region of `torch.autocast`, which may be its cast."""
        cast = None if OWN_CASTS else self._autocast(tensors[0], kwargs)
        return self._by_layouts(func, args, kwargs, tensors) if cast is None else cast

    def _autocast(self, tensor: Tensor, kwargs: Kwargs) -> TracedTensor | None:
        """A tensor in the dtype that `torch.autocast` gives an operator; None if this is another copy.

        The cast is not a call of the network: the tensor keeps its name in the graph, and a parameter stays one.
        """
        dtype = kwargs.get("dtype")
        if dtype is None or len(kwargs) > 1:
            return None
        if not (tensor.is_floating_point() and dtype.is_floating_point):
            return None
        x, recorder, is_owned = self.traced(tensor), self.recorder, self.recorder.owns(tensor)
        layout = layout_of(x.traced_layout.shape, dtype, x.traced_layout.strides, is_owned=is_owned)
        deferred: DeferredValue | None = None
        if x.deferred is not None:
            deferred = DeferredValue(DeferredCall(lambda held: held.to(dtype), (x.deferred,)), 0, Memory())
        cast = traced_tensor(x.path, layout, self.device, deferred)
        recorder.autocast = True
        if is_owned:
            recorder.casts[id(cast)] = recorder.casts.get(id(tensor), tensor)
            self._kept.append(cast)
        return cast

    def _with_sparse_tensors(self, func: OpOverload, args: Args, kwargs: Kwargs, tensors: list[Tensor]) -> object:
        """What an operator returns that reads sparse tensors: for the graph they have the shape of dense ones."""
        name, reals = facts_of(func).short_name, self._evaluated(tensors)
        resolver, is_known = self._resolver(tensors), all(real is not None for real in reals)
        try:
            results = (
                self._called(func, args, kwargs, reals) if is_known else resolver.results_on_meta(func, args, kwargs)
            )
        except Unresolved as error:
            raise NeedsValue(str(error)) from error
        found = tensors_in((results,))
        if not found:
            return results
        inputs = [self.traced(tensor) for tensor in tensors]
        counts = [self.stored_counts.get(each.path) for each in inputs]
        op = sparse_operation(name, list(map(type_of, inputs)), counts, tuple(map(type_of, found)))
        record = resolver.record_results(func, args, kwargs, results, op)
        returned = self._replay(record, args, kwargs, tensors, found if is_known else [None] * len(found))
        count = result_count(name, counts)
        for tensor, real in zip(found_in((returned,), TracedTensor), found, strict=True):
            if is_known:
                self.note_layout(tensor.path, real)
            elif count is not None:
                self.stored_counts[tensor.path] = count
                tensor.traced_layout = layout_of(tuple(real.shape), real.dtype, is_sparse=True)
        return returned

    def _called(self, func: OpOverload, args: Args, kwargs: Kwargs, reals: Sequence[Tensor | None]) -> object:
        """What an operator returns on real tensors."""
        remaining = iter(reals)
        args, kwargs = map_tensors((args, dict(kwargs)), lambda _: next(remaining))
        return func(*args, **kwargs)
