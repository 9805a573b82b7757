"""Recording operators: every one that runs while a model is traced becomes a node."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import prod
from typing import Any, NamedTuple

import msgspec
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from inception_lens.errors import ShapeError
from inception_lens.graph import output_name
from inception_lens.ops import Declared, Op, Shape, Stored, TensorType, format_shape
from inception_lens.pytorch.trace.classify import classified, plain
from inception_lens.pytorch.trace.formulas import FORMULAS
from inception_lens.pytorch.trace.operators import Arguments, Call, Rule
from inception_lens.pytorch.trace.recorder import Recorder
from inception_lens.pytorch.trace.rules.table import RULES
from inception_lens.pytorch.trace.values import DTYPES, Traced, mapped, on_meta, tensors_in, traced, type_of
from inception_lens.pytorch.trace.views import VIEWS, parts

SMALL = 2**20
"""Elements up to which a tensor that no input reaches is computed, so that a model can decide by it."""

ALIASES = frozenset({"aten::detach", "aten::alias", "aten::lift_fresh", "aten::lift", "aten::detach_"})
"""Operators that answer with the same tensor."""

DECIDING = frozenset({"aten::_local_scalar_dense", "aten::equal"})
"""Operators that answer with what a tensor holds."""

LIKE = frozenset({
    "zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like", "new_zeros", "new_ones",
    "new_full", "new_empty", "new_empty_strided",
})  # fmt: skip
"""Operators that read their input's shape alone."""


class NeedsValue(Exception):  # noqa: N818 - no error: the tracer then goes another way
    """The model asks what a tensor holds, and only its shape is known."""


