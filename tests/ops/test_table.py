"""The table of operations is complete, and each operation in each of its forms returns values of the right kind."""

import importlib
import pkgutil
from math import prod
from typing import get_args

import pytest

from inception_lens import ops
from inception_lens.ops import (
    BYTES_PER_ELEMENT,
    OPS,
    Category,
    Declared,
    Elementwise,
    Op,
    Parameter,
    Reduce,
    Stored,
    TensorType,
    Unknown,
    Window,
    format_shape,
)
from inception_lens.renderers import theme

IMAGE = TensorType((2, 4, 9, 7))
SEQUENCE = TensorType((2, 4, 9))
VOLUME = TensorType((2, 4, 5, 9, 7))

SAMPLES: dict[type[Op], tuple[Op, tuple[TensorType, ...]]] = {
    ops.Conv1d: (ops.Conv1d(6, (3,), (2,), (1,)), (SEQUENCE,)),
    ops.Conv2d: (ops.Conv2d(6, (3, 3), (2, 1), (1, 0), groups=2), (IMAGE,)),
    ops.Conv3d: (ops.Conv3d(6, (3, 3, 3), padding=(1, 1, 0)), (VOLUME,)),
    ops.ConvTranspose1d: (ops.ConvTranspose1d(6, (3,), (2,)), (SEQUENCE,)),
    ops.ConvTranspose2d: (ops.ConvTranspose2d(6, (3, 3), (2, 2), (1, 1), groups=2, output_padding=(1, 1)), (IMAGE,)),
    ops.ConvTranspose3d: (ops.ConvTranspose3d(6, (3, 3, 3)), (VOLUME,)),
    ops.Linear: (ops.Linear(5), (IMAGE,)),
    ops.MatMul: (ops.MatMul(), (IMAGE, TensorType((7, 3)))),
    ops.ScaledDotProductAttention: (ops.ScaledDotProductAttention(), (IMAGE, IMAGE, IMAGE)),
    ops.RNN: (ops.RNN(3), (SEQUENCE,)),
    ops.LSTM: (ops.LSTM(5, layers=2, bidirectional=True, proj_size=3), (SEQUENCE,)),
    ops.GRU: (ops.GRU(3, batch_first=True, bias=False), (SEQUENCE,)),
    ops.Embedding: (ops.Embedding(10, 3), (TensorType((2, 5), "int64"),)),
    ops.MaxPool1d: (ops.MaxPool1d((3,), (2,)), (SEQUENCE,)),
    ops.MaxPool2d: (ops.MaxPool2d((3, 3), (2, 2), indices=True), (IMAGE,)),
    ops.MaxPool3d: (ops.MaxPool3d((3, 3, 3), (2, 2, 2), dilation=(2, 1, 1)), (VOLUME,)),
    ops.AvgPool1d: (ops.AvgPool1d((3,), (2,)), (SEQUENCE,)),
    ops.AvgPool2d: (ops.AvgPool2d((3, 2), (1, 2), "same"), (IMAGE,)),
    ops.AvgPool3d: (ops.AvgPool3d((3, 3, 3), (2, 2, 2), (1, 1, 1)), (VOLUME,)),
    ops.AdaptiveAvgPool1d: (ops.AdaptiveAvgPool1d((2,)), (SEQUENCE,)),
    ops.AdaptiveAvgPool2d: (ops.AdaptiveAvgPool2d((2, 3)), (IMAGE,)),
    ops.AdaptiveAvgPool3d: (ops.AdaptiveAvgPool3d(), (VOLUME,)),
    ops.AdaptiveMaxPool1d: (ops.AdaptiveMaxPool1d(), (SEQUENCE,)),
    ops.AdaptiveMaxPool2d: (ops.AdaptiveMaxPool2d((2, 3)), (IMAGE,)),
    ops.AdaptiveMaxPool3d: (ops.AdaptiveMaxPool3d((2, 2, 2)), (VOLUME,)),
    ops.BatchNorm1d: (ops.BatchNorm1d(), (SEQUENCE,)),
    ops.BatchNorm2d: (ops.BatchNorm2d(), (IMAGE,)),
    ops.BatchNorm3d: (ops.BatchNorm3d(scale=False, shift=False), (VOLUME,)),
    ops.LayerNorm: (ops.LayerNorm((9, 7)), (IMAGE,)),
    ops.RMSNorm: (ops.RMSNorm((7,)), (IMAGE,)),
    ops.GroupNorm: (ops.GroupNorm(2), (IMAGE,)),
    ops.InstanceNorm: (ops.InstanceNorm(affine=True, track=True), (IMAGE,)),
    ops.LocalResponseNorm: (ops.LocalResponseNorm(), (IMAGE,)),
    ops.ReLU: (ops.ReLU(), (IMAGE,)),
    ops.LeakyReLU: (ops.LeakyReLU(), (IMAGE,)),
    ops.ELU: (ops.ELU(), (IMAGE,)),
    ops.GELU: (ops.GELU(), (IMAGE,)),
    ops.SiLU: (ops.SiLU(), (IMAGE,)),
    ops.Sigmoid: (ops.Sigmoid(), (IMAGE,)),
    ops.Tanh: (ops.Tanh(), (IMAGE,)),
    ops.Mish: (ops.Mish(), (IMAGE,)),
    ops.Hardswish: (ops.Hardswish(), (IMAGE,)),
    ops.Hardsigmoid: (ops.Hardsigmoid(), (IMAGE,)),
    ops.Hardtanh: (ops.Hardtanh(False, 0.0, 6.0), (IMAGE,)),
    ops.Softplus: (ops.Softplus(), (IMAGE,)),
    ops.PReLU: (ops.PReLU(slopes=4), (IMAGE,)),
    ops.Softmax: (ops.Softmax(1), (IMAGE,)),
    ops.LogSoftmax: (ops.LogSoftmax(1), (IMAGE,)),
    ops.Dropout: (ops.Dropout(), (IMAGE,)),
    ops.Elementwise: (ops.Elementwise("mul"), (IMAGE, TensorType((4, 1, 1)))),
    ops.Reduce: (ops.Reduce("mean", (2, 3)), (IMAGE,)),
    ops.Concat: (ops.Concat(), (IMAGE, IMAGE, IMAGE)),
    ops.Add: (ops.Add(), (IMAGE, IMAGE, IMAGE)),
    ops.Stack: (ops.Stack(1), (IMAGE, IMAGE)),
    ops.Flatten: (ops.Flatten(), (IMAGE,)),
    ops.Reshape: (ops.Reshape((2, -1, 3)), (IMAGE,)),
    ops.Permute: (ops.Permute((0, 2, 3, 1)), (IMAGE,)),
    ops.Expand: (ops.Expand((3, 2, 4, 9, 7)), (IMAGE,)),
    ops.Slice: (ops.Slice(1, 0, 3, 2), (IMAGE,)),
    ops.PixelShuffle: (ops.PixelShuffle(2), (IMAGE,)),
    ops.PixelUnshuffle: (ops.PixelUnshuffle(3), (TensorType((2, 4, 9, 6)),)),
    ops.Select: (ops.Select(0, 1), (IMAGE,)),
    ops.Pad: (ops.Pad(((0, 0), (0, 0), (1, 2), (0, 1))), (IMAGE,)),
    ops.Upsample: (ops.Upsample((18, 14), "bilinear"), (IMAGE,)),
    ops.Stored: (ops.Stored((3, 4)), ()),
    ops.Declared: (ops.Declared("index", (IMAGE, SEQUENCE)), (IMAGE, IMAGE)),
    ops.Unknown: (ops.Unknown("custom", (IMAGE, IMAGE), learned=(Parameter("weight", (4,)),)), (IMAGE, IMAGE)),
}
"""One operation of every class, and inputs that it is tried on. A new row of the table needs one here."""

