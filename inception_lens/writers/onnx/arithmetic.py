"""ONNX's arithmetic of each element, sums, and reductions over axes."""

from __future__ import annotations

from inception_lens import ops
from inception_lens.errors import FormatError
from inception_lens.ops.arithmetic import ARITY
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
    if op.function == "cast":
        writer.add("Cast", writer.inputs, to=onnx_dtype_number(op.dtype or writer.dtype))
        return
    if op.function not in ELEMENTWISE or op.function in NEED_ATTRIBUTES:
        raise FormatError(f"there is no operator for `{op.function}`")
    if len(writer.inputs) != (1 if op.function == "softsign" else ARITY[op.function]):
        raise FormatError(f"the graph does not hold the numbers that `{op.function}` is called with")
    writer.add(ELEMENTWISE[op.function], writer.inputs)


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
