"""Rules of operators that read learned tensors: convolutions, matrix products, attention, norms, recurrent layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from inception_lens import ops
from inception_lens.ops import Declared, Op, Saved, TensorType
from inception_lens.pytorch.trace.rules.checks import check_same_dtype
from inception_lens.pytorch.trace.rules.rule import (
    OperatorArguments,
    OperatorCall,
    OperatorRule,
    RuleTable,
    per_axis,
    rule_for,
    weighted,
)
from inception_lens.pytorch.trace.traced_tensor import DTYPE_NAMES, type_of

RULES: RuleTable = {}

CONVOLUTIONS = (ops.Conv1d, ops.Conv2d, ops.Conv3d)
TRANSPOSED = (ops.ConvTranspose1d, ops.ConvTranspose2d, ops.ConvTranspose3d)


def _convolution(kind: Callable[..., Op], dimensions: int) -> OperatorRule:
    def convolution(a: OperatorArguments) -> OperatorCall | None:
        x, weight, bias = a.get(0, "input"), a.get(1, "weight"), a.get(2, "bias")
        stride, padding = per_axis(a.get(3, "stride", 1), dimensions), a.get(4, "padding", 0)
        dilation, groups = per_axis(a.get(5, "dilation", 1), dimensions), a.get(6, "groups", 1)
        if x.dim() != dimensions + 2 or padding == []:
            return None
        if isinstance(padding, str):
            padding = (0,) * dimensions if padding == "valid" else padding
        else:
            padding = per_axis(padding, dimensions)
        kernel = tuple(weight.shape[2:])
        op = kind(weight.shape[0], kernel, stride, padding, dilation, groups, bias is not None)
        return weighted(op, x, weight, bias)

    return convolution


def _transposed_convolution(kind: Callable[..., Op], dimensions: int) -> OperatorRule:
    def convolution(a: OperatorArguments) -> OperatorCall | None:
        x, weight, bias = a.get(0, "input"), a.get(1, "weight"), a.get(2, "bias")
        if x.dim() != dimensions + 2:
            return None
        stride, padding, extra, dilation = (
            per_axis(a.get(i, name, default), dimensions)
            for i, name, default in (
                (3, "stride", 1), (4, "padding", 0), (5, "output_padding", 0), (7, "dilation", 1)
            )
        )  # fmt: skip
        groups, kernel = a.get(6, "groups", 1), tuple(weight.shape[2:])
        channels = weight.shape[1] * groups
        extra = extra if any(extra) else ()
        op = kind(channels, kernel, stride, padding, dilation, groups, bias is not None, extra)
        return weighted(op, x, weight, bias)

    return convolution


for _n in (1, 2, 3):
    RULES[f"conv{_n}d"] = _convolution(CONVOLUTIONS[_n - 1], _n)
    RULES[f"conv_transpose{_n}d"] = _transposed_convolution(TRANSPOSED[_n - 1], _n)


@rule_for(RULES, "convolution", "_convolution")
def _any_convolution(a: OperatorArguments) -> OperatorCall | None:
    """The operator that all convolutions call, whose arguments are in another order."""
    x, weight, bias, stride, padding, dilation, transposed, extra, groups = a.positional[:9]
    dimensions = x.dim() - 2
    if dimensions not in (1, 2, 3):
        return None
    rule = RULES[f"conv_transpose{dimensions}d" if transposed else f"conv{dimensions}d"]
    order = (extra, groups, dilation) if transposed else (dilation, groups)
    return rule(OperatorArguments((x, weight, bias, stride, padding, *order), {}, a.is_owned, a.training))


@rule_for(RULES, "linear")
def _linear(a: OperatorArguments) -> OperatorCall | None:
    x, weight, bias = a.get(0, "input"), a.get(1, "weight"), a.get(2, "bias")
    if weight.dim() != 2 and bias is None:
        return OperatorCall(ops.MatMul(), (x, weight))
    if weight.dim() != 2 or (bias is not None and bias.shape != weight.shape[:1]):  # the bias may be broadcast
        return None
    return weighted(ops.Linear(weight.shape[0], bias is not None), x, weight, bias)


def _product(left: int, right: int) -> OperatorRule:
    """The rule of a matrix product of tensors with these numbers of axes."""

    def product(a: OperatorArguments) -> OperatorCall | None:
        x, y = a.get(0, "self"), a.positional[1]
        fits = (x.dim(), y.dim()) == (left, right) and x.shape[:-2] == y.shape[:-2]
        return OperatorCall(ops.MatMul(), (x, y)) if fits else None

    return product


RULES |= {
    "mm": _product(2, 2),
    "bmm": _product(3, 3),
    "mv": _product(2, 1),
    **dict.fromkeys(("dot", "vdot"), _product(1, 1)),
}


@rule_for(RULES, "matmul")
def _matmul(a: OperatorArguments) -> OperatorCall:
    left, right = a.positional[:2]
    return OperatorCall(ops.MatMul(), (left, right))


@rule_for(RULES, "_grouped_mm")
def _grouped_product(a: OperatorArguments) -> OperatorCall | None:
    """A product for each group of rows, of columns or, of two matrices, of the axis that is summed over.

    The meta device computes it in bfloat16 only.
    """
    x, y, offsets = a.get(0, "self"), a.get(1, "mat2"), a.get(2, "offs")
    if a.get(3, "bias") is not None or a.get(4, "out_dtype") not in (None, x.dtype) or offsets is None:
        return None
    check_same_dtype([x.dtype, y.dtype])
    ranks, groups = (x.dim(), y.dim()), (offsets.shape[0],)
    if ranks not in ((2, 3), (3, 2), (2, 2)) or x.shape[-1] != y.shape[-2]:
        return None
    shape = (*(groups if ranks == (2, 2) else ()), x.shape[-2], y.shape[-1])
    macs = x.shape[-2] * y.shape[-1] * x.shape[-1]  # each row, column or summed element is in one of the groups
    op = Declared("_grouped_mm", (TensorType(shape, type_of(x).dtype),), macs, kept=Saved((2,), ((0, 1), (1, 0))))
    return OperatorCall(op, (x, y, offsets))


@rule_for(RULES, "scaled_dot_product_attention")
def _attention(a: OperatorArguments) -> OperatorCall | None:
    query, key, value, mask = (a.get(i, name) for i, name in enumerate(("query", "key", "value", "attn_mask")))
    if not a.keywords.get("enable_gqa", False):
        heads = [each.shape[-3] for each in (query, key, value) if each.dim() > 2]
        if len({*heads} - {1}) > 1:  # which the operation would read as groups, and PyTorch refuses
            return None
    inputs = (query, key, value) if mask is None else (query, key, value, mask)
    return OperatorCall(ops.ScaledDotProductAttention(bool(a.get(5, "is_causal", False)), a.get(6, "scale")), inputs)


@rule_for(RULES, "batch_norm")
def _batch_norm(a: OperatorArguments) -> OperatorCall | None:
    x, weight, bias, mean, variance = a.positional[:5]
    if a.get(5, "training") and not a.training:
        mean = variance = None  # at inference too it computes with the statistics of the batch
    kind = {2: ops.BatchNorm1d, 3: ops.BatchNorm1d, 4: ops.BatchNorm2d, 5: ops.BatchNorm3d}.get(x.dim())
    if kind is None:
        return None
    op = kind(a.get(7, "eps"), a.get(6, "momentum"), weight is not None, bias is not None, mean is not None)
    return weighted(op, x, weight, bias, mean, variance)


@rule_for(RULES, "layer_norm")
def _layer_norm(a: OperatorArguments) -> OperatorCall:
    x, shape, weight, bias = a.get(0, "input"), a.get(1, "normalized_shape"), a.get(2, "weight"), a.get(3, "bias")
    op = ops.LayerNorm(tuple(shape), a.get(4, "eps", 1e-5), weight is not None, bias is not None)
    return weighted(op, x, weight, bias)


@rule_for(RULES, "rms_norm")
def _rms_norm(a: OperatorArguments) -> OperatorCall:
    x, shape, weight = a.get(0, "input"), a.get(1, "normalized_shape"), a.get(2, "weight")
    return weighted(ops.RMSNorm(tuple(shape), a.get(3, "eps"), weight is not None), x, weight)


@rule_for(RULES, "group_norm")
def _group_norm(a: OperatorArguments) -> OperatorCall | None:
    x, groups, weight, bias = a.get(0, "input"), a.get(1, "num_groups"), a.get(2, "weight"), a.get(3, "bias")
    if (weight is None) != (bias is None):
        return None
    return weighted(ops.GroupNorm(groups, a.get(4, "eps", 1e-5), weight is not None), x, weight, bias)


@rule_for(RULES, "instance_norm")
def _instance_norm(a: OperatorArguments) -> OperatorCall | None:
    x, weight, bias, mean, variance = a.positional[:5]
    if (weight is None) != (bias is None):
        return None
    op = ops.InstanceNorm(a.get(7, "eps"), weight is not None, mean is not None)
    return weighted(op, x, weight, bias, mean, variance)


def _recurrent(kind: Callable[..., Op], gates: int, *, packed_only: bool = False) -> OperatorRule:
    def recurrent(a: OperatorArguments) -> OperatorCall | None:
        if isinstance(a.positional[3], list | tuple):
            return _packed_recurrent(kind, gates, a)
        x, states, weights, biases, layers, dropout, _, bidirectional, batch_first = a.positional[:9]
        if packed_only or (dropout and layers > 1):
            return None
        states = states if isinstance(states, list | tuple) else (states,)
        hidden = weights[1].shape[0] // gates
        widths = [weights[1].shape[1], hidden]  # of the output, and of the cell of an LSTM
        if [state.shape[-1] for state in states] != widths[: len(states)]:
            return None
        op = _recurrent_operation(kind, gates, weights, (layers, biases, batch_first, bidirectional))
        return OperatorCall(op, (x, *states), tuple(weights)) if all(map(a.is_owned, weights)) else None

    return recurrent


def _recurrent_operation(
    kind: Callable[..., Op], gates: int, weights: Sequence[Tensor], settings: tuple[int | bool, ...]
) -> Op:
    hidden, state = weights[1].shape[0] // gates, weights[1].shape[1]
    return kind(hidden, *settings, state if state != hidden else 0)


def _packed_recurrent(kind: Callable[..., Op], gates: int, a: OperatorArguments) -> OperatorCall:
    """A recurrent layer on a packed sequence, whose steps of all samples are the first axis."""
    x, sizes, states, weights, biases, layers, _, _, bidirectional = a.positional[:9]
    states = states if isinstance(states, list | tuple) else (states,)
    op = _recurrent_operation(kind, gates, weights, (layers, biases, False, bidirectional))
    steps = type_of(x)
    types = (op.output_types((steps,))[0], *map(type_of, states))
    macs, flops = op.macs((steps.shape,), types[0].shape), op.extra_flops((steps.shape,), types[0].shape)
    return OperatorCall(Declared(op.kind, types, macs or 0, flops or 0), (x, sizes, *states, *weights))


RULES |= {
    "lstm": _recurrent(ops.LSTM, ops.LSTM.gates),
    "gru": _recurrent(ops.GRU, ops.GRU.gates),
    "rnn_tanh": _recurrent(ops.RNN, ops.RNN.gates),
    "rnn_relu": _recurrent(ops.RNN, ops.RNN.gates, packed_only=True),
}


@rule_for(RULES, "embedding")
def _embedding(a: OperatorArguments) -> OperatorCall | None:
    weight, indices = a.get(0, "weight"), a.get(1, "indices")
    if weight.dim() != 2 or not a.is_owned(weight) or indices.dtype not in (torch.int32, torch.int64):
        return None
    return OperatorCall(
        ops.Embedding(weight.shape[0], weight.shape[1], DTYPE_NAMES[weight.dtype]), (indices,), (weight,)
    )