EVERY: list[tuple[Op, tuple[TensorType, ...]]] = [
    *SAMPLES.values(),
    *((ops.Elementwise(function), (IMAGE, IMAGE)) for function in ops.ELEMENTWISE),
    *((ops.Reduce(function, (1, 3)), (IMAGE,)) for function in ops.REDUCTIONS),
    *((ops.Reduce(function, (2, 3), keepdim=True), (IMAGE,)) for function in ops.REDUCTIONS),
    *((ops.MaxPool2d((2, 2), (2, 2), rounding=rounding), (IMAGE,)) for rounding in get_args(ops.Rounding)),
    *((ops.Pad(((0, 0), (0, 0), (1, 1), (0, 2)), mode), (IMAGE,)) for mode in ("reflect", "replicate", "circular")),
    *((ops.Upsample((18, 14), mode), (IMAGE,)) for mode in ("nearest", "nearest-exact", "bicubic")),
    (ops.Upsample((18,), "linear"), (SEQUENCE,)),
    (ops.Upsample((10, 18, 14), "trilinear"), (VOLUME,)),
    (ops.Stored((3, 4), tensor_kind="buffer"), ()),
    (ops.ScaledDotProductAttention(causal=True), (IMAGE, IMAGE, IMAGE)),
    (ops.ScaledDotProductAttention(), (IMAGE, IMAGE, IMAGE, TensorType((9, 9)))),
    (ops.Dropout(0.0), (IMAGE,)),
    (ops.Add(0.17), (IMAGE, IMAGE)),
    (ops.Declared("sorted", (IMAGE,), 5, 7, view=True), (IMAGE,)),
]
"""The samples, and every function, mode and rounding that a class of them has."""

