"""Self-attention of PyTorch's own module, call by call as it runs them, without running them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

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
    weights = (module.in_proj_weight, module.in_proj_bias), (module.out_proj.weight, module.out_proj.bias)
    calls = _calls(
        type_of(x), module.num_heads, weights[0][1] is not None, weights[1][1] is not None, module.batch_first
    )
    names, reads = [x.path], iter(weights)
    for function, op, inputs, types in calls:
        tensors = next(reads) if op.has_weights else ()
        names.append(recorder.call(function, op, [names[i] for i in inputs], types, tensors))
    return names[-1], calls[-1].types[0]


class _Call(NamedTuple):
    function: str
    op: Op
    inputs: tuple[int, ...]
    """Numbers of the calls that it reads, from 1; 0 is the module's input."""
    types: tuple[TensorType, ...]


@lru_cache(64)  # the layers of a transformer are alike
def _calls(given: TensorType, heads: int, bias_in: bool, bias_out: bool, batch_first: bool) -> tuple[_Call, ...]:
    types, calls = [given], []

    def call(function: str, op: Op, *inputs: int) -> int:
        made = op.output_types(tuple([types[i] for i in inputs]))
        calls.append(_Call(function, op, inputs, made))
        types.append(made[0])
        return len(calls)

    x = call("transpose", Permute((1, 0, 2)), 0) if batch_first else 0
    length, batch, width = types[x].shape
    x = call("linear", Linear(3 * width, bias_in), x)
    x = call("view", Reshape((length, batch, 3, width)), x)
    x = call("unsqueeze", Reshape((1, length, batch, 3, width)), x)
    x = call("transpose", Permute((3, 1, 2, 0, 4)), x)
    x = call("clone", Elementwise("clone"), call("squeeze", Flatten(3), x))
    parts = [call("select", Select(0, i), x) for i in range(3)]
    rows = Reshape((length, batch * heads, width // heads))
    parts = [call("transpose", Permute((1, 0, 2)), call("view", rows, part)) for part in parts]
    parts = [call("view", Reshape((batch, heads, length, width // heads)), part) for part in parts]
    x = call("scaled_dot_product_attention", ScaledDotProductAttention(), *parts)
    x = call("clone", Elementwise("clone"), call("permute", Permute((2, 0, 1, 3)), x))
    x = call("linear", Linear(width, bias_out), call("unsafe_view", Reshape((length * batch, width)), x))
    x = call("view", Reshape((length, batch, width)), x)
    if batch_first:
        call("transpose", Permute((1, 0, 2)), x)
    return tuple(calls)
