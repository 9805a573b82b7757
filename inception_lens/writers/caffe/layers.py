"""The Caffe layer of each operation."""

from __future__ import annotations

from inception_lens import ops
from inception_lens.errors import FormatError
from inception_lens.ops import Op, format_shape
from inception_lens.writers.caffe.text_format import EnumName, Fields, shape_field
from inception_lens.writers.caffe.windows import WINDOW_WRITERS, CaffeWriter, CallShapes, LayerText

ACTIVATIONS: dict[type[Op], str] = {
    ops.ReLU: "ReLU",
    ops.Sigmoid: "Sigmoid",
    ops.Tanh: "TanH",
    ops.SiLU: "Swish",
    ops.Softplus: "BNLL",
}
"""Activations without parameters."""


def _layer(type_: str, message: str, fields: Fields) -> LayerText:
    return LayerText(type_, [(message, fields)] if fields else ())


def _linear(op: ops.Linear, shapes: CallShapes) -> LayerText:
    rank = len(shapes.inputs[0])
    axis: Fields = [("axis", rank - 1)] if rank != 2 else []
    bias: Fields = [] if op.bias else [("bias_term", False)]
    return _layer("InnerProduct", "inner_product_param", [("num_output", op.out_features), *bias, *axis])


def _embedding(op: ops.Embedding, shapes: CallShapes) -> LayerText:
    sizes: Fields = [("num_output", op.embedding_dim), ("input_dim", op.num_embeddings)]
    return _layer("Embed", "embed_param", [*sizes, ("bias_term", False)])


def _batch_norm(op: ops.BatchNorm2d, shapes: CallShapes) -> LayerText:
    if not op.track or op.momentum is None:
        raise FormatError("BatchNorm needs running statistics with a momentum")
    fraction = round(1 - op.momentum, 9)
    return _layer("BatchNorm", "batch_norm_param", [("moving_average_fraction", fraction), ("eps", op.eps)])


def _local_response_norm(op: ops.LocalResponseNorm, shapes: CallShapes) -> LayerText:
    if op.size % 2 == 0:
        raise FormatError(f"LRN needs an odd number of channels, not {op.size}")
    return _layer("LRN", "lrn_param", [("local_size", op.size), ("alpha", op.alpha), ("beta", op.beta), ("k", op.k)])


def _activation(op: Op, shapes: CallShapes) -> LayerText:
    return LayerText(ACTIVATIONS[type(op)])


def _leaky_relu(op: ops.LeakyReLU, shapes: CallShapes) -> LayerText:
    return _layer("ReLU", "relu_param", [("negative_slope", op.negative_slope)])


def _elu(op: ops.ELU, shapes: CallShapes) -> LayerText:
    return _layer("ELU", "elu_param", [("alpha", op.alpha)])


def _hardtanh(op: ops.Hardtanh, shapes: CallShapes) -> LayerText:
    return _layer("Clip", "clip_param", [("min", op.min_val), ("max", op.max_val)])


def _prelu(op: ops.PReLU, shapes: CallShapes) -> LayerText:
    return _layer("PReLU", "prelu_param", [("channel_shared", True)] if op.slopes == 1 else [])


def _dropout(op: ops.Dropout, shapes: CallShapes) -> LayerText:
    return _layer("Dropout", "dropout_param", [("dropout_ratio", op.p)])


def _axis(axis: int, shapes: CallShapes) -> Fields:
    axis %= len(shapes.inputs[0])
    return [] if axis == 1 else [("axis", axis)]


def _softmax(op: ops.Softmax, shapes: CallShapes) -> LayerText:
    return _layer("Softmax", "softmax_param", _axis(op.dim, shapes))


def _concat(op: ops.Concat, shapes: CallShapes) -> LayerText:
    return _layer("Concat", "concat_param", _axis(op.dim, shapes))


def _eltwise(operation: str, factors: list[float]) -> LayerText:
    coefficients: Fields = [("coeff", factor) for factor in factors]
    return _layer("Eltwise", "eltwise_param", [("operation", EnumName(operation)), *coefficients])


def _add(op: ops.Add, shapes: CallShapes) -> LayerText:
    return _eltwise("SUM", [] if op.scale == 1 else [*[1] * (len(shapes.inputs) - 1), op.scale])


def _elementwise(op: ops.Elementwise, shapes: CallShapes) -> LayerText:
    if op.function == "abs":
        return LayerText("AbsVal")
    operation = {"mul": "PROD", "maximum": "MAX", "sub": "SUM"}.get(op.function)
    if operation and len(shapes.inputs) == 2 and len(set(shapes.inputs)) == 1:
        return _eltwise(operation, [1, -1] if op.function == "sub" else [])
    raise FormatError(f"there is no layer for `{op.function}` of {' and '.join(map(format_shape, shapes.inputs))}")


def _reduce(op: ops.Reduce, shapes: CallShapes) -> LayerText:
    rank, operation = len(shapes.inputs[0]), {"sum": "SUM", "mean": "MEAN"}.get(op.function)
    axes = sorted(axis % rank for axis in op.dims) or list(range(rank))
    if operation is None or op.keepdim or op.dtype or axes != list(range(axes[0], rank)):
        raise FormatError(f"there is no layer for `{op.function}` over axes {', '.join(map(str, axes))}")
    return _layer("Reduction", "reduction_param", [("operation", EnumName(operation)), ("axis", axes[0])])


def _flatten(op: ops.Flatten, shapes: CallShapes) -> LayerText:
    ends = (("axis", op.start_dim, 1), ("end_axis", op.end_dim, -1))
    return _layer("Flatten", "flatten_param", [(name, given) for name, given, default in ends if given != default])


def _reshape(op: ops.Reshape, shapes: CallShapes) -> LayerText:
    return _layer("Reshape", "reshape_param", [shape_field(op.shape)])


def _stored(op: ops.Stored, shapes: CallShapes) -> LayerText:
    if op.tensor_kind != "parameter":
        raise FormatError(f"there is no layer for a {op.tensor_kind}")
    return _layer("Parameter", "parameter_param", [shape_field(op.shape)])


WRITERS: dict[type[Op], CaffeWriter] = {
    **WINDOW_WRITERS,
    **dict.fromkeys((ops.BatchNorm1d, ops.BatchNorm2d, ops.BatchNorm3d), _batch_norm),
    **dict.fromkeys(ACTIVATIONS, _activation),
    ops.Add: _add,
    ops.Concat: _concat,
    ops.Dropout: _dropout,
    ops.ELU: _elu,
    ops.Elementwise: _elementwise,
    ops.Embedding: _embedding,
    ops.Flatten: _flatten,
    ops.Hardtanh: _hardtanh,
    ops.LeakyReLU: _leaky_relu,
    ops.Linear: _linear,
    ops.LocalResponseNorm: _local_response_norm,
    ops.PReLU: _prelu,
    ops.Reduce: _reduce,
    ops.Reshape: _reshape,
    ops.Softmax: _softmax,
    ops.Stored: _stored,
}
"""By the operation's class; Caffe has no layer for the others."""
