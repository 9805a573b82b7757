"""Recording module calls: standard modules are read as operations, all others are run."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import is_not
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules import module as nn_module

from inception_lens.graph import output_name
from inception_lens.ops import Op, Shape, TensorType
from inception_lens.pytorch.trace.containers import tensors_in
from inception_lens.pytorch.trace.formulas import FORMULAS, Formula
from inception_lens.pytorch.trace.global_state import autocast_regions
from inception_lens.pytorch.trace.higher_order import HigherOrderTracer
from inception_lens.pytorch.trace.lazy_modules import initialise
from inception_lens.pytorch.trace.operator_facts import Args, Kwargs
from inception_lens.pytorch.trace.self_attention import add_self_attention, is_self_attention
from inception_lens.pytorch.trace.standard_modules import operation_of
from inception_lens.pytorch.trace.traced_tensor import TRACED_THREADS, TracedTensor, type_of

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
GLOBAL_HOOKS = tuple([getattr(nn_module, f"_global{name}") for name in HOOKS])
"""Hooks that PyTorch calls around every module."""

CONTAINERS = frozenset({dict, list, set, OrderedDict})
"""Types of attributes whose contents a forward pass may change, and which are restored."""

STATISTICS = ("running_mean", "running_var")
"""Buffers that standard modules read."""

INDEX_DTYPES = frozenset({torch.int32, torch.int64})
"""Dtypes that an embedding takes as indices."""


class Failure(NamedTuple):
    """Where a forward pass stopped."""

    path: str
    """Path of the innermost running module."""
    kind: str
    """Class of that module."""
    shapes: tuple[tuple[int, ...], ...]
    """Shapes of the tensors that it was called with."""


class ModuleTracer(HigherOrderTracer):  # type: ignore[no-untyped-call]
    """Records a forward pass: the operation of each standard module, and the operators that the other modules call."""

    failure: Failure | None = None

    @contextmanager
    def intercepted(self) -> Iterator[None]:
        """Intercept the calls of all modules in this thread; afterwards the modules and their class are restored.

        `nn.Module._call_impl` is replaced, not `forward`: what a module's hooks do is seen, and no module is changed.
        """
        original: Callable[..., object] = nn.Module._call_impl
        thread = threading.get_ident()
        self._before: list[tuple[Any, Any]] = []
        """Attribute dictionaries and containers of the modules that ran, with copies from before."""
        self._entered: set[int] = set()
        self._original = original

        def call(module: nn.Module, *args: object, **kwargs: object) -> object:
            if threading.get_ident() != thread:
                return original(module, *args, **kwargs)
            return self._call(module, args, kwargs)

        nn.Module._call_impl = call  # type: ignore[method-assign, assignment]
        TRACED_THREADS.add(thread)
        try:
            with autocast_regions(self.device) as self.autocast_regions:
                yield
        finally:
            TRACED_THREADS.discard(thread)
            nn.Module._call_impl = original  # type: ignore[method-assign]
            self._restore()

    def _call(self, module: nn.Module, args: Args, kwargs: Kwargs) -> object:
        path = self._path(module)
        try:
            initialise(module, args, kwargs)
            if (
                self.shortcuts
                and module.training == self.training
                and _has_no_hooks(module)
                and not self.autocast_regions[-1]  # dtypes are decided by operator
            ):
                output = self._standard(module, path, args, kwargs)
                if output is not None:
                    return output
            formula = FORMULAS.get(type(module))
            if formula is not None:
                return self._by_formula(module, path, formula, tensors_in((*args, *kwargs.values())))
            return self._run(module, path, args, kwargs)
        except Exception:
            if self.failure is None:  # the innermost module sets it first
                shapes = tuple([tuple(each.shape) for each in tensors_in((*args, *kwargs.values()))])
                self.failure = Failure(path, type(module).__name__, shapes)
            raise

    def _standard(self, module: nn.Module, path: str, args: Args, kwargs: Kwargs) -> object:
        """What a standard module returns, without running it; None if it has to be run."""
        if len(args) == 1 and not kwargs and type(args[0]) is TracedTensor:
            x = args[0]
            if type(module) is nn.Identity:
                return x
            type_ = type_of(x)
            op = operation_of(module, type_.shape)
            if op is None or x.traced_layout.is_sparse:
                return None
            return self._by_operation(module, path, op, x, type_)
        if type(module) is nn.MultiheadAttention and is_self_attention(module, args, kwargs):
            if not self._has_own_weights(module, args[0].dtype):
                return None
            self.recorder.enter(path, type(module))
            name, type_ = add_self_attention(self.recorder, module, args[0])
            self.recorder.leave()
            return self.output(name, type_), None
        return None

    def _run(self, module: nn.Module, path: str, args: Args, kwargs: Kwargs) -> object:
        if id(module) not in self._entered:
            self._entered.add(id(module))
            self._keep_state(module)
        recorder = self.recorder
        before = len(recorder.nodes)
        recorder.enter(path, type(module))
        try:
            result = self._original(module, *args, **kwargs)
        finally:
            recorder.leave()
        is_one_call = len(recorder.nodes) == before + 1 and recorder.last_scope == path != ""
        last = recorder.nodes[-1].name if is_one_call else ""
        if last.startswith(f"{path}/") and (output := self.recorded(result)) is not None and output.path == last:
            output.path = recorder.rename_last(path)  # a module that calls one operator gives its path to the call
        return result

    def _by_operation(self, module: nn.Module, path: str, op: Op, x: TracedTensor, type_: TensorType) -> object:
        """What a standard module returns, by the shape rule of its operation; None if the module has to be run."""
        dtype = x.dtype
        if not dtype.is_floating_point and type(module) is not nn.Embedding:
            return None  # the dtype of the output is not always that of the input
        reads = self._weights(module, op, type_.shape, dtype) if op.has_weights else []
        if reads is None:
            return None
        types = op.output_types((type_,))
        name = self.recorder.add(path, op, (x.path,), types, reads)
        if getattr(op, "inplace", False):
            self.overwrite(x, name)
            self.forget(x)
            return x
        if len(types) == 1:
            return self.output(name, types[0])
        outputs = [self.output(output_name(name, i), each) for i, each in enumerate(types)]
        return (outputs[0], (outputs[1], outputs[2])) if op.kind == "LSTM" else tuple(outputs)  # the states are a pair

    def _weights(self, module: nn.Module, op: Op, shape: Shape, dtype: torch.dtype) -> list[Tensor] | None:
        """The parameters and buffers that a standard module reads; None if the operation does not describe them.

        A module computes with its tensors, not with the attributes that the operation was read from. It is run if one
        of its tensors has another shape or dtype, or is not a tensor of the model: `functional_call` replaces them.
        """
        state, names = vars(module), self.recorder.index.names
        needed = op.parameters(shape)
        reads = [tensor for tensor in state["_parameters"].values() if tensor is not None]
        if buffers := state["_buffers"]:
            needed = (*needed, *op.buffers(shape))
            reads += [buffers[role] for role in STATISTICS if buffers.get(role) is not None]
        if len(reads) != len(needed):
            return None
        if type(module) is nn.Linear:  # the only module whose weight may be sparse
            if reads[0].layout is not torch.strided:
                return None
        elif type(module) is nn.Embedding:
            if dtype not in INDEX_DTYPES:
                return None
            dtype = reads[0].dtype
        for tensor, need in zip(reads, needed, strict=True):
            if id(tensor) not in names or tensor.dtype is not dtype or tensor.shape != need.shape:
                return None
        return reads

    def _has_own_weights(self, module: nn.MultiheadAttention, dtype: torch.dtype) -> bool:
        """Whether self-attention reads tensors of the model, of the shapes that its width needs."""
        width, out = module.embed_dim, module.out_proj
        shapes = {"in_proj_weight": (3 * width, width), "in_proj_bias": (3 * width,)}
        needed = [
            *[(getattr(module, role), shape) for role, shape in shapes.items()],
            (out.weight, (width, width)),
            (out.bias, (width,)),
        ]
        names = self.recorder.index.names
        return all(
            id(tensor) in names and tensor.shape == shape and tensor.dtype is dtype
            for tensor, shape in needed
            if tensor is not None
        )

    def _by_formula(self, module: nn.Module, path: str, formula: Formula, tensors: Sequence[Tensor]) -> object:
        """What a module returns whose cost the user has registered."""
        inputs = [self.traced(tensor) for tensor in tensors]
        op, types = formula.of_module(module, [type_of(tensor) for tensor in inputs])
        name = self.recorder.add(path, op, [each.path for each in inputs], types)
        for parameter in module.parameters():
            self.traced(parameter)
        outputs = [self.output(output_name(name, i), each) for i, each in enumerate(types)]
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def _path(self, module: nn.Module) -> str:
        found = self.recorder.index.path(module, self.recorder.scope)
        if found is None:  # kept in a list, or created in the forward pass
            return self.recorder.scoped(type(module).__name__)
        return found.replace(".", "/")

    def _keep_state(self, module: nn.Module) -> None:
        state = vars(module)
        self._before.append((state, dict(state)))
        for name, each in state.items():
            if type(each) in CONTAINERS:
                before = each.copy()
                if name in ("_parameters", "_buffers"):  # `functional_call` puts others there until it returns
                    before.update({key: self.recorder.index.surveyed(module, key, each[key]) for key in each})
                self._before.append((each, before))

    def _restore(self) -> None:
        for state, before in reversed(self._before):  # last comes the first copy of a container that modules share
            if type(state) is list:
                state[:] = before
            elif (state or before) and (type(state) is set or _differs(state, before)):  # most are empty
                state.clear()
                state.update(before)


def _differs(state: Mapping[str, object], before: Mapping[str, object]) -> bool:
    """Whether two dictionaries hold different objects; tensors among them cannot be compared by `==`."""
    return [*state] != [*before] or any(map(is_not, state.values(), before.values()))


def _has_no_hooks(module: nn.Module) -> bool:
    """Whether a call of the module does what its class does and nothing else."""
    state = vars(module)
    return not (
        state["_forward_hooks"]
        or state["_forward_pre_hooks"]
        or state["_backward_hooks"]
        or state["_backward_pre_hooks"]
        or "forward" in state
        or any(GLOBAL_HOOKS)
    )
