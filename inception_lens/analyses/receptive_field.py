"""Receptive field, jump and centre of every call's output.

The recurrences are those of A. Araujo et al., "Computing Receptive Fields of Convolutional Neural Networks" (Distill,
2019), sections 2 and 3. Where branches meet, the largest receptive field over the paths counts, axis by axis.
"""

import msgspec

from inception_lens.graph import Graph, output_name
from inception_lens.ops import Window


class ReceptiveField(msgspec.Struct, frozen=True, gc=False):
    """The input region that one output position depends on, per spatial axis, in pixels; it may exceed the border."""

    size: tuple[int, ...]
    """Side lengths."""
    jump: tuple[int, ...]
    """Distance between the receptive fields of neighbouring positions."""
    center: tuple[float, ...]
    """Centre of the first position's receptive field; 0.5 is the middle of the first pixel."""


def receptive_fields(graph: Graph) -> tuple[ReceptiveField | None, ...]:
    """Compute one receptive field per node; None where the output keeps no spatial positions of the input."""
    fields: dict[str, ReceptiveField | None] = {}
    constant: set[str] = set()  # tensors that do not depend on any input: they widen no receptive field
    for given in graph.inputs:
        axes = len(given.type.shape) - 2
        fields[given.name] = ReceptiveField((1,) * axes, (1,) * axes, (0.5,) * axes) if axes > 0 else None
    types = graph.types
    for node in graph.nodes:
        op, inputs = node.op, node.inputs
        if len(inputs) != 1 or inputs[0] in constant:
            inputs = tuple([name for name in inputs if name not in constant])
            if not inputs:
                constant.update([output_name(node.name, i) for i in range(len(types[node.name]))])
        field = fields[inputs[0]] if len(inputs) == 1 else _largest([fields[name] for name in inputs])
        if field is not None:
            shape = types[inputs[0]][0].shape
            if not op.keeps_positions(shape):
                field = None
            elif op.has_window:
                window = op.window(shape, types[node.name][0].shape)
                if window and len(window.kernel) == len(field.size):
                    field = _through(field, window)
        fields[node.name] = field
        for i in range(1, len(types[node.name])):
            fields[output_name(node.name, i)] = field
    return tuple([fields[node.name] for node in graph.nodes])


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
