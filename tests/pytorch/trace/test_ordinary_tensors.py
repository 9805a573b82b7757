"""Models that do what a traced tensor cannot; and ordinary tensors give every model the same graph."""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import inception_lens as il
from inception_lens.analyses.analysis import analyze
from inception_lens.errors import ConfigError, TraceError, UnknownValueError
from inception_lens.graph import Graph, Inputs, Metadata, Mode
from inception_lens.pytorch.trace.forward_pass import ForwardPass, Way
from inception_lens.pytorch.trace.global_state import in_mode, undisturbed
from inception_lens.pytorch.trace.lazy_modules import indexed
from tests.pytorch.trace.calls import Calls

ROWS = torch.arange(16.0).reshape(2, 8)
PRODUCT = 2 * 8 * 8


# --- both ways


class Branches(nn.Module):
    """Views, writes through them, a buffer, a list of parts, and a parameter that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(8))
        self.register_buffer("shift", torch.zeros(8))
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first, second = self.linear(x).chunk(2)
        out = torch.zeros_like(x)
        out[:1] = first * self.scale + self.shift
        out[1:].add_(second.detach())
        return out.relu_(), functional.linear(turned := x.t(), turned) @ torch.arange(8.0)[:, None]


MODELS: dict[str, tuple[nn.Module, Inputs]] = {
    "convolutions": (
        nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten()),
        (2, 3, 8, 8),
    ),
    "attention": (nn.TransformerEncoderLayer(16, 4, 32, dropout=0.0, batch_first=True), (2, 5, 16)),
    "decoder": (nn.TransformerDecoderLayer(16, 4, 32, dropout=0.0, batch_first=True), [(2, 5, 16), (2, 7, 16)]),
    "recurrent": (nn.LSTM(8, 16, batch_first=True), (2, 5, 8)),
    "gru": (nn.GRU(8, 16, num_layers=2), (5, 2, 8)),
    "embedding": (nn.Sequential(nn.Embedding(10, 8), nn.LayerNorm(8), nn.Linear(8, 4)), torch.tensor([[1, 2, 3]])),
    "views": (Branches(), ROWS),
    "transposed": (
        nn.Sequential(nn.ConvTranspose2d(4, 2, 2, 2), nn.GroupNorm(1, 2), nn.Upsample(scale_factor=2)),
        (1, 4, 3, 3),
    ),
    "einsum": (Calls(lambda linear, x: torch.einsum("ij,kj->ik", linear(x), x).softmax(-1)), ROWS),
    "dtypes": (Calls(lambda linear, x: linear(x).half().float().argmax(-1)), ROWS),
    "sparse": (Calls(lambda linear, x: torch.eye(2).to_sparse() @ linear(x)), ROWS),
    "autocast": (Calls(lambda linear, x: autocast(linear, x)), ROWS),
    "vmap": (Calls(lambda linear, x: torch.vmap(linear)(x)), ROWS),
    "outer": (Calls(lambda linear, x: torch.mm(x, linear.weight, out=torch.empty(2, 8))), ROWS),
    "lazy": (nn.Sequential(nn.LazyLinear(4), nn.ReLU()), ROWS),
}  # fmt: skip


def autocast(linear: nn.Module, x: Tensor) -> object:
    with torch.autocast("cpu", torch.bfloat16):
        return linear(x) + 1


OTHER_STRIDES = ("attention", "decoder")
"""Models in which PyTorch's kernel returns a tensor of other strides than the rule has, so that no copy follows."""


def counted(graph: Graph) -> tuple[int, int | None, int]:
    totals = analyze(graph).totals
    return totals.macs, totals.flops, totals.params_used


def recorded(model: nn.Module, inputs: Inputs, way: Way) -> Graph:
    index = indexed(model)
    with in_mode(index.modules, None), undisturbed():
        return ForwardPass(index, inputs, None, Metadata("model"), shortcuts=False).record(way)


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("name", MODELS)
def test_ordinary_tensors_give_the_same_graph(name: str, mode: Mode) -> None:
    model, inputs = MODELS[name]
    model.train(mode == "training")
    before = {key: tensor.clone() for key, tensor in model.state_dict().items() if name != "lazy"}
    expected, found = (recorded(model, inputs, way) for way in (Way.TYPES, Way.ORDINARY))
    assert found.inputs == expected.inputs
    assert found.outputs == expected.outputs
    assert counted(found) == counted(expected)
    if name not in OTHER_STRIDES:
        assert found.nodes == expected.nodes
        assert [found.types[node.name] for node in found.nodes] == [expected.types[node.name] for node in found.nodes]
        assert analyze(found).totals == analyze(expected).totals
    assert all(torch.equal(model.state_dict()[key], tensor) for key, tensor in before.items())


