"""The table of `summary` of several models: a row for each."""

from collections.abc import Sequence

from inception_lens.analyses.analysis import Analysis
from inception_lens.ops import Shape
from inception_lens.tables.summary import CONVENTION
from inception_lens.tables.table import Cell, Column, Row, Table, bound

COLUMNS = (
    Column(key="input", title="input", kind="sample_shape", priority=6),
    Column(key="params", title="params", kind="count"),
    Column(key="buffers", title="buffers", kind="count", audience="data"),
    Column(key="macs", title="MACs", kind="large"),
    Column(key="flops", title="FLOPs", kind="large", priority=3),
    Column(key="weight_bytes", title="weights", kind="bytes", priority=4),
    Column(key="activation_bytes", title="activations", kind="bytes", priority=5),
    Column(key="peak_activation_bytes", title="peak activations", kind="bytes", priority=1),
    Column(key="receptive_field", title="receptive field", kind="count", unit="px", priority=2),
)


def models_table(analyses: Sequence[Analysis]) -> Table:
    """The totals of each network."""
    return Table(
        title="totals of each network",
        subtitle=", ".join(dict.fromkeys([each.graph.mode for each in analyses])),
        label=Column(key="name", title="network", min_width=24),
        columns=COLUMNS,
        rows=tuple([Row(each.graph.name, _cells(each)) for each in analyses]),
        notes=(CONVENTION,),
    )


def _cells(analysis: Analysis) -> tuple[Cell, ...]:
    totals = analysis.totals
    inputs: tuple[Shape, ...] = tuple([each.type.shape for each in analysis.graph.inputs])

    return (
        inputs[0] if inputs else "",
        bound(totals.params, totals.params_exact),
        totals.buffers,
        bound(totals.macs, totals.macs_exact),
        bound(totals.flops, totals.exact),
        bound(totals.weight_bytes, totals.params_exact),
        bound(totals.activation_bytes, totals.activations_exact) if analysis.is_run else None,
        bound(totals.peak_activation_bytes, totals.activations_exact) if analysis.is_run else None,
        analysis.whole.receptive_field if analysis.layers else None,
    )
