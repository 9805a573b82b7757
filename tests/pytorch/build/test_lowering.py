"""Every operation of the table becomes a module with its shapes, parameters and semantics."""

import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from inception_lens import ops
from inception_lens.errors import GraphError
from inception_lens.ops import OPS, Op, TensorType
from inception_lens.ops.window import explicit_padding
from inception_lens.pytorch.build.lowering import lower
from inception_lens.writers.pytorch.module_table import ROWS_OF
from tests.ops.test_table import SAMPLES

NOT_DEFINED = {ops.Declared, ops.Unknown}
"""Operations that do not say what they compute."""


def example(tensor: TensorType) -> Tensor:
    if tensor.dtype == "int64":
        return torch.randint(0, 5, tensor.shape)
    return torch.randn(tensor.shape, dtype=getattr(torch, tensor.dtype))


def flat(result: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return result if isinstance(result, tuple) else (result,)


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize("kind", [kind for kind in OPS if kind not in NOT_DEFINED], ids=lambda kind: kind.__name__)
def test_a_module_makes_the_outputs_and_holds_the_tensors_of_its_operation(kind: type[Op]) -> None:
    op, inputs = SAMPLES[kind]
    module = lower(op, inputs)
    outputs = flat(module(*map(example, inputs)))
    declared = op.output_types(inputs)
    assert [(tuple(o.shape), str(o.dtype)) for o in outputs] == [(t.shape, f"torch.{t.dtype}") for t in declared]
    shapes = [tensor.shape for tensor in inputs]
    assert {n: tuple(p.shape) for n, p in module.named_parameters()} == {
        tensor.role: tensor.shape for tensor in op.parameters(*shapes)
    }
    assert {n: tuple(b.shape) for n, b in module.named_buffers() if n != "num_batches_tracked"} == {
        tensor.role: tensor.shape for tensor in op.buffers(*shapes)
    }


def test_every_operation_has_a_lowering() -> None:
    assert {op for op, rows in ROWS_OF.items() if not rows} == NOT_DEFINED


@pytest.mark.parametrize("kind", sorted(NOT_DEFINED, key=str), ids=lambda kind: kind.__name__)
def test_an_operation_that_is_not_defined_is_refused(kind: type[Op]) -> None:
    op, inputs = SAMPLES[kind]
    with pytest.raises(GraphError, match="does not define what"):
        lower(op, inputs)


@pytest.mark.parametrize(
    "op", [ops.Elementwise("mul"), ops.Elementwise("clamp"), ops.Stored((2,), tensor_kind="constant")]
)
def test_calls_with_numbers_that_the_graph_lacks_are_refused(op: Op) -> None:
    inputs = () if isinstance(op, ops.Stored) else (TensorType((2, 3)),)
    with pytest.raises(GraphError, match=r"does not hold the numbers|holds a constant's shape"):
        lower(op, inputs)


@pytest.mark.parametrize(
    ("op", "kind"),
    [
        (ops.Conv2d(6, (3, 3), padding="same"), nn.Conv2d),
        (ops.Conv2d(6, (5, 3), padding=(2, 1), groups=2, bias=False), nn.Conv2d),
        (ops.MaxPool2d((3, 3), (2, 2), rounding="ceil"), nn.MaxPool2d),
        (ops.MaxPool2d((3, 3), (2, 2), rounding="ceil_unclipped"), nn.MaxPool2d),
        (ops.MaxPool2d((3, 3), (1, 1), "same"), nn.MaxPool2d),
        (ops.AvgPool2d((3, 3), (2, 2), rounding="trunc"), nn.AvgPool2d),
        (ops.BatchNorm2d(), nn.BatchNorm2d),
        (ops.LocalResponseNorm(), nn.LocalResponseNorm),
        (ops.ReLU(inplace=True), nn.ReLU),
        (ops.Dropout(0.4), nn.Dropout),
        (ops.Linear(3), nn.Linear),
        (ops.Softmax(1), nn.Softmax),
        (ops.AdaptiveAvgPool2d(), nn.AdaptiveAvgPool2d),
        (ops.Flatten(), nn.Flatten),
    ],
    ids=str,
)
def test_pytorchs_own_class_is_used_if_it_has_the_same_semantics(op: Op, kind: type[nn.Module]) -> None:
    assert type(lower(op, (TensorType((2, 4, 9, 8)),))) is kind


SIZES = [(7, 7), (8, 8), (9, 12), (12, 5)]
WINDOWS = list(itertools.product([(3, 3), (2, 2), (5, 3), (4, 4)], [(1, 1), (2, 2), (3, 2)]))


def windows_of(x: Tensor, op: Op, fill: float) -> Tensor:
    """Every window of every channel, gathered one by one from the map, `(N, C, H', W', K)`; an independent reading."""
    assert isinstance(op, ops.Conv2d | ops.MaxPool2d | ops.AvgPool2d)
    kernel, stride = op.kernel_size, op.stride
    height, width = op.output_types((TensorType(tuple(x.shape)),))[0].shape[2:]
    pads = explicit_padding(tuple(x.shape[2:]), kernel, stride, op.padding, (1, 1))
    found = torch.full((*x.shape[:2], height, width, kernel[0] * kernel[1]), fill)
    for i, j, a, b in itertools.product(range(height), range(width), range(kernel[0]), range(kernel[1])):
        row, column = i * stride[0] - pads[0][0] + a, j * stride[1] - pads[1][0] + b
        if 0 <= row < x.shape[2] and 0 <= column < x.shape[3]:
            found[:, :, i, j, a * kernel[1] + b] = x[:, :, row, column]
    return found


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(("kernel", "stride"), WINDOWS, ids=str)
def test_same_padding_is_that_of_tensorflow(
    size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int]
) -> None:
    x = torch.randn(2, 3, *size)
    inputs = (TensorType((2, 3, 10, 10)),)  # built for another map than it meets
    conv = ops.Conv2d(4, kernel, stride, "same", bias=False)
    module = lower(conv, inputs)
    weight = module.get_parameter("weight")
    unfolded = windows_of(x, conv, 0.0).permute(0, 2, 3, 1, 4).flatten(3)
    torch.testing.assert_close(module(x), (unfolded @ weight.flatten(1).T).permute(0, 3, 1, 2))
    most = ops.MaxPool2d(kernel, stride, "same")
    assert torch.equal(lower(most, inputs)(x), windows_of(x, most, -torch.inf).amax(-1))
    for counted in (False, True):
        mean = ops.AvgPool2d(kernel, stride, "same", count_include_pad=counted)
        inside = windows_of(torch.ones_like(x), mean, 1.0 if counted else 0.0).sum(-1)
        torch.testing.assert_close(lower(mean, inputs)(x), windows_of(x, mean, 0.0).sum(-1) / inside)


