"""Whether the paper adds up: Table 1 beside the figures of a network, each with the conventions under which it holds.

The conventions, and what explains a figure that none of them gives, are searched for here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from inception_lens.analyses.compare.attributes import ComparedCall, differences
from inception_lens.analyses.compare.parts import CountedGraph, pair
from inception_lens.analyses.paper.explanations import Layout, explanation
from inception_lens.analyses.paper.table1 import TABLE_1, Convention, PrintedRow, fits, patch_of, size_of
from inception_lens.graph import Graph
from inception_lens.ops import Dropout, format_shape

Verdict = Literal["reproduced", "known", "differs"]
"""known: no convention gives the printed figure, though the row's layers are those that the paper prints."""


class Cell(msgspec.Struct, frozen=True):
    """One printed figure, and the count that it stands for."""

    printed: str
    count: int
    """Weights, or MACs."""
    biases: int
    conventions: tuple[Convention, ...]
    """Those under which the count is written as it is printed."""
    verdict: Verdict
    note: str = ""
    """What is known of a figure that is not reproduced."""


class PaperRow(msgspec.Struct, frozen=True):
    """One row of the table, and what the network has in its place."""

    printed: PrintedRow
    calls: tuple[str, ...]
    """The network's calls."""
    output: tuple[int, ...] | None
    """Height, width and channels; None where the network has nothing there."""
    params: Cell | None
    ops: Cell | None
    unlike: tuple[str, ...]
    """In what the network's layers are not those that the paper prints."""

    @property
    def verdict(self) -> Verdict:
        """The worst of what is said of the row."""
        found = [cell.verdict for cell in (self.params, self.ops) if cell]
        if self.unlike or "differs" in found:
            return "differs"
        return "known" if "known" in found else "reproduced"


class Table(msgspec.Struct, frozen=True):
    """Table 1 beside a network."""

    rows: tuple[PaperRow, ...]
    best_params: tuple[Convention, int]
    """The one convention that gives most of the printed parameters, and how many."""
    best_ops: tuple[Convention, int]

    @property
    def holds(self) -> bool:
        """Whether every deviation is a known one."""
        return all(row.verdict != "differs" for row in self.rows)


def table_1(graph: Graph, paper: Graph) -> Table:
    """Put the printed table beside `graph`; `paper` is the network that it prints, from the catalogue.

    Rows are found by aligning `graph` with `paper`, whatever its calls are named. A figure is known not to be
    reproduced where `paper` does not reproduce it either and the row has as many weights, and MACs, as there.
    """
    network, reference = CountedGraph.of(graph), CountedGraph.of(paper)
    partner = partners(network, reference)
    calls = _rows_of(network, reference, partner)
    own = {row.module: [i for i, node in enumerate(paper.nodes) if _module(node.name) == row.module] for row in TABLE_1}
    pairs = {j: reference.call(i) for j, i in partner.items()}
    rows = tuple(_row(row, network, calls[row.module], pairs, reference, own[row.module]) for row in TABLE_1)
    return Table(rows, _best([row.params for row in rows]), _best([row.ops for row in rows]))


def _module(name: str) -> str:
    return name.partition("/")[0]


def partners(network: CountedGraph, paper: CountedGraph) -> dict[int, int]:
    """Places of the paper's calls by those of the network's that stand for them."""
    everything = [range(len(each.graph.nodes)) for each in (paper, network)]
    return {j: i for i, j in pair(paper, everything[0], network, everything[1]).alignment.pairs.items()}


def _rows_of(network: CountedGraph, paper: CountedGraph, partner: Mapping[int, int]) -> Mapping[str, list[int]]:
    """Places of the network's calls by the row that they belong to: their partner's, or that of the call before."""
    rows: dict[str, list[int]] = {row.module: [] for row in TABLE_1}
    module = TABLE_1[0].module
    for j in range(len(network.graph.nodes)):
        if j in partner:
            module = _module(paper.graph.nodes[partner[j]].name)
        rows[module].append(j)
    return rows


class Figures(msgspec.Struct, frozen=True):
    """What convolutions and linear layers have and do."""

    weights: int
    biases: int
    macs: int


def figures(network: CountedGraph, calls: Sequence[int]) -> Figures:
    """The sums over some calls; the table knows no other parameters than these."""
    weights = biases = macs = 0
    for i in calls:
        call = network.call(i)
        if call.op.category in ("conv", "linear"):
            for tensor in call.op.parameters(*call.inputs):
                weights += tensor.elements if tensor.role == "weight" else 0
                biases += tensor.elements if tensor.role == "bias" else 0
            macs += network.costs.macs[i] or 0
    return Figures(weights, biases, macs)


