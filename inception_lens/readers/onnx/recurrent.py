"""ONNX's recurrent layers."""

from __future__ import annotations

import msgspec

from inception_lens.ops import GRU, LSTM, RNN, Permute, Reshape
from inception_lens.readers.onnx.graph_builder import OnnxGraphBuilder, OnnxHandler
from inception_lens.readers.onnx.values import OnnxCall, OnnxValue

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def recurrent(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """LSTM, GRU and RNN of one layer; ONNX keeps the directions on an axis of their own.

    Peepholes (input 7) and `layout` 1 are unknown.
    """
    x, kernel = call.input(0), call.input(1)
    two = call.text("direction", "forward") == "bidirectional"
    hidden = call.integer("hidden_size", 0) or call.input(2).shape[-1]
    is_plain = not call.has_input(7) and not call.integer("layout", 0) and len(x.shape) == 3 and call.has_input(2)
    if not is_plain or kernel.shape != (2 if two else 1, GATES[call.op] * hidden, x.shape[-1]):
        return builder.unknown(call)
    op = {"LSTM": LSTM, "GRU": GRU, "RNN": RNN}[call.op](hidden, bias=call.has_input(3), bidirectional=two)
    initial = [call.input(i) for i in (5, 6)[: len(op.states)] if call.has_input(i)]
    states = [builder.node(msgspec.structs.replace(each, constant=True)) for each in initial]
    inputs = [builder.node(x), *(states if len(states) == len(op.states) else ())]
    weights = [call.input(i) for i in (1, 2, 3) if call.has_input(i)]
    if all(value.is_weight and value.weight not in builder.owned_shapes for value in weights):
        # The layer has them in other shapes, under PyTorch's names: a later reading in any shape must not count them.
        builder.owned_shapes.update((value.weight, ()) for value in weights)
        first = builder.add(call.name, op, *inputs)
        for tensor in op.parameters(x.shape):
            source = kernel if "_ih_" in tensor.role else call.input(2)
            source = call.input(3) if tensor.role.startswith("bias") else source
            builder.dtypes[f"{first.node}.{tensor.role}"] = source.stored_dtype
    else:
        first = builder.add_with_inputs(call.name, op, x, [*inputs, *builder.nodes(weights)])
    steps, batch = x.shape[:2]
    split = builder.add(f"{call.name}/directions", Reshape((steps, batch, op.directions, hidden)), first.node)
    sequence = builder.add(f"{call.name}/sequence", Permute((0, 2, 1, 3)), split.node)
    return [sequence, *builder.outputs(first, 1 + len(op.states))[1:]]


RECURRENT: dict[str, OnnxHandler] = dict.fromkeys(GATES, recurrent)
