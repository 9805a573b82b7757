"""What autograd keeps of operators without an operation in `ops`: the tensors that their derivatives are computed from.

The derivatives are those of PyTorch's `derivatives.yaml`. Of an operator that is not listed it is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from inception_lens.ops import Saved, TensorType

Types = Sequence[TensorType]

KEEPS_NOTHING = frozenset({
    "alias_copy", "arange", "as_strided", "bernoulli", "block_diag", "bincount", "bucketize", "cat", "channel_shuffle",
    "_chunk_cat", "col2im", "complex", "_conj", "copy", "cumsum", "diag_embed", "diagonal", "diagonal_scatter", "empty",
    "empty_like", "empty_permuted", "empty_strided", "expand_copy", "exponential", "eye", "fill", "flip", "full",
    "full_like", "histc", "im2col", "isin", "_is_all_true", "_is_any_true", "lift_fresh_copy", "linspace", "logspace",
    "multinomial", "narrow_copy", "new_empty", "new_empty_strided", "new_full", "new_ones", "new_zeros", "nonzero",
    "nonzero_static", "normal", "ones", "ones_like", "permute_copy", "pixel_shuffle", "pixel_unshuffle", "rand",
    "rand_like", "randint", "randint_like", "randn", "randn_like", "random", "randperm", "repeat", "_reshape_alias",
    "roll", "rot90", "scalar_tensor", "searchsorted", "select_scatter", "slice_scatter", "split_copy", "squeeze",
    "_stack", "stack", "t", "trace", "transpose", "tril", "tril_indices", "triu", "triu_indices", "unbind_copy",
    "unfold", "uniform", "unsafe_split", "unsafe_split_with_sizes", "unsqueeze", "view_as_complex", "view_as_real",
    "zero", "zeros", "zeros_like", "_upsample_bicubic2d_aa", "_upsample_bilinear2d_aa",
})  # fmt: skip
"""Operators whose derivative needs no tensor, or that have none."""

INDICES = Saved(inputs=(1,))
FIRST = Saved(inputs=(0,))
FIRST_AND_OUTPUT = Saved(inputs=(0,), output=True)
ALL = Saved(inputs=True)
ALL_AND_OUTPUT = Saved(inputs=True, output=True)
ADDED_PRODUCT = Saved(inputs_for=((1, 2), (2, 1)))

KEEPS: dict[str, Saved] = {
    **dict.fromkeys(KEEPS_NOTHING, Saved()),
    **dict.fromkeys(("index_select", "scatter", "max_unpool2d", "max_unpool3d", "masked_scatter"), INDICES),
    **dict.fromkeys(("gather", "take", "masked_select", "mse_loss", "smooth_l1_loss", "huber_loss"), ALL),
    **dict.fromkeys(("binary_cross_entropy", "binary_cross_entropy_with_logits"), ALL),
    **dict.fromkeys(("grid_sampler_2d", "grid_sampler_3d", "rrelu_with_noise"), ALL),
    "scatter_add": Saved(inputs_for=((1, 2),)),
    "index_add": Saved(inputs_for=((1, 2), (2, 2))),
    "index_copy": Saved(inputs=(1,), inputs_for=((2, 2),)),
    "embedding": Saved(inputs_for=((1, 0),)),
    **dict.fromkeys(("reflection_pad1d", "reflection_pad2d", "reflection_pad3d"), FIRST),
    **dict.fromkeys(("replication_pad1d", "replication_pad2d", "replication_pad3d"), FIRST),
    **dict.fromkeys(("var_mean", "renorm", "_adaptive_avg_pool2d", "_adaptive_avg_pool3d"), FIRST),
    **dict.fromkeys(("cumprod", "logcumsumexp", "linalg_vector_norm", "std_mean"), FIRST_AND_OUTPUT),
    **dict.fromkeys(("_cdist_forward", "dist"), ALL_AND_OUTPUT),
    **dict.fromkeys(("mm", "bmm", "mv", "dot", "vdot", "linalg_cross"), Saved(inputs_for=((0, 1), (1, 0)))),
    **dict.fromkeys(("addmm", "addmv", "baddbmm", "addbmm", "addr"), ADDED_PRODUCT),
}  # fmt: skip
"""What is kept, by the operator's name."""


def _second_output(kept: Saved = Saved()) -> Callable[[Types, Types], Saved]:  # noqa: B008 - it is frozen
    """The second output, such as the indices of a sort, and what else is kept."""
    return lambda inputs, outputs: Saved(kept.inputs, output=kept.output, extra_bytes=outputs[1].bytes)


KEEPS_SIZED: dict[str, Callable[[Types, Types], Saved]] = {
    **dict.fromkeys(("kthvalue", "median", "mode", "nanmedian", "sort", "topk", "native_dropout"), _second_output()),
    **dict.fromkeys(("cummax", "cummin", "adaptive_max_pool2d", "adaptive_max_pool3d"), _second_output(FIRST)),
    "aminmax": _second_output(FIRST_AND_OUTPUT),
    **dict.fromkeys(("nll_loss_forward", "nll_loss2d_forward"), _second_output(ALL)),
    **dict.fromkeys(("index", "_unsafe_index"), lambda inputs, outputs: Saved(tuple(range(1, len(inputs))))),
    **dict.fromkeys(
        ("index_put", "_unsafe_index_put"), lambda inputs, outputs: Saved(tuple(range(1, len(inputs) - 1)))
    ),
}
"""What is kept where that depends on the number or the size of tensors."""


def kept_by(name: str, inputs: Types, outputs: Types) -> Saved | None:
    """What autograd keeps of a call of an operator; None if unknown."""
    if name in KEEPS_SIZED:
        return KEEPS_SIZED[name](inputs, outputs)
    return KEEPS.get(name)
