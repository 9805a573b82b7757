"""Operators of PyTorch as operations: what a functional call, `a + b` or `x.view(...)` is in a graph.

A rule reads the arguments of one operator of the ATen library and answers with the operation and the tensors that it
reads, or with None, where the operator is then taken apart, or asked for its output's shape on the meta device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
import torch

from inception_lens import ops
from inception_lens.ops import Declared, Elementwise, Op, Reduce, TensorType
from inception_lens.pytorch.values import NAMES

Tensor = torch.Tensor


class Call(NamedTuple):
    """What an operator is: the operation, its inputs, and the learned tensors that belong to it."""

    op: Op
    inputs: tuple[Tensor, ...]
    weights: tuple[Tensor | None, ...] = ()


class Arguments:
    """The arguments of one call of an operator, by position or name, with the defaults that they have."""

    __slots__ = ("given", "named", "owned")

    def __init__(self, given: Sequence[Any], named: dict[str, Any], owned: Callable[[Any], bool]) -> None:
        self.given, self.named = given, named
        self.owned = owned
        """Whether a tensor is the model's own: a parameter or a buffer."""

    def get(self, position: int, name: str, default: Any = None) -> Any:
        """The argument at `position`, or the one called `name`, or the default."""
        if position < len(self.given):
            return self.given[position]
        return self.named.get(name, default)


Rule = Callable[[Arguments], Call | None]

