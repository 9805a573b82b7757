"""Caffe's layers that hold weights, slide a window or normalise: what each is called here."""

from collections.abc import Callable
from math import prod

from inception_lens.errors import FormatError
from inception_lens.ops import (
    AdaptiveAvgPool2d,
    AdaptiveMaxPool2d,
    AvgPool2d,
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    Declared,
    Elementwise,
    Embedding,
    Flatten,
    InstanceNorm,
    LayerNorm,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    Op,
    Reduce,
    Reshape,
    Rounding,
    Shape,
    Stored,
    TensorType,
)
from inception_lens.readers.caffe.layers import CaffeLayer
from inception_lens.readers.caffe.net import CaffeGraphBuilder, axis_of
from inception_lens.readers.caffe.text_format import TextMessage

CaffeHandler = Callable[[CaffeGraphBuilder, CaffeLayer], tuple[str, ...]]
"""Writes a layer's nodes and returns those that its tops mean."""

LARGEST_WINDOW = 2**20


def _sizes(
    message: TextMessage, name: str, axes: int, default: int | None, short: str, least: int = 0
) -> tuple[int, ...]:
    """One number per axis: `kernel_size` once or once per axis, or `kernel_h` and `kernel_w`."""
    if axes == 2 and f"{short}_h" in message:
        return tuple(message.integer(f"{short}_{side}", default, least, LARGEST_WINDOW) for side in "hw")
    given = message.integers(name, least, LARGEST_WINDOW)
    if len(given) == axes:
        return tuple(given)
    if len(given) > 1:
        raise FormatError(f"{message.name}: {len(given)} of `{name}` for {axes} axes", line=message.line)
    return (message.integer(name, default, least, LARGEST_WINDOW),) * axes


