"""Checks of shapes that operations share."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inception_lens.errors import ShapeError
from inception_lens.ops import Shape, broadcast
from inception_lens.ops.base import check_rank, wrong_rank

SHAPES = st.lists(st.sampled_from([0, 1, 1, 2, 3]), max_size=4).map(tuple)


@given(st.lists(SHAPES, min_size=1, max_size=4))
def test_broadcast_is_that_of_numpy(shapes: list[Shape]) -> None:
    try:
        expected = np.broadcast_shapes(*shapes)
    except ValueError:
        with pytest.raises(ShapeError, match=r"cannot be broadcast to one shape$"):
            broadcast(*shapes)
        return
    assert broadcast(*shapes) == expected


@given(SHAPES, st.integers(1, 3))
def test_a_rank_is_that_of_batch_channels_and_map(shape: Shape, dimensions: int) -> None:
    if len(shape) == dimensions + 2:
        check_rank("Op", shape, dimensions)
        return
    axes = {1: "3 axes (N, C, L)", 2: "4 axes (N, C, H, W)", 3: "5 axes (N, C, D, H, W)"}[dimensions]
    with pytest.raises(ShapeError) as error:
        check_rank("Op", shape, dimensions)
    assert str(error.value).startswith(f"Op expects an input of {axes}, not ")


def test_a_wrong_rank_is_returned_and_not_raised() -> None:
    assert str(wrong_rank("Op", (), "2 axes")) == "Op expects an input of 2 axes, not a scalar"
    assert str(wrong_rank("Op", (2, 3), "3 axes")) == "Op expects an input of 3 axes, not 2x3"
