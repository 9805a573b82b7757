"""Rules of operators on quantized tensors and packed weights.

Such an operator is recorded as the operations that it computes, of the same MACs, parameters and FLOPs as those of a
network that is not quantized; several if it is fused with an activation. Rounding to the output's scale is not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from inception_lens import ops
from inception_lens.ops import Declared, Elementwise, Op, TensorType
from inception_lens.pytorch.trace.packed_weights import PackedTensors
from inception_lens.pytorch.trace.rules.rule import OperatorArguments, OperatorCall
from inception_lens.pytorch.trace.rules.table import RULES
from inception_lens.pytorch.trace.rules.weights import CONVOLUTIONS, TRANSPOSED
from inception_lens.pytorch.trace.traced_tensor import dtype_name, type_of

Unpack = Callable[[Any], PackedTensors]
"""From a packed object to its tensors."""

Calls = Sequence[OperatorCall] | None
"""The operations of one operator: each but the first reads what the one before it returns, and then its own inputs.
None if the rule does not describe the call."""

QuantizedRule = Callable[[OperatorArguments, Unpack], Calls]

QUANTIZED_RULES: dict[str, QuantizedRule] = {}
"""Rules by the operators' full names."""

ACTIVATIONS: dict[str, Callable[[OperatorArguments], Op]] = {
    "relu": lambda a: ops.ReLU(inplace=True),
    "tanh": lambda a: ops.Tanh(inplace=True),
    "leaky_relu": lambda a: ops.LeakyReLU(inplace=True, negative_slope=a.get(4, "negative_slope")),
}
"""Functions that an operator is fused with: they write over its result."""


def _then(call: OperatorCall, activation: str, a: OperatorArguments) -> Calls:
    return [call, OperatorCall(ACTIVATIONS[activation](a), ())] if activation else [call]


def _linear(a: OperatorArguments, unpack: Unpack, activation: str = "", *, position: int = 1) -> Calls:
    packed = a.get(position, "W_prepack")
    if isinstance(packed, Tensor):  # packed in a tensor of bytes, by releases of PyTorch before 1.6
        return None
    weight, *bias = unpack(packed).tensors
    op = ops.Linear(weight.shape[0], bool(bias))
    return _then(OperatorCall(op, (a.positional[0],), (weight, *bias)), activation, a)


def _convolution(
    a: OperatorArguments, unpack: Unpack, dimensions: int, activation: str = "", *, transposed: bool = False
) -> Calls:
    packed = a.get(1, "packed_weight")
    call = _convolved(a.positional[0], packed, unpack(packed), dimensions, transposed=transposed)
    return _then(call, activation, a)


def _convolved(x: Tensor, packed: Any, tensors: PackedTensors, dimensions: int, *, transposed: bool) -> OperatorCall:
    weight, *bias = tensors.tensors
    kernel, groups = tuple(weight.shape[-dimensions:]), packed.groups()  # that of one dimension is packed as two
    stride, padding, dilation, extra = (
        tuple(each()[-dimensions:]) for each in (packed.stride, packed.padding, packed.dilation, packed.output_padding)
    )
    kind: Callable[..., Op] = (TRANSPOSED if transposed else CONVOLUTIONS)[dimensions - 1]
    channels = weight.shape[1] * groups if transposed else weight.shape[0]
    further = (extra,) if transposed and any(extra) else ()
    op = kind(channels, kernel, stride, padding, dilation, groups, bool(bias), *further)
    return OperatorCall(op, (x,), (weight, *bias))


def _added_convolution(a: OperatorArguments, unpack: Unpack, activation: str = "") -> Calls:
    """A convolution to which another tensor is added."""
    x, added, packed = a.positional[:3]
    call = _convolved(x, packed, unpack(packed), 2, transposed=False)
    return [call, OperatorCall(ops.Add(inplace=True), (added,)), *(_then(call, activation, a) or [])[1:]]


def _embedding(a: OperatorArguments, unpack: Unpack) -> Calls:
    (weight,) = unpack(a.positional[0]).tensors
    return [OperatorCall(ops.Embedding(weight.shape[0], weight.shape[1]), (a.get(1, "indices"),), (weight,))]


