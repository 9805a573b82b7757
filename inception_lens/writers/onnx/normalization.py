"""ONNX's normalisations."""

from __future__ import annotations

from inception_lens import ops
from inception_lens.errors import FormatError
from inception_lens.writers.onnx.node_writer import OnnxNodeWriter, OnnxWriter


def _batch_norm(op: ops.BatchNorm2d, writer: OnnxNodeWriter) -> None:
    if not op.track or op.momentum is None:
        raise FormatError("BatchNormalization needs running statistics with a momentum")
    channels = writer.shape[1]
    scale = writer.tensors["weight"] if op.scale else writer.constant_operator("scale", [1.0] * channels)
    shift = writer.tensors["bias"] if op.shift else writer.constant_operator("shift", [0.0] * channels)
    writer.add(
        "BatchNormalization",
        [*writer.inputs, scale, shift, *writer.weights("running_mean", "running_var")],
        epsilon=op.eps,
        momentum=1 - op.momentum,
    )


def _layer_norm(op: ops.LayerNorm, writer: OnnxNodeWriter) -> None:
    if not op.scale or op.eps is None:
        raise FormatError("LayerNormalization needs a scale and an eps")
    inputs = [*writer.inputs, *writer.weights("weight", "bias")]
    writer.add("LayerNormalization", inputs, axis=-len(op.normalized_shape), epsilon=op.eps)


def _instance_norm(op: ops.InstanceNorm, writer: OnnxNodeWriter) -> None:
    if not op.affine or op.track:
        raise FormatError("InstanceNormalization needs a scale and a shift, and no running statistics")
    writer.add("InstanceNormalization", [*writer.inputs, *writer.weights("weight", "bias")], epsilon=op.eps)


def _local_response_norm(op: ops.LocalResponseNorm, writer: OnnxNodeWriter) -> None:
    writer.add("LRN", writer.inputs, size=op.size, alpha=op.alpha, beta=op.beta, bias=op.k)


NORMALIZATION_WRITERS: dict[type[ops.Op], OnnxWriter] = {
    **dict.fromkeys((ops.BatchNorm1d, ops.BatchNorm2d, ops.BatchNorm3d), _batch_norm),
    ops.InstanceNorm: _instance_norm,
    ops.LayerNorm: _layer_norm,
    ops.LocalResponseNorm: _local_response_norm,
}
