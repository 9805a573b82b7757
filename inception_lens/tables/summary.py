"""The table of `summary`: the cost of each module or layer of a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from inception_lens.analyses.analysis import Analysis
from inception_lens.analyses.modules import EVERY_LEVEL
from inception_lens.analyses.records import Group, PartialShape
from inception_lens.errors import ConfigError, suggest
from inception_lens.graph import Graph
from inception_lens.ops import format_shape
from inception_lens.tables.table import AtLeast, Cell, Column, Row, Table, bound, sample_shape
from inception_lens.tables.units import at_least, count, short, size

CONVENTION = (
    "1 MAC = one multiply-add of a convolution or linear layer, bias not counted; FLOPs = 2 per MAC, plus bias, norm, "
    "activation, pooling and element-wise arithmetic; MB = 10^6 bytes; receptive field and jump in input pixels"
)


OF_PARAMETERS = ("params", "params_trainable", "weight_bytes", "buffers")
"""Columns whose sums are lower bounds where the parameters of an operation are unknown."""


class Quantity(msgspec.Struct, frozen=True):
    """A column of the summary, and its value for a module or layer."""

    column: Column
    cell: Callable[[Group], Cell]
    sums: bool = False
    """Whether the values of the parts of a module add up to the module's."""


def _of_layer(attribute: str) -> Callable[[Group], Cell]:
    """The attribute of a layer; does not apply to a module of several layers."""

    def cell(group: Group) -> Cell:
        value: Cell = getattr(group.layers[0], attribute) if len(group.layers) == 1 else None
        return "" if value is None else value

    return cell


def _sum(attribute: str) -> Callable[[Group], Cell]:
    def cell(group: Group) -> Cell:
        value: int = getattr(group, attribute)
        if attribute in OF_PARAMETERS:
            return bound(value, group.params_exact)
        known = group.exact and attribute != "saved_activation_bytes"
        if known or None not in [getattr(layer, attribute) for layer in group.layers]:
            return value
        return bound(value, exact=False)

    return cell


def _inputs(group: Group) -> Cell:
    return " ".join(group.layers[0].inputs) if len(group.layers) == 1 else ""


def _output_shape(group: Group) -> PartialShape:
    return sample_shape(group.output_shape, group.layers[-1].has_batch)


def _receptive_field(group: Group) -> int | None:
    return group.receptive_field


def _jump(group: Group) -> int | None:
    found = [layer.receptive_field_detail for layer in group.layers if layer.receptive_field_detail]
    return max(found[-1].jump) if found else None


def _quantity(column: Column, cell: Callable[[Group], Cell] | None = None) -> Quantity:
    return Quantity(column, cell or _sum(column.key), sums=cell is None)


QUANTITIES: dict[str, Quantity] = {
    quantity.column.key: quantity
    for quantity in (
        _quantity(Column(key="op", title="op", audience="data"), _of_layer("op")),
        _quantity(Column(key="inputs", title="inputs", audience="data"), _inputs),
        _quantity(Column(key="kernel", title="kernel", kind="shape", audience="data"), _of_layer("kernel")),
        _quantity(Column(key="stride", title="stride", kind="shape", audience="data"), _of_layer("stride")),
        _quantity(Column(key="output_shape", title="output", kind="sample_shape"), _output_shape),
        _quantity(Column(key="params", title="params", kind="count")),
        _quantity(Column(key="params_nonzero", title="non-zero", kind="count", priority=4)),
        _quantity(Column(key="params_trainable", title="trainable", kind="count", audience="data")),
        _quantity(Column(key="buffers", title="buffers", kind="count", audience="data")),
        _quantity(Column(key="macs", title="MACs", kind="large")),
        _quantity(Column(key="backward_macs", title="backward MACs", kind="large", priority=3)),
        _quantity(Column(key="flops", title="FLOPs", kind="large", audience="optional", priority=5)),
        _quantity(Column(key="weight_bytes", title="weights", kind="bytes", audience="optional", priority=6)),
        _quantity(Column(key="activation_bytes", title="activations", kind="bytes", priority=2)),
        _quantity(Column(key="saved_activation_bytes", title="saved", kind="bytes", audience="data")),
        Quantity(
            Column(key="live_bytes", title="live", kind="bytes", audience="optional", priority=7), _sum("live_bytes")
        ),
        _quantity(
            Column(key="receptive_field", title="receptive field", kind="count", unit="px", priority=1),
            _receptive_field,
        ),
        _quantity(Column(key="jump", title="jump", kind="count", audience="optional", priority=8), _jump),
    )
}
"""Every column by its key, which is that of the JSON."""

