"""Rules of operators that read learned tensors: convolutions, matrix products, attention, norms, recurrent layers."""

from __future__ import annotations

from typing import Any

import torch

from inception_lens import ops
from inception_lens.ops import Op
from inception_lens.pytorch.trace.operators import Arguments, Call, Rule, Rules, adds, sizes, weighted
from inception_lens.pytorch.trace.values import NAMES

Tensor = torch.Tensor

RULES: Rules = {}


def _convolution(kind: type[Op], dimensions: int, transposed: bool = False) -> Rule:
    def convolution(a: Arguments) -> Call | None:
        x, weight, bias = a.get(0, "input"), a.get(1, "weight"), a.get(2, "bias")
        stride, padding = sizes(a.get(3, "stride", 1), dimensions), a.get(4, "padding", 0)
        if transposed:
            extra, groups = sizes(a.get(5, "output_padding", 0), dimensions), a.get(6, "groups", 1)
            dilation = sizes(a.get(7, "dilation", 1), dimensions)
        else:
            extra, groups, dilation = (), a.get(6, "groups", 1), sizes(a.get(5, "dilation", 1), dimensions)
        if x.dim() != dimensions + 2 or padding == []:
            return None
        if isinstance(padding, str):
            padding = (0,) * dimensions if padding == "valid" else padding
        else:
            padding = sizes(padding, dimensions)
        channels = weight.shape[1] * groups if transposed else weight.shape[0]
        settings: list[Any] = [channels, tuple(weight.shape[2:]), stride, padding, dilation, groups, bias is not None]
        op = kind(*settings, extra if any(extra) else ()) if transposed else kind(*settings)
        return weighted(a, op, (x,), (weight, bias))

    return convolution


for _n in (1, 2, 3):
    RULES[f"conv{_n}d"] = _convolution(getattr(ops, f"Conv{_n}d"), _n)
    RULES[f"conv_transpose{_n}d"] = _convolution(getattr(ops, f"ConvTranspose{_n}d"), _n, transposed=True)


@adds(RULES, "convolution")
def _any_convolution(a: Arguments) -> Call | None:
    """The operator beneath all of them, whose arguments stand in another order."""
    x, weight, bias, stride, padding, dilation, transposed, extra, groups = a.given[:9]
    dimensions = x.dim() - 2
    if dimensions not in (1, 2, 3):
        return None
    order = (extra, groups, dilation) if transposed else (dilation, groups)
    kind = getattr(ops, f"Conv{'Transpose' if transposed else ''}{dimensions}d")
    inner = Arguments((x, weight, bias, stride, padding, *order), {}, a.owned)
    return _convolution(kind, dimensions, transposed)(inner)


@adds(RULES, "linear")
def _linear(a: Arguments) -> Call:
    x, weight, bias = a.get(0, "input"), a.get(1, "weight"), a.get(2, "bias")
    if weight.dim() != 2:
        return Call(ops.MatMul(), (x, weight))
    return weighted(a, ops.Linear(weight.shape[0], bias is not None), (x,), (weight, bias))


@adds(RULES, "matmul", "mm", "bmm", "mv", "dot", "vdot")
def _matmul(a: Arguments) -> Call:
    left, right = a.given[:2]
    return Call(ops.MatMul(), (left, right))


@adds(RULES, "scaled_dot_product_attention")
def _attention(a: Arguments) -> Call:
    query, key, value, mask = (a.get(i, name) for i, name in enumerate(("query", "key", "value", "attn_mask")))
    inputs = (query, key, value) if mask is None else (query, key, value, mask)
    return Call(ops.ScaledDotProductAttention(bool(a.get(5, "is_causal", False))), inputs)


@adds(RULES, "batch_norm")
def _batch_norm(a: Arguments) -> Call | None:
    x, weight, bias, mean, variance = a.given[:5]
    kind = {2: ops.BatchNorm1d, 3: ops.BatchNorm1d, 4: ops.BatchNorm2d, 5: ops.BatchNorm3d}.get(x.dim())
    if kind is None:
        return None
    op = kind(a.get(7, "eps"), a.get(6, "momentum"), weight is not None, bias is not None, mean is not None)
    return weighted(a, op, (x,), (weight, bias, mean, variance))


@adds(RULES, "layer_norm")
def _layer_norm(a: Arguments) -> Call:
    x, shape, weight, bias = a.get(0, "input"), a.get(1, "normalized_shape"), a.get(2, "weight"), a.get(3, "bias")
    op = ops.LayerNorm(tuple(shape), a.get(4, "eps", 1e-5), weight is not None, bias is not None)
    return weighted(a, op, (x,), (weight, bias))


@adds(RULES, "rms_norm")
def _rms_norm(a: Arguments) -> Call:
    x, shape, weight = a.get(0, "input"), a.get(1, "normalized_shape"), a.get(2, "weight")
    return weighted(a, ops.RMSNorm(tuple(shape), a.get(3, "eps"), weight is not None), (x,), (weight,))


@adds(RULES, "group_norm")
def _group_norm(a: Arguments) -> Call | None:
    x, groups, weight, bias = a.get(0, "input"), a.get(1, "num_groups"), a.get(2, "weight"), a.get(3, "bias")
    if (weight is None) != (bias is None):
        return None
    return weighted(a, ops.GroupNorm(groups, a.get(4, "eps", 1e-5), weight is not None), (x,), (weight, bias))


@adds(RULES, "instance_norm")
def _instance_norm(a: Arguments) -> Call | None:
    x, weight, bias, mean, variance = a.given[:5]
    if (weight is None) != (bias is None):
        return None
    op = ops.InstanceNorm(a.get(7, "eps"), weight is not None, mean is not None)
    return weighted(a, op, (x,), (weight, bias, mean, variance))


def _recurrent(kind: type[ops.RNN]) -> Rule:
    def recurrent(a: Arguments) -> Call | None:
        x, states, weights, biases, layers, dropout, _, bidirectional, batch_first = a.given[:9]
        if isinstance(biases, list | tuple) or (
            dropout and layers > 1
        ):  # a packed sequence has its arguments elsewhere
            return None
        states = states if isinstance(states, list | tuple) else (states,)
        hidden = weights[1].shape[0] // kind.gates
        proj = weights[1].shape[1] if weights[1].shape[1] != hidden else 0
        op = kind(hidden, layers, biases, batch_first, bidirectional, proj)
        return Call(op, (x, *states), tuple(weights)) if all(map(a.owned, weights)) else None

    return recurrent


RULES |= {
    "lstm": _recurrent(ops.LSTM),  # type: ignore[arg-type]
    "gru": _recurrent(ops.GRU),  # type: ignore[arg-type]
    "rnn_tanh": _recurrent(ops.RNN),
}


@adds(RULES, "embedding")
def _embedding(a: Arguments) -> Call | None:
    weight, indices = a.get(0, "weight"), a.get(1, "indices")
    if weight.dim() != 2 or not a.owned(weight):
        return None
    return Call(ops.Embedding(weight.shape[0], weight.shape[1], NAMES[weight.dtype]), (indices,), (weight,))
