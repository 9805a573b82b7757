"""What each operation refuses, and its message."""

import re

import pytest

from inception_lens import ops
from inception_lens.errors import ShapeError
from inception_lens.ops import Op, Shape, TensorType

IMAGE = (2, 4, 9, 7)

REFUSED: list[tuple[Op, tuple[Shape, ...], str]] = [
    (ops.Conv1d(6, (3,)), (IMAGE,), "Conv1d expects an input of 3 axes (N, C, L), not 2x4x9x7"),
    (ops.Conv2d(6, (3, 3), groups=3), (IMAGE,), "3 groups must divide the 4 input and the 6 output channels"),
    (ops.Conv2d(7, (3, 3), groups=2), (IMAGE,), "2 groups must divide the 4 input and the 7 output channels"),
    (ops.Conv2d(6, (3, 3), groups=0), (IMAGE,), "0 groups must divide"),
    (ops.Conv2d(6, (11, 3)), (IMAGE,), "a 11x3 kernel does not fit the 9x7 map: it needs at least 11x3"),
    (ops.Conv2d(6, (3,)), (IMAGE,), "expected one entry for each of the 2 axes of the map"),
    (ops.Conv2d(6, (3, 3), (1, 0)), (IMAGE,), "kernel 3x3, stride 1x0, dilation 1x1 must be at least 1"),
    (ops.Conv2d(6, (3, 3), padding=(0, -1)), (IMAGE,), "padding (0, -1) at least 0"),
    (ops.ConvTranspose2d(6, (3, 3), output_padding=(1,)), (IMAGE,), "an output padding of 1 sizes for a map of 2 axes"),
    (
        ops.ConvTranspose2d(6, (1, 1), padding=(5, 0)),
        (IMAGE,),
        "ConvTranspose2d would produce a map of -1x7: the padding is too large",
    ),
    (ops.Linear(3), ((),), "Linear expects an input with at least 1 axis, not a scalar"),
    (ops.MatMul(), ((2, 3), (4, 5)), "a matrix product of 2x3 and 4x5: the axes to sum over differ"),
    (ops.MatMul(), ((), (4, 5)), "a matrix product of  and 4x5"),
    (ops.MatMul(), ((2, 3, 4), (5, 4, 6)), "2 and 5 cannot be broadcast to one shape"),
    (ops.ScaledDotProductAttention(), ((2, 3), (4, 5), (4, 6)), "attention of q 2x3, k 4x5 and v 4x6"),
    (ops.ScaledDotProductAttention(), ((2, 3), (4, 3), (5, 6)), "the lengths of k and v, differ"),
    (ops.ScaledDotProductAttention(), ((3,), (4, 3), (4, 6)), "attention of q 3"),
    (ops.ScaledDotProductAttention(), ((2, 3), (1, 3), (1, 6), (2, 5)), "mask of 2x5 for scores of 2x1"),
    (ops.RNN(3), ((4,),), "RNN expects an input of 2 or 3 axes, (L, N, features), not 4"),
    (ops.LSTM(3, layers=0), ((5, 2, 4),), "0 layers of 3 units, projected to 0: LSTM has 1 to 10,000 layers"),
    (ops.LSTM(3, layers=10_001), ((5, 2, 4),), "10001 layers of 3 units"),
    (ops.GRU(0), ((5, 2, 4),), "1 layers of 0 units"),
    (ops.LSTM(3, proj_size=-1), ((5, 2, 4),), "projected to -1"),
    (ops.Embedding(-1, 3), ((2, 5),), "an embedding of -1 vectors"),
    (ops.MaxPool2d((3, 3), (0, 1)), (IMAGE,), "stride 0x1"),
    (
        ops.AvgPool3d((2, 2, 2), (1, 1, 1)),
        (IMAGE,),
        "AvgPool3d expects an input of 5 axes (N, C, D, H, W), not 2x4x9x7",
    ),
    (ops.AdaptiveAvgPool2d((0, 4)), (IMAGE,), "an adaptive pool to 0x4: expected 2 sizes of at least 1"),
    (ops.AdaptiveMaxPool2d((4,)), (IMAGE,), "an adaptive pool to 4: expected 2 sizes of at least 1"),
    (ops.BatchNorm1d(), (IMAGE,), "BatchNorm1d expects an input of 2 or 3 axes (N, C, L), not 2x4x9x7"),
    (ops.BatchNorm2d(), ((2, 4),), "BatchNorm2d expects an input of 4 axes"),
    (ops.BatchNorm3d(), (IMAGE,), "BatchNorm3d expects an input of 5 axes"),
    (ops.LayerNorm((9,)), (IMAGE,), "LayerNorm over 9 of an input of 2x4x9x7: the last axes must be equal"),
    (ops.RMSNorm(()), (IMAGE,), "RMSNorm over  of an input"),
    (ops.GroupNorm(2), ((4,),), "GroupNorm expects an input of 2 axes or more, (N, C, ...), not 4"),
    (ops.GroupNorm(3), (IMAGE,), "3 groups must divide the 4 channels"),
    (ops.GroupNorm(0), (IMAGE,), "0 groups must divide the 4 channels"),
    (ops.InstanceNorm(), ((),), "InstanceNorm expects an input of 2 axes or more, (N, C, ...), not a scalar"),
    (ops.LocalResponseNorm(), ((2, 4),), "LocalResponseNorm expects an input of 3 axes or more, (N, C, ...), not 2x4"),
    (ops.PReLU(slopes=0), (IMAGE,), "a PReLU with 0 slopes: it needs at least 1"),
    (ops.Softmax(4), (IMAGE,), "Softmax over axis 4 of an input with 4 axes"),
    (ops.Elementwise("convolve"), (IMAGE,), "`convolve` is not an element-wise function of known cost"),
    (
        ops.Elementwise("add", numbers=(1.0, 2.0)),
        (IMAGE,),
        "`add` is called on 1 tensors with the arguments (1.0, 2.0)",
    ),
    (ops.Elementwise("add"), (IMAGE, (2, 4)), "2x4x9x7 and 2x4 cannot be broadcast to one shape"),
    (ops.Reduce("median"), (IMAGE,), "`median` is not a reduction of known cost"),
    (ops.Reduce("sum", (4,)), (IMAGE,), "sum over axes (4,) of an input with 4 axes"),
    (ops.Reduce("sum", (-5,)), (IMAGE,), "sum over axes (-5,) of an input with 4 axes"),
    (ops.Concat(4), (IMAGE, IMAGE), "Concat along axis 4 of inputs with 4 axes"),
    (ops.Concat(), (IMAGE, (2, 4, 9, 8)), "every other axis must agree, but 2x4x9x8 is not 2x4x9x7"),
    (ops.Add(), (IMAGE, (1, 4, 9, 7)), "Add of 2x4x9x7 and 1x4x9x7: the shapes must be equal"),
    (ops.Stack(5), (IMAGE, IMAGE), "Stack along axis 5 of 2x4x9x7 and 2x4x9x7"),
    (ops.Stack(), (IMAGE, (1, 4, 9, 7)), "Stack along axis 0 of 2x4x9x7 and 1x4x9x7"),
    (ops.Flatten(4), (IMAGE,), "Flatten from axis 4 of an input with 4 axes"),
    (ops.Flatten(2, 1), (IMAGE,), "Flatten of axes 2 to 1 of an input with 4 axes"),
    (ops.Flatten(1, 4), (IMAGE,), "Flatten of axes 1 to 4 of an input with 4 axes"),
    (ops.Reshape((-1, -1)), (IMAGE,), "2x4x9x7 cannot be reshaped to -1x-1"),
    (ops.Reshape((-1, 5)), (IMAGE,), "2x4x9x7 cannot be reshaped to -1x5"),
    (ops.Reshape((-1, 0)), (IMAGE,), "2x4x9x7 cannot be reshaped to -1x0"),
    (ops.Reshape((2, 5)), (IMAGE,), "2x4x9x7 has 504 elements, 2x5 has 10"),
    (ops.Permute((0, 1, 2)), (IMAGE,), "Permute to (0, 1, 2) of an input with 4 axes"),
    (ops.Permute((0, 1, 1, 3)), (IMAGE,), "Permute to (0, 1, 1, 3) of an input with 4 axes"),
    (ops.Expand((4, 9, 7)), (IMAGE,), "2x4x9x7 cannot be expanded to 4x9x7"),
    (ops.Expand((3, 4, 9, 7)), (IMAGE,), "2x4x9x7 cannot be expanded to 3x4x9x7"),
    (ops.Slice(4, 0, 1), (IMAGE,), "Slice 0:1:1 of axis 4 of 2x4x9x7"),
    (ops.Slice(1, 0, 5), (IMAGE,), "Slice 0:5:1 of axis 1 of 2x4x9x7"),
    (ops.Slice(1, 3, 2), (IMAGE,), "Slice 3:2:1 of axis 1 of 2x4x9x7"),
    (ops.Slice(1, -1, 2), (IMAGE,), "Slice -1:2:1 of axis 1 of 2x4x9x7"),
    (ops.Slice(1, 0, 2, 0), (IMAGE,), "Slice 0:2:0 of axis 1 of 2x4x9x7"),
    (ops.Select(4, 0), (IMAGE,), "Select 0 of axis 4 of 2x4x9x7"),
    (ops.Select(1, 4), (IMAGE,), "Select 4 of axis 1 of 2x4x9x7"),
    (ops.Select(1, -5), (IMAGE,), "Select -5 of axis 1 of 2x4x9x7"),
    (ops.Pad(((0, 0),)), (IMAGE,), "Pad of 1 axes for an input with 4 axes"),
    (ops.Pad(((0, 0), (0, 0), (-5, -5), (0, 0))), (IMAGE,), "removes more elements than 2x4x9x7 has"),
    (ops.Upsample((18,)), (IMAGE,), "Upsample of 2x4x9x7 to 18: the numbers of spatial axes differ"),
    (ops.PixelShuffle(3), (IMAGE,), "PixelShuffle by 3 of 4 channels: they must be a multiple of its square"),
    (ops.PixelUnshuffle(3), (IMAGE,), "PixelUnshuffle by 3 of a 9x7 map: it must divide both sides"),
    (ops.Unknown("odd", ()), (IMAGE,), "odd declares no output; expected at least 1"),
    (ops.Declared("odd", (TensorType((1,)),), -1), (IMAGE,), "odd declares -1 MACs and 0 FLOPs"),
    (ops.Declared("odd", (TensorType((1,)),), 0, -2), (IMAGE,), "odd declares 0 MACs and -2 FLOPs"),
]


@pytest.mark.parametrize(("op", "shapes", "message"), REFUSED, ids=str)
def test_an_operation_refuses_what_it_cannot_take(op: Op, shapes: tuple[Shape, ...], message: str) -> None:
    with pytest.raises(ShapeError, match=re.escape(message)):
        op.output_types(tuple(map(TensorType, shapes)))
