"""The tables of `weights`: the tensors of a weight file, and what its conversion did not place."""

from inception_lens.readers.tensors import WeightFile
from inception_lens.tables.table import AtLeast, Cell, Column, Row, Table
from inception_lens.tables.units import count, size
from inception_lens.writers.weights.conversion import ConversionReport

COLUMNS = (
    Column(key="shape", title="shape", kind="shape"),
    Column(key="dtype", title="dtype"),
    Column(key="bytes", title="bytes", kind="count"),
    Column(key="note", title="note", min_width=20),
)


def weights_table(weights: WeightFile) -> Table:
    """A row for each tensor, and the sum of their bytes."""
    tensors = weights.tensors
    known = [tensor.bytes for tensor in tensors if tensor.bytes is not None]
    complete = len(known) == len(tensors)
    total: Cell = sum(known) if complete else AtLeast(sum(known))
    elements = sum([tensor.elements for tensor in tensors])
    return Table(
        title=f"{weights.path}: {weights.format}",
        label=Column(key="name", title="tensor"),
        columns=COLUMNS,
        rows=tuple([Row(each.name, (each.shape, each.dtype, each.bytes, each.note)) for each in tensors]),
        totals=(Row("total", ("", "", total, "")),),
        notes=(
            f"{count(len(tensors))} tensors, {count(elements)} elements, {'' if complete else '>= '}{size(sum(known))}",
        ),
    )


def conversion_table(report: ConversionReport) -> Table:
    """The tensors of the file that were not placed, and the tensors of the network that the file does not set."""
    missed = [Row(each.name, ("not placed", each.why)) for each in report.missed]
    unset = [Row(name, ("not set", "")) for name in report.unset]
    tensors = len(report.placed) + len(report.missed)
    return Table(
        title=f"{report.file}: {len(report.placed)} of {tensors} tensors placed in {report.model}",
        label=Column(key="name", title="tensor", min_width=30),
        columns=(Column(key="status", title="status"), Column(key="reason", title="reason", min_width=24)),
        rows=(*missed, *unset),
    )