def _embedding_bag(a: OperatorArguments, unpack: Unpack) -> Calls:
    (weight,), indices, offsets = unpack(a.positional[0]).tensors, a.get(1, "indices"), a.get(2, "offsets")
    bags = indices.shape[0] if offsets is None else offsets.shape[0] - bool(a.get(8, "include_last_offset", False))
    output = TensorType((bags, weight.shape[1]))
    op = Declared("embedding_bag", (output,), declared_flops=indices.numel() * weight.shape[1])
    return [OperatorCall(op, (weight, indices, *([] if offsets is None else [offsets])))]


def _recurrent(a: OperatorArguments, unpack: Unpack, kind: type[ops.LSTM | ops.GRU]) -> Calls:
    """A recurrent layer with one packed object for each layer and direction."""
    if isinstance(a.positional[3], list | tuple):
        return _packed_sequence(a, unpack, kind)
    x, states, cells, biases, layers, _, _, bidirectional, batch_first = a.positional[:9]
    if not isinstance(cells[0], torch.ScriptObject):
        return None
    weights = [tensor for cell in cells for tensor in unpack(cell).tensors]
    op = kind(weights[1].shape[1], layers, biases, batch_first, bidirectional)
    states = states if isinstance(states, list | tuple) else (states,)
    return [OperatorCall(op, (x, *states), tuple(weights))]


def _packed_sequence(a: OperatorArguments, unpack: Unpack, kind: type[ops.LSTM | ops.GRU]) -> Calls:
    """The same on a packed sequence, whose steps of all samples are the first axis."""
    x, sizes, states, cells, biases, layers, _, _, bidirectional = a.positional[:9]
    states = states if isinstance(states, list | tuple) else (states,)
    if not isinstance(cells[0], torch.ScriptObject):
        return None
    weights = [tensor for cell in cells for tensor in unpack(cell).tensors]
    steps, op = type_of(x), kind(weights[1].shape[1], layers, biases, False, bidirectional)
    types = (op.output_types((steps,))[0], *map(type_of, states))
    macs, flops = op.macs((steps.shape,), types[0].shape), op.extra_flops((steps.shape,), types[0].shape)
    return [OperatorCall(Declared(op.kind, types, macs or 0, flops), (x, sizes, *states, *weights))]


def _cell(a: OperatorArguments, unpack: Unpack, kind: Callable[..., ops.LSTM | ops.GRU | ops.RNN]) -> Calls:
    """One step of a recurrent layer, which costs as much as a layer on a sequence of one step."""
    x, states, weight, other = a.positional[:4]
    states = states if isinstance(states, list | tuple) else (states,)
    (left, *left_bias), (right, *right_bias) = unpack(weight).tensors, unpack(other).tensors
    shape, op = (1, *x.shape), kind(states[0].shape[-1])
    macs, flops = op.macs((shape,), ()), op.extra_flops((shape,), ())
    declared = Declared(op.kind, tuple(map(type_of, states)), macs or 0, flops)
    biases = [*left_bias, *right_bias] or list(a.positional[4:6])
    return [OperatorCall(declared, (x, *states, left, right, *biases))]


def _as_float(a: OperatorArguments, unpack: Unpack, name: str, activation: str = "") -> Calls:
    """The rule of the operator on floating-point tensors, whose first arguments are the same."""
    found = RULES[f"aten::{name}"](a)
    return None if found is None else _then(found, activation, a)


def _elementwise(a: OperatorArguments, unpack: Unpack, name: str, activation: str = "") -> Calls:
    tensors = tuple([each for each in a.positional[:2] if isinstance(each, Tensor)])
    both = len(tensors) == 2 and tensors[0].shape == tensors[1].shape
    op: Op = ops.Add() if name == "add" and both else Elementwise(name)
    return _then(OperatorCall(op, tensors), activation, a)


def _batch_norm(a: OperatorArguments, unpack: Unpack, activation: str = "") -> Calls:
    *tensors, eps = a.positional[:6]
    arguments = OperatorArguments((*tensors, False, 0.1, eps), {}, a.is_owned, a.training)
    return _as_float(arguments, unpack, "batch_norm", activation)


def _instance_norm(a: OperatorArguments, unpack: Unpack) -> Calls:
    x, weight, bias, eps = a.positional[:4]
    arguments = OperatorArguments((x, weight, bias, None, None, True, 0.1, eps), {}, a.is_owned, a.training)
    return _as_float(arguments, unpack, "instance_norm")


