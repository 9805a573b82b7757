"""ONNX's operators that select, sort, scatter or generate elements."""

from __future__ import annotations

from math import prod

from inception_lens.ops import Declared, Embedding, Select, Shape, TensorType
from inception_lens.readers.onnx.dtypes import onnx_dtype
from inception_lens.readers.onnx.graph_builder import OnnxGraphBuilder, OnnxHandler
from inception_lens.readers.onnx.values import BYTE_DTYPES, OnnxCall, OnnxValue
from inception_lens.readers.shapes import resolve_axis


def gather(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Gather: an embedding of a matrix of weights, one position of an axis, or positions that are copied."""
    x, indices = call.input(0), call.input(1)
    axis = resolve_axis(call.integer("axis", 0), len(x.shape))
    if x.is_weight and x.dtype in BYTE_DTYPES:
        x = x.as_quantized()
    if x.is_weight and x.is_real and len(x.shape) == 2 and axis == 0 and indices.array is None:
        return embedding(builder, call, x, indices)
    if indices.array is not None and indices.shape == ():
        return [builder.add(call.name, Select(axis, int(indices.array)), builder.node(x))]
    output = TensorType((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]), x.dtype)
    inputs = [x] if indices.array is not None else [x, indices]
    return [builder.add(call.name, Declared("gather", (output,)), *builder.nodes(inputs))]


def embedding(builder: OnnxGraphBuilder, call: OnnxCall, table: OnnxValue, indices: OnnxValue) -> list[OnnxValue]:
    """The rows of a matrix of weights at some indices."""
    rows, width = table.shape
    node = builder.node(indices)
    if builder.owns(table, table.shape):
        return [builder.add(call.name, Embedding(rows, width, table.dtype), node, parameters=(table.weight,))]
    output = TensorType((*indices.shape, width), table.dtype)
    return [builder.add(call.name, Declared("Embedding", (output,)), node, builder.node(table))]


def rearrange(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Operators that move elements, without arithmetic except for the additions of CumSum."""
    x = call.input(0)
    shape = _rearranged_shape(call, x.shape)
    if shape is None:
        return builder.unknown(call)
    flops = prod(x.shape) if call.op == "CumSum" else 0
    inputs = [value for value in call.present_inputs() if value.array is None or value.may_be_learned]
    op = Declared(call.op, (TensorType(shape, _dtype(call, x.dtype)),), declared_flops=flops)
    return [builder.add(call.name, op, *builder.nodes(inputs))]


def _dtype(call: OnnxCall, default: str) -> str:
    """The dtype of the output, which is an attribute of operators that generate elements."""
    return onnx_dtype(call.integer("dtype", 0)) if "dtype" in call.attributes else default


def _rearranged_shape(call: OnnxCall, shape: Shape) -> Shape | None:
    """The shape of the output; None where it is known only at run time."""
    match call.op:
        case "GatherElements":
            return call.input(1).shape
        case "GatherND":
            indices, batch = call.input(1).shape, call.integer("batch_dims", 0)
            return (*indices[:-1], *shape[batch + indices[-1] :])
        case "Tile":
            repeats = call.repeats(len(shape))
            if repeats is None or len(repeats) != len(shape):
                return None
            return tuple(size * times for size, times in zip(shape, repeats, strict=True))
    return shape


def top_k(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """TopK: the largest elements and their positions."""
    x, k = call.input(0), call.known_integers("k", 1)
    axis = resolve_axis(call.integer("axis", -1), len(x.shape))
    if k is None:
        return builder.unknown(call)
    shape = (*x.shape[:axis], k[0], *x.shape[axis + 1 :])
    op = Declared("TopK", (TensorType(shape, x.dtype), TensorType(shape, "int64")))
    return builder.outputs(builder.add(call.name, op, builder.node(x)), len(call.outputs))


def one_hot(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """OneHot of a known depth."""
    indices, depth = call.input(0), call.known_integers("depth", 1)
    if depth is None:
        return builder.unknown(call)
    axis = resolve_axis(call.integer("axis", -1), len(indices.shape) + 1)
    output = TensorType((*indices.shape[:axis], depth[0], *indices.shape[axis:]), call.input(2).dtype)
    return [builder.add(call.name, Declared("OneHot", (output,)), builder.node(indices))]


def generate(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Tensors of one value or of random numbers, of a known size, which are generated at run time."""
    like = call.input(0) if call.op.endswith("Like") else None
    sizes = like.shape if like else call.known_integers("shape", 0)
    if sizes is None:
        return builder.unknown(call)
    value = like or call.attributes.get("value")
    dtype = _dtype(call, value.dtype if isinstance(value, OnnxValue) else "float32")
    return [builder.add(call.name, Declared(call.op, (TensorType(tuple(sizes), dtype),)))]


INDEXING: dict[str, OnnxHandler] = {
    **dict.fromkeys(
        (
            "CumSum", "EyeLike", "GatherElements", "GatherND", "Hardmax", "ReverseSequence", "Scatter",
            "ScatterElements", "ScatterND", "Tile", "Trilu",
        ),
        rearrange,
    ),
    **dict.fromkeys(
        ("ConstantOfShape", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"), generate
    ),
    "Gather": gather,
    "OneHot": one_hot,
    "TopK": top_k,
}  # fmt: skip
