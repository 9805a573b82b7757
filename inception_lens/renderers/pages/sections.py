"""The sections of the report page as plain text: the headline numbers, the savings and the comparison."""

import base64
from collections.abc import Iterable
from typing import NamedTuple

from inception_lens.analyses.analysis import Analysis
from inception_lens.analyses.compare.records import Comparison
from inception_lens.analyses.savings.figures import CostChange
from inception_lens.analyses.savings.network import Saving
from inception_lens.renderers.escape import printable
from inception_lens.renderers.pages.data import input_size
from inception_lens.renderers.tables.cells import shown
from inception_lens.tables.compare.comparison import compare_table, costs_of
from inception_lens.tables.table import Row, Table
from inception_lens.tables.units import at_least, count, percent, short, size


class Card(NamedTuple):
    """One headline number."""

    title: str
    value: str
    exact: str
    """The value without rounding."""
    description: str


class ModuleSavingRow(NamedTuple):
    """A module, or the whole network, with a saving and without it."""

    name: str
    cells: tuple[str, ...]
    """Without, with and ratio: of parameters, then of MACs."""
    with_share: float
    """MACs with the saving, in percent of the most expensive module without it."""
    without_share: float


class SavingSection(NamedTuple):
    """One kind of saving."""

    title: str
    source: str
    sites: int
    summary: str
    """The saved MACs in one sentence."""
    rows: tuple[ModuleSavingRow, ...]
    """The modules that it changes."""
    total: ModuleSavingRow


class DifferenceRow(NamedTuple):
    """A difference between two networks, and what it changes."""

    words: str
    where: str
    params: str
    macs: str


class ComparedSide(NamedTuple):
    """One of two compared networks."""

    name: str
    params: str
    macs: str


class ComparisonSection(NamedTuple):
    """Two networks and their differences."""

    sides: tuple[ComparedSide, ...]
    params: str
    """Parameters of the second network minus those of the first."""
    macs: str
    rows: tuple[DifferenceRow, ...]
    alike: tuple[DifferenceRow, ...]
    """Differences that do not change the result on this input."""
    shifts: tuple[str, ...]
    """Differences in the alignment of receptive fields."""
    pictures: tuple[str, ...]
    """Diagrams of both networks for a light and a dark background, as data URLs; empty if they are too large."""


def headline(analysis: Analysis) -> list[Card]:
    """The most important numbers of a network."""
    totals = analysis.totals
    params, macs, flops = (
        "" if exact else "at least " for exact in (totals.params_exact, totals.macs_exact, totals.exact)
    )
    cards = [
        Card(
            "parameters",
            f"{params}{short(totals.params)}",
            f"{params}{count(totals.params)}",
            f"{params}{size(totals.weight_bytes)} of weights",
        ),
        Card("MACs", f"{macs}{short(totals.macs)}", f"{macs}{count(totals.macs)}", "multiply-adds without bias"),
        Card("FLOPs", f"{flops}{short(totals.flops)}", f"{flops}{count(totals.flops)}", "2 per MAC, plus the rest"),
    ]
    if analysis.layers:
        peak, known = totals.peak_activation_bytes, "" if totals.activations_exact else "at least "
        where = f"live during {printable(analysis.peak_layer.name)}"
        cards.append(Card("peak activations", f"{known}{size(peak)}", f"{known}{count(peak)} bytes", where))
    widest = max(analysis.layers, key=lambda layer: layer.receptive_field or 0, default=None)
    if widest and widest.receptive_field:
        image = f"of an input of {input_size(analysis):,} px"
        where = f"the largest, of {printable(widest.name)}"
        cards.append(Card("receptive field", f"{widest.receptive_field:,} px", image, where))
    return cards


def saving_section(saving: Saving) -> SavingSection:
    """One kind of saving, with a row for each module that it changes."""
    largest = max([module.change.without.macs for module in saving.modules], default=0) or 1
    changed = [each for each in saving.modules if each.change.saved("macs") or each.change.saved("params")]
    saved, without = saving.total.saved("macs"), saving.total.without.macs
    more = f"{short(-saved)} MACs more than without them"
    fewer = f"{short(saved)} fewer MACs: {percent(saved, without)} of the MACs without them"
    return SavingSection(
        title=saving.kind.title,
        source=saving.kind.source,
        sites=len(saving.sites),
        summary=(more if saved < 0 else fewer) if saving.total.is_exact("macs") else "the MACs are not all known",
        rows=tuple([_saving_row(each.name, each.change, largest) for each in changed]),
        total=_saving_row("whole network", saving.total, largest),
    )


def _saving_row(name: str, change: CostChange, largest: int) -> ModuleSavingRow:
    using, without = change.using, change.without
    cells: list[str] = []
    for key, write in (("params", count), ("macs", short)):
        cells += [f"{at_least(side.is_exact(key))}{write(getattr(side, key))}" for side in (without, using)]
        ratio = change.ratio(key)
        cells.append("?" if not change.is_exact(key) else f"{ratio:.2f}x" if ratio else "-")
    return ModuleSavingRow(
        name=printable(name),
        cells=tuple(cells),
        with_share=round(100 * using.macs / largest, 2),
        without_share=round(100 * without.macs / largest, 2),
    )


def comparison_section(comparison: Comparison, pictures: Iterable[bytes]) -> ComparisonSection:
    """The differences between two networks."""
    a, b = comparison.a, comparison.b
    tables = {table.key: table for table in compare_table(comparison)}
    main = tables["network"]
    cells = _texts(main, main.totals[-1])
    shifts = tables["shifts"].rows if "shifts" in tables else ()
    sides = [ComparedSide(printable(side.name), *costs_of(side)) for side in (a, b)]
    return ComparisonSection(
        sides=tuple(sides),
        params=cells[1],
        macs=cells[2],
        rows=_difference_rows(main),
        alike=_difference_rows(tables.get("equivalent")),
        shifts=tuple([f"{printable(row.label)}, {row.cells[0]} calls: {row.cells[1]}" for row in shifts]),
        # In an <img> an SVG can neither run scripts nor load anything, whatever it contains.
        pictures=tuple([f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}" for svg in pictures]),
    )


def _difference_rows(table: Table | None) -> tuple[DifferenceRow, ...]:
    if table is None:
        return ()
    return tuple([DifferenceRow(printable(row.label), *_texts(table, row)) for row in table.rows])


def _texts(table: Table, row: Row) -> tuple[str, ...]:
    return tuple([printable(shown(column, cell)) for column, cell in zip(table.columns, row.cells, strict=True)])
