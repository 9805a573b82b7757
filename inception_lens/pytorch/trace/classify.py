"""Operators without a rule: what they cost once the types of their outputs are known.

Most of PyTorch's operators move numbers or do one thing to each of them; tables here say which, and what is in none of
them is Unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch

from inception_lens import ops
from inception_lens.ops import ELEMENTWISE, REDUCTIONS, Declared, Elementwise, Op, Reduce, TensorType, Unknown
from inception_lens.pytorch.trace.operators import Arguments
from inception_lens.pytorch.trace.values import NAMES

Tensor = torch.Tensor
Types = Sequence[TensorType]


def elementwise(name: str, tensors: Sequence[Tensor], output: TensorType, scale: Any = 1) -> Op:
    """The operation of an element-wise function whose output's type is known."""
    inputs = tuple([TensorType(tuple(each.shape), NAMES[each.dtype]) for each in tensors])
    if name == "add" and len(inputs) == 2 and inputs[0] == inputs[1] == output and not isinstance(scale, complex):
        return ops.Add(float(scale))
    op = Elementwise(name, output.dtype if inputs and inputs[0].dtype != output.dtype else "")
    if inputs and op.output_types(inputs) == (output,):
        return op
    return Declared(name, (output,), flops_beside=ELEMENTWISE[name] * output.elements)


def reduction(name: str, x: Tensor, dims: Any, keepdim: bool, outputs: tuple[TensorType, ...]) -> Op:
    """The operation of a reduction whose output's type is known."""
    if dims is None or isinstance(dims, int):
        dims = () if dims is None else (dims,)
    given = TensorType(tuple(x.shape), NAMES[x.dtype])
    axes = tuple(sorted(axis % max(x.dim(), 1) for axis in dims))
    op = Reduce(name, axes, keepdim, outputs[0].dtype if outputs[0].dtype != given.dtype else "")
    if len(outputs) == 1 and x.dim() and op.output_types((given,)) == outputs:
        return op
    per_input, per_output = REDUCTIONS[name]
    return Declared(name, outputs, flops_beside=max(per_input * given.elements + per_output * outputs[0].elements, 0))


FREE = frozenset({
    "_unsafe_index", "_unsafe_index_put", "_unsafe_masked_index", "unsafe_split", "unsafe_split_with_sizes",
    "squeeze", "unsqueeze", "transpose", "t",
    "_conj", "_pack_padded_sequence", "_pad_packed_sequence", "_reshape_alias", "_unique2",
    "_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "_upsample_nearest_exact3d", "alias", "allclose",
    "arange", "argsort", "as_strided", "as_strided_scatter", "bernoulli", "bincount", "broadcast_tensors",
    "bucketize", "channel_shuffle", "col2im", "complex", "conj", "copy", "cummax", "cummin", "diag", "diag_embed",
    "diagonal", "diagonal_scatter", "embedding_renorm", "empty", "empty_like", "empty_permuted", "empty_strided",
    "expand_copy", "exponential", "eye", "fill", "flip", "fliplr", "flipud", "full", "full_like", "gather", "histc",
    "im2col", "imag", "index", "index_add", "index_copy", "index_fill", "index_put", "index_select", "isclose",
    "isin", "kthvalue", "lift", "lift_fresh", "lift_fresh_copy", "linspace", "logspace", "masked_scatter",
    "masked_select", "max_unpool2d", "max_unpool3d", "meshgrid", "mode", "multinomial", "narrow_copy",
    "native_channel_shuffle", "native_dropout", "new_empty", "new_empty_strided", "new_full", "new_ones",
    "new_zeros", "nonzero", "nonzero_static", "normal", "one_hot", "ones", "ones_like", "permute_copy",
    "pixel_shuffle", "pixel_unshuffle", "polar", "put", "rand", "rand_like", "randint", "randint_like", "randn",
    "randn_like", "random", "randperm", "real", "reflection_pad1d", "reflection_pad2d", "reflection_pad3d", "repeat",
    "repeat_interleave", "replication_pad1d", "replication_pad2d", "replication_pad3d", "resize_", "resolve_conj",
    "resolve_neg", "result_type", "roll", "rot90", "scalar_tensor", "scatter", "scatter_add", "scatter_reduce",
    "searchsorted", "select_scatter", "set_", "slice_scatter", "sort", "split_copy", "take", "take_along_dim",
    "tile", "to_dense", "topk", "trace", "tril", "tril_indices", "triu", "triu_indices", "unbind_copy", "unfold",
    "uniform", "unique", "unique_consecutive", "unique_dim", "upsample_nearest1d", "upsample_nearest2d",
    "upsample_nearest3d", "view_as_complex", "view_as_real", "zero", "zeros", "zeros_like",
})  # fmt: skip
"""Operators that move, choose or draw numbers, and compute none."""


def _per_output(flops: int) -> Callable[[Types, Types], int]:
    return lambda inputs, outputs: flops * outputs[0].elements


