"""Operators of backward passes that multiply no matrices: a forward pass calls them by `torch.autograd.grad`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from inception_lens.ops import TensorType

Types = Sequence[TensorType]

MOVING = frozenset({
    "diagonal_backward", "masked_scatter_backward", "_nested_select_backward", "_nested_sum_backward",
    "native_dropout_backward", "select_backward", "slice_backward",
})  # fmt: skip
"""Operators that move gradients, and compute none."""

PER_GRADIENT = {
    # One addition to what other positions give the same input.
    **dict.fromkeys(
        (
            "adaptive_max_pool2d_backward", "adaptive_max_pool3d_backward", "embedding_dense_backward",
            "max_pool2d_with_indices_backward", "max_pool3d_with_indices_backward", "reflection_pad1d_backward",
            "reflection_pad2d_backward", "reflection_pad3d_backward", "replication_pad1d_backward",
            "replication_pad2d_backward", "replication_pad3d_backward", "_upsample_nearest_exact1d_backward",
            "_upsample_nearest_exact2d_backward", "_upsample_nearest_exact3d_backward", "upsample_nearest1d_backward",
            "upsample_nearest2d_backward", "upsample_nearest3d_backward",
        ),
        1,
    ),
    # One selection.
    **dict.fromkeys(
        (
            "hardshrink_backward", "hardsigmoid_backward", "hardtanh_backward", "leaky_relu_backward",
            "softshrink_backward", "threshold_backward",
        ),
        1,
    ),
    "tanh_backward": 3,
    "sigmoid_backward": 3,
    "hardswish_backward": 3,
    "elu_backward": 4,
    "softplus_backward": 4,
    "log_sigmoid_backward": 4,
    "gelu_backward": 11,
    "_softmax_backward_data": 4,
    "_log_softmax_backward_data": 4,
}  # fmt: skip
"""FLOPs for each element of the gradient that an operator gets."""

FLOPS_OF_BACKWARD: dict[str, Callable[[Types, Types], int]] = {
    name: lambda inputs, outputs, flops=flops: flops * inputs[0].elements  # type: ignore[misc]
    for name, flops in PER_GRADIENT.items()
}
"""FLOPs from the types of inputs and outputs, the first input being the gradient."""

WITHOUT_PRODUCTS_BACKWARD = frozenset({
    "_adaptive_avg_pool2d_backward", "_adaptive_avg_pool3d_backward", "adaptive_avg_pool3d_backward",
    "avg_pool2d_backward", "avg_pool3d_backward", "batch_norm_backward", "batch_norm_backward_elemt",
    "batch_norm_backward_reduce", "binary_cross_entropy_backward", "_cdist_backward", "_ctc_loss_backward",
    "cudnn_batch_norm_backward", "cudnn_grid_sampler_backward", "_embedding_bag_backward",
    "_embedding_bag_dense_backward", "_embedding_bag_per_sample_weights_backward",
    "_fake_quantize_learnable_per_channel_affine_backward", "_fake_quantize_learnable_per_tensor_affine_backward",
    "fractional_max_pool2d_backward", "fractional_max_pool3d_backward", "_fused_rms_norm_backward", "glu_backward",
    "glu_backward_jvp", "glu_jvp", "_grid_sampler_2d_cpu_fallback_backward", "grid_sampler_2d_backward",
    "grid_sampler_3d_backward", "huber_loss_backward", "logit_backward", "_masked_softmax_backward",
    "max_pool2d_backward", "miopen_batch_norm_backward", "mkldnn_adaptive_avg_pool2d_backward",
    "mkldnn_max_pool2d_backward", "mkldnn_max_pool3d_backward", "mse_loss_backward", "multi_margin_loss_backward",
    "multilabel_margin_loss_backward", "native_batch_norm_backward", "native_group_norm_backward",
    "native_layer_norm_backward", "nll_loss2d_backward", "nll_loss_backward", "_pdist_backward",
    "_prelu_kernel_backward", "rrelu_with_noise_backward", "_segment_reduce_backward", "smooth_l1_loss_backward",
    "soft_margin_loss_backward", "_sparse_log_softmax_backward_data", "_sparse_softmax_backward_data",
    "_sparse_sum_backward", "_thnn_fused_gru_cell_backward", "_thnn_fused_lstm_cell_backward_impl",
    "_upsample_bicubic2d_aa_backward", "_upsample_bilinear2d_aa_backward", "_upsample_lanczos2d_aa_backward",
    "upsample_bicubic2d_backward", "upsample_bilinear2d_backward", "upsample_linear1d_backward",
    "upsample_trilinear3d_backward", "_weight_norm_interface_backward",
})  # fmt: skip
"""Operators whose MACs are zero, and whose FLOPs are unknown."""
