"""Flatten."""

import pytest

from inception_lens.errors import ShapeError
from inception_lens.ops import Flatten, Saved, Shape, TensorType, Window


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
def test_the_first_axis_must_be_there(shape: Shape, start: int) -> None:
    with pytest.raises(ShapeError, match=f"^Flatten from axis {start} of an input with {len(shape)} axes$"):
        Flatten(start).output_shape(shape)


def test_it_is_a_view_that_costs_nothing() -> None:
    shape, output = (2, 8, 7, 7), (2, 392)
    assert Flatten().reuses_input(training=False)
    assert Flatten().reuses_input(training=True)
    assert Flatten().macs((shape,), output) == Flatten().extra_flops((shape,), output) == 0
    assert Flatten().saved((TensorType(shape),), TensorType(output)) == Saved()


def test_whoever_reads_the_vector_reads_the_whole_map() -> None:
    assert Flatten().window((2, 8, 7, 5), (2, 280)) == Window((7, 5), (1, 1), (0, 0), (1, 1))
    assert Flatten().window((2, 8), (2, 8)) is None
