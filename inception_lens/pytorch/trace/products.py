"""Operators that multiply matrices and have no operation in `ops`: their MACs and further FLOPs by their types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

from inception_lens import ops
from inception_lens.ops import TensorType

Types = Sequence[TensorType]

ProductRule = Callable[[Types, Types], tuple[int, int | None]]
"""From the types of inputs and outputs to the MACs, and the FLOPs in addition to two per MAC; None if unknown."""


def _product(inputs: Types, outputs: Types) -> tuple[int, int]:
    """`left @ right`, which sums over the last axis of `left`."""
    return outputs[0].elements * inputs[0].shape[-1], 0


def _added_product(inputs: Types, outputs: Types) -> tuple[int, int]:
    """`added + left @ right`."""
    left, right = inputs[1:3]
    columns = right.shape[-1] if len(right.shape) > 1 else 1
    return left.elements * columns, outputs[0].elements


def _activated_product(inputs: Types, outputs: Types) -> tuple[int, None]:
    """`relu(added + left @ right)`, or a GELU instead, which cannot be seen from the types."""
    return _added_product(inputs, outputs)[0], None


def _unpacked_product(inputs: Types, outputs: Types) -> tuple[int, None]:
    """`left @ unpacked(right)`; what the unpacking costs is the kernel's own."""
    return _product(inputs, outputs)[0], None


def _scaled_product(inputs: Types, outputs: Types) -> tuple[int, int]:
    """`scale x (left @ right) + bias`: one multiplication per output element, and an addition if there is a bias."""
    macs, _ = _product(inputs, outputs)
    has_bias = len(inputs) > 4 and inputs[4].shape == outputs[0].shape[-1:]
    return macs, outputs[0].elements * (1 + has_bias)


def _grouped_product(inputs: Types, outputs: Types) -> tuple[int, int]:
    """A product for each group of rows, of columns or, of two matrices, of the axis that is summed over."""
    left, right = inputs[:2]
    if len(left.shape) == len(right.shape) == 2:  # each part of the summed axis is in one of the groups
        return left.elements * right.shape[-1], 0
    return _product(inputs, outputs)


def _linear(inputs: Types, outputs: Types) -> tuple[int, int]:
    """`x @ weight.T + bias`."""
    has_bias = len(inputs) > 2 and len(inputs[2].shape) == 1
    return outputs[0].elements * inputs[0].shape[-1], outputs[0].elements * has_bias


def _attention(inputs: Types, outputs: Types) -> tuple[int, int]:
    attention, shapes = ops.ScaledDotProductAttention(), tuple([each.shape for each in inputs[:3]])
    return attention.macs(shapes, attention.output_shape(*shapes)), attention.extra_flops(shapes, ())


def _bilinear(inputs: Types, outputs: Types) -> tuple[int, int]:
    """`x W y` for each output feature: first `x W`, then its product with y."""
    left, weight, right = inputs[:3]
    rows = prod(left.shape[:-1])
    return rows * weight.shape[0] * (left.shape[-1] + 1) * right.shape[-1], 0


def _convolution(inputs: Types, outputs: Types) -> tuple[int, int]:
    """A convolution, not transposed: a filter of `weight.shape[1:]` for each output element."""
    weight = inputs[1]
    has_bias = len(inputs) > 2 and len(inputs[2].shape) == 1
    return outputs[0].elements * prod(weight.shape[1:]), outputs[0].elements * has_bias


def _convolution_of_sequences(inputs: Types, outputs: Types) -> tuple[int, int]:
    """A convolution of `(time, batch, channels)` with a weight of `(kernel, channels, out_channels)`, and a bias."""
    kernel, channels, _ = inputs[1].shape
    return outputs[0].elements * kernel * channels, outputs[0].elements


PRODUCTS: dict[str, ProductRule] = {
    **dict.fromkeys(("mm", "bmm", "mv", "dot", "vdot", "_int_mm"), _product),
    **dict.fromkeys(("addmm", "addmv", "baddbmm", "addbmm"), _added_product),
    "_addmm_activation": _activated_product,
    **dict.fromkeys(("_scaled_mm", "_scaled_mm_v2", "_weight_int8pack_mm"), _scaled_product),
    **dict.fromkeys(
        ("_weight_int4pack_mm", "_weight_int4pack_mm_for_cpu", "_weight_int4pack_mm_with_scales_and_zeros"),
        _unpacked_product,
    ),
    **dict.fromkeys(("_grouped_mm", "_scaled_grouped_mm", "_scaled_grouped_mm_v2"), _grouped_product),
    **dict.fromkeys(("linear", "mkldnn_linear"), _linear),
    "affine_grid_generator": _product,
    "_trilinear": _bilinear,
    **dict.fromkeys(
        (
            "_scaled_dot_product_flash_attention", "_scaled_dot_product_flash_attention_for_cpu",
            "_scaled_dot_product_efficient_attention", "_scaled_dot_product_cudnn_attention",
        ),
        _attention,
    ),
    **dict.fromkeys(
        (
            "cudnn_convolution", "cudnn_convolution_relu", "miopen_convolution", "miopen_convolution_relu",
            "mkldnn_convolution", "_nnpack_spatial_convolution", "slow_conv3d_forward", "slow_conv_dilated2d",
            "slow_conv_dilated3d", "_slow_conv2d_forward", "_conv_depthwise2d", "conv_depthwise3d",
        ),
        _convolution,
    ),
    "conv_tbc": _convolution_of_sequences,
}  # fmt: skip
"""Rules by the operators' names; the form that writes into an `out` tensor is counted by them too."""

MIXED_DTYPES = frozenset({
    "_scaled_mm", "_scaled_mm_v2", "_scaled_grouped_mm", "_scaled_grouped_mm_v2", "_weight_int8pack_mm",
    "_grouped_mm", "_weight_int4pack_mm", "_weight_int4pack_mm_for_cpu", "_weight_int4pack_mm_with_scales_and_zeros",
})  # fmt: skip
"""Products of tensors of several dtypes: quantized weights, scales, offsets."""
