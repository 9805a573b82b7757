"""The tensors of a traced forward pass: their names in the graph, and what they hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from inception_lens.ops import Declared, Stored, TensorType
from inception_lens.pytorch.trace.call_record import CallRecord, ReturnedTensor, records_for
from inception_lens.pytorch.trace.containers import found_in, map_tensors
from inception_lens.pytorch.trace.deferred_values import (
    DeferredCall,
    DeferredValue,
    Memory,
    computed_value,
    evaluated,
    known_value,
)
from inception_lens.pytorch.trace.operator_facts import Args, Kwargs
from inception_lens.pytorch.trace.recorder import Recorder
from inception_lens.pytorch.trace.sparse import SPARSE_LAYOUTS, stored_elements
from inception_lens.pytorch.trace.traced_tensor import (
    DTYPES,
    Layout,
    TracedTensor,
    layout_of,
    layout_of_tensor,
    meta_tensor,
    traced_tensor,
)


class TensorTracer(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Names the tensors of a forward pass, and keeps what they hold until the model asks for it."""

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

    def _is_known(self, tensor: Tensor) -> bool:
        value = self._value(tensor)
        return value is not None and value.memory.is_known

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

    def base_of(self, tensor: Tensor) -> TracedTensor:
        """The tensor that views of this one are views of."""
        found = self.traced(tensor)
        return found if found.base is None else found.base

    def values_of(
        self,
        record: CallRecord,
        args: Args,
        kwargs: Kwargs,
        tensors: Sequence[Tensor],
        reals: Sequence[Tensor | None] | None,
    ) -> Sequence[DeferredValue | None]:
        """What the results of a call hold, in the order in which it returns them; empty if that is unknown.

        Args:
            record: what the call does.
            args: its arguments.
            kwargs: its keyword arguments.
            tensors: all tensors among them.
            reals: the values of its results if they are at hand, None for each that is unknown.
        """
        for i in record.read if reals is None else ():
            if not self._is_known(tensors[i]):  # most often the first
                for write in record.written:
                    self.forget(tensors[write.argument])
                return ()
        values: list[DeferredValue] = []
        for tensor in tensors:
            value = self._value(tensor)
            if value is None or not value.memory.is_known:  # only its layout matters
                value = computed_value(partial(uninitialised, self._layouts([tensor])[0]))
            values.append(value)
        memories: dict[int, Memory] = {}

        def memory(each: ReturnedTensor) -> Memory:
            if each.base is None:
                return Memory()
            return values[each.base].memory if each.base < len(values) else memories.setdefault(each.base, Memory())

        results = found_in((record.result,), ReturnedTensor)
        if reals is not None:
            known = zip(reals, results, strict=True)
            return [None if real is None else known_value(real, memory(each)) for real, each in known]
        remaining = iter(values)
        args, kwargs = map_tensors((args, dict(kwargs)), lambda _: next(remaining))
        call = DeferredCall(record.function, args, kwargs, [values[each.argument] for each in record.written])
        return [DeferredValue(call, i, memory(each)) for i, each in enumerate(results)]

    def _layouts(self, tensors: Iterable[Tensor]) -> list[Layout]:
        return [
            tensor.traced_layout
            if type(tensor) is TracedTensor
            else layout_of_tensor(tensor, is_owned=self.recorder.owns(tensor))
            for tensor in tensors
        ]

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


def uninitialised(layout: Layout) -> Tensor:
    """A tensor of this layout that holds nothing in particular."""
    return torch.empty_like(meta_tensor(layout), device="cpu")
