"""Diagrams of networks, drawn with Graphviz."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from os import PathLike, fspath
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal

import msgspec

from inception_lens.analyses.analysis import Analysis, analyze
from inception_lens.errors import ConfigError
from inception_lens.files import write_file
from inception_lens.graph import Graph
from inception_lens.ops import format_shape
from inception_lens.renderers.diagrams.content import DiagramContent
from inception_lens.renderers.diagrams.dot import DiagramStyle, FlowDirection, dot_text
from inception_lens.renderers.diagrams.engine import DiagramFormat, drawing
from inception_lens.renderers.diagrams.grouping import first_branching_module
from inception_lens.renderers.diagrams.heat import Heat, custom_heat_map, heat_map, with_legend
from inception_lens.renderers.diagrams.levels import DiagramLevel, layer_content, module_content, network_content
from inception_lens.tables.units import count, short

if TYPE_CHECKING:
    from inception_lens.analyses.compare.records import Comparison

SUFFIXES: dict[str, DiagramFormat] = {".svg": "svg", ".png": "png", ".pdf": "pdf", ".dot": "dot", ".gv": "dot"}
"""The format of a file by its suffix."""


class Diagram(msgspec.Struct, frozen=True, dict=True):
    """A diagram of a network: as DOT text, or drawn as SVG, PNG or PDF. Jupyter shows it as an image."""

    content: DiagramContent
    """Its boxes, arrows, panels, title and legend."""
    style: DiagramStyle = "plain"
    direction: FlowDirection = "top-down"
    dark: bool = False
    """Whether its background is dark."""
    id_prefix: str = "node-"
    """The start of the id of each box in an SVG; the position of the box follows."""

    @cached_property
    def dot(self) -> str:
        """The DOT text, the language of Graphviz."""
        return dot_text(
            self.content, style=self.style, direction=self.direction, dark=self.dark, id_prefix=self.id_prefix
        )

    def draw(self, format: DiagramFormat = "svg") -> bytes:  # noqa: A002
        """The content of a file in the format `svg`, `png` (200 dots per inch), `pdf` or `dot`.

        Raises:
            MissingExtraError: neither pygraphviz nor a `dot` program is installed.
            OutputError: Graphviz cannot draw the diagram.
        """
        return drawing(self.dot, format)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the diagram to a file, in the format of the path's suffix: .svg, .png, .pdf, .dot or .gv.

        Raises:
            ConfigError: the suffix is none of these.
            MissingExtraError: neither pygraphviz nor a `dot` program is installed.
            OutputError: Graphviz cannot draw the diagram, or the file cannot be written.
        """
        suffix = PurePath(path).suffix.lower()
        if suffix not in SUFFIXES:
            raise ConfigError(f"`{fspath(path)}`: the suffix of a diagram is one of {', '.join(SUFFIXES)}")
        write_file(path, self.draw(SUFFIXES[suffix]))

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """The names of the nodes that each box represents, by the id of the box in an SVG."""
        return {f"{self.id_prefix}{i}": box.nodes for i, box in enumerate(self.content.boxes)}

    def _repr_svg_(self) -> str:
        return self.draw("svg").decode()


def diagram(
    network: Graph | Analysis,
    *,
    level: DiagramLevel | None = None,
    module: str = "",
    style: DiagramStyle = "plain",
    direction: FlowDirection = "top-down",
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
        level: `network` draws a box for each module, with shapes on the arrows; `module` draws the layers of one
            module; `layer` draws every layer, with a panel for each module. The default is `module` if a module is
            named, and `network` otherwise.
        module: name of the module to draw, such as `inception_3a`; for level `module` without a name, the first
            module with branches.
        style: `plain`, or `paper` for the labels and colours of GoogLeNet's Figures 2 and 3 (arXiv 1409.4842).
        direction: from inputs to outputs: `top-down`, `left-to-right` or `bottom-up`.
        heat: fill each box by `macs`, `params`, `activations` (bytes) or `receptive_field` (pixels), or by a mapping
            from names of nodes to numbers, such as measured seconds; None in the mapping is unknown.
        heat_title: what the numbers of a mapping are, for the legend.
        fold: draw consecutive equal modules once, marked `x 3`.
        dark: draw on a dark background.
        title: add a title with the network's name, input shape, parameters and MACs.
        id_prefix: the start of the id of each box in an SVG; the position of the box follows.

    Raises:
        ConfigError: the network has no such module, or the diagram would have too many boxes; the message names
            options with which it has fewer.
    """
    analysis = analyze(network)
    graph = analysis.graph
    level = level or ("module" if module else "network")
    if module and level != "module":
        raise ConfigError(f"level {level} draws the whole network: leave out the module `{module}`, or the level")
    if level == "network":
        content = network_content(graph, fold=fold)
    elif level == "layer":
        content = layer_content(graph, style=style, fold=fold)
    else:
        module = module or first_branching_module(graph)
        content = module_content(graph, module, style=style)
    if heat is None:
        content = with_legend(content, style, dark)
    elif isinstance(heat, str):
        content = heat_map(content, analysis, heat, dark)
    else:
        content = custom_heat_map(content, heat, heat_title, dark)
    if title:
        content = msgspec.structs.replace(content, title=_title(analysis, module))
    return Diagram(content, style, direction, dark, id_prefix)


def compare_diagram(
    comparison: Comparison, *, level: Literal["network", "layer"] = "network", dark: bool = False
) -> Diagram:
    """Draw two networks side by side, without their auxiliary heads, with the differences coloured.

    Args:
        comparison: the two networks and their differences.
        level: `network` draws a box for each module, `layer` a box for each layer.
        dark: draw on a dark background.

    Raises:
        ConfigError: a network has too many boxes to draw.
    """
    from inception_lens.renderers.diagrams.comparison import comparison_content

    return Diagram(comparison_content(comparison, level, dark), dark=dark)


def _title(analysis: Analysis, module: str) -> tuple[str, ...]:
    graph = analysis.graph
    if module:
        return (f"{module} of {graph.name}",)
    name = f"{graph.name}: {graph.metadata.description}" if graph.metadata.description else graph.name
    inputs = ", ".join(format_shape(given.type.shape) for given in graph.inputs[:3])
    mode = ", in training" if graph.mode == "training" else ""
    sums = analysis.cost_sums
    params, macs = ("" if exact else "at least " for exact in (sums.params_exact, sums.macs_exact))
    cost = f"{params}{count(analysis.params)} parameters, {macs}{short(analysis.macs)} MACs"
    return (name, f"input {inputs}{mode}: {cost}")
