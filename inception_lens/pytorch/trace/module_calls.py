"""Recording module calls: standard modules are read as operations, all others are run."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import is_
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules import module as nn_module

from inception_lens.graph import output_name
from inception_lens.pytorch.trace.containers import tensors_in
from inception_lens.pytorch.trace.formulas import FORMULAS, Formula
from inception_lens.pytorch.trace.global_state import autocast_regions
from inception_lens.pytorch.trace.higher_order import HigherOrderTracer
from inception_lens.pytorch.trace.lazy_modules import initialise
from inception_lens.pytorch.trace.operator_facts import Args, Kwargs
from inception_lens.pytorch.trace.recorder import Recorder
from inception_lens.pytorch.trace.self_attention import add_self_attention, is_self_attention
from inception_lens.pytorch.trace.standard_modules import READERS, standard_call
from inception_lens.pytorch.trace.traced_tensor import TRACED_THREADS, TracedTensor, traced_tensor, type_of

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
GLOBAL_HOOKS = tuple([getattr(nn_module, f"_global{name}") for name in HOOKS])
"""Hooks that PyTorch calls around every module."""

CONTAINERS = frozenset({dict, list, set, OrderedDict})
"""Types of attributes whose contents a forward pass may change, and which are restored."""

CHANGING = ("__setattr__", "__delattr__", "register_parameter", "register_buffer")
"""Methods that change a module."""

STANDARD = frozenset({*READERS, nn.Identity, nn.MultiheadAttention, nn.Sequential})
"""Classes of modules that need not be run."""


class Failure(NamedTuple):
    """Where a forward pass stopped."""

    path: str
    """Path of the innermost running module."""
    kind: str
    """Class of that module."""
    shapes: tuple[tuple[int, ...], ...]
    """Shapes of the tensors that it was called with."""


class StateBefore(NamedTuple):
    """The attributes of a module before it ran or was changed."""

    state: dict[str, Any]
    """The attributes themselves."""
    names: tuple[str, ...]
    values: tuple[Any, ...]
    filled: list[tuple[Any, Any]]
    """The containers among the values that were not empty, with copies."""


class ModuleTracer(HigherOrderTracer):  # type: ignore[no-untyped-call]
    """Records a forward pass: the operation of each standard module, and the operators that the other modules call."""

    failure: Failure | None = None

    def __init__(self, recorder: Recorder, device: torch.device, *, shortcuts: bool, values: bool) -> None:
        super().__init__(recorder, device, shortcuts=shortcuts, values=values)
        self.threads: set[int] = set()
        """Identifiers of the threads whose module calls are recorded."""

    @contextmanager
    def intercepted(self) -> Iterator[None]:
        """Intercept the calls of all modules in this thread; afterwards the modules and their class are restored.

        `nn.Module._call_impl` is replaced, not `forward`: what a module's hooks do is seen, and no module is changed.
        """
        original: Callable[..., object] = nn.Module._call_impl
        changing = {name: getattr(nn.Module, name) for name in CHANGING}
        self.threads.add(threading.get_ident())
        self._before: list[StateBefore] = []
        """The state of the modules that ran or were changed."""
        self._attributes: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._kept_states: set[int] = set()
        """Identities of the modules whose state was copied."""
        self._original = original

        def call(module: nn.Module, *args: object, **kwargs: object) -> object:
            if threading.get_ident() not in self.threads:
                return self._called_elsewhere(module, args, kwargs)
            return self._call(module, args, kwargs)

        nn.Module._call_impl = call  # type: ignore[method-assign, assignment]
        for name, method in changing.items():
            setattr(nn.Module, name, self._after_copy(method))
        TRACED_THREADS.update(self.threads)
        try:
            with autocast_regions(self.device) as self.autocast_regions:
                yield
        finally:
            TRACED_THREADS.difference_update(self.threads)
            nn.Module._call_impl = original  # type: ignore[method-assign]
            for name, method in changing.items():
                setattr(nn.Module, name, method)
            self._restore()

    def _after_copy(self, method: Callable[..., object]) -> Callable[..., object]:
        """A method that changes a module, which another module may call, after a copy of the module's state."""

        def change(module: nn.Module, *args: object) -> object:
            if threading.get_ident() in self.threads and self.recorder.index.path(module, "") is not None:
                self._keep_state(module)
            return method(module, *args)

        return change

    def _called_elsewhere(self, module: nn.Module, args: Args, kwargs: Kwargs) -> object:
        """What a module returns in a thread that is not recorded."""
        return self._original(module, *args, **kwargs)

    def _call(self, module: nn.Module, args: Args, kwargs: Kwargs) -> object:
        path = self._path(module)
        try:
            initialise(module, args, kwargs)
            formula = FORMULAS.get(type(module))
            if (
                type(module) in STANDARD
                and self.shortcuts
                and module.training == self.training
                and not self.autocast_regions[-1]  # dtypes are decided by operator
                and _has_no_hooks(module)
            ):
                if type(module) is not nn.Sequential:
                    output = self._standard(module, path, args, kwargs)
                    if output is not None:
                        return output
                elif formula is None and len(args) == 1 and not kwargs:
                    return self._sequence(module, path, args[0])
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
        if type(module) is nn.MultiheadAttention:
            if not is_self_attention(module, args, kwargs) or not self._has_own_weights(module, args[0].dtype):
                return None
            self.recorder.enter(path, type(module))
            name, type_ = add_self_attention(self.recorder, module, args[0])
            self.recorder.leave()
            return self.output(name, type_), None
        if len(args) != 1 or kwargs or type(args[0]) is not TracedTensor:
            return None
        x: TracedTensor = args[0]
        if type(module) is nn.Identity:
            return x
        call, reads = standard_call(module, x.traced_layout, self.recorder.index.names)
        if call is None:
            return None
        name = self.recorder.add_call(path or call.facts.op.kind, call.facts, (x.path,), reads)
        if call.is_inplace:
            self.overwrite(x, name)
            self.forget(x)
            return x
        if len(call.outputs) == 1:
            return traced_tensor(name, call.outputs[0], self.device)
        outputs = [traced_tensor(output_name(name, i), layout, self.device) for i, layout in enumerate(call.outputs)]
        if type(module) is nn.LSTM:
            return outputs[0], (outputs[1], outputs[2])  # the states are a pair
        return tuple(outputs)

    def _sequence(self, module: nn.Sequential, path: str, x: object) -> object:
        self.recorder.enter(path, nn.Sequential)
        try:
            for each in module._modules.values():
                is_plain = each is not None and type(each).__call__ is nn.Module.__call__
                x = self._call(each, (x,), {}) if is_plain else each(x)  # type: ignore[misc, arg-type]
        finally:
            self.recorder.leave()
        return x

    def _run(self, module: nn.Module, path: str, args: Args, kwargs: Kwargs) -> object:
        self._keep_state(module)
        recorder = self.recorder
        before = len(recorder.nodes)
        recorder.enter(path, type(module))
        try:
            result = self._original(module, *args, **kwargs)
        finally:
            recorder.leave()
        is_one_call = len(recorder.nodes) == before + 1 and recorder.last_scope == path != ""
        if is_one_call:
            self._give_path(path, result)
        return result

    def _give_path(self, path: str, result: object) -> None:
        """Name the last node after the module that has called one operator, if this is what it returns."""
        last = self.recorder.nodes[-1].name
        has_one_output = len(self.recorder.types[last]) == 1  # the names of others are in use already
        if (
            has_one_output
            and last.startswith(f"{path}/")
            and (output := self.recorded(result)) is not None
            and output.path == last
        ):
            output.path = self.recorder.rename_last(path)

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
        return found

    def _keep_state(self, module: nn.Module) -> None:
        """Copy the state of a module before it runs or is changed for the first time."""
        if id(module) in self._kept_states:
            return
        self._kept_states.add(id(module))
        state = vars(module)
        filled = [(each, each.copy()) for each in state.values() if type(each) in CONTAINERS and each]
        surveyed = self.recorder.index.surveyed
        for container, copy in filled:
            if container is state["_parameters"] or container is state["_buffers"]:
                # `functional_call` puts other tensors there until it returns.
                copy.update({name: surveyed(module, name, tensor) for name, tensor in copy.items()})
        names = tuple(state)
        names = self._attributes.setdefault(names, names)  # those of most modules are the same
        self._before.append(StateBefore(state, names, tuple(state.values()), filled))

    def _restore(self) -> None:
        for state, names, values, filled in reversed(self._before):  # last comes the first copy of what modules share
            if _differs(state, names, values):
                state.clear()
                state.update(zip(names, values, strict=True))
            for each in values:
                if type(each) in CONTAINERS and each and not any(each is container for container, _ in filled):
                    each.clear()
            for container, copy in filled:
                if type(container) is list:
                    container[:] = copy
                elif type(container) is set or _differs(container, tuple(copy), tuple(copy.values())):
                    container.clear()
                    container.update(copy)


def _differs(state: Mapping[str, object], names: tuple[str, ...], values: tuple[object, ...]) -> bool:
    """Whether a dictionary holds other names or objects; tensors among them cannot be compared by `==`."""
    return tuple(state) != names or not all(map(is_, state.values(), values))


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
