"""Darknet's layers, with their sizes in Darknet's sources, and whole networks; and errors."""

from __future__ import annotations

from pathlib import Path

import pytest

import inception_lens as il
from inception_lens.analyses.analysis import Analysis
from inception_lens.errors import FormatError
from inception_lens.graph import Inputs
from inception_lens.ops import Shape
from tests.readers.darknet.darknet_configs import conv, net, section, small, yolov3


def read(tmp_path: Path, text: str, inputs: Inputs | None = None) -> Analysis:
    path = tmp_path / "net.cfg"
    path.write_text(text)
    return il.analyze(path, inputs)


def test_yolo_v3(tmp_path: Path) -> None:
    """Darknet prints 65.86 BFLOPs, two per multiply-accumulate; its file of weights holds 62,001,757 numbers."""
    found = read(tmp_path, yolov3())
    assert found.totals.params == 61_949_149
    assert found.totals.params + found.totals.buffers == 62_001_757
    assert f"{2 * found.totals.macs / 1e9:.2f}" == "65.86"
    shapes = [found.graph.types[each.node][0].shape for each in found.graph.outputs]
    assert shapes == [(1, 255, side, side) for side in (13, 26, 52)]
    assert found.totals.exact


def test_another_size_of_the_image(tmp_path: Path) -> None:
    found = read(tmp_path, yolov3(), (2, 3, 608, 608))
    assert f"{found.totals.macs / 1e9:.2f}" == "140.69"


def test_layers_are_named_by_type_and_number(tmp_path: Path) -> None:
    found = read(tmp_path, small())
    assert [each.name for each in found.graph.nodes][:6] == [
        "convolutional_0/conv", "convolutional_0/batch_norm", "convolutional_0/leaky", "maxpool_1", "route_2/group",
        "convolutional_3/conv",
    ]  # fmt: skip
    # 3x3x3x8 and 16, a convolution of the 4 channels of a group and its bias, and 32 channels of four positions each
    assert found.totals.params == 216 + 16 + 148 + 10 * (8 * 4) + 10


def shape_of(tmp_path: Path, text: str, size: tuple[int, int] = (32, 24)) -> Shape:
    found = read(tmp_path, net(*size) + text)
    return found.graph.types[found.graph.outputs[-1].node][0].shape


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (section("convolutional", filters=5, size=3, stride=2), (1, 5, 11, 15)),
        (section("convolutional", filters=5, size=3, stride=2, padding=2), (1, 5, 13, 17)),
        (section("convolutional", filters=5, size=4, pad=1), (1, 5, 25, 33)),
        (section("convolutional", filters=5, size=3, pad=1, dilation=4), (1, 5, 24, 32)),
        (section("convolutional", filters=6, size=1, groups=3, stride_x=2), (1, 6, 24, 16)),
        (section("deconvolutional", filters=5, size=4, stride=2, pad=1), (1, 5, 46, 62)),
        (section("maxpool", size=2, stride=2), (1, 3, 12, 16)),
        (section("maxpool", size=2, stride=1), (1, 3, 24, 32)),
        (section("maxpool", size=3, stride=2), (1, 3, 12, 16)),
        (section("maxpool", size=3, stride=2, padding=0), (1, 3, 11, 15)),
        (section("maxpool", stride=4), (1, 3, 6, 8)),
        (section("local_avgpool", size=2, stride=2), (1, 3, 12, 16)),
        (section("local", filters=4, size=3, stride=1, pad=1), (1, 4, 24, 32)),
        (section("local", filters=4, size=3, stride=2), (1, 4, 11, 15)),
        (section("avgpool"), (1, 3, 1, 1)),
        (section("reorg", stride=4), (1, 48, 6, 8)),
        (conv(8, 1) + section("reorg", stride=2, reverse=1), (1, 2, 48, 64)),
        (section("reorg", stride=1, extra=5), (1, 3 * 24 * 32 + 5)),
        (section("upsample"), (1, 3, 48, 64)),
        (section("crop", crop_width=28, crop_height=20), (1, 3, 20, 28)),
        (section("connected", output=7) + conv(4, 1), (1, 4, 1, 1)),
        (section("maxpool", stride=2) + conv(4, 1) + section("route", layers="-1,0"), (1, 7, 12, 16)),
        (section("maxpool", stride=2) + section("maxpool", stride=2) + section("route", layers="-1,-2"), (1, 720)),
        (conv(25, 1) + section("region", num=1, classes=20, coords=4, softmax=1), (1, 25, 24, 32)),
        (section("softmax", groups=3), (1, 2304)),
        (section("softmax", spatial=1), (1, 3, 24, 32)),
    ],
)
def test_shapes(tmp_path: Path, text: str, expected: Shape) -> None:
    assert shape_of(tmp_path, text) == expected


