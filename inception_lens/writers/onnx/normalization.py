"""ONNX's normalisations."""

from __future__ import annotations

from inception_lens import ops
from inception_lens.errors import FormatError
from inception_lens.writers.onnx.node_writer import OnnxNodeWriter, OnnxWriter


def _batch_norm(op: ops.BatchNorm2d, writer: OnnxNodeWriter) -> None:
    if not op.track or op.momentum is None:
        raise FormatError("BatchNormalization needs running statistics with a momentum")
    channels = writer.shape[1:2]
    scale = writer.tensors["weight"] if op.scale else writer.filled("scale", 1.0, channels)
    shift = writer.tensors["bias"] if op.shift else writer.filled("shift", 0.0, channels)
    writer.add(
        "BatchNormalization",
        [*writer.inputs, scale, shift, *writer.weights("running_mean", "running_var")],
        epsilon=op.eps,
        momentum=1 - op.momentum,
    )


def _over_last_axes(op: ops.LayerNorm | ops.RMSNorm, writer: OnnxNodeWriter) -> None:
    if op.eps is None:
        raise FormatError("the smallest number of the dtype is its eps, which ONNX does not have")
    scale = writer.weights("weight") or [writer.filled("scale", 1.0, op.normalized_shape)]
    operator = "LayerNormalization" if isinstance(op, ops.LayerNorm) else "RMSNormalization"
    inputs = [*writer.inputs, *scale, *writer.weights("bias")]
    writer.add(operator, inputs, axis=-len(op.normalized_shape), epsilon=op.eps)


def _per_channel(op: ops.GroupNorm | ops.InstanceNorm, writer: OnnxNodeWriter) -> None:
    shape = writer.shape[1:2]
    tensors = writer.weights("weight", "bias") or [
        writer.filled("scale", 1.0, shape),
        writer.filled("shift", 0.0, shape),
    ]
    if isinstance(op, ops.GroupNorm):
        writer.add("GroupNormalization", [*writer.inputs, *tensors], epsilon=op.eps, num_groups=op.groups)
        return
    if op.track:
        raise FormatError("InstanceNormalization has no running statistics")
    writer.add("InstanceNormalization", [*writer.inputs, *tensors], epsilon=op.eps)


def _local_response_norm(op: ops.LocalResponseNorm, writer: OnnxNodeWriter) -> None:
    writer.add("LRN", writer.inputs, size=op.size, alpha=op.alpha, beta=op.beta, bias=op.k)


NORMALIZATION_WRITERS: dict[type[ops.Op], OnnxWriter] = {
    **dict.fromkeys((ops.BatchNorm1d, ops.BatchNorm2d, ops.BatchNorm3d), _batch_norm),
    **dict.fromkeys((ops.GroupNorm, ops.InstanceNorm), _per_channel),
    **dict.fromkeys((ops.LayerNorm, ops.RMSNorm), _over_last_axes),
    ops.LocalResponseNorm: _local_response_norm,
}
