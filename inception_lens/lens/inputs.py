"""Inputs in the forms that callers give: one shape or tensor, several, or some by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from inception_lens.errors import ConfigError, suggest
from inception_lens.graph import Graph, Inputs, Shaped
from inception_lens.ops import Shape, TensorType, format_shape


def image_shape(inputs: Inputs) -> tuple[int, int, int, int]:
    """The one image batch that a catalogue network takes: three sizes are one image.

    Raises:
        ConfigError: it is not an image batch, or there are several inputs.
    """
    if isinstance(inputs, Mapping):
        if list(inputs) != ["input"]:
            raise ConfigError(f"the network has one input, `input`, not {', '.join(f'`{name}`' for name in inputs)}")
        inputs = (inputs["input"],)
    shapes = _listed(inputs)
    match shapes:
        case [(batch, channels, height, width)]:
            return batch, channels, height, width
        case [(channels, height, width)]:
            return 1, channels, height, width
    given = " and ".join(map(format_shape, shapes)) or "nothing"
    raise ConfigError(f"the input is {given}: expected an image batch, (N, C, H, W), such as 1x3x224x224")


def shape_of(given: object) -> Shape:
    """The sizes of a shape or of an object that has one.

    Raises:
        ConfigError: it is neither.
    """
    sizes = getattr(given, "shape", given)
    if not isinstance(sizes, Sequence) or not all(isinstance(size, int) for size in sizes):
        raise ConfigError(f"`{given!r}` is not a shape: expected a sequence of whole numbers, or a tensor")
    return tuple(sizes)


def shapes_of(inputs: Inputs | None) -> dict[str, Shape] | Shape | None:
    """The shapes of inputs by name, or the shape of the only one."""
    if inputs is None:
        return None
    if isinstance(inputs, Mapping):
        return {name: shape_of(given) for name, given in inputs.items()}
    shapes = _listed(inputs)
    return shapes[0] if len(shapes) == 1 else shape_of(inputs)


def with_inputs(graph: Graph, inputs: Inputs) -> Graph:
    """The same network on inputs of other shapes.

    Raises:
        ConfigError: it has another number of inputs, or none of a given name.
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


def unnamed(inputs: Inputs | None) -> Inputs | None:
    """Inputs as PyTorch takes them: by position if the only one has no name; `batch.x` is `x` in a dictionary `batch`.

    Raises:
        ConfigError: an input is given as a tensor and as a dictionary.
    """
    if not isinstance(inputs, Mapping) or not any("." in str(name) for name in inputs):
        return (inputs[""],) if isinstance(inputs, Mapping) and list(inputs) == [""] else inputs
    nested: dict[str, object] = {}
    for name, given in inputs.items():
        *above, last = str(name).split(".")
        inner = nested
        for part in above:
            found = inner.setdefault(part, {})
            if not isinstance(found, dict):
                raise ConfigError(f"input `{name}`: `{part}` is given as a tensor too")
            inner = found
        if last in inner:
            raise ConfigError(f"input `{name}` is given as a tensor and as a dictionary")
        inner[last] = given
    return nested


def _listed(inputs: Sequence[object] | Shaped) -> list[Shape]:
    """The shapes of one input, or of several."""
    if not isinstance(inputs, Sequence) or hasattr(inputs, "shape") or not inputs or isinstance(inputs[0], int):
        return [shape_of(inputs)]
    return [shape_of(each) for each in inputs]
