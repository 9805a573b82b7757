"""A built network computes its graph, is nested by its names, and behaves as PyTorch's own modules do."""

import copy
import pickle
import weakref

import msgspec
import pytest
import torch
from torch import nn

import inception_lens as il
from inception_lens.architectures.catalogue import names
from inception_lens.errors import GraphError
from inception_lens.graph import Graph, Input, Mode, Node, Output
from inception_lens.ops import (
    Add,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Flatten,
    Linear,
    MaxPool2d,
    ReLU,
    Softmax,
    TensorType,
    Unknown,
)
from inception_lens.pytorch.build.network import build

IMAGE = Input("input", TensorType((2, 3, 8, 8)))


def small(name: str = "googlenet", size: int = 64, mode: Mode | None = None, **overrides: object) -> nn.Module:
    torch.manual_seed(0)
    return il.build(name, (1, 3, size, size), mode=mode, width=0.125, classes=7, overrides=overrides)


@pytest.mark.parametrize("name", names())
def test_every_network_has_the_shapes_and_parameters_of_its_graph(name: str) -> None:
    training, inference = (il.load(name, mode=mode).with_batch(2) for mode in ("training", "inference"))
    with torch.device("meta"):
        module = il.build(name)
        image = torch.empty(training.inputs[0].type.shape)
    found = module(image)
    outputs = found if isinstance(found, tuple) else (found,)
    assert [tuple(each.shape) for each in outputs] == [training.types[o.node][0].shape for o in training.outputs]
    assert sum(p.numel() for p in module.parameters()) == il.analyze(training).totals.params
    assert sum(b.numel() for b in module.buffers() if b.dim()) == il.analyze(training).totals.buffers
    evaluated = module.eval()(image)
    assert isinstance(evaluated, torch.Tensor)
    assert tuple(evaluated.shape) == inference.types[inference.outputs[0].node][0].shape


def test_submodules_are_nested_by_the_parts_of_names() -> None:
    with torch.device("meta"):
        module = il.build("googlenet@torchvision")
    keys = module.state_dict()
    assert "inception_3a.5x5_reduce.weight" in keys
    assert "inception_3a.5x5_reduce.bn.running_mean" in keys
    assert type(module.get_submodule("inception_3a.5x5_reduce")) is nn.Conv2d
    assert type(module.get_submodule("inception_3a.5x5_reduce.bn")) is nn.BatchNorm2d
    assert [name for name, _ in module.named_children()][:3] == ["conv1", "pool1", "conv2"]


def test_heads_are_computed_only_in_training() -> None:
    module = small()
    called: list[str] = []
    for name, child in module.named_modules():
        child.register_forward_hook(lambda *_, name=name: called.append(name))
    image = torch.rand(2, 3, 64, 64)
    logits, *heads = module(image)
    assert len(heads) == 2
    assert "aux1.conv" in called
    assert "prob" not in called
    called.clear()
    probabilities = module.eval()(image)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(2))
    assert not [name for name in called if name.startswith("aux")]
    assert "prob" in called
    assert logits.shape == probabilities.shape


def test_softmax_follows_the_config() -> None:
    with_it, without = small().eval(), small(softmax=False).eval()
    without.load_state_dict(with_it.state_dict())
    image = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(with_it(image), without(image).softmax(1))


def test_an_inference_network_has_no_heads() -> None:
    assert not [key for key in small(mode="inference").state_dict() if key.startswith("aux")]


def test_a_training_graph_alone_evaluates_its_first_output() -> None:
    module = il.build(il.load("googlenet", (1, 3, 64, 64), mode="training", width=0.125)).eval()
    assert module(torch.rand(1, 3, 64, 64)).shape == (1, 1000)


def test_activations_are_freed_after_their_last_reader() -> None:
    module = small(mode="inference").eval()
    outputs: list[weakref.ref[torch.Tensor]] = []
    alive: list[int] = []

    def count(_: nn.Module, __: object, output: torch.Tensor) -> None:
        outputs.append(weakref.ref(output))
        alive.append(len({id(ref()) for ref in outputs} - {id(None)}))

    for child in module.modules():
        if child is not module:
            child.register_forward_hook(count)
    with torch.no_grad():
        module(torch.rand(1, 3, 64, 64))
    assert max(alive) <= 6  # four branches, the map that they read and what is being computed


@pytest.mark.parametrize("name", ["googlenet@torchvision", "googlenet@slim", "googlenet@paddle-fluid"])
def test_a_network_copies_pickles_and_takes_every_layout(name: str) -> None:
    module, image = small(name, final_pool="global").eval(), torch.rand(2, 3, 64, 64)
    expected = module(image)
    assert torch.equal(copy.deepcopy(module)(image), expected)
    assert torch.equal(pickle.loads(pickle.dumps(module))(image), expected)  # noqa: S301
    channels_last = copy.deepcopy(module).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    torch.testing.assert_close(channels_last(image.to(memory_format=torch.channels_last)), expected)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(module(image).float(), expected, atol=0.02, rtol=0.05)


