"""Operations that join branches."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inception_lens.errors import ShapeError
from inception_lens.ops import Add, Concat, Op, Saved, TensorType


def indices(shape: tuple[int, ...]) -> set[tuple[int, ...]]:
    found: set[tuple[int, ...]] = {()}
    for size in shape:
        found = {(*index, i) for index in found for i in range(size)}
    return found


@given(
    shape=st.lists(st.integers(1, 3), min_size=1, max_size=4),
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    data=st.data(),
)
@settings(max_examples=80, deadline=None)
def test_concat_keeps_every_element(shape: list[int], sizes: list[int], data: st.DataObject) -> None:
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    axis = range(len(shape))[dim]
    shapes = [(*shape[:axis], size, *shape[axis + 1 :]) for size in sizes]
    places = set()
    offset = 0
    for given_shape in shapes:
        for index in indices(given_shape):
            places.add((*index[:axis], index[axis] + offset, *index[axis + 1 :]))
        offset += given_shape[axis]
    output = Concat(dim).output_shape(*shapes)
    assert indices(output) == places
    assert Concat(dim).extra_flops(tuple(shapes), output) == Concat(dim).macs(tuple(shapes), output) == 0


def test_concat_is_along_channels_by_default() -> None:
    branches = [(1, channels, 28, 28) for channels in (64, 128, 32, 32)]
    assert Concat().output_shape(*branches) == (1, 256, 28, 28)


@pytest.mark.parametrize("other", [(1, 2, 14, 14), (2, 2, 28, 28), (1, 2, 28), (1, 2, 28, 28, 1)])
def test_concat_reports_shapes_that_differ(other: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError) as error:
        Concat().output_shape((1, 64, 28, 28), other)
    seen = "x".join(map(str, other))
    assert str(error.value) == (
        f"Concat along axis 1 of 1x64x28x28 and {seen}: every other axis must agree, but {seen} is not 1x64x28x28"
    )


@pytest.mark.parametrize("dim", [2, -3])
def test_concat_needs_an_existing_axis(dim: int) -> None:
    with pytest.raises(ShapeError, match=f"^Concat along axis {dim} of inputs with 2 axes$"):
        Concat(dim).output_shape((1, 3), (1, 3))


@pytest.mark.parametrize("inputs", [1, 2, 3, 5])
def test_add_is_one_addition_per_element_and_further_input(inputs: int) -> None:
    shape = (2, 3, 4)
    additions = 0
    for _ in indices(shape):
        additions += len(["+"] * inputs) - 1
    assert Add().output_shape(*[shape] * inputs) == shape
    assert Add().extra_flops((shape,) * inputs, shape) == additions


@pytest.mark.parametrize("scale", [0.1, 0.17, 2.0])
def test_a_scale_multiplies_every_element_of_the_last_input_once(scale: float) -> None:
    shape = (2, 3, 4)
    plain, scaled = (op.extra_flops((shape, shape), shape) for op in (Add(), Add(scale)))
    assert scaled - plain == len(indices(shape))
    assert Add(scale).output_shape(shape, shape) == shape
    assert (Add().label, Add(scale).label) == ("add", f"add x{scale:g}")


def test_add_reports_shapes_that_differ() -> None:
    with pytest.raises(ShapeError, match=r"^Add of 1x3x8x8 and 1x4x8x8: the shapes must be equal$"):
        Add().output_shape((1, 3, 8, 8), (1, 4, 8, 8))


@pytest.mark.parametrize("op", [Add(), Concat()])
def test_a_merge_allocates_its_output_and_keeps_nothing(op: Op) -> None:
    given_type = TensorType((1, 2, 3, 3))
    assert not op.reuses_input(training=False)
    assert op.saved((given_type, given_type), given_type) == Saved()


@pytest.mark.parametrize("op", [Add(), Concat()])
def test_a_merge_accepts_any_positive_number_of_inputs(op: Op) -> None:
    assert not op.accepts(0)
    assert op.accepts(1)
    assert op.accepts(7)
