"""Keras' norms, and layers that scale or drop elements."""

from __future__ import annotations

from inception_lens.errors import FormatError
from inception_lens.ops import Dropout, Elementwise, GroupNorm, LayerNorm, RMSNorm
from inception_lens.ops.special import TensorKind
from inception_lens.readers.keras.graph_builder import Handlers, KerasCall, KerasGraphBuilder, KerasTensor
from inception_lens.readers.shapes import batch_norm_for, resolve_axis


def _batch_norm(builder: KerasGraphBuilder, call: KerasCall) -> list[KerasTensor]:
    settings, rank = call.settings, len(builder.shape(call.x))
    axes = settings.axes("axis", -1)
    axis = resolve_axis(axes[0], rank)
    if len(axes) > 1 or axis not in (1, rank - 1) or settings.flag("renorm", False):
        return builder.unknown(call._replace(types=(builder.type(call.x),)))
    x = builder.moved(call.x) if axis == rank - 1 else builder.unmoved(call.x)
    op = batch_norm_for(builder.writer.shape(x.node))(
        settings.number("epsilon", 1e-3),
        round(1 - settings.number("momentum", 0.99), 10),
        settings.flag("scale", True),
        settings.flag("center", True),
    )
    return [x._replace(node=builder.add(call, op, x.node))]


def _layer_norm(builder: KerasGraphBuilder, call: KerasCall) -> list[KerasTensor]:
    """Over the last axes; over others it is unknown."""
    settings, x = call.settings, builder.unmoved(call.x)
    shape = builder.shape(x)
    axes = sorted(resolve_axis(axis, len(shape)) for axis in settings.axes("axis", -1))
    is_last = axes == [*range(len(shape) - len(axes), len(shape))]
    if not is_last or settings.flag("rms_scaling", False):
        return builder.unknown(call._replace(types=(builder.type(x),)))
    sizes, eps = shape[axes[0] :], settings.number("epsilon", 1e-3)
    if call.layer.kind == "RMSNormalization":
        return [KerasTensor(builder.add(call, RMSNorm(sizes, eps), x.node))]
    op = LayerNorm(sizes, eps, settings.flag("scale", True), settings.flag("center", True))
    return [KerasTensor(builder.add(call, op, x.node))]


def _group_norm(builder: KerasGraphBuilder, call: KerasCall) -> list[KerasTensor]:
    settings, rank = call.settings, len(builder.shape(call.x))
    axis = resolve_axis(settings.axes("axis", -1)[0], rank)
    scale, center = settings.flag("scale", True), settings.flag("center", True)
    if axis not in (1, rank - 1) or scale != center:
        return builder.unknown(call._replace(types=(builder.type(call.x),)))
    x = builder.moved(call.x) if axis == rank - 1 else builder.unmoved(call.x)
    groups = settings.integer("groups", 32, -1)
    groups = builder.writer.shape(x.node)[1] if groups == -1 else groups
    return [x._replace(node=builder.add(call, GroupNorm(groups, settings.number("epsilon", 1e-3), scale), x.node))]


def _normalization(builder: KerasGraphBuilder, call: KerasCall) -> list[KerasTensor]:
    """(x - mean) / deviation, with statistics that are kept with the model or are constants of the configuration."""
    x = builder.unmoved(call.x)
    shape = builder.shape(x)
    kept = {resolve_axis(axis, len(shape)) for axis in call.settings.axes("axis", -1)}
    sizes = tuple([size if axis in kept else 1 for axis, size in enumerate(shape)])
    kind: TensorKind = "buffer" if call.settings.values.get("mean") is None else "constant"
    mean, deviation = (builder.stored(call, name, sizes, kind) for name in ("mean", "variance"))
    node = builder.add(call, Elementwise("sub"), x.node, mean, suffix="shift")
    return [KerasTensor(builder.add(call, Elementwise("div"), node, deviation))]


def _rescaling(builder: KerasGraphBuilder, call: KerasCall) -> list[KerasTensor]:
    values = [call.settings.values.get(name) for name in ("scale", "offset")]
    has_offset = values[1] not in (None, 0, 0.0)
    node = builder.add(call, Elementwise("mul"), call.x.node, suffix="scale" if has_offset else "")
    return [call.x._replace(node=builder.add(call, Elementwise("add"), node) if has_offset else node)]


def _layer_scale(builder: KerasGraphBuilder, call: KerasCall) -> list[KerasTensor]:
    """ConvNeXt's learned factor of each channel (keras/src/applications/convnext.py)."""
    x = builder.unmoved(call.x)
    gamma = builder.stored(call, "gamma", builder.shape(x)[-1:])
    return [KerasTensor(builder.add(call, Elementwise("mul"), x.node, gamma))]


def _dropout(builder: KerasGraphBuilder, call: KerasCall) -> list[KerasTensor]:
    rate = call.settings.number("rate", 0.5)
    if not 0 <= rate <= 1:
        raise FormatError(f"`rate` is {rate}; expected 0 to 1")
    is_spatial = call.layer.kind.startswith("Spatial")
    x = builder.moved(call.x) if is_spatial else call.x
    return [x._replace(node=builder.add(call, Dropout(rate, by_channel=is_spatial), x.node))]


def _only_in_training(builder: KerasGraphBuilder, call: KerasCall) -> list[KerasTensor]:
    """Layers that return their input at inference: noise, random images, whole blocks that are dropped."""
    if call.mode == "inference":
        return [call.x]
    return builder.unknown(call._replace(types=(builder.type(call.x),)), params_known=True)


def _identity(builder: KerasGraphBuilder, call: KerasCall) -> list[KerasTensor]:
    return [call.x]


HANDLERS: Handlers = {
    "BatchNormalization": _batch_norm,
    "GroupNormalization": _group_norm,
    "LayerNormalization": _layer_norm,
    "LayerScale": _layer_scale,
    "Normalization": _normalization,
    "RMSNormalization": _layer_norm,
    "Rescaling": _rescaling,
    **dict.fromkeys(("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"), _dropout),
    **dict.fromkeys(
        (
            "AlphaDropout", "GaussianDropout", "GaussianNoise", "RandomBrightness", "RandomContrast",
            "RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom", "StochasticDepth",
        ),
        _only_in_training,
    ),
    **dict.fromkeys(("ActivityRegularization", "Identity", "Masking"), _identity),
}  # fmt: skip