class Dispatch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records every operator that runs while it is active, and answers with tensors that have no storage.

    With `values`, every operator is run for real as well, on the tensors' values.
    """

    def __init__(self, recorder: Recorder, device: torch.device, *, shortcuts: bool, values: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.recorder, self.device, self.shortcuts, self.values = recorder, device, shortcuts, values
        self._stored: dict[int, Traced] = {}
        self._kept: list[torch.Tensor] = []  # an identity is one tensor's only while the tensor lives

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # it would import the whole compiler with the first operator

    def made(self, name: str, type_: TensorType, value: torch.Tensor | None = None) -> Traced:
        """A tensor of the forward pass, of which the type is known."""
        return traced(name, type_.shape, DTYPES[type_.dtype], self.device, value=value)

    def known(self, tensor: torch.Tensor) -> Traced:
        """What stands for a tensor: itself, or the node of what the model or its source brings along."""
        if type(tensor) is Traced:
            return tensor
        found = self._stored.get(id(tensor))
        if found is None:
            found = self._stored[id(tensor)] = self._store(tensor)
            self._kept.append(tensor)
        return found

    def _store(self, tensor: torch.Tensor) -> Traced:
        kind, path = self.recorder.tensor_kind(tensor)
        given = type_of(tensor)
        reads = () if kind == "constant" else (tensor,)
        name = self.recorder.add(path, Stored(given.shape, given.dtype, kind), (), (given,), reads)
        value = None
        if tensor.device.type != "meta" and (self.values or (kind != "parameter" and tensor.numel() <= SMALL)):
            value = tensor.detach() if kind == "parameter" else tensor.detach().clone()
        return self.like(name, tensor, value)

    def like(self, name: str, real: torch.Tensor, value: torch.Tensor | None, base: Traced | None = None) -> Traced:
        """A tensor of the forward pass that is laid out as `real` is."""
        strides = tuple(real.stride()) if real.layout is torch.strided else None
        return traced(name, tuple(real.shape), real.dtype, self.device, strides=strides, value=value, base=base)

    def overwritten(self, tensor: Traced, name: str, *, valued: bool) -> None:
        """Say that the call `name` has written to a tensor: what that is a view of has changed with it."""
        tensor.path = name
        if not valued:
            tensor.value = None
        if tensor.base is not None:
            base, given = tensor.base, type_of(tensor.base)
            whole = self.recorder.add(
                f"{name}/written", Declared("written", (given,), view=True), (base.path, name), (given,)
            )
            self.overwritten(base, whole, valued=valued)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        operator = _operator(func)
        if operator.rule is not None:
            call = operator.rule(Arguments(args, kwargs, self.recorder.owns))
            if call is not None:
                return self._by_rule(func, args, kwargs, call)
        if operator.name in ALIASES:
            return self._alias(func, args[0])
        if operator.name in DECIDING:
            return self._decided(func, args, kwargs)
        if operator.composite:
            with self:
                return func.decompose(*args, **kwargs)
        return self._by_asking(func, args, kwargs)

    # --- operators with a rule

    def _by_rule(self, func: Any, args: Any, kwargs: Any, call: Call) -> Any:
        inputs = [self.known(tensor) for tensor in call.inputs]
        given = tuple([type_of(tensor) for tensor in inputs])
        op, operator = call.op, _operator(func)
        if call.weights:
            _check_weights(op, tuple([each.shape for each in given]), call.weights)
        types = op.output_types(given)
        result = self._computed(func, args, kwargs, inputs, types)
        if operator.writes and "inplace" in type(op).__struct_fields__:
            op = msgspec.structs.replace(op, inplace=True)
        name = self.recorder.call(operator.plain, op, [each.path for each in inputs], types, call.weights)
        if operator.writes:
            self.overwritten(inputs[0], name, valued=result is not None)
            return args[0]
        values = [None] * len(types) if result is None else tensors_in((result,))
        made = [self.made(output_name(name, i), each, values[i]) for i, each in enumerate(types)]
        return made[0] if len(made) == 1 else tuple(made)

    def _computed(
        self, func: Any, args: Any, kwargs: Any, inputs: Sequence[Traced], types: Sequence[TensorType]
    ) -> Any:
        """What the operator makes for real; None where an input's value is not known, or it is too much to do."""
        if any(each.value is None for each in inputs):  # nearly always
            return None
        if not self.values and max([each.elements for each in types]) > SMALL:
            return None
        read = tensors_in((*args, *kwargs.values()))
        if not self.values and not all(self._is_small(tensor) for tensor in read):
            return None
        if not read or any(self.known(tensor).value is None for tensor in read):
            return None
        return self._for_real(func, args, kwargs)

    def _is_small(self, tensor: torch.Tensor) -> bool:
        return tensor.numel() <= SMALL and self.recorder.tensor_kind(tensor)[0] != "parameter"

    def _for_real(self, func: Any, args: Any, kwargs: Any) -> Any:
        def value(tensor: torch.Tensor) -> Any:
            return self.known(tensor).value

        return func(*mapped(args, value), **mapped(kwargs, value))

    # --- operators whose output PyTorch has to be asked for

    def _by_asking(self, func: Any, args: Any, kwargs: Any) -> Any:
        operator = _operator(func)
        name, written = operator.plain, _written(func, args, kwargs) if operator.writes else []
        if written and all(self.recorder.counts(each) for each in written):
            return args[0]  # no tensor of the network: how many batches there were
        read = [] if name in LIKE else tensors_in((*args, *kwargs.values()))
        inputs = [self.known(tensor) for tensor in read]
        results = self._asked(func, args, kwargs, inputs)
        found = tensors_in((results,))
        if not found and not written:
            return results
        types = tuple([type_of(each) for each in found or written])
        if not written and inputs and operator.views:
            return self._viewed(name, inputs[0], args, results, types)
        op = self._classified(func, inputs, types, Arguments(args, kwargs, self.recorder.owns))
        if written and "inplace" in type(op).__struct_fields__:
            op = msgspec.structs.replace(op, inplace=True)
        made = self.recorder.call(name, op, [each.path for each in inputs], types)
        if torch.Tag.inplace_view in func.tags:
            with torch._C._DisableTorchDispatch():
                func(*args, **kwargs)  # it changes the sizes of the tensor itself
        if written:
            real = all(each.device.type != "meta" for each in found)
            for target in written:
                self.overwritten(self.known(target), made, valued=real)
            return None if not func._schema.returns else written[0] if len(written) == 1 else tuple(written)
        numbers = iter(range(len(found)))
        return mapped(results, lambda each: self.like(output_name(made, next(numbers)), each, _real(each)))

    def _classified(self, func: Any, inputs: list[Traced], types: tuple[TensorType, ...], arguments: Arguments) -> Op:
        if not inputs:
            return Stored(types[0].shape, types[0].dtype, "constant")
        given = [type_of(each) for each in inputs]
        formula = FORMULAS.get(func._schema.name)
        if formula is not None:
            return formula.of_operator(func._schema.name, given, types)
        return classified(func, inputs, given, types, arguments)

    def _viewed(self, name: str, x: Traced, args: Any, results: Any, types: tuple[TensorType, ...]) -> Any:
        shape, base, rest = tuple(x.shape), x.base if x.base is not None else x, tuple(args[1:])
        if not isinstance(results, torch.Tensor):
            made = [
                self.like(self.recorder.call(name, op, [x.path], (each,)), real, _real(real), base)
                for op, each, real in zip(parts(name, shape, types, rest), types, results, strict=True)
            ]
            return type(results)(made)
        if types[0] == type_of(x) and name in ("expand", "view", "_unsafe_view", "_reshape_alias"):
            return self.like(x.path, results, _real(results), base)
        view = VIEWS.get(name) if types[0].dtype == type_of(x).dtype else None
        op = view(shape, types[0].shape, rest) if view else Declared(name, types, view=True)
        return self.like(self.recorder.call(name, op, [x.path], types), results, _real(results), base)

    def _alias(self, func: Any, tensor: torch.Tensor) -> Any:
        if type(tensor) is not Traced:
            if not self.recorder.owns(tensor):
                return func(tensor)
            tensor = self.known(tensor)
        return self.like(tensor.path, tensor, tensor.value, tensor.base if tensor.base is not None else tensor)

    def _asked(self, func: Any, args: Any, kwargs: Any, inputs: list[Traced]) -> Any:
        known = inputs and all(each.value is not None for each in inputs)
        if known and (self.values or all(prod(each.shape) <= SMALL for each in inputs)):
            return self._for_real(func, args, kwargs)
        meta = {**kwargs, "device": "meta"} if _operator(func).makes else kwargs
        try:
            results = func(*mapped(args, on_meta), **mapped(meta, on_meta))
        except (NotImplementedError, RuntimeError, TypeError) as error:
            if _has_no_shape(func, error):
                raise NeedsValue(
                    f"`{func._schema.name}` makes a tensor whose shape depends on its input's values"
                ) from error
            raise
        if not inputs and all(each.numel() <= SMALL for each in tensors_in((results,))):
            return func(*mapped(args, _unfilled), **kwargs)
        return results

    def _decided(self, func: Any, args: Any, kwargs: Any) -> Any:
        if any(self.known(tensor).value is None for tensor in tensors_in(args)):
            raise NeedsValue("the model decides by what a tensor holds")
        return self._for_real(func, args, kwargs)


