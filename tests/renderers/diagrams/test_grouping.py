"""Nodes that are drawn as one box."""

import pytest

import inception_lens as il
from inception_lens.graph import Graph, Input, Output, Writer
from inception_lens.ops import LSTM, Add, Conv2d, Linear, ReLU, TensorType
from inception_lens.renderers.diagrams.grouping import NodeGroup, layers, modules
from tests.renderers.models import flat, resnet, unet, vit


def names(parts: tuple[NodeGroup, ...]) -> list[str]:
    return [part.name for part in parts]


def test_the_modules_of_googlenet_are_the_rows_of_its_table() -> None:
    stem = ["conv1", "pool1", "conv2", "pool2"]
    assert names(modules(il.load("googlenet"))) == [
        *stem, "inception_3a", "inception_3b", "pool3", *(f"inception_4{x}" for x in "abcde"), "pool4",
        "inception_5a", "inception_5b", "pool5", "loss3", "prob",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "parts"),
    [("resnet152", 54), ("vgg16", 21), ("inception_v3", 20), ("inception_resnet_v2", 53), ("xception", 19)],
)
def test_the_modules_of_a_catalogue_network_are_its_blocks(model: str, parts: int) -> None:
    assert len(modules(il.load(model))) == parts


def test_branching_paths_are_modules_and_sequences_of_modules_are_opened() -> None:
    parts = modules(resnet())
    assert names(parts) == [
        "backbone/body/conv1", "backbone/body/maxpool",
        *(f"backbone/body/layer{k}/{i}" for k, i in ((1, 0), (1, 1), (2, 0), (2, 1), (2, 2))), "avgpool", "fc",
    ]  # fmt: skip
    assert [part.parent for part in parts][1:4] == ["backbone/body", "backbone/body/layer1", "backbone/body/layer1"]


def test_the_norm_after_the_last_of_many_equal_modules_is_in_no_module() -> None:
    blocks = [f"encoder/layers/encoder_layer_{i}" for i in range(4)]
    assert names(modules(vit())) == ["conv_proj", *blocks, "encoder/ln", "heads"]


def test_a_module_that_is_called_several_times_is_several_groups() -> None:
    assert names(modules(unet())) == [
        "unet/down/0", "unet/pool/0", "unet/down/1", "unet/pool/1", "unet/mid", "unet/up/0", "unet/up/1", "unet/out",
    ]  # fmt: skip


def test_groups_never_form_a_cycle() -> None:
    writer = Writer([Input("x", TensorType((1, 4, 8, 8)))])
    a = writer.add("shared/conv1", Conv2d(4, (1, 1)), "x")
    b = writer.add("other/conv", Conv2d(4, (1, 1)), a)
    c = writer.add("shared/conv2", Conv2d(4, (1, 1)), b)
    parts = modules(writer.graph([Output(writer.add("add", Add(), b, c))]))
    assert names(parts) == ["shared/conv1", "other", "shared/conv2", "add"]


def test_every_node_is_in_one_group() -> None:
    for graph in (il.load("inception_v4", mode="training"), vit(), unet(), resnet(), flat(20)):
        for parts in (modules(graph), layers(graph)):
            assert sorted(i for part in parts for i in part.nodes) == list(range(len(graph.nodes)))


def test_a_layer_is_an_operation_with_its_norm_and_activation() -> None:
    graph = il.load("googlenet@torchvision")
    (part,) = [part for part in layers(graph) if part.name == "conv1/7x7_s2"]
    assert [graph.nodes[i].name for i in part.nodes] == ["conv1/7x7_s2", "conv1/7x7_s2/bn", "conv1/7x7_s2/relu"]


def test_a_tensor_with_several_readers_ends_a_layer() -> None:
    writer = Writer([Input("x", TensorType((1, 4, 8, 8)))])
    a = writer.add("conv", Conv2d(4, (1, 1)), "x")
    b = writer.add("relu", ReLU(), a)
    graph = writer.graph([Output(writer.add("add", Add(), a, b))])
    assert names(layers(graph)) == ["conv", "relu", "add"]


def test_the_reader_of_a_second_output_is_a_layer_of_its_own() -> None:
    writer = Writer([Input("x", TensorType((1, 5, 8)))])
    writer.add("rnn", LSTM(16), "x")
    graph = writer.graph([Output(writer.add("out", Linear(3), "rnn:1"))])
    assert names(layers(graph)) == ["rnn", "out"]


def test_names_with_empty_path_components() -> None:
    graph: Graph = flat(3, "/net//Conv_{}/Conv")
    assert len(modules(graph)) == 3
