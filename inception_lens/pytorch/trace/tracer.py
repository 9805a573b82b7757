"""Following the modules of a model: standard ones answered by their rules, the others run."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from operator import is_not
from typing import Any, NamedTuple, cast

import torch
from torch import nn
from torch.nn.modules import module as every_module

from inception_lens.graph import output_name
from inception_lens.ops import Op
from inception_lens.pytorch.trace.attention import is_plain, self_attention
from inception_lens.pytorch.trace.dispatch import Dispatch
from inception_lens.pytorch.trace.formulas import FORMULAS, Formula
from inception_lens.pytorch.trace.standard_modules import operation_of
from inception_lens.pytorch.trace.values import Traced, tensors_in, type_of

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
EVERYWHERE = tuple([getattr(every_module, f"_global{name}") for name in HOOKS])
"""Hooks that are run around every module there is."""

CONTAINERS = frozenset({dict, list, set, OrderedDict})
"""What a module keeps things in."""

STATISTICS = ("running_mean", "running_var")
"""Buffers that standard modules read."""


class Failure(NamedTuple):
    """Where a forward pass stopped: a module's path, its class, and the shapes that reached it."""

    path: str
    kind: str
    shapes: tuple[tuple[int, ...], ...]


class Tracer(Dispatch):  # type: ignore[no-untyped-call]
    """Records a forward pass: what modules do by their rules, and what they run operator by operator."""

    failure: Failure | None = None

    @contextmanager
    def following(self) -> Iterator[None]:
        """Answer the calls of modules while the context lasts; then the modules and their class are as they were."""
        original: Callable[..., Any] = nn.Module._call_impl
        thread = threading.get_ident()
        self._before: list[tuple[Any, Any]] = []
        self._entered: set[int] = set()
        self._original = original

        def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() != thread:
                return original(module, *args, **kwargs)
            return self._call(module, args, kwargs)

        nn.Module._call_impl = call  # type: ignore[method-assign, assignment]
        try:
            yield
        finally:
            nn.Module._call_impl = original  # type: ignore[method-assign]
            self._put_back()

    def _call(self, module: nn.Module, args: Any, kwargs: Any) -> Any:
        path = self._path(module)
        try:
            if self.shortcuts and _untouched(module):
                answer = self._shortcut(module, path, args, kwargs)
                if answer is not None:
                    return answer
            formula = FORMULAS.get(type(module))
            if formula is not None:
                return self._counted(module, path, formula, tensors_in((*args, *kwargs.values())))
            return self._run(module, path, args, kwargs)
        except Exception:
            if self.failure is None:  # the innermost module's
                shapes = tuple([tuple(each.shape) for each in tensors_in((*args, *kwargs.values()))])
                self.failure = Failure(path, type(module).__name__, shapes)
            raise

    def _shortcut(self, module: nn.Module, path: str, args: Any, kwargs: Any) -> Any:
        """What a standard module answers without being run; None where it has to be."""
        kind = type(module)
        if len(args) == 1 and not kwargs and type(args[0]) is Traced:
            if kind is nn.Identity:
                return args[0]
            op = operation_of(module, tuple(args[0].shape))
            return None if op is None else self._answered(module, path, op, args[0])
        if kind is nn.MultiheadAttention and is_plain(cast(nn.MultiheadAttention, module), args, kwargs):
            return self._attended(cast(nn.MultiheadAttention, module), path, args[0])
        return None

    def _run(self, module: nn.Module, path: str, args: Any, kwargs: Any) -> Any:
        if id(module) not in self._entered:
            self._entered.add(id(module))
            self._remember(module)
        recorder = self.recorder
        before = len(recorder.nodes)
        recorder.enter(path, type(module))
        try:
            result = self._original(module, *args, **kwargs)
        finally:
            recorder.leave()
        alone = len(recorder.nodes) == before + 1 and recorder.last_scope == path != ""
        last = recorder.nodes[-1].name if alone else ""
        if last.startswith(f"{path}/") and type(result) is Traced and result.path == last:
            result.path = recorder.rename_last(path)  # a module of one operator goes by its path
        return result

    def _answered(self, module: nn.Module, path: str, op: Op, x: Traced) -> Any:
        """What a standard module answers, by its operation's shape rule."""
        types = op.output_types((type_of(x),))
        reads: Sequence[torch.Tensor | None] = ()
        if op.has_weights:
            state = vars(module)
            reads = [*state["_parameters"].values(), *[state["_buffers"].get(role) for role in STATISTICS]]
        name = self.recorder.add(path, op, (x.path,), types, reads)
        if getattr(op, "inplace", False):
            self.overwritten(x, name, valued=False)
            return x
        made = [self.made(output_name(name, i), each) for i, each in enumerate(types)]
        if op.kind == "LSTM":  # its states are a pair
            return made[0], (made[1], made[2])
        return made[0] if len(made) == 1 else tuple(made)

    def _attended(self, module: nn.MultiheadAttention, path: str, x: Traced) -> tuple[Traced, None]:
        self.recorder.enter(path, type(module))
        name, type_ = self_attention(self.recorder, module, x)
        self.recorder.leave()
        return self.made(name, type_), None

    def _counted(self, module: nn.Module, path: str, formula: Formula, tensors: Sequence[torch.Tensor]) -> Any:
        """What a module answers whose cost a user has registered."""
        inputs = [self.known(tensor) for tensor in tensors]
        op, types = formula.of_module(module, [type_of(tensor) for tensor in inputs])
        name = self.recorder.add(path, op, [each.path for each in inputs], types)
        for parameter in module.parameters():
            self.known(parameter)
        made = [self.made(output_name(name, i), each) for i, each in enumerate(types)]
        return made[0] if len(made) == 1 else tuple(made)

    def _path(self, module: nn.Module) -> str:
        found = self.recorder.survey.path(module, self.recorder.scope.replace("/", "."))
        if found is None:  # kept in a list, or made on the spot
            return self.recorder.scoped(type(module).__name__)
        return found.replace(".", "/")

    def _remember(self, module: nn.Module) -> None:
        state = vars(module)
        self._before.append((state, dict(state)))
        self._before += [(each, each.copy()) for each in state.values() if type(each) in CONTAINERS]

    def _put_back(self) -> None:
        for state, before in reversed(self._before):  # what several modules hold is at last as the first found it
            if type(state) is list:
                state[:] = before
            elif (state or before) and (type(state) is set or _differs(state, before)):  # most are empty
                state.clear()
                state.update(before)


def _differs(state: dict[str, Any], before: dict[str, Any]) -> bool:
    """Whether other things are in a dictionary: tensors cannot be asked whether they are equal."""
    return [*state] != [*before] or any(map(is_not, state.values(), before.values()))


def _untouched(module: nn.Module) -> bool:
    """Whether a module does what its class does, and nothing around it."""
    state = vars(module)
    return not (
        state["_forward_hooks"]
        or state["_forward_pre_hooks"]
        or state["_backward_hooks"]
        or state["_backward_pre_hooks"]
        or "forward" in state
        or any(EVERYWHERE)
    )
