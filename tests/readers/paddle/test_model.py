"""What a program's calls become: weights, biases, inputs and outputs in both formats; and errors."""

from __future__ import annotations

from pathlib import Path

import pytest

import inception_lens as il
from inception_lens.analyses.analysis import Analysis
from inception_lens.errors import FormatError
from inception_lens.graph import Inputs
from inception_lens.readers.paddle import pir
from inception_lens.readers.paddle import program_desc as program_desc_reader
from tests.readers.paddle.programs import (
    call,
    pir_call,
    pir_file,
    program_desc,
    small_pir,
    small_program,
    tensor,
)
from tests.readers.tensorflow.graph_defs import field


def read(tmp_path: Path, data: bytes, inputs: Inputs | None = None) -> Analysis:
    path = tmp_path / ("net.json" if data.startswith(b"{") else "net.pdmodel")
    path.write_bytes(data)
    return il.analyze(path, inputs)


def test_a_program(tmp_path: Path) -> None:
    found = read(tmp_path, small_program())
    assert [(each.name, each.op.kind) for each in found.graph.nodes] == [
        ("conv", "Conv2d"), ("bn", "BatchNorm2d"), ("relu", "ReLU"), ("pool", "AdaptiveAvgPool2d"),
        ("flat", "Flatten"), ("fc", "Linear"), ("softmax", "Softmax"),
    ]  # fmt: skip
    assert found.totals.params == 8 * 27 + 8 + 16 + 80 + 10
    assert found.totals.buffers == 16
    assert found.totals.macs == 8 * 8 * 8 * 27 + 80
    assert found.totals.exact


def test_a_program_in_json(tmp_path: Path) -> None:
    found = read(tmp_path, small_pir())
    assert [(each.name, each.op.label) for each in found.graph.nodes] == [
        ("Conv2D/conv2d", "3x3/2"),
        ("pool2d", "max 2x2/2"),
        ("relu", "ReLU"),
    ]
    assert found.totals.params == 8 * 27 + 8
    assert found.graph.inputs[0].name == "image"


def test_another_batch_and_size(tmp_path: Path) -> None:
    assert read(tmp_path, small_program(), (4, 3, 32, 32)).totals.macs == 4 * (16 * 16 * 8 * 27 + 80)
    assert read(tmp_path, small_pir(), {"image": (3, 8, 8)}).graph.inputs[0].type.shape == (1, 3, 8, 8)


IMAGE = tensor("x", (-1, 3, 8, 8))
FEED, FETCH = call("feed", {"X": "feed"}, "x"), call("fetch", {"X": "y"}, "fetch")


def test_an_unknown_operation_has_the_declared_shape_where_the_program_fixes_it(tmp_path: Path) -> None:
    weights = tensor("w", (5, 3, 1, 1), stored=True)
    conv = call("conv2d", {"Input": "odd", "Filter": "w"}, "y")
    odd = call("strange", {"X": "x"}, "odd")
    alike = read(tmp_path, program_desc([IMAGE, weights, tensor("odd", (-1, 3, 8, 8))], [FEED, odd, conv, FETCH]))
    assert alike.graph.types["y"][0].shape == (1, 5, 8, 8)
    assert not alike.totals.exact
    other = read(tmp_path, program_desc([IMAGE, weights, tensor("odd", (-1, 3, 4, 4))], [FEED, odd, conv, FETCH]))
    assert other.totals.params == 15
    assert not other.totals.macs_exact


def test_the_older_dropout_multiplies(tmp_path: Path) -> None:
    calls = [
        call("dropout", {"X": "x"}, "y", dropout_prob=0.5, dropout_implementation=kind)
        for kind in ("downgrade_in_infer", "upscale_in_train")
    ]
    kinds = [read(tmp_path, program_desc([IMAGE], [FEED, each, FETCH])).graph.nodes[0].op.kind for each in calls]
    assert kinds == ["mul", "Dropout"]


def test_pools_keep_a_window_that_starts_in_the_padding(tmp_path: Path) -> None:
    """Paddle's rule with `ceil_mode`, without PyTorch's exception: (8 - 2 + 2 + 2 - 1) / 2 + 1 = 5.5."""
    pool = call("pool2d", {"X": "x"}, "y", ksize=[2, 2], strides=[2, 2], paddings=[1, 1], ceil_mode=True)
    assert read(tmp_path, program_desc([IMAGE], [FEED, pool, FETCH])).graph.types["y"][0].shape == (1, 3, 5, 5)
    odd = program_desc([tensor("x", (-1, 3, 7, 7))], [FEED, pool, FETCH])
    assert read(tmp_path, odd).graph.types["y"][0].shape == (1, 3, 5, 5)


