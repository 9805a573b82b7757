"""The tables of widths that are changed once, or through a range."""

from inception_lens.analyses.savings.changes import Sweep, SweepPoint, WhatIf
from inception_lens.analyses.savings.figures import CostChange
from inception_lens.tables.savings.figures import FIGURES, difference, figure, peak_and_time, rest
from inception_lens.tables.summary import subtitle
from inception_lens.tables.table import Cell, Column, Row, Table, bound
from inception_lens.tables.units import at_least, count

COSTS = ("params", "macs")


def what_if_table(found: WhatIf) -> Table:
    """A row for each module whose parameters or MACs change, and for each such layer in it."""
    rows, modules = [], [each for each in found.modules if _costs_differ(each.change)]
    for module in modules:
        rows.append(Row(module.name, _cells(module.change)))
        for layer in found.layers:
            if layer.name.startswith(f"{module.name}/") and _costs_differ(layer.change):
                label = layer.name.removeprefix(f"{module.name}/")
                rows.append(Row(label, _cells(layer.change), layer.name, depth=1))
    other_layers = rest(found.total, [module.change for module in modules])
    if other_layers:
        rows.append(Row("other layers", _cells(other_layers)))
    widths = ", ".join([f"{each.node} at {count(each.then)} instead of {count(each.now)}" for each in found.widths])
    total = found.total
    return Table(
        title=f"{found.graph.name} with {widths}",
        subtitle=subtitle(found.graph),
        label=Column(key="name", title="module", min_width=30),
        columns=tuple([column for key in COSTS for column in _columns(key)]),
        rows=tuple(rows),
        totals=(Row("total", _cells(total)),),
        notes=(peak_and_time(total.without, total.using, "would be", found.machine.title),),
    )


def _columns(key: str) -> tuple[Column, ...]:
    name, kind = FIGURES[key]
    return (
        Column(key=f"{key}_without", title=name, kind=kind),
        Column(key=f"{key}_with", title="would be", kind=kind, priority=COSTS.index(key) + 1),
        Column(key=f"{key}_change", title="change", kind=kind, signed=True, audience="people"),
    )


def _cells(change: CostChange) -> tuple[Cell, ...]:
    cells: list[Cell] = []
    for key in COSTS:
        cells += [figure(change.without, key), figure(change.using, key), difference(change, key)]
    return tuple(cells)


def _costs_differ(change: CostChange) -> bool:
    """Whether parameters or MACs change, and not memory or time only."""
    return any(change.saved(key) for key in COSTS)


def sweep_table(found: Sweep) -> Table:
    """A row for each width; the network's own is marked, and the others show their difference from it."""
    points = found.points
    own = next((point for point in points if point.value == found.own), None)
    columns = [
        Column(key="params", title="params", kind="count"),
        Column(key="macs", title="MACs", kind="count"),
    ]
    notes = []
    if own:
        columns += [
            Column(key="params_change", title="change in params", kind="count", signed=True, audience="people"),
            Column(key="macs_change", title="change in MACs", kind="count", signed=True, audience="people"),
        ]
        notes.append(f"> marks its own width, {count(own.value)}, from which changes are counted")
    if found.direct:
        params, macs = at_least(found.direct.params_exact), at_least(found.direct.exact)
        costs = f"{params}{count(found.direct.params)} parameters, {macs}{count(found.direct.macs)} MACs"
        notes.append(f"without the reduction: {costs}")
    return Table(
        title=f"{found.name}: {found.variable} from {points[0].value} to {points[-1].value}",
        label=Column(key="value", title=found.variable, kind="count", min_width=12),
        columns=tuple(columns),
        rows=tuple([_point(point, own) for point in points]),
        notes=tuple(notes),
    )


def _point(point: SweepPoint, own: SweepPoint | None) -> Row:
    label = f"> {count(point.value)}" if point == own else count(point.value)
    cells = [bound(point.params, point.params_exact), bound(point.macs, point.exact)]
    if own:
        cells.append(point.params - own.params if point.params_exact and own.params_exact else None)
        cells.append(point.macs - own.macs if point.exact and own.exact else None)
    return Row(label, tuple(cells), str(point.value))
