"""Self-attention of PyTorch's own module, call by call as it runs them, without running them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from inception_lens.ops import (
    Elementwise,
    Flatten,
    Linear,
    Op,
    Permute,
    Reshape,
    ScaledDotProductAttention,
    Select,
    TensorType,
)
from inception_lens.pytorch.recorder import Recorder
from inception_lens.pytorch.values import Traced, type_of


def is_plain(module: nn.MultiheadAttention, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether a call is self-attention over batches, without masks, whose weights nobody asks for."""
    x = args[0] if len(args) == 3 else None
    if type(x) is not Traced or x is not args[1] or x is not args[2] or x.dim() != 3:
        return False
    if x.shape[-1] != module.embed_dim or module.in_proj_weight is None or module.bias_k is not None:
        return False
    asked = kwargs.get("need_weights", True) or kwargs.get("is_causal", False) or module.add_zero_attn
    return not asked and kwargs.get("key_padding_mask") is None and kwargs.get("attn_mask") is None


def self_attention(recorder: Recorder, module: nn.MultiheadAttention, x: Traced) -> tuple[str, TensorType]:
    """Write the calls of `torch.nn.functional.multi_head_attention_forward` on one tensor as query, key and value.

    The output's name and type are the answer.
    """
    type_, name, heads, width = type_of(x), x.path, module.num_heads, module.embed_dim
    step = _Step(recorder)
    if module.batch_first:
        name, type_ = step("transpose", Permute((1, 0, 2)), name, type_)
    length, batch, _ = type_.shape
    projected = step("linear", Linear(3 * width, module.in_proj_bias is not None), name, type_, _projection(module))
    three = step("view", Reshape((length, batch, 3, width)), *projected)
    three = step("unsqueeze", Reshape((1, length, batch, 3, width)), *three)
    three = step("transpose", Permute((3, 1, 2, 0, 4)), *three)
    three = step("clone", Elementwise("clone"), *step("squeeze", Flatten(3), *three))
    parts = [step("select", Select(0, i), *three) for i in range(3)]
    rows = Reshape((length, batch * heads, width // heads))
    parts = [step("transpose", Permute((1, 0, 2)), *step("view", rows, *part)) for part in parts]
    parts = [step("view", Reshape((batch, heads, length, width // heads)), *part) for part in parts]
    attention = ScaledDotProductAttention()
    types = attention.output_types(tuple([each for _, each in parts]))
    name = recorder.call("scaled_dot_product_attention", attention, [each for each, _ in parts], types)
    joined = step("clone", Elementwise("clone"), *step("permute", Permute((2, 0, 1, 3)), name, types[0]))
    joined = step("unsafe_view", Reshape((length * batch, width)), *joined)
    out = module.out_proj
    joined = step("linear", Linear(width, out.bias is not None), *joined, (out.weight, out.bias))
    joined = step("view", Reshape((length, batch, width)), *joined)
    return step("transpose", Permute((1, 0, 2)), *joined) if module.batch_first else joined


def _projection(module: nn.MultiheadAttention) -> tuple[torch.Tensor | None, ...]:
    return module.in_proj_weight, module.in_proj_bias


class _Step:
    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def __call__(
        self, function: str, op: Op, name: str, type_: TensorType, reads: tuple[torch.Tensor | None, ...] = ()
    ) -> tuple[str, TensorType]:
        types = op.output_types((type_,))
        return self.recorder.call(function, op, (name,), types, reads), types[0]
