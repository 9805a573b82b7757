"""Heat maps: boxes filled by a number, and the legends of colours."""

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, Literal, get_args
from xml.sax.saxutils import escape

import msgspec

from inception_lens.analyses.analysis import Analysis
from inception_lens.analyses.records import Layer
from inception_lens.ops import Category
from inception_lens.renderers.diagrams.dot import MAX_FRAMED, Style, color_of
from inception_lens.renderers.diagrams.picture import Box, Kind, Picture, Swatch
from inception_lens.renderers.escape import printable
from inception_lens.renderers.theme import heat, mix, palette_of
from inception_lens.renderers.units import short, size

Heat = Literal["macs", "params", "activations", "receptive_field"]

STEPS = 9
"""Of the legend's colours."""


class Measure(msgspec.Struct, frozen=True):
    """A number of each layer that a heat map shows."""

    title: str
    of: Callable[[Layer], int | None]
    show: Callable[[Any], str]
    together: Callable[[Any], Any] = sum
    """The number of several layers."""


MEASURES: dict[Heat, Measure] = {
    "macs": Measure("MACs", lambda layer: layer.macs, short),
    "params": Measure("parameters", lambda layer: layer.params, short),
    "activations": Measure("new activations", lambda layer: layer.activation_bytes, size),
    "receptive_field": Measure("receptive field, pixels", lambda layer: layer.receptive_field, str, max),
}

WORDS: dict[Kind, str] = {
    "conv": "convolution", "pool": "pooling", "linear": "linear", "attention": "attention", "recurrent": "recurrent",
    "embedding": "embedding", "norm": "normalisation", "activation": "activation", "arithmetic": "arithmetic",
    "merge": "concat or add", "shape": "view", "dropout": "dropout", "weights": "weights", "unknown": "unknown",
    "reduction": "1x1 reduction", "module": "module",
}  # fmt: skip
"""What a legend calls each kind of box."""

UNKNOWN = "unknown"


def colored(
    picture: Picture, analysis: Analysis, by: Heat | Mapping[str, float | None], title: str, dark: bool
) -> Picture:
    """The picture with every box filled by its number, which becomes its last line, and a legend."""
    palette = palette_of(dark)
    if isinstance(by, str):
        measure = MEASURES[by]
        numbers: Mapping[str, float | None] = {layer.name: measure.of(layer) for layer in analysis.layers}
    else:
        measure = Measure(title, lambda layer: None, "{:.3g}".format)
        numbers = by
    numbers = {name: number if number is None or isfinite(number) else None for name, number in numbers.items()}
    values = [_value(box, numbers, measure.together) for box in picture.boxes]
    most = max([value for value in values if value is not None], default=0) or 1
    grey = mix(palette.line, palette.background, 0.3)
    boxes = []
    for box, value in zip(picture.boxes, values, strict=True):
        if box.nodes:
            fill = grey if value is None else heat(value / most, palette)
            text = (*box.text, UNKNOWN if value is None else measure.show(value) if value else "-")
            box = msgspec.structs.replace(box, fill=fill, text=text)
        boxes.append(box)
    ramp = [Swatch(heat(k / (STEPS - 1), palette)) for k in range(STEPS)]
    ramp[-1] = Swatch(ramp[-1].color, measure.show(most))
    if any(box.fill == grey for box in boxes):
        ramp.append(Swatch(grey, UNKNOWN))
    return msgspec.structs.replace(
        picture, boxes=tuple(boxes), legend=tuple(ramp), legend_title=f"{escape(printable(measure.title))}: 0"
    )


def keyed(picture: Picture, style: Style, dark: bool) -> Picture:
    """The picture with a legend of the colours in it, where there are several."""
    palette = palette_of(dark)
    found = {box.kind for box in picture.boxes} - {"end"}
    kinds: list[Kind] = [kind for kind in ("reduction", *get_args(Category), "module") if kind in found]
    if len(kinds) < 2 or style == "paper" or len(picture.boxes) > MAX_FRAMED:
        return picture
    legend = [Swatch(mix(color_of(kind, palette), palette.background, palette.tint), WORDS[kind]) for kind in kinds]
    return msgspec.structs.replace(picture, legend=tuple(legend))


def _value(box: Box, numbers: Mapping[str, float | None], together: Callable[[Any], Any]) -> Any:
    """The number of a box; None where that of a node is not known."""
    found = [numbers.get(name) for name in box.nodes]
    known = [number for number in found if number is not None]
    if not known or (together is sum and None in [numbers.get(name, 0) for name in box.nodes]):
        return None
    return together(known)
