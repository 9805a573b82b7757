"""Flatten and the pixel shuffles."""

import pytest

from inception_lens.errors import ShapeError
from inception_lens.ops import Flatten, PixelShuffle, PixelUnshuffle, Saved, Shape, TensorType, Window


@pytest.mark.parametrize(
    ("shape", "start", "output"),
    [
        ((2, 8, 7, 7), 1, (2, 392)),
        ((2, 8, 7, 7), 2, (2, 8, 49)),
        ((2, 8, 7, 7), 0, (784,)),
        ((2, 8, 7, 7), 3, (2, 8, 7, 7)),
        ((2, 8), 1, (2, 8)),
    ],
)
def test_all_axes_from_the_first_one_named_become_one(shape: Shape, start: int, output: Shape) -> None:
    assert Flatten(start).output_shape(shape) == output
    assert TensorType(output).elements == TensorType(shape).elements


@pytest.mark.parametrize(("shape", "start"), [((2, 8), 2), ((), 0), ((2,), 1), ((2, 8), -1)])
def test_flatten_needs_an_existing_axis(shape: Shape, start: int) -> None:
    with pytest.raises(ShapeError, match=f"^Flatten from axis {start} of an input with {len(shape)} axes$"):
        Flatten(start).output_shape(shape)


def test_it_is_a_view_that_costs_nothing() -> None:
    shape, output = (2, 8, 7, 7), (2, 392)
    assert Flatten().reuses_input(training=False)
    assert Flatten().reuses_input(training=True)
    assert Flatten().macs((shape,), output) == Flatten().extra_flops((shape,), output) == 0
    assert Flatten().saved((TensorType(shape),), TensorType(output)) == Saved()


def test_the_window_of_flatten_is_the_map() -> None:
    assert Flatten().window((2, 8, 7, 5), (2, 280)) == Window((7, 5), (1, 1), (0, 0), (1, 1))
    assert Flatten().window((2, 8), (2, 8)) is None


@pytest.mark.parametrize(
    ("small", "large", "side"), [((2, 8, 3, 5), (2, 2, 6, 10), 2), ((1, 9, 1, 1), (1, 1, 3, 3), 3)]
)
def test_pixel_unshuffle_is_the_inverse_of_pixel_shuffle(small: Shape, large: Shape, side: int) -> None:
    assert PixelShuffle(side).output_shape(small) == large
    assert PixelUnshuffle(side).output_shape(large) == small
    assert PixelUnshuffle(side).window(large, small) == Window((side, side), (side, side), (0, 0), (1, 1))


@pytest.mark.parametrize("side", [0, -2, 3])
def test_a_pixel_shuffle_needs_channels_for_whole_blocks(side: int) -> None:
    with pytest.raises(ShapeError, match=f"^PixelShuffle by {side} of 8 channels"):
        PixelShuffle(side).output_shape((2, 8, 3, 5))


@pytest.mark.parametrize(
    ("side", "shape"), [(0, (1, 1, 4, 4)), (-1, (1, 1, 4, 4)), (2, (1, 1, 4, 5)), (2, (1, 1, 5, 4))]
)
def test_a_pixel_unshuffle_needs_a_map_of_whole_blocks(side: int, shape: Shape) -> None:
    with pytest.raises(ShapeError, match=f"^PixelUnshuffle by {side} of a "):
        PixelUnshuffle(side).output_shape(shape)


@pytest.mark.parametrize("op", [PixelShuffle(1), PixelUnshuffle(1)])
def test_pixel_shuffles_accept_images_and_copy_them(op: PixelShuffle | PixelUnshuffle) -> None:
    with pytest.raises(ShapeError, match="4 axes"):
        op.output_shape((4, 4, 4))
    assert not op.reuses_input(training=False)
    assert op.extra_flops(((1, 4, 4, 4),), (1, 4, 4, 4)) == 0
