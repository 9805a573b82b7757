"""The summary as a table in a terminal: tree-like by module, with shares as bars, in the width that there is."""

import io
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from inception_lens.analyses.analysis import Analysis, Row
from inception_lens.ops import by
from inception_lens.renderers.columns import NOTHING, pick, sort_key
from inception_lens.renderers.escape import printable
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

ASCII_BOX = box.Box("    \n    \n -- \n    \n    \n -- \n    \n    \n", ascii=True)
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
    drawn = [_Drawn("module", names, "total", "left")]
    for column in pick(columns, DEFAULT_COLUMNS, analysis):
        # What does not add up has no total: the largest is told below the table.
        total = column.text(analysis.whole) if column.sums else ""
        cells = [printable(column.text(row.group)) for row in rows]
        drawn.append(_Drawn(column.title, cells, total, "right" if column.numeric else "left", column.key))
        if column.key == "macs":
            drawn += _shares(analysis, rows, unicode)
    for dropped in FIRST_DROPPED if columns is None else ():
        if _table_width(drawn) <= width:
            break
        drawn = [column for column in drawn if column.key != dropped]
    width = min(width, _table_width(drawn))
    lines = _draw(drawn, width, color, unicode)
    return "\n".join([*_heading(analysis, width), "", *lines, "", *_notes(analysis, width)]) + "\n"


def catalogue_table(networks: "Sequence[Sized]", *, width: int = 100, color: bool = False, unicode: bool = True) -> str:
    """Write the catalogue: a line per network."""
    drawn = [
        _Drawn("name", [Text(network.name, style=TERMINAL["conv"] if color else "") for network in networks]),
        _Drawn("input", [by(network.input) for network in networks], justify="right"),
        _Drawn("classes", [count(network.classes) for network in networks], justify="right"),
        _Drawn("params", [count(network.params) for network in networks], justify="right"),
        _Drawn(
            "with heads",
            [count(heads) if (heads := network.params_with_aux) else NOTHING for network in networks],
            justify="right",
        ),
        _Drawn("MACs", [short(network.macs) for network in networks], justify="right"),
        _Drawn("source", [printable(network.source) for network in networks]),
    ]
    return "\n".join(_draw(drawn, width, color, unicode)) + "\n"


class _Drawn(msgspec.Struct):
    """A column as drawn."""

    title: str
    cells: Sequence[str | Text]
    total: str = ""
    justify: Literal["left", "right"] = "left"
    key: str = ""

    @property
    def width(self) -> int:
        return max(len(self.title), len(self.total), *(len(cell) for cell in self.cells))


def _shares(analysis: Analysis, rows: Sequence[Row], unicode: bool) -> list[_Drawn]:
    """The share of all MACs, as bars and as percentages."""
    largest = max([row.group.macs for row in rows], default=0) or 1
    bars = [_bar(row.group.macs / largest, unicode) for row in rows]
    shares = [percent(row.group.macs, analysis.totals.macs) if row.group.macs else NOTHING for row in rows]
    return [_Drawn("", bars, key=BARS), _Drawn("share", shares, justify="right", key="share")]


def _bar(part: float, unicode: bool) -> str:
    if not unicode:
        return "#" * round(part * BAR_WIDTH)
    full, eighths = divmod(round(part * BAR_WIDTH * 8), 8)
    return "█" * full + " ▏▎▍▌▋▊▉"[eighths].strip()


def _table_width(columns: Sequence[_Drawn]) -> int:
    return sum(column.width for column in columns) + 3 * (len(columns) - 1)


def _name(row: Row, color: bool) -> Text:
    group = row.group
    categories = {layer.category for layer in group.layers} - {"activation", "norm", "shape"}
    category = (
        group.layers[0].category if len(group.layers) == 1 else categories.pop() if len(categories) == 1 else None
    )
    text = Text("  " * row.level + printable(row.label), style=TERMINAL[category] if color and category else "")
    if description := row.description:
        text.append(f"  {printable(description)}", style="dim" if color else "")
    return text


def _draw(columns: Sequence[_Drawn], width: int, color: bool, unicode: bool) -> list[str]:
    """Draw the table; where it is wider than `width`, its widest column is folded."""
    table = Table(
        box=box.SIMPLE if unicode else ASCII_BOX,
        show_edge=False,
        show_footer=any(column.total for column in columns),
        pad_edge=False,
        header_style="bold",
        footer_style="bold",
    )
    widest = max(columns, key=lambda column: column.width)
    excess = max(_table_width(columns) - width, 0)
    for column in columns:
        room = max(column.width - excess, 8) if column is widest else column.width
        table.add_column(column.title, column.total, justify=column.justify, width=room, overflow="fold")
    for cells in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*cells)
    out = io.StringIO()
    Console(
        file=out,
        width=max(width, 8 * len(columns)),
        color_system="standard" if color else None,
        force_terminal=color,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    ).print(table)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def _heading(analysis: Analysis, width: int) -> list[str]:
    graph = analysis.graph
    name = printable(f"{graph.name}: {graph.about.description}" if graph.about.description else graph.name)
    inputs = ", ".join(f"{printable(given.name)} {by(given.type.shape)}" for given in graph.inputs)
    what = f"{inputs} {graph.dtype}, {graph.mode}"
    if len(name) + len(what) + 2 <= width:
        return [f"{name}{what:>{width - len(name)}}"]
    return [name, what]


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