@pytest.mark.parametrize("name", [name for name in MODELS if name not in ("lazy", "autocast", "outer")])
def test_ordinary_tensors_on_the_meta_device(name: str) -> None:
    model, inputs = MODELS[name]
    expected = counted(recorded(model.eval(), inputs, Way.ORDINARY))
    assert counted(recorded(copy.deepcopy(model).to("meta"), inputs, Way.ORDINARY)) == expected


@pytest.mark.parametrize("name", ["autocast", "outer"])
def test_what_the_meta_device_cannot_show_needs_the_weights(name: str) -> None:
    model, inputs = MODELS[name]
    with pytest.raises(UnknownValueError, match="give the model its weights"):
        recorded(copy.deepcopy(model).to("meta"), inputs, Way.ORDINARY)


# --- what only ordinary tensors can


def helper(x: object) -> bool:
    return type(x) is torch.Tensor


def raising(linear: nn.Module, x: Tensor) -> object:
    if type(x) is not torch.Tensor:
        raise ValueError("not a tensor")
    return linear(x)


def copied_by_pickle(linear: nn.Module, x: Tensor) -> object:
    file = io.BytesIO()
    torch.save(x, file)
    file.seek(0)
    return linear(torch.load(file))


def other_memory(linear: nn.Module, x: Tensor) -> object:
    y = torch.empty_like(x)
    y.data = linear(x)
    return linear(y)


@torch.library.custom_op("inception_lens_test::tanh", mutates_args=())
def tanh_in_numpy(x: Tensor) -> Tensor:
    return torch.from_numpy(np.tanh(x.numpy()))


@pytest.mark.filterwarnings("ignore:The argument 'device' of Tensor.is_pinned:DeprecationWarning")  # of from_dlpack
@pytest.mark.parametrize(
    ("function", "macs"),
    [
        (lambda linear, x: linear(x) if type(x) is torch.Tensor else x, PRODUCT),
        (lambda linear, x: linear(x) if type(x) == torch.Tensor else x, PRODUCT),  # noqa: E721
        (lambda linear, x: linear(x) if type(x) in (torch.Tensor, nn.Parameter) else x, PRODUCT),
        (lambda linear, x: linear(x) if x.__class__ is Tensor else x, PRODUCT),
        (lambda linear, x: linear(x) if type(x).__name__ == "Tensor" else x, PRODUCT),
        (lambda linear, x: {torch.Tensor: linear}[type(x)](x), PRODUCT),
        (lambda linear, x: linear(x) if helper(x) else x, PRODUCT),
        (raising, PRODUCT),
        (copied_by_pickle, PRODUCT),
        (other_memory, 2 * PRODUCT),
        (lambda linear, x: linear(copy.deepcopy(x)), PRODUCT),
        (lambda linear, x: linear(torch.utils.dlpack.from_dlpack(x)), PRODUCT),
        (lambda linear, x: linear(torch.tensor([]).set_(x)), PRODUCT),
        (lambda linear, x: linear(x) if x.untyped_storage().nbytes() == 64 else x, PRODUCT),
        (lambda linear, x: linear(tanh_in_numpy(x)), PRODUCT),
    ],
)  # fmt: skip
def test_models_that_need_ordinary_tensors(function: Callable[..., object], macs: int) -> None:
    assert il.analyze(Calls(function), ROWS).totals.macs == macs


def test_the_class_of_a_tensor_on_the_meta_device() -> None:
    model = Calls(lambda linear, x: linear(x) if type(x) is torch.Tensor else x)
    assert il.analyze(model.to("meta"), (2, 8)).totals.macs == PRODUCT


def chain() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 8, bias=False), nn.ReLU(), nn.Linear(8, 8, bias=False)).eval()


def scripts() -> list[nn.Module]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted, traced = torch.jit.script(chain()), torch.jit.trace(chain(), ROWS)  # type: ignore[no-untyped-call]
        found = [scripted, traced, torch.jit.freeze(scripted), torch.jit.freeze(traced)]
        return [*found, nn.Sequential(torch.jit.script(nn.Linear(8, 8)), nn.Linear(8, 8))]


