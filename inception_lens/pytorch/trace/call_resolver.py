"""Finding what one call of an operator adds to a graph, from the types of its arguments."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from inception_lens.errors import GraphError
from inception_lens.graph import CallFacts
from inception_lens.ops import Declared, Op, Stored, TensorType
from inception_lens.pytorch.trace.call_record import CallRecord, CallStep, ReturnedTensor, WrittenArgument
from inception_lens.pytorch.trace.containers import map_tensors, tensors_in
from inception_lens.pytorch.trace.formulas import FORMULAS
from inception_lens.pytorch.trace.operator_costs import operation_without_rule
from inception_lens.pytorch.trace.operator_facts import (
    ALIASES,
    READING,
    READS_TYPE_ONLY,
    SIZED_BY_INTEGERS,
    Args,
    Kwargs,
    facts_of,
    has_no_meta_result,
    sized_by_values,
    writing_results,
)
from inception_lens.pytorch.trace.rules.checks import check_dtypes, check_shapes, declared
from inception_lens.pytorch.trace.rules.rule import OperatorArguments, OperatorCall
from inception_lens.pytorch.trace.rules.views import VIEWS, split_parts
from inception_lens.pytorch.trace.traced_tensor import (
    DTYPES,
    ELEMENT_LIMIT,
    QUANTIZED,
    Layout,
    TracedTensor,
    layout_of,
    layout_of_tensor,
    meta_tensor,
    traced_tensor,
    type_of,
)


class Unresolved(Exception):  # noqa: N818 - not an error: the call is then made with values, or decomposed
    """What an operator does depends on more than the layouts of its arguments."""


class CallResolver(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records one call of an operator.

    What it returns is found in one of these ways, tried in this order:

    1. its rule, which computes the types in Python;
    2. its decomposition, for an operator that PyTorch implements by others: each of those arrives here as well;
    3. its call on the meta device, which computes types and strides only.

    Tensors are placeholders, whose path is their number as in `CallStep`.
    """

    def __init__(self, layouts: Sequence[Layout], device: torch.device, *, training: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.device, self.training = device, training
        self.arguments = [traced_tensor(str(i), layout, device) for i, layout in enumerate(layouts)]
        """A placeholder for each tensor among the call's arguments, in their order."""
        self._numbers = {id(argument): i for i, argument in enumerate(self.arguments)}
        self.steps: list[CallStep] = []
        self.written: list[WrittenArgument] = []
        self._count = len(layouts)

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # True would import the compiler at the first operator

    def record(self, func: OpOverload, args: Args, kwargs: Kwargs) -> CallRecord:
        """Record a call, with a placeholder for each tensor among its arguments.

        Raises:
            Unresolved: the types of what it returns depend on values.
        """
        args, kwargs = self._placed(args, kwargs)
        return self._record(func, self._resolve(func, args, kwargs))

    def record_results(
        self, func: OpOverload, args: Args, kwargs: Kwargs, results: object, op: Op | None = None
    ) -> CallRecord:
        """Record a call of which the results are known, and the operation that it is if `op` is given."""
        args, kwargs = self._placed(args, kwargs)
        return self._record(func, self._node(func, args, kwargs, results, op))

    def record_changed_layout(self, func: OpOverload, args: Args, kwargs: Kwargs) -> CallRecord:
        """Record a call that changes the shape or the strides of its first argument."""
        args, kwargs = self._placed(args, kwargs)
        results = self._on_meta(func, args, kwargs)
        assert isinstance(results, Tensor)
        self.arguments[0].traced_layout = layout_of_tensor(results)
        return self._record(func, self._node(func, args, kwargs, results))

    def results_on_meta(self, func: OpOverload, args: Args, kwargs: Kwargs) -> object:
        """What an operator returns on the meta device.

        Raises:
            Unresolved: the types of what it returns depend on values.
        """
        return self._on_meta(func, *self._placed(args, kwargs))

    def _placed(self, args: Args, kwargs: Kwargs) -> tuple[Args, Kwargs]:
        placeholders = iter(self.arguments)
        return map_tensors((args, dict(kwargs)), lambda _: next(placeholders))

    def _record(self, func: OpOverload, returned: object) -> CallRecord:
        count, bases = len(self.arguments), dict[int, Layout]()
        found: list[ReturnedTensor] = []

        def described(tensor: Tensor) -> ReturnedTensor:
            number, base = self._numbers.get(id(tensor)), None
            if number is not None:
                return ReturnedTensor(number, None)
            each = _placeholder(tensor)
            if each.base is not None:
                base = self._numbers.get(id(each.base), int(each.base.path))
                if base >= count:
                    bases[base] = each.base.traced_layout
            found.append(ReturnedTensor(int(each.path), each.traced_layout, base))
            return found[-1]

        result = map_tensors(returned, described)
        named = {number for step in self.steps for number in step.inputs}
        named |= {number for each in found for number in (each.number, each.base) if number is not None}
        named |= {each.argument for each in self.written}
        weights = {number for step in self.steps for number in step.weights}
        return CallRecord(
            func,
            tuple(self.steps),
            tuple([number for number in range(count) if number in named]),
            tuple([number for number in range(count) if number in named | weights]),
            result,
            bases,
            tuple(self.written),
        )

    def __torch_dispatch__(
        self, func: OpOverload, types: object, args: Args = (), kwargs: Kwargs | None = None
    ) -> object:
        return self._resolve(func, args, kwargs or {})

    def _resolve(self, func: OpOverload, args: Args, kwargs: Kwargs) -> object:
        facts = facts_of(func)
        if facts.rule is not None and (call := facts.rule(self._arguments(args, kwargs))) is not None:
            return self._by_rule(func, args, kwargs, call)
        if facts.name in ALIASES:
            tensor = _placeholder(args[0])
            base = tensor if tensor.base is None else tensor.base
            return traced_tensor(tensor.path, tensor.traced_layout, self.device, base=base)
        if facts.name in READING or facts.short_name in SIZED_BY_INTEGERS or torch.Tag.inplace_view in func.tags:
            raise Unresolved(f"the model reads the value of a tensor in `{facts.name}`")
        if facts.is_composite:
            with self:
                return func.decompose(*args, **kwargs)
        return self._node(func, args, kwargs, self._on_meta(func, args, kwargs))

    def _arguments(self, args: Args, kwargs: Kwargs) -> OperatorArguments:
        return OperatorArguments(args, kwargs, _is_owned, self.training)

    def _add(
        self,
        function: str,
        op: Op,
        inputs: Sequence[Tensor],
        types: tuple[TensorType, ...],
        weights: Sequence[Tensor] = (),
    ) -> int:
        """Add a node and return the number of its first output."""
        numbers = [tuple([int(_placeholder(each).path) for each in tensors]) for tensors in (inputs, weights)]
        facts = CallFacts.of(op, tuple(map(type_of, inputs)), types)
        self.steps.append(CallStep(function.strip("_"), facts, *numbers))
        self._count += len(types)
        return self._count - len(types)

    def _new(self, number: int, layout: Layout, base: TracedTensor | None = None) -> TracedTensor:
        return traced_tensor(str(number), layout, self.device, base=base)

    def _overwrite(self, tensor: Tensor, number: int, *, is_separate: bool = False) -> None:
        target = _placeholder(tensor)
        if id(target) not in self._numbers:  # which would change others inside the operator
            raise Unresolved("an operator writes to a tensor that it creates")
        self.written.append(WrittenArgument(self._numbers[id(target)], number, is_separate))
        if not is_separate:
            target.path = str(number)

    # --- 1. operators with a rule

    def _by_rule(self, func: OpOverload, args: Args, kwargs: Kwargs, call: OperatorCall) -> object:
        inputs, weights, facts = [*call.inputs], call.weights, facts_of(func)
        input_types = tuple(map(type_of, inputs))
        op = call.op
        check_dtypes(op, (*inputs, *weights))
        types = op.output_types(input_types)
        if weights:
            check_shapes(op, input_types, weights)
            if not all(map(_is_owned, weights)):  # computed weights are further inputs
                op, inputs, weights = declared(op, input_types), [*inputs, *weights], ()
        if facts.is_mutable and "inplace" in type(op).__struct_fields__:
            op = msgspec.structs.replace(op, inplace=True)
        number = self._add(facts.short_name, op, inputs, types, weights)
        if facts.is_mutable:
            self._overwrite(inputs[0], number)
            return args[0]
        outputs = [self._new(number + i, _contiguous(each)) for i, each in enumerate(types)]
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    # --- 3. operators that are called on the meta device

    def _on_meta(self, func: OpOverload, args: Args, kwargs: Kwargs) -> object:
        if facts_of(func).has_device:
            kwargs = {**kwargs, "device": "meta"}
        quantized = [each.dtype for each in tensors_in((args, kwargs)) if each.dtype in QUANTIZED]
        try:
            results: object = func(*map_tensors(args, _meta), **map_tensors(dict(kwargs), _meta))
        except (NotImplementedError, RuntimeError, TypeError) as error:
            if "overflow" in str(error):
                raise GraphError(f"the result of `{func._schema.name}` is too large: {ELEMENT_LIMIT}") from None
            if quantized or has_no_meta_result(func, error):
                raise Unresolved(sized_by_values(func)) from error
            raise
        return map_tensors(results, lambda each: self._quantized(each, quantized[0])) if quantized else results

    def _quantized(self, tensor: Tensor, dtype: torch.dtype) -> Tensor:
        """What an operator returns for quantized tensors that returns this for floating-point ones."""
        if not tensor.is_floating_point():
            return tensor
        return traced_tensor("", layout_of(tuple(tensor.shape), dtype, tensor.stride()), self.device)

    def _node(self, func: OpOverload, args: Args, kwargs: Kwargs, results: object, op: Op | None = None) -> object:
        """Add the node of an operator, and return what it returns with placeholders in the place of `results`.

        The outputs of the node are its new tensors or, if there are none, the tensors that it writes to.
        """
        facts = facts_of(func)
        inputs = [] if facts.short_name in READS_TYPE_ONLY else tensors_in((*args, *kwargs.values()))
        new, written, returned = tensors_in((results,)), list[tuple[Tensor, Tensor]](), results
        if facts.is_mutable:
            values, new, written = writing_results(func, args, kwargs, results)
            returned = None if not values else values[0] if len(values) == 1 else values
        layouts = [layout_of_tensor(each) for each in new or [after for _, after in written]]
        if not layouts:
            return results
        types = tuple([each.type for each in layouts])
        if op is None and facts.is_view and inputs and not written:
            return self._view(facts.short_name, _placeholder(inputs[0]), args, results, types)
        if op is None:
            op = self._operation(func, inputs, types, self._arguments(args, kwargs))
        if not new and "inplace" in type(op).__struct_fields__:
            op = msgspec.structs.replace(op, inplace=True)
        number = self._add(facts.short_name, op, inputs, types)
        for i, (target, _) in enumerate(written):
            self._overwrite(target, number if new else number + i, is_separate=bool(new))
        outputs = {id(each): self._new(number + i, layouts[i]) for i, each in enumerate(new)}
        return map_tensors(returned, lambda each: outputs.get(id(each), each))

    def _operation(
        self, func: OpOverload, inputs: list[Tensor], types: tuple[TensorType, ...], arguments: OperatorArguments
    ) -> Op:
        if not inputs:
            return Stored(types[0].shape, types[0].dtype, "constant")
        formula = FORMULAS.get(func._schema.name)
        if formula is not None:
            return formula.of_operator(func._schema.name, list(map(type_of, inputs)), types)
        return operation_without_rule(func, inputs, types, arguments)

    def _view(self, name: str, x: TracedTensor, args: Args, results: object, types: tuple[TensorType, ...]) -> object:
        type_, base, rest = x.traced_layout.type, x if x.base is None else x.base, args[1:]
        if not isinstance(results, Tensor):
            assert isinstance(results, list | tuple)
            parts = split_parts(name, type_.shape, types, rest)
            numbers = [self._add(name, op, [x], (each,)) for op, each in zip(parts, types, strict=True)]
            outputs = [self._new(i, layout_of_tensor(each), base) for i, each in zip(numbers, results, strict=True)]
            return type(results)(outputs)
        layout = layout_of_tensor(results)
        if types[0] == type_ and name in SAME_SHAPE:
            return self._new(int(x.path), layout, base)  # no node
        view = VIEWS.get(name) if types[0].dtype == type_.dtype else None
        op = view(type_.shape, types[0].shape, rest) if view else Declared(name, types, view=True)
        return self._new(self._add(name, op, [x], types), layout, base)


SAME_SHAPE = frozenset({"expand", "view", "_unsafe_view", "_reshape_alias"})
"""Views that models take of tensors which already have the shape."""


def _placeholder(tensor: Tensor) -> TracedTensor:
    """A tensor of a recorded call, which is a placeholder or the result of a step."""
    if type(tensor) is not TracedTensor:
        raise Unresolved("an operator creates a tensor inside")
    return tensor


def _is_owned(tensor: Tensor) -> bool:
    return type(tensor) is TracedTensor and tensor.traced_layout.is_owned


def _contiguous(type_: TensorType) -> Layout:
    return layout_of(type_.shape, DTYPES[type_.dtype])


def _meta(tensor: Tensor) -> Tensor:
    layout = _placeholder(tensor).traced_layout
    is_quantized = layout.dtype in QUANTIZED
    return meta_tensor(layout_of(layout.shape, torch.float32, layout.strides) if is_quantized else layout)
