"""Normalisation."""

import pytest

from inception_lens.errors import ShapeError
from inception_lens.ops import (
    BatchNorm1d,
    BatchNorm2d,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LocalResponseNorm,
    Op,
    Parameter,
    RMSNorm,
    Saved,
    TensorType,
)

SHAPE = (2, 5, 3, 4)
TYPE = TensorType(SHAPE)


def test_batch_norm_multiplies_and_adds_once_per_element() -> None:
    assert BatchNorm2d().output_shape(SHAPE) == SHAPE
    assert BatchNorm2d().extra_flops((SHAPE,), SHAPE) == sum(2 for _ in range(2 * 5 * 3 * 4))
    assert BatchNorm2d().macs((SHAPE,), SHAPE) == 0


@pytest.mark.parametrize(("scale", "roles"), [(True, ["weight", "bias"]), (False, ["bias"])])
def test_batch_norm_learns_a_scale_and_a_shift_per_channel(scale: bool, roles: list[str]) -> None:
    op = BatchNorm2d(scale=scale)
    assert op.parameters(SHAPE) == tuple(Parameter(role, (5,)) for role in roles)


def test_the_statistics_of_batch_norm_are_buffers() -> None:
    assert BatchNorm2d().buffers(SHAPE) == (Parameter("running_mean", (5,)), Parameter("running_var", (5,)))


def test_batch_norm_keeps_its_input_and_two_statistics_per_channel() -> None:
    assert BatchNorm2d().saved((TYPE,), TYPE) == Saved(inputs=True, extra_bytes=2 * 5 * 4)


def test_the_statistics_are_float32_for_any_input() -> None:
    half = TensorType(SHAPE, "float16")
    assert BatchNorm2d().saved((half,), half).extra_bytes == 2 * 5 * 4


def test_batch_norm_accepts_images_only() -> None:
    with pytest.raises(ShapeError, match=r"^BatchNorm2d expects an input of 4 axes \(N, C, H, W\), not 2x5$"):
        BatchNorm2d().output_shape((2, 5))


@pytest.mark.parametrize("size", [1, 2, 5])
def test_local_response_norm_is_counted_step_by_step(size: int) -> None:
    steps = 0
    for _ in range(TYPE.elements):
        steps += 1  # the square, which the neighbours use too
        steps += len(range(1, size))  # additions over the window
        steps += 2  # times alpha / size, plus k
        steps += 2  # the power and the division
    op = LocalResponseNorm(size)
    assert op.extra_flops((SHAPE,), SHAPE) == steps
    assert op.macs((SHAPE,), SHAPE) == 0
    assert op.output_types((TYPE,)) == (TYPE,)


def test_local_response_norm_learns_nothing_and_keeps_its_input_and_three_maps() -> None:
    op = LocalResponseNorm()
    assert op.parameters(SHAPE) == op.buffers(SHAPE) == ()
    padded = TYPE.bytes * (5 + 4) // 5  # its squares, with two channels on both sides
    assert op.saved((TYPE,), TYPE) == Saved(inputs=True, extra_bytes=padded + 2 * TYPE.bytes)


@pytest.mark.parametrize(
    ("op", "flops", "groups"),
    [
        (LayerNorm((4,)), 7, 6),
        (LayerNorm((3, 4)), 7, 2),
        (LayerNorm((4,), scale=False, shift=False), 5, 6),
        (GroupNorm(3), 7, 6),
        (GroupNorm(1, affine=False), 5, 2),
        (InstanceNorm(), 5, 6),
        (InstanceNorm(affine=True), 7, 6),
    ],
    ids=str,
)
def test_norms_of_groups_count_per_element_and_per_group(op: Op, flops: int, groups: int) -> None:
    shape = (2, 3, 4)
    assert op.extra_flops((shape,), shape) == 24 * flops + 5 * groups
    assert op.saved((TensorType(shape),), TensorType(shape)) == Saved(inputs=True, extra_bytes=8 * groups)


def test_rms_norm_divides_by_the_root_of_the_mean_square() -> None:
    assert RMSNorm((4,)).extra_flops(((2, 3, 4),), (2, 3, 4)) == 24 * 4 + 4 * 6
    assert RMSNorm((4,), scale=False).extra_flops(((2, 3, 4),), (2, 3, 4)) == 24 * 3 + 4 * 6


def test_instance_norm_keeps_statistics_only_on_request() -> None:
    assert InstanceNorm().buffers((2, 3, 4)) == InstanceNorm().parameters((2, 3, 4)) == ()
    assert [tensor.shape for tensor in InstanceNorm(track=True).buffers((2, 3, 4))] == [(3,), (3,)]


@pytest.mark.parametrize(
    ("op", "axes"),
    [(GroupNorm(1), (2, 3)), (InstanceNorm(), (2, 3)), (LocalResponseNorm(), (3, 4)), (BatchNorm1d(), (2, 3))],
    ids=str,
)
def test_a_norm_accepts_its_smallest_and_a_larger_number_of_axes(op: Op, axes: tuple[int, ...]) -> None:
    for rank in axes:
        assert op.output_shape((2, 3, 4, 5)[:rank]) == (2, 3, 4, 5)[:rank]
