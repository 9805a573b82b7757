"""Higher-order operators, whose arguments are functions: `torch.cond`, `while_loop`, `scan`, flex attention.

PyTorch implements most of them in Python: that runs here with the tracer enabled, so that the operators that the
functions call are recorded, and those of a branch that is not taken are not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor
from torch._C import DispatchKey
from torch._ops import HigherOrderOperator

from inception_lens.errors import GraphError
from inception_lens.graph import output_name
from inception_lens.ops import Declared, Op
from inception_lens.pytorch.trace.operator_facts import Args, Kwargs
from inception_lens.pytorch.trace.special_calls import SpecialCallTracer
from inception_lens.pytorch.trace.traced_tensor import type_of

EAGER = DispatchKey.CompositeExplicitAutograd
"""The key of the implementation in Python."""

COMPILED = frozenset({"inductor_compiled_code", "triton_kernel_wrapper_mutation", "triton_kernel_wrapper_functional"})
"""Operators that run machine code, which calls no operators."""

MODE_CHECK = "_get_current_dispatch_mode"
"""The function by which an implementation checks that no dispatch mode is enabled."""


class HigherOrderTracer(SpecialCallTracer):  # type: ignore[no-untyped-call]
    """Records higher-order operators as well."""

    supports_higher_order_operators = True
    """PyTorch passes them to `__torch_dispatch__`."""

    def _higher_order(self, func: HigherOrderOperator, args: Args, kwargs: Kwargs) -> object:
        if func._name == "flex_attention":
            return self._flex_attention(func, args, kwargs)
        kernel = eager_implementation(func)
        with _without_mode_check(kernel), self:
            return kernel(*args, **kwargs)

    def _flex_attention(self, func: HigherOrderOperator, args: Args, kwargs: Kwargs) -> object:
        """The output, the logarithm of the sum of exponentials, and the maximum of the scores."""
        call = FlexAttention(*args[:5])
        inputs = [self.traced(tensor) for tensor in (*call[:3], *call.captured_tensors())]
        results = call.results()
        types = tuple(map(type_of, results))
        name = self.recorder.add_operator("flex_attention", call.operation(), [each.path for each in inputs], types)
        return tuple([self.output(output_name(name, i), each) for i, each in enumerate(types)])


class FlexAttention(NamedTuple):
    """One call of flex attention."""

    query: Tensor
    key: Tensor
    value: Tensor
    score_mod: Callable[..., object]
    """Changes each score."""
    block_mask: tuple[object, ...]
    """Blocks of scores that are computed, and last a function that masks each score."""

    def operation(self) -> Op:
        """Dense attention: keys that are masked count as those of any other attention do.

        The functions that change the scores are not counted, so that the FLOPs are unknown.
        """
        results = self.results()
        macs = prod(results[1].shape) * self.key.shape[-2] * (self.query.shape[-1] + self.value.shape[-1])
        return Declared("flex_attention", tuple(map(type_of, results)), macs, None)

    def results(self) -> tuple[Tensor, Tensor, Tensor]:
        """What the call returns, on the meta device."""
        rows = tuple(self.query.shape[:-1])
        output = torch.empty((*rows, self.value.shape[-1]), dtype=self.query.dtype, device="meta")
        return output, torch.empty(rows, device="meta"), torch.empty(rows, device="meta")

    def captured_tensors(self) -> list[Tensor]:
        """The tensors that the functions read: a table of positions that are learned, for example."""
        functions = (self.score_mod, self.block_mask[-1])
        cells = [cell.cell_contents for each in functions for cell in getattr(each, "__closure__", None) or ()]
        return [each for each in cells if isinstance(each, Tensor)]


def eager_implementation(func: HigherOrderOperator) -> Callable[..., object]:
    """The implementation of an operator that calls its functions one by one.

    Raises:
        GraphError: PyTorch has none.
    """
    kernel = func.py_kernels.get(EAGER)
    if kernel is None or func._name in COMPILED:
        raise GraphError(f"the higher-order operator `{func._name}` calls no operators, so that it cannot be counted")
    return kernel


@contextmanager
def _without_mode_check(kernel: Callable[..., object]) -> Iterator[None]:
    """Let an implementation run while a dispatch mode is enabled, which some of them refuse."""
    names: dict[str, object] = getattr(kernel, "__globals__", {})
    original = names.get(MODE_CHECK)
    if original is None:
        yield
        return
    names[MODE_CHECK] = lambda: None
    try:
        yield
    finally:
        names[MODE_CHECK] = original