def convolution(net: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """Convolution and Deconvolution; several bottoms are convolved by the same weights."""
    transposed = layer.type == "Deconvolution"
    found = layer.parameters("convolution_param")
    nodes: list[str] = []
    for i in range(len(layer.bottoms)):
        x = net.bottom(layer, i)
        axes = len(net.shape(x)) - 2
        if not 1 <= axes <= 3 or found.integer("axis", 1, -8) not in (1, -1 - axes):
            raise FormatError(f"{found.name}: a convolution over {axes} axes of a blob, not 1 to 3 behind the channels")
        kinds = (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d) if transposed else (Conv1d, Conv2d, Conv3d)
        op = kinds[axes - 1](
            out_channels=found.integer("num_output", None, 1),
            kernel_size=_sizes(found, "kernel_size", axes, None, "kernel", 1),
            stride=_sizes(found, "stride", axes, 1, "stride", 1),
            padding=_sizes(found, "pad", axes, 0, "pad"),
            dilation=_sizes(found, "dilation", axes, 1, "dilation", 1),
            groups=_channels(net, x, layer) if layer.type == "DepthwiseConvolution" else found.integer("group", 1, 1),
            bias=found.flag("bias_term", True),
        )
        nodes.append(net.add(layer, op, x, suffix=str(i) if i else "", owner=layer))
    if len(nodes) > 1 and not any(layer.shared_names()):
        raise FormatError(f"{found.name}: several bottoms need names for the weights that they share, `param`")
    return tuple(nodes)


def _channels(net: CaffeGraphBuilder, x: str, layer: CaffeLayer) -> int:
    shape = net.shape(x)
    if len(shape) < 2:
        raise FormatError(f"`{layer.name}` ({layer.type}) needs a blob with channels")
    return shape[1]


def pooling(net: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """Max and average pools; the last window counts where it is not full, and Caffe clips it where there is padding."""
    found, x = layer.parameters("pooling_param"), net.bottom(layer)
    method = found.choice("pool", ("MAX", "AVE", "STOCHASTIC"))
    shape = net.shape(x)
    if found.flag("global_pooling", False):
        op: Op = AdaptiveAvgPool2d() if method == "AVE" else AdaptiveMaxPool2d()
        return (net.add(layer, op, x),)
    kernel = _sizes(found, "kernel_size", 2, None, "kernel", 1)
    stride, pad = _sizes(found, "stride", 2, 1, "stride", 1), _sizes(found, "pad", 2, 0, "pad")
    if any(p >= k for p, k in zip(pad, kernel, strict=True)):
        raise FormatError(f"{found.name}: padding of {pad} for a kernel of {kernel}, which must be larger")
    rounding: Rounding = "floor"
    if found.choice("round_mode", ("CEIL", "FLOOR")) == "CEIL" and found.flag("ceil_mode", True):
        # Without padding Caffe does not look whether the last window starts inside the map.
        leaps = not any(pad) and any(k < s for k, s in zip(kernel, stride, strict=True))
        rounding = "ceil_unclipped" if leaps else "ceil"
    if method == "AVE":
        return (net.add(layer, AvgPool2d(kernel, stride, pad, rounding), x),)
    op = MaxPool2d(kernel, stride, pad, rounding, indices=len(layer.tops) == 2)
    if method == "STOCHASTIC":
        return net.unknown(layer._replace(type="StochasticPooling"), [op.output_shape(shape)])
    name = net.add(layer, op, x)
    return (name, f"{name}:1") if len(layer.tops) == 2 else (name,)


def inner_product(net: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """A linear layer; the axes from `axis` are one vector."""
    found, x = layer.parameters("inner_product_param"), net.bottom(layer)
    rank = len(net.shape(x))
    axis = axis_of(layer, found.integer("axis", 1, -8), rank)
    if axis < rank - 1:
        x = net.add(layer, Flatten(axis), x, suffix="flatten")
    return (net.add(layer, Linear(found.integer("num_output", None, 1), found.flag("bias_term", True)), x),)


def local_response_norm(net: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """Across channels one node; within a channel the square, mean and power that Caffe's own layer is made of."""
    found, x = layer.parameters("lrn_param"), net.bottom(layer)
    size = found.integer("local_size", 5, 1, LARGEST_WINDOW)
    alpha, beta, k = found.number("alpha", 1.0), found.number("beta", 0.75), found.number("k", 1.0)
    if size % 2 == 0:
        raise FormatError(f"{found.name}: `local_size` is {size}: it is odd", line=found.line)
    if found.choice("norm_region", ("ACROSS_CHANNELS", "WITHIN_CHANNEL")) == "ACROSS_CHANNELS":
        return (net.add(layer, LocalResponseNorm(size, alpha, beta, k), x),)
    pool = AvgPool2d((size, size), (1, 1), (size // 2, size // 2), "ceil")
    steps = ("square", Elementwise("square")), ("mean", pool), ("scale", Elementwise("mul"))
    factor = x
    for suffix, op in (*steps, ("shift", Elementwise("add")), ("power", Elementwise("pow"))):
        factor = net.add(layer, op, factor, suffix=suffix)
    return (net.add(layer, Elementwise("mul"), x, factor),)


def batch_norm(net: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """Batch norm, with the scale and shift of the Scale layer behind it, which Caffe keeps apart."""
    found, x = layer.parameters("batch_norm_param"), net.bottom(layer)
    own = layer.type == "BN" or found.flag("scale_bias", False)
    after = net.affine.get(layer)
    rank = len(net.shape(x))
    if not 2 <= rank <= 5:
        raise FormatError(f"{found.name}: a blob with {rank} axes: 2 to 5")
    op = (BatchNorm1d, BatchNorm1d, BatchNorm2d, BatchNorm3d)[rank - 2](
        eps=found.number("eps", 1e-5),
        momentum=round(1 - found.number("moving_average_fraction", 0.999), 9),
        scale=own or (after is not None and after.type == "Scale"),
        shift=own or (after is not None and (after.type == "Bias" or has_bias(after))),
    )
    return (net.add(layer, op, x, owner=after or layer._replace(fields=TextMessage())),)


def has_bias(scale: CaffeLayer) -> bool:
    """Whether a Scale layer adds a bias."""
    return scale.parameters("scale_param").flag("bias_term", False)


def scale(net: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """A product or a sum with a learned tensor, or with a second bottom, along some axes."""
    is_scale = layer.type == "Scale"
    found, x = layer.parameters("scale_param" if is_scale else "bias_param"), net.bottom(layer)
    shape = net.shape(x)
    function = "mul" if is_scale else "add"
    if len(layer.bottoms) > 1:
        other = net.bottom(layer, 1)
        given = net.shape(other)
        axis = axis_of(layer, found.integer("axis", 1, -8), len(shape), most=1)
        spread = (*given, *[1] * (len(shape) - axis - len(given)))
        if spread != given:
            other = net.add(layer, Reshape(spread), other, suffix="reshape")
        return (net.add(layer, Elementwise(function), x, other),)
    axis = axis_of(layer, found.integer("axis", 1, -8), len(shape), most=1)
    axes = found.integer("num_axes", 1, -1)
    end = len(shape) if axes == -1 else axis + axes
    if end > len(shape):
        raise FormatError(f"{found.name}: {axes} axes from axis {axis} of a blob with {len(shape)}")
    learned = (*shape[axis:end], *[1] * (len(shape) - end))
    bias = is_scale and found.flag("bias_term", False)
    weight = net.add(layer, Stored(learned), suffix="weight")
    product = net.add(layer, Elementwise(function), x, weight, suffix="product" if bias else "")
    if not bias:
        return (product,)
    return (net.add(layer, Elementwise("add"), product, net.add(layer, Stored(learned), suffix="bias")),)


def mean_variance_norm(net: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """MVN: mean and variance of each channel, or of each sample, of this very input."""
    found, x = layer.parameters("mvn_param"), net.bottom(layer)
    across, eps, shape = found.flag("across_channels", False), found.number("eps", 1e-9), net.shape(x)
    if found.flag("normalize_variance", True):
        return (net.add(layer, LayerNorm(shape[1:], eps, False, False) if across else InstanceNorm(eps), x),)
    mean = net.add(layer, Reduce("mean", tuple(range(1 if across else 2, len(shape))), True), x, suffix="mean")
    return (net.add(layer, Elementwise("sub"), x, mean),)


def normalize(net: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """SSD's Normalize: division by the Euclidean norm of each position or sample, and a learned scale."""
    found, x = layer.parameters("norm_param"), net.bottom(layer)
    shape = net.shape(x)
    dims = tuple(range(1, len(shape))) if found.flag("across_spatial", True) else (1,)
    norm = net.add(layer, Reduce("norm", dims, True), x, suffix="norm")
    unit = net.add(layer, Elementwise("div"), x, norm, suffix="unit")
    channels = 1 if found.flag("channel_shared", True) else shape[1]
    learned = net.add(layer, Stored((channels, *[1] * (len(shape) - 2))), suffix="weight")
    return (net.add(layer, Elementwise("mul"), unit, learned),)


def embed(net: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """A table that is looked up, and a bias."""
    found, x = layer.parameters("embed_param"), net.bottom(layer)
    width, bias = found.integer("num_output", None, 1), found.flag("bias_term", True)
    table = Embedding(found.integer("input_dim", None, 1), width)
    x = net.add(layer, table, x, suffix="table" if bias else "")
    return (net.add(layer, Elementwise("add"), x, net.add(layer, Stored((width,)), suffix="bias")),) if bias else (x,)


def recurrent(net: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """LSTM and RNN over (T, N, ...); Caffe's have one bias where PyTorch's have two, and an RNN a layer of outputs."""
    found, x = layer.parameters("recurrent_param"), net.bottom(layer)
    hidden, shape = found.integer("num_output", None, 1), net.shape(x)
    if len(shape) < 3:
        raise FormatError(f"{found.name}: a blob with {len(shape)} axes: time, samples and features")
    steps, features = prod(shape[:2]), prod(shape[2:])
    rows = 4 * hidden if layer.type == "LSTM" else hidden
    tensors: list[Shape] = [(rows, features), (rows,), (rows, hidden)]
    flops = rows + rows + 18 * hidden
    if layer.type == "RNN":
        tensors += [(hidden, hidden), (hidden,)]
        flops = 2 * rows + hidden + 2 * hidden
    macs = sum(prod(tensor) for tensor in tensors if len(tensor) == 2)
    if layer.type == "LSTM" and len(layer.bottoms) == 3:  # a static input
        still = prod(net.shape(net.bottom(layer, 2))[1:])
        tensors.append((rows, still))
        macs += rows * still
    weights = [net.add(layer, Stored(tensor), suffix=f"weight_{i}") for i, tensor in enumerate(tensors)]
    output = TensorType((*shape[:2], hidden))
    inputs = [net.bottom(layer, i) for i in range(len(layer.bottoms))]
    return (net.add(layer, Declared(layer.type, (output,), steps * macs, steps * flops), *inputs, *weights),)


def parameter(net: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """A learned tensor by itself."""
    shape = tuple(layer.parameters("parameter_param").message("shape").integers("dim", 1))
    return (net.add(layer, Stored(shape)),)


def roi_pooling(net: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """Pools of regions: how many elements each region has is known only when it runs, the output's shape before."""
    found = layer.parameters("roi_pooling_param")
    maps, regions = net.shape(net.bottom(layer)), net.shape(net.bottom(layer, 1))
    size = tuple(found.integer(f"pooled_{side}", None, 1) for side in "hw")
    return net.unknown(layer, [(regions[0], maps[1], *size)] if len(maps) == 4 and regions else [])


WEIGHTED: dict[str, CaffeHandler] = {
    "BN": batch_norm,
    "BatchNorm": batch_norm,
    "Bias": scale,
    "Convolution": convolution,
    "ConvolutionDepthwise": convolution,
    "Deconvolution": convolution,
    "DepthwiseConvolution": convolution,
    "Embed": embed,
    "InnerProduct": inner_product,
    "LRN": local_response_norm,
    "LSTM": recurrent,
    "MVN": mean_variance_norm,
    "Normalize": normalize,
    "Parameter": parameter,
    "Pooling": pooling,
    "RNN": recurrent,
    "ROIPooling": roi_pooling,
    "Scale": scale,
}
"""By Caffe's name of the layer's type."""