def _row(
    row: PrintedRow,
    network: CountedGraph,
    calls: Sequence[int],
    pairs: Mapping[int, ComparedCall],
    paper: CountedGraph,
    own: Sequence[int],
) -> PaperRow:
    found, printed = figures(network, calls), figures(paper, own)
    layout = _layout(row, paper, own)
    params = ops = None
    if row.params:
        ways = tuple(fits(row.params, found.weights, found.biases))
        known = found.weights == printed.weights and not any(fits(row.params, printed.weights, printed.biases))
        verdict: Verdict = "reproduced" if ways else "known" if known else "differs"
        note = explanation(layout, "params", row, found.weights) if verdict == "known" else ""
        params = Cell(row.params, found.weights, found.biases, ways, verdict, note)
    if row.ops:
        ways = tuple(fits(row.ops, found.macs))
        known = found.macs == printed.macs and not any(fits(row.ops, printed.macs))
        verdict = "reproduced" if ways else "known" if known else "differs"
        note = explanation(layout, "ops", row, found.macs) if verdict == "known" else ""
        ops = Cell(row.ops, found.macs, 0, ways, verdict, note)
    last = network.graph.nodes[calls[-1]].name if calls else ""
    output = size_of(network.graph.types[last][0].shape) if last else None
    names = tuple(network.graph.nodes[i].name for i in calls)
    named = tuple(_layers(network, calls, pairs))
    same = printed if named else found  # a layer that is told by name explains them
    unlike = (*named, *_unlike(row, network, calls, output, same, printed))
    return PaperRow(row, names, output, params, ops, unlike)


def _layout(row: PrintedRow, paper: CountedGraph, own: Sequence[int]) -> Layout:
    calls = [paper.call(i) for i in own]
    convolutions = [call for call in calls if call.op.category == "conv"]
    return Layout(
        channels=calls[0].inputs[0][1] if calls else 0,
        positions=row.output[0] * row.output[1],
        widths=tuple(call.output[1] for call in convolutions),
        kernels=tuple(getattr(call.op, "kernel_size", ()) for call in convolutions),
        reads=tuple(call.inputs[0][1] for call in convolutions),
    )


def _layers(network: CountedGraph, calls: Sequence[int], pairs: Mapping[int, ComparedCall]) -> Iterator[str]:
    """The layers whose kernel or width is not that of the paper's network, by name."""
    for i in calls:
        call = network.call(i)
        if call.op.category in ("conv", "linear"):
            if i not in pairs:
                yield f"{network.graph.nodes[i].name} is one layer more"
                continue
            for each in differences(pairs[i], call):
                if each.attribute in ("kernel", "out_channels", "out_features"):
                    values = [
                        format_shape(value) if isinstance(value, tuple) else f"{value:,}" for value in (each.b, each.a)
                    ]
                    what = "kernel" if each.attribute == "kernel" else "width"
                    yield f"{network.graph.nodes[i].name} has a {what} of {values[0]}, not {values[1]}"


def _unlike(
    row: PrintedRow,
    network: CountedGraph,
    calls: Sequence[int],
    output: tuple[int, ...] | None,
    found: Figures,
    printed: Figures,
) -> Iterator[str]:
    """In what the row's calls are not what the table prints."""
    if output is None:
        yield f"the network has no {row.type}"
        return
    if output != row.output:
        yield f"its output is {format_shape(output)}, not {format_shape(row.output)}"
    if found.weights != printed.weights:
        yield f"its layers have {found.weights:,} weights, those of the table {printed.weights:,}"
    if found.macs != printed.macs:
        yield f"its layers have {found.macs:,} MACs, those of the table {printed.macs:,}"
    operations = [network.call(i) for i in calls]
    for call in operations:
        if call.op.category == "pool" and row.type.endswith("pool"):
            window = call.op.window(call.inputs[0], call.output)
            patch = patch_of(window.kernel, window.stride) if window else ""
            whole = window is not None and window.kernel == call.inputs[0][2:]
            if patch != row.patch and not (whole and patch.partition("/")[0] == row.patch.partition("/")[0]):
                yield f"its patch is {patch}, not {row.patch}"
        if isinstance(call.op, Dropout) and row.module == "dropout" and call.op.p != 0.4:
            yield f"it drops {100 * call.op.p:g} %, not 40 %"


def _best(cells: Sequence[Cell | None]) -> tuple[Convention, int]:
    """The convention under which most cells are reproduced, the plainest of several, and how many they are."""
    counted = Counter(convention for cell in cells if cell for convention in cell.conventions)
    if not counted:
        return Convention(1, "rounded"), 0
    return min(counted.items(), key=lambda each: (-each[1], each[0].biases, each[0].rounding != "rounded"))
