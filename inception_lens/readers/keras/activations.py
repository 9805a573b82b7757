"""Keras' activations, as layers and as settings of other layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from inception_lens import ops
from inception_lens.ops import Elementwise, Op
from inception_lens.readers.keras.graph_builder import Handlers, KerasCall, KerasGraphBuilder, KerasTensor
from inception_lens.readers.keras.settings import Settings

ACTIVATIONS: dict[str, Callable[[], Op]] = {
    "elu": ops.ELU, "exponential": lambda: Elementwise("exp"), "gelu": ops.GELU, "hard_sigmoid": ops.Hardsigmoid,
    "hard_silu": ops.Hardswish, "hard_swish": ops.Hardswish, "leaky_relu": lambda: ops.LeakyReLU(negative_slope=0.2),
    "log_softmax": ops.LogSoftmax, "mish": ops.Mish, "relu": ops.ReLU,
    "relu6": lambda: ops.Hardtanh(min_val=0.0, max_val=6.0),
    "selu": lambda: Elementwise("selu"), "sigmoid": ops.Sigmoid, "silu": ops.SiLU, "softmax": ops.Softmax,
    "softplus": ops.Softplus, "softsign": lambda: Elementwise("softsign"), "swish": ops.SiLU, "tanh": ops.Tanh,
}  # fmt: skip
"""Functions by Keras' names, with Keras' defaults; `linear` is none."""


def activate(builder: KerasGraphBuilder, call: KerasCall, x: KerasTensor, *, suffix: bool = True) -> list[KerasTensor]:
    """The output of the function that the setting `activation` names, of `x`."""
    name = call.settings.text("activation", "linear")
    given = call.settings.values.get("activation")
    if isinstance(given, Mapping) and isinstance(given.get("config"), dict) and name in LAYERS:
        return _written(builder, call, x, LAYERS[name](Settings(given["config"])), name.lower() if suffix else "")
    if name == "linear":
        return [x]
    if name not in ACTIVATIONS:
        layer = call.layer._replace(kind=name)
        return builder.unknown(
            call._replace(
                path=f"{call.path}/{name}" if suffix else call.path, layer=layer, inputs=(x,), types=(builder.type(x),)
            ),
            params_known=True,
        )
    return _written(builder, call, x, ACTIVATIONS[name](), name if suffix else "")


def _written(builder: KerasGraphBuilder, call: KerasCall, x: KerasTensor, op: Op, suffix: str) -> list[KerasTensor]:
    if isinstance(op, ops.Softmax):
        op = type(op)(builder.axis(x, op.dim))
    return [x._replace(node=builder.add(call, op, x.node, suffix=suffix))]


def _relu(settings: Settings) -> Op:
    slope = settings.number("negative_slope", 0.0)
    threshold = settings.number("threshold", 0.0)
    if settings.values.get("max_value") is not None:
        limit = settings.number("max_value", 0.0)
        return ops.Hardtanh(min_val=0.0, max_val=limit) if not slope and not threshold else Elementwise("hardtanh")
    if threshold:
        return Elementwise("threshold") if not slope else Elementwise("leaky_relu")
    return ops.LeakyReLU(negative_slope=slope) if slope else ops.ReLU()


LAYERS: dict[str, Callable[[Settings], Op]] = {
    "ELU": lambda settings: ops.ELU(alpha=settings.number("alpha", 1.0)),
    "LeakyReLU": lambda settings: ops.LeakyReLU(
        negative_slope=settings.number("negative_slope", settings.number("alpha", 0.3))
    ),
    "ReLU": _relu,
    "Softmax": lambda settings: ops.Softmax(settings.axes("axis", -1)[0]),
    "ThresholdedReLU": lambda _: Elementwise("threshold"),
}
"""Layers that are one function of each element, or a softmax."""


def _layer(builder: KerasGraphBuilder, call: KerasCall) -> list[KerasTensor]:
    return _written(builder, call, call.x, LAYERS[call.layer.kind](call.settings), "")


def _activation(builder: KerasGraphBuilder, call: KerasCall) -> list[KerasTensor]:
    return activate(builder, call, call.x, suffix=False)


def _prelu(builder: KerasGraphBuilder, call: KerasCall) -> list[KerasTensor]:
    """A slope for each element of a sample, or shared along some axes."""
    x = builder.unmoved(call.x)
    shared = call.settings.axes("shared_axes", 0) if call.settings.values.get("shared_axes") else ()
    shape = tuple([1 if axis in shared else size for axis, size in enumerate(builder.shape(x)[1:], 1)])
    slopes = builder.stored(call, "alpha", shape)
    return [KerasTensor(builder.add(call, Elementwise("prelu"), x.node, slopes))]


HANDLERS: Handlers = {**dict.fromkeys(LAYERS, _layer), "Activation": _activation, "PReLU": _prelu}
