"""Inputs as callers give them: one shape or tensor, several, or some by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from inception_lens.errors import ConfigError, suggest
from inception_lens.graph import Graph
from inception_lens.ops import Shape, TensorType, format_shape


class Shaped(Protocol):
    """Anything with a shape, a tensor for one."""

    @property
    def shape(self) -> Any:
        """Sizes of its axes."""


Inputs = Sequence[Any] | Mapping[str, Any] | Shaped
"""Shapes, or anything with a `.shape`: one, a sequence of them, or by the names of the inputs."""


def image_shape(inputs: Inputs) -> tuple[int, int, int, int]:
    """The one image batch that a catalogue network takes: three sizes are one image.

    Raises:
        ConfigError: it is none, or there are several.
    """
    if isinstance(inputs, Mapping):
        if list(inputs) != ["input"]:
            raise ConfigError(f"the network has one input, `input`, not {', '.join(f'`{name}`' for name in inputs)}")
        inputs = inputs["input"]
    shapes = _listed(inputs)
    match shapes:
        case [(batch, channels, height, width)]:
            return batch, channels, height, width
        case [(channels, height, width)]:
            return 1, channels, height, width
    told = " and ".join(map(format_shape, shapes)) or "nothing"
    raise ConfigError(f"an input of {told}: an image batch is (N, C, H, W), such as 1x3x224x224")


def shape_of(given: Any) -> Shape:
    """The sizes of a shape or of anything that has one.

    Raises:
        ConfigError: it has none.
    """
    sizes = getattr(given, "shape", given)
    if not isinstance(sizes, Sequence) or not all(isinstance(size, int) for size in sizes):
        raise ConfigError(f"{given!r} is no shape: it is a sequence of whole numbers, or a tensor")
    return tuple(sizes)


def shapes_of(inputs: Inputs | None) -> dict[str, Shape] | Shape | None:
    """The shapes of inputs by name, or of the first alone."""
    if inputs is None:
        return None
    if isinstance(inputs, Mapping):
        return {name: shape_of(given) for name, given in inputs.items()}
    shapes = _listed(inputs)
    return shapes[0] if len(shapes) == 1 else shape_of(inputs)


def with_inputs(graph: Graph, inputs: Inputs) -> Graph:
    """The same network on inputs of other shapes.

    Raises:
        ConfigError: it has no such input, or another number of them.
        GraphError: it cannot take them.
    """
    types = {given.name: given.type for given in graph.inputs}
    if isinstance(inputs, Mapping):
        shapes = {name: shape_of(given) for name, given in inputs.items()}
    else:
        listed = _listed(inputs)
        if len(listed) != len(types):
            raise ConfigError(f"`{graph.name}` takes {len(types)} inputs, not {len(listed)}")
        shapes = dict(zip(types, listed, strict=True))
    if unknown := set(shapes) - set(types):
        raise ConfigError(f"`{graph.name}` has no input `{min(unknown)}`{suggest(min(unknown), types)}")
    return graph.with_inputs({name: TensorType(shape, types[name].dtype) for name, shape in shapes.items()})


def unnamed(inputs: Inputs | None) -> Any:
    """Inputs as PyTorch takes them: by position where the one that is given has no name."""
    return (inputs[""],) if isinstance(inputs, Mapping) and list(inputs) == [""] else inputs


def _listed(inputs: Any) -> list[Shape]:
    """The shapes of one input, or of several."""
    alone = hasattr(inputs, "shape") or not isinstance(inputs, Sequence) or not inputs or isinstance(inputs[0], int)
    return [shape_of(inputs)] if alone else [shape_of(each) for each in inputs]
