"""ONNX's reductions over axes."""

from __future__ import annotations

from inception_lens.ops import Elementwise, Reduce
from inception_lens.readers.onnx.graph_builder import OnnxGraphBuilder, OnnxHandler
from inception_lens.readers.onnx.values import OnnxCall, OnnxValue
from inception_lens.readers.shapes import resolve_axis

FUNCTIONS: dict[str, tuple[str, str, str]] = {
    "ReduceMean": ("", "mean", ""), "ReduceSum": ("", "sum", ""), "ReduceMax": ("", "amax", ""),
    "ReduceMin": ("", "amin", ""), "ReduceProd": ("", "prod", ""), "ReduceL1": ("abs", "sum", ""),
    "ReduceL2": ("", "norm", ""), "ReduceSumSquare": ("square", "sum", ""), "ReduceLogSum": ("", "sum", "log"),
    "ReduceLogSumExp": ("", "logsumexp", ""),
}  # fmt: skip
"""A function of each element, the reduction, and a function of the result; by PyTorch's names."""


def reduction(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """A reduction over axes that are an attribute or an input; over all where none are given."""
    x = call.input(0)
    rank = len(x.shape)
    axes = call.known_integers("axes", 1, ())
    if axes is None:
        return builder.unknown(call)
    if not axes and call.integer("noop_with_empty_axes", 0):
        return [x]
    reduced = tuple(sorted(resolve_axis(axis, rank) for axis in axes)) or tuple(range(rank))
    before, function, after = FUNCTIONS[call.op]
    node = builder.node(x)
    if before:
        node = builder.add(f"{call.name}/{before}", Elementwise(before), node).node
    output = builder.add(call.name, Reduce(function, reduced, bool(call.integer("keepdims", 1))), node)
    return [builder.add(f"{call.name}/{after}", Elementwise(after), output.node)] if after else [output]


def arg_reduction(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """ArgMax and ArgMin."""
    x = call.input(0)
    axis = resolve_axis(call.integer("axis", 0), len(x.shape))
    op = Reduce(call.op.lower(), (axis,), bool(call.integer("keepdims", 1)), "int64")
    return [builder.add(call.name, op, builder.node(x))]


REDUCTIONS: dict[str, OnnxHandler] = {
    **dict.fromkeys(FUNCTIONS, reduction),
    **dict.fromkeys(("ArgMax", "ArgMin"), arg_reduction),
}
