"""Recording operators: every operator that is called while a model is traced becomes a node."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch._ops import HigherOrderOperator, OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from inception_lens.errors import GraphError
from inception_lens.graph import output_name
from inception_lens.ops import Declared, Stored, TensorType
from inception_lens.pytorch.trace.call_record import (
    CallRecord,
    ReturnedTensor,
    SpecialCall,
    records_for,
)
from inception_lens.pytorch.trace.call_resolver import CallResolver, Unresolved
from inception_lens.pytorch.trace.containers import found_in, map_found, map_tensors, tensors_in
from inception_lens.pytorch.trace.deferred_values import (
    DeferredCall,
    DeferredValue,
    Memory,
    computed_value,
    evaluated,
    known_value,
    run_all,
)
from inception_lens.pytorch.trace.operator_facts import (
    ALIASES,
    READING,
    SIZED_BY_INTEGERS,
    Args,
    Kwargs,
    facts_of,
)
from inception_lens.pytorch.trace.packed_weights import PackedTensors
from inception_lens.pytorch.trace.quantized_calls import quantized_record
from inception_lens.pytorch.trace.recorder import Recorder
from inception_lens.pytorch.trace.retries import NeedsOrdinaryTensors, NeedsValue
from inception_lens.pytorch.trace.rules.rule import OperatorArguments
from inception_lens.pytorch.trace.sparse import SPARSE_LAYOUTS, result_count, sparse_operation, stored_elements
from inception_lens.pytorch.trace.traced_tensor import (
    DTYPES,
    Layout,
    TracedTensor,
    layout_of,
    layout_of_tensor,
    meta_tensor,
    traced_tensor,
    type_of,
)

NO_KEYWORDS: Kwargs = MappingProxyType({})

SCALARS = frozenset({bool, float, complex, str, torch.dtype, torch.device, torch.layout, torch.memory_format})
"""Types of arguments that are compared by type and value; 1, 1.0 and True are equal to Python."""


class OperatorTracer(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records every operator that is called while it is active, and returns tensors without storage.

    PyTorch calls `__torch_dispatch__` instead of the operator's kernel, with the arguments that the kernel would get.
    What a call adds to the graph follows from the layouts of its arguments (`call_record`). What a tensor holds is
    computed only if the model asks for it (`deferred_values`).
    """

    def __init__(self, recorder: Recorder, device: torch.device, *, shortcuts: bool, values: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.recorder, self.device, self.shortcuts, self.values = recorder, device, shortcuts, values
        self.training = recorder.index.model.training
        self._records = {
            autocast: records_for(device, training=self.training, autocast=autocast) for autocast in (False, True)
        }
        self._stored: dict[int, TracedTensor] = {}
        """Traced tensors of parameters, buffers and constants, by the identity of the tensor."""
        self._values: dict[int, DeferredValue | None] = {}
        """What parameters, buffers and constants hold, by the identity of the tensor."""
        self._kept: list[Tensor] = []
        """These tensors: as long as one is alive, no other tensor has its identity."""
        self.autocast_regions = [False]
        """As in `global_state.autocast_regions`."""
        self.stored_counts: dict[str, int] = {}
        """Elements that the sparse tensors among all tensors store, by their names in the graph."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # True would import the compiler at the first operator

    # --- tensors

    def output(self, name: str, type_: TensorType) -> TracedTensor:
        """A tensor that a module's call returns, with contiguous strides and an unknown value."""
        return traced_tensor(name, layout_of(type_.shape, DTYPES[type_.dtype]), self.device)

    def traced(self, tensor: Tensor) -> TracedTensor:
        """A traced tensor itself; for a parameter, a buffer or a constant the output of its `Stored` node."""
        if type(tensor) is TracedTensor:
            return tensor
        found = self._stored.get(id(tensor))
        if found is None:
            kind, path = self.recorder.tensor_kind(tensor)
            layout = layout_of_tensor(tensor)
            reads = () if kind == "constant" else (tensor,)
            op = Stored(layout.shape, layout.type.dtype, kind)
            name = self.recorder.add(path, op, (), (layout.type,), reads)
            self.note_layout(name, tensor)
            found = self._stored[id(tensor)] = traced_tensor(name, layout, self.device, self._value(tensor))
        return found

    def recorded(self, value: object) -> TracedTensor | None:
        """The traced tensor of what an operator returned; None for any other value."""
        return value if type(value) is TracedTensor else None

    def _value(self, tensor: Tensor) -> DeferredValue | None:
        """What a tensor holds; that of a parameter is taken as unknown unless the model is run with values."""
        if type(tensor) is TracedTensor:
            return tensor.deferred
        key = id(tensor)
        if key not in self._values:
            is_known = self.values or self.recorder.tensor_kind(tensor)[0] != "parameter"
            known = is_known and tensor.device.type != "meta"
            # A copy, so that writes of the forward pass do not reach the model.
            self._values[key] = computed_value(lambda: tensor.detach().clone()) if known else None
            self._kept.append(tensor)
        return self._values[key]

    def note_layout(self, name: str, tensor: Tensor) -> None:
        """Note how many elements the tensor of this name stores, if it is sparse."""
        if tensor.layout in SPARSE_LAYOUTS:
            self.stored_counts[name] = stored_elements(tensor)

    def overwrite(self, tensor: TracedTensor, name: str) -> None:
        """Let a tensor be the output of the call `name`, which writes to it.

        A write to a view changes the tensor that it is a view of. The graph has no memory, so a further node returns
        that tensor with the view written into it.
        """
        tensor.path = name
        if tensor.base is not None:
            self.overwrite(tensor.base, self._add_written(tensor.base, name))

    def _add_written(self, tensor: TracedTensor, name: str) -> str:
        """Add the node that returns a tensor into which the call `name` has written, and return its name."""
        type_ = tensor.traced_layout.type
        op = Declared("written", (type_,), view=True)
        return self.recorder.add(f"{name}/written", op, (tensor.path, name), (type_,))

    # --- operators

    def __torch_dispatch__(
        self,
        func: OpOverload | HigherOrderOperator,
        types: Iterable[type],
        args: Args = (),
        kwargs: Kwargs | None = None,
    ) -> object:
        kwargs = kwargs or NO_KEYWORDS
        for kind in types:
            if kind is not TracedTensor:
                raise NeedsOrdinaryTensors(f"the model calls an operator on a {kind.__name__}")
        if not isinstance(func, OpOverload):
            return self._higher_order(func, args, kwargs)
        parts: list[object] = [id(func)]
        tensors: list[Tensor] = []
        is_known = self._describe(args, parts, tensors)
        for name, value in kwargs.items():
            parts.append(name)
            is_known &= self._describe((value,), parts, tensors)
        autocast = self.autocast_regions[-1]
        if autocast and func is torch.ops.aten._to_copy.default:
            cast = self._autocast(tensors[0], kwargs)
            if cast is not None:
                return cast
        records, key = self._records[autocast], tuple(parts)
        record = records.get(key) if is_known else None
        if record is None:
            record = self._recorded(func, args, kwargs, tensors)
            if is_known:
                records[key] = record
        if record.special is not None:
            handle: SpecialCall = getattr(self, record.special)
            return handle(func, args, kwargs, tensors)
        return self._replay(record, args, kwargs, tensors)

    def _higher_order(self, func: HigherOrderOperator, args: Args, kwargs: Kwargs) -> object:
        raise GraphError(f"the higher-order operator `{func._name}` is not recorded")

    def _describe(self, values: Iterable[Any], parts: list[object], tensors: list[Tensor]) -> bool:
        """Append values to the parts of a key, with their layouts in the place of tensors, and these to `tensors`.

        Returns:
            Whether a key describes the values.
        """
        is_known = True
        for value in values:
            kind = type(value)
            if kind is TracedTensor:
                parts.append(value.traced_layout)
                tensors.append(value)
            elif kind is int or value is None:
                parts.append(value)
            elif kind in SCALARS:
                parts += (kind, value)
            elif kind is list or kind is tuple or kind is torch.Size:
                parts.append("(")
                is_known &= self._describe(value, parts, tensors)
                parts.append(")")
            elif isinstance(value, Tensor):
                parts.append(layout_of_tensor(value, is_owned=self.recorder.owns(value)))
                tensors.append(value)
            else:
                is_known = False
        return is_known

    def _recorded(self, func: OpOverload, args: Args, kwargs: Kwargs, tensors: Sequence[Tensor]) -> CallRecord:
        """The record of a call that is not among the records."""
        facts = facts_of(func)
        special: str | None = None
        if any(layout.is_sparse for layout in self._layouts(tensors)):
            special = "_with_sparse_tensors"
        elif facts.name in ALIASES:
            special = "_alias"
        elif facts.name in READING:
            special = "_read_value"
        elif torch.Tag.inplace_view in func.tags:
            special = "_change_layout"
        elif facts.quantized_rule is not None:
            special = "_quantized"
        elif facts.short_name in SIZED_BY_INTEGERS:
            special = "_sized_by_integers"
        elif facts.is_mutable and tensors and self.recorder.is_counter(tensors[0]):
            special = "_count"
        elif facts.is_composite and self.autocast_regions[-1] and facts.rule is None:
            special = "_decompose"
        else:
            try:
                return self._resolver(tensors).record(func, args, kwargs)
            except Unresolved:
                special = "_decompose" if facts.is_composite else "_by_value"
        return CallRecord(func, (), (), (), None, {}, (), special)

    def _resolver(self, tensors: Iterable[Tensor]) -> CallResolver:
        return CallResolver(self._layouts(tensors), self.device, training=self.training)

    def _layouts(self, tensors: Iterable[Tensor]) -> list[Layout]:
        return [
            tensor.traced_layout
            if type(tensor) is TracedTensor
            else layout_of_tensor(tensor, is_owned=self.recorder.owns(tensor))
            for tensor in tensors
        ]

    def _replay(
        self, record: CallRecord, args: Args, kwargs: Kwargs, tensors: list[Tensor], reals: Sequence[Tensor | None] = ()
    ) -> object:
        """Add the nodes of a recorded call, and return its results; `reals` are their values if they are at hand."""
        recorder = self.recorder
        paths = [tensor.path if type(tensor) is TracedTensor else "" for tensor in tensors]
        named = tensors
        for i in record.arguments:
            if not paths[i]:
                named = [*named] if named is tensors else named
                named[i] = tensor = self.traced(tensors[i])
                paths[i] = tensor.path
        for function, facts, inputs, weights in record.steps:
            reads = [tensors[i] for i in weights] if weights else ()
            if recorder.autocast:
                reads = [recorder.casts.get(id(tensor), tensor) for tensor in reads]
            name = recorder.operator_name(function, facts.op)
            name = recorder.add_call(name, facts, tuple([paths[i] for i in inputs]), reads)
            paths.append(name)
            for i in range(1, len(facts.outputs)):
                paths.append(output_name(name, i))
        values = self._results(record, args, kwargs, tensors, reals)
        for argument, number, is_separate in record.written:
            target = self.traced(named[argument])
            self.overwrite(target, self._add_written(target, paths[number]) if is_separate else paths[number])
        result = record.result
        if type(result) is ReturnedTensor and result.base is None and result.layout is not None:  # the usual case
            return traced_tensor(paths[result.number], result.layout, self.device, values[0] if values else None)
        return self._returned(record, paths, tensors, named, values)

    def _returned(
        self,
        record: CallRecord,
        paths: Sequence[str],
        tensors: Sequence[Tensor],
        named: Sequence[Tensor],
        values: Sequence[DeferredValue | None],
    ) -> object:
        bases: dict[int, TracedTensor] = {}
        remaining = iter(values)

        def returned(each: ReturnedTensor) -> Tensor:
            value, view_of = next(remaining, None), None
            if each.layout is None:
                return tensors[each.number]
            if each.base is not None and each.base < len(named):
                tensor = self.traced(named[each.base])
                view_of = tensor if tensor.base is None else tensor.base
            elif each.base is not None:
                if each.base not in bases:
                    bases[each.base] = traced_tensor(paths[each.base], record.bases[each.base], self.device)
                view_of = bases[each.base]
            return traced_tensor(paths[each.number], each.layout, self.device, value, view_of)

        return map_found(record.result, ReturnedTensor, returned)

    # --- values

    def _results(
        self,
        record: CallRecord,
        args: Args,
        kwargs: Kwargs,
        tensors: Sequence[Tensor],
        reals: Sequence[Tensor | None],
    ) -> Sequence[DeferredValue | None]:
        """What the results of a call hold, in the order in which it returns them; empty if that is unknown."""
        values: list[DeferredValue] = []
        for i, tensor in enumerate(tensors):
            value = self._value(tensor)
            if value is None or not value.memory.is_known:
                if i not in record.unread and not reals:
                    for write in record.written:
                        self.forget(tensors[write.argument])
                    return ()
                value = computed_value(partial(uninitialised, self._layouts([tensor])[0]))
            values.append(value)
        if not reals:
            remaining = iter(values)
            args, kwargs = map_tensors((args, dict(kwargs)), lambda _: next(remaining))
            call = DeferredCall(record.function, args, kwargs, [values[each.argument] for each in record.written])
        memories: dict[int, Memory] = {}
        found: list[DeferredValue | None] = []
        for i, each in enumerate(found_in((record.result,), ReturnedTensor)):
            memory = Memory()
            if each.base is not None:
                memory = values[each.base].memory if each.base < len(values) else memories.setdefault(each.base, memory)
            if not reals:
                found.append(DeferredValue(call, i, memory))
            else:
                real = reals[i]
                found.append(None if real is None else known_value(real, memory))
        return found

    def forget(self, tensor: Tensor) -> None:
        """Note that an unknown value was written to a tensor."""
        value = self._value(tensor)
        if value is not None:
            value.memory.is_known = False

    def _evaluated(self, tensors: Sequence[Tensor]) -> list[Tensor | None]:
        """What tensors hold, which may have to be computed first; None if it is unknown."""
        values = [self._value(tensor) for tensor in tensors]
        found = [None if value is None else evaluated(value) for value in values]
        return [None if each is None or each.is_meta else each for each in found]

    # --- calls of operators that depend on more than the layouts of their arguments

    def _read_value(self, func: OpOverload, args: Args, kwargs: Kwargs, tensors: list[Tensor]) -> object:
        reals = self._evaluated(tensors)
        if any(real is None for real in reals):
            raise NeedsValue("the model branches on the value of a tensor")
        return self._called(func, args, kwargs, reals)

    def _by_value(self, func: OpOverload, args: Args, kwargs: Kwargs, tensors: list[Tensor]) -> object:
        """What an operator returns whose types depend on values, or that the meta device does not have."""
        reals = self._evaluated(tensors)
        if any(real is None for real in reals):
            raise NeedsValue(f"the shape of what `{func._schema.name}` returns depends on the values of its input")
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
                raise NeedsValue(f"the shape of what `{func._schema.name}` returns depends on the values of its input")
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
        tensor = self.traced(tensors[0])
        base = tensor if tensor.base is None else tensor.base
        return traced_tensor(tensor.path, tensor.traced_layout, self.device, tensor.deferred, base)

    def _count(self, func: OpOverload, args: Args, kwargs: Kwargs, tensors: list[Tensor]) -> object:
        """A counter of a module is not a tensor of the network."""
        if self.recorder.is_counter(tensors[0]):
            return args[0]
        return self._replay(self._resolver(tensors).record(func, args, kwargs), args, kwargs, tensors)

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

    def _autocast(self, tensor: Tensor, kwargs: Kwargs) -> TracedTensor | None:
        """A tensor in the dtype that `torch.autocast` gives an operator; None if this is another copy.

        The cast is not a call of the network: the tensor keeps its name in the graph, and a parameter stays one. A cast
        of the model's own in a region of `torch.autocast` cannot be distinguished from it.
        """
        dtype = kwargs.get("dtype")
        if dtype is None or len(kwargs) > 1:
            return None
        if not (tensor.is_floating_point() and dtype.is_floating_point):
            return None
        x, recorder, is_owned = self.traced(tensor), self.recorder, self.recorder.owns(tensor)
        layout = layout_of(x.traced_layout.shape, dtype, x.traced_layout.strides, is_owned=is_owned)
        value = None if x.deferred is None else DeferredCall(lambda held: held.to(dtype), (x.deferred,))
        deferred = None if value is None else DeferredValue(value, 0, Memory())
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


def uninitialised(layout: Layout) -> Tensor:
    """A tensor of this layout that holds nothing in particular."""
    return torch.empty_like(meta_tensor(layout), device="cpu")
