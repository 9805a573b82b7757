"""A convolution and the addition of its bias, which Paddle writes as two calls, as one."""

from __future__ import annotations

from collections import Counter
from math import prod

from inception_lens.readers.paddle.program import PaddleOperation, PaddleProgram
from inception_lens.readers.paddle.windows import CONVOLUTIONS

ADDITIONS = ("add", "elementwise_add")
RESHAPES = ("reshape", "reshape2")


def fuse(program: PaddleProgram) -> PaddleProgram:
    """The program, in which a convolution reads the bias that only the next call adds to its only output.

    The bias is a parameter of one element per output channel, which may be reshaped in between.
    """
    producers = {name: each for each in program.operations for name in each.outputs}
    reads = Counter(name for each in program.operations for names in each.inputs.values() for name in names)
    reads.update(program.outputs)
    biased: dict[str, tuple[str, str]] = {}
    """By the output of a convolution: the bias, and the output of the addition."""
    dropped: set[int] = set()
    for each in program.operations:
        x, y = each.inputs.get("X", ()), each.inputs.get("Y", ())
        is_addition = each.type in ADDITIONS and len(x) == len(y) == 1 == len(each.outputs)
        layer = producers.get(x[0]) if is_addition else None
        if layer is None or layer.type not in CONVOLUTIONS or reads[x[0]] != 1 or "Bias" in layer.inputs:
            continue
        source = producers.get(y[0])
        bias = next(iter(source.inputs.get("X", ())), "") if source and source.type in RESHAPES else y[0]
        if _fits(program, layer, bias):
            biased[x[0]] = bias, each.outputs[0]
            dropped.add(id(each))
    operations = []
    for each in program.operations:
        found = biased.get(each.outputs[0]) if each.outputs else None
        if found is not None:
            bias, output = found
            inputs = {**each.inputs, "Bias": (bias,)}
            operations.append(each._replace(inputs=inputs, outputs=(output, *each.outputs[1:])))
        elif id(each) not in dropped:
            operations.append(each)
    return program._replace(operations=tuple(operations))


def _fits(program: PaddleProgram, layer: PaddleOperation, bias: str) -> bool:
    """Whether a tensor is a parameter with one element per output channel of a convolution."""
    given, filters = program.tensors.get(bias), layer.inputs.get("Filter", ())
    kernel = program.tensors.get(filters[0]) if filters else None
    if given is None or kernel is None or not given.weight or given.shape is None or not kernel.shape:
        return False
    first, *others = kernel.shape
    groups = layer.attributes.get("groups", 1)
    if "transpose" in layer.type and isinstance(groups, int) and others:  # their kernels start with the input channels
        first = others[0] * groups
    return prod(given.shape) == max(given.shape, default=0) == first