def test_calls_that_name_one_tensor_share_it() -> None:
    nodes = [
        Node("a", Conv2d(3, (1, 1)), ("input",), ("shared.weight", "shared.bias")),
        Node("b", Conv2d(3, (1, 1)), ("a",), ("shared.weight", "shared.bias")),
    ]
    module = il.build(Graph.of([IMAGE], nodes, [Output("b")]))
    assert module.get_parameter("a.weight") is module.get_parameter("b.weight")
    assert len(list(module.parameters())) == 2


def test_several_inputs_and_outputs() -> None:
    given = [IMAGE, Input("other", TensorType((2, 3, 8, 8)))]
    nodes = [Node("sum", Add(0.5), ("input", "other")), Node("relu", ReLU(), ("sum",))]
    module = il.build(Graph.of(given, nodes, [Output("relu"), Output("sum")]))
    one, other = torch.randn(2, 3, 8, 8), torch.randn(2, 3, 8, 8)
    relu, total = module(one, other)
    torch.testing.assert_close(total, one + 0.5 * other)
    assert torch.equal(relu, total.relu())


@pytest.mark.parametrize("name", ["training/weight", "__x/__y", "a.b/c d", "forward", "conv/bias", "items/1x1", "a//b"])
def test_every_name_has_a_place(name: str) -> None:
    nodes = [Node("conv", Conv2d(3, (1, 1)), ("input",)), Node(name, Linear(5), ("conv",))]
    module = il.build(Graph.of([IMAGE], nodes, [Output(name)]))
    assert len(module.state_dict()) == 4
    assert module(torch.rand(2, 3, 8, 8)).shape == (2, 3, 8, 5)


def test_an_unknown_operation_is_not_built() -> None:
    nodes = [Node("x", Unknown("custom", (IMAGE.type,)), ("input",))]
    with pytest.raises(GraphError, match="`x`: the graph does not define what custom computes"):
        il.build(Graph.of([IMAGE], nodes, [Output("x")]))


def test_two_graphs_that_disagree_are_refused() -> None:
    one, other = (Graph.of([IMAGE], [Node("x", op, ("input",))], [Output("x")]) for op in (ReLU(), Softmax()))
    with pytest.raises(GraphError, match=r"`x` is ReLU.* in training and Softmax"):
        build(one, other)


def test_a_graph_of_another_dtype() -> None:
    module = il.build(il.load("lenet").with_dtype("bfloat16"))
    assert {p.dtype for p in module.parameters()} == {torch.bfloat16}


def bordered() -> Graph:
    """A small network with SAME padding, a pool whose windows reach beyond the map, and a head of training mode."""
    nodes = [
        Node("conv", Conv2d(4, (3, 3), (2, 2), "same"), ("input",)),
        Node("conv/bn", BatchNorm2d(scale=False), ("conv",)),
        Node("conv/relu", ReLU(inplace=True), ("conv/bn",)),
        Node("pool/5x5", MaxPool2d((3, 3), (2, 2), "same"), ("conv/relu",)),
        Node("mean", AvgPool2d((7, 7), (7, 7), rounding="trunc"), ("pool/5x5",)),
        Node("flat", Flatten(), ("mean",)),
        Node("out", Linear(5), ("flat",)),
        Node("head/flat", Flatten(), ("pool/5x5",)),
        Node("head/out", Linear(5), ("head/flat",)),
    ]
    graph = Graph.of([Input("input", TensorType((2, 3, 16, 16)))], nodes, [Output("out"), Output("head/out")])
    return msgspec.structs.replace(graph, mode="training")


@pytest.mark.parametrize("strict", [False, True])
def test_a_network_exports_for_any_batch(strict: bool) -> None:
    module, image = build(bordered()).eval(), torch.rand(2, 3, 16, 16)
    batch = {"x": {0: torch.export.Dim("batch")}}
    exported = torch.export.export(module, (image,), dynamic_shapes=batch, strict=strict)
    assert set(exported.state_dict) == set(module.state_dict())
    torch.testing.assert_close(exported.module()(torch.cat([image] * 3)), module(torch.cat([image] * 3)))


@pytest.mark.parametrize("training", [False, True])
def test_a_network_compiles_as_one_graph(training: bool) -> None:
    module, image = build(bordered()).train(training), torch.rand(2, 3, 16, 16)
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True)
    found, expected = compiled(image), module(image)
    for one, other in zip(*((each,) if not training else each for each in (found, expected)), strict=True):
        torch.testing.assert_close(one, other)
    if training:
        sum(each.sum() for each in found).backward()
        assert all(parameter.grad is not None for parameter in module.parameters())
