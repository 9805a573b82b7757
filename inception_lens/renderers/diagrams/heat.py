"""Heat maps, which fill each box by a number, and the legends of colours."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isfinite
from typing import Literal

import msgspec

from inception_lens.analyses.analysis import Analysis
from inception_lens.renderers.diagrams.content import Box, DiagramContent, Swatch
from inception_lens.renderers.diagrams.dot import MAX_FRAMED, DiagramStyle
from inception_lens.renderers.escape import html_text
from inception_lens.renderers.theme import KIND_NAMES, BoxKind, heat_color, kind_fill, mix, palette_of
from inception_lens.tables.units import short, size

Heat = Literal["macs", "params", "activations", "receptive_field"]
"""A number of each node by which boxes are filled."""

LEGEND_STEPS = 9
"""Colours in the legend of a heat map."""
UNKNOWN = "unknown"


class HeatMeasure(msgspec.Struct, frozen=True):
    """A number of each node, and how a box shows it."""

    title: str
    column: Callable[[Analysis], Sequence[int | None]]
    """The number of each node; None is unknown."""
    show: Callable[[float], str]
    """Formats the number of a box."""
    combine: Callable[[Iterable[float]], float] = sum
    """The number of several nodes together."""


def _known_params(analysis: Analysis) -> Sequence[int | None]:
    costs = analysis.costs
    return [params if exact else None for params, exact in zip(costs.params, costs.params_exact, strict=True)]


MEASURES: dict[Heat, HeatMeasure] = {
    "macs": HeatMeasure("MACs", lambda analysis: analysis.costs.macs, lambda macs: short(int(macs))),
    "params": HeatMeasure("parameters", _known_params, lambda params: short(int(params))),
    "activations": HeatMeasure(
        "new activations", lambda analysis: analysis.memory.activation_bytes, lambda bytes_: size(int(bytes_))
    ),
    "receptive_field": HeatMeasure(
        "receptive field, pixels", lambda analysis: [layer.receptive_field for layer in analysis.layers], str, max
    ),
}


def heat_map(content: DiagramContent, analysis: Analysis, by: Heat, dark: bool) -> DiagramContent:
    """Fill each box by a number of its nodes, add the number as its last line, and add a legend."""
    measure = MEASURES[by]
    column = measure.column(analysis)
    numbers = {node.name: number for node, number in zip(analysis.graph.nodes, column, strict=True)}
    return custom_heat_map(content, numbers, measure.title, dark, measure.show, measure.combine)


def custom_heat_map(
    content: DiagramContent,
    numbers: Mapping[str, float | None],
    title: str,
    dark: bool,
    show: Callable[[float], str] = "{:.3g}".format,
    combine: Callable[[Iterable[float]], float] = sum,
) -> DiagramContent:
    """As `heat_map`, by numbers given for some nodes; None, NaN and infinity are unknown."""
    values: list[float | None] = []
    for box in content.boxes:
        found = [numbers[name] for name in box.nodes if name in numbers]
        known = [number for number in found if number is not None and isfinite(number)]
        # A sum is unknown if one of its terms is; a maximum ignores nodes that have no number.
        values.append(combine(known) if known and (combine is max or len(known) == len(found)) else None)
    palette = palette_of(dark)
    maximum = max([value for value in values if value is not None], default=0) or 1
    unknown_fill = mix(palette.line, palette.background, 0.3)
    boxes: list[Box] = []
    for box, value in zip(content.boxes, values, strict=True):
        if box.nodes:
            fill = unknown_fill if value is None else heat_color(value / maximum, palette)
            text = UNKNOWN if value is None else show(value) if value else "-"
            box = msgspec.structs.replace(box, fill=fill, text=(*box.text, text))
        boxes.append(box)
    ramp = [Swatch(heat_color(k / (LEGEND_STEPS - 1), palette)) for k in range(LEGEND_STEPS - 1)]
    ramp.append(Swatch(heat_color(1.0, palette), show(maximum)))
    if any(box.fill == unknown_fill for box in boxes):
        ramp.append(Swatch(unknown_fill, UNKNOWN))
    return msgspec.structs.replace(
        content, boxes=tuple(boxes), legend=tuple(ramp), legend_title=f"{html_text(title)}: 0"
    )


def with_legend(content: DiagramContent, style: DiagramStyle, dark: bool) -> DiagramContent:
    """Add a legend of the kinds of boxes, if there are several."""
    found = {box.kind for box in content.boxes}
    kinds: list[BoxKind] = [kind for kind in KIND_NAMES if kind in found]
    if len(kinds) < 2 or style == "paper" or len(content.boxes) > MAX_FRAMED:
        return content
    palette = palette_of(dark)
    legend = [Swatch(kind_fill(kind, palette), KIND_NAMES[kind]) for kind in kinds]
    return msgspec.structs.replace(content, legend=tuple(legend))
