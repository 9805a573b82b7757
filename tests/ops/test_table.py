"""Every operation has a row in the table, and every row answers every question."""

import importlib
import pkgutil
from math import prod

import pytest

import inception_lens.ops
from inception_lens.ops import (
    BYTES_PER_ELEMENT,
    ELU,
    GELU,
    OPS,
    AdaptiveAvgPool2d,
    Add,
    AvgPool2d,
    BatchNorm2d,
    Concat,
    Conv2d,
    Dropout,
    Flatten,
    LeakyReLU,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    Op,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
    TensorType,
    Unknown,
    Window,
    by,
)
from inception_lens.renderers import theme

IMAGE = TensorType((2, 4, 9, 7))

SAMPLES: dict[type[Op], tuple[Op, int]] = {
    Conv2d: (Conv2d(6, (3, 3), (2, 1), (1, 0), groups=2), 1),
    Linear: (Linear(5), 1),
    MaxPool2d: (MaxPool2d((3, 3), (2, 2)), 1),
    AvgPool2d: (AvgPool2d((3, 2), (1, 2), "same"), 1),
    AdaptiveAvgPool2d: (AdaptiveAvgPool2d((2, 3)), 1),
    BatchNorm2d: (BatchNorm2d(), 1),
    LocalResponseNorm: (LocalResponseNorm(), 1),
    ReLU: (ReLU(), 1),
    LeakyReLU: (LeakyReLU(), 1),
    ELU: (ELU(), 1),
    GELU: (GELU(), 1),
    SiLU: (SiLU(), 1),
    Sigmoid: (Sigmoid(), 1),
    Tanh: (Tanh(), 1),
    Softmax: (Softmax(1), 1),
    Dropout: (Dropout(), 1),
    Concat: (Concat(), 3),
    Add: (Add(), 3),
    Flatten: (Flatten(), 1),
    Unknown: (Unknown("custom", (IMAGE, IMAGE)), 2),
}
"""One operation of every class, and how many inputs it is tried on. A new row of the table needs one here."""


def public_operations() -> list[type[Op]]:
    """Every public subclass of Op that a module of the package defines."""
    modules = [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(inception_lens.ops.__path__, "inception_lens.ops.")
    ]
    return [
        value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Op) and value is not Op
        if value.__module__ == module.__name__ and not name.startswith("_")
    ]


each_row = pytest.mark.parametrize("kind", OPS, ids=lambda kind: kind.__name__)


def test_every_public_operation_is_in_the_table_exactly_once() -> None:
    assert sorted(kind.__name__ for kind in OPS) == sorted(kind.__name__ for kind in public_operations())
    assert set(OPS) == set(public_operations())


def test_every_row_has_a_sample_here() -> None:
    assert set(SAMPLES) == set(OPS)


@each_row
def test_a_row_is_exported_and_documented(kind: type[Op]) -> None:
    assert getattr(inception_lens.ops, kind.__name__) is kind
    assert kind.__name__ in inception_lens.ops.__all__
    assert kind.__doc__ != Op.__doc__
    assert (kind.__doc__ or "").strip().endswith(".")


@each_row
def test_a_row_has_a_category_and_its_colours(kind: type[Op]) -> None:
    assert (kind.category == "unknown") == (kind is Unknown)
    assert theme.COLORS[kind.category].startswith("#")
    assert theme.TERMINAL[kind.category]


def test_every_colour_is_of_a_category_in_use() -> None:
    assert set(theme.COLORS) == set(theme.TERMINAL) == {kind.category for kind in OPS}


@each_row
def test_an_operation_is_a_frozen_value(kind: type[Op]) -> None:
    op, _ = SAMPLES[kind]
    again = type(op)(*[getattr(op, field) for field in op.__struct_fields__])
    assert op == again
    assert hash(op) == hash(again)
    for field in op.__struct_fields__:
        with pytest.raises(AttributeError):
            setattr(op, field, getattr(op, field))


@each_row
def test_a_name_and_a_label_are_one_line(kind: type[Op]) -> None:
    op, _ = SAMPLES[kind]
    assert op.kind == ("custom" if kind is Unknown else kind.__name__)
    assert op.label
    assert op.label == op.label.strip()
    assert "\n" not in op.label


@each_row
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_row_answers_every_question(kind: type[Op], dtype: str) -> None:
    op, arity = SAMPLES[kind]
    inputs = (TensorType(IMAGE.shape, dtype),) * arity
    shapes = tuple(tensor.shape for tensor in inputs)
    outputs = op.output_types(inputs)
    assert outputs
    for output in outputs:
        assert all(type(size) is int and size > 0 for size in output.shape)
        assert output.dtype == (dtype if kind is not Unknown else "float32")
    output = outputs[0]
    for cost in (op.macs(shapes, output.shape), op.arithmetic(shapes, output.shape)):
        assert (cost is None) == (kind is Unknown)
        assert cost is None or (type(cost) is int and cost >= 0)
    for tensor in (*op.parameters(*shapes), *op.buffers(*shapes)):
        assert tensor.role.isidentifier()
        assert tensor.elements == prod(tensor.shape) > 0
    saved = op.saved(inputs, output)
    assert type(saved.extra_bytes) is int
    assert saved.extra_bytes >= 0
    assert all(type(op.reuses_input(training)) is bool for training in (False, True))


@each_row
def test_weights_are_owned_exactly_where_the_class_says_so(kind: type[Op]) -> None:
    op, arity = SAMPLES[kind]
    shapes = (IMAGE.shape,) * arity
    roles = [tensor.role for tensor in (*op.parameters(*shapes), *op.buffers(*shapes))]
    assert kind.has_weights == bool(roles)
    assert len(set(roles)) == len(roles)


@each_row
def test_a_window_is_there_exactly_where_the_operation_says_so(kind: type[Op]) -> None:
    op, arity = SAMPLES[kind]
    output = op.output_types((IMAGE,) * arity)[0].shape
    window = op.window(IMAGE.shape, output)
    assert op.has_window == (window is not None)
    if window is not None:
        axes = [window.kernel, window.stride, window.padding, window.dilation]
        assert [len(sizes) for sizes in axes] == [2, 2, 2, 2]
        assert min(*window.kernel, *window.stride, *window.dilation) >= 1
        assert min(window.padding) >= 0
        assert window != Window((1, 1), (1, 1), (0, 0), (1, 1))


@each_row
@pytest.mark.parametrize("macs", [0, 7])
def test_the_backward_pass_does_the_forward_once_for_each_gradient(kind: type[Op], macs: int) -> None:
    op, _ = SAMPLES[kind]
    assert op.backward_macs(macs, (False,), False) == 0
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
    assert by((64, 112, 112)) == "64x112x112"
    assert by((7,)) == "7"
