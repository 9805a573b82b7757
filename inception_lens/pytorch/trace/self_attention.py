"""Self-attention of PyTorch's own module: the operators that it calls, one by one, without running it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from torch import nn

from inception_lens.ops import Elementwise, Linear, Op, Permute, ScaledDotProductAttention, Select, TensorType
from inception_lens.pytorch.trace.recorder import Recorder
from inception_lens.pytorch.trace.rules.views import reshaped
from inception_lens.pytorch.trace.traced_tensor import TracedTensor, type_of


def is_self_attention(module: nn.MultiheadAttention, args: Sequence[object], kwargs: Mapping[str, object]) -> bool:
    """Whether a call is batched self-attention without masks that returns no attention weights."""
    if len(args) != 3:
        return False
    x = args[0]
    if not isinstance(x, TracedTensor) or x is not args[1] or x is not args[2] or x.dim() != 3:
        return False
    if x.shape[-1] != module.embed_dim or module.in_proj_weight is None or module.bias_k is not None:
        return False
    if kwargs.get("need_weights", True) or kwargs.get("is_causal", False) or module.add_zero_attn:
        return False
    return kwargs.get("key_padding_mask") is None and kwargs.get("attn_mask") is None


def add_self_attention(recorder: Recorder, module: nn.MultiheadAttention, x: TracedTensor) -> tuple[str, TensorType]:
    """Add the calls of `torch.nn.functional.multi_head_attention_forward` with `x` as query, key and value.

    Returns:
        The name and the type of the output.
    """
    weights = (module.in_proj_weight, module.in_proj_bias), (module.out_proj.weight, module.out_proj.bias)
    calls = _calls(
        type_of(x), module.num_heads, weights[0][1] is not None, weights[1][1] is not None, module.batch_first
    )
    names, reads = [x.path], iter(weights)
    for function, op, inputs, types in calls:
        tensors = next(reads) if op.has_weights else ()
        names.append(recorder.add_operator(function, op, [names[i] for i in inputs], types, tensors))
    return names[-1], calls[-1].types[0]


class AttentionCall(NamedTuple):
    """One operator that the module calls."""

    function: str
    op: Op
    inputs: tuple[int, ...]
    """Numbers of the calls that it reads, from 1; 0 is the module's input."""
    types: tuple[TensorType, ...]


@lru_cache(64)  # the layers of a transformer are equal
def _calls(
    given: TensorType, heads: int, bias_in: bool, bias_out: bool, batch_first: bool
) -> tuple[AttentionCall, ...]:
    types, calls = [given], []

    def call(function: str, op: Op, *inputs: int) -> int:
        outputs = op.output_types(tuple([types[i] for i in inputs]))
        calls.append(AttentionCall(function, op, inputs, outputs))
        types.append(outputs[0])
        return len(calls)

    def view(x: int, *shape: int, function: str = "view") -> int:
        return call(function, reshaped(types[x].shape, shape), x)

    x = call("transpose", Permute((1, 0, 2)), 0) if batch_first else 0
    length, batch, width = types[x].shape
    x = call("linear", Linear(3 * width, bias_in), x)
    x = view(view(x, length, batch, 3, width), 1, length, batch, 3, width, function="unsqueeze")
    x = call("transpose", Permute((3, 1, 2, 0, 4)), x)
    x = call("clone", Elementwise("clone"), view(x, 3, length, batch, width, function="squeeze"))
    parts = [call("select", Select(0, i), x) for i in range(3)]
    parts = [call("transpose", Permute((1, 0, 2)), view(part, length, batch * heads, width // heads)) for part in parts]
    parts = [view(part, batch, heads, length, width // heads) for part in parts]
    x = call("scaled_dot_product_attention", ScaledDotProductAttention(), *parts)
    x = call("clone", Elementwise("clone"), call("permute", Permute((2, 0, 1, 3)), x))
    x = call("linear", Linear(width, bias_out), view(x, length * batch, width, function="unsafe_view"))
    x = view(x, length, batch, width)
    if batch_first:
        call("transpose", Permute((1, 0, 2)), x)
    return tuple(calls)
