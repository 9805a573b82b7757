"""ONNX's views, concatenations, padding and resizing, and stored tensors."""

from __future__ import annotations

from inception_lens import ops
from inception_lens.errors import FormatError
from inception_lens.writers.onnx.convolution import pads
from inception_lens.writers.onnx.node_writer import OnnxNodeWriter, OnnxWriter


def _concat(op: ops.Concat, writer: OnnxNodeWriter) -> None:
    writer.add("Concat", writer.inputs, axis=op.dim)


def _stack(op: ops.Stack, writer: OnnxNodeWriter) -> None:
    axes = writer.integers("axes", [op.dim])
    parts = [writer.add("Unsqueeze", [each, axes], f"part_{i}") for i, each in enumerate(writer.inputs)]
    writer.add("Concat", parts, axis=op.dim)


def _flatten(op: ops.Flatten, writer: OnnxNodeWriter) -> None:
    if op.start_dim == 1 and len(writer.output_shape) == 2:
        writer.add("Flatten", writer.inputs, axis=1)
    else:
        writer.add("Reshape", [*writer.inputs, writer.integers("shape", writer.output_shape)])


def _reshape(op: ops.Reshape, writer: OnnxNodeWriter) -> None:
    writer.add("Reshape", [*writer.inputs, writer.integers("shape", op.shape)])


def _permute(op: ops.Permute, writer: OnnxNodeWriter) -> None:
    writer.add("Transpose", writer.inputs, perm=op.dims)


def _expand(op: ops.Expand, writer: OnnxNodeWriter) -> None:
    writer.add("Expand", [*writer.inputs, writer.integers("shape", op.shape)])


def _slice(op: ops.Slice, writer: OnnxNodeWriter) -> None:
    given = (("start", op.start), ("stop", op.stop), ("axis", op.dim), ("step", op.step))
    writer.add("Slice", [*writer.inputs, *(writer.integers(name, [value]) for name, value in given)])


def _select(op: ops.Select, writer: OnnxNodeWriter) -> None:
    writer.add("Gather", [*writer.inputs, writer.integers("index", op.index)], axis=op.dim)


def _pad(op: ops.Pad, writer: OnnxNodeWriter) -> None:
    mode = {"replicate": "edge", "circular": "wrap"}.get(op.mode, op.mode)
    value = [writer.number("value", op.value)] if op.mode == "constant" else []
    writer.add("Pad", [*writer.inputs, writer.integers("pads", pads(op.padding)), *value], mode=mode)


def _upsample(op: ops.Upsample, writer: OnnxNodeWriter) -> None:
    sizes = writer.integers("sizes", (*writer.shape[:2], *op.size))
    coordinates = {"nearest": "asymmetric"}.get(op.mode, "align_corners" if op.align_corners else None)
    writer.add(
        "Resize",
        [*writer.inputs, "", "", sizes],
        mode={"nearest": "nearest", "nearest-exact": "nearest", "bicubic": "cubic"}.get(op.mode, "linear"),
        coordinate_transformation_mode=coordinates,
        nearest_mode={"nearest": "floor", "nearest-exact": "round_prefer_ceil"}.get(op.mode),
    )


def _pixel_shuffle(op: ops.PixelShuffle, writer: OnnxNodeWriter) -> None:
    writer.add("DepthToSpace", writer.inputs, blocksize=op.upscale_factor, mode="CRD")


def _pixel_unshuffle(op: ops.PixelUnshuffle, writer: OnnxNodeWriter) -> None:
    n, channels, height, width = writer.shape
    side = op.downscale_factor
    # SpaceToDepth puts the channels after the positions in a block: the same order only for one channel.
    if channels == 1:
        writer.add("SpaceToDepth", writer.inputs, blocksize=side)
        return
    blocks = writer.integers("blocks", (n, channels, height // side, side, width // side, side))
    parted = writer.add("Reshape", [*writer.inputs, blocks], "blocks")
    permuted = writer.add("Transpose", [parted], "channels", perm=(0, 1, 3, 5, 2, 4))
    writer.add("Reshape", [permuted, writer.integers("shape", writer.output_shape)])


def _stored(op: ops.Stored, writer: OnnxNodeWriter) -> None:
    names = writer.weights("weight", "buffer")
    if not names:
        raise FormatError("the graph holds a constant's shape but not its value")
    if names != [writer.node.name]:  # otherwise the tensor itself is what other nodes read
        writer.add("Identity", names)


RESHAPING_WRITERS: dict[type[ops.Op], OnnxWriter] = {
    ops.Concat: _concat,
    ops.Expand: _expand,
    ops.Flatten: _flatten,
    ops.Pad: _pad,
    ops.Permute: _permute,
    ops.PixelShuffle: _pixel_shuffle,
    ops.PixelUnshuffle: _pixel_unshuffle,
    ops.Reshape: _reshape,
    ops.Select: _select,
    ops.Slice: _slice,
    ops.Stack: _stack,
    ops.Stored: _stored,
    ops.Upsample: _upsample,
}
