"""The table of each saving of a network: the modules that it changes, and the sites in them."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import msgspec

from inception_lens.analyses.machines import Machine
from inception_lens.analyses.modules import module_of
from inception_lens.analyses.savings.figures import CostChange, CostFigures
from inception_lens.analyses.savings.kinds import SavingDirection
from inception_lens.analyses.savings.network import Saving, Savings, SiteChange
from inception_lens.ops import format_shape
from inception_lens.tables.savings.figures import FIGURES, figure, peak_and_time, ratio, rest
from inception_lens.tables.summary import subtitle, title
from inception_lens.tables.table import Audience, Cell, Column, Row, Table
from inception_lens.tables.units import at_least, size

DIRECTIONS: tuple[SavingDirection, ...] = ("saved", "possible")
CONVENTION = "1 MAC = one multiply-add, bias not counted; times = without over with; MB = 10^6 bytes"
PRIORITIES = {"params": (0, 0, 1), "macs": (0, 0, 2), "seconds": (4, 5, 8), "activation_bytes": (6, 7, 9)}
"""Of each figure's own value, of the other network's, and of their ratio: what a narrow terminal leaves out first."""


class SavingRow(NamedTuple):
    """A module, or a site in it."""

    depth: int
    label: str
    name: str
    what: str
    change: CostChange


def savings_table(found: Savings) -> Table:
    """A table for each saving; the first table has only the network's title."""
    tables = [_saving_table(saving, found.machine) for saving in found.savings]
    notes = [f"{each.kind}: not possible in {found.graph.name}: {each.reason}" for each in found.refused]
    notes += [f"{kind.name}: {found.graph.name} has no place for this ({kind.title})" for kind in found.missing]
    if tables:
        about_time = (
            f"time = the least that {found.machine.title} can take for each call alone: arithmetic at its peak or "
            "traffic at its memory's speed (roofline)"
        )
        last = tables.pop()
        tables.append(msgspec.structs.replace(last, notes=(*last.notes, *notes, CONVENTION, about_time)))
        notes = []
    return Table(title=title(found.graph), subtitle=subtitle(found.graph), notes=tuple(notes), further=tuple(tables))


def kinds_table(found: Savings) -> Table:
    """The kinds of saving, and in how many places the network has each or could have it."""

    def sites(kind: str, direction: SavingDirection) -> int:
        saving = found.of(kind, direction)
        return len(saving.sites) if saving else 0

    return Table(
        title=title(found.graph),
        subtitle=subtitle(found.graph),
        label=Column(key="kind", title="kind"),
        columns=(
            Column(key="saved", title="has", kind="count"),
            Column(key="possible", title="could have", kind="count"),
            Column(key="title", title="what", min_width=24),
            Column(key="source", title="source", priority=1),
        ),
        rows=tuple(
            [
                Row(kind.name, (*[sites(kind.name, direction) for direction in DIRECTIONS], kind.title, kind.source))
                for kind in found.requested
            ]
        ),
    )


def _saving_table(saving: Saving, machine: Machine) -> Table:
    rows = saving_rows(saving)
    other_layers = rest(saving.total, [row.change for row in rows if not row.depth])
    if other_layers:
        rows.append(SavingRow(0, "other layers", "", "", other_layers))
    columns = _columns(saving)
    verb = "has" if saving.direction == "saved" else "could have"
    own, other = sides(saving.total, saving.direction)
    word = other_word(saving.direction)
    activations = [at_least(side.activations_exact) + size(side.activation_bytes) for side in (own, other)]
    notes = [
        peak_and_time(own, other, word, machine.title),
        f"all activations {activations[0]}, {word} {activations[1]}",
        *[f"left unchanged: {each.name}: {each.reason}" for each in saving.skipped],
    ]
    return Table(
        key=saving.kind.name if saving.direction == "saved" else f"{saving.kind.name}-possible",
        title=f"{saving.kind.name}: {saving.kind.title}; {saving.network.graph.name} {verb} {len(saving.sites)}",
        label=Column(key="name", title="module", min_width=30),
        columns=columns,
        rows=tuple([Row(row.label, _cells(saving, row), row.name, row.depth) for row in rows]),
        totals=(Row("total", _cells(saving, SavingRow(0, "total", "", "", saving.total))),),
        notes=tuple(notes),
    )


