"""Differences of two paired calls, one attribute at a time."""

from __future__ import annotations

from math import prod
from typing import Any

import msgspec

from inception_lens.analyses.compare.structure import without_inplace
from inception_lens.ops import UNKNOWN_SIZE, AdaptiveAvgPool2d, AvgPool2d, Conv2d, Flatten, Linear, MaxPool2d, Op, Shape
from inception_lens.ops.window import explicit_padding
from inception_lens.rewrites.structure import short_padding

FIRST = ("op", "kernel", "out_channels", "out_features", "groups", "stride", "dilation", "scale")
"""Attributes in the order in which a difference in cost is attributed to them."""
CONSEQUENCES = ("in_channels", "output_shape")
"""Attributes that follow from other differences."""


class Difference(msgspec.Struct, frozen=True, gc=False):
    """An attribute that differs between two calls."""

    attribute: str
    """Its name, such as `kernel` or `out_channels`."""
    a: Any
    """Value in the first network; None if it has none."""
    b: Any
    """Value in the second network; None if it has none."""
    params: int = 0
    """Its share of the change in learned elements; the shares of a call add up to the call's change."""
    macs: int = 0
    """Its share of the change in multiply-accumulates."""

    def mirrored(self) -> Difference:
        """The same difference from B to A."""
        return Difference(self.attribute, self.b, self.a, -self.params, -self.macs)


class ComparedCall(msgspec.Struct, frozen=True, gc=False):
    """One call without its name."""

    op: Op
    """The operation."""
    inputs: tuple[Shape, ...]
    """Shapes of the inputs, batch first."""
    output: Shape
    """Shape of the first output, batch first."""


def differences(a: ComparedCall, b: ComparedCall) -> tuple[Difference, ...]:
    """The attributes that differ, the most telling first and consequences of others last."""
    values_a, values_b = _values(a), _values(b)
    found = []
    if type(a.op) is not type(b.op) or a.op.kind != b.op.kind:
        found.append(Difference("op", a.op.kind, b.op.kind))
        for values in (values_a, values_b):
            if "out_features" in values:
                values["out_channels"] = values.pop("out_features")
        shared = values_a.keys() & values_b.keys()
        values_a, values_b = ({key: values[key] for key in shared} for values in (values_a, values_b))
    if None in (values_a.get("rounding"), values_b.get("rounding")):  # the difference in stride is reported
        values_a, values_b = ({**values, "rounding": None} for values in (values_a, values_b))
    if () in (values_a.get("numbers"), values_b.get("numbers")):  # those of one call are unknown
        values_a, values_b = ({**values, "numbers": ()} for values in (values_a, values_b))
    for key in sorted(values_a, key=_importance):
        if values_a[key] != values_b[key]:
            found.append(Difference(key, values_a[key], values_b[key]))
    if a.op.category in ("conv", "linear") and b.op.category in ("conv", "linear"):
        read_a, read_b = _features(a), _features(b)
        if read_a != read_b:
            found.append(Difference("in_channels", read_a, read_b))
    if a.output != b.output:
        found.append(Difference("output_shape", _sizes(a.output), _sizes(b.output)))
    return tuple(found)


def equivalent(a: ComparedCall, b: ComparedCall) -> bool:
    """Whether two different calls compute the same values on the given input shapes.

    Examples: an average pool over the whole map and a global average pool, pools with the same windows, and a linear
    layer and a convolution over the whole map.
    """
    if not a.inputs or not b.inputs or a.output[:2] != b.output[:2] or a.inputs[0][:2] != b.inputs[0][:2]:
        return False
    kinds = {type(a.op), type(b.op)}
    if kinds == {Linear, Conv2d}:
        conv, linear = (a, b) if isinstance(a.op, Conv2d) else (b, a)
        assert isinstance(linear.op, Linear)
        same_bias = _values(conv).get("bias") == linear.op.bias
        return same_bias and _covers(conv) and len(linear.output) == 2 and _features(conv) == _features(linear)
    if kinds <= {AvgPool2d, AdaptiveAvgPool2d} and _covers(a) and _covers(b):
        return True
    if len(kinds) > 1 or a.output != b.output:
        return False
    values_a, values_b = _values(a), _values(b)
    differ = {key for key in values_a if values_a[key] != values_b[key]}
    if differ <= {"rounding"}:
        return bool(differ)
    if isinstance(a.op, MaxPool2d):  # padding after the map never holds the maximum
        before_a, before_b = ([before for before, _ in pads(call.op, call.inputs[0])] for call in (a, b))
        return differ <= {"rounding", "padding"} and before_a == before_b
    return differ == {"count_include_pad"} and not any(map(sum, pads(a.op, a.inputs[0])))


def _sizes(shape: Shape) -> tuple[int | None, ...]:
    return tuple(None if size == UNKNOWN_SIZE else size for size in shape)


def _importance(attribute: str) -> tuple[int, str]:
    return (FIRST.index(attribute) if attribute in FIRST else len(FIRST), attribute)


def changes_no_value(op: Op) -> bool:
    """Whether the operation only reshapes its input, so that its presence changes no value."""
    return isinstance(op, Flatten)


def _covers(call: ComparedCall) -> bool:
    """Whether one window is the whole map."""
    window = call.op.window(call.inputs[0], call.output)
    return window is not None and window.kernel == call.inputs[0][2:] and not any(window.padding)


def _features(call: ComparedCall) -> int:
    """Number of features that one output of a convolution or linear layer reads."""
    shape = call.inputs[0]
    if call.op.category != "conv":
        return shape[-1]
    return shape[1] * (prod(shape[2:]) if _covers(call) and call.output[2:] == (1,) * len(call.output[2:]) else 1)


def _values(call: ComparedCall) -> dict[str, Any]:
    """The attributes of a call in a normal form: attributes with the same effect have the same value."""
    op = without_inplace(call.op)
    hidden = ("inplace", "declared", "source_kind")
    values = {field: getattr(op, field) for field in op.__struct_fields__ if field not in hidden}
    if "kernel_size" in values:
        values["kernel"] = values.pop("kernel_size")
    elif op.category == "pool" and (window := op.window(call.inputs[0], call.output)):
        values["kernel"] = window.kernel
    if op.category in ("conv", "pool") and {"kernel", "stride", "padding"} <= values.keys():
        values["dilation"] = _dilation(op)
        rounding = "same" if values["padding"] == "same" else values.pop("rounding", "floor")
        values["padding"] = short_padding(pads(op, call.inputs[0]))
        values["rounding"] = None if set(values["stride"]) == {1} else rounding  # where every window is full
    return values


def pads(op: Any, shape: Shape) -> tuple[tuple[int, int], ...]:
    """Padding of a convolution or pool on an input of `shape`: before and after, per axis."""
    axes = len(op.kernel_size)
    return explicit_padding(shape[2:], op.kernel_size, op.stride, op.padding or (0,) * axes, _dilation(op))


def _dilation(op: Any) -> tuple[int, ...]:
    return getattr(op, "dilation", ()) or (1,) * len(op.kernel_size)
