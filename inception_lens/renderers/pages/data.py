"""The data of the report page's script: layers, columns, colours and the diagram, as JSON without markup."""

from collections.abc import Sequence

import msgspec

from inception_lens.analyses.analysis import Analysis
from inception_lens.analyses.modules import TreeRow
from inception_lens.renderers.escape import printable
from inception_lens.renderers.pages.diagram import PageDiagram
from inception_lens.renderers.tables.cells import shown
from inception_lens.renderers.theme import DARK, KIND_NAMES, LIGHT
from inception_lens.tables.summary import Quantity, available
from inception_lens.tables.table import AtLeast, Cell, Kind

SHOWN = ("output_shape", "params", "macs", "activation_bytes", "receptive_field")
"""Columns that the table shows at first."""
HEAT_COLUMNS = ("macs", "params", "activation_bytes", "live_bytes", "receptive_field")
"""Columns that can colour the diagram."""
FORMATS: dict[Kind, str] = {"count": "count", "large": "short", "bytes": "size"}
"""The names of number formats in the script."""

_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def report_data(analysis: Analysis, diagram: PageDiagram) -> dict[str, object]:
    """The record that the page contains. Numbers are exact integers; null is unknown, or none."""
    quantities = [*available(analysis).values()]
    position = analysis.graph.index.position
    return {
        "columns": [
            {
                "key": quantity.column.key,
                "title": quantity.column.title,
                "format": FORMATS.get(quantity.column.kind, "text"),
                "numeric": quantity.column.numeric,
                "sums": quantity.sums,
                "shown": quantity.column.key in SHOWN,
                "total": shown(quantity.column, quantity.cell(analysis.whole)) if quantity.sums else "",
            }
            for quantity in quantities
        ],
        "rows": [_row(row, quantities, position) for row in analysis.tree(None)],
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


def _row(row: TreeRow, quantities: Sequence[Quantity], position: dict[str, int]) -> dict[str, object]:
    group = row.group
    cells = [quantity.cell(group) for quantity in quantities]
    record: dict[str, object] = {
        "level": row.level,
        "label": printable(row.label),
        "name": printable(group.layers[0].name if len(group.layers) == 1 else group.name),
        "description": printable(row.description),
        "category": group.category or "module",
        "nodes": [position[layer.name] for layer in group.layers],
        "values": [_value(quantity, cell) for quantity, cell in zip(quantities, cells, strict=True)],
    }
    unknown = [
        quantity.column.key
        for quantity, cell in zip(quantities, cells, strict=True)
        if cell is None or isinstance(cell, AtLeast)
    ]
    return record | ({"lower_bounds": unknown} if unknown else {})


def _value(quantity: Quantity, cell: Cell) -> object:
    if cell is None or cell == "":
        return None
    if isinstance(cell, AtLeast):
        return cell.value
    if isinstance(cell, tuple):
        return shown(quantity.column, cell)
    return printable(cell) if isinstance(cell, str) else cell
