"""What a forward pass takes and returns: objects, packed sequences, lists, empty batches, distributions."""

import copy
import dataclasses
import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, Normal
from torch.nn import functional
from torch.nn.utils import rnn

from inception_lens.analyses.analysis import Analysis, analyze
from inception_lens.errors import ConfigError, TraceError
from inception_lens.ops import TensorType
from inception_lens.pytorch.trace.forward_pass import trace

LINEAR = 2 * 8 * 8
"""MACs of the 8x8 layer on two samples."""


class Calls(nn.Module):
    """A forward pass that is one function of an 8x8 layer and of its arguments."""

    def __init__(self, function: Callable[..., Any], layer: nn.Module | None = None) -> None:
        super().__init__()
        self.layer, self.function = layer or nn.Linear(8, 8, bias=False), function

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(self.layer, *args, **kwargs)


class Pair(NamedTuple):
    """Two tensors with names."""

    x: Tensor
    y: Tensor


@dataclasses.dataclass
class Batch:
    """Two tensors and a number."""

    x: Tensor
    y: Tensor
    scale: float = 2.0


class Store:
    """Attributes in a dictionary of its own, as graphs of torch_geometric keep them."""

    def __init__(self, **values: Tensor) -> None:
        self.__dict__["_mapping"] = values

    def __getattr__(self, name: str) -> Tensor:
        try:
            return self.__dict__["_mapping"][name]  # type: ignore[no-any-return]
        except KeyError:
            raise AttributeError(name) from None


class Slotted:
    """Attributes without a dictionary."""

    __slots__ = ("x", "y")

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = x, y


def two() -> dict[str, Tensor]:
    return {"x": torch.rand(2, 8), "y": torch.rand(2, 8)}


@pytest.mark.parametrize("kind", [Pair, Batch, Store, Slotted, SimpleNamespace])
@pytest.mark.parametrize("alone", [False, True])
def test_an_object_is_passed_with_traced_tensors_in_it(kind: Callable[..., Any], alone: bool) -> None:
    given = kind(**two())
    graph = trace(Calls(lambda layer, b: layer(b.x) + layer(b.y)), given if alone else (given,))
    assert analyze(graph).totals.macs == 2 * LINEAR
    assert [each.name.rpartition(".")[2] for each in graph.inputs] == ["x", "y"]
    assert type(given.x) is Tensor


def test_an_object_that_the_model_writes_into_is_left_as_it_was() -> None:
    given = SimpleNamespace(seen=[], **two())

    def write(layer: nn.Module, batch: Any) -> Tensor:
        batch.seen.append(batch.x)
        batch.x = layer(batch.x)
        return batch.x  # type: ignore[no-any-return]

    before = copy.copy(vars(given))
    assert analyze(trace(Calls(write), (given,))).totals.macs == LINEAR
    assert vars(given) == before
    assert given.seen == []


def test_an_object_with_tensors_that_cannot_be_copied() -> None:
    given = SimpleNamespace(x=torch.rand(2, 8), generator=(each for each in "ab"))
    with pytest.raises(ConfigError, match="of type SimpleNamespace cannot be copied"):
        trace(Calls(lambda layer, b: layer(b.x)), (given,))


def resized(layer: nn.Module, x: Tensor, size: Any) -> Any:
    return layer(functional.interpolate(x, size=size))


@pytest.mark.parametrize("image", [torch.rand(1, 3, 8, 8), (1, 3, 8, 8), torch.Size((1, 3, 8, 8))])
def test_a_list_of_whole_numbers_next_to_a_tensor_or_a_shape_is_an_argument(image: Any) -> None:
    module = Calls(resized, nn.Conv2d(3, 4, 1, bias=False))
    for inputs in ((image, [16, 16]), {"x": image, "size": [16, 16]}):
        graph = trace(module, inputs)
        assert analyze(graph).totals.macs == 16 * 16 * 3 * 4
        assert len(graph.inputs) == 1


def test_lists_of_whole_numbers_without_others_are_shapes() -> None:
    module = Calls(lambda layer, x, y: layer(x) + layer(y))
    assert analyze(trace(module, [[2, 8], [2, 8]])).totals.macs == 2 * LINEAR
    assert analyze(trace(nn.Linear(8, 8), [2, 8])).totals.macs == LINEAR


def test_a_batch_without_samples() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)).eval()
    totals = analyze(trace(module, (torch.rand(0, 3, 8, 8),))).totals
    assert (totals.macs, totals.params, totals.exact) == (0, 4 * 27 + 4 + 8 + 290, True)
    assert analyze(trace(nn.Linear(8, 8), (0, 8))).totals.macs == 0


# --- packed sequences


