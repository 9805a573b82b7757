"""Operations without a rule."""

import pytest

from inception_lens.ops import Op, TensorType, Unknown

OUTPUTS = (TensorType((1, 4, 8, 8)), TensorType((1, 2), "int64"))


@pytest.mark.parametrize("inputs", [(), (TensorType((3,)),), (TensorType((3,)), TensorType((7, 7)))])
def test_the_outputs_are_those_that_the_source_declares_for_any_input(inputs: tuple[TensorType, ...]) -> None:
    assert Unknown("aten::grid_sampler", OUTPUTS).output_types(inputs) == OUTPUTS


def test_its_cost_is_none_and_never_zero() -> None:
    op: Op = Unknown("aten::grid_sampler", OUTPUTS)
    shapes = ((1, 4, 8, 8),)
    assert op.macs(shapes, (1, 4, 8, 8)) is None
    assert op.extra_flops(shapes, (1, 4, 8, 8)) is None


def test_its_kind_is_its_name_in_the_source() -> None:
    op = Unknown("aten::grid_sampler", OUTPUTS)
    assert op.kind == op.label == "aten::grid_sampler"


def test_it_has_no_receptive_field() -> None:
    op = Unknown("aten::grid_sampler", OUTPUTS)
    assert not op.keeps_positions((1, 3, 8, 8))
    assert op.window((1, 4, 8, 8), (1, 4, 8, 8)) is None