SHARE = Column(key="share", title="share", kind="share", unit="of MACs", audience="people", bar=4)
TRAINING = ("backward_macs", "saved_activation_bytes")
"""Columns that only a training analysis has."""


def summary_table(
    analysis: Analysis,
    *,
    depth: int | None = 1,
    columns: Sequence[str] | None = None,
    sort: str | None = None,
    flat: bool = False,
) -> Table:
    """The modules of a network and what each costs.

    Args:
        analysis: what to show.
        depth: how many levels of modules are open; None opens all.
        columns: keys of `QUANTITIES`; without it the columns that suit each format.
        sort: the key of a column, to show the largest first within each module.
        flat: whether the rows are the modules of that depth alone, in the order of execution, without the modules
            that contain them; the rows then add up to the totals.

    Raises:
        ConfigError: there is no such column.
        GraphError: `depth` is less than 1.
    """
    chosen = pick(columns, analysis)
    key = None if sort is None else sort_key(sort)
    if flat:
        groups = analysis.by_module(EVERY_LEVEL if depth is None else depth)
        tree = [(Row(group.name, ()), group) for group in (sorted(groups, key=key) if key else groups)]
    else:
        tree = [
            (Row(row.label, (), row.group.name, row.level, row.description, row.group.category), row.group)
            for row in analysis.tree(depth, key)
        ]
    rows = [msgspec.structs.replace(row, cells=tuple([each.cell(group) for each in chosen])) for row, group in tree]
    total = tuple([each.cell(analysis.whole) if each.sums else "" for each in chosen])
    return Table(
        title=title(analysis.graph),
        subtitle=subtitle(analysis.graph),
        label=Column(key="name", title="module"),
        columns=tuple([each.column for each in chosen]),
        rows=tuple(rows),
        totals=(Row("total", total),),
        notes=(*facts(analysis), CONVENTION),
    )


def title(graph: Graph) -> str:
    """The name of a network, and its description if it has one."""
    return f"{graph.name}: {graph.metadata.description}" if graph.metadata.description else graph.name


def subtitle(graph: Graph) -> str:
    """The inputs of a network, its dtype and mode."""
    inputs = ", ".join([f"{given.name} {format_shape(given.type.shape)}" for given in graph.inputs])
    return f"{inputs} {graph.dtype}, {graph.mode}".lstrip()


