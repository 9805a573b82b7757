"""The paper's Table 1 compared with a network: each printed figure with the conventions that reproduce it.

A convention is a unit, a rounding and whether biases count. WeightedSums that no convention reproduces are explained by
`explanations`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from inception_lens.analyses.compare.attributes import ComparedCall, differences
from inception_lens.analyses.compare.parts import CountedGraph, pair
from inception_lens.analyses.paper.explanations import RowLayout, explanation
from inception_lens.analyses.paper.table1 import TABLE_1, Convention, PrintedRow, fits, patch_of, size_of
from inception_lens.graph import Graph
from inception_lens.ops import Dropout, format_shape

Verdict = Literal["reproduced", "known", "differs"]
"""`known`: no convention gives the printed figure although the row's layers are those of the paper."""


class PrintedFigure(msgspec.Struct, frozen=True):
    """One printed figure and the count of the network."""

    printed: str
    """The figure as printed, such as `159K`."""
    count: int
    """Weights or MACs of the network's layers."""
    biases: int
    """Biases of the network's layers; 0 for MACs."""
    conventions: tuple[Convention, ...]
    """Conventions under which the count is written as printed."""
    verdict: Verdict
    """Whether the figure is reproduced."""
    note: str = ""
    """An explanation of a figure that is not reproduced."""


class PaperRow(msgspec.Struct, frozen=True):
    """One row of the table and the corresponding calls of the network."""

    printed: PrintedRow
    """The row as printed."""
    calls: tuple[str, ...]
    """Names of the network's calls."""
    output: tuple[int, ...] | None
    """Height, width and channels; None where the network has no such calls."""
    params: PrintedFigure | None
    """The `params` cell; None where the table prints none."""
    ops: PrintedFigure | None
    """The `ops` cell; None where the table prints none."""
    deviations: tuple[str, ...]
    """Differences between the network's layers and the paper's."""

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of the row."""
        found = [cell.verdict for cell in (self.params, self.ops) if cell]
        if self.deviations or "differs" in found:
            return "differs"
        return "known" if "known" in found else "reproduced"


class TableCheck(msgspec.Struct, frozen=True):
    """Table 1 compared with a network."""

    rows: tuple[PaperRow, ...]
    """One per row of the table, in its order."""
    best_params: tuple[Convention, int]
    """The convention that reproduces the most printed parameters, and their number."""
    best_ops: tuple[Convention, int]
    """The convention that reproduces the most printed multiply-adds, and their number."""

    @property
    def holds(self) -> bool:
        """Whether no row differs from the paper in an unknown way."""
        return all(row.verdict != "differs" for row in self.rows)


def table_1(graph: Graph, paper: Graph) -> TableCheck:
    """Compare the printed table with `graph`; `paper` is the catalogue's network of the table.

    The calls of each row are found by aligning `graph` with `paper` by structure. The verdict on a figure is `known`
    where `paper` does not reproduce it either and both have the same weights or MACs in the row.
    """
    network, reference = CountedGraph.of(graph), CountedGraph.of(paper)
    partner = partners(network, reference)
    calls = _rows_of(network, reference, partner)
    own = {row.module: [i for i, node in enumerate(paper.nodes) if _module(node.name) == row.module] for row in TABLE_1}
    pairs = {j: reference.call(i) for j, i in partner.items()}
    rows = tuple(_row(row, network, calls[row.module], pairs, reference, own[row.module]) for row in TABLE_1)
    return TableCheck(rows, _best([row.params for row in rows]), _best([row.ops for row in rows]))


def _module(name: str) -> str:
    return name.partition("/")[0]


def partners(network: CountedGraph, paper: CountedGraph) -> dict[int, int]:
    """Index of the paper's call, by the index of the network's call that is paired with it."""
    everything = [range(len(each.graph.nodes)) for each in (paper, network)]
    return {j: i for i, j in pair(paper, everything[0], network, everything[1]).alignment.pairs.items()}


def _rows_of(network: CountedGraph, paper: CountedGraph, partner: Mapping[int, int]) -> Mapping[str, list[int]]:
    """Indices of the network's calls by row: the row of the paired call, or of the call before if unpaired."""
    rows: dict[str, list[int]] = {row.module: [] for row in TABLE_1}
    module = TABLE_1[0].module
    for j in range(len(network.graph.nodes)):
        if j in partner:
            module = _module(paper.graph.nodes[partner[j]].name)
        rows[module].append(j)
    return rows


class WeightedSums(msgspec.Struct, frozen=True):
    """Sums over convolutions and linear layers."""

    weights: int
    """Elements of the weights."""
    biases: int
    """Elements of the biases."""
    macs: int
    """Multiply-accumulates."""


def weighted_sums(network: CountedGraph, calls: Sequence[int]) -> WeightedSums:
    """Sum over some calls; the table counts no other parameters."""
    weights = biases = macs = 0
    for i in calls:
        call = network.call(i)
        if call.op.category in ("conv", "linear"):
            for tensor in call.op.parameters(*call.inputs):
                weights += tensor.elements if tensor.role == "weight" else 0
                biases += tensor.elements if tensor.role == "bias" else 0
            macs += network.costs.macs[i] or 0
    return WeightedSums(weights, biases, macs)


