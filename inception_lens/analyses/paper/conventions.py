"""The paper's Table 1 compared with a network: each printed figure with the conventions that reproduce it.

A convention is a unit, a rounding and whether biases count. Figures that no convention reproduces are explained by
`explanations`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from inception_lens.analyses.compare.attributes import ComparedCall, differences
from inception_lens.analyses.compare.parts import CountedGraph
from inception_lens.analyses.modules import module_of
from inception_lens.analyses.paper.explanations import RowLayout, explanation
from inception_lens.analyses.paper.table1 import TABLE_1, Convention, PrintedRow, fits, patch_of, size_of
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


def table_1(network: CountedGraph, paper: CountedGraph, partner: Mapping[int, int]) -> TableCheck:
    """Compare the printed table with `network`; `paper` is the catalogue's network of the table.

    `partner` is the index of the paper's call by the index of the paired call of `network`. The verdict on a figure is
    `known` where `paper` does not reproduce it either and both have the same weights or MACs in the row.
    """
    calls = _rows_of(network, paper, partner)
    own = _rows_of(paper, paper, {i: i for i in range(len(paper.graph.nodes))})
    pairs = {j: paper.call(i) for j, i in partner.items()}
    rows = tuple(_row(row, network, calls[row.module], pairs, paper, own[row.module]) for row in TABLE_1)
    return TableCheck(rows, _best([row.params for row in rows]), _best([row.ops for row in rows]))


def _rows_of(network: CountedGraph, paper: CountedGraph, partner: Mapping[int, int]) -> Mapping[str, list[int]]:
    """Indices of the network's calls by row: the row of the paired call, or of the call before if unpaired."""
    rows: dict[str, list[int]] = {row.module: [] for row in TABLE_1}
    module = TABLE_1[0].module
    for j in range(len(network.graph.nodes)):
        if j in partner:
            module = module_of(paper.graph.nodes[partner[j]].name)
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

    def figure(key: Literal["params", "ops"], counts: tuple[int, ...], own_counts: tuple[int, ...]) -> PrintedFigure:
        text = row.params if key == "params" else row.ops
        ways = tuple(fits(text, *counts))
        known = counts[0] == own_counts[0] and not any(fits(text, *own_counts))
        verdict: Verdict = "reproduced" if ways else "known" if known else "differs"
        note = explanation(layout, key, row, counts[0]) if verdict == "known" else ""
        return PrintedFigure(text, counts[0], sum(counts[1:]), ways, verdict, note)

    weights = (found.weights, found.biases), (printed.weights, printed.biases)
    params = figure("params", *weights) if row.params else None
    ops = figure("ops", (found.macs,), (printed.macs,)) if row.ops else None
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
                    kernel = each.attribute == "kernel"
                    own, wanted = (format_shape(value) if kernel else f"{value:,}" for value in (each.b, each.a))
                    what = "kernel" if kernel else "width"
                    yield f"{network.graph.nodes[i].name} has a {what} of {own}, not {wanted}"


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
    for call in map(network.call, calls):
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
