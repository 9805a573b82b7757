"""Activations, softmax and dropout."""

from itertools import product
from math import exp, prod

import pytest

from inception_lens.errors import ShapeError
from inception_lens.ops import (
    ELU,
    GELU,
    OPS,
    Dropout,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    LeakyReLU,
    LogSoftmax,
    Mish,
    Op,
    PReLU,
    ReLU,
    Saved,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
    TensorType,
)
from tests.ops.counted import Counted, elementary, operations
from tests.ops.formulas import ELEMENTWISE

SHAPE = (2, 3, 4)
TYPE = TensorType(SHAPE)


ACTIVATIONS: dict[Op, str] = {
    ReLU(): "relu",
    LeakyReLU(): "leaky_relu",
    ELU(): "elu",
    Sigmoid(): "sigmoid",
    Tanh(): "tanh",
    SiLU(): "silu",
    GELU(): "gelu",
    Mish(): "mish",
    Hardswish(): "hardswish",
    Hardsigmoid(): "hardsigmoid",
    Hardtanh(): "hardtanh",
    Softplus(): "softplus",
    PReLU(): "prelu",
}
"""The activations and their formulas."""


def test_every_activation_has_a_formula() -> None:
    softmax = {Softmax, LogSoftmax}
    assert {type(op) for op in ACTIVATIONS} == {kind for kind in OPS if kind.category == "activation"} - softmax


@pytest.mark.parametrize("op", ACTIVATIONS, ids=lambda op: op.kind)
def test_flops_are_the_operations_of_the_formula_on_its_longest_way(op: Op) -> None:
    formula = ELEMENTWISE[ACTIVATIONS[op]]
    most = max([operations(formula.compute, *map(Counted, point)) for point in formula.points])
    assert op.extra_flops((SHAPE,), SHAPE) == most * TYPE.elements
    assert op.macs((SHAPE,), SHAPE) == 0


@pytest.mark.parametrize("dim", [0, 1, 2, -1, -3])
def test_softmax_is_counted_row_by_row(dim: int) -> None:
    Counted.done = 0
    n = SHAPE[dim]
    for _ in range(prod(SHAPE) // n):
        row = [Counted(float(i)) for i in range(n)]
        largest = row[0]
        for x in row[1:]:
            largest = x if largest < x else largest
        powers = [elementary(exp, x - largest) for x in row]
        total = powers[0]
        for power in powers[1:]:
            total = total + power
        shares = [power / total for power in powers]
        assert sum(share.value for share in shares) == pytest.approx(1)
    assert Softmax(dim).extra_flops((SHAPE,), SHAPE) == Counted.done
    assert Softmax(dim).output_shape(SHAPE) == SHAPE


@pytest.mark.parametrize("dim", [3, -4])
def test_softmax_needs_an_existing_axis(dim: int) -> None:
    with pytest.raises(ShapeError, match=f"^Softmax over axis {dim} of an input with 3 axes$"):
        Softmax(dim).output_shape(SHAPE)


@pytest.mark.parametrize("op", [*ACTIVATIONS, Dropout()], ids=lambda op: op.kind)
def test_the_output_has_the_type_of_the_input(op: Op) -> None:
    half = TensorType((3, 7), "float16")
    assert op.output_types((half,)) == (half,)


@pytest.mark.parametrize(("op", "training"), list(product([ReLU, LeakyReLU, ELU, Sigmoid, Tanh], [False, True])))
def test_an_activation_works_in_place_only_where_it_says_so(
    op: type[ReLU | LeakyReLU | ELU | Sigmoid | Tanh], training: bool
) -> None:
    assert op(inplace=True).reuses_input(training)
    assert not op().reuses_input(training)


@pytest.mark.parametrize("op", [ReLU(), Sigmoid(), Tanh(), Softmax()], ids=lambda op: op.kind)
def test_an_activation_keeps_its_output_if_the_gradient_follows_from_it(op: Op) -> None:
    assert op.saved((TYPE,), TYPE) == Saved(output=True)


@pytest.mark.parametrize("op", [SiLU(), GELU()], ids=lambda op: op.kind)
def test_an_activation_keeps_its_input_if_the_gradient_needs_it(op: Op) -> None:
    assert op.saved((TYPE,), TYPE) == Saved(inputs=True)
    assert not op.reuses_input(training=True)


@pytest.mark.parametrize("op", [LeakyReLU, ELU])
def test_a_slope_below_zero_keeps_the_input_or_in_place_the_output(op: type[LeakyReLU | ELU]) -> None:
    assert op().saved((TYPE,), TYPE) == Saved(inputs=True)
    assert op(inplace=True).saved((TYPE,), TYPE) == Saved(output=True)


def test_an_input_that_is_needed_is_copied_before_it_is_overwritten() -> None:
    assert SiLU(inplace=True).saved((TYPE,), TYPE) == Saved(extra_bytes=TYPE.bytes)


def test_dropout_is_a_view_at_inference_and_keeps_a_byte_of_mask_per_element_in_training() -> None:
    op = Dropout(0.7)
    assert op.reuses_input(training=False)
    assert not op.reuses_input(training=True)
    assert op.saved((TYPE,), TYPE) == Saved(extra_bytes=TYPE.elements)
    assert op.extra_flops((SHAPE,), SHAPE) == 0


@pytest.mark.parametrize(("p", "label"), [(0.4, "dropout 40 %"), (0.7, "dropout 70 %"), (0.125, "dropout 12.5 %")])
def test_the_label_of_dropout_is_its_rate(p: float, label: str) -> None:
    assert Dropout(p).label == label