class Packed(nn.Module):
    """A recurrent layer that skips the padding."""

    def __init__(self, make: Callable[..., nn.Module], **options: Any) -> None:
        super().__init__()
        self.layer: nn.Module = make(8, 16, batch_first=True, **options)

    def forward(self, x: Tensor, lengths: Any) -> Tensor:
        packed = rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return rnn.pad_packed_sequence(self.layer(packed)[0], batch_first=True)[0]


RECURRENT: list[tuple[type[nn.RNNBase], dict[str, Any]]] = [
    (nn.LSTM, {}),
    (nn.LSTM, {"proj_size": 5, "num_layers": 2, "dropout": 0.5}),
    (nn.GRU, {"bidirectional": True}),
    (nn.RNN, {}),
    (nn.RNN, {"nonlinearity": "relu", "bias": False}),
]


@pytest.mark.parametrize(("kind", "options"), RECURRENT)
@pytest.mark.parametrize("lengths", [torch.tensor([7, 3, 1]), [7, 3, 1]])
@pytest.mark.parametrize("values", [False, True])
def test_a_packed_sequence_has_the_steps_of_its_lengths(
    kind: type[nn.RNNBase], options: dict[str, Any], lengths: Any, values: bool
) -> None:
    module = Packed(kind, **options)
    matrices = sum(each.numel() for each in module.parameters() if each.dim() == 2)
    graph = trace(module, (torch.rand(3, 7, 8), lengths), values=values)
    totals = analyze(graph).totals
    assert (totals.macs, totals.exact) == ((7 + 3 + 1) * matrices, True)
    assert totals.params == sum(each.numel() for each in module.parameters())
    assert graph.types[graph.outputs[0].node][0].shape == tuple(module(torch.rand(3, 7, 8), lengths).shape)


def test_a_packed_sequence_costs_as_much_as_its_samples() -> None:
    module = nn.LSTM(8, 16)
    packed = rnn.pack_sequence([torch.rand(4, 8), torch.rand(2, 8)])
    graph = trace(Calls(lambda layer, x: layer(x), module), packed)
    samples = [analyze(trace(Calls(lambda layer, x: layer(x), module), (steps, 1, 8))).totals for steps in (4, 2)]
    assert analyze(graph).totals.macs == sum(each.macs for each in samples)
    assert analyze(graph).totals.flops == sum(each.flops for each in samples)
    assert [graph.types[each.node][0].shape for each in graph.outputs] == [(6, 16), (4,), (1, 2, 16), (1, 2, 16)]
    with pytest.raises(ConfigError, match="a PackedSequence, whose batch is fixed"):
        trace(Calls(lambda layer, x: layer(x), module), packed, batch=3)


def test_lengths_whose_values_are_unknown() -> None:
    with pytest.raises(TraceError, match="depends on the values of its input, which is unknown: give the model"):
        trace(Packed(nn.LSTM).to("meta"), ((3, 7, 8), TensorType((3,), "int64")))


# --- outputs


OUTPUTS: dict[str, tuple[Callable[..., Any], list[tuple[int, ...]]]] = {
    "logits": (lambda layer, x: Categorical(logits=layer(x)), [(2, 8)]),
    "independent": (lambda layer, x: Independent(Normal(layer(x), 1.0), 1), [(2, 8)]),
    "object": (lambda layer, x: SimpleNamespace(found=[{"a": layer(x)}], name="x"), [(2, 8)]),
    "containers": (lambda layer, x: {"a": [Batch(layer(x), x)], "b": (Slotted(x, x[0]),)}, [(2, 8)] * 3 + [(8,)]),
}  # fmt: skip


@pytest.mark.parametrize("name", OUTPUTS)
def test_tensors_are_found_in_what_a_model_returns(name: str) -> None:
    function, shapes = OUTPUTS[name]
    checked = Distribution._validate_args
    graph = trace(Calls(function).to("meta"), (2, 8))
    found = [graph.types[each.node][0].shape for each in graph.outputs]
    assert found[: len(shapes)] == shapes
    assert analyze(graph).totals.macs == LINEAR
    assert graph.metadata.note == ""
    assert Distribution._validate_args is checked


class Returns(nn.Module):
    """Calls a layer or nothing, and returns something else."""

    def __init__(self, function: Callable[..., Any], runs: bool) -> None:
        super().__init__()
        self.layer, self.weight, self.function, self.runs = nn.Linear(8, 8), nn.Parameter(torch.ones(3)), function, runs

    def forward(self, x: Tensor) -> Any:
        if self.runs:
            self.layer(x)
        return self.function(self, x)


