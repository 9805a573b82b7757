"""Linear layers."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inception_lens.errors import ShapeError
from inception_lens.ops import Linear, Parameter, Saved, Shape, TensorType


@pytest.mark.parametrize(
    ("op", "shape", "macs", "params"),
    [
        (Linear(8, bias=False), (5, 10, 3), 1_200, 24),
        (Linear(1000), (1, 1024), 1_024_000, 1_025_000),
        (Linear(100, bias=False), (1, 100), 10_000, 10_000),
        (Linear(10), (1, 10), 100, 110),
    ],
)
def test_known_macs_and_parameters(op: Linear, shape: Shape, macs: int, params: int) -> None:
    assert op.macs((shape,), op.output_shape(shape)) == macs
    assert sum(parameter.elements for parameter in op.parameters(shape)) == params


@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=4), out=st.integers(1, 5), bias=st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_multiplication_per_pair_of_output_and_feature(shape: list[int], out: int, bias: bool) -> None:
    op, given_shape = Linear(out, bias), tuple(shape)
    multiplications = additions = 0
    *rows, features = map(range, shape)
    for _ in product(*rows, range(out)):
        for _ in features:
            multiplications += 1
        additions += bias
    output = op.output_shape(given_shape)
    assert output == (*given_shape[:-1], out)
    assert op.macs((given_shape,), output) == multiplications
    assert op.extra_flops((given_shape,), output) == additions


def test_a_weight_has_the_layout_of_pytorch() -> None:
    assert Linear(10).parameters((2, 7)) == (Parameter("weight", (10, 7)), Parameter("bias", (10,)))
    assert Linear(10, bias=False).parameters((2, 7)) == (Parameter("weight", (10, 7)),)


def test_the_gradient_of_the_weights_needs_the_input() -> None:
    assert Linear(10).saved((TensorType((2, 7)),), TensorType((2, 10))) == Saved(inputs_for_weights=True)


def test_a_scalar_has_no_features() -> None:
    with pytest.raises(ShapeError, match=r"^Linear expects an input with at least 1 axis, not a scalar$"):
        Linear(10).output_shape(())