@pytest.mark.parametrize(
    ("padding", "rounding", "kernel", "stride", "size"),
    [
        ((0, 0), "ceil_unclipped", (2, 2), (3, 3), (6, 6)),  # a last window that starts after the map
        ((1, 1), "ceil_unclipped", (2, 2), (3, 3), (7, 8)),
        ((0, 0), "trunc", (7, 7), (7, 7), (4, 5)),  # one window larger than the map
        (((0, 1), (1, 0)), "floor", (3, 3), (2, 2), (7, 8)),  # sides that differ
        (((0, 1), (1, 2)), "ceil", (3, 3), (2, 2), (8, 8)),
        ((2, 2), "floor", (3, 3), (1, 1), (6, 6)),  # more than half a window, which PyTorch's pools refuse
    ],
)
def test_borders_that_pytorch_does_not_have(
    padding: ops.Padding,
    rounding: ops.Rounding,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    size: tuple[int, int],
) -> None:
    x = torch.randn(2, 3, *size)
    inputs = (TensorType((2, 3, *size)),)
    most = ops.MaxPool2d(kernel, stride, padding, rounding)
    assert torch.equal(lower(most, inputs)(x), windows_of(x, most, -torch.inf).amax(-1))
    mean = ops.AvgPool2d(kernel, stride, padding, rounding, count_include_pad=False)
    inside = windows_of(torch.ones_like(x), mean, 0.0).sum(-1)
    expected = windows_of(x, mean, 0.0).sum(-1) / inside
    torch.testing.assert_close(lower(mean, inputs)(x), expected, equal_nan=True)


def test_a_mean_with_padding_excludes_elements_beyond_the_padding() -> None:
    x, inputs = torch.randn(2, 3, 8, 8), (TensorType((2, 3, 8, 8)),)
    own = lower(ops.AvgPool2d((3, 3), (2, 2), ((1, 1), (1, 1)), "ceil"), inputs)
    assert type(own) is nn.AvgPool2d
    mean = ops.AvgPool2d((3, 3), (2, 2), ((1, 1), (0, 1)), "ceil")
    shifted = functional.avg_pool2d(functional.pad(x, (0, 0, 0, 0)), (3, 3), (2, 2), (1, 0), ceil_mode=True)
    found = lower(mean, inputs)(x)
    assert found.shape[2:] == (5, 4)
    torch.testing.assert_close(found[..., :3], shifted[..., :3])


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(("scale", "shift"), [(True, False), (False, True)])
def test_a_batch_norm_without_scale_or_shift(rank: int, scale: bool, shift: bool) -> None:
    kind = (ops.BatchNorm1d, ops.BatchNorm2d, ops.BatchNorm3d)[rank - 1]
    x = torch.randn(4, 3, *(5,) * rank)
    module = lower(kind(1e-3, scale=scale, shift=shift), (TensorType(tuple(x.shape)),))
    (parameter,) = module.parameters()
    nn.init.normal_(parameter)
    axes = (0, *range(2, rank + 2))
    standard = (x - x.mean(axes, keepdim=True)) / (x.var(axes, unbiased=False, keepdim=True) + 1e-3).sqrt()
    one = parameter.view(-1, *(1,) * rank)
    torch.testing.assert_close(module(x), standard * one if scale else standard + one)
    module.reset_parameters()  # type: ignore[operator]
    assert parameter.eq(1.0 if scale else 0.0).all()


def test_a_scaled_sum() -> None:
    x, y, z = torch.randn(3, 2, 4)
    types = (TensorType((2, 4)),) * 3
    torch.testing.assert_close(lower(ops.Add(0.17), types)(x, y, z), x + y + 0.17 * z)
    torch.testing.assert_close(lower(ops.Add(0.17), types[:1])(x), 0.17 * x)


@pytest.mark.parametrize("op", [ops.Sigmoid(inplace=True), ops.Tanh(inplace=True), ops.ReLU(inplace=True)], ids=str)
def test_an_operation_in_place_writes_to_its_input(op: Op) -> None:
    x = torch.randn(2, 3)
    result = lower(op, (TensorType((2, 3)),))(x)
    assert result.data_ptr() == x.data_ptr()


def test_grouped_queries_attend() -> None:
    query, key = TensorType((1, 4, 5, 8)), TensorType((1, 2, 7, 8))
    module = lower(ops.ScaledDotProductAttention(), (query, key, key))
    assert module(torch.randn(query.shape), torch.randn(key.shape), torch.randn(key.shape)).shape == query.shape
