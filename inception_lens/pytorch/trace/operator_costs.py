"""Operators without a rule: the operation that each is, once the types of its outputs are known.

Most of PyTorch's operators move numbers or compute one function of each element: the tables here list them with their
costs. An operator in none of the tables is Unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

import torch
from torch import Tensor
from torch._ops import OpOverload

from inception_lens import ops
from inception_lens.ops import ELEMENTWISE, REDUCTIONS, Declared, Elementwise, Op, Reduce, Saved, TensorType, Unknown
from inception_lens.ops.arithmetic import ARITY
from inception_lens.pytorch.trace.backward_costs import FLOPS_OF_BACKWARD, MOVING, WITHOUT_PRODUCTS_BACKWARD
from inception_lens.pytorch.trace.kept_tensors import kept_by
from inception_lens.pytorch.trace.other_operators import COPYING, WITHOUT_PRODUCTS_OTHERS
from inception_lens.pytorch.trace.product_call import product_call
from inception_lens.pytorch.trace.products import MIXED_DTYPES, PRODUCTS
from inception_lens.pytorch.trace.rules.checks import check_same_dtype
from inception_lens.pytorch.trace.rules.pointwise import numbers_of
from inception_lens.pytorch.trace.rules.rule import OperatorArguments
from inception_lens.pytorch.trace.traced_tensor import type_of

Types = Sequence[TensorType]

FREE = frozenset({
    "arange", "as_strided", "as_strided_scatter", "bernoulli", "bincount", "bucketize", "channel_shuffle", "col2im",
    "complex", "_conj", "copy", "cummax", "cummin", "diag_embed", "diagonal", "diagonal_scatter", "embedding",
    "embedding_renorm",
    "empty", "empty_like", "empty_permuted", "empty_strided", "expand_copy", "exponential", "eye", "fill", "flip",
    "full", "full_like", "gather", "histc", "im2col", "index", "index_add", "index_copy", "index_fill", "index_put",
    "index_select", "isin", "kthvalue", "lift_fresh_copy", "linspace", "logspace", "masked_scatter", "masked_select",
    "max_unpool2d", "max_unpool3d", "mode", "multinomial", "narrow_copy", "native_dropout", "new_empty",
    "new_empty_strided", "new_full", "new_ones", "new_zeros", "nonzero", "nonzero_static", "normal", "ones",
    "ones_like", "_pack_padded_sequence",
    "_pad_packed_sequence", "permute_copy", "pixel_shuffle", "pixel_unshuffle", "polar", "put", "rand",
    "rand_like", "randint", "randint_like", "randn", "randn_like", "random", "randperm", "reflection_pad1d",
    "reflection_pad2d", "reflection_pad3d", "repeat", "repeat_interleave", "replication_pad1d", "replication_pad2d",
    "replication_pad3d", "_reshape_alias", "resize", "roll", "rot90", "scalar_tensor", "scatter", "scatter_add",
    "scatter_reduce", "searchsorted", "select_scatter", "set", "slice_scatter", "sort", "split_copy", "squeeze", "t",
    "take", "topk", "trace", "transpose", "tril", "tril_indices", "triu", "triu_indices", "unbind_copy", "unfold",
    "uniform", "_unique2", "unique_consecutive", "unique_dim", "_unsafe_index", "_unsafe_index_put",
    "_unsafe_masked_index", "unsafe_split", "unsafe_split_with_sizes", "unsqueeze", "view_as_complex", "view_as_real",
    "zero", "zeros", "zeros_like",
    "alias_copy", "binomial", "block_diag", "cat", "cauchy", "_chunk_cat", "_coalesce", "_dirichlet_grad", "geometric",
    "histogram", "index_reduce", "int_repr", "_is_all_true", "_is_any_true", "_jagged_to_padded_dense_forward",
    "log_normal", "median", "nanmedian", "_nested_from_padded", "normal_functional", "_padded_dense_to_jagged_forward",
    "poisson", "resize_as", "_sample_dirichlet", "_stack", "stack", "_standard_gamma", "_to_dense", "_to_sparse",
    "_to_sparse_bsc", "_to_sparse_bsr", "_to_sparse_csc", "_to_sparse_csr", "unfold_backward", "unique_dim_consecutive",
})  # fmt: skip
"""Operators that move, choose or draw numbers, and compute none."""

WITHOUT_PRODUCTS = frozenset({
    "_amp_update_scale", "_batch_norm_no_update", "_batch_norm_with_update", "batch_norm_elemt",
    "batch_norm_gather_stats", "batch_norm_stats", "_ctc_loss", "_cudnn_ctc_loss", "cudnn_batch_norm",
    "_fake_quantize_learnable_per_channel_affine", "_fake_quantize_learnable_per_tensor_affine",
    "_fake_quantize_per_tensor_affine_cachemask_tensor_qparams", "_fft_c2c", "_fft_c2r", "_fft_r2c",
    "fractional_max_pool2d", "fractional_max_pool3d", "_fused_moving_avg_obs_fq_helper", "_masked_softmax",
    "miopen_batch_norm", "multilabel_margin_loss_forward", "_native_batch_norm_legit",
    "_native_batch_norm_legit_no_training", "native_batch_norm", "native_group_norm", "native_layer_norm",
    "native_norm", "_nested_tensor_softmax_with_shape", "quantized_batch_norm", "quantized_max_pool1d",
    "quantized_max_pool2d", "quantized_max_pool3d", "_safe_softmax",
    "_sparse_log_softmax", "_sparse_softmax",
    "_sparse_sum", "_standard_gamma_grad", "_thnn_fused_gru_cell", "_thnn_fused_lstm_cell", "_upsample_lanczos2d_aa",
})  # fmt: skip
"""Operators without a rule that multiply no matrices: their MACs are zero, and their FLOPs are unknown."""


def _per_output(flops: int) -> Callable[[Types, Types], int]:
    return lambda inputs, outputs: flops * outputs[0].elements


def _per_input(flops: int) -> Callable[[Types, Types], int]:
    return lambda inputs, outputs: flops * inputs[0].elements


def _distance(inputs: Types, outputs: Types) -> int:
    return 3 * outputs[0].elements * inputs[0].shape[-1]


def _adaptive(kind: Callable[..., Op], dimensions: int) -> Callable[[Types, Types], int]:
    """FLOPs of an adaptive pool, also on maps without a batch axis."""

    def flops(inputs: Types, outputs: Types) -> int:
        shape, output = ((1, *each.shape)[-2 - dimensions :] for each in (inputs[0], outputs[0]))
        return kind(output[2:]).extra_flops((shape,), output) or 0

    return flops


FLOPS: dict[str, Callable[[Types, Types], int]] = {
    "cumsum": _per_output(1),
    "cumprod": _per_output(1),
    "logcumsumexp": _per_output(3),
    "log_sigmoid_forward": _per_output(4),
    "rrelu_with_noise": _per_output(2),
    "linalg_vector_norm": _per_input(2),
    "_weight_norm_interface": _per_input(4),
    "_cdist_forward": _distance,
    "_euclidean_dist": _distance,
    "_upsample_bilinear2d_aa": _per_output(9),
    "_upsample_bicubic2d_aa": _per_output(35),
    "grid_sampler_2d": _per_output(9),
    "mse_loss": _per_input(3),
    "nll_loss_forward": lambda inputs, outputs: inputs[1].elements,
    "nll_loss2d_forward": lambda inputs, outputs: inputs[1].elements,
    "binary_cross_entropy": _per_input(7),
    "_embedding_bag": lambda inputs, outputs: inputs[1].elements * inputs[0].shape[-1],
    "_adaptive_avg_pool2d": _adaptive(ops.AdaptiveAvgPool2d, 2),
    "_adaptive_avg_pool3d": _adaptive(ops.AdaptiveAvgPool3d, 3),
    "adaptive_max_pool2d": _adaptive(ops.AdaptiveMaxPool2d, 2),
    "adaptive_max_pool3d": _adaptive(ops.AdaptiveMaxPool3d, 3),
    "nansum": _per_input(1),
    "aminmax": _per_input(2),
    "_aminmax": _per_input(2),
    "std_mean": _per_input(4),
    "var_mean": _per_input(4),
    "segment_reduce": _per_input(1),
    "dist": _per_input(3),
    "renorm": _per_input(3),
    "_pdist_forward": _distance,
    "linalg_cross": _per_output(3),
    "addr": _per_output(2),
    "grid_sampler_3d": _per_output(17),
    "smooth_l1_loss": _per_input(6),
    "huber_loss": _per_input(6),
    "soft_margin_loss": _per_input(6),
    "binary_cross_entropy_with_logits": _per_input(8),
    "multi_margin_loss": _per_input(4),
    "_embedding_bag_forward_only": lambda inputs, outputs: inputs[1].elements * inputs[0].shape[-1],
    "quantize_per_tensor": _per_output(5),
    "quantize_per_tensor_dynamic": _per_output(5),
    "quantize_per_channel": _per_output(5),
    "dequantize": _per_output(2),
    "fake_quantize_per_tensor_affine_cachemask": _per_output(7),
    "fake_quantize_per_channel_affine_cachemask": _per_output(7),
    "_prelu_kernel": _per_output(2),
    **dict.fromkeys(
        (
            "quantized_decomposed::quantize_per_tensor",
            "quantized_decomposed::quantize_per_channel",
            "quantized_decomposed::quantize_per_channel_group",
            "quantized_decomposed::quantize_per_token",
        ),
        _per_output(5),
    ),
    **dict.fromkeys(
        (
            "quantized_decomposed::dequantize_per_tensor",
            "quantized_decomposed::dequantize_per_channel",
            "quantized_decomposed::dequantize_per_channel_group",
            "quantized_decomposed::dequantize_per_token",
        ),
        _per_output(2),
    ),
    "quantized_decomposed::fake_quant_per_channel": _per_output(7),
    "_masked_scale": _per_output(2),
}
"""FLOPs of operators without an operation in `ops`, from the types of their inputs and outputs."""


def short_name(name: str) -> str:
    """The name of an operator without its library, and without the `_` of an in-place form.

    The primitives by which PyTorch implements some operators have the same names where they compute the same.
    """
    base = name.removeprefix("aten::")
    if (primitive := base.removeprefix("prims::")) in ELEMENTWISE:
        base = primitive
    return base.removesuffix("_") if not base.startswith("__") else base


def operation_without_rule(
    func: OpOverload, tensors: Sequence[Tensor], outputs: tuple[TensorType, ...], arguments: OperatorArguments
) -> Op:
    """The operation of an operator without a rule.

    Args:
        func: the operator.
        tensors: all tensors among its arguments.
        outputs: types of its outputs.
        arguments: its arguments.
    """
    name, inputs = short_name(func._schema.name), tuple(map(type_of, tensors))
    if name in ("_to_copy", "prims::convert_element_type"):
        return _elementwise("cast", inputs, outputs[0], 1, ())
    if name in ELEMENTWISE and len(outputs) == 1:
        alpha = arguments.keywords.get("alpha", arguments.get(2, "alpha", 1))
        if name == "div" and (rounding := arguments.keywords.get("rounding_mode")) is not None:
            if rounding == "trunc":
                return Declared(name, outputs, declared_flops=outputs[0].elements)
            name = "floor_divide"
        return _elementwise(name, inputs, outputs[0], alpha, _numbers(name, func, arguments))
    if name in REDUCTIONS and tensors:
        names = [each.name for each in func._schema.arguments]
        dims, keepdim = (arguments.get(names.index(key), key) if key in names else None for key in ("dim", "keepdim"))
        return _reduction(name, inputs[0], dims, bool(keepdim), outputs)
    kept = kept_by(name, inputs, outputs)
    if name in FREE or name in MOVING or name in COPYING:
        return Declared(name, outputs, kept=kept)
    if (flops := FLOPS.get(name) or FLOPS_OF_BACKWARD.get(name)) is not None:
        return Declared(name, outputs, declared_flops=flops(inputs, outputs), kept=kept)
    if name in PRODUCTS:
        if name not in MIXED_DTYPES:
            check_same_dtype([each.dtype for each in tensors[:3]])
        macs, extra = PRODUCTS[name](product_call(func, inputs, outputs, arguments))
        return Unknown(func._schema.name, outputs) if macs is None else Declared(name, outputs, macs, extra, kept=kept)
    others = name in WITHOUT_PRODUCTS_OTHERS or name.startswith(("_foreach_", "prims::"))
    if (others and name != "prims::svd") or name in WITHOUT_PRODUCTS or name in WITHOUT_PRODUCTS_BACKWARD:
        return Declared(func._schema.name, outputs, declared_flops=None, kept=kept)
    if torch.Tag.pointwise in func.tags and len(outputs) == 1:  # a function of one element counts as one operation
        return Declared(name, outputs, declared_flops=outputs[0].elements)
    return Unknown(func._schema.name, outputs, params_known=not _has_packed_weights(arguments.positional))


def _has_packed_weights(values: Sequence[object]) -> bool:
    """Whether an argument is an object that is not a tensor, and may hold learned ones."""
    return any(
        isinstance(each, torch.ScriptObject) or (isinstance(each, list | tuple) and _has_packed_weights(each))
        for each in values
    )


def _numbers(name: str, func: OpOverload, arguments: OperatorArguments) -> tuple[float | None, ...]:
    """`Elementwise.numbers` of a call; empty where an argument is neither a tensor nor a number."""
    values, count = [], ARITY.get(name, 0)
    for i, each in enumerate(func._schema.arguments):
        value = arguments.get(i, each.name, each.default_value)
        if i < count or value != each.default_value:
            values.append(value)
    if name == "clamp":
        values = [bound if each is None else each for each, bound in zip(values, (None, -inf, inf), strict=True)]
    found = [each for each in values if isinstance(each, Tensor | int | float)]
    return numbers_of(found) if count and len(found) == len(values) else ()


def _elementwise(
    name: str, inputs: tuple[TensorType, ...], output: TensorType, alpha: object, numbers: tuple[float | None, ...]
) -> Op:
    """An element-wise function; the operation may not describe a promotion of dtypes."""
    if name == "add" and len(inputs) == 2 and inputs[0] == inputs[1] == output and isinstance(alpha, int | float):
        return ops.Add(float(alpha))
    numbers = numbers if numbers.count(None) == len(inputs) else ()
    op = Elementwise(name, output.dtype if inputs[0].dtype != output.dtype else "", numbers=numbers)
    if op.output_types(inputs) == (output,):
        return op
    kept = Elementwise(name).saved(inputs, output)
    return Declared(name, (output,), declared_flops=ELEMENTWISE[name] * output.elements, kept=kept)


def _reduction(
    name: str, x: TensorType, dims: int | Sequence[int] | None, keepdim: bool, outputs: tuple[TensorType, ...]
) -> Op:
    """A reduction; the operation does not describe one of a scalar, or one that also returns indices."""
    if dims is None or isinstance(dims, int):
        dims = () if dims is None else (dims,)
    rank = len(x.shape)
    axes = tuple(sorted(axis % max(rank, 1) for axis in dims))
    op = Reduce(name, axes, keepdim, outputs[0].dtype if outputs[0].dtype != x.dtype else "")
    if len(outputs) == 1 and rank and op.output_types((x,)) == outputs:
        return op
    per_input, per_output = REDUCTIONS[name]
    flops = max(per_input * x.elements + per_output * outputs[0].elements, 0)
    kept = op.saved((x,), outputs[0]) if len(outputs) == 1 else Saved(extra_bytes=outputs[1].bytes)  # the indices
    return Declared(name, outputs, declared_flops=flops, kept=kept)
