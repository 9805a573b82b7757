"""Caffe's layers with learned tensors, other than convolutions and norms."""

from math import prod

from inception_lens.errors import FormatError
from inception_lens.ops import Declared, Elementwise, Embedding, Flatten, Linear, Reshape, Shape, Stored, TensorType
from inception_lens.readers.caffe.graph_builder import CaffeGraphBuilder, CaffeHandler
from inception_lens.readers.caffe.layers import CaffeLayer


def inner_product(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """A linear layer over the axes from `axis` to the last as one vector."""
    found, x = layer.parameters("inner_product_param"), builder.bottom(layer)
    axis = builder.axis(x, found.integer("axis", 1, -8))
    if axis < len(builder.shape(x)) - 1:
        x = builder.add(layer, Flatten(axis), x, suffix="flatten")
    return (builder.add(layer, Linear(found.integer("num_output", None, 1), found.flag("bias_term", True)), x),)


def scale(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """Scale and Bias: a product or a sum with a learned tensor, or with a second bottom, along some axes."""
    is_scale = layer.type == "Scale"
    found, x = layer.parameters("scale_param" if is_scale else "bias_param"), builder.bottom(layer)
    rank = len(builder.shape(x))
    axis = builder.axis(x, found.integer("axis", 1, -8), extra=1)
    function = Elementwise("mul" if is_scale else "add")
    if len(layer.bottoms) > 1:
        other = builder.bottom(layer, 1)
        given = builder.shape(other)
        aligned = (*given, *[1] * (rank - axis - len(given)))
        if aligned != given:
            other = builder.add(layer, Reshape(aligned), other, suffix="reshape")
        return (builder.add(layer, function, x, other),)
    axes = found.integer("num_axes", 1, -1)
    end = rank if axes == -1 else axis + axes
    if end > rank:
        raise FormatError(f"`num_axes` is {axes} from axis {axis} of a blob of {rank} axes")
    learned = Stored((*builder.shape(x)[axis:end], *[1] * (rank - end)))
    bias = is_scale and found.flag("bias_term", False)
    weight = builder.add(layer, learned, suffix="weight")
    product = builder.add(layer, function, x, weight, suffix="product" if bias else "")
    if not bias:
        return (product,)
    return (builder.add(layer, Elementwise("add"), product, builder.add(layer, learned, suffix="bias")),)


def embed(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """An embedding, and a bias."""
    found, x = layer.parameters("embed_param"), builder.bottom(layer)
    width, bias = found.integer("num_output", None, 1), found.flag("bias_term", True)
    x = builder.add(layer, Embedding(found.integer("input_dim", None, 1), width), x, suffix="table" if bias else "")
    if not bias:
        return (x,)
    return (builder.add(layer, Elementwise("add"), x, builder.add(layer, Stored((width,)), suffix="bias")),)


def recurrent(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """LSTM and RNN over (T, N, ...); Caffe has one bias where PyTorch has two, and an RNN has an output layer."""
    found, x = layer.parameters("recurrent_param"), builder.bottom(layer)
    hidden, shape = found.integer("num_output", None, 1), builder.shape(x)
    if len(shape) < 3:
        raise FormatError(f"reads a blob of {len(shape)} axes; expected time, samples and features")
    steps, features = prod(shape[:2]), prod(shape[2:])
    rows = 4 * hidden if layer.type == "LSTM" else hidden
    tensors: list[Shape] = [(rows, features), (rows,), (rows, hidden)]
    flops = rows + rows + 18 * hidden
    if layer.type == "RNN":
        tensors += [(hidden, hidden), (hidden,)]
        flops = 2 * rows + hidden + 2 * hidden
    macs = sum(prod(tensor) for tensor in tensors if len(tensor) == 2)
    if layer.type == "LSTM" and len(layer.bottoms) == 3:  # an input that is the same at every step
        static = prod(builder.shape(builder.bottom(layer, 2))[1:])
        tensors.append((rows, static))
        macs += rows * static
    weights = [builder.add(layer, Stored(tensor), suffix=f"weight_{i}") for i, tensor in enumerate(tensors)]
    op = Declared(layer.type, (TensorType((*shape[:2], hidden)),), steps * macs, steps * flops)
    return (builder.add(layer, op, *builder.bottoms(layer), *weights),)


def parameter(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """A learned tensor as a blob."""
    shape = tuple(layer.parameters("parameter_param").message("shape").integers("dim", 1))
    return (builder.add(layer, Stored(shape)),)


LEARNED: dict[str, CaffeHandler] = {
    **dict.fromkeys(("Bias", "Scale"), scale),
    **dict.fromkeys(("LSTM", "RNN"), recurrent),
    "Embed": embed,
    "InnerProduct": inner_product,
    "Parameter": parameter,
}
