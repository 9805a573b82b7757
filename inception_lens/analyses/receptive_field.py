"""Receptive field, jump and centre of every call's output.

The recurrences are those of A. Araujo et al., "Computing Receptive Fields of Convolutional Neural Networks" (Distill,
2019), sections 2 and 3. Where branches meet, the largest receptive field over the paths counts, axis by axis.
"""

from typing import NamedTuple

import msgspec

from inception_lens.graph import CallFacts, Graph, output_name, output_names
from inception_lens.ops import UNKNOWN_SIZE, Pad, Permute, Reshape, TensorType, Window


class ReceptiveField(msgspec.Struct, frozen=True, gc=False):
    """The input region that one output position depends on, per spatial axis, in pixels; it may exceed the border."""

    size: tuple[int, ...]
    """Side lengths."""
    jump: tuple[int, ...]
    """Distance between the receptive fields of neighbouring positions."""
    center: tuple[float, ...]
    """Centre of the first position's receptive field; 0.5 is the middle of the first pixel."""


class AxisField(NamedTuple):
    """A receptive field along one axis; the fields are those of `ReceptiveField`."""

    size: int
    jump: int
    center: float


AxisFields = tuple[AxisField | None, ...]
"""Of each axis of a tensor, batch and channels included; None where the axis keeps no positions of the input."""

PIXEL = AxisField(1, 1, 0.5)


def receptive_fields(graph: Graph) -> tuple[ReceptiveField | None, ...]:
    """Compute one receptive field per node; None where the output keeps no spatial positions of the input."""
    fields: dict[str, ReceptiveField | None] = {}
    constant: set[str] = set()  # tensors that do not depend on any input: they widen no receptive field
    # Of the inputs, of permuted tensors, and of element-wise functions of either: an image may have its channels last.
    layouts: dict[str, AxisFields] = {}
    for given in graph.inputs:
        layouts[given.name] = axes = (PIXEL,) * len(given.type.shape)
        fields[given.name] = _spatial(axes)
    effects: dict[CallFacts, _Effect] = {}
    for node, facts in zip(graph.nodes, graph.facts, strict=True):
        inputs = node.inputs
        if len(inputs) != 1 or inputs[0] in constant:
            inputs = tuple([name for name in inputs if name not in constant])
            if not inputs:
                constant.update(output_names(node.name, len(facts.outputs)))
        field = fields[inputs[0]] if len(inputs) == 1 else _largest([fields[name] for name in inputs])
        if field is not None:
            if len(inputs) == len(node.inputs):
                effect = effects.get(facts) or effects.setdefault(facts, _effect(facts, facts.inputs[0]))
            else:  # without the constants, another input is the first
                effect = _effect(facts, graph.types[inputs[0]][0])
            keeps, window = effect
            if not keeps:
                field = None
            elif window and len(window.kernel) == len(field.size):
                field = _through(field, window)
        if len(inputs) == 1 and (type(facts.op) is Permute or inputs[0] in layouts):
            layout = _layout(facts, layouts.get(inputs[0]) or _axes(fields[inputs[0]]))
            if layout is not None:
                layouts[node.name], field = layout, _spatial(layout)
        fields[node.name] = field
        for i in range(1, len(facts.outputs)):
            fields[output_name(node.name, i)] = field
    return tuple([fields[node.name] for node in graph.nodes])


_Effect = tuple[bool, Window | None]
"""Whether a call keeps the positions of its input, and its window if an output depends on more than its position."""


def _effect(facts: CallFacts, given: TensorType) -> _Effect:
    """The effect of a call whose first input that depends on an input of the graph is of this type."""
    op, shape, output = facts.op, given.shape, facts.outputs[0].shape
    if UNKNOWN_SIZE in shape[2:] or UNKNOWN_SIZE in output[2:] or not op.keeps_positions(shape):
        return False, None
    return True, op.window(shape, output) if op.has_window else None


def _layout(facts: CallFacts, axes: AxisFields) -> AxisFields | None:
    """The receptive fields along every axis after a call that does not mix them; None after other calls."""
    op = facts.op
    if isinstance(op, Permute):
        return tuple([axes[axis] for axis in op.dims]) if len(op.dims) == len(axes) else None
    if isinstance(op, Reshape):  # with which converters permute an image of one channel
        shapes = facts.inputs[0].shape, facts.outputs[0].shape
        before, after = ([n for n in shape if n != 1] for shape in shapes)
        kept = iter([each for each, n in zip(axes, shapes[0], strict=True) if n != 1])
        return tuple([next(kept) if n != 1 else None for n in shapes[1]]) if before == after else None
    if isinstance(op, Pad):
        return tuple(
            [
                each and each._replace(center=each.center - before * each.jump)
                for each, (before, _) in zip(axes, op.padding, strict=True)
            ]
        )
    is_elementwise = op.role == "finish" and op.keeps_positions(facts.outputs[0].shape)
    return axes if is_elementwise and len(axes) == len(facts.outputs[0].shape) else None


def _axes(field: ReceptiveField | None) -> AxisFields:
    found = zip(field.size, field.jump, field.center, strict=True) if field else ()
    return (None, None, *[AxisField(*each) for each in found])


def _spatial(axes: AxisFields) -> ReceptiveField | None:
    """The receptive field along the axes after the batch and the channels, if all of them keep positions."""
    known = [each for each in axes[2:] if each is not None]
    if not known or len(known) < len(axes) - 2:
        return None
    sizes, jumps, centers = zip(*known, strict=True)
    return ReceptiveField(sizes, jumps, centers)


def _through(field: ReceptiveField, window: Window) -> ReceptiveField:
    sizes, jumps, centers = [], [], []
    for axis, kernel in enumerate(window.kernel):
        jump, span = field.jump[axis], (kernel - 1) * window.dilation[axis]
        sizes.append(field.size[axis] + span * jump)
        jumps.append(jump * window.stride[axis])
        centers.append(field.center[axis] + (span / 2 - window.padding[axis]) * jump)
    return ReceptiveField(tuple(sizes), tuple(jumps), tuple(centers))


def _largest(fields: list[ReceptiveField | None]) -> ReceptiveField | None:
    """The receptive field of a merge: on each axis the largest of its inputs; unknown where one of them is unknown."""
    known = [field for field in fields if field]
    if not known or len(known) < len(fields):
        return None
    sizes = tuple(map(max, zip(*[field.size for field in known], strict=False)))
    for field in known:  # the common case: one of them is the largest on every axis
        if field.size == sizes:
            return field
    best = [next(field for field in known if field.size[axis] == size) for axis, size in enumerate(sizes)]
    return ReceptiveField(
        sizes,
        tuple(field.jump[axis] for axis, field in enumerate(best)),
        tuple(field.center[axis] for axis, field in enumerate(best)),
    )
