"""Convolution, against loops that count one multiplication at a time."""

from itertools import product
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inception_lens.errors import ShapeError
from inception_lens.ops import Conv2d, Parameter, Saved, Shape, TensorType, Window


class Case(NamedTuple):
    op: Conv2d
    shape: Shape
    macs: int
    params: int


KNOWN = [
    Case(Conv2d(128, (3, 3), padding=(1, 1)), (1, 64, 56, 56), 231_211_008, 73_856),
    Case(Conv2d(128, (3, 3), padding=(1, 1)), (4, 64, 56, 56), 924_844_032, 73_856),
    Case(Conv2d(128, (3, 3), padding=(1, 1), groups=8, bias=False), (1, 64, 28, 28), 7_225_344, 9_216),
    Case(Conv2d(64, (3, 3), padding=(1, 1), groups=64, bias=False), (1, 64, 28, 28), 451_584, 576),
    Case(Conv2d(8, (4, 4), padding="same", bias=False), (1, 8, 32, 32), 1_048_576, 1_024),
    Case(Conv2d(16, (3, 3), padding=(1, 1)), (1, 8, 16, 16), 294_912, 1_168),
]


@pytest.mark.parametrize("case", KNOWN)
def test_known_macs_and_parameters(case: Case) -> None:
    output = case.op.output_shape(case.shape)
    assert case.op.macs((case.shape,), output) == case.macs
    assert sum(parameter.elements for parameter in case.op.parameters(case.shape)) == case.params


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[Conv2d, Shape]:
    groups = draw(st.integers(1, 3))
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    op = Conv2d(
        groups * draw(st.integers(1, 2)),
        draw(pair),
        draw(pair),
        draw(st.tuples(st.integers(0, 1), st.tuples(st.integers(0, 2), st.integers(0, 2)))),
        draw(st.tuples(st.integers(1, 2), st.integers(1, 2))),
        groups,
        draw(st.booleans()),
    )
    sides = (draw(st.integers(5, 7)), draw(st.integers(5, 7)))
    return op, (draw(st.integers(1, 2)), groups * draw(st.integers(1, 2)), *sides)


def axis_starts(n: int, kernel: int, stride: int, pad: int | tuple[int, int], dilation: int) -> list[int]:
    before, after = pad if isinstance(pad, tuple) else (pad, pad)
    last_tap = dilation * (kernel - 1)
    return [start for start in range(-before, n + after, stride) if start + last_tap < n + after]


@given(given_conv=convolutions())
@settings(max_examples=60, deadline=None)
def test_macs_and_parameters_are_those_of_the_loops_of_a_convolution(given_conv: tuple[Conv2d, Shape]) -> None:
    op, (batch, channels, *sides) = given_conv
    assert isinstance(op.padding, tuple)
    ys, xs = map(axis_starts, sides, op.kernel_size, op.stride, op.padding, op.dilation)
    multiplications = additions_of_bias = 0
    weights = set()
    outputs = set()
    for n, c_out, y, x in product(range(batch), range(op.out_channels), ys, xs):
        outputs.add((n, c_out, y, x))
        additions_of_bias += op.bias
        group = c_out * op.groups // op.out_channels
        for c_in, tap in product(range(channels), product(*map(range, op.kernel_size))):
            if c_in * op.groups // channels == group:
                multiplications += 1
                weights.add((c_out, c_in, tap))
    shape = (batch, channels, *sides)
    output = op.output_shape(shape)
    assert output == (batch, op.out_channels, len(ys), len(xs))
    assert len(outputs) == TensorType(output).elements
    assert op.macs((shape,), output) == multiplications
    assert op.extra_flops((shape,), output) == additions_of_bias
    by_role = {parameter.role: parameter.elements for parameter in op.parameters(shape)}
    assert by_role == {"weight": len(weights)} | ({"bias": op.out_channels} if op.bias else {})


def test_a_weight_has_the_layout_of_pytorch() -> None:
    op = Conv2d(6, (3, 5), groups=2)
    assert op.parameters((1, 4, 9, 9)) == (Parameter("weight", (6, 2, 3, 5)), Parameter("bias", (6,)))


def test_by_default_the_stride_is_1_without_padding() -> None:
    assert Conv2d(4, (3, 3)) == Conv2d(4, (3, 3), (1, 1), (0, 0), (1, 1), 1, True)
    assert Conv2d(4, (3, 3)).output_shape((1, 2, 5, 7)) == (1, 4, 3, 5)


def test_a_1x1_convolution_of_stride_1_needs_no_window() -> None:
    alone = Conv2d(4, (1, 1))
    assert not alone.has_window
    assert alone.window((1, 2, 8, 8), (1, 4, 8, 8)) == Window((1, 1), (1, 1), (0, 0), (1, 1))
    assert Conv2d(4, (1, 2)).has_window
    assert Conv2d(4, (1, 1), (2, 1)).has_window
    assert Conv2d(4, (1, 1), padding=(0, 1)).has_window


def test_same_padding_is_computed_per_axis() -> None:
    op = Conv2d(4, (5, 5), (2, 2), "same")
    # 5 windows of 5 every 2 span 13 elements: 4 more than 9, 3 more than 10.
    assert op.window((1, 2, 9, 10), (1, 4, 5, 5)) == Window((5, 5), (2, 2), (2, 1), (1, 1))


def test_the_gradient_of_the_weights_needs_the_input() -> None:
    given_type = TensorType((1, 2, 8, 8))
    assert Conv2d(4, (1, 1)).saved((given_type,), TensorType((1, 4, 8, 8))) == Saved(inputs=True)


@pytest.mark.parametrize(
    ("channels", "out_channels", "groups"),
    [(6, 8, 4), (8, 6, 4), (1, 1, 2)],
)
def test_groups_must_divide_both_channels(channels: int, out_channels: int, groups: int) -> None:
    op = Conv2d(out_channels, (1, 1), groups=groups)
    with pytest.raises(
        ShapeError,
        match=rf"^{groups} groups must divide the {channels} input and the {out_channels} output channels$",
    ):
        op.output_shape((1, channels, 8, 8))


@pytest.mark.parametrize("shape", [(), (3,), (3, 8, 8), (1, 3, 8, 8, 8)])
def test_it_accepts_images_only(shape: Shape) -> None:
    seen = "x".join(map(str, shape)) or "a scalar"
    with pytest.raises(ShapeError, match=rf"^Conv2d expects an input of 4 axes \(N, C, H, W\), not {seen}$"):
        Conv2d(4, (1, 1)).output_shape(shape)


def test_the_label_is_the_kernel() -> None:
    assert Conv2d(64, (7, 7), (2, 2), (3, 3)).label == "7x7/2"
