"""Diagrams of a network: the front door of everything that draws with Graphviz."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import msgspec

from inception_lens.analyses.analysis import Analysis, analyze
from inception_lens.errors import ConfigError
from inception_lens.graph import Graph
from inception_lens.ops import format_shape
from inception_lens.renderers.diagrams import levels as dot_levels
from inception_lens.renderers.diagrams.comparison import compared
from inception_lens.renderers.diagrams.dot import Direction, Style, dot_text
from inception_lens.renderers.diagrams.heat import Heat, colored, keyed
from inception_lens.renderers.diagrams.layout import Format, drawing
from inception_lens.renderers.diagrams.levels import Level
from inception_lens.renderers.diagrams.picture import Picture
from inception_lens.renderers.units import count, short

if TYPE_CHECKING:
    from inception_lens.analyses.compare.records import Comparison


class Diagram(msgspec.Struct, frozen=True, dict=True):
    """A drawing: as DOT text, as a file's bytes, and in a notebook itself."""

    picture: Picture
    style: Style = "plain"
    direction: Direction = "top-down"
    dark: bool = False
    id_prefix: str = "node-"

    @cached_property
    def dot(self) -> str:
        """The DOT text."""
        return dot_text(
            self.picture, style=self.style, direction=self.direction, dark=self.dark, id_prefix=self.id_prefix
        )

    def draw(self, form: Format = "svg") -> bytes:
        """The bytes of a file: svg, png, pdf or dot.

        Raises:
            MissingExtraError: there is no Graphviz to draw with.
        """
        return drawing(self.dot, form)

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """For the id of each box in the SVG, the names of the nodes that it stands for."""
        return {f"{self.id_prefix}{i}": box.nodes for i, box in enumerate(self.picture.boxes)}

    def _repr_svg_(self) -> str:
        return self.draw("svg").decode()


def diagram(
    network: Graph | Analysis,
    *,
    level: Level | None = None,
    module: str = "",
    style: Style = "plain",
    direction: Direction = "top-down",
    heat: Heat | Mapping[str, float | None] | None = None,
    heat_title: str = "",
    fold: bool = False,
    dark: bool = False,
    title: bool = True,
    id_prefix: str = "node-",
) -> Diagram:
    """Draw a network.

    Args:
        network: a Graph, or its Analysis.
        level: `network` is a box per module, with the shapes on the arrows; `module` one module in its layers; `layer`
            every layer, in panels of modules. Without it `module` where one is named, and `network` where not.
        module: name of the module, such as `inception_3a`; without it the first that branches.
        style: `plain`, or `paper`: the labels and colours of GoogLeNet's Figures 2 and 3 (arXiv 1409.4842).
        direction: where data flow.
        heat: fill boxes by `macs`, `params`, `activations` or `receptive_field`, or by numbers of your own, by the
            names of nodes: measured seconds, say.
        heat_title: what those are.
        fold: draw equal modules behind each other once, as `x 3`.
        dark: on a dark ground.
        title: whether it says what is shown.
        id_prefix: of the boxes' ids in an SVG; the number behind it is the box's position.

    Raises:
        ConfigError: there is no such module, or the picture would be too large; the message offers what fits.
    """
    analysis = network if isinstance(network, Analysis) else analyze(network)
    graph = analysis.graph
    level = level or ("module" if module else "network")
    if module and level != "module":
        raise ConfigError(
            f"level {level} draws the whole network, and not one module: leave out `{module}` or the level"
        )
    if level == "network":
        picture = dot_levels.network(graph, fold=fold)
    elif level == "layer":
        picture = dot_levels.layer(graph, style=style, fold=fold)
    else:
        module = module or dot_levels.first_that_branches(graph)
        picture = dot_levels.module(graph, module, style=style)
    picture = colored(picture, analysis, heat, heat_title, dark) if heat else keyed(picture, style, dark)
    if title:
        picture = msgspec.structs.replace(picture, title=_title(analysis, module))
    return Diagram(picture, style, direction, dark, id_prefix)


def _title(analysis: Analysis, module: str) -> tuple[str, ...]:
    graph, totals = analysis.graph, analysis.totals
    if module:
        return (f"{module} of {graph.name}",)
    name = f"{graph.name}: {graph.metadata.description}" if graph.metadata.description else graph.name
    inputs = ", ".join(format_shape(given.type.shape) for given in graph.inputs[:3])
    least = "" if totals.exact else "at least "
    mode = ", in training" if graph.mode == "training" else ""
    return (name, f"input {inputs}{mode}: {count(totals.params)} parameters, {least}{short(totals.macs)} MACs")


def compare_diagram(
    comparison: Comparison, *, level: Literal["network", "layer"] = "network", dark: bool = False
) -> Diagram:
    """Draw two networks side by side, with what differs in colour; their auxiliary heads are not drawn.

    Raises:
        ConfigError: one of them has more boxes than can be drawn.
    """
    return Diagram(compared(comparison, level, dark), dark=dark)
