"""The table of `list`: the catalogue."""

from collections.abc import Sequence

from inception_lens.analyses.catalogue import Sized
from inception_lens.tables.table import Cell, Column, Row, Table

COLUMNS = (
    Column(key="input", title="input", kind="shape", priority=2),
    Column(key="classes", title="classes", kind="count", priority=5),
    Column(key="params", title="params", kind="count"),
    Column(key="params_with_aux", title="params with heads", kind="count", priority=6),
    Column(key="macs", title="MACs", kind="large"),
    Column(key="macs_with_aux", title="MACs with heads", kind="large", audience="data"),
    Column(key="top1", title="top-1", kind="percent", priority=1),
    Column(key="top5", title="top-5", kind="percent", priority=4),
    Column(key="source", title="source", priority=3, min_width=18),
    Column(key="published_in", title="accuracy published in", priority=9),
)


def catalogue_table(networks: Sequence[Sized]) -> Table:
    """A row for each network: its size for one image of its native input, and its published accuracy."""
    return Table(
        title="Catalogue",
        label=Column(key="name", title="network"),
        columns=COLUMNS,
        rows=tuple([Row(network.name, _cells(network), category="conv") for network in networks]),
        notes=("top-1 and top-5: accuracy as published, in per cent; heads: auxiliary heads, used in training only",),
    )


def _cells(network: Sized) -> tuple[Cell, ...]:
    published = network.published
    return (
        network.input,
        network.classes,
        network.params,
        network.params_with_aux if network.params_with_aux > network.params else "",
        network.macs,
        network.macs_with_aux,
        (published and published.top1) or "",
        (published and published.top5) or "",
        network.source,
        published.source if published else "",
    )
