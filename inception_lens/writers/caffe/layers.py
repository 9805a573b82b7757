"""What each operation is called in Caffe's prototxt, and with which fields."""

from collections.abc import Callable
from typing import Any

from inception_lens.errors import ShapeError
from inception_lens.graph import Graph, Node
from inception_lens.ops import Shape, format_shape
from inception_lens.ops import window as sliding

Fields = list[tuple[str, Any]]
"""Names and values of a message: texts, numbers, truth values, and Fields of a message inside."""

ACTIVATIONS = {"ReLU": "ReLU", "Sigmoid": "Sigmoid", "Tanh": "TanH", "SiLU": "Swish", "Softplus": "BNLL"}


class Word(str):
    """A word that is written without quotes."""

    __slots__ = ()


def _sizes(name: str, short: str, sizes: tuple[int, ...], default: int | None = None) -> Fields:
    if set(sizes) == {default}:
        return []
    if len(set(sizes)) == 1:
        return [(name, sizes[0])]
    if len(sizes) == 2:
        return [(f"{short}_h", sizes[0]), (f"{short}_w", sizes[1])]
    return [(name, size) for size in sizes]


def _padding(op: Any, shape: Shape) -> tuple[int, ...]:
    """The padding of each axis, which is the same on both sides in Caffe.

    Raises:
        ShapeError: it is not.
    """
    dilation = getattr(op, "dilation", ()) or (1,) * len(op.kernel_size)
    pads = sliding.explicit_padding(shape[2:], op.kernel_size, op.stride, op.padding, dilation)
    if any(before != after for before, after in pads):
        sides = ", ".join(f"{before} and {after}" for before, after in pads)
        raise ShapeError(f"pads both sides of an axis alike, and here they differ: {sides}")
    return tuple(before for before, _ in pads)


def _convolution(op: Any, graph: Graph, node: Node) -> tuple[str, Fields]:
    (shape, *_) = graph.input_shapes(node)
    transposed = "Transpose" in op.kind
    if any(getattr(op, "output_padding", ())):
        raise ShapeError("has no output padding")
    fields: Fields = [
        ("num_output", op.out_channels),
        *([] if op.bias else [("bias_term", False)]),
        *_sizes("pad", "pad", _padding(op, shape), 0),
        *_sizes("kernel_size", "kernel", op.kernel_size),
        *([("group", op.groups)] if op.groups != 1 else []),
        *_sizes("stride", "stride", op.stride, 1),
        *[("dilation", size) for size in (op.dilation if set(op.dilation) != {1} else ())],
    ]
    return "Deconvolution" if transposed else "Convolution", [("convolution_param", fields)]


def _pool(op: Any, graph: Graph, node: Node) -> tuple[str, Fields]:
    (shape, *_), wanted = graph.input_shapes(node), graph.types[node.name][0].shape[2:]
    pad = _padding(op, shape)
    if any(pad) and not getattr(op, "count_include_pad", True):
        raise ShapeError("counts the zeros of its padding in a mean, and here they do not count")
    if set(getattr(op, "dilation", ())) - {1}:
        raise ShapeError("has no dilation in a pool")
    modes = ("FLOOR", "CEIL") if op.rounding == "floor" and op.padding != "same" else ("CEIL", "FLOOR")
    made = {mode: _pooled(op, shape, pad, mode) for mode in modes}
    mode = next((mode for mode in modes if made[mode] == wanted), None)
    if mode is None:
        raise ShapeError(
            f"makes {' or '.join(format_shape(size) or 'nothing' for size in made.values())} "
            f"of it, not {format_shape(wanted)}"
        )
    fields: Fields = [
        ("pool", Word("MAX" if "Max" in op.kind else "AVE")),
        *_sizes("pad", "pad", pad, 0),
        *_sizes("kernel_size", "kernel", op.kernel_size),
        *_sizes("stride", "stride", op.stride, 1),
        *([("round_mode", Word("FLOOR"))] if mode == "FLOOR" else []),
    ]
    return "Pooling", [("pooling_param", fields)]


