"""Operators of PyTorch that no model is expected to call: which of them multiply no matrices, and which may."""

from __future__ import annotations

COPYING = frozenset({
    "_coalesced", "_conj_copy", "_convert_indices_from_coo_to_csr", "_convert_indices_from_csr_to_coo",
    "_copy_from", "_copy_from_and_resize", "_cudnn_rnn_flatten_weight", "_empty_per_channel_affine_quantized",
    "_functional_assert_async", "_functional_assert_scalar", "_functional_sym_constrain_range",
    "_functional_sym_constrain_range_for_size", "_fw_primal_copy", "_index_put_impl", "_indices_copy",
    "_lazy_clone", "_make_dual_copy", "_make_per_channel_quantized_tensor", "_make_per_tensor_quantized_tensor",
    "_mkldnn_reshape", "_mkldnn_transpose", "_neg_view_copy", "_nested_compute_contiguous_strides_offsets",
    "_nested_from_padded_and_nested_example", "_nested_from_padded_tensor", "_nested_get_jagged_dummy",
    "_nested_get_lengths", "_nested_get_max_seqlen", "_nested_get_min_seqlen", "_nested_get_offsets",
    "_nested_get_values_copy", "_nested_tensor_from_mask", "_nested_tensor_from_tensor_list",
    "_nested_tensor_size", "_nested_tensor_storage_offsets", "_nested_tensor_strides",
    "_nested_view_from_buffer_copy", "_nested_view_from_jagged_copy", "_new_zeros_with_same_feature_meta",
    "_philox_key_fold_in", "_philox_key_split", "_philox_normal", "_philox_uniform", "_pin_memory",
    "_reshape_alias_copy", "_reshape_copy", "_resize_output", "_sparse_broadcast_to_copy",
    "_sparse_coo_tensor_with_dims_and_tensors", "_sparse_mask_projection", "_spdiags",
    "_unique", "_values_copy", "as_strided_copy",
    "ccol_indices_copy", "col_indices_copy", "copy_sparse_to_sparse", "crow_indices_copy", "detach_copy",
    "diagonal_copy", "empty_quantized", "indices_copy", "lu_unpack", "mkldnn_reorder_conv2d_weight",
    "mkldnn_reorder_conv3d_weight", "q_per_channel_scales", "q_per_channel_zero_points", "record_stream",
    "resize_as_sparse", "row_indices_copy", "select_copy", "slice_copy", "sparse_compressed_tensor",
    "sparse_mask", "sparse_resize", "sparse_resize_and_clear", "split_with_sizes_copy", "squeeze_copy",
    "t_copy", "to_mkldnn", "to_padded_tensor", "transpose_copy", "unfold_copy", "unsqueeze_copy", "values_copy",
    "view_as_complex_copy", "view_as_real_copy", "view_copy",
})  # fmt: skip
"""Operators that move, convert or describe numbers, and compute none."""

WITHOUT_PRODUCTS_OTHERS = frozenset({
    "_add_relu", "_amp_foreach_non_finite_check_and_unscale", "_batch_norm_with_update_functional",
    "_convert_weight_to_int4pack", "_convert_weight_to_int4pack_for_cpu", "_cslt_compress", "_cummax_helper",
    "_cummin_helper", "_dyn_quant_pack_4bit_weight", "_fused_adagrad", "_fused_adam", "_fused_adamw",
    "_fused_dropout", "_fused_moving_avg_obs_fq_helper_functional", "_fused_sgd",
    "_grid_sampler_2d_cpu_fallback", "_histogramdd_bin_edges", "_histogramdd_from_bin_cts",
    "_histogramdd_from_bin_tensors", "_logcumsumexp", "_native_batch_norm_legit_functional", "_sparse_csr_prod",
    "_sparse_csr_sum", "_sparse_semi_structured_apply", "_sparse_semi_structured_apply_dense",
    "_sparse_semi_structured_tile", "_to_sparse_semi_structured", "_transform_bias_rescale_qkv",
    "_unsafe_masked_index_put_accumulate", "batch_norm_gather_stats_with_counts", "batch_norm_update_stats",
    "cudnn_grid_sampler", "frexp", "hash_tensor", "linalg__powsum", "miopen_ctc_loss",
    "mkldnn_adaptive_avg_pool2d", "mkldnn_max_pool2d", "mkldnn_max_pool3d", "rrelu_with_noise_functional",
    "torchvision::nms", "torchvision::ps_roi_align", "torchvision::ps_roi_pool", "torchvision::roi_align",
    "torchvision::roi_pool",
})  # fmt: skip
"""Operators that multiply no matrices: their MACs are zero, and their FLOPs are unknown. Some are torchvision's."""

MAY_MULTIPLY: dict[str, frozenset[str]] = {
    "a factorisation or a solver, whose steps depend on the library": frozenset({
        "cholesky", "cholesky_inverse", "cholesky_solve", "_cholesky_solve_helper", "geqrf", "_linalg_det",
        "_linalg_eigh", "_linalg_eigvals", "_linalg_slogdet", "_linalg_solve_ex", "_linalg_svd",
        "linalg_cholesky_ex", "linalg_eig", "linalg_householder_product", "linalg_inv_ex", "linalg_ldl_factor_ex",
        "linalg_ldl_solve", "linalg_lstsq", "linalg_lu", "linalg_lu_factor_ex", "linalg_lu_solve", "linalg_pinv",
        "linalg_qr", "linalg_solve_triangular", "ormqr", "triangular_solve", "_spsolve",
    }),
    "a series of products, whose length depends on the values": frozenset({
        "linalg_matrix_exp", "_compute_linear_combination",
    }),
    "a product of sparse matrices, which counts by what is stored": frozenset({
        "_cslt_sparse_mm", "_cslt_sparse_mm_search", "hspmm", "_sparse_addmm", "_sparse_mm_reduce_impl",
        "_sparse_mm_reduce_impl_backward", "_sparse_semi_structured_addmm", "_sparse_semi_structured_linear",
        "_sparse_semi_structured_mm", "_sparse_sparse_matmul", "sparse_sampled_addmm",
    }),
    "a recurrent kernel of one library, or weights that cannot be read": frozenset({
        "_cudnn_rnn_backward", "miopen_rnn_backward", "_lstm_mps", "lstm_mps_backward", "quantized_gru",
        "quantized_lstm",
    }),
    "a fused kernel of one backend, or PyTorch's fast path, which is off in a trace": frozenset({
        "_flash_attention_forward_no_dropout_inplace", "_native_multi_head_attention",
        "_scaled_dot_product_fused_attention_overrideable_backward", "_transformer_encoder_layer_fwd",
        "_triton_multi_head_attention",
    }),
    "the gradient of a grid": frozenset({"cudnn_affine_grid_generator_backward"}),
    "an operator of PyTorch's own tests": frozenset({
        "_foobar", "_test_autograd_multiple_dispatch", "_test_autograd_multiple_dispatch_view_copy",
        "_test_functorch_fallback", "_test_optional_filled_intlist", "_test_optional_floatlist",
        "_test_optional_intlist", "_test_parallel_materialize", "_test_warn_in_autograd",
    }),
}  # fmt: skip
"""Operators whose MACs are unknown, by the reason."""