FLOPS: dict[str, Callable[[Types, Types], int]] = {
    "cumsum": _per_output(1),
    "log_sigmoid_forward": _per_output(4),
    "rrelu_with_noise": _per_output(2),
    "linalg_vector_norm": lambda inputs, outputs: 2 * inputs[0].elements,
    "_weight_norm_interface": lambda inputs, outputs: 4 * inputs[0].elements,
    "_cdist_forward": lambda inputs, outputs: 3 * outputs[0].elements * inputs[0].shape[-1],
    "_euclidean_dist": lambda inputs, outputs: 3 * outputs[0].elements * inputs[0].shape[-1],
    "cumprod": _per_output(1),
    "logcumsumexp": _per_output(3),
    "upsample_linear1d": _per_output(3),
    "upsample_bilinear2d": _per_output(9),
    "_upsample_bilinear2d_aa": _per_output(9),
    "upsample_trilinear3d": _per_output(21),
    "upsample_bicubic2d": _per_output(35),
    "_upsample_bicubic2d_aa": _per_output(35),
    "grid_sampler_2d": _per_output(9),
    "mse_loss": lambda inputs, outputs: 3 * inputs[0].elements,
    "nll_loss_forward": lambda inputs, outputs: inputs[1].elements,
    "nll_loss2d_forward": lambda inputs, outputs: inputs[1].elements,
    "binary_cross_entropy": lambda inputs, outputs: 7 * inputs[0].elements,
    "embedding_bag": lambda inputs, outputs: inputs[1].elements * inputs[0].shape[-1],
    "_embedding_bag": lambda inputs, outputs: inputs[1].elements * inputs[0].shape[-1],
    "_adaptive_avg_pool2d": lambda inputs, outputs: inputs[0].elements,
    "_adaptive_avg_pool3d": lambda inputs, outputs: inputs[0].elements,
    "adaptive_max_pool2d": lambda inputs, outputs: inputs[0].elements,
    "adaptive_max_pool3d": lambda inputs, outputs: inputs[0].elements,
}
"""FLOPs of operators that have no operation of their own, from the types of their inputs and outputs."""


def _product(inputs: Types, outputs: Types) -> tuple[int, int]:
    """An addition behind a matrix product: `added + left @ right`."""
    return prod(inputs[1].shape) * inputs[2].shape[-1] if len(inputs[2].shape) > 1 else prod(inputs[1].shape), (
        outputs[0].elements
    )


def _attention(inputs: Types, outputs: Types) -> tuple[int, int]:
    attention, shapes = ops.ScaledDotProductAttention(), tuple([each.shape for each in inputs[:3]])
    return attention.macs(shapes, ()), attention.extra_flops(shapes, ())


def _bilinear(inputs: Types, outputs: Types) -> tuple[int, int]:
    """X W y for each output feature: x W first, and its product with y behind it."""
    left, weight, right = inputs[:3]
    rows = prod(left.shape) // left.shape[-1]
    return rows * weight.shape[0] * (left.shape[-1] + 1) * right.shape[-1], 0


MACS: dict[str, Callable[[Types, Types], tuple[int, int]]] = {
    "addmm": _product,
    "addmv": _product,
    "baddbmm": _product,
    "addbmm": _product,
    "_trilinear": _bilinear,
    "_scaled_dot_product_flash_attention": _attention,
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_scaled_dot_product_efficient_attention": _attention,
    "_scaled_dot_product_cudnn_attention": _attention,
}
"""MACs, and the FLOPs beside them, of operators that multiply and have no operation of their own."""


def plain(name: str) -> str:
    """The name of an operator without the marks of its in-place and private forms."""
    base = name.removeprefix("aten::")
    return base.removesuffix("_") if not base.startswith("__") else base


def classified(
    func: Any,
    tensors: Sequence[Tensor],
    inputs: Types,
    outputs: tuple[TensorType, ...],
    arguments: Arguments,
) -> Op:
    """The operation of an operator without a rule, its output types being known; Unknown where its cost is not."""
    name = plain(func._schema.name)
    if name == "_to_copy":
        return elementwise("cast", tensors, outputs[0])
    if name in ELEMENTWISE and len(outputs) == 1:
        return elementwise(name, tensors, outputs[0], arguments.named.get("alpha", arguments.get(2, "alpha", 1)))
    if name in REDUCTIONS and tensors:
        names = [each.name for each in func._schema.arguments]
        dims, keepdim = (
            arguments.get(names.index(key), key, default) if key in names else default
            for key, default in (("dim", None), ("keepdim", False))
        )
        return reduction(name, tensors[0], dims, bool(keepdim), outputs)
    if name in FREE:
        return Declared(name, outputs)
    if name in FLOPS:
        return Declared(name, outputs, flops_beside=FLOPS[name](inputs, outputs))
    if name in MACS:
        macs, rest = MACS[name](inputs, outputs)
        return Declared(name, outputs, macs, rest)
    if torch.Tag.pointwise in func.tags and len(outputs) == 1:  # a function of one element counts as one operation
        return Declared(name, outputs, flops_beside=outputs[0].elements)
    return Unknown(func._schema.name, outputs)