def saving_rows(saving: Saving) -> list[SavingRow]:
    """The modules where something differs, each with its sites; a module with one site is shown as that site.

    Where names have no modules, the row of a site shows all of its layers. A site in modules that hold other layers too
    has no row: the rows of the modules show its effect.
    """
    rows: list[SavingRow] = []
    places, covered = _places(saving)
    for module in saving.modules:
        own, other = sides(module.change, saving.direction)
        sites = places.get(module.name, [])
        if own == other or (module.name in covered and not sites):
            continue
        if len(sites) == 1:
            rows.append(SavingRow(0, sites[0].name, sites[0].name, sites[0].what, sites[0].change))
            continue
        rows.append(SavingRow(0, module.name, module.name, "", module.change))
        for site in sites:
            rows.append(SavingRow(1, site.name.removeprefix(f"{module.name}/"), site.name, site.what, site.change))
    return rows


def _places(saving: Saving) -> tuple[dict[str, list[SiteChange]], set[str]]:
    """The sites to show at each module, and the modules that consist of sites, which are shown in their place."""
    sizes: Counter[str] = Counter()
    for name in {node.name for analysis in (saving.network, saving.rewritten) for node in analysis.graph.nodes}:
        sizes[module_of(name)] += 1
    places: dict[str, list[SiteChange]] = {}
    covered: set[str] = set()
    for site in saving.sites if saving.kind.places else ():
        modules = Counter(map(module_of, {*site.nodes, *site.becomes}))
        if len(modules) == 1:
            places.setdefault(next(iter(modules)), []).append(site)
        elif all(calls == sizes[module] for module, calls in modules.items()):
            places[module_of(site.name)] = [site]
            covered |= modules.keys()
    return places, covered


def other_word(direction: SavingDirection) -> str:
    """How the network is called that a network is compared with."""
    return "without" if direction == "saved" else "with"


def sides(change: CostChange, direction: SavingDirection) -> tuple[CostFigures, CostFigures]:
    """The figures of the network as it is, and those of the other one."""
    return (change.using, change.without) if direction == "saved" else (change.without, change.using)


def _columns(saving: Saving) -> tuple[Column, ...]:
    """What a row is, and for each figure the network's own value, the other network's and their ratio."""
    own, other = ("with", "without") if saving.direction == "saved" else ("without", "with")
    columns = [Column(key="output", title="output")] if _grows(saving) else []
    if saving.kind.places and not columns:
        columns.append(Column(key="what", title="what", priority=3))
    for key, (name, kind) in FIGURES.items():
        shown = key in saving.kind.figures
        wide = key in ("activation_bytes", "seconds")
        first, second, third = PRIORITIES.get(key, (0, 0, 0))
        audience: Audience = "data" if not shown else "optional" if wide else "all"
        columns.append(Column(key=f"{key}_{own}", title=name, kind=kind, audience=audience, priority=first))
        columns.append(
            Column(key=f"{key}_{other}", title=f"{name} {other}", kind=kind, audience=audience, priority=second)
        )
        if shown:
            columns.append(
                Column(
                    key=f"{key}_ratio",
                    title="times",
                    kind="ratio",
                    audience="terminal" if wide else "people",
                    priority=third,
                )
            )
    return tuple(columns)


def _grows(saving: Saving) -> bool:
    """Whether the outputs of modules change, and are shown in place of the sites."""
    return saving.kind.name == "naive"


def _cells(saving: Saving, row: SavingRow) -> tuple[Cell, ...]:
    own, other = sides(row.change, saving.direction)
    cells: list[Cell] = []
    if _grows(saving):
        cells.append(_output(own, other))
    elif saving.kind.places:
        cells.append(row.what)
    for key in FIGURES:
        cells += [figure(own, key), figure(other, key)]
        cells += [ratio(row.change, key)] if key in saving.kind.figures else []
    return tuple(cells)


def _output(own: CostFigures, other: CostFigures) -> str:
    shapes = [figures.output_shape for figures in (own, other)]
    before, after = (format_shape(shape[1:]) if isinstance(shape, tuple) else "" for shape in shapes)
    return before if before == after else f"{before} > {after.partition('x')[0]}"