def _pooled(op: Any, shape: Shape, pad: tuple[int, ...], mode: str) -> Shape:
    """The map that Caffe's pool makes; empty where it makes none."""
    # It clips the last window where there is padding, and where there is none it does not look.
    rounding: sliding.Rounding = "floor" if mode == "FLOOR" else "ceil" if any(pad) else "ceil_unclipped"
    try:
        return sliding.output_size(shape[2:], op.kernel_size, op.stride, pad, (1, 1), rounding)
    except ShapeError:
        return ()


def _adaptive_pool(op: Any, graph: Graph, node: Node) -> tuple[str, Fields]:
    (shape, *_) = graph.input_shapes(node)
    method: Fields = [("pool", Word("MAX" if "Max" in op.kind else "AVE"))]
    if op.output_size == (1, 1):
        return "Pooling", [("pooling_param", [*method, ("global_pooling", True)])]
    if any(n % m for n, m in zip(shape[2:], op.output_size, strict=True)):
        raise ShapeError(
            f"has windows of one size, which do not part {format_shape(shape[2:])} into {format_shape(op.output_size)}"
        )
    kernel = tuple(n // m for n, m in zip(shape[2:], op.output_size, strict=True))
    sizes = [*_sizes("kernel_size", "kernel", kernel), *_sizes("stride", "stride", kernel, 1)]
    return "Pooling", [("pooling_param", [*method, *sizes])]


def _linear(op: Any, graph: Graph, node: Node) -> tuple[str, Fields]:
    rank = len(graph.input_shapes(node)[0])
    axis: Fields = [("axis", rank - 1)] if rank != 2 else []
    bias: Fields = [] if op.bias else [("bias_term", False)]
    return "InnerProduct", [("inner_product_param", [("num_output", op.out_features), *bias, *axis])]


def _batch_norm(op: Any, graph: Graph, node: Node) -> tuple[str, Fields]:
    if not op.track or op.momentum is None:
        raise ShapeError("keeps running statistics with a momentum")
    fraction = round(1 - op.momentum, 9)
    return "BatchNorm", [("batch_norm_param", [("moving_average_fraction", fraction), ("eps", op.eps)])]


def _lrn(op: Any, graph: Graph, node: Node) -> tuple[str, Fields]:
    if op.size % 2 == 0:
        raise ShapeError("normalises over an odd number of channels")
    fields: Fields = [("local_size", op.size), ("alpha", op.alpha), ("beta", op.beta), ("k", op.k)]
    return "LRN", [("lrn_param", fields)]


def _activation(op: Any, graph: Graph, node: Node) -> tuple[str, Fields]:
    match op.kind:
        case "LeakyReLU":
            return "ReLU", [("relu_param", [("negative_slope", op.negative_slope)])]
        case "ELU":
            return "ELU", [("elu_param", [("alpha", op.alpha)])]
        case "Hardtanh":
            return "Clip", [("clip_param", [("min", op.min_val), ("max", op.max_val)])]
        case "PReLU":
            return "PReLU", [("prelu_param", [("channel_shared", True)])] if op.slopes == 1 else []
    return ACTIVATIONS[op.kind], []


def _axis(graph: Graph, node: Node, axis: int, message: str) -> Fields:
    axis %= len(graph.types[node.inputs[0]][0].shape)
    return [] if axis == 1 else [(message, [("axis", axis)])]


def _softmax(op: Any, graph: Graph, node: Node) -> tuple[str, Fields]:
    return "Softmax", _axis(graph, node, op.dim, "softmax_param")


def _concat(op: Any, graph: Graph, node: Node) -> tuple[str, Fields]:
    return "Concat", _axis(graph, node, op.dim, "concat_param")


def _add(op: Any, graph: Graph, node: Node) -> tuple[str, Fields]:
    scale = op.scale
    factors: Fields = [("coeff", 1)] * (len(node.inputs) - 1) + [("coeff", scale)] if scale != 1 else []
    return "Eltwise", [("eltwise_param", [("operation", Word("SUM")), *factors])]


def _elementwise(op: Any, graph: Graph, node: Node) -> tuple[str, Fields]:
    function, shapes = op.function, graph.input_shapes(node)
    if function == "abs":
        return "AbsVal", []
    if len(shapes) == 2 and len(set(shapes)) == 1:
        operation = {"mul": "PROD", "maximum": "MAX", "sub": "SUM"}.get(function)
        factors: Fields = [("coeff", 1), ("coeff", -1)] if function == "sub" else []
        if operation:
            return "Eltwise", [("eltwise_param", [("operation", Word(operation)), *factors])]
    raise ShapeError(f"has no layer for `{function}` of {' and '.join(map(format_shape, shapes))}")


def _dropout(op: Any, graph: Graph, node: Node) -> tuple[str, Fields]:
    return "Dropout", [("dropout_param", [("dropout_ratio", op.p)])]


def _flatten(op: Any, graph: Graph, node: Node) -> tuple[str, Fields]:
    ends = (("axis", op.start_dim, 1), ("end_axis", op.end_dim, -1))
    fields: Fields = [(name, given) for name, given, default in ends if given != default]
    return "Flatten", [("flatten_param", fields)] if fields else []


def _reshape(op: Any, graph: Graph, node: Node) -> tuple[str, Fields]:
    dims: Fields = [("dim", size) for size in op.shape]
    return "Reshape", [("reshape_param", [("shape", dims)])]


def _embedding(op: Any, graph: Graph, node: Node) -> tuple[str, Fields]:
    sizes: Fields = [("num_output", op.embedding_dim), ("input_dim", op.num_embeddings)]
    return "Embed", [("embed_param", [*sizes, ("bias_term", False)])]


def _reduce(op: Any, graph: Graph, node: Node) -> tuple[str, Fields]:
    rank, operation = len(graph.input_shapes(node)[0]), {"sum": "SUM", "mean": "MEAN"}.get(op.function)
    axes = sorted(axis % rank for axis in op.dims) or list(range(rank))
    if operation is None or op.keepdim or op.dtype or axes != list(range(axes[0], rank)):
        raise ShapeError(f"has no layer for `{op.function}` of axes {', '.join(map(str, axes))} alone")
    return "Reduction", [("reduction_param", [("operation", Word(operation)), ("axis", axes[0])])]


def _stored(op: Any, graph: Graph, node: Node) -> tuple[str, Fields]:
    if op.tensor_kind != "parameter":
        raise ShapeError(f"has no layer for a {op.tensor_kind}")
    dims: Fields = [("dim", size) for size in op.shape]
    return "Parameter", [("parameter_param", [("shape", dims)])]


WRITERS: dict[str, Callable[[Any, Graph, Node], tuple[str, Fields]]] = {
    **dict.fromkeys(("Conv1d", "Conv2d", "Conv3d", "ConvTranspose2d", "ConvTranspose3d"), _convolution),
    **dict.fromkeys(("MaxPool2d", "AvgPool2d"), _pool),
    **dict.fromkeys(("AdaptiveAvgPool2d", "AdaptiveMaxPool2d"), _adaptive_pool),
    **dict.fromkeys(("BatchNorm1d", "BatchNorm2d", "BatchNorm3d"), _batch_norm),
    **dict.fromkeys((*ACTIVATIONS, "LeakyReLU", "ELU", "Hardtanh", "PReLU"), _activation),
    "Add": _add,
    "Concat": _concat,
    "Dropout": _dropout,
    "Elementwise": _elementwise,
    "Embedding": _embedding,
    "Flatten": _flatten,
    "Linear": _linear,
    "LocalResponseNorm": _lrn,
    "Reduce": _reduce,
    "Reshape": _reshape,
    "Softmax": _softmax,
    "Stored": _stored,
}
"""By the operation's class; what is not here, Caffe has no layer for."""
