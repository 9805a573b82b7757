"""Keras' embeddings, recurrent layers and attention."""

from __future__ import annotations

from math import prod

from inception_lens.graph.nodes import output_names
from inception_lens.ops import (
    GRU,
    LSTM,
    RNN,
    Concat,
    Declared,
    Embedding,
    Linear,
    Permute,
    Reshape,
    ScaledDotProductAttention,
    TensorType,
)
from inception_lens.readers.keras.config import LayerConfig
from inception_lens.readers.keras.convolution import dense
from inception_lens.readers.keras.graph_builder import Handlers, KerasCall, KerasGraphBuilder, KerasTensor
from inception_lens.readers.keras.settings import Settings

CELLS = {"GRU": GRU, "LSTM": LSTM, "SimpleRNN": RNN}


def _embedding(builder: KerasGraphBuilder, call: KerasCall) -> list[KerasTensor]:
    settings = call.settings
    op = Embedding(settings.integer("input_dim"), settings.integer("output_dim"))
    return [KerasTensor(builder.add(call, op, builder.unmoved(call.x).node))]


def _recurrent(builder: KerasGraphBuilder, call: KerasCall, suffix: str = "") -> list[KerasTensor]:
    """A recurrent layer with Keras' tensors: one bias per gate and unit; a GRU that resets after has two.

    Its cost is that of PyTorch's layer with these biases.
    """
    settings, x = call.settings, builder.unmoved(call.x)
    if len(builder.shape(x)) != 3 or len(call.inputs) > 1:
        return builder.unknown(call)
    cell, units = CELLS[call.layer.kind], settings.integer("units")
    batch, steps, features = builder.shape(x)
    rows = cell.gates * units
    shapes: dict[str, tuple[int, ...]] = {"kernel": (features, rows), "recurrent_kernel": (units, rows)}
    has_bias, resets_after = settings.flag("use_bias", True), settings.flag("reset_after", False)
    if has_bias:
        shapes["bias"] = (2, rows) if resets_after and cell is GRU else (rows,)
    path = f"{suffix}/" if suffix else ""
    tensors = [builder.stored(call, f"{path}{name}", shape) for name, shape in shapes.items()]
    plain = cell(units, bias=False, batch_first=True)
    macs = plain.macs(((batch, steps, features),), ())
    flops = plain.extra_flops(((batch, steps, features),), ()) + batch * steps * prod(shapes.get("bias", (0,)))
    sizes = (batch, steps, units) if settings.flag("return_sequences", False) else (batch, units)
    states = len(cell.states) if settings.flag("return_state", False) else 0
    op = Declared(call.layer.kind, (TensorType(sizes), *[TensorType((batch, units))] * states), macs, flops)
    node = builder.add(call, op, x.node, *tensors, suffix=suffix)
    return [KerasTensor(each) for each in output_names(node, 1 + states)]


def _bidirectional(builder: KerasGraphBuilder, call: KerasCall) -> list[KerasTensor]:
    """A recurrent layer in both directions, whose outputs are concatenated."""
    values = call.settings.values
    forward = _inner(values.get("layer"), call)
    backward = _inner(values.get("backward_layer") or values.get("layer"), call)
    layers = [layer for layer in (forward, backward) if layer is not None and layer.kind in CELLS]
    with_states = any(layer.settings.flag("return_state", False) for layer in layers)
    if len(layers) < 2 or with_states or call.settings.text("merge_mode", "concat") != "concat":
        return builder.unknown(call)
    outputs = []
    for layer, direction in zip(layers, ("forward", "backward"), strict=True):
        (found,) = _recurrent(builder, call._replace(layer=layer), direction)
        if found.node in builder.unknown_outputs:
            return [found]
        outputs.append(found.node)
    return [KerasTensor(builder.add(call, Concat(-1), *outputs))]


def _inner(entry: object, call: KerasCall) -> LayerConfig | None:
    """The layer that a wrapper holds, under the wrapper's name."""
    if not isinstance(entry, dict) or not isinstance(entry.get("config"), dict):
        return None
    return call.layer._replace(kind=str(entry.get("class_name")), settings=Settings(entry["config"]))


def _attention(builder: KerasGraphBuilder, call: KerasCall) -> list[KerasTensor]:
    """Multi-head attention of a query, a value and, if another than the value, a key."""
    settings = call.settings
    inputs = [builder.unmoved(x) for x in call.inputs]
    is_plain = settings.values.get("attention_axes") in (None, [1]) and len(inputs) in (2, 3)
    if not is_plain or any(len(builder.shape(x)) != 3 for x in inputs):
        return builder.unknown(call)
    query, value, key = (*inputs, inputs[1])[:3]
    heads, size = settings.integer("num_heads"), settings.integer("key_dim")
    value_size = settings.integer("value_dim", size)
    output = settings.values.get("output_shape")
    width = builder.shape(query)[-1] if output is None else settings.axes("output_shape", 1)[-1]
    bias = settings.flag("use_bias", True)

    def project(x: KerasTensor, name: str, each: int) -> str:
        node = builder.add(call, Linear(heads * each, bias), x.node, suffix=name)
        node = builder.add(call, Reshape((-1, builder.shape(x)[1], heads, each)), node, suffix=f"{name}/heads")
        return builder.add(call, Permute((0, 2, 1, 3)), node, suffix=f"{name}/transpose")

    parts = [project(query, "query", size), project(key, "key", size), project(value, "value", value_size)]
    node = builder.add(call, ScaledDotProductAttention(), *parts, suffix="attention")
    node = builder.add(call, Permute((0, 2, 1, 3)), node, suffix="transpose")
    node = builder.add(call, Reshape((-1, builder.shape(query)[1], heads * value_size)), node, suffix="concat")
    return [KerasTensor(builder.add(call, Linear(width, bias), node))]


def _time_distributed(builder: KerasGraphBuilder, call: KerasCall) -> list[KerasTensor]:
    """A dense layer at every step is the same layer of the last axis; others are unknown."""
    inner = _inner(call.settings.values.get("layer"), call)
    if inner is None or inner.kind != "Dense":
        return builder.unknown(call)
    return dense(builder, call._replace(layer=inner))


HANDLERS: Handlers = {
    **dict.fromkeys(CELLS, _recurrent),
    "Bidirectional": _bidirectional,
    "Embedding": _embedding,
    "MultiHeadAttention": _attention,
    "TimeDistributed": _time_distributed,
}
