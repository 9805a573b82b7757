"""The data of the report page's script: layers, columns, colours and the diagram, as JSON without markup."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import UNSET

from inception_lens.analyses.analysis import Analysis
from inception_lens.analyses.modules import Row
from inception_lens.renderers.columns import COLUMNS, TRAINING, Column
from inception_lens.renderers.escape import printable
from inception_lens.renderers.pages.diagram import PageDiagram
from inception_lens.renderers.theme import DARK, KIND_NAMES, LIGHT
from inception_lens.renderers.units import count, short, size

SHOWN = ("output_shape", "params", "macs", "activation_bytes", "receptive_field")
"""Columns that the table shows at first."""
HEAT_COLUMNS = ("macs", "params", "activation_bytes", "live_bytes", "receptive_field")
"""Columns that can colour the diagram."""
FORMATS = {count: "count", short: "short", size: "size"}
"""The names of number formats in the script."""

_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def report_data(analysis: Analysis, diagram: PageDiagram) -> dict[str, object]:
    """The record that the page contains. Numbers are exact integers; null is unknown, or none."""
    training = analysis.graph.mode == "training"
    columns = [column for column in COLUMNS.values() if training or column.key not in TRAINING]
    position = analysis.graph.index.position
    return {
        "columns": [
            {
                "key": column.key,
                "title": column.title,
                "format": FORMATS.get(column.show, "text"),
                "numeric": column.numeric,
                "sums": column.sums,
                "shown": column.key in SHOWN,
                "total": column.text(analysis.whole) if column.sums else "",
            }
            for column in columns
        ],
        "rows": [_row(row, columns, position) for row in analysis.tree(None)],
        "heat_columns": HEAT_COLUMNS,
        "heat_ramps": {"light": LIGHT.heat, "dark": DARK.heat},
        "kind_names": KIND_NAMES,
        "input_size": input_size(analysis),
        "live_bytes": analysis.memory.live_bytes,
        "diagram": diagram,
    }


def input_size(analysis: Analysis) -> int:
    """The longest spatial side of an input, in pixels; 0 without images."""
    return max([max(given.type.shape[2:], default=0) for given in analysis.graph.inputs], default=0)


def embedded(record: object) -> str:
    """A record as JSON that cannot end the script element that contains it."""
    text = msgspec.json.encode(record).decode()
    for char, escape in _ESCAPES.items():
        text = text.replace(char, escape)
    return text


def _row(row: Row, columns: Sequence[Column], position: dict[str, int]) -> dict[str, object]:
    group = row.group
    record: dict[str, object] = {
        "level": row.level,
        "label": printable(row.label),
        "name": printable(group.name if len(group.layers) > 1 else group.layers[0].name),
        "description": printable(row.description),
        "category": group.category or "module",
        "nodes": [position[layer.name] for layer in group.layers],
        "values": [_value(column, row) for column in columns],
    }
    if bounds := [column.key for column in columns if column.exact(group) is None and column.value(group) is not None]:
        record["lower_bounds"] = bounds
    return record


def _value(column: Column, row: Row) -> object:
    value = column.value(row.group)
    if value is UNSET or value is None:
        return None
    if column.key == "output_shape":
        return column.show(value)
    if column.exact(row.group) is None and not value:  # the cost of an unknown operation is not 0
        return None
    return printable(value) if isinstance(value, str) else value