NAMED_BY_FIELD = (Declared, Elementwise, Reduce, Stored, Unknown)
"""Classes whose kind is the value of a field."""


def vars_of(op: Op) -> set[str]:
    """The values of its fields as names."""
    return {str(getattr(op, field)).removesuffix("_") for field in op.__struct_fields__} | {
        str(getattr(op, field)).capitalize() for field in op.__struct_fields__
    }


def cast(tensor: TensorType, dtype: str) -> TensorType:
    return TensorType(tensor.shape, dtype) if "float" in tensor.dtype else tensor


each_row = pytest.mark.parametrize("kind", OPS, ids=lambda kind: kind.__name__)
each_sample = pytest.mark.parametrize(("op", "inputs"), EVERY, ids=lambda value: repr(value)[:80])


def test_the_table_holds_the_public_classes_and_no_others() -> None:
    modules = [
        importlib.import_module(found.name) for found in pkgutil.iter_modules(ops.__path__, "inception_lens.ops.")
    ]
    defined = [
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Op) and value is not Op and value.__module__ == module.__name__
    ]
    assert len(OPS) == len(set(OPS))
    assert set(OPS) == {kind for kind in defined if not kind.__name__.startswith("_")}
    assert [kind.category for kind in OPS] == sorted([kind.category for kind in OPS], key=get_args(Category).index)


def test_every_operation_has_a_sample() -> None:
    assert set(SAMPLES) == set(OPS)


@each_row
def test_a_row_is_exported_and_documented(kind: type[Op]) -> None:
    assert getattr(ops, kind.__name__) is kind
    assert kind.__doc__ != Op.__doc__
    assert (kind.__doc__ or "").strip().endswith(".")


@each_row
def test_a_row_has_a_category_and_its_colours(kind: type[Op]) -> None:
    assert (kind.category == "unknown") == (kind is Unknown)
    assert theme.COLORS[kind.category].startswith("#")
    assert theme.TERMINAL[kind.category]


def test_every_colour_is_of_a_category_in_use() -> None:
    assert set(theme.COLORS) == set(theme.TERMINAL) == {kind.category for kind in OPS}


@each_sample
def test_an_operation_is_a_frozen_value(op: Op, inputs: tuple[TensorType, ...]) -> None:
    again = type(op)(*[getattr(op, field) for field in op.__struct_fields__])
    assert op == again
    assert hash(op) == hash(again)
    for field in op.__struct_fields__:
        with pytest.raises(AttributeError):
            setattr(op, field, getattr(op, field))


@each_sample
def test_a_name_and_a_label_are_one_line(op: Op, inputs: tuple[TensorType, ...]) -> None:
    kind = type(op)
    assert op.kind in vars_of(op) if kind in NAMED_BY_FIELD else op.kind == kind.__name__
    assert op.label
    assert op.label == op.label.strip()
    assert "\n" not in op.label


