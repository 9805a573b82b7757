"""Operators that multiply matrices and have no operation in `ops`: their MACs and further FLOPs."""

from __future__ import annotations

from math import prod

from inception_lens import ops
from inception_lens.ops import ELEMENTWISE
from inception_lens.pytorch.trace.backward_products import BACKWARD_PRODUCTS
from inception_lens.pytorch.trace.product_call import Cost, ProductCall, ProductRule, has_bias


def _product(call: ProductCall) -> Cost:
    """`left @ right`, which sums over the last axis of `left`."""
    return call.outputs[0].elements * call.inputs[0].shape[-1], 0


def _products(call: ProductCall) -> Cost:
    """The products of two lists of matrices."""
    return sum(each.elements * left.shape[-1] for each, left in zip(call.outputs, call.inputs, strict=False)), 0


def _added_product(call: ProductCall) -> Cost:
    """`added + left @ right`."""
    left, right = call.inputs[1:3]
    columns = right.shape[-1] if len(right.shape) > 1 else 1
    return left.elements * columns, call.outputs[0].elements


def _activated_product(call: ProductCall) -> Cost:
    """`relu(added + left @ right)`, or a GELU instead."""
    function = "gelu" if call.arguments["use_gelu"] else "relu"
    return _added_product(call)[0], (1 + ELEMENTWISE[function]) * call.outputs[0].elements


def _unpacked_product(call: ProductCall) -> Cost:
    """`left @ unpacked(right)`; the cost of the unpacking is the kernel's own."""
    return _product(call)[0], None


def _scaled_product(call: ProductCall) -> Cost:
    """`scale x (left @ right) + bias`: one multiplication per output element, and an addition if there is a bias."""
    return _product(call)[0], call.outputs[0].elements * (1 + has_bias(call))


def _grouped_product(call: ProductCall) -> Cost:
    """A product for each group of rows, of columns or, of two matrices, of the axis that is summed over."""
    left, right = call.inputs[:2]
    if len(left.shape) == len(right.shape) == 2:  # each part of the summed axis is in one of the groups
        return left.elements * right.shape[-1], 0
    return _product(call)


def _linear(call: ProductCall) -> Cost:
    """`x @ weight.T + bias`."""
    return _product(call)[0], call.outputs[0].elements * has_bias(call)


def _attention(call: ProductCall) -> Cost:
    mask = call.shape("attn_mask") or call.shape("attn_bias")
    attention, shapes = ops.ScaledDotProductAttention(), tuple([each.shape for each in call.inputs[:3]])
    shapes = (*shapes, mask) if mask else shapes
    output = attention.output_shape(*shapes)
    return attention.macs(shapes, output), attention.extra_flops(shapes, output)


def _attention_of_sequences(call: ProductCall) -> Cost:
    """Attention of `(batch, length, heads, width)`; that of sequences of several lengths in one batch is unknown."""
    if any(call.arguments.get(name) is not None for name in ("cum_seq_q", "cu_seqlens_q", "seqused_k", "seqlen_k")):
        return None, None
    query, key, value = [call.shape(name) for name in ("query", "key", "value")]
    return prod(query[:-1]) * key[1] * (query[-1] + value[-1]), None


def _bilinear(call: ProductCall) -> Cost:
    """`x W y` for each output feature: first `x W`, then its product with y."""
    left, weight, right = call.inputs[:3]
    rows = prod(left.shape[:-1])
    return rows * weight.shape[0] * (left.shape[-1] + 1) * right.shape[-1], 0


def _convolution(call: ProductCall) -> Cost:
    """A convolution, not transposed: a filter of `weight.shape[1:]` for each output element."""
    (output, *_), weight = call.outputs, call.inputs[1]
    return output.elements * prod(weight.shape[1:]), output.elements * has_bias(call)


