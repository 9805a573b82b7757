"""Every network of the catalogue, layer by layer, against an independent record of it.

The files in `reference/` hold one line per layer of each published network, batch norm and activation fused into the
convolution before them, with their source at the top. `params` are weights, biases and learned batch-norm parameters.
"""

from pathlib import Path
from typing import NamedTuple

import pytest

from inception_lens.analyses.analysis import analyze
from inception_lens.analyses.records import Layer
from inception_lens.architectures.catalogue import entries
from inception_lens.ops import format_shape

ENTRIES = {entry.name: entry for entry in entries()}

REFERENCE = Path(__file__).parent / "reference"
NAMES = sorted(path.stem for path in REFERENCE.glob("*.txt"))

KINDS = {
    "Conv2d": "conv",
    "Linear": "fc",
    "MaxPool2d": "max_pool",
    "AvgPool2d": "avg_pool",
    "AdaptiveAvgPool2d": "avg_pool",
    "LocalResponseNorm": "lrn",
    "Dropout": "dropout",
    "Concat": "concat",
    "Add": "add",
}
FREE = {"activation", "shape"}
"""Categories that the records leave out."""


class Line(NamedTuple):
    section: str
    op: str
    kernel: str
    stride: str
    output: str
    params: int
    statistics: int
    macs: int


def recorded(name: str) -> list[Line]:
    lines = [line.split() for line in (REFERENCE / f"{name}.txt").read_text().splitlines() if not line.startswith("#")]
    return [
        Line(section, op, kernel, stride, output, int(params), int(statistics), int(macs))
        for section, op, kernel, stride, _groups, output, params, statistics, macs in lines[1:]
    ]


def counted(layers: tuple[Layer, ...]) -> list[Line]:
    lines: list[Line] = []
    for layer in layers:
        if layer.category in FREE:
            continue
        if layer.op == "BatchNorm2d":
            last = lines[-1]
            params, statistics = last.params + (layer.params or 0), last.statistics + layer.buffers
            lines[-1] = last._replace(params=params, statistics=statistics)
            continue
        shape = (layer.output_shape or ())[1:]
        head = layer.name.partition("/")[0].lower().replace("logits", "")
        section = head if head.startswith("aux") else "main"
        lines.append(
            Line(
                section,
                KINDS[layer.op],
                format_shape(layer.kernel) if layer.kernel else "-",
                format_shape(layer.stride) if layer.stride else "-",
                format_shape(shape if len(shape) == 3 else (*shape, 1, 1)),
                layer.params or 0,
                layer.buffers,
                layer.macs or 0,
            )
        )
    return lines


def comparable(line: Line, other: Line) -> Line:
    """The line without what the other one lacks: a record may leave out the kernel of a global pool."""
    return line._replace(kernel="-", stride="-") if other.kernel == "-" else line


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", ["inference", "training"])
def test_layers_equal_those_of_the_record(name: str, mode: str) -> None:
    graph = ENTRIES[name].config.graph("training" if mode == "training" else "inference")
    expected = [line for line in recorded(name) if mode == "training" or line.section == "main"]
    lines = counted(analyze(graph).layers)
    assert len(lines) == len(expected)
    for line, record in zip(lines, expected, strict=True):
        assert comparable(line, record) == record


def test_every_network_with_a_record_is_in_the_catalogue() -> None:
    assert set(NAMES) <= set(ENTRIES)
    assert len(NAMES) >= 6
