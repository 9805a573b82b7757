"""ONNX's operators that choose elements or make them: look-ups, sorting, scattering, tensors made anew."""

from __future__ import annotations

from math import prod

from inception_lens.ops import Declared, Select, TensorType
from inception_lens.readers.onnx.layers import embedding
from inception_lens.readers.onnx.run import OnnxGraphBuilder
from inception_lens.readers.onnx.shapes import axis_of
from inception_lens.readers.onnx.values import OnnxCall, OnnxValue
from inception_lens.readers.onnx.windows import OnnxHandler


def gather(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Gather: a look-up in a matrix of weights, one place of an axis, or places that are copied."""
    x, indices = call.given(0), call.given(1)
    axis = axis_of(int(call.attributes.get("axis", 0)), len(x.shape))
    if x.is_weight and "float" in x.dtype and len(x.shape) == 2 and axis == 0 and indices.numbers is None:
        return embedding(run, call, x, indices)
    if indices.numbers is not None and indices.shape == ():
        return [run.add(call.name, Select(axis, int(indices.numbers)), run.tensor(x))]
    made = TensorType((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]), x.dtype)
    read = [run.tensor(x), *([run.tensor(indices)] if indices.numbers is None else [])]
    return [run.add(call.name, Declared("gather", (made,)), *read)]


def laid_out(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Operators whose output's type follows from their inputs' and that do no arithmetic on floating-point numbers."""
    x = call.given(0)
    second = call.given(1) if call.has(1) else None
    attributes = call.attributes
    match call.op:
        case "GatherElements" | "GatherND" if second is not None:
            batch = int(attributes.get("batch_dims", 0))
            last = second.shape[-1] if second.shape else 0
            made = second.shape if call.op == "GatherElements" else (*second.shape[:-1], *x.shape[batch + last :])
        case "Tile":
            repeats = call.ints("repeats", 1)
            if repeats is None or len(repeats) != len(x.shape):
                return run.unknown(call)
            made = tuple(size * times for size, times in zip(x.shape, repeats, strict=True))
        case (
            "CumSum" | "ScatterND" | "ScatterElements" | "Scatter" | "Trilu" | "ReverseSequence" | "EyeLike" | "Hardmax"
        ):
            made = x.shape
        case _:
            return run.unknown(call)
    flops = prod(x.shape) if call.op == "CumSum" else 0
    read = [run.tensor(value) for value in call.inputs if value is not None and value.numbers is None]
    return [run.add(call.name, Declared(call.op, (TensorType(made, x.dtype),), flops_beside=flops), *read)]


def top_k(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """TopK: the largest elements and their places."""
    x, k = call.given(0), call.ints("k", 1)
    axis = axis_of(int(call.attributes.get("axis", -1)), len(x.shape))
    if k is None:
        return run.unknown(call)
    made = (*x.shape[:axis], k[0], *x.shape[axis + 1 :])
    types = (TensorType(made, x.dtype), TensorType(made, "int64"))
    return run.outputs(run.add(call.name, Declared("TopK", types), run.tensor(x)), len(call.outputs))


def one_hot(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """OneHot of a depth that is known."""
    indices, depth = call.given(0), call.ints("depth", 1)
    if depth is None:
        return run.unknown(call)
    rank = len(indices.shape) + 1
    axis = axis_of(int(call.attributes.get("axis", -1)), rank)
    made = TensorType((*indices.shape[:axis], depth[0], *indices.shape[axis:]), call.given(2).dtype)
    return [run.add(call.name, Declared("OneHot", (made,)), run.tensor(indices))]


def made_anew(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """ConstantOfShape, Range and random tensors of a size that is known: made when the model runs, and read by it."""
    sizes = call.attributes.get("shape") or (call.ints("", 0) if call.op == "ConstantOfShape" else None)
    like = call.inputs[0] if call.op.endswith("Like") and call.inputs else None
    if like is not None and like.type is not None:
        sizes = like.shape
    if sizes is None:
        return run.unknown(call)
    value = call.attributes.get("value")
    dtype = value.dtype if isinstance(value, OnnxValue) else "float32"
    made = TensorType(tuple(int(size) for size in sizes), dtype)
    return [run.add(call.name, Declared(call.op, (made,)))]


LOOKUPS: dict[str, OnnxHandler] = {
    **dict.fromkeys(
        (
            "CumSum", "EyeLike", "GatherElements", "GatherND", "Hardmax", "ReverseSequence", "Scatter",
            "ScatterElements", "ScatterND", "Tile", "Trilu",
        ),
        laid_out,
    ),
    **dict.fromkeys(
        ("ConstantOfShape", "RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike"), made_anew
    ),
    "Gather": gather,
    "OneHot": one_hot,
    "TopK": top_k,
}  # fmt: skip
"""By the operator's name."""