def _row(
    row: PrintedRow,
    network: CountedGraph,
    calls: Sequence[int],
    pairs: Mapping[int, ComparedCall],
    paper: CountedGraph,
    own: Sequence[int],
) -> PaperRow:
    found, printed = weighted_sums(network, calls), weighted_sums(paper, own)
    layout = _layout(row, paper, own)
    params = ops = None
    if row.params:
        ways = tuple(fits(row.params, found.weights, found.biases))
        known = found.weights == printed.weights and not any(fits(row.params, printed.weights, printed.biases))
        verdict: Verdict = "reproduced" if ways else "known" if known else "differs"
        note = explanation(layout, "params", row, found.weights) if verdict == "known" else ""
        params = PrintedFigure(row.params, found.weights, found.biases, ways, verdict, note)
    if row.ops:
        ways = tuple(fits(row.ops, found.macs))
        known = found.macs == printed.macs and not any(fits(row.ops, printed.macs))
        verdict = "reproduced" if ways else "known" if known else "differs"
        note = explanation(layout, "ops", row, found.macs) if verdict == "known" else ""
        ops = PrintedFigure(row.ops, found.macs, 0, ways, verdict, note)
    last = network.graph.nodes[calls[-1]].name if calls else ""
    output = size_of(network.graph.types[last][0].shape) if last else None
    names = tuple(network.graph.nodes[i].name for i in calls)
    named = tuple(_layers(network, calls, pairs))
    same = printed if named else found  # a layer reported by name explains its counts
    deviations = (*named, *_deviations(row, network, calls, output, same, printed))
    return PaperRow(row, names, output, params, ops, deviations)


def _layout(row: PrintedRow, paper: CountedGraph, own: Sequence[int]) -> RowLayout:
    calls = [paper.call(i) for i in own]
    convolutions = [call for call in calls if call.op.category == "conv"]
    return RowLayout(
        channels=calls[0].inputs[0][1] if calls else 0,
        positions=row.output[0] * row.output[1],
        widths=tuple(call.output[1] for call in convolutions),
        kernels=tuple(getattr(call.op, "kernel_size", ()) for call in convolutions),
        reads=tuple(call.inputs[0][1] for call in convolutions),
    )


def _layers(network: CountedGraph, calls: Sequence[int], pairs: Mapping[int, ComparedCall]) -> Iterator[str]:
    """Report layers whose kernel or width differs from the paper's network, by name."""
    for i in calls:
        call = network.call(i)
        if call.op.category in ("conv", "linear"):
            if i not in pairs:
                yield f"{network.graph.nodes[i].name} is an additional layer"
                continue
            for each in differences(pairs[i], call):
                if each.attribute in ("kernel", "out_channels", "out_features"):
                    values = [
                        format_shape(value) if isinstance(value, tuple) else f"{value:,}" for value in (each.b, each.a)
                    ]
                    what = "kernel" if each.attribute == "kernel" else "width"
                    yield f"{network.graph.nodes[i].name} has a {what} of {values[0]}, not {values[1]}"


def _deviations(
    row: PrintedRow,
    network: CountedGraph,
    calls: Sequence[int],
    output: tuple[int, ...] | None,
    found: WeightedSums,
    printed: WeightedSums,
) -> Iterator[str]:
    """Report differences between the row's calls and the printed row."""
    if output is None:
        yield f"the network has no {row.type}"
        return
    if output != row.output:
        yield f"its output is {format_shape(output)}, not {format_shape(row.output)}"
    if found.weights != printed.weights:
        yield f"its layers have {found.weights:,} weights, not {printed.weights:,}"
    if found.macs != printed.macs:
        yield f"its layers have {found.macs:,} MACs, not {printed.macs:,}"
    operations = [network.call(i) for i in calls]
    for call in operations:
        if call.op.category == "pool" and row.type.endswith("pool"):
            window = call.op.window(call.inputs[0], call.output)
            patch = patch_of(window.kernel, window.stride) if window else ""
            whole = window is not None and window.kernel == call.inputs[0][2:]
            if patch != row.patch and not (whole and patch.partition("/")[0] == row.patch.partition("/")[0]):
                yield f"its patch is {patch}, not {row.patch}"
        if isinstance(call.op, Dropout) and row.module == "dropout" and call.op.p != 0.4:
            yield f"its dropout rate is {100 * call.op.p:g} %, not 40 %"


def _best(cells: Sequence[PrintedFigure | None]) -> tuple[Convention, int]:
    """The convention that reproduces most cells (the simplest of several), and the number of cells."""
    counted = Counter(convention for cell in cells if cell for convention in cell.conventions)
    if not counted:
        return Convention(1, "rounded"), 0
    return min(counted.items(), key=lambda each: (-each[1], each[0].biases, each[0].rounding != "rounded"))