class Operator(NamedTuple):
    """What is asked of an operator again and again; its schema makes new objects for each answer."""

    name: str
    plain: str
    rule: Rule | None
    """The rule of its in-place form is the same; a form that writes elsewhere has none."""
    composite: bool
    """Whether it is made of other operators."""
    writes: bool
    views: bool
    """Whether it answers with a part of its input."""
    makes: bool
    """Whether it makes a tensor on a device that it is told."""


@cache
def _operator(func: Any) -> Operator:
    schema, key = func._schema, torch._C.DispatchKey.CompositeImplicitAutograd
    name, short = schema.name, plain(schema.name)
    return Operator(
        name,
        short,
        None if func._overloadname == "out" else RULES.get(name) or RULES.get(name.removesuffix("_")),
        torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), key),
        schema.is_mutable,
        short in VIEWS or any(each.alias_info for each in schema.returns),
        any(argument.name == "device" for argument in schema.arguments),
    )


def _written(func: Any, args: Any, kwargs: Any) -> list[torch.Tensor]:
    """The tensors that an operator writes to."""
    found: list[torch.Tensor] = []
    for i, argument in enumerate(func._schema.arguments):
        if argument.alias_info and argument.alias_info.is_write:
            found += tensors_in((kwargs[argument.name] if argument.name in kwargs else args[i],))
    return found


def _has_no_shape(func: Any, error: Exception) -> bool:
    """Whether an operator failed on the meta device only because that has no values or no rule for it."""
    text = str(error)
    return (
        torch.Tag.data_dependent_output in func.tags
        or torch.Tag.dynamic_output_shape in func.tags
        or isinstance(error, NotImplementedError)
        or "meta" in text.lower()
    )


def _real(tensor: torch.Tensor) -> torch.Tensor | None:
    return None if tensor.device.type == "meta" else tensor


def _unfilled(tensor: torch.Tensor) -> torch.Tensor:
    return torch.empty(tuple(tensor.shape), dtype=tensor.dtype)


def _check_weights(op: Op, shapes: tuple[Shape, ...], weights: Sequence[torch.Tensor | None]) -> None:
    needed = [tensor.shape for tensor in (*op.parameters(*shapes), *op.buffers(*shapes))]
    present = [tuple(tensor.shape) for tensor in weights if tensor is not None]
    for need, have in zip(needed, present, strict=False):
        if need != have:
            raise ShapeError(
                f"an input of {format_shape(shapes[0])} needs weights of "
                f"{format_shape(need)}, and these are {format_shape(have)}"
            )
