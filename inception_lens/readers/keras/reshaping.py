"""Keras' layers that rearrange, pad, crop or resize."""

from __future__ import annotations

from math import prod

from inception_lens.errors import FormatError
from inception_lens.ops import Expand, Flatten, Pad, Permute, Reshape, Upsample, format_shape
from inception_lens.readers.keras.convolution import spatial
from inception_lens.readers.keras.graph_builder import Handlers, KerasCall, KerasGraphBuilder, KerasTensor


def _flatten(builder: KerasGraphBuilder, call: KerasCall) -> list[KerasTensor]:
    """In Keras' order, which is that of the Graph too where a map has one position or one channel."""
    *positions, channels = builder.shape(call.x)[1:] or (1,)
    x = call.x if prod(positions) == 1 or channels == 1 else builder.unmoved(call.x)
    rank = len(builder.shape(x))
    if rank == 1:
        return [KerasTensor(builder.add(call, Reshape((-1, 1)), x.node))]
    return [KerasTensor(builder.add(call, Flatten(), x.node))] if rank > 2 else [x]


def _reshape(builder: KerasGraphBuilder, call: KerasCall) -> list[KerasTensor]:
    target = call.settings.values.get("target_shape")
    if not isinstance(target, list) or not all(isinstance(size, int) and size >= -1 for size in target):
        raise FormatError(f"`target_shape` is {str(target)[:40]}; expected sizes")
    elements, known = prod(builder.shape(call.x)[1:]), prod(size for size in target if size != -1)
    if target.count(-1) > 1 or (elements % known if -1 in target and known else elements != known):
        raise FormatError(f"{elements:,} elements cannot have the shape {format_shape(tuple(target))[:80]}")
    sizes = [elements // known if size == -1 else size for size in target]
    if len(sizes) > 2 and prod(sizes[:-1]) == 1:  # one position, as a map to which convolutions follow
        x = call.x if prod(builder.shape(call.x)[1:-1]) == 1 else builder.unmoved(call.x)
        return [KerasTensor(builder.add(call, Reshape((-1, sizes[-1], *sizes[:-1])), x.node), True)]
    return [KerasTensor(builder.add(call, Reshape((-1, *sizes)), builder.unmoved(call.x).node))]


def _permute(builder: KerasGraphBuilder, call: KerasCall) -> list[KerasTensor]:
    x = builder.unmoved(call.x)
    dims = call.settings.axes("dims", 1)
    return [KerasTensor(builder.add(call, Permute((0, *dims)), x.node))]


def _repeat(builder: KerasGraphBuilder, call: KerasCall) -> list[KerasTensor]:
    batch, features = builder.shape(call.x)
    count = call.settings.integer("n")
    node = builder.add(call, Reshape((-1, 1, features)), call.x.node, suffix="reshape")
    return [KerasTensor(builder.add(call, Expand((batch, count, features)), node))]


def _pad(builder: KerasGraphBuilder, call: KerasCall) -> list[KerasTensor]:
    """ZeroPadding and Cropping."""
    n = len(builder.shape(call.x)) - 2
    is_crop = call.layer.kind.startswith("Cropping")
    pairs = call.settings.pairs("cropping" if is_crop else "padding", n)
    x = spatial(builder, call, n)
    padding = tuple([(-a, -b) if is_crop else (a, b) for a, b in ((0, 0), (0, 0), *pairs)])
    return [x._replace(node=builder.add(call, Pad(padding), x.node))]


def _resize(builder: KerasGraphBuilder, call: KerasCall) -> list[KerasTensor]:
    """UpSampling by whole factors, and Resizing to a size."""
    settings, n = call.settings, len(builder.shape(call.x)) - 2
    x = spatial(builder, call, n)
    if call.layer.kind == "Resizing":
        size: tuple[int, ...] = (settings.integer("height"), settings.integer("width"))
        mode = settings.text("interpolation", "bilinear")
    else:
        factors = settings.sizes("size", n, 2)
        size = tuple([each * factor for each, factor in zip(builder.writer.shape(x.node)[2:], factors, strict=True)])
        mode = settings.text("interpolation", "nearest")
    if (
        mode not in ("nearest", "bilinear", "bicubic")
        or settings.flag("crop_to_aspect_ratio", False)
        or settings.flag("pad_to_aspect_ratio", False)
    ):
        return builder.unknown(call, params_known=True)
    return [x._replace(node=builder.add(call, Upsample(size, mode), x.node))]


HANDLERS: Handlers = {
    "Flatten": _flatten,
    "Permute": _permute,
    "RepeatVector": _repeat,
    "Reshape": _reshape,
    "Resizing": _resize,
    **{f"{kind}{n}D": _pad for kind in ("ZeroPadding", "Cropping") for n in (1, 2, 3)},
    **{f"UpSampling{n}D": _resize for n in (1, 2, 3)},
}
