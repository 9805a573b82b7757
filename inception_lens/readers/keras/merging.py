"""Keras' layers that combine tensors, and element-wise functions of `keras.ops`."""

from __future__ import annotations

from functools import partial

from inception_lens.ops import Add, Concat, Elementwise
from inception_lens.readers.keras.graph_builder import Handlers, KerasCall, KerasGraphBuilder, KerasTensor

FUNCTIONS = {
    "Add": "add", "Average": "add", "Maximum": "maximum", "Minimum": "minimum", "Multiply": "mul", "Subtract": "sub",
}  # fmt: skip

OPERATIONS = {
    **{name: function for name, function in FUNCTIONS.items() if name != "Average"},
    "Absolute": "abs", "Divide": "div", "Exp": "exp", "Log": "log", "Power": "pow", "Relu": "relu", "Rsqrt": "rsqrt",
    "Sigmoid": "sigmoid", "Silu": "silu", "Sqrt": "sqrt", "Square": "square", "Tanh": "tanh", "TrueDivide": "div",
}  # fmt: skip
"""Classes of `keras.ops` (keras/src/ops/numpy.py, nn.py and math.py), by PyTorch's names of the functions."""


def _merge(builder: KerasGraphBuilder, call: KerasCall) -> list[KerasTensor]:
    inputs = builder.aligned(call)
    nodes, kind = [x.node for x in inputs], call.layer.kind
    function, is_moved = FUNCTIONS[kind], inputs[0].is_moved
    suffix = "sum" if kind == "Average" else ""
    if function == "add" and len({builder.shape(x) for x in inputs}) == 1:
        node = builder.add(call, Add(), *nodes, suffix=suffix)
    else:
        node = builder.chain(call, partial(Elementwise, function), nodes)
    if kind == "Average":
        node = builder.add(call, Elementwise("div"), node, suffix="mean" if node == call.path else "")
    return [KerasTensor(node, is_moved)]


def _scaled_sum(builder: KerasGraphBuilder, call: KerasCall) -> list[KerasTensor]:
    """The sum x + scale y, as keras/src/applications/inception_resnet_v2.py defines the class."""
    inputs = builder.aligned(call)
    op = Add(call.settings.number("scale", 1.0))
    return [KerasTensor(builder.add(call, op, *[x.node for x in inputs]), inputs[0].is_moved)]


def _concatenate(builder: KerasGraphBuilder, call: KerasCall) -> list[KerasTensor]:
    inputs = builder.aligned(call)
    axis = builder.axis(inputs[0], call.settings.axes("axis", -1)[0])
    return [KerasTensor(builder.add(call, Concat(axis), *[x.node for x in inputs]), inputs[0].is_moved)]


def _operation(builder: KerasGraphBuilder, call: KerasCall) -> list[KerasTensor]:
    inputs = builder.aligned(call)
    node = builder.add(call, Elementwise(OPERATIONS[call.layer.kind]), *[x.node for x in inputs])
    return [KerasTensor(node, inputs[0].is_moved)]


HANDLERS: Handlers = {
    **dict.fromkeys(FUNCTIONS, _merge),
    "Concatenate": _concatenate,
    "CustomScaleLayer": _scaled_sum,
}
OPERATION_HANDLERS: Handlers = dict.fromkeys(OPERATIONS, _operation)