def _transposed_convolution(call: ProductCall) -> Cost:
    """A transposed convolution: a filter of `weight.shape[1:]` for each input element."""
    x, weight = call.inputs[:2]
    return x.elements * prod(weight.shape[1:]), call.outputs[0].elements * has_bias(call)


def _either_convolution(call: ProductCall) -> Cost:
    return (_transposed_convolution if call.arguments["transposed"] else _convolution)(call)


def _activated_convolution(call: ProductCall) -> Cost:
    """`relu(convolution)`, or `relu(convolution + alpha z)`."""
    macs, flops = _convolution(call)
    added = 2 if call.shape("z") else 0
    return macs, (flops or 0) + (1 + added) * call.outputs[0].elements


def _convolution_of_sequences(call: ProductCall) -> Cost:
    """A convolution of `(time, batch, channels)` with a weight of `(kernel, channels, out_channels)`, and a bias."""
    kernel, channels, _ = call.inputs[1].shape
    return call.outputs[0].elements * kernel * channels, call.outputs[0].elements


def _grid(call: ProductCall) -> Cost:
    """`(x, y, 1) @ theta` for each position of the grid."""
    return call.outputs[0].elements * call.inputs[0].shape[-1], 0


def _recurrent(call: ProductCall) -> Cost:
    """Each step of each sequence meets every weight matrix once; what the gates compute is the kernel's own."""
    weights = call.arguments.get("weight") or [call.arguments[f"weight{i}"] for i in range(4)]
    matrices = sum(each.numel() for each in weights if len(each.shape) == 2)
    return prod(call.inputs[0].shape[:-1]) * matrices, None


def _product_of_4_bits(call: ProductCall) -> Cost:
    """`left @ unpacked(right)`, of `in_features` as an argument."""
    return call.outputs[0].elements * call.arguments["in_features"], None


def _fused_product(call: ProductCall) -> Cost:
    """A linear layer with the functions that are fused with it; the layout of its weight is the kernel's own."""
    return call.outputs[0].elements * (call.shape("X") or call.inputs[0].shape)[-1], None


def _fused_convolution(call: ProductCall) -> Cost:
    """A convolution with the functions that are fused with it."""
    weight = call.shape("qw") or call.shape("W")
    return call.outputs[0].elements * prod(weight[1:]), None


def _deformable_convolution(call: ProductCall) -> Cost:
    """A convolution of samples between the positions; what the interpolation costs is the kernel's own."""
    return call.outputs[0].elements * prod(call.shape("weight")[1:]), None


def _fused_transposed_convolution(call: ProductCall) -> Cost:
    """A transposed convolution with the functions that are fused with it: a filter for each input element."""
    return call.inputs[0].elements * prod(call.shape("W")[1:]), None


def _two_products(call: ProductCall) -> Cost:
    """`a @ b + c @ d`."""
    output = call.outputs[0].elements
    return output * (call.shape("a")[-1] + call.shape("c")[-1]), output


FUSED: dict[str, ProductRule] = {
    **dict.fromkeys(
        (
            "mkldnn::_linear_pointwise", "mkl::_mkl_linear", "onednn::qlinear_pointwise",
            "onednn::linear_dynamic_fp16", "onednn::linear_relu_dynamic_fp16",
            "quantized::linear_dynamic_fp16_unpacked_weight", "quantized::int4mm_packed_weight_cpu",
            "_quantized::wrapped_quantized_linear", "_quantized::_wrapped_quantized_linear_prepacked",
            "_quantized::wrapped_fbgemm_linear_fp16_weight",
        ),
        _fused_product,
    ),
    **dict.fromkeys(
        (
            "mkldnn::_convolution_pointwise", "mkldnn::_convolution_pointwise_", "onednn::qconv_pointwise",
            "onednn::qconv1d_pointwise", "onednn::qconv2d_pointwise", "onednn::qconv3d_pointwise",
        ),
        _fused_convolution,
    ),
    "mkldnn::_convolution_transpose_pointwise": _fused_transposed_convolution,
    "inductor::_mm_plus_mm": _two_products,
    "torchvision::deform_conv2d": _deformable_convolution,
}  # fmt: skip
"""Operators of other libraries than ATen, which PyTorch's compilers, its quantization and torchvision call."""

