"""In what two calls that stand for each other differ, one attribute at a time."""

from __future__ import annotations

from typing import Any

import msgspec

from inception_lens.analyses.compare.structure import without_inplace
from inception_lens.ops import AdaptiveAvgPool2d, AvgPool2d, Conv2d, Flatten, Linear, MaxPool2d, Op, Shape
from inception_lens.ops.window import explicit_padding

FIRST = ("op", "kernel", "out_channels", "out_features", "groups", "stride", "dilation", "scale")
"""Attributes that a difference in cost is put down to before others, in this order."""
CONSEQUENCES = ("in_channels", "output_shape")
"""What follows from differences elsewhere, or from the other attributes."""


class Difference(msgspec.Struct, frozen=True, gc=False):
    """One attribute in which two calls differ, and its values; None where there is none."""

    attribute: str
    a: Any
    b: Any
    params: int = 0
    """What it changes in the parameters of the call, B less A; the differences of a call add up to the call's."""
    macs: int = 0

    def mirrored(self) -> Difference:
        """The same, seen from the other call."""
        return Difference(self.attribute, self.b, self.a, -self.params, -self.macs)


class Call(msgspec.Struct, frozen=True, gc=False):
    """One call, without its name."""

    op: Op
    inputs: tuple[Shape, ...]
    output: Shape


def differences(a: Call, b: Call) -> tuple[Difference, ...]:
    """All attributes in which two calls differ, those that explain most first; consequences of others last."""
    values_a, values_b = _values(a), _values(b)
    found = []
    if type(a.op) is not type(b.op) or a.op.kind != b.op.kind:
        found.append(Difference("op", a.op.kind, b.op.kind))
        for values in (values_a, values_b):
            if "out_features" in values:
                values["out_channels"] = values.pop("out_features")
        shared = values_a.keys() & values_b.keys()
        values_a, values_b = ({key: values[key] for key in shared} for values in (values_a, values_b))
    if None in (values_a.get("rounding"), values_b.get("rounding")):  # the strides differ, which is told
        values_a, values_b = ({**values, "rounding": None} for values in (values_a, values_b))
    for key in sorted(values_a, key=_importance):
        if values_a[key] != values_b[key]:
            found.append(Difference(key, values_a[key], values_b[key]))
    if a.op.category in ("conv", "linear") and b.op.category in ("conv", "linear"):
        read_a, read_b = _features(a), _features(b)
        if read_a != read_b:
            found.append(Difference("in_channels", read_a, read_b))
    if a.output != b.output:
        found.append(Difference("output_shape", a.output, b.output))
    return tuple(found)


def alike_here(a: Call, b: Call) -> bool:
    """Whether the two, though written otherwise, compute the same on the input that the networks were given.

    So do an average over the whole map and a global average pool, pools whose windows are the same, and a linear layer
    and a convolution over the whole map.
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
    if isinstance(a.op, MaxPool2d):  # what lies behind the map is never the largest
        return differ <= {"rounding", "padding"} and [p[0] for p in pads(a.op, a.inputs[0])] == [
            p[0] for p in pads(b.op, b.inputs[0])
        ]
    return differ == {"count_include_pad"} and not any(map(sum, pads(a.op, a.inputs[0])))


def _importance(attribute: str) -> tuple[int, str]:
    return (FIRST.index(attribute) if attribute in FIRST else len(FIRST), attribute)


def idle(op: Op) -> bool:
    """Whether the call's presence changes no number: it only looks at its input in another shape."""
    return isinstance(op, Flatten)


def _covers(call: Call) -> bool:
    """Whether one window is the whole map."""
    window = call.op.window(call.inputs[0], call.output)
    return window is not None and window.kernel == call.inputs[0][2:] and not any(window.padding)


def _features(call: Call) -> int:
    """Features that one output of a convolution or linear layer can read: channels, or the elements of a vector."""
    shape = call.inputs[0]
    if call.op.category != "conv":
        return shape[-1]
    return shape[1] * (_size(shape[2:]) if _covers(call) and call.output[2:] == (1,) * len(call.output[2:]) else 1)


def _size(sides: Shape) -> int:
    size = 1
    for side in sides:
        size *= side
    return size


def _values(call: Call) -> dict[str, Any]:
    """The attributes of a call; what says the same on every input is written the same."""
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
        values["padding"] = tuple(
            [before if before == behind else (before, behind) for before, behind in pads(op, call.inputs[0])]
        )
        values["rounding"] = None if set(values["stride"]) == {1} else rounding  # where every window is full
    return values


def pads(op: Any, shape: Shape) -> tuple[tuple[int, int], ...]:
    """The padding of a convolution or pool on an input of `shape`, before and behind, on each axis."""
    axes = len(op.kernel_size)
    return explicit_padding(shape[2:], op.kernel_size, op.stride, op.padding or (0,) * axes, _dilation(op))


def _dilation(op: Any) -> tuple[int, ...]:
    return getattr(op, "dilation", ()) or (1,) * len(op.kernel_size)