@each_sample
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_every_method_returns_a_value(op: Op, inputs: tuple[TensorType, ...], dtype: str) -> None:
    kind, inputs = type(op), tuple(cast(tensor, dtype) for tensor in inputs)
    shapes = tuple(tensor.shape for tensor in inputs)
    outputs = op.output_types(inputs)
    assert outputs
    for output in outputs:
        assert all(type(size) is int and size > 0 for size in output.shape)
    output = outputs[0]
    own = kind in (Declared, Stored, Unknown, ops.Embedding)
    assert output.dtype == ("float32" if own else dtype)
    for cost in (op.macs(shapes, output.shape), op.extra_flops(shapes, output.shape)):
        assert (cost is None) == (kind is Unknown)
        assert cost is None or (type(cost) is int and cost >= 0)
    for tensor in (*op.parameters(*shapes), *op.buffers(*shapes)):
        assert tensor.role.isidentifier()
        assert tensor.elements == prod(tensor.shape) > 0
    saved = op.saved(inputs, output)
    assert (saved is None) == (
        op.category in ("recurrent", "unknown") or (kind is Declared and not op.reuses_input(True))
    )
    assert saved is None or (type(saved.extra_bytes) is int and saved.extra_bytes >= 0)
    assert all(type(op.reuses_input(training)) is bool for training in (False, True))


@each_sample
def test_an_operation_owns_weights_exactly_if_has_weights_is_true(op: Op, inputs: tuple[TensorType, ...]) -> None:
    shapes = tuple(tensor.shape for tensor in inputs)
    roles = [tensor.role for tensor in (*op.parameters(*shapes), *op.buffers(*shapes))]
    assert op.has_weights == bool(roles)
    assert len(set(roles)) == len(roles)


@each_sample
def test_an_operation_has_a_window_exactly_if_has_window_is_true(op: Op, inputs: tuple[TensorType, ...]) -> None:
    output = op.output_types(inputs)[0].shape
    window = op.window(inputs[0].shape, output) if inputs else None
    assert op.has_window == (window is not None)
    if window is not None:
        axes = [window.kernel, window.stride, window.padding, window.dilation]
        assert {len(sizes) for sizes in axes} == {len(inputs[0].shape) - 2}
        assert min(*window.kernel, *window.stride, *window.dilation) >= 1
        assert min(window.padding) >= 0
        assert window != Window((1, 1), (1, 1), (0, 0), (1, 1))


@each_row
@pytest.mark.parametrize("macs", [0, 7])
def test_the_backward_pass_does_the_forward_once_for_each_gradient(kind: type[Op], macs: int) -> None:
    op, _ = SAMPLES[kind]
    assert op.backward_macs(macs, (False,), False) == 0
    if kind is ops.ScaledDotProductAttention:  # it has no weights, and two products of inputs
        assert op.backward_macs(macs, (True,), False) == 2 * macs
        return
    assert op.backward_macs(macs, (False,), True) == macs
    assert op.backward_macs(macs, (True,), False) == macs
    assert op.backward_macs(macs, (True,), True) == 2 * macs


@pytest.mark.parametrize(("shape", "elements"), [((), 1), ((5,), 5), ((2, 3, 4), 24), ((2, 0, 4), 0)])
@pytest.mark.parametrize("dtype", BYTES_PER_ELEMENT)
def test_a_tensor_takes_its_elements_times_the_bytes_of_one(shape: tuple[int, ...], elements: int, dtype: str) -> None:
    tensor = TensorType(shape, dtype)
    assert tensor.elements == elements
    assert tensor.bytes == elements * BYTES_PER_ELEMENT[dtype]


@pytest.mark.parametrize(
    ("dtype", "bits"), [("float64", 64), ("float32", 32), ("bfloat16", 16), ("int8", 8), ("complex128", 128)]
)
def test_an_element_takes_its_bits(dtype: str, bits: int) -> None:
    assert 8 * BYTES_PER_ELEMENT[dtype] == bits


def test_sizes_are_written_with_an_x_between() -> None:
    assert format_shape((64, 112, 112)) == "64x112x112"
    assert format_shape((7,)) == "7"
