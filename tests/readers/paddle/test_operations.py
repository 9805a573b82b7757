"""The operations of Paddle against Paddle.

`operations.pdmodel` and `operations.json` have calls of each, written by Paddle 3.3 in both of its formats (without the
paths of call stacks), and declare the shapes that Paddle inferred for all tensors.
"""

from __future__ import annotations

from math import prod
from pathlib import Path

import pytest

import inception_lens as il
from inception_lens.graph import Graph
from inception_lens.readers.onnx.values import OnnxValue
from inception_lens.readers.paddle import model
from inception_lens.readers.paddle.pir import read_pir
from inception_lens.readers.paddle.program import PaddleProgram
from inception_lens.readers.paddle.program_desc import read_program_desc

FILES = Path(__file__).parent
NAMES = ("operations.json", "operations.pdmodel")
NEVER_WRITTEN = {"linear_interp", "pad2d", "shape64", "sync_batch_norm", "trilinear_interp"}
"""Operations of other versions of Paddle, and of training on several devices."""


def program(name: str) -> PaddleProgram:
    data = (FILES / name).read_bytes()
    return read_pir(data) if name.endswith("json") else read_program_desc(memoryview(data))


@pytest.mark.parametrize("name", NAMES)
def test_all_shapes_are_those_that_paddle_inferred(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong: list[str] = []
    read = model.read_call

    def compared(call: model.PaddleReading) -> list[OnnxValue]:
        found = read(call)
        for output, value in zip(call.operation.outputs, found, strict=False):
            declared = call.program.tensors.get(output)
            sizes = declared.shape if declared is not None else None
            if sizes is not None and -1 not in sizes and sizes != value.shape:
                wrong.append(f"{call.operation.type}: {value.shape}, not {sizes}")
        return found

    monkeypatch.setattr(model, "read_call", compared)
    assert il.analyze(FILES / name).totals.exact
    assert wrong == []


def test_every_handler_has_a_case() -> None:
    written = {each.type for name in NAMES for each in program(name).operations}
    assert set(model.HANDLERS) - written == NEVER_WRITTEN


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_the_stored_tensors_but_statistics(name: str) -> None:
    found = program(name)
    read = {each for call in found.operations for names in call.inputs.values() for each in names}
    statistics = {
        each for call in found.operations if call.type.startswith("batch_norm") for each in call.inputs["Mean"]
    } | {each for call in found.operations if call.type.startswith("batch_norm") for each in call.inputs["Variance"]}
    sizes = {each: prod(found.tensors[each].shape or ()) for each in read if found.tensors[each].weight}
    totals = il.analyze(FILES / name).totals
    assert totals.params == sum(size for each, size in sizes.items() if each not in statistics)
    assert totals.buffers == sum(sizes[each] for each in statistics)


def macs(graph: Graph, kind: str) -> list[int | None]:
    return [facts.macs for node, facts in zip(graph.nodes, graph.facts, strict=True) if node.op.kind == kind]


@pytest.mark.parametrize("name", NAMES)
def test_multiply_accumulates_of_convolutions(name: str) -> None:
    graph = il.load(FILES / name)
    # 12 channels from 6 by 3x3 kernels of 2x9x8 maps: SAME with stride 2, VALID in two groups, dilated by 2, with
    # padding 1x2 and stride 2 in three groups, and with other padding on each side, depthwise
    maps = [2 * 5 * 4, 2 * 7 * 6, 2 * 7 * 6, 2 * 5 * 5, 2 * 8 * 9]
    expected = [area * 12 * channels * 9 for area, channels in zip(maps, (6, 3, 6, 2, 1), strict=True)]
    assert macs(graph, "Conv2d")[:5] == expected
    assert macs(graph, "ConvTranspose2d")[:3] == [2 * 72 * 6 * 4 * 9, 2 * 72 * 6 * 16, 2 * 72 * 6 * 4 * 9]
