"""ONNX's arithmetic of each element, sums, and reductions over axes."""

from __future__ import annotations

from collections.abc import Callable
from math import isinf

from inception_lens import ops
from inception_lens.errors import FormatError
from inception_lens.readers.onnx.dtypes import onnx_dtype_number
from inception_lens.readers.onnx.elementwise import ARITHMETIC, LOGIC
from inception_lens.readers.onnx.reductions import FUNCTIONS
from inception_lens.writers.onnx.node_writer import OnnxNodeWriter, OnnxWriter

ELEMENTWISE = {
    **{function: operator for operator, function in reversed((ARITHMETIC | LOGIC).items())},
    "where": "Where",
    "softsign": "Softsign",
}
"""ONNX's operator for each element-wise function; where there are several, the first."""

NEED_ATTRIBUTES = frozenset({"remainder", "bitwise_left_shift"})
"""Functions above whose operator depends on attributes as well."""

REDUCTIONS = {
    **{function: operator for operator, (before, function, after) in FUNCTIONS.items() if not before and not after},
    "max": "ReduceMax",
    "min": "ReduceMin",
}
"""ONNX's operator for each reduction."""


def _elementwise(op: ops.Elementwise, writer: OnnxNodeWriter) -> None:
    function = op.function
    if function == "cast":
        writer.add("Cast", writer.inputs, to=onnx_dtype_number(op.dtype or writer.dtype))
        return
    if function not in ELEMENTWISE.keys() | COMPOSED.keys() or function in NEED_ATTRIBUTES:
        raise FormatError(f"there is no operator for `{function}`")
    if not op.is_complete(len(writer.inputs)) and function != "softsign":
        raise FormatError(f"the graph does not hold the numbers that `{function}` is called with")
    inputs = _arguments(op, writer)
    if function in COMPOSED:
        COMPOSED[function](writer, *inputs)
    else:
        writer.add(ELEMENTWISE[function], inputs)


def _arguments(op: ops.Elementwise, writer: OnnxNodeWriter) -> list[str]:
    """The names of the tensors and numbers that a function is called with: all of one dtype, except for a condition."""
    condition = CONDITIONS.get(op.function)
    dtype = op.dtype or writer.dtype
    if op.function in LOGIC.values() or op.function == "ne":  # whose result is bool
        dtype = writer.dtype
        if any(each.dtype != dtype for each in writer.graph.input_types(writer.node)):
            raise FormatError("it compares tensors of different types")
    names = []
    for i, each in enumerate(op.arguments(writer.inputs)):
        if not isinstance(each, str):  # an infinite bound is none
            names.append("" if op.function == "clamp" and isinf(each) else writer.number(f"argument_{i}", each, dtype))
        else:
            names.append(each if i == condition else writer.cast(each, dtype, f"cast_{i}"))
    return names


CONDITIONS = {"where": 0, "masked_fill": 1}
"""Functions that choose elements, and which of their arguments is the condition."""

COMPOSED: dict[str, Callable[..., object]] = {
    "clamp": lambda writer, *inputs: writer.add("Clip", inputs),
    "clone": lambda writer, x: writer.add("Identity", [x]),
    "masked_fill": lambda writer, x, mask, value: writer.add("Where", [mask, value, x]),
    "ne": lambda writer, *inputs: writer.add("Not", [writer.add("Equal", inputs, "equal")]),
    "rsqrt": lambda writer, x: writer.add("Reciprocal", [writer.add("Sqrt", [x], "root")]),
    "rsub": lambda writer, x, y: writer.add("Sub", [y, x]),
    "square": lambda writer, x: writer.add("Mul", [x, x]),
}
"""Functions that ONNX calls with its arguments in another order, or expresses by several operators."""


def _add(op: ops.Add, writer: OnnxNodeWriter) -> None:
    inputs = writer.inputs
    if op.scale != 1:
        scaled = writer.add("Mul", [inputs[-1], writer.number("scale", op.scale)], "scale")
        inputs = [*inputs[:-1], scaled]
    writer.add("Add" if len(inputs) == 2 else "Sum", inputs)


def _reduce(op: ops.Reduce, writer: OnnxNodeWriter) -> None:
    keepdims = int(op.keepdim)
    if op.function in ("argmax", "argmin"):
        operator = "ArgMax" if op.function == "argmax" else "ArgMin"
        writer.add(operator, writer.inputs, axis=op.dims[0], keepdims=keepdims)
        return
    if op.function not in REDUCTIONS:
        raise FormatError(f"there is no operator for `{op.function}`")
    axes = writer.integers("axes", op.dims or tuple(range(len(writer.shape))))
    writer.add(REDUCTIONS[op.function], [*writer.inputs, axes], keepdims=keepdims)


ARITHMETIC_WRITERS: dict[type[ops.Op], OnnxWriter] = {
    ops.Add: _add,
    ops.Elementwise: _elementwise,
    ops.Reduce: _reduce,
}
