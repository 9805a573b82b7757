"""Activations, softmax and dropout."""

from collections.abc import Callable
from itertools import product
from math import erf, exp, prod, tanh

import pytest

from inception_lens.errors import ShapeError
from inception_lens.ops import (
    ELU,
    GELU,
    Dropout,
    LeakyReLU,
    Op,
    ReLU,
    Saved,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
    TensorType,
)

SHAPE = (2, 3, 4)
TYPE = TensorType(SHAPE)


class Counted:
    """A number that counts what is done with it; an elementary function counts as one operation."""

    done = 0

    def __init__(self, value: float) -> None:
        self.value = value

    @classmethod
    def did(cls, value: float) -> "Counted":
        cls.done += 1
        return cls(value)

    def __add__(self, other: "Counted | float") -> "Counted":
        return self.did(self.value + number(other))

    def __sub__(self, other: "Counted | float") -> "Counted":
        return self.did(self.value - number(other))

    def __mul__(self, other: "Counted | float") -> "Counted":
        return self.did(self.value * number(other))

    def __truediv__(self, other: "Counted | float") -> "Counted":
        return self.did(self.value / number(other))

    def __rtruediv__(self, other: float) -> "Counted":
        return self.did(other / self.value)

    def __neg__(self) -> "Counted":
        return self.did(-self.value)

    def __lt__(self, other: "Counted | float") -> bool:
        type(self).done += 1
        return self.value < number(other)


def number(value: "Counted | float") -> float:
    return value.value if isinstance(value, Counted) else value


def elementary(function: str, x: Counted) -> Counted:
    return x.did({"exp": exp, "erf": erf, "tanh": tanh}[function](x.value))


def sigmoid(x: Counted) -> Counted:
    return 1 / (elementary("exp", -x) + 1)


def relu(x: Counted) -> Counted:
    return Counted(0) if x < 0 else x


def leaky_relu(x: Counted) -> Counted:
    return x * 0.01 if x < 0 else x


def elu(x: Counted) -> Counted:
    return (elementary("exp", x) - 1) * 1.0 if x < 0 else x


def silu(x: Counted) -> Counted:
    return x * sigmoid(x)


def gelu(x: Counted) -> Counted:
    return x * (elementary("erf", x * 0.7071) + 1) / 2


ACTIVATIONS: dict[Op, Callable[[Counted], Counted]] = {
    ReLU(): relu,
    LeakyReLU(): leaky_relu,
    ELU(): elu,
    Sigmoid(): sigmoid,
    Tanh(): lambda x: elementary("tanh", x),
    SiLU(): silu,
    GELU(): gelu,
}


@pytest.mark.parametrize("op", ACTIVATIONS, ids=lambda op: op.kind)
def test_flops_are_the_steps_of_the_formula_on_its_longest_way(op: Op) -> None:
    Counted.done = 0
    for _ in range(TYPE.elements):
        ACTIVATIONS[op](Counted(-1.0))
    assert op.extra_flops((SHAPE,), SHAPE) == Counted.done
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
        powers = [elementary("exp", x - largest) for x in row]
        total = powers[0]
        for power in powers[1:]:
            total = total + power
        shares = [power / total for power in powers]
        assert sum(share.value for share in shares) == pytest.approx(1)
    assert Softmax(dim).extra_flops((SHAPE,), SHAPE) == Counted.done
    assert Softmax(dim).output_shape(SHAPE) == SHAPE


@pytest.mark.parametrize("dim", [3, -4])
def test_softmax_needs_an_axis_that_is_there(dim: int) -> None:
    with pytest.raises(ShapeError, match=f"^Softmax over axis {dim} of an input with 3 axes$"):
        Softmax(dim).output_shape(SHAPE)


@pytest.mark.parametrize("op", [*ACTIVATIONS, Dropout()], ids=lambda op: op.kind)
def test_the_output_is_of_the_type_of_the_input(op: Op) -> None:
    half = TensorType((3, 7), "float16")
    assert op.output_types((half,)) == (half,)


@pytest.mark.parametrize(("op", "training"), list(product([ReLU, LeakyReLU, ELU, Sigmoid, Tanh], [False, True])))
def test_an_activation_works_in_place_only_where_it_says_so(
    op: type[ReLU | LeakyReLU | ELU | Sigmoid | Tanh], training: bool
) -> None:
    assert op(inplace=True).reuses_input(training)
    assert not op().reuses_input(training)


@pytest.mark.parametrize("op", [ReLU(), Sigmoid(), Tanh(), Softmax()], ids=lambda op: op.kind)
def test_where_the_gradient_follows_from_the_output_that_is_kept(op: Op) -> None:
    assert op.saved((TYPE,), TYPE) == Saved(output=True)


@pytest.mark.parametrize("op", [SiLU(), GELU()], ids=lambda op: op.kind)
def test_where_the_gradient_needs_the_input_that_is_kept_and_never_overwritten(op: Op) -> None:
    assert op.saved((TYPE,), TYPE) == Saved(inputs=True)
    assert not op.reuses_input(training=True)


@pytest.mark.parametrize("op", [LeakyReLU, ELU])
def test_a_slope_below_zero_keeps_the_input_or_in_place_the_output(op: type[LeakyReLU | ELU]) -> None:
    assert op().saved((TYPE,), TYPE) == Saved(inputs=True)
    assert op(inplace=True).saved((TYPE,), TYPE) == Saved(output=True)


def test_an_input_that_is_needed_is_copied_before_it_is_overwritten() -> None:
    assert SiLU(inplace=True).saved((TYPE,), TYPE) == Saved(extra_bytes=TYPE.bytes)


def test_dropout_is_nothing_at_inference_and_a_byte_of_mask_per_element_in_training() -> None:
    op = Dropout(0.7)
    assert op.reuses_input(training=False)
    assert not op.reuses_input(training=True)
    assert op.saved((TYPE,), TYPE) == Saved(extra_bytes=TYPE.elements)
    assert op.extra_flops((SHAPE,), SHAPE) == 0


@pytest.mark.parametrize(("p", "label"), [(0.4, "dropout 40 %"), (0.7, "dropout 70 %"), (0.125, "dropout 12.5 %")])
def test_the_label_of_dropout_is_its_rate(p: float, label: str) -> None:
    assert Dropout(p).label == label
