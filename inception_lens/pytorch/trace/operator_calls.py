"""Recording operators: every operator that is called while a model is traced becomes a node."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch._ops import HigherOrderOperator, OpOverload

from inception_lens.errors import GraphError
from inception_lens.graph import output_name
from inception_lens.pytorch.trace.call_record import (
    CallRecord,
    ReturnedTensor,
    SpecialCall,
)
from inception_lens.pytorch.trace.call_resolver import CallResolver, Unresolved
from inception_lens.pytorch.trace.containers import map_found
from inception_lens.pytorch.trace.deferred_values import (
    DeferredValue,
)
from inception_lens.pytorch.trace.operator_facts import (
    ALIASES,
    READING,
    SIZED_BY_INTEGERS,
    Args,
    Kwargs,
    facts_of,
)
from inception_lens.pytorch.trace.retries import NeedsOrdinaryTensors
from inception_lens.pytorch.trace.tensor_tracer import TensorTracer
from inception_lens.pytorch.trace.traced_tensor import (
    TracedTensor,
    layout_of_tensor,
    traced_tensor,
)

NO_KEYWORDS: Kwargs = MappingProxyType({})

SCALARS = frozenset({bool, float, complex, str, torch.dtype, torch.device, torch.layout, torch.memory_format})
"""Types of arguments that are compared by type and value; 1, 1.0 and True are equal to Python."""


class OperatorTracer(TensorTracer):  # type: ignore[no-untyped-call]
    """Records every operator that is called while it is active, and returns tensors without storage.

    PyTorch calls `__torch_dispatch__` instead of the operator's kernel, with the arguments that the kernel would get.
    What a call adds to the graph follows from the layouts of its arguments (`call_record`). What a tensor holds is
    computed only if the model asks for it (`deferred_values`).
    """

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
        records, key = self._records[self.autocast_regions[-1]], tuple(parts)
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
        elif facts.short_name in ("set", "_nested_tensor_from_tensor_list"):
            raise NeedsOrdinaryTensors(f"the model calls `{facts.name}`, which needs the memory of its arguments")
        elif torch.Tag.inplace_view in func.tags:
            special = "_change_layout"
        elif facts.quantized_rule is not None:
            special = "_quantized"
        elif facts.short_name in SIZED_BY_INTEGERS:
            special = "_sized_by_integers"
        elif facts.is_mutable and tensors and self.recorder.is_counter(tensors[0]):
            special = "_count"
        elif self.autocast_regions[-1] and facts.name == "aten::_to_copy":
            special = "_copy"
        elif self.autocast_regions[-1] and facts.is_composite and facts.rule is None:
            special = "_decompose"
        else:
            try:
                return self._resolver(tensors).record(func, args, kwargs)
            except Unresolved:
                special = "_decompose" if facts.is_composite else "_by_value"
        return CallRecord(func, (), (), (), None, {}, (), special)

    def _resolver(self, tensors: Iterable[Tensor]) -> CallResolver:
        return CallResolver(self._layouts(tensors), self.device, training=self.training)

    def _by_layouts(self, func: OpOverload, args: Args, kwargs: Kwargs, tensors: list[Tensor]) -> object:
        """What an operator returns, without keeping the record of its call."""
        return self._replay(self._resolver(tensors).record(func, args, kwargs), args, kwargs, tensors)

    def _replay(
        self,
        record: CallRecord,
        args: Args,
        kwargs: Kwargs,
        tensors: list[Tensor],
        reals: Sequence[Tensor | None] | None = None,
    ) -> object:
        """Add the nodes of a recorded call, and return its results; `reals` are their values if they are at hand."""
        recorder, named = self.recorder, tensors
        paths = [tensor.path if type(tensor) is TracedTensor else "" for tensor in tensors]
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
        values = self.values_of(record, args, kwargs, tensors, reals)
        for argument, number, is_separate in record.written:
            target = self.traced(named[argument])
            self.overwrite(target, self._add_written(target, paths[number]) if is_separate else paths[number])
        result = record.result
        if type(result) is ReturnedTensor and (result.base is None or result.base < len(named)):  # the usual case
            if result.layout is None:
                return tensors[result.number]
            base = None if result.base is None else self.base_of(named[result.base])
            return traced_tensor(paths[result.number], result.layout, self.device, values[0] if values else None, base)
        return self._returned(record, paths, tensors, named, values)

    def _returned(
        self,
        record: CallRecord,
        paths: Sequence[str],
        tensors: Sequence[Tensor],
        named: Sequence[Tensor],
        values: Sequence[DeferredValue | None],
    ) -> object:
        """What a call returns that has several results, or views of tensors that are not arguments."""
        bases = {number: traced_tensor(paths[number], layout, self.device) for number, layout in record.bases.items()}
        remaining = iter(values)

        def returned(each: ReturnedTensor) -> Tensor:
            value, base = next(remaining, None), None
            if each.layout is None:
                return tensors[each.number]
            if each.base is not None:
                base = bases[each.base] if each.base in bases else self.base_of(named[each.base])
            return traced_tensor(paths[each.number], each.layout, self.device, value, base)

        return map_found(record.result, ReturnedTensor, returned)
