"""What a file of weights holds, and what became of it, as text."""

from collections.abc import Sequence

from inception_lens.ops import format_shape
from inception_lens.readers.tensors import WeightFile, WeightTensor
from inception_lens.renderers.escape import csv_cell, printable
from inception_lens.tables.units import count, size
from inception_lens.writers.weights.conversion import ConversionReport

UNKNOWN = "?"


def weights_table(weights: WeightFile) -> str:
    """A line per tensor, and their sum; a size that nobody knows is `?`, and a sum that leaves it out says `>=`."""
    rows = [
        (printable(t.name), format_shape(t.shape) or "1", t.dtype, _size(t), printable(t.note)) for t in weights.tensors
    ]
    known = [tensor.bytes for tensor in weights.tensors if tensor.bytes is not None]
    least = ">= " if len(known) < len(rows) else ""
    elements = sum(tensor.elements for tensor in weights.tensors)
    lines = _aligned([("tensor", "shape", "dtype", "bytes", ""), *rows])
    total = f"{count(len(rows))} tensors, {count(elements)} numbers, {least}{size(sum(known))}"
    return "\n".join([f"{printable(weights.path)}: {weights.format}", "", *lines, "", total]) + "\n"


def weights_csv(weights: WeightFile) -> str:
    """A row per tensor, with exact integers."""
    rows = [
        ",".join(
            _quoted(cell) for cell in (t.name, format_shape(t.shape), t.dtype, "" if t.bytes is None else str(t.bytes))
        )
        for t in weights.tensors
    ]
    return "\n".join(["name,shape,dtype,bytes", *rows]) + "\n"


def placed_text(report: ConversionReport) -> str:
    """How many tensors found their places, and the name of every one that did not, on either side."""
    whole = len(report.placed) + len(report.missed)
    lines = [f"{printable(report.file)}: {len(report.placed)} of {whole} tensors placed in {printable(report.model)}"]
    if report.missed:
        lines += ["", f"not placed, {len(report.missed)}:"]
        lines += [f"  {printable(each.name)}: {printable(each.why)}" for each in report.missed]
    if report.unset:
        lines += ["", f"left unset, {len(report.unset)}:", *(f"  {printable(name)}" for name in report.unset)]
    return "\n".join(lines) + "\n"


def _size(tensor: WeightTensor) -> str:
    return UNKNOWN if tensor.bytes is None else count(tensor.bytes)


def _quoted(cell: str) -> str:
    cell = csv_cell(cell)
    return '"' + cell.replace('"', '""') + '"' if set(cell) & set(',"\n') else cell


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    return [
        f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:<{widths[2]}}  {row[3]:>{widths[3]}}  {row[4]}".rstrip()
        for row in rows
    ]