@pytest.mark.parametrize("number", range(5))
def test_torchscript(number: int) -> None:
    model = scripts()[number]
    has_flag = hasattr(model, "training")
    totals = il.analyze(model, ROWS).totals
    assert hasattr(model, "training") is has_flag
    assert (totals.macs, totals.macs_exact) == (2 * PRODUCT, True)


JAGGED = torch.nested.nested_tensor([torch.rand(2, 8), torch.rand(3, 8)], layout=torch.jagged)


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (lambda linear, x: linear(x), JAGGED),
        (lambda linear, x: linear(x).relu().values(), JAGGED),
        (lambda linear, x: linear(nested([x[:2], x[:3]])).values(), torch.rand(5, 8)),
        (lambda linear, x: torch.nested.to_padded_tensor(linear(nested([x[:2], x[2:]])), 0.0), torch.rand(5, 8)),
    ],
)
def test_jagged_tensors(function: Callable[..., object], x: Tensor) -> None:
    totals = il.analyze(Calls(function), (x,)).totals
    assert (totals.macs, totals.macs_exact) == (5 * 64, True)


def nested(parts: list[Tensor]) -> Tensor:
    return torch.nested.nested_tensor(parts, layout=torch.jagged)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors is in prototype stage:UserWarning")
def test_attention_of_jagged_tensors() -> None:
    """Two heads of width 4, on sequences of 2 and 3 rows."""

    def function(linear: nn.Module, x: Tensor) -> object:
        heads = linear(x).view(5, 2, 4)
        parts = torch.nested.nested_tensor_from_jagged(heads, torch.tensor([0, 2, 5])).transpose(1, 2)
        return functional.scaled_dot_product_attention(parts, parts, parts).values()

    totals = il.analyze(Calls(function), torch.rand(5, 8)).totals
    assert (totals.macs, totals.macs_exact) == (5 * 64 + 2 * (2 * 2 + 3 * 3) * 2 * 4, True)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors is in prototype stage:UserWarning")
@pytest.mark.parametrize(
    ("function", "macs"),
    [
        (lambda linear, x: linear(x), 5 * 64),
        (lambda linear, x: linear(x).relu(), 5 * 64),
        (lambda linear, x: torch.bmm(x, x.transpose(1, 2)), (4 + 9) * 8),
        (lambda linear, x: functional.scaled_dot_product_attention(x, x, x), 2 * (4 + 9) * 8),
    ],
)
def test_nested_tensors_of_the_strided_layout(function: Callable[..., object], macs: int) -> None:
    def padded(linear: nn.Module, x: Tensor) -> object:
        result = function(linear, torch.nested.nested_tensor([x[:2], x[2:]]))
        assert isinstance(result, Tensor)
        return torch.nested.to_padded_tensor(result, 0.0)

    totals = il.analyze(Calls(padded), torch.rand(5, 8)).totals
    assert (totals.macs, totals.macs_exact) == (macs, True)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors is in prototype stage:UserWarning")
def test_an_input_of_the_strided_layout_is_refused_in_one_line() -> None:
    x = torch.nested.nested_tensor([torch.rand(2, 8), torch.rand(3, 8)])
    with pytest.raises(ConfigError, match=r"is a nested tensor: create it with layout=torch\.jagged"):
        il.analyze(Calls(lambda linear, x: linear(x)), (x,))


# --- mistakes


def test_a_mistake_is_not_tried_again_with_ordinary_tensors() -> None:
    calls: list[type] = []

    def function(linear: nn.Module, x: Tensor) -> object:
        calls.append(type(x))
        return linear(x)

    with pytest.raises(TraceError, match="7"):
        il.analyze(Calls(function), torch.rand(2, 7))
    assert Tensor not in calls


def test_the_models_own_error_is_reported_once_both_ways_fail() -> None:
    def function(linear: nn.Module, x: Tensor) -> object:
        return linear(x).no_such_method()

    with pytest.raises(TraceError, match="no attribute 'no_such_method'"):
        il.analyze(Calls(function), ROWS)


def test_parameters_that_a_model_writes_to_are_restored() -> None:
    def function(linear: nn.Linear, x: Tensor) -> object:
        linear.weight.data.mul_(2)
        return linear(x) if type(x) is torch.Tensor else x

    model = Calls(function)
    before = model.linear.weight.detach().clone()
    assert il.analyze(model, ROWS).totals.macs == PRODUCT
    assert torch.equal(model.linear.weight, before)
