"""ONNX's two operators for pixel shuffles, and the three reshaping operators that exporters write instead."""

from __future__ import annotations

from functools import cache

from inception_lens.errors import FormatError
from inception_lens.ops import Op, Permute, PixelShuffle, PixelUnshuffle, Reshape, Shape, TensorType, format_shape
from inception_lens.readers.onnx.graph_builder import OnnxGraphBuilder, OnnxHandler
from inception_lens.readers.onnx.values import OnnxCall, OnnxValue, PendingCall


def depth_to_space(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """DepthToSpace and SpaceToDepth: channels become blocks of the map, and blocks of the map become channels.

    In mode CRD the channels of one block are consecutive, as in PyTorch. In mode DCR, the default, those of one
    position in the blocks are. For a single channel both are the same.
    """
    x, block = call.input(0), call.integer("blocksize", 1)
    n, channels, height, width = x.shape if len(x.shape) == 4 else (0, 0, 0, 0)
    to_space = call.op == "DepthToSpace"
    if block < 1 or (channels % block**2 if to_space else height % block + width % block) or not n:
        raise FormatError(f"{format_shape(x.shape)} cannot be divided into blocks of {block}")
    if call.text("mode", "DCR") == "CRD" or channels == (block**2 if to_space else 1):
        return [builder.add(call.name, (PixelShuffle if to_space else PixelUnshuffle)(block), builder.node(x))]
    if to_space:
        blocks, order = (-1, block, block, channels // block**2, height, width), (0, 3, 4, 1, 5, 2)
        output = (-1, channels // block**2, height * block, width * block)
    else:
        blocks, order = (-1, channels, height // block, block, width // block, block), (0, 3, 5, 1, 2, 4)
        output = (-1, channels * block**2, height // block, width // block)
    parted = builder.add(f"{call.name}/parted", Reshape(blocks), builder.node(x))
    turned = builder.add(f"{call.name}/turned", Permute(order), parted.node)
    return [builder.add(call.name, Reshape(output), turned.node)]


def pending_reshape(builder: OnnxGraphBuilder, call: OnnxCall, base: str, op: Op, shape: Shape) -> OnnxValue:
    """A map reshaped to six axes, which may be the first operator of a pixel shuffle."""
    write = cache(lambda: builder.add(call.name, op, base).node)
    return OnnxValue(
        TensorType(shape, builder.writer.tensor_type(base).dtype), pending=PendingCall(base, write, blocks=shape)
    )


def pending_transpose(
    builder: OnnxGraphBuilder, call: OnnxCall, reshaped: PendingCall, order: tuple[int, ...]
) -> OnnxValue:
    """Such a map transposed, which may be the second."""
    write = cache(lambda: builder.add(call.name, Permute(order), reshaped.write()).node)
    shape = tuple([reshaped.blocks[axis] for axis in order])
    pending = PendingCall(reshaped.base, write, blocks=reshaped.blocks, order=order)
    return OnnxValue(TensorType(shape, builder.writer.tensor_type(reshaped.base).dtype), pending=pending)


def merged_shuffle(builder: OnnxGraphBuilder, call: OnnxCall, x: OnnxValue, shape: Shape) -> OnnxValue | None:
    """The node of a pixel shuffle whose last operator reshapes `x` to `shape`; None if it is not one."""
    if x.pending is None or not x.pending.order:
        return None
    blocks, order, base = x.pending.blocks, x.pending.order, x.pending.base
    (n, channels, height, width), side = builder.writer.shape(base), blocks[3]
    op: Op
    if order == (0, 1, 4, 2, 5, 3) and blocks == (n, channels // side**2, side, side, height, width):
        op = PixelShuffle(side)
    elif order == (0, 1, 3, 5, 2, 4) and blocks == (n, channels, height // side, side, width // side, side):
        op = PixelUnshuffle(side)
    else:
        return None
    return builder.add(call.name, op, base) if op.output_shape(builder.writer.shape(base)) == shape else None


PIXEL_SHUFFLES: dict[str, OnnxHandler] = dict.fromkeys(("DepthToSpace", "SpaceToDepth"), depth_to_space)
