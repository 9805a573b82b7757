"""Caffe's activations, dropout and softmax."""

from inception_lens import ops
from inception_lens.errors import FormatError
from inception_lens.ops import Op
from inception_lens.readers.caffe.graph_builder import CaffeGraphBuilder, CaffeHandler
from inception_lens.readers.caffe.layers import CaffeLayer


def activation(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """A function of each element, in place where the top is the bottom."""
    x, inplace = builder.bottom(layer), layer.tops == layer.bottoms
    match layer.type:
        case "ReLU":
            slope = layer.parameters("relu_param").number("negative_slope", 0.0)
            op: Op = ops.LeakyReLU(inplace=inplace, negative_slope=slope) if slope else ops.ReLU(inplace=inplace)
        case "ReLU6":
            op = ops.Hardtanh(inplace, 0.0, 6.0)
        case "ELU":
            op = ops.ELU(inplace=inplace, alpha=layer.parameters("elu_param").number("alpha", 1.0))
        case "PReLU":
            shared = layer.parameters("prelu_param").flag("channel_shared", False)
            shape = builder.shape(x)
            op = ops.PReLU(inplace, 1 if shared or len(shape) < 2 else shape[1])
        case "Swish":
            op = ops.SiLU()
        case "Clip":
            found = layer.parameters("clip_param")
            op = ops.Hardtanh(inplace, found.number("min", 0.0), found.number("max", 0.0))
        case "AbsVal":
            op = ops.Elementwise("abs", inplace=inplace)
        case "Threshold":
            op = ops.Elementwise("gt")
        case "BNLL":
            op = ops.Softplus()
        case _:
            op = ops.Sigmoid(inplace=inplace) if layer.type == "Sigmoid" else ops.Tanh(inplace=inplace)
    return (builder.add(layer, op, x),)


def dropout(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """Dropout."""
    ratio = layer.parameters("dropout_param").number("dropout_ratio", 0.5)
    if not 0 <= ratio < 1:
        raise FormatError(f"`dropout_ratio` is {ratio:g}; expected a number from 0 to below 1")
    return (builder.add(layer, ops.Dropout(ratio), builder.bottom(layer)),)


def softmax(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """Softmax along one axis."""
    x = builder.bottom(layer)
    axis = builder.axis(x, layer.parameters("softmax_param").integer("axis", 1, -8))
    return (builder.add(layer, ops.Softmax(-1 if axis == len(builder.shape(x)) - 1 else axis), x),)


ACTIVATIONS: dict[str, CaffeHandler] = {
    **dict.fromkeys(
        ("AbsVal", "BNLL", "Clip", "ELU", "PReLU", "ReLU", "ReLU6", "Sigmoid", "Swish", "TanH", "Threshold"), activation
    ),
    "Dropout": dropout,
    "Softmax": softmax,
}
