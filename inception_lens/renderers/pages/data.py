"""What a page's script works on: layers, rows, colours and the picture, as JSON in which no name is markup."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from inception_lens.analyses.analysis import Analysis
from inception_lens.analyses.modules import Row
from inception_lens.renderers.columns import COLUMNS, TRAINING, Column
from inception_lens.renderers.diagrams.heat import WORDS
from inception_lens.renderers.escape import printable
from inception_lens.renderers.pages.pictures import Placed
from inception_lens.renderers.theme import DARK, LIGHT
from inception_lens.renderers.units import count, short, size

SHOWN = ("output_shape", "params", "macs", "activation_bytes", "receptive_field")
"""Columns of the table before a reader chooses others."""
HEAT = ("macs", "params", "activation_bytes", "live_bytes", "receptive_field")
"""Columns that the diagram can be coloured by."""
FORMS = {count: "count", short: "short", size: "size"}
"""What the script calls each way to write a number."""

_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def report_data(analysis: Analysis, picture: Placed) -> dict[str, Any]:
    """The record that the page carries. Numbers are exact; null is what nobody knows."""
    training = analysis.graph.mode == "training"
    columns = [column for column in COLUMNS.values() if training or column.key not in TRAINING]
    position = analysis.graph.index.position
    sizes = [max(given.type.shape[2:], default=0) for given in analysis.graph.inputs]
    return {
        "columns": [
            {
                "key": column.key,
                "title": column.title,
                "form": FORMS.get(column.show, "text"),
                "numeric": column.numeric,
                "sums": column.sums,
                "shown": column.key in SHOWN,
                "total": column.text(analysis.whole) if column.sums else "",
            }
            for column in columns
        ],
        "rows": [_row(row, columns, position) for row in analysis.tree(None)],
        "heat": [key for key in HEAT if key in COLUMNS],
        "words": WORDS,
        "ramps": {"light": LIGHT.heat, "dark": DARK.heat},
        "image": max(sizes, default=0),
        "live": analysis.memory.live_bytes,
        "picture": picture,
    }


def embedded(record: object) -> str:
    """A record as JSON that can stand inside a script element: nothing in it could end the element."""
    text = msgspec.json.encode(record).decode()
    for char, escape in _ESCAPES.items():
        text = text.replace(char, escape)
    return text


def _row(row: Row, columns: list[Column], position: dict[str, int]) -> dict[str, Any]:
    group = row.group
    record: dict[str, Any] = {
        "level": row.level,
        "label": printable(row.label),
        "name": printable(group.name if len(group.layers) > 1 else group.layers[0].name),
        "about": printable(row.description),
        "category": group.category or "module",
        "nodes": [position[layer.name] for layer in group.layers],
        "values": [_value(column, row) for column in columns],
    }
    if unknown := [column.key for column in columns if column.exact(group) is None and column.value(group) is not None]:
        record["least"] = unknown
    return record


def _value(column: Column, row: Row) -> Any:
    group = row.group
    value = column.value(group)
    if value is UNSET or value is None:
        return None
    if column.key == "output_shape":
        return column.show(value)
    if column.exact(group) is None and not value:  # a layer that nobody knows costs no zero
        return None
    return printable(value) if isinstance(value, str) else value
