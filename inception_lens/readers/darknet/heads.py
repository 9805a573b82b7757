"""Darknet's last layers: softmax, and what YOLO makes of a map."""

from __future__ import annotations

from math import prod

from inception_lens import ops
from inception_lens.errors import FormatError
from inception_lens.readers.darknet.builder import DarknetBuilder, DarknetHandler
from inception_lens.readers.darknet.sections import DarknetSection


def softmax(builder: DarknetBuilder, section: DarknetSection) -> str:
    """Softmax of the whole vector, of groups of it, or of the channels at each position."""
    if "tree" in section.options:
        return builder.unknown(keeps_type=True)
    if section.number("spatial", 0.0):
        return builder.add(ops.Softmax(1), builder.map())
    x, groups = builder.vector(), section.integer("groups", 1, 1)
    if groups == 1:
        return builder.add(ops.Softmax(), x)
    kind = builder.type_of(x)
    if kind.shape[1] % groups:
        raise FormatError(f"{groups} groups must divide {kind.shape[1]} elements")
    flops = 5 * kind.elements - 2 * groups * kind.shape[0]
    return builder.add(ops.Declared("Softmax", (kind,), declared_flops=flops), x)


def yolo(builder: DarknetBuilder, section: DarknetSection) -> str:
    """The heads of YOLO v2 and v3: a logistic function of the centre of each box and of its scores.

    Of the classes of `region` it can be a softmax instead.
    """
    x, is_region = builder.map(), section.type == "region"
    coords = section.integer("coords", 4) if is_region else 8 if section.type == "gaussian_yolo" else 4
    classes, boxes = section.integer("classes", 20), len(section.integers("mask")) or section.integer("num", 1, 1)
    batch, channels, *sides = builder.shape(x)
    if channels != boxes * (coords + 1 + classes):
        raise FormatError(f"{boxes} boxes of {coords} + 1 + {classes} channels do not fit {channels} channels")
    positions = batch * boxes * prod(sides)
    logistic = ops.ELEMENTWISE["sigmoid"]
    has_softmax = is_region and section.integer("softmax", 0)
    per_box = logistic * (3 if not section.integer("background", 0) else 2)
    per_box += 5 * classes - 2 if has_softmax else logistic * classes
    is_plain = section.type in ("region", "yolo") and "tree" not in section.options
    flops = positions * per_box if is_plain else None
    return builder.add(ops.Declared(section.type, (builder.type_of(x),), declared_flops=flops), x)


def detection(builder: DarknetBuilder, section: DarknetSection) -> str:
    """The head of YOLO v1, which returns its input, or a softmax of its classes."""
    x = builder.previous()
    flops = None if section.integer("softmax", 0) else 0
    return builder.add(ops.Declared("detection", (builder.type_of(x),), declared_flops=flops), x)


HEADS: dict[str, DarknetHandler] = {
    **dict.fromkeys(("gaussian_yolo", "region", "yolo"), yolo),
    "detection": detection,
    "softmax": softmax,
}
