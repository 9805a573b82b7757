"""Caffe's layers that normalize."""

from inception_lens.errors import FormatError
from inception_lens.ops import (
    AvgPool2d,
    Elementwise,
    InstanceNorm,
    LayerNorm,
    LocalResponseNorm,
    Reduce,
    Stored,
)
from inception_lens.readers.caffe.graph_builder import CaffeGraphBuilder, CaffeHandler
from inception_lens.readers.caffe.layers import CaffeLayer
from inception_lens.readers.caffe.message import TextMessage
from inception_lens.readers.shapes import MAX_WINDOW_SIZE, batch_norm_for


def local_response_norm(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """LRN: across channels one node; within channels the layers of which Caffe's lrn_layer.cpp consists."""
    found, x = layer.parameters("lrn_param"), builder.bottom(layer)
    size = found.integer("local_size", 5, 1, MAX_WINDOW_SIZE)
    alpha, beta, k = found.number("alpha", 1.0), found.number("beta", 0.75), found.number("k", 1.0)
    if size % 2 == 0:
        raise FormatError(f"`local_size` is {size}; expected an odd number", line=found.line)
    if found.choice("norm_region", ("ACROSS_CHANNELS", "WITHIN_CHANNEL")) == "ACROSS_CHANNELS":
        return (builder.add(layer, LocalResponseNorm(size, alpha, beta, k), x),)
    pool = AvgPool2d((size, size), (1, 1), (size // 2, size // 2), "ceil")
    steps = ("square", Elementwise("square")), ("mean", pool), ("scale", Elementwise("mul"))
    factor = x
    for suffix, op in (*steps, ("shift", Elementwise("add")), ("power", Elementwise("pow"))):
        factor = builder.add(layer, op, factor, suffix=suffix)
    return (builder.add(layer, Elementwise("mul"), x, factor),)


def batch_norm(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """Batch norm, with the scale and shift of the Scale or Bias layer after it, which Caffe keeps apart."""
    found, x = layer.parameters("batch_norm_param"), builder.bottom(layer)
    # NVIDIA's fork: mean, variance and factor, then scale and bias.
    own = layer.type == "BN" or found.flag("scale_bias", False) or len(layer.blob_shapes()) == 5
    after = builder.affine.get(layer)
    op = batch_norm_for(builder.shape(x))(
        eps=found.number("eps", 1e-5),
        momentum=round(1 - found.number("moving_average_fraction", 0.999), 9),
        scale=own or (after is not None and after.type == "Scale"),
        shift=own or (after is not None and (after.type == "Bias" or _has_bias(after))),
    )
    # The `param` messages of Caffe's batch norm are those of its statistics, which are not parameters here.
    return (builder.add(layer, op, x, params=after or layer._replace(fields=TextMessage())),)


def _has_bias(scale: CaffeLayer) -> bool:
    return scale.parameters("scale_param").flag("bias_term", False)


def mean_variance_norm(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """MVN: the mean, and by default the variance, of each channel or of each sample."""
    found, x = layer.parameters("mvn_param"), builder.bottom(layer)
    across, eps, shape = found.flag("across_channels", False), found.number("eps", 1e-9), builder.shape(x)
    if found.flag("normalize_variance", True):
        return (builder.add(layer, LayerNorm(shape[1:], eps, False, False) if across else InstanceNorm(eps), x),)
    axes = tuple(range(1 if across else 2, len(shape)))
    mean = builder.add(layer, Reduce("mean", axes, True), x, suffix="mean")
    return (builder.add(layer, Elementwise("sub"), x, mean),)


def normalize(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """SSD's Normalize: division by the Euclidean norm of each position or sample, times a learned scale."""
    found, x = layer.parameters("norm_param"), builder.bottom(layer)
    shape = builder.shape(x)
    if len(shape) < 2:
        raise FormatError(f"reads a blob of {len(shape)} axes; expected channels")
    axes = tuple(range(1, len(shape))) if found.flag("across_spatial", True) else (1,)
    norm = builder.add(layer, Reduce("norm", axes, True), x, suffix="norm")
    unit = builder.add(layer, Elementwise("div"), x, norm, suffix="unit")
    channels = 1 if found.flag("channel_shared", True) else shape[1]
    learned = builder.add(layer, Stored((channels, *[1] * (len(shape) - 2))), suffix="weight")
    return (builder.add(layer, Elementwise("mul"), unit, learned),)


NORMALIZATION: dict[str, CaffeHandler] = {
    "BN": batch_norm,
    "BatchNorm": batch_norm,
    "LRN": local_response_norm,
    "MVN": mean_variance_norm,
    "Normalize": normalize,
}