def _quantize(a: OperatorArguments, unpack: Unpack, position: int) -> Calls:
    """A tensor in the dtype that is the argument at `position`: five operations for each element."""
    x = a.positional[0]
    return None if isinstance(x, list | tuple) else _converted(x, "quantize", dtype_name(a.get(position, "dtype")), 5)


def _dequantize(a: OperatorArguments, unpack: Unpack) -> Calls:
    x = a.positional[0]
    return None if isinstance(x, list | tuple) else _converted(x, "dequantize", "float32", 2)


def _converted(x: Tensor, name: str, dtype: str, flops: int) -> Calls:
    op = Declared(name, (TensorType(tuple(x.shape), dtype),), declared_flops=flops * x.numel())
    return [OperatorCall(op, (x,))]


def _names(*names: str) -> list[str]:
    """The names of operators in both libraries of quantized ones."""
    return [f"{library}::{name}" for name in names for library in ("quantized", "_quantized")]


def _add(rule: QuantizedRule, *names: str) -> None:
    QUANTIZED_RULES.update(dict.fromkeys(_names(*names), rule))


_add(_linear, "linear", "linear_dynamic", "linear_dynamic_fp16")
_add(partial(_linear, activation="relu"), "linear_relu", "linear_relu_dynamic", "linear_relu_dynamic_fp16")
_add(partial(_linear, activation="tanh"), "linear_tanh")
_add(partial(_linear, activation="leaky_relu"), "linear_leaky_relu")
_add(partial(_linear, position=3), "linear_with_input_q_dq_qweight_dq_output_fp32")
_add(partial(_linear, position=3, activation="relu"), "linear_with_input_q_dq_qweight_dq_relu_output_fp32")
for _n in (1, 2, 3):
    _add(partial(_convolution, dimensions=_n), f"conv{_n}d", f"conv{_n}d_dynamic")
    _add(partial(_convolution, dimensions=_n, activation="relu"), f"conv{_n}d_relu")
    _add(partial(_convolution, dimensions=_n, transposed=True), f"conv_transpose{_n}d", f"conv_transpose{_n}d_dynamic")
_add(_added_convolution, "conv2d_add")
_add(partial(_added_convolution, activation="relu"), "conv2d_add_relu")
_add(_embedding, "embedding_byte", "embedding_4bit")
_add(_embedding_bag, "embedding_bag_byte", "embedding_bag_4bit")
_add(partial(_cell, kind=ops.LSTM), "quantized_lstm_cell_dynamic")
_add(partial(_cell, kind=ops.GRU), "quantized_gru_cell_dynamic")
_add(partial(_cell, kind=ops.RNN), "quantized_rnn_tanh_cell_dynamic", "quantized_rnn_relu_cell_dynamic")
for _name in ("add", "mul"):
    _add(partial(_elementwise, name=_name), _name, f"{_name}_scalar")
    _add(partial(_elementwise, name=_name, activation="relu"), f"{_name}_relu", f"{_name}_scalar_relu")
for _name in ("clamp", "threshold", "hardswish", "sigmoid", "elu", "celu", "leaky_relu", "prelu"):
    _add(partial(_elementwise, name=_name), _name)
_add(partial(_as_float, name="cat"), "cat")
_add(partial(_as_float, name="cat", activation="relu"), "cat_relu")
for _name in ("matmul", "max_pool1d", "max_pool2d", "layer_norm", "group_norm"):
    _add(partial(_as_float, name=_name), _name)
_add(lambda a, unpack: [OperatorCall(ops.Hardtanh(False, 0.0, 6.0), (a.positional[0],))], "relu6")
_add(lambda a, unpack: [OperatorCall(ops.Softmax(a.get(1, "dim")), (a.positional[0],))], "softmax")
_add(partial(_elementwise, name="clone"), "dropout")
_add(_instance_norm, "instance_norm")
for _name in ("batch_norm", "batch_norm1d", "batch_norm2d", "batch_norm3d"):
    _add(_batch_norm, _name)
    _add(partial(_batch_norm, activation="relu"), f"{_name}_relu")
QUANTIZED_RULES |= {
    "aten::quantized_lstm": partial(_recurrent, kind=ops.LSTM),
    "aten::quantized_gru": partial(_recurrent, kind=ops.GRU),
    "aten::quantize_per_tensor": partial(_quantize, position=3),
    "aten::quantize_per_tensor_dynamic": partial(_quantize, position=1),
    "aten::quantize_per_channel": partial(_quantize, position=4),
    "aten::dequantize": _dequantize,
}
