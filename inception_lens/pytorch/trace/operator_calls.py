"""Recording operators: every operator that is called while a model is traced becomes a node."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import msgspec
import torch
from torch import Tensor
from torch._ops import HigherOrderOperator, OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from inception_lens.errors import GraphError
from inception_lens.graph import output_name
from inception_lens.ops import Declared, Op, Stored, TensorType
from inception_lens.ops.special import TensorKind
from inception_lens.pytorch.trace.formulas import FORMULAS
from inception_lens.pytorch.trace.operator_costs import operation_without_rule
from inception_lens.pytorch.trace.operator_facts import (
    Args,
    Kwargs,
    facts_of,
    has_no_meta_result,
    writing_results,
    written_tensors,
)
from inception_lens.pytorch.trace.recorder import Recorder
from inception_lens.pytorch.trace.retries import NeedsValue
from inception_lens.pytorch.trace.rules.checks import check_dtypes, check_shapes, declared
from inception_lens.pytorch.trace.rules.rule import OperatorArguments, OperatorCall
from inception_lens.pytorch.trace.rules.views import VIEWS, split_parts
from inception_lens.pytorch.trace.sparse import result_count, sparse_operation, stored_elements
from inception_lens.pytorch.trace.traced_tensor import (
    DTYPES,
    ELEMENT_LIMIT,
    TracedTensor,
    map_tensors,
    meta_tensor,
    tensors_in,
    traced_tensor,
    type_of,
)

MAX_COMPUTED = 2**20
"""Elements up to which a tensor that does not depend on the inputs is computed, so that a model can branch on it."""

ALIASES = frozenset({"aten::detach", "aten::alias", "aten::lift_fresh", "aten::lift", "aten::detach_"})
"""Operators that return their input."""

READING = frozenset({"aten::_local_scalar_dense", "aten::equal"})
"""Operators that return a Python value read from a tensor."""

READS_TYPE_ONLY = frozenset({
    "zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like", "new_zeros", "new_ones",
    "new_full", "new_empty", "new_empty_strided",
})  # fmt: skip
"""Operators that use only the type of their input, so that the node does not read it."""


SIZED_BY_INTEGERS = frozenset({"_pack_padded_sequence", "_pad_packed_sequence"})
"""Operators whose output shapes depend on the values of their integer inputs, and on no others."""


class OperatorTracer(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records every operator that is called while it is active, and returns tensors without storage.

    PyTorch calls `__torch_dispatch__` instead of the operator's kernel, with the arguments that the kernel would get.
    What the operator returns is found in one of these ways, tried in this order:

    1. its rule, which computes the output's type in Python and is the fast path;
    2. its decomposition, for an operator that PyTorch implements by others: each of those arrives here again;
    3. its call on the meta device, which computes types and strides only.

    With `values`, every operator is also run for real, on the values of its inputs.
    """

    def __init__(self, recorder: Recorder, device: torch.device, *, shortcuts: bool, values: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.recorder, self.device, self.shortcuts, self.values = recorder, device, shortcuts, values
        self.training = recorder.index.model.training
        self._stored: dict[int, TracedTensor] = {}
        """Traced tensors of parameters, buffers and constants, by the identity of the tensor."""
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

    def output(self, name: str, type_: TensorType, value: Tensor | None = None) -> TracedTensor:
        """A tensor that a call returns, with contiguous strides."""
        return traced_tensor(name, type_.shape, DTYPES[type_.dtype], self.device, value=value)

    def output_like(
        self, name: str, real: Tensor, value: Tensor | None, base: TracedTensor | None = None
    ) -> TracedTensor:
        """A tensor that a call returns, with the shape, dtype and strides of `real`."""
        self.note_layout(name, real)
        strides = tuple(real.stride()) if real.layout is torch.strided else None
        return traced_tensor(name, tuple(real.shape), real.dtype, self.device, strides=strides, value=value, base=base)

    def traced(self, tensor: Tensor) -> TracedTensor:
        """A traced tensor itself; for a parameter, a buffer or a constant the output of its `Stored` node."""
        if type(tensor) is TracedTensor:
            return tensor
        found = self._stored.get(id(tensor))
        if found is None:
            found = self._stored[id(tensor)] = self._store(tensor)
            self._kept.append(tensor)
        return found

    def recorded(self, value: object) -> TracedTensor | None:
        """The traced tensor of what an operator returned; None for any other value."""
        return value if type(value) is TracedTensor else None

    def known_value(self, result: Tensor) -> Tensor | None:
        """The value of a traced tensor, from what the operator returned; None if that is on the meta device."""
        return None if result.device.type == "meta" else result

    def _store(self, tensor: Tensor) -> TracedTensor:
        kind, path = self.recorder.tensor_kind(tensor)
        type_ = type_of(tensor)
        reads = () if kind == "constant" else (tensor,)
        name = self.recorder.add(path, Stored(type_.shape, type_.dtype, kind), (), (type_,), reads)
        value = None
        if tensor.device.type != "meta" and (self.values or (kind != "parameter" and tensor.numel() <= MAX_COMPUTED)):
            value = self._stored_value(tensor, kind)
        return self.output_like(name, tensor, value)

    def _stored_value(self, tensor: Tensor, kind: TensorKind) -> Tensor:
        return tensor.detach() if kind == "parameter" else tensor.detach().clone()

    def note_layout(self, name: str, tensor: Tensor) -> None:
        """Note how many elements the tensor of this name stores, if it is sparse."""
        if tensor.layout is not torch.strided:
            self.stored_counts[name] = stored_elements(tensor)

    def overwrite(self, tensor: TracedTensor, name: str, *, has_value: bool) -> None:
        """Let a tensor be the output of the call `name`, which writes to it.

        A write to a view changes the tensor that it is a view of. The graph has no memory, so a further node returns
        that tensor with the view written into it.
        """
        tensor.path = name
        if not has_value:
            tensor.value = None
        if tensor.base is not None:
            self.overwrite(tensor.base, self._add_written(tensor.base, name), has_value=has_value)

    # --- operators

    def __torch_dispatch__(
        self, func: OpOverload | HigherOrderOperator, types: object, args: Args = (), kwargs: Kwargs | None = None
    ) -> object:
        kwargs = kwargs or {}
        if not isinstance(func, OpOverload):
            return self._higher_order(func, args, kwargs)
        facts = facts_of(func)
        if facts.rule is not None:
            call = facts.rule(self._arguments(args, kwargs))
            if call is not None:
                return self._by_rule(func, args, kwargs, call)
        if facts.name in ALIASES:
            return self._alias(func, args[0])
        if facts.name == "aten::_to_copy" and (cast := self._autocast(args[0], kwargs)) is not None:
            return cast
        if facts.name in READING:
            return self._read_value(func, args, kwargs)
        if facts.is_composite and facts.short_name not in SIZED_BY_INTEGERS:
            return self._decomposed(func, args, kwargs)
        return self._by_meta_device(func, args, kwargs)

    def _higher_order(self, func: HigherOrderOperator, args: Args, kwargs: Kwargs) -> object:
        raise GraphError(f"the higher-order operator `{func._name}` is not recorded")

    def _decomposed(self, func: OpOverload, args: Args, kwargs: Kwargs) -> object:
        with self:
            return func.decompose(*args, **kwargs)

    def _arguments(self, args: Args, kwargs: Kwargs) -> OperatorArguments:
        return OperatorArguments(args, kwargs, self.recorder.owns, self.training)

    def _alias(self, func: OpOverload, tensor: Tensor) -> Tensor:
        if type(tensor) is not TracedTensor:
            if not self.recorder.owns(tensor):
                return func(tensor)
            tensor = self.traced(tensor)
        return self.output_like(tensor.path, tensor, tensor.value, tensor.base if tensor.base is not None else tensor)

    def _autocast(self, tensor: Tensor, kwargs: Kwargs) -> TracedTensor | None:
        """A tensor in the dtype that `torch.autocast` gives an operator; None if this is another copy.

        The cast is not a call of the network: the tensor keeps its name in the graph, and a parameter stays one. A cast
        of the model's own in a region of `torch.autocast` cannot be distinguished from it.
        """
        dtype = kwargs.get("dtype")
        if dtype is None or len(kwargs) > 1 or not self.autocast_regions[-1]:
            return None
        if not (tensor.is_floating_point() and dtype.is_floating_point):
            return None
        x, recorder = self.traced(tensor), self.recorder
        value = None if x.value is None else x.value.to(dtype)
        cast = traced_tensor(x.path, tuple(x.shape), dtype, self.device, strides=tuple(x.stride()), value=value)
        recorder.autocast = True
        if recorder.owns(tensor):
            recorder.casts[id(cast)] = recorder.casts.get(id(tensor), tensor)
            self._kept.append(cast)
        return cast

    def _read_value(self, func: OpOverload, args: Args, kwargs: Kwargs) -> object:
        if any(self.traced(tensor).value is None for tensor in tensors_in(args)):
            raise NeedsValue("the model branches on the value of a tensor")
        return self._for_real(func, args, kwargs)

    # --- 1. operators with a rule

    def _by_rule(self, func: OpOverload, args: Args, kwargs: Kwargs, call: OperatorCall) -> object:
        inputs = [self.traced(tensor) for tensor in call.inputs]
        sparse = any(tensor.layout is not torch.strided for tensor in call.weights)
        if sparse or (self.stored_counts and self._any_sparse((*inputs, *call.weights))):
            return self._with_sparse_tensors(func, args, kwargs)
        input_types = tuple([type_of(tensor) for tensor in inputs])
        op, facts, weights = call.op, facts_of(func), call.weights
        check_dtypes(op, (*call.inputs, *weights))
        types = op.output_types(input_types)
        if weights:
            check_shapes(op, input_types, weights)
            if not all(map(self.recorder.owns, weights)):  # computed weights are further inputs
                op, inputs, weights = declared(op, input_types), [*inputs, *map(self.traced, weights)], ()
            else:
                weights = tuple([self.recorder.casts.get(id(each), each) for each in weights])
        result = self._small_result(func, args, kwargs, inputs, types)
        if facts.is_mutable and "inplace" in type(op).__struct_fields__:
            op = msgspec.structs.replace(op, inplace=True)
        name = self.recorder.add_operator(facts.short_name, op, [each.path for each in inputs], types, weights)
        if facts.is_mutable:
            self.overwrite(inputs[0], name, has_value=result is not None)
            return args[0]
        values = [None] * len(types) if result is None else tensors_in((result,))
        outputs = [self.output(output_name(name, i), each, values[i]) for i, each in enumerate(types)]
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def _small_result(
        self, func: OpOverload, args: Args, kwargs: Kwargs, inputs: Sequence[TracedTensor], types: Sequence[TensorType]
    ) -> object:
        """What the operator returns for real; None if the value of an input is unknown, or the tensors are large."""
        if any(each.value is None for each in inputs):  # the usual case
            return None
        if not self.values and max([each.elements for each in types]) > MAX_COMPUTED:
            return None
        read = tensors_in((*args, *kwargs.values()))
        if not self.values and not all(self._is_small(tensor) for tensor in read):
            return None
        if not read or any(self.traced(tensor).value is None for tensor in read):
            return None
        return self._for_real(func, args, kwargs)

    def _is_small(self, tensor: Tensor) -> bool:
        return tensor.numel() <= MAX_COMPUTED and self.recorder.tensor_kind(tensor)[0] != "parameter"

    def _for_real(self, func: OpOverload, args: Args, kwargs: Kwargs) -> object:
        def value(tensor: Tensor) -> Tensor | None:
            return self.traced(tensor).value

        return func(*map_tensors(args, value), **map_tensors(kwargs, value))

    # --- 3. operators that are called on the meta device

    def _by_meta_device(self, func: OpOverload, args: Args, kwargs: Kwargs) -> object:
        facts = facts_of(func)
        written = written_tensors(func, args, kwargs) if facts.is_mutable else []
        if written and all(self.recorder.is_counter(each) for each in written):
            return args[0]  # a counter of a module, which is not a tensor of the network
        read = [] if facts.short_name in READS_TYPE_ONLY else tensors_in((*args, *kwargs.values()))
        inputs = [self.traced(tensor) for tensor in read]
        if self.stored_counts and self._any_sparse(inputs):
            return self._with_sparse_tensors(func, args, kwargs)
        results = self._results(func, args, kwargs, inputs)
        found = tensors_in((results,))
        if written:
            return self._by_writing(func, args, kwargs, inputs, results)
        if not found:
            return results
        types = tuple([type_of(each) for each in found])
        if inputs and facts.is_view:
            return self._view(facts.short_name, inputs[0], args, results, types)
        op = self._operation(func, inputs, types, self._arguments(args, kwargs))
        name = self.recorder.add_operator(facts.short_name, op, [each.path for each in inputs], types)
        numbers = iter(range(len(found)))
        return map_tensors(
            results, lambda each: self.output_like(output_name(name, next(numbers)), each, self.known_value(each))
        )

    def _by_writing(
        self, func: OpOverload, args: Args, kwargs: Kwargs, inputs: list[TracedTensor], results: object
    ) -> object:
        """What an operator returns that writes to tensors.

        The outputs of its node are its new tensors or, if there are none, the tensors that it writes to. Next to new
        tensors each written one is a further node, as one that is written through a view.
        """
        returned, new, written = writing_results(func, args, kwargs, results)
        types = tuple([type_of(each) for each in new or [after for _, after in written]])
        op = self._operation(func, inputs, types, self._arguments(args, kwargs))
        if not new and "inplace" in type(op).__struct_fields__:
            op = msgspec.structs.replace(op, inplace=True)
        name = self.recorder.add_operator(facts_of(func).short_name, op, [each.path for each in inputs], types)
        if torch.Tag.inplace_view in func.tags:
            with torch._C._DisableTorchDispatch():
                func(*args, **kwargs)  # the tensor's own sizes and strides change
        for i, (target, after) in enumerate(written):
            tensor, path = self.traced(target), output_name(name, i)
            if new:
                path = self._add_written(tensor, name)
            self.overwrite(tensor, path, has_value=after.device.type != "meta")
        outputs = {id(each): output_name(name, i) for i, each in enumerate(new)}

        def output(tensor: Tensor) -> Tensor:
            path = outputs.get(id(tensor))
            return tensor if path is None else self.output_like(path, tensor, self.known_value(tensor))

        values = map_tensors(returned, output)
        return None if not values else values[0] if len(values) == 1 else values

    def _add_written(self, tensor: TracedTensor, name: str) -> str:
        """Add the node that returns a tensor into which the call `name` has written, and return its name."""
        type_ = type_of(tensor)
        op = Declared("written", (type_,), view=True)
        return self.recorder.add(f"{name}/written", op, (tensor.path, name), (type_,))

    def _results(self, func: OpOverload, args: Args, kwargs: Kwargs, inputs: Sequence[TracedTensor]) -> object:
        """What the operator returns: for real if all values are known, otherwise on the meta device."""
        known = inputs and all(each.value is not None for each in inputs)
        if known and (self.values or all(prod(each.shape) <= MAX_COMPUTED for each in inputs)):
            return self._for_real(func, args, kwargs)
        if facts_of(func).short_name in SIZED_BY_INTEGERS:
            return self._sized_by_integers(func, args, kwargs, inputs)
        on_meta = {**kwargs, "device": "meta"} if facts_of(func).has_device else kwargs
        try:
            results = func(*map_tensors(args, meta_tensor), **map_tensors(on_meta, meta_tensor))
        except (NotImplementedError, RuntimeError, TypeError) as error:
            if "numel: integer multiplication overflow" in str(error):
                raise GraphError(f"the result of `{func._schema.name}` is too large: {ELEMENT_LIMIT}") from None
            if has_no_meta_result(func, error):
                raise NeedsValue(
                    f"the shape of what `{func._schema.name}` returns depends on the values of its input"
                ) from error
            raise
        if not inputs and all(each.numel() <= MAX_COMPUTED for each in tensors_in((results,))):
            return func(*map_tensors(args, _uninitialised), **kwargs)
        return results

    def _sized_by_integers(
        self, func: OpOverload, args: Args, kwargs: Kwargs, inputs: Sequence[TracedTensor]
    ) -> object:
        """What the operator returns if the values of its integer inputs are known: those are real, others are not."""
        if any(each.value is None for each in inputs if not each.is_floating_point()):
            raise NeedsValue(f"the shape of what `{func._schema.name}` returns depends on the values of its input")

        def known(tensor: Tensor) -> Tensor:
            value = self.traced(tensor).value
            return _uninitialised(tensor) if value is None else value

        results = func(*map_tensors(args, known), **map_tensors(kwargs, known))
        return map_tensors(results, lambda each: meta_tensor(each) if each.is_floating_point() else each)

    # --- operators on sparse tensors

    def _any_sparse(self, tensors: Sequence[Tensor]) -> bool:
        return any(type(each) is TracedTensor and each.path in self.stored_counts for each in tensors)

    def _with_sparse_tensors(self, func: OpOverload, args: Args, kwargs: Kwargs) -> object:
        """What an operator returns that reads sparse tensors: for the graph they have the shape of dense ones."""
        name = facts_of(func).short_name
        inputs = [self.traced(tensor) for tensor in tensors_in((*args, *kwargs.values()))]
        counts = [self.stored_counts.get(each.path) for each in inputs]
        results = self._results(func, args, kwargs, inputs)
        found = tensors_in((results,))
        if not found:
            return results
        op = sparse_operation(name, [type_of(each) for each in inputs], counts, tuple(map(type_of, found)))
        node = self.recorder.add_operator(name, op, [each.path for each in inputs], tuple(map(type_of, found)))
        for written in written_tensors(func, args, kwargs):
            self.overwrite(self.traced(written), node, has_value=False)
        count, numbers = result_count(name, counts), iter(range(len(found)))

        def output(real: Tensor) -> TracedTensor:
            path = output_name(node, next(numbers))
            tensor = self.output_like(path, real, self.known_value(real))
            if count is not None and real.device.type == "meta":
                self.stored_counts[path] = count
            return tensor

        return map_tensors(results, output)

    def _operation(
        self, func: OpOverload, inputs: list[TracedTensor], types: tuple[TensorType, ...], arguments: OperatorArguments
    ) -> Op:
        if not inputs:
            return Stored(types[0].shape, types[0].dtype, "constant")
        formula = FORMULAS.get(func._schema.name)
        if formula is not None:
            return formula.of_operator(func._schema.name, [type_of(each) for each in inputs], types)
        return operation_without_rule(func, inputs, types, arguments)

    def _view(self, name: str, x: TracedTensor, args: Args, results: object, types: tuple[TensorType, ...]) -> object:
        shape, base, rest = tuple(x.shape), x.base if x.base is not None else x, args[1:]
        if not isinstance(results, Tensor):
            assert isinstance(results, list | tuple)
            outputs = [
                self.output_like(
                    self.recorder.add_operator(name, op, [x.path], (each,)), real, self.known_value(real), base
                )
                for op, each, real in zip(split_parts(name, shape, types, rest), types, results, strict=True)
            ]
            return type(results)(outputs)
        if types[0] == type_of(x) and name in ("expand", "view", "_unsafe_view", "_reshape_alias"):
            return self.output_like(x.path, results, self.known_value(results), base)  # the same shape: no node
        view = VIEWS.get(name) if types[0].dtype == type_of(x).dtype else None
        op = view(shape, types[0].shape, rest) if view else Declared(name, types, view=True)
        return self.output_like(
            self.recorder.add_operator(name, op, [x.path], types), results, self.known_value(results), base
        )


def _uninitialised(tensor: Tensor) -> Tensor:
    return torch.empty(tuple(tensor.shape), dtype=tensor.dtype)
