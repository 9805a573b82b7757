"""Which operations keep the spatial positions of a map, and the windows of those that have one."""

import pytest

from inception_lens import ops
from inception_lens.ops import Op, Shape, Window

MAP = (2, 4, 9, 7)
VECTOR = (2, 4)

KEPT: list[tuple[Op, Shape, bool]] = [
    (ops.Conv2d(6, (3, 3)), MAP, True),
    (ops.ConvTranspose2d(6, (3, 3)), MAP, False),
    (ops.Linear(3), MAP, False),
    (ops.Linear(3), VECTOR, True),
    (ops.MatMul(), MAP, False),
    (ops.ScaledDotProductAttention(), MAP, False),
    (ops.LSTM(3), (5, 2, 4), False),
    (ops.Embedding(5, 3), VECTOR, False),
    (ops.MaxPool2d((3, 3), (2, 2)), MAP, True),
    (ops.BatchNorm2d(), MAP, True),
    (ops.LayerNorm((7,)), MAP, False),
    (ops.LayerNorm((4,)), VECTOR, True),
    (ops.Softmax(1), MAP, True),
    (ops.Softmax(0), MAP, True),
    (ops.Softmax(2), MAP, False),
    (ops.Softmax(-1), MAP, False),
    (ops.Softmax(-1), VECTOR, True),
    (ops.Concat(1), MAP, True),
    (ops.Concat(-3), MAP, True),
    (ops.Concat(2), MAP, False),
    (ops.Stack(1), MAP, False),
    (ops.Reduce("mean", (2, 3)), MAP, True),
    (ops.Reduce("mean", (1,), keepdim=True), MAP, True),
    (ops.Reduce("mean", (1,)), MAP, False),
    (ops.Reduce("mean", (3,)), MAP, False),
    (ops.Reduce("mean"), MAP, False),
    (ops.Flatten(), MAP, True),
    (ops.Flatten(2), MAP, False),
    (ops.Flatten(1, 2), MAP, False),
    (ops.Flatten(0, -1), VECTOR, True),
    (ops.Slice(1, 0, 2), MAP, True),
    (ops.Slice(2, 0, 2), MAP, False),
    (ops.Select(2, 0), MAP, False),
    (ops.Reshape((2, -1)), MAP, False),
    (ops.Permute((0, 2, 3, 1)), MAP, False),
    (ops.Expand(MAP), MAP, False),
    (ops.Pad(((0, 0),) * 4), MAP, True),
    (ops.Upsample((18, 14)), MAP, False),
    (ops.PixelShuffle(2), MAP, False),
    (ops.PixelUnshuffle(3), (2, 4, 9, 6), True),
    (ops.Unknown("odd", ()), MAP, False),
]


@pytest.mark.parametrize(("op", "shape", "kept"), KEPT, ids=str)
def test_an_operation_keeps_positions(op: Op, shape: Shape, kept: bool) -> None:
    assert op.keeps_positions(shape) == kept


WINDOWS: list[tuple[Op, Shape, Window | None]] = [
    (ops.Pad(((0, 0), (0, 0), (1, 2), (3, 0))), MAP, Window((1, 1), (1, 1), (1, 3), (1, 1))),
    (ops.Pad(((0, 0), (0, 0), (1, 2))), (2, 4, 9), Window((1,), (1,), (1,), (1,))),
    (ops.Pad(((0, 0), (1, 2))), VECTOR, None),
    (ops.Reduce("sum", (2, 3)), MAP, Window((9, 7), (1, 1), (0, 0), (1, 1))),
    (ops.Reduce("sum", (3,)), MAP, Window((1, 7), (1, 1), (0, 0), (1, 1))),
    (ops.Reduce("sum", (1,)), MAP, None),
    (ops.Reduce("sum"), VECTOR, None),
    (ops.Flatten(), (2, 4, 9), Window((9,), (1,), (0,), (1,))),
    (ops.MaxPool2d((3, 3), (2, 2), (1, 1), dilation=(2, 1)), MAP, Window((3, 3), (2, 2), (1, 1), (2, 1))),
    (ops.Conv2d(6, (3, 5), (2, 1), ((0, 1), 2)), MAP, Window((3, 5), (2, 1), (0, 2), (1, 1))),
]


@pytest.mark.parametrize(("op", "shape", "window"), WINDOWS, ids=str)
def test_the_window_of_an_operation(op: Op, shape: Shape, window: Window | None) -> None:
    assert op.window(shape, ()) == window