NOT_COMPUTED: dict[str, tuple[Callable[..., Any], str]] = {
    "parameter": (lambda module, x: module.weight, "`Returns` returns no tensor that is computed from its inputs: "),
    "constant": (lambda module, x: torch.zeros(3), "`Returns` returns no tensor that is computed from its inputs: "),
    "input": (lambda module, x: x, "`Returns` returns its input: "),
    "text": (lambda module, x: "nothing", "`Returns` returns no tensor: "),
}


@pytest.mark.parametrize("runs", [False, True])
@pytest.mark.parametrize("name", NOT_COMPUTED)
def test_a_model_whose_output_is_not_computed_from_its_input_is_shown_with_a_sentence(name: str, runs: bool) -> None:
    function, sentence = NOT_COMPUTED[name]
    analysis: Analysis = analyze(trace(Returns(function, runs), (2, 8)))
    assert (analysis.totals.macs, analysis.totals.params) == (LINEAR if runs else 0, 72 + 3)
    assert analysis.totals.exact
    assert analysis.graph.metadata.note.startswith(sentence)
    assert [layer.op for layer in analysis.layers if layer.macs] == (["Linear"] if runs else [])


# --- lazy modules


def lazy() -> nn.Sequential:
    return nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(10), nn.Linear(10, 2))


@pytest.mark.parametrize("values", [False, True])
def test_a_lazy_model_is_counted_and_stays_lazy(values: bool) -> None:
    module = lazy()
    kinds = [type(each) for each in module]
    first: Any = module[0]
    weight, rng = module[4].weight, torch.get_rng_state()
    for size in (8, 6):
        totals = analyze(trace(module, (1, 3, size, size), mode="inference", values=values)).totals
        maps = (size - 2) ** 2
        assert totals.macs == maps * 4 * 27 + 4 * maps * 10 + 20
        assert totals.params == 4 * 27 + 4 + 8 + 4 * maps * 10 + 10 + 22
        assert totals.exact
    assert [type(each) for each in module] == kinds
    assert first.has_uninitialized_params()
    assert module[4].weight is weight
    assert torch.equal(torch.get_rng_state(), rng)
    assert tuple(module(torch.rand(2, 3, 8, 8)).shape) == (2, 2)


def test_a_lazy_model_that_cannot_be_copied() -> None:
    module = lazy()
    module.generator = (each for each in "ab")  # type: ignore[assignment]
    with pytest.raises(TraceError, match="Sequential has lazy modules and cannot be copied"):
        trace(module, (1, 3, 8, 8))


# --- unbatched pooling


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("kind", ["MaxPool", "AvgPool", "AdaptiveMaxPool", "AdaptiveAvgPool"])
def test_a_pool_of_maps_without_a_batch_costs_as_much_as_one_sample(kind: str, dimensions: int) -> None:
    shape = (3, 7, 6, 5)[: dimensions + 1]
    module = nn.Sequential(getattr(nn, f"{kind}{dimensions}d")(2))
    alone, batch = (analyze(trace(module, (each,))) for each in (shape, (1, *shape)))
    assert alone.totals.flops == batch.totals.flops > 0
    assert alone.totals.exact
    assert alone.graph.types[alone.graph.outputs[0].node][0].shape == tuple(module(torch.rand(shape)).shape)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_a_convolution_of_maps_without_a_batch_costs_as_much_as_one_sample(dimensions: int) -> None:
    shape = (3, 7, 6, 5)[: dimensions + 1]
    kinds: Any = nn
    module = nn.Sequential(getattr(kinds, f"Conv{dimensions}d")(3, 4, 3), getattr(kinds, f"MaxPool{dimensions}d")(2))
    alone, batch = (analyze(trace(module, (each,))).totals for each in (shape, (1, *shape)))
    assert (alone.macs, alone.flops, alone.params) == (batch.macs, batch.flops, batch.params)


# --- what a trace leaves as it was


def state() -> str:
    """The state of NumPy's global generator."""
    return str([*np.random.get_state()[1]])  # type: ignore[index]


def test_random_generators_are_left_as_they_were() -> None:
    def draw(layer: nn.Module, x: Tensor) -> Any:
        noise = np.random.rand() + random.random() + float(torch.rand(()))  # noqa: S311
        return layer(x) * noise

    module = Calls(draw)
    before = (torch.get_rng_state(), random.getstate(), state())
    trace(module, (2, 8))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert state() == before[2]


def test_a_model_that_raises_one_error_object_in_each_run_is_one_line() -> None:
    error = ValueError("no")

    class Raising(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise error

    for _ in range(2):
        with pytest.raises(TraceError, match=r"ValueError: no$"):
            trace(Raising(), (3, 8, 8))
