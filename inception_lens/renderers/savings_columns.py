"""The rows and columns that savings are told in, the same for every format that people read."""

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec import UNSET

from inception_lens.analyses.savings.figures import INTEGERS, CostChange, CostFigures, module_of
from inception_lens.analyses.savings.kinds import SavingDirection
from inception_lens.analyses.savings.network import Saving, SiteChange
from inception_lens.ops import format_shape
from inception_lens.renderers.table import NOTHING, UNKNOWN
from inception_lens.tables.units import count, duration, short, size

FIGURES: dict[str, tuple[str, Callable[[Any], str]]] = {
    "params": ("params", count),
    "buffers": ("buffers", count),
    "macs": ("MACs", short),
    "activation_bytes": ("activations", size),
    "seconds": ("time", duration),
}
"""Title of each figure, and how people read it."""


class SavingRow(NamedTuple):
    """A module, a site below it, or the total."""

    level: int
    label: str
    what: str
    change: CostChange


class SavingColumn(NamedTuple):
    """One column; `text` writes its cell for people."""

    key: str
    title: str
    text: Callable[[SavingRow], str]
    numeric: bool = True


def saving_rows(saving: Saving) -> list[SavingRow]:
    """The modules where something differs, each with its sites below it; a module with one site is that site's row.

    Where names have no modules, a site's row stands for all of its layers. A site that reaches into modules that hold
    more than it has no row: theirs tell it.
    """
    rows: list[SavingRow] = []
    places, covered = _places(saving)
    for module in saving.modules:
        own, other = sides(module.change, saving.direction)
        sites = places.get(module.name, [])
        if own == other or (module.name in covered and not sites):
            continue
        if len(sites) == 1:
            rows.append(SavingRow(0, sites[0].name, sites[0].what, sites[0].change))
        else:
            rows.append(SavingRow(0, module.name, "", module.change))
            rows += [SavingRow(1, site.name.removeprefix(f"{module.name}/"), site.what, site.change) for site in sites]
    return rows


def _places(saving: Saving) -> tuple[dict[str, list[SiteChange]], set[str]]:
    """The sites to tell at each module, and the modules that are told by the sites that they are wholly part of."""
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


def saving_columns(saving: Saving) -> list[SavingColumn]:
    """The columns: for each figure the network's own, the other network's, and how many times more that is."""
    direction = saving.direction
    grows = saving.kind.name == "naive"
    columns = [_output(direction) if grows else SavingColumn("what", "what", lambda row: row.what, numeric=False)]
    for key in saving.kind.figures:
        title, show = FIGURES[key]
        columns.append(SavingColumn(key, title, _side(key, show, direction, 0)))
        columns.append(SavingColumn(f"{key}_other", other_word(direction), _side(key, show, direction, 1)))
        columns.append(SavingColumn(f"{key}_ratio", "times", _ratio(key)))
    return [column for column in columns if column.key != "what" or saving.kind.places]


def other_word(direction: SavingDirection) -> str:
    """What the network is called that it is compared with."""
    return "without" if direction == "saved" else "with it"


def sides(change: CostChange, direction: SavingDirection) -> tuple[CostFigures, CostFigures]:
    """The network as it is, and the other one."""
    return (change.using, change.without) if direction == "saved" else (change.without, change.using)


def exact_cells(row: SavingRow) -> dict[str, object]:
    """The cells for programs: exact numbers, None for what is not there."""
    cells: dict[str, object] = {}
    for side, figures in (("with", row.change.using), ("without", row.change.without)):
        for key in (*INTEGERS, "seconds"):
            value = getattr(figures, key)
            cells[f"{key}_{side}"] = None if value is UNSET else value
    return cells


def costs_differ(change: CostChange) -> bool:
    """Whether parameters or MACs differ, and not memory or time alone."""
    return bool(change.saved("params") or change.saved("macs"))


def times(ratio: float | None) -> str:
    """A ratio to three digits; one of nothing, or to nothing, is `-`."""
    if not ratio:
        return NOTHING
    return f"{ratio:.{2 if ratio < 9.995 else 1 if ratio < 99.95 else 0}f}"


def _side(key: str, show: Callable[[Any], str], direction: SavingDirection, side: int) -> Callable[[SavingRow], str]:
    def text(row: SavingRow) -> str:
        figures = sides(row.change, direction)[side]
        value = getattr(figures, key)
        if not figures.exact and key in ("macs", "seconds"):
            return f">= {show(value)}" if value else UNKNOWN
        return show(value) if value else NOTHING

    return text


def _ratio(key: str) -> Callable[[SavingRow], str]:
    return lambda row: times(row.change.ratio(key))


def _output(direction: SavingDirection) -> SavingColumn:
    def text(row: SavingRow) -> str:
        shapes = [figures.output_shape for figures in sides(row.change, direction)]
        own, other = (format_shape(shape[1:]) if isinstance(shape, tuple) else "" for shape in shapes)
        return own if own == other else f"{own} > {other.partition('x')[0]}"

    return SavingColumn("output", "output", text, numeric=False)