def test_a_last_window_that_does_not_read_padding_has_none(tmp_path: Path) -> None:
    pool = read(tmp_path, net(32, 24) + section("maxpool", size=2, stride=2)).graph.nodes[0].op
    assert getattr(pool, "padding", None) == (0, 0)


def test_multiply_accumulates_and_parameters_of_a_local_layer(tmp_path: Path) -> None:
    totals = read(tmp_path, net(8, 8) + section("local", filters=4, size=3, activation="linear")).totals
    assert totals.macs == 6 * 6 * 4 * 3 * 9
    assert totals.params == 6 * 6 * 4 * 3 * 9 + 6 * 6 * 4
    assert totals.flops == 2 * totals.macs + 6 * 6 * 4


def test_a_shortcut_of_another_shape_adds_the_part_that_both_have(tmp_path: Path) -> None:
    found = read(tmp_path, net(8, 8) + conv(4, 1) + conv(8, 1, 2) + section("shortcut", **{"from": -2}))
    assert found.graph.types["shortcut_2/add"][0].shape == (1, 8, 4, 4)
    assert found.layers[-1].flops == 4 * 4 * 4


def test_shared_convolutions_count_once(tmp_path: Path) -> None:
    shared = section("convolutional", filters=3, size=3, pad=1, activation="linear", share_index=0)
    first = section("convolutional", filters=3, size=3, pad=1, activation="linear")
    assert read(tmp_path, net(8, 8) + first + shared).totals.params == 84
    assert read(tmp_path, net(8, 8) + first + first).totals.params == 168


def test_layers_without_a_rule_are_unknown_and_so_is_what_follows(tmp_path: Path) -> None:
    found = read(tmp_path, net(8, 8) + conv(4, 1) + section("crnn", output=8) + conv(8, 3))
    assert [each.op.kind for each in found.graph.nodes][3:] == ["crnn", "convolutional"]
    assert not found.totals.exact
    assert not found.totals.params_exact


def test_the_text_is_read_as_darknet_reads_it(tmp_path: Path) -> None:
    text = "# comment\n[net]\nwidth = 8 # eight\n height=8\n; comment\nchannels=3\n\n[ conv ]\nfilters=4\nfilters=9\n"
    text += "size=x1\n"
    with pytest.raises(FormatError, match=r"net.cfg:8: .*`size` is 0; expected 1"):
        read(tmp_path, text)
    found = read(tmp_path, text.replace("size=x1", "size=1"))
    assert found.graph.types["convolutional_0/conv"][0].shape == (1, 4, 8, 8)


NET = net(8, 8)
INVALID = {
    r"net.cfg:1: is not a Darknet config": section("convolutional"),
    r"net.cfg:8: `oops` is neither a section nor key=value": NET + "\noops\n".lstrip("\n"),
    r"\[net\] has no `height`": section("net", batch=1),
    r"has no layers": NET,
    r"layer -2 is not one of the 1 before this one": NET + conv(4, 1) + section("route", layers=-2),
    r"`layers` is a,b; expected integers": NET + conv(4, 1) + section("route", layers="a,b"),
    r"3 boxes of 4 \+ 1 \+ 80 channels do not fit 4 channels": NET
    + conv(4, 1)
    + section("yolo", mask="0,1,2", classes=80),
    r"kernel": NET + section("convolutional", filters=1, size=9),
    r"`filters` is 9000000; expected 1 to 1,048,576": NET + section("convolutional", filters=9_000_000, size=1),
    r"layer 0 has no convolution": NET + section("maxpool") + section("convolutional", size=1, share_index=0),
    r"5 groups must divide 192 elements": NET + section("softmax", groups=5),
    r"a kernel of 9 is larger than the map of 8x8": NET + section("local", size=9),
    r"has no `layers`": NET + section("route"),
    r"has no `from`": NET + conv(4, 1) + section("shortcut"),
    r"needs one layer in `from`": NET + conv(4, 1) + section("sam"),
    r"`stride` is 0": NET + section("upsample", stride=0),
    r"a stride of 3 does not divide 3x8x8": NET + section("reorg", stride=3),
    r"`crop_height` is 9, but the map has 8": NET + section("crop", crop_height=9, crop_width=9),
    r"more than 10,000 sections": NET + "[dropout]\n" * 10_000,
    r"2 groups must divide the 3 input": NET + section("convolutional", filters=4, size=1, groups=2),
}


@pytest.mark.parametrize("message", INVALID)
def test_invalid_configs_are_refused_in_one_line(tmp_path: Path, message: str) -> None:
    with pytest.raises(FormatError, match=message) as caught:
        read(tmp_path, INVALID[message])
    assert "\n" not in str(caught.value)


def test_an_input_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="has no input `data`"):
        read(tmp_path, small(), {"data": (1, 3, 8, 8)})
    with pytest.raises(FormatError, match="has 4 axes, not 2"):
        read(tmp_path, small(), (3, 8))