OLD = [IMAGE, tensor("w", (5, 4, 3, 3), stored=True)]


def one_call(kind: str, **attributes: object) -> bytes:
    """A program of one call."""
    return program_desc(OLD, [FEED, call(kind, {"X": "x"}, "y", **attributes), FETCH])


INVALID = {
    "it has no operations": program_desc([IMAGE], []),
    "`y` .conv2d.: weights of 5x4x3x3 do not fit": program_desc(
        OLD, [FEED, call("conv2d", {"Input": "x", "Filter": "w"}, "y"), FETCH]
    ),
    "input `Filter` is missing": program_desc(OLD, [FEED, call("conv2d", {"Input": "x"}, "y"), FETCH]),
    "`strides` has 3 sizes; expected 2": program_desc(
        OLD, [FEED, call("conv2d", {"Input": "x", "Filter": "w"}, "y", strides=[1, 1, 1]), FETCH]
    ),
    "cannot be reshaped": program_desc(OLD, [FEED, call("reshape2", {"X": "x"}, "y", shape=[7, -1]), FETCH]),
    "attribute `axis` is not an integer": program_desc(OLD, [FEED, call("softmax", {"X": "x"}, "y", axis="z"), FETCH]),
    "sizes that are not fixed": program_desc(
        [tensor("x", (-1, 3, -1, -1))], [FEED, call("relu", {"X": "x"}, "y"), FETCH]
    ),
    "attribute `alpha` is not a number": one_call("elu", alpha="x"),
    "attribute `mode` is not a text": one_call("pad2d", mode=1, paddings=[1, 1, 1, 1]),
    "attribute `shape` is not a list of integers": one_call("reshape2", shape="x"),
    "its inputs or attributes are invalid": one_call("pad", paddings=[1, 1, 1]),
    "an axis of 3 cannot be split into 2 equal parts": program_desc(
        OLD, [FEED, call("split", {"X": "x"}, ["y", "z"], axis=1), FETCH]
    ),
    "4 pairs of padding for a tensor of 2 axes": program_desc(
        [tensor("x", (1, 3))], [FEED, call("pad2d", {"X": "x"}, "y", paddings=[1, 1, 1, 1]), FETCH]
    ),
    "`paddings` is .1, 1, 1.; expected 2 or 4 sizes": one_call("pool2d", ksize=[2, 2], paddings=[1, 1, 1]),
    "has no output": program_desc(OLD, [FEED, call("relu", {"X": "x"}, "z"), FETCH]),
    "ProgramDesc: it has no block|program: it has no block": field(4, field(1, 0)) + field(5, b""),
    "more than 64 axes": program_desc([tensor("x", (1,) * 65)], [FEED]),
    "is not a Paddle program in JSON": b'{"base_code": {"magic": "pir"}, "program": []}',
    "it has no block": b'{"base_code": {"magic": "pir"}, "program": {"regions": []}}',
    "it has no operation": pir_file(pir_call("data", [], {1: (1,)}, name="x")),
}


@pytest.mark.parametrize("message", INVALID)
def test_invalid_programs_are_refused_in_one_line(tmp_path: Path, message: str) -> None:
    with pytest.raises(FormatError, match=message) as caught:
        read(tmp_path, INVALID[message])
    assert str(caught.value).startswith(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pir, "MAX_OPERATIONS", 5)
    with pytest.raises(FormatError, match="more than 5 operations"):
        read(tmp_path, small_pir())
    monkeypatch.setattr(program_desc_reader, "MAX_OPERATIONS", 5)
    with pytest.raises(FormatError, match="more than 5 operations"):
        read(tmp_path, small_program())
    monkeypatch.setattr(program_desc_reader, "MAX_LIST_LENGTH", 3)
    with pytest.raises(FormatError, match="attribute `paddings` has more than 3 numbers"):
        read(tmp_path, one_call("pool2d", paddings=[0, 0, 0, 0]))


def test_an_input_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"has no input `imag` .did you mean `image`"):
        read(tmp_path, small_program(), {"imag": (1, 3, 8, 8)})
    with pytest.raises(FormatError, match="has 4 axes, not 2"):
        read(tmp_path, small_program(), (3, 8))
