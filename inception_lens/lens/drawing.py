"""A model as a diagram and as a page."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Unpack, cast

from inception_lens.analyses.analysis import analyze as analyze_graph
from inception_lens.errors import GraphError
from inception_lens.graph import Inputs, Mode
from inception_lens.lens.comparing import compare_modes
from inception_lens.lens.keys import Keys
from inception_lens.lens.resolution import source_of
from inception_lens.renderers.diagrams.look import Look

if TYPE_CHECKING:
    from inception_lens.lens.resolution import Model
    from inception_lens.renderers.diagrams.diagram import Diagram
    from inception_lens.renderers.pages.report import Report


class DiagramOptions(Look, Keys, total=False):
    """How a diagram looks, and the top-level keys of a config."""


def diagram(
    model: Model,
    inputs: Inputs | None = None,
    *,
    mode: Mode | None = None,
    batch: int | None = None,
    dtype: str | None = None,
    overrides: Mapping[str, object] | None = None,
    weights: str | os.PathLike[str] | None = None,
    **options: Unpack[DiagramOptions],
) -> Diagram:
    """Draw a network.

    >>> diagram("googlenet", module="inception_3a", heat="macs").draw("svg")[:5]
    b'<?xml'

    `options` are those of `Look`, such as `level="layer"`, `module="inception_3a"`, `style="paper"`, `heat="macs"`,
    `fold=True`, `direction="left-to-right"` and `dark=True`, and top-level keys of the config. The other arguments are
    those of `load`; in training mode the auxiliary heads are drawn.

    Returns:
        A Diagram: `.dot` is its DOT text, `.draw("svg")` the bytes of a file, and `.save("net.pdf")` writes one. A
        notebook shows it.

    Raises:
        ConfigError: the module is unknown, or the diagram would be too large; the message suggests a level that fits.
        InceptionLensError: as `load` does.
    """
    from inception_lens.renderers.diagrams.diagram import diagram as draw

    given: dict[str, object] = {**options}
    look = {name: given.pop(name) for name in Look.__optional_keys__ if name in given}
    graph = source_of(model, {**(overrides or {}), **given}, weights).graph(mode, inputs, batch=batch, dtype=dtype)
    return draw(graph, **cast(Look, look))


def report(
    model: Model,
    inputs: Inputs | None = None,
    *,
    mode: Mode | None = None,
    batch: int | None = None,
    dtype: str | None = None,
    overrides: Mapping[str, object] | None = None,
    weights: str | os.PathLike[str] | None = None,
    against: Model | None = None,
    overrides_against: Mapping[str, object] | None = None,
    png: bool = False,
    **keys: Unpack[Keys],
) -> Report:
    """Write the page that shows everything about a network.

    >>> sorted(report("lenet").files)[:3]
    ['analysis.json', 'index.html', 'layers.csv']

    `against` is a second network, with overrides of its own, to compare with on the same input. `png` adds the diagram
    as a bitmap. The other arguments are those of `load`.

    Returns:
        A Report: `.html` is the page, `.files` is every file that the command `report` writes, by name, and
        `.save("folder")` writes them.

    Raises:
        InceptionLensError: as `load` does.
    """
    from inception_lens.analyses import machines
    from inception_lens.analyses.savings import kinds as savings_kinds
    from inception_lens.analyses.savings.network import DEFAULT_KINDS
    from inception_lens.analyses.savings.network import savings as count
    from inception_lens.renderers.pages.report import Report

    source = source_of(model, {**(overrides or {}), **keys}, weights)
    # A network that is compared is loaded in both modes; the page shows one of these graphs, analysed once.
    pair = source.both_modes(inputs, batch=batch, dtype=dtype) if against is not None else ()
    graphs = [graph for graph in pair if graph.mode == (mode or "inference")]
    graph = graphs[0] if graphs else source.graph(mode, inputs, batch=batch, dtype=dtype)
    analysis = analyze_graph(graph)
    found, reason = None, ""
    try:
        kinds = savings_kinds.kinds_called(DEFAULT_KINDS)
        found = count({"inference": analysis}, kinds, machines.machine(machines.DEFAULT))
    except GraphError as error:  # a rewrite may not fit a network that has a site for it
        reason = f"not counted: {error}"
    compared = None
    if against is not None:
        inference, training = (analysis if each is graph else each for each in pair)
        other = source_of(against, overrides_against)
        compared = compare_modes(
            (inference, training),
            other.both_modes(inputs, batch=batch, dtype=dtype),
            source.own_mode or other.own_mode or "inference",
        )
    return Report(analysis=analysis, savings=found, no_savings=reason, comparison=compared, png=png)
