"""A graph with another batch equals a fresh trace on that batch, or there is an error: never a wrong number."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from inception_lens.analyses.analysis import analyze
from inception_lens.benchmarks.ports import libraries
from inception_lens.errors import GraphError, InceptionLensError, TraceError
from inception_lens.graph import Graph
from inception_lens.ops import TensorType
from inception_lens.pytorch.trace.forward_pass import trace
from tests.pytorch.trace.test_cases import Calls

Step = Callable[[Any, Tensor], Tensor]

STEPS: dict[str, Step] = {
    # They hold for every batch.
    "conv": lambda s, x: functional.conv2d(x, s.weight.expand(3, x.shape[1], 3, 3), padding=1),
    "relu": lambda s, x: x.relu(),
    "linear": lambda s, x: functional.linear(x, s.square[:, : x.shape[-1]]),
    "softmax": lambda s, x: x.softmax(-1),
    "flatten": lambda s, x: x.flatten(1),
    "rows": lambda s, x: x.reshape(-1, x.shape[-1]),
    "swap": lambda s, x: x.transpose(0, 1),
    "mean of the batch": lambda s, x: x.mean(0, keepdim=True),
    "last columns": lambda s, x: x[..., 1:],
    "twice": lambda s, x: torch.cat([x, x]),
    "learned sum": lambda s, x: x + s.square[0, : x.shape[-1]],
    "pad": lambda s, x: functional.pad(x, (1, 1)),
    "layer norm": lambda s, x: functional.layer_norm(x, x.shape[-1:]),
    "products": lambda s, x: x @ x.transpose(-1, -2),
    # Their numbers may be those of one batch.
    "by the batch": lambda s, x: x.reshape(x.shape[0], -1),
    "new axis": lambda s, x: x.unsqueeze(1),
    "new first axis": lambda s, x: x.unsqueeze(0),
    "no axes of one": lambda s, x: x.squeeze(),
    "no first axis of one": lambda s, x: x.squeeze(0),
    "all after the first": lambda s, x: x[1:],
    "first": lambda s, x: x[0],
    "last": lambda s, x: x[-1],
    "each": lambda s, x: torch.stack([each.exp() for each in x]),
    "halves": lambda s, x: x.chunk(2)[0],
    "with zeros": lambda s, x: x + torch.zeros(x.shape),
    "with a sum of zeros": lambda s, x: x + torch.zeros(x.shape[0], *[1] * (x.dim() - 1)).exp(),
    "with a product of zeros": lambda s, x: x + (torch.zeros(x.shape[0], 8) @ s.square).sum(),
    "with columns of zeros": lambda s, x: x + (s.square @ torch.zeros(8, x.shape[0])).sum(),
    "with twice as many zeros": lambda s, x: x + (torch.zeros(2 * x.shape[0], 8) @ s.square).sum(),
    "with a list of zeros": lambda s, x: x + torch.zeros(x.shape[0]).exp().sum(),
    "with two created tensors": lambda s, x: x + (torch.zeros(3 * x.shape[0]) + torch.ones(3 * x.shape[0])).sum(),
    "product with zeros": lambda s, x: x @ torch.zeros(x.shape[-1], x.shape[0]),
    "before zeros": lambda s, x: torch.cat([x, torch.zeros(x.shape)]),
    "outer product": lambda s, x: x.unsqueeze(0) * torch.zeros(x.shape[0], *[1] * x.dim()),
    "some learned rows": lambda s, x: functional.linear(x, s.square[: 2 * x.shape[0], : x.shape[-1]]),
    "with repeated learned rows": lambda s, x: x + (s.square.repeat(x.shape[0], 1) @ s.square).sum(),
    "with a learned state": lambda s, x: x + (s.square[:1].expand(x.shape[0], 8) @ s.square).sum(),
    "with a learned row for each": lambda s, x: x * s.square[:1, :1].expand(x.shape[0], 1),
    "repeated": lambda s, x: x.expand(2, *x.shape),
    "broadcast to the batch": lambda s, x: x[:1].expand(x.shape),
    "with places": lambda s, x: x + torch.arange(x.shape[0]).reshape(-1, *[1] * (x.dim() - 1)),
    "larger": lambda s, x: functional.interpolate(x, scale_factor=2),
    "as large as": lambda s, x: functional.interpolate(x, size=[2 * n for n in x.shape[2:]]),
    "groups of the batch": lambda s, x: functional.conv2d(
        x.reshape(1, -1, *x.shape[2:]), s.weight.expand(x.shape[0], x.shape[1], 3, 3), groups=x.shape[0], padding=1
    ),
}


def computed(graph: Graph) -> list[object]:
    """The calls that are computed from an input, and their types.

    Other tensors of a batch of 1 are broadcast to another batch, by one call more where the model expands them.
    """
    others = graph.index.independent
    return [
        (node.name, node.op, [name not in others and name for name in node.inputs], graph.types[node.name])
        for node in graph.nodes
        if node.name not in others
    ]


def check(model: nn.Module, shape: tuple[int, ...], batch: int, other: int) -> bool:
    """Compare a graph with another batch with a fresh trace; return whether there was one."""
    graph = trace(model, [(batch, *shape)])
    try:
        changed = graph.with_batch(other)
    except InceptionLensError:
        return False
    try:
        fresh = trace(model, [(other, *shape)])
    except TraceError:
        return False  # the model does not run on that batch
    assert computed(changed) == computed(fresh)
    assert analyze(changed).totals == analyze(fresh).totals
    return True


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([*STEPS]), min_size=1, max_size=4), st.integers(1, 3), st.integers(1, 4))
def test_random_models(names: list[str], batch: int, other: int) -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        for name in names:
            x = STEPS[name](self, x)
        return x

    model = Calls(forward, weight=nn.Parameter(torch.rand(1, 1, 3, 3)), square=nn.Parameter(torch.rand(8, 8)))
    try:
        model.eval()(torch.rand(batch, 3, 4, 4))
    except (RuntimeError, IndexError, NotImplementedError, ValueError):
        assume(False)
    check(model, (3, 4, 4), batch, other)


BOUND = (
    "all after the first", "each", "halves", "first", "with a sum of zeros", "with a product of zeros",
    "with a learned state", "broadcast to the batch", "repeated", "with columns of zeros", "with twice as many zeros",
    "with a list of zeros", "with two created tensors", "product with zeros", "before zeros", "outer product",
    "some learned rows", "with repeated learned rows",
)  # fmt: skip
"""Steps with a number that follows from the batch, or may follow from it, without a size of another shape."""


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("name", BOUND)
def test_what_may_follow_from_the_batch_is_an_error(name: str, batch: int) -> None:
    model = Calls(STEPS[name], square=nn.Parameter(torch.rand(8, 8)))
    graph = trace(model, [(batch, 3, 4, 4)])
    with pytest.raises(InceptionLensError):
        graph.with_batch(3 - batch)


@pytest.mark.parametrize(
    "name", ["conv", "relu", "linear", "softmax", "flatten", "rows", "swap", "last columns", "layer norm", "products"]
)
def test_what_holds_for_every_batch_is_not(name: str) -> None:
    stored = {"weight": nn.Parameter(torch.rand(1, 1, 3, 3)), "square": nn.Parameter(torch.rand(8, 8))}
    model = Calls(STEPS[name], **stored)
    assert check(model, (3, 4, 4), 2, 5) or name in ("conv", "linear")  # whose weights are computed


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "densenet121", "regnet_y_400mf"])
def test_networks_of_torchvision(name: str) -> None:
    model = libraries()["torchvision"].models.get_model(name).to("meta").eval()
    assert check(model, (3, 64, 64), 1, 3)


@pytest.mark.parametrize("name", ["vit_b_16", "swin_t", "shufflenet_v2_x1_0"])
def test_networks_whose_reshapes_hold_the_batch(name: str) -> None:
    model = libraries()["torchvision"].models.get_model(name).to("meta").eval()
    with pytest.raises(InceptionLensError, match=r"reshape|unknown for"):
        trace(model, [(2, 3, 224, 224)]).with_batch(3)


def test_a_created_tensor_of_a_size_that_the_input_confirms_is_not() -> None:
    def forward(self: object, x: Tensor) -> Tensor:
        means = torch.tensor([0.5, 0.25, 0.125]).reshape(1, 3, 1, 1)
        return (x - means) * torch.ones(1, 1, x.shape[2], x.shape[3]) * torch.tensor(2.0).sqrt()

    assert check(Calls(forward), (3, 4, 4), 1, 5)


def test_a_created_tensor_of_a_size_that_weights_confirm_is_not() -> None:
    layer = nn.Linear(8, 3, bias=False)
    assert check(Calls(lambda self, x: x + self.layer(torch.ones(8)).sum(), layer=layer), (3, 4, 4), 1, 5)


def test_a_fixed_size_of_a_resized_map_holds_for_one_size_of_image() -> None:
    def forward(self: object, x: Tensor) -> Tensor:
        return functional.interpolate(x.relu(), size=x.shape[2:], mode="nearest") * 2

    graph = trace(Calls(forward), [(1, 3, 8, 8)])
    assert graph.with_batch(2).types[graph.outputs[0].node][0].shape == (2, 3, 8, 8)
    with pytest.raises(GraphError, match="its sizes are unknown for one of 1x3x9x9"):
        graph.with_inputs({graph.inputs[0].name: TensorType((1, 3, 9, 9))})
