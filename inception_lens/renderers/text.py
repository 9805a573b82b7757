"""The summary as a table in a terminal: tree-like by module, with shares as bars, in the width that there is."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from inception_lens.analyses.analysis import Analysis
from inception_lens.analyses.modules import Row
from inception_lens.graph import Graph
from inception_lens.ops import format_shape
from inception_lens.renderers.columns import NOTHING, pick, sort_key
from inception_lens.renderers.escape import printable
from inception_lens.renderers.table import Drawn, draw, fitting, table_width
from inception_lens.renderers.theme import TERMINAL
from inception_lens.renderers.units import count, percent, short, size

if TYPE_CHECKING:
    from inception_lens.analyses.catalogue import Sized

DEFAULT_COLUMNS = (
    "output_shape", "params", "macs", "backward_macs", "flops", "weight_bytes", "activation_bytes", "live_bytes",
    "receptive_field", "jump",
)  # fmt: skip
BARS = "bars"
FIRST_DROPPED = (
    "jump", "live_bytes", "weight_bytes", "flops", BARS, "backward_macs", "activation_bytes", "receptive_field",
)  # fmt: skip
"""What a table goes without, in this order, until it fits its width."""

BAR_WIDTH = 9
CONVENTION = (
    "1 MAC = one multiply-add of a convolution or linear layer, bias not counted; FLOPs = 2 per MAC, plus bias, norm, "
    "activation, pooling and element-wise arithmetic; MB = 10^6 bytes; field = receptive field in input pixels"
)


def summary_table(
    analysis: Analysis,
    *,
    depth: int | None = 1,
    columns: Sequence[str] | None = None,
    sort: str | None = None,
    width: int = 100,
    color: bool = False,
    unicode: bool = True,
) -> str:
    """Write the table.

    Args:
        analysis: what to show.
        depth: how many levels of modules are open; None opens all.
        columns: keys of `renderers.columns`; without it a choice that fits `width`.
        sort: a column's key, to show the largest first within each module.
        width: columns of the terminal.
        color: whether to colour modules by their category.
        unicode: whether the terminal can show more than ASCII.

    Raises:
        ConfigError: there is no such column.
    """
    rows = analysis.tree(depth, sort_key(sort) if sort else None)
    names = [_name(row, color) for row in rows]
    drawn = [Drawn("module", names, "total")]
    for column in pick(columns, DEFAULT_COLUMNS, analysis):
        # What does not add up has no total: the largest is told below the table.
        total = column.text(analysis.whole) if column.sums else ""
        cells = [printable(column.text(row.group)) for row in rows]
        drawn.append(Drawn(column.title, cells, total, "right" if column.numeric else "left", column.key))
        if column.key == "macs":
            drawn += _shares(analysis, rows, unicode)
    if columns is None:
        drawn = fitting(drawn, FIRST_DROPPED, width)
    lines = draw(drawn, width, color, unicode)
    width = min(width, table_width(drawn))
    return "\n".join([*heading(analysis.graph, width), "", *lines, "", *_notes(analysis, width)]) + "\n"


def catalogue_table(networks: "Sequence[Sized]", *, width: int = 100, color: bool = False, unicode: bool = True) -> str:
    """Write the catalogue: a line per network."""
    published = [network.published for network in networks]
    columns = {
        "input": [format_shape(network.input) for network in networks],
        "classes": [count(network.classes) for network in networks],
        "params": [count(network.params) for network in networks],
        "with heads": [_if_more(network.params_with_aux, network.params) for network in networks],
        "MACs": [short(network.macs) for network in networks],
        "top-1": [f"{found.top1:.1f}" if found and found.top1 else NOTHING for found in published],
        "top-5": [f"{found.top5:.1f}" if found and found.top5 else NOTHING for found in published],
    }
    drawn = [
        Drawn("name", [Text(network.name, style=TERMINAL["conv"] if color else "") for network in networks]),
        *(Drawn(title, cells, justify="right", key=title) for title, cells in columns.items()),
        Drawn("source", [printable(network.source) for network in networks], folds_to=18, key="source"),
    ]
    drawn = fitting(drawn, ("with heads", "classes", "top-5", "source", "input", "top-1"), width)
    note = "top-1 and top-5: per cent, as published; --format json tells by whom, and what has no room here"
    return "\n".join([*draw(drawn, width, color, unicode), "", *textwrap.wrap(note, width)]) + "\n"


def _if_more(number: int, base: int) -> str:
    return count(number) if number > base else NOTHING


def _shares(analysis: Analysis, rows: Sequence[Row], unicode: bool) -> list[Drawn]:
    """The share of all MACs, as bars and as percentages."""
    largest = max([row.group.macs for row in rows], default=0) or 1
    bars = [_bar(row.group.macs / largest, unicode) for row in rows]
    shares = [percent(row.group.macs, analysis.totals.macs) if row.group.macs else NOTHING for row in rows]
    return [Drawn("", bars, key=BARS), Drawn("share", shares, justify="right", key="share")]


def _bar(part: float, unicode: bool) -> str:
    if not unicode:
        return "#" * round(part * BAR_WIDTH)
    full, eighths = divmod(round(part * BAR_WIDTH * 8), 8)
    return "█" * full + " ▏▎▍▌▋▊▉"[eighths].strip()


def _name(row: Row, color: bool) -> Text:
    category = row.group.category
    style = TERMINAL[category] if color and category else ""
    text = Text("  " * row.level + printable(row.label), style=style)
    if description := row.description:
        text.append(f"  {printable(description)}", style="dim" if color else "")
    return text


def heading(graph: Graph, width: int) -> list[str]:
    """What network this is and what it reads: on one line where there is room."""
    name = printable(f"{graph.name}: {graph.metadata.description}" if graph.metadata.description else graph.name)
    inputs = ", ".join(f"{printable(given.name)} {format_shape(given.type.shape)}" for given in graph.inputs)
    what = f"{inputs} {graph.dtype}, {graph.mode}"
    if len(name) + len(what) + 2 <= width:
        return [f"{name}{what:>{width - len(name)}}"]
    return textwrap.wrap(name, width) + textwrap.wrap(what, width)


def facts(analysis: Analysis) -> list[str]:
    """What stands below the table: the totals that no column shows, and what was not counted."""
    totals, graph = analysis.totals, analysis.graph
    told = [f"FLOPs {'' if totals.exact else 'at least '}{short(totals.flops)}", f"weights {size(totals.weight_bytes)}"]
    if totals.buffers:
        told.append(f"buffers {count(totals.buffers)}")
    if analysis.layers:
        told.append(f"peak activations {size(totals.peak_activation_bytes)} at {printable(analysis.peak_layer.name)}")
    if totals.params != totals.params_used:
        told.append(f"parameters used {count(totals.params_used)}")
    if totals.params != totals.params_trainable:
        told.append(f"parameters trainable {count(totals.params_trainable)}")
    if graph.mode == "training":
        told += [
            f"backward {short(totals.backward_macs or 0)} MACs",
            f"kept for the backward pass {size(totals.saved_activation_bytes or 0)}",
            f"gradients {size(totals.gradient_bytes or 0)}",
            f"optimizer state {size(totals.optimizer_bytes or 0)} (SGD with momentum) or "
            f"{size(totals.optimizer_bytes_adam or 0)} (Adam)",
        ]
    lines = ["; ".join(told)]
    if analysis.uncounted:
        missing = ", ".join(f"{printable(layer.name)} ({printable(layer.op)})" for layer in analysis.uncounted)
        lines.append(f"not counted, so that sums say at least: {missing}")
    return lines


def _notes(analysis: Analysis, width: int) -> list[str]:
    notes = [*facts(analysis), CONVENTION]
    return [line for note in notes for line in textwrap.wrap(note, width, break_long_words=False)]