RULES: dict[str, Rule] = {}
"""By the operator's name, `aten::relu`; in-place forms `aten::relu_` share the rule."""


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register a rule for operators."""

    def register(function: Rule) -> Rule:
        RULES.update({f"aten::{name}": function for name in names})
        return function

    return register


def _sizes(value: Any, dimensions: int) -> tuple[int, ...]:
    sizes = (value,) if isinstance(value, int) else tuple(value)
    return sizes * dimensions if len(sizes) == 1 else sizes


def _convolution(kind: type[Op], dimensions: int, transposed: bool = False) -> Rule:
    def convolution(a: Arguments) -> Call | None:
        x, weight, bias = a.get(0, "input"), a.get(1, "weight"), a.get(2, "bias")
        stride, padding = _sizes(a.get(3, "stride", 1), dimensions), a.get(4, "padding", 0)
        if transposed:
            extra, groups = _sizes(a.get(5, "output_padding", 0), dimensions), a.get(6, "groups", 1)
            dilation = _sizes(a.get(7, "dilation", 1), dimensions)
        else:
            extra, groups, dilation = (), a.get(6, "groups", 1), _sizes(a.get(5, "dilation", 1), dimensions)
        if x.dim() != dimensions + 2 or padding == []:
            return None
        if isinstance(padding, str):
            padding = (0,) * dimensions if padding == "valid" else padding
        else:
            padding = _sizes(padding, dimensions)
        channels = weight.shape[1] * groups if transposed else weight.shape[0]
        settings: list[Any] = [channels, tuple(weight.shape[2:]), stride, padding, dilation, groups, bias is not None]
        op = kind(*settings, extra if any(extra) else ()) if transposed else kind(*settings)
        return _weighted(a, op, (x,), (weight, bias))

    return convolution


def _weighted(a: Arguments, op: Op, inputs: tuple[Tensor, ...], weights: tuple[Tensor | None, ...]) -> Call:
    """A call of an operation with weights of its own, or, where they are computed, with the weights as inputs."""
    present = tuple([tensor for tensor in weights if tensor is not None])
    if all(map(a.owned, present)):
        return Call(op, inputs, present)
    shapes = tuple([tuple(tensor.shape) for tensor in inputs])
    types = op.output_types(tuple([TensorType(tuple(each.shape), NAMES[each.dtype]) for each in inputs]))
    macs, rest = op.macs(shapes, types[0].shape), op.arithmetic(shapes, types[0].shape)
    assert macs is not None
    assert rest is not None
    return Call(Declared(op.kind, types, macs, rest), (*inputs, *present))


for _n in (1, 2, 3):
    RULES[f"aten::conv{_n}d"] = _convolution(getattr(ops, f"Conv{_n}d"), _n)
    RULES[f"aten::conv_transpose{_n}d"] = _convolution(getattr(ops, f"ConvTranspose{_n}d"), _n, transposed=True)


@rule("convolution")
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


@rule("linear")
def _linear(a: Arguments) -> Call:
    x, weight, bias = a.get(0, "input"), a.get(1, "weight"), a.get(2, "bias")
    if weight.dim() != 2:
        return Call(ops.MatMul(), (x, weight))
    return _weighted(a, ops.Linear(weight.shape[0], bias is not None), (x,), (weight, bias))


@rule("matmul", "mm", "bmm", "mv", "dot", "vdot")
def _matmul(a: Arguments) -> Call:
    left, right = a.given[:2]
    return Call(ops.MatMul(), (left, right))


@rule("scaled_dot_product_attention")
def _attention(a: Arguments) -> Call:
    query, key, value, mask = (a.get(i, name) for i, name in enumerate(("query", "key", "value", "attn_mask")))
    inputs = (query, key, value) if mask is None else (query, key, value, mask)
    return Call(ops.ScaledDotProductAttention(bool(a.get(5, "is_causal", False))), inputs)


@rule("batch_norm")
def _batch_norm(a: Arguments) -> Call | None:
    x, weight, bias, mean, variance = a.given[:5]
    kind = {2: ops.BatchNorm1d, 3: ops.BatchNorm1d, 4: ops.BatchNorm2d, 5: ops.BatchNorm3d}.get(x.dim())
    if kind is None:
        return None
    op = kind(a.get(7, "eps"), a.get(6, "momentum"), weight is not None, bias is not None, mean is not None)
    return _weighted(a, op, (x,), (weight, bias, mean, variance))


@rule("layer_norm")
def _layer_norm(a: Arguments) -> Call:
    x, shape, weight, bias = a.get(0, "input"), a.get(1, "normalized_shape"), a.get(2, "weight"), a.get(3, "bias")
    op = ops.LayerNorm(tuple(shape), a.get(4, "eps", 1e-5), weight is not None, bias is not None)
    return _weighted(a, op, (x,), (weight, bias))


@rule("rms_norm")
def _rms_norm(a: Arguments) -> Call:
    x, shape, weight = a.get(0, "input"), a.get(1, "normalized_shape"), a.get(2, "weight")
    return _weighted(a, ops.RMSNorm(tuple(shape), a.get(3, "eps"), weight is not None), (x,), (weight,))


@rule("group_norm")
def _group_norm(a: Arguments) -> Call | None:
    x, groups, weight, bias = a.get(0, "input"), a.get(1, "num_groups"), a.get(2, "weight"), a.get(3, "bias")
    if (weight is None) != (bias is None):
        return None
    return _weighted(a, ops.GroupNorm(groups, a.get(4, "eps", 1e-5), weight is not None), (x,), (weight, bias))


@rule("instance_norm")
def _instance_norm(a: Arguments) -> Call | None:
    x, weight, bias, mean, variance = a.given[:5]
    if (weight is None) != (bias is None):
        return None
    op = ops.InstanceNorm(a.get(7, "eps"), weight is not None, mean is not None)
    return _weighted(a, op, (x,), (weight, bias, mean, variance))


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
    "aten::lstm": _recurrent(ops.LSTM),  # type: ignore[arg-type]
    "aten::gru": _recurrent(ops.GRU),  # type: ignore[arg-type]
    "aten::rnn_tanh": _recurrent(ops.RNN),
}


@rule("embedding")
def _embedding(a: Arguments) -> Call | None:
    weight, indices = a.get(0, "weight"), a.get(1, "indices")
    if weight.dim() != 2 or not a.owned(weight):
        return None
    return Call(ops.Embedding(weight.shape[0], weight.shape[1], NAMES[weight.dtype]), (indices,), (weight,))


def _pool(kind: type[Op], dimensions: int, *, maximum: bool) -> Rule:
    def pool(a: Arguments) -> Call | None:
        x, kernel = a.get(0, "self"), _sizes(a.get(1, "kernel_size"), dimensions)
        stride = _sizes(a.get(2, "stride") or kernel, dimensions)
        padding = _sizes(a.get(3, "padding", 0), dimensions)
        if x.dim() != dimensions + 2:
            return None
        if maximum:
            dilation = _sizes(a.get(4, "dilation", 1), dimensions)
            rounding = "ceil" if a.get(5, "ceil_mode", False) else "floor"
            return Call(kind(kernel, stride, padding, rounding, dilation if max(dilation) > 1 else ()), (x,))  # type: ignore[call-arg]
        if a.get(6, "divisor_override") is not None:
            return None
        rounding = "ceil" if a.get(4, "ceil_mode", False) else "floor"
        return Call(kind(kernel, stride, padding, rounding, a.get(5, "count_include_pad", True)), (x,))  # type: ignore[call-arg]

    return pool


@rule("max_pool2d_with_indices", "max_pool3d_with_indices")
def _max_pool_with_indices(a: Arguments) -> Call | None:
    kinds: dict[int, type[ops.MaxPool2d]] = {4: ops.MaxPool2d, 5: ops.MaxPool3d}  # type: ignore[dict-item]
    kind = kinds.get(a.given[0].dim())
    call = _pool(kind, a.given[0].dim() - 2, maximum=True)(a) if kind else None
    return call and call._replace(op=msgspec.structs.replace(call.op, indices=True))


def _upsample(mode: str, dimensions: int, *, aligns: bool) -> Rule:
    def upsample(a: Arguments) -> Call | None:
        x, size = a.given[:2]
        if size is None:
            factors = a.get(3 if aligns else 2, "scale_factors")
            size = [int(n * factor) for n, factor in zip(x.shape[2:], factors, strict=True)]
        return Call(ops.Upsample(tuple(size), mode), (x,)) if x.dim() == dimensions + 2 else None

    return upsample


for _n in (1, 2, 3):
    RULES[f"aten::upsample_nearest{_n}d"] = _upsample("nearest", _n, aligns=False)
    RULES[f"aten::_upsample_nearest_exact{_n}d"] = _upsample("nearest-exact", _n, aligns=False)
for _name, _n in (("linear", 1), ("bilinear", 2), ("trilinear", 3), ("bicubic", 2)):
    RULES[f"aten::upsample_{_name}{_n}d"] = _upsample(_name, _n, aligns=True)


def _adaptive(kind: type[Op], dimensions: int) -> Rule:
    def adaptive(a: Arguments) -> Call | None:
        x, size = a.get(0, "self"), _sizes(a.get(1, "output_size"), dimensions)
        return Call(kind(size), (x,)) if x.dim() == dimensions + 2 else None  # type: ignore[call-arg]

    return adaptive


for _n in (1, 2, 3):
    RULES[f"aten::max_pool{_n}d"] = _pool(getattr(ops, f"MaxPool{_n}d"), _n, maximum=True)
    RULES[f"aten::avg_pool{_n}d"] = _pool(getattr(ops, f"AvgPool{_n}d"), _n, maximum=False)
    RULES[f"aten::adaptive_avg_pool{_n}d"] = _adaptive(getattr(ops, f"AdaptiveAvgPool{_n}d"), _n)


def _activation(kind: Callable[..., Op], *settings: tuple[str, Any]) -> Rule:
    def activation(a: Arguments) -> Call:
        fields = {name: a.get(i, name, default) for i, (name, default) in enumerate(settings, 1)}
        return Call(kind(**fields), (a.given[0],))

    return activation


RULES |= {
    "aten::relu": _activation(ops.ReLU),
    "aten::relu6": _activation(lambda: ops.Hardtanh(False, 0.0, 6.0)),
    "aten::hardtanh": _activation(ops.Hardtanh, ("min_val", -1.0), ("max_val", 1.0)),
    "aten::leaky_relu": _activation(ops.LeakyReLU, ("negative_slope", 0.01)),
    "aten::gelu": _activation(ops.GELU),
    "aten::silu": _activation(ops.SiLU),
    "aten::mish": _activation(ops.Mish),
    "aten::sigmoid": _activation(ops.Sigmoid),
    "aten::tanh": _activation(ops.Tanh),
    "aten::hardswish": _activation(ops.Hardswish),
    "aten::hardsigmoid": _activation(ops.Hardsigmoid),
    "aten::softplus": _activation(ops.Softplus),
    "aten::elu": _activation(ops.ELU, ("alpha", 1.0)),
}


@rule("prelu")
def _prelu(a: Arguments) -> Call:
    x, weight = a.given[:2]
    return _weighted(a, ops.PReLU(slopes=weight.numel()), (x,), (weight,))


def _normalizing(kind: type[ops.Softmax]) -> Rule:
    def normalizing(a: Arguments) -> Call | None:
        x, dim, dtype = a.get(0, "self"), a.get(1, "dim"), a.get(2, "dtype")
        if dtype not in (None, False, x.dtype) or not x.is_floating_point():
            return None
        return Call(kind(dim), (x,)) if x.dim() else None

    return normalizing


for _name in ("softmax", "_softmax"):
    RULES[f"aten::{_name}"] = _normalizing(ops.Softmax)
    RULES[f"aten::{_name.replace('softmax', 'log_softmax')}"] = _normalizing(ops.LogSoftmax)


@rule("dropout", "feature_dropout", "alpha_dropout")
def _dropout(a: Arguments) -> Call:
    return Call(ops.Dropout(a.given[1]), (a.given[0],))


@rule("cat", "concat", "concatenate")
def _cat(a: Arguments) -> Call | None:
    tensors, dim = a.get(0, "tensors"), a.get(1, "dim", 0)
    # PyTorch's legacy: an empty vector joins anything.
    tensors = tuple([tensor for tensor in tensors if tuple(tensor.shape) != (0,)])
    if not tensors or isinstance(dim, str) or len({tensor.dtype for tensor in tensors}) > 1:
        return None
    return Call(ops.Concat(dim % tensors[0].dim()), tensors)


@rule("stack")
def _stack(a: Arguments) -> Call | None:
    tensors, dim = a.get(0, "tensors"), a.get(1, "dim", 0)
    if len({tensor.dtype for tensor in tensors}) > 1:
        return None
    return Call(ops.Stack(dim % (tensors[0].dim() + 1)), tuple(tensors))


@rule("pad", "constant_pad_nd")
def _pad(a: Arguments) -> Call | None:
    x, pad, mode, value = a.get(0, "self"), list(a.get(1, "pad")), a.get(2, "mode", "constant"), a.get(3, "value")
    if not isinstance(mode, str):  # constant_pad_nd has none
        mode, value = "constant", mode
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)]
    rows = [*[(0, 0)] * (x.dim() - len(pairs)), *pairs[::-1]]
    return Call(ops.Pad(tuple(rows), mode, float(value or 0)), (x,))


def _elementwise(name: str) -> Rule:
    """A function of one tensor, or of two or of a tensor and a number, where no dtype has to be promoted."""

    def elementwise(a: Arguments) -> Call | None:
        tensors = [each for each in a.given if isinstance(each, Tensor)]
        dtypes = {each.dtype for each in tensors}
        numbers = [each for each in a.given if not isinstance(each, Tensor)]
        if len(dtypes) != 1 or not tensors[0].is_floating_point() or a.named.keys() - {"alpha"}:
            return None
        if any(type(each) not in (int, float, bool) for each in numbers):
            return None
        if name != "add" or len(tensors) != 2 or tensors[0].shape != tensors[1].shape:
            return Call(Elementwise(name), tuple(tensors))
        return Call(ops.Add(float(a.named.get("alpha", 1))), tuple(tensors))

    return elementwise


for _name in (
    "add", "sub", "mul", "div", "maximum", "minimum", "pow", "neg", "abs", "exp", "log", "sqrt", "rsqrt", "square",
    "sin", "cos", "erf", "reciprocal",
):  # fmt: skip
    RULES[f"aten::{_name}"] = _elementwise(_name)


def _reduction(name: str) -> Rule:
    def reduction(a: Arguments) -> Call | None:
        x, dims = a.given[0], a.get(1, "dim")
        if not x.is_floating_point() or not x.dim() or a.named.get("dtype") not in (None, x.dtype):
            return None
        dims = () if dims is None else (dims,) if isinstance(dims, int) else tuple(dims)
        return Call(Reduce(name, tuple(sorted([axis % x.dim() for axis in dims])), a.get(2, "keepdim", False)), (x,))

    return reduction


for _name in ("mean", "sum", "amax", "amin"):
    RULES[f"aten::{_name}"] = _reduction(_name)