def facts(analysis: Analysis) -> list[str]:
    """The totals that are not the sum of a column, and the layers that were not counted."""
    totals, graph = analysis.totals, analysis.graph
    parts = [
        f"FLOPs {at_least(totals.exact)}{short(totals.flops)}",
        f"weights {at_least(totals.params_exact)}{size(totals.weight_bytes)}",
    ]
    if totals.buffers:
        parts.append(f"buffers {at_least(totals.params_exact)}{count(totals.buffers)}")
    if analysis.layers and analysis.is_run:
        peak = at_least(totals.activations_exact) + size(totals.peak_activation_bytes)
        parts.append(f"peak activations {peak} at {analysis.peak_layer.name}")
    if totals.params != totals.params_used:
        parts.append(f"parameters declared {count(totals.params)}, used {count(totals.params_used)}")
    if totals.params != totals.params_trainable:
        parts.append(f"parameters trainable {count(totals.params_trainable)}")
    if graph.mode == "training":
        if analysis.is_run:
            backward = at_least(totals.macs_exact) + short(totals.backward_macs or 0)
            parts.append(f"backward {backward} MACs")
            saved = at_least(totals.saved_exact is True) + size(totals.saved_activation_bytes or 0)
            parts.append(f"saved for the backward pass {saved}")
        least = at_least(totals.params_exact)
        parts += [
            f"gradients {least}{size(totals.gradient_bytes or 0)}",
            f"optimizer state {least}{size(totals.optimizer_bytes or 0)} (SGD with momentum) or "
            f"{least}{size(totals.optimizer_bytes_adam or 0)} (Adam)",
        ]
    lines = ["; ".join(parts)]
    if graph.metadata.note:
        lines.append(graph.metadata.note)
    if analysis.uncounted and analysis.is_run:
        missing = ", ".join([f"{layer.name} ({layer.op})" for layer in analysis.uncounted])
        lines.append(f"not counted, so that sums are lower bounds (>=): {missing}")
    return lines


def available(analysis: Analysis) -> dict[str, Quantity]:
    """The columns that an analysis has, by their keys."""
    left_out = {
        *(() if analysis.graph.mode == "training" else TRAINING),
        *(() if analysis.nonzero else ("params_nonzero",)),
    }
    return {key: quantity for key, quantity in QUANTITIES.items() if key not in left_out}


def pick(keys: Sequence[str] | None, analysis: Analysis) -> list[Quantity]:
    """The columns that `keys` names, each for every format; without keys all columns, each for its own.

    The share of the MACs follows the MACs.

    Raises:
        ConfigError: there is no such column, or the analysis does not have it.
    """
    training = analysis.graph.mode == "training"
    if keys is None:
        positioned = any(layer.receptive_field for layer in analysis.layers)
        left_out = () if positioned else ("receptive_field", "jump")
        chosen = [quantity for key, quantity in available(analysis).items() if key not in left_out]
    else:
        for key in keys:
            if key not in QUANTITIES:
                raise ConfigError(f"`{key}` is not a column{suggest(key, QUANTITIES)}")
            if key in TRAINING and not training:
                raise ConfigError(f"column `{key}` exists in training mode only: --mode training")
            if key == "params_nonzero" and not analysis.nonzero:
                raise ConfigError(f"column `{key}` exists for pruned models only: few weights of this one are zero")
        shown = [QUANTITIES[key] for key in keys]
        chosen = [
            msgspec.structs.replace(each, column=msgspec.structs.replace(each.column, audience="all", priority=0))
            for each in shown
        ]
    return [each for quantity in chosen for each in _with_share(quantity, analysis)]


def _with_share(quantity: Quantity, analysis: Analysis) -> Iterable[Quantity]:
    yield quantity
    if quantity.column.key == "macs":
        whole, macs = analysis.totals.macs, quantity.cell
        column = SHARE if analysis.totals.macs_exact else msgspec.structs.replace(SHARE, title="share of known")
        yield Quantity(column, lambda group: None if macs(group) is None else group.macs / whole if whole else 0)


def sort_key(key: str) -> Callable[[Group], float]:
    """A key that sorts modules by a column, the largest first; what is unknown counts as zero.

    Raises:
        ConfigError: there is no such column, or its values are not numbers.
    """
    numeric = [each for each, quantity in QUANTITIES.items() if quantity.column.numeric]
    if key not in numeric:
        raise ConfigError(f"`{key}` is not a column to sort by{suggest(key, numeric)}")
    quantity = QUANTITIES[key]

    def order(group: Group) -> float:
        cell = quantity.cell(group)
        value = cell.value if isinstance(cell, AtLeast) else cell
        return -value if isinstance(value, int | float) else 0

    return order