PRODUCTS: dict[str, ProductRule] = {
    **dict.fromkeys(("mm", "bmm", "mv", "dot", "vdot", "_int_mm", "affine_grid_generator"), _product),
    "_foreach_mm": _products,
    **dict.fromkeys(("addmm", "addmv", "baddbmm", "addbmm"), _added_product),
    "_addmm_activation": _activated_product,
    **dict.fromkeys(("_scaled_mm", "_scaled_mm_v2", "_weight_int8pack_mm"), _scaled_product),
    **dict.fromkeys(
        (
            "_weight_int4pack_mm", "_weight_int4pack_mm_for_cpu", "_weight_int4pack_mm_with_scales_and_zeros",
            "_mixed_dtypes_linear",
        ),
        _unpacked_product,
    ),
    "_dyn_quant_matmul_4bit": _product_of_4_bits,
    **dict.fromkeys(("_grouped_mm", "_scaled_grouped_mm", "_scaled_grouped_mm_v2"), _grouped_product),
    **dict.fromkeys(("linear", "mkldnn_linear"), _linear),
    "cudnn_affine_grid_generator": _grid,
    "_trilinear": _bilinear,
    **dict.fromkeys(
        (
            "_scaled_dot_product_flash_attention", "_scaled_dot_product_flash_attention_for_cpu",
            "_scaled_dot_product_efficient_attention", "_scaled_dot_product_cudnn_attention",
            "_cudnn_attention_forward", "_scaled_dot_product_fused_attention_overrideable",
            "_scaled_dot_product_attention_math_for_mps", "_triton_scaled_dot_attention",
        ),
        _attention,
    ),
    **dict.fromkeys(("_flash_attention_forward", "_efficient_attention_forward"), _attention_of_sequences),
    **dict.fromkeys(
        (
            "cudnn_convolution", "miopen_convolution", "miopen_depthwise_convolution", "mkldnn_convolution",
            "_mps_convolution", "_nnpack_spatial_convolution", "slow_conv3d_forward", "slow_conv_dilated2d",
            "slow_conv_dilated3d", "_slow_conv2d_forward", "_conv_depthwise2d", "conv_depthwise3d",
        ),
        _convolution,
    ),
    **dict.fromkeys(
        (
            "cudnn_convolution_transpose", "miopen_convolution_transpose", "_mps_convolution_transpose",
            "slow_conv_transpose2d", "slow_conv_transpose3d",
        ),
        _transposed_convolution,
    ),
    "convolution_overrideable": _either_convolution,
    **dict.fromkeys(
        (
            "cudnn_convolution_relu", "miopen_convolution_relu", "cudnn_convolution_add_relu",
            "miopen_convolution_add_relu",
        ),
        _activated_convolution,
    ),
    "conv_tbc": _convolution_of_sequences,
    **dict.fromkeys(("mkldnn_rnn_layer", "_cudnn_rnn", "miopen_rnn"), _recurrent),
    **BACKWARD_PRODUCTS,
    **FUSED,
}  # fmt: skip
"""Rules by the operators' names; the form that writes into an `out` tensor is counted by them too."""

MIXED_DTYPES = frozenset({
    "_scaled_mm", "_scaled_mm_v2", "_scaled_grouped_mm", "_scaled_grouped_mm_v2", "_weight_int8pack_mm",
    "_grouped_mm", "_weight_int4pack_mm", "_weight_int4pack_mm_for_cpu", "_weight_int4pack_mm_with_scales_and_zeros",
    "_mixed_dtypes_linear", "_dyn_quant_matmul_4bit", *FUSED,
})  # fmt: skip
"""Products of tensors of several dtypes: quantized weights, scales, offsets."""
