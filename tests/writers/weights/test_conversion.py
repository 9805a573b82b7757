"""Weights of Caffe, TF-slim and PyTorch under the names of a network, and the report of those without a match."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from safetensors.numpy import load
from safetensors.torch import load_file

import inception_lens as il
from inception_lens.architectures.catalogue import find
from inception_lens.cli import run
from inception_lens.errors import FormatError
from inception_lens.graph import Graph, Mode
from inception_lens.readers.caffe.layers import NetState
from inception_lens.readers.caffe.prototxt import read_net
from inception_lens.readers.caffe.text_format import parse
from inception_lens.readers.weights.files import read_weights
from inception_lens.writers.weights.conversion import ConversionReport, convert_weights, state_tensors
from tests.readers.caffe.caffe_models import CaffeLayer, caffemodel
from tests.readers.weights.checkpoints import v1, write_v2

Arrays = dict[str, Any]
GENERATOR = np.random.default_rng(7)


def small(name: str, mode: Mode = "inference", **changes: object) -> Graph:
    config = find(name).config
    return config.replace(**{"width": 0.07, "classes": 7, **changes}).graph(mode)


def random(shape: tuple[int, ...]) -> Any:
    return GENERATOR.random(shape, dtype="f4")


def converted(folder: Path, name: str, data: bytes, graph: Graph) -> tuple[Arrays, ConversionReport]:
    path = folder / name
    path.write_bytes(data)
    written, report = convert_weights(read_weights(str(path)), graph)
    return load(written), report


def expected_arrays(graph: Graph) -> dict[tuple[str, str], Any]:
    return {place: random(target.shape) for place, target in state_tensors(graph).items()}


@pytest.mark.parametrize("spelling", ["current", "V1", "V0"])
def test_the_caffemodel_of_bvlc_googlenet_is_converted(tmp_path: Path, spelling: str) -> None:
    graph = small("googlenet", "training")
    wanted = expected_arrays(graph)
    layers = [CaffeLayer("data", "Data", [])]
    for node in graph.nodes:
        if node.op.has_weights:
            name = re.sub(r"^aux(\d)/", r"loss\1/", node.name)  # Caffe's heads
            kind = "InnerProduct" if node.op.kind == "Linear" else "Convolution"
            layers.append(CaffeLayer(name, kind, [wanted[node.name, role] for role in ("weight", "bias")]))
    arrays, report = converted(tmp_path, "net.caffemodel", caffemodel(layers, spelling), graph)
    assert (report.missed, report.unset) == ((), ())
    assert ("inception_3a/5x5_reduce.0", "inception_3a.5x5_reduce.weight") in report.placed
    targets = state_tensors(graph)
    assert all((arrays[targets[at].key] == numbers).all() for at, numbers in wanted.items())


def test_heads_of_a_caffemodel_are_reported_as_missed_at_inference(tmp_path: Path) -> None:
    graph = small("googlenet")
    numbers = [random((16, 36, 1, 1)), random((16,))]
    first = state_tensors(graph)["conv1/7x7_s2", "weight"].shape
    layers = [
        CaffeLayer("loss1/conv", "Convolution", numbers),
        CaffeLayer("conv1/7x7_s2", "Convolution", [random(first), random((first[0] + 1,))]),
    ]
    arrays, report = converted(tmp_path, "net.caffemodel", caffemodel(layers), graph)
    assert list(arrays) == ["conv1.7x7_s2.weight"]
    assert {each.name: each.why for each in report.missed} == {
        "loss1/conv.0": "the network has no such tensor",
        "loss1/conv.1": "the network has no such tensor",
        "conv1/7x7_s2.1": f"it is {first[0] + 1}, and `conv1.7x7_s2.bias` is {first[0]}",
    }
    assert "conv1.7x7_s2.bias" in report.unset
    assert len(report.unset) == len(state_tensors(graph)) - 1


BATCH_NORM = """
input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 1 bias_term: false } }
layer { name: "bn_conv" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "scale_conv" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
"""


@pytest.mark.parametrize("factor", [4.0, 0.0])
def test_caffe_s_statistics_are_divided_by_their_factor_and_scales_belong_to_norms(
    tmp_path: Path, factor: float
) -> None:
    graph = read_net(parse(BATCH_NORM), None, "inference", NetState())
    mean, var, gamma, beta, kernel = random((4,)), random((4,)), random((4,)), random((4,)), random((4, 3, 1, 1))
    layers = [
        CaffeLayer("conv", "Convolution", [kernel], "data", "conv"),
        CaffeLayer("bn_conv", "BatchNorm", [mean, var, np.array([factor])], "conv", "conv"),
        CaffeLayer("scale_conv", "Scale", [gamma, beta], "conv", "conv"),
    ]
    arrays, report = converted(tmp_path, "net.caffemodel", caffemodel(layers), graph)
    assert (report.missed, report.unset) == ((), ())
    assert np.allclose(arrays["bn_conv.running_mean"], mean / factor if factor else 0)
    assert np.allclose(arrays["bn_conv.running_var"], var / factor if factor else 0)
    assert (arrays["bn_conv.weight"] == gamma).all()
    assert (arrays["bn_conv.bias"] == beta).all()


V1_BRANCHES = {
    "1x1": ("Branch_0", ["Conv2d_0a_1x1"]),
    "3x3": ("Branch_1", ["Conv2d_0a_1x1", "Conv2d_0b_3x3"]),
    "5x5": ("Branch_2", ["Conv2d_0a_1x1", "Conv2d_0b_3x3"]),
    "poo": ("Branch_3", ["Conv2d_0b_1x1"]),
}
"""From tf_slim/nets/inception_v1.py; only Branch_2 of Mixed_5b names its 3x3 `Conv2d_0a_3x3`."""

IRREGULAR = {
    # From tf_slim/nets/inception_v3.py and tensorflow/models research/slim/nets.
    "inception_v2": {"Logits/Conv2d_1c_1x1": "Logits/Conv2d_1c_1x1"},
    "inception_v3": {
        "Mixed_5c/Branch_1/Conv2d_0a_1x1": "Mixed_5c/Branch_1/Conv2d_0b_1x1",
        "Mixed_5c/Branch_1/Conv2d_0b_5x5": "Mixed_5c/Branch_1/Conv_1_0c_5x5",
        "Mixed_6a/Branch_0": "Mixed_6a/Branch_0/Conv2d_1a_1x1",
        "Mixed_6a/Branch_1/Conv2d_1a_3x3": "Mixed_6a/Branch_1/Conv2d_1a_1x1",
        "Mixed_7b/Branch_1/Conv2d_0c_3x1": "Mixed_7b/Branch_1/Conv2d_0b_3x1",
    },
    "inception_v4": {
        "Mixed_3a/Branch_1": "Mixed_3a/Branch_1/Conv2d_0a_3x3",
        "Mixed_4a/Branch_0/Conv2d_0b_3x3": "Mixed_4a/Branch_0/Conv2d_1a_3x3",
        "Mixed_4a/Branch_1/Conv2d_0d_3x3": "Mixed_4a/Branch_1/Conv2d_1a_3x3",
        "Mixed_5a/Branch_0": "Mixed_5a/Branch_0/Conv2d_1a_3x3",
        "Mixed_6a/Branch_0": "Mixed_6a/Branch_0/Conv2d_1a_3x3",
        "Logits": "Logits/Logits",
    },
    "inception_resnet_v2": {
        "Mixed_5b/Branch_0": "Mixed_5b/Branch_0/Conv2d_1x1",
        "Mixed_6a/Branch_0": "Mixed_6a/Branch_0/Conv2d_1a_3x3",
        "Logits": "Logits/Logits",
    },
}
REPEATS = {"Block35": "Repeat/block35", "Block17": "Repeat_1/block17", "Block8": "Repeat_2/block8"}
ROOTS = {"googlenet@slim": "V1", "inception_v2": "V2", "inception_v3": "V3", "inception_v4": "V4"}


def slim_layer(network: str, node: str) -> str:
    """TF-slim's name for the layer of a node."""
    if network == "googlenet@slim":
        stem = {"conv1/7x7_s2": "Conv2d_1a_7x7", "conv2/3x3_reduce": "Conv2d_2b_1x1", "conv2/3x3": "Conv2d_2c_3x3"}
        if node in stem:
            return stem[node]
        if node == "loss3/classifier":
            return "Logits/Conv2d_0c_1x1"
        module, _, layer = node.partition("/")
        branch, names = V1_BRANCHES[layer[:3]]
        name = names[0 if "reduce" in layer or len(names) == 1 else 1]
        mixed = f"Mixed_{module[10]}{chr(ord(module[11]) + 1)}"
        path = f"{mixed}/{branch}/{name}"
        return path.replace("0b", "0a") if path == "Mixed_5b/Branch_2/Conv2d_0b_3x3" else path
    if node in IRREGULAR[network]:
        return IRREGULAR[network][node]
    if found := re.match(r"(Block\d+)_(\d+)/(.*)", node):
        block = "Block8" if (found[1], found[2]) == ("Block8", "10") else f"{REPEATS[found[1]]}_{found[2]}"
        rest = "Conv2d_1x1" if found[3] == "up_1x1" else found[3]
        return f"{block}/{'Branch_0/Conv2d_1x1' if rest == 'Branch_0' else rest}"
    return f"{node}/Conv2d_0a_1x1" if re.fullmatch(r"\w+/Branch_\d", node) else node


def slim_variables(network: str, graph: Graph, wanted: dict[tuple[str, str], Any]) -> Iterator[tuple[str, Any]]:
    root = f"Inception{ROOTS.get(network, 'ResnetV2')}"
    for (node, role), numbers in wanted.items():
        conv = node.removesuffix("/bn")
        part = re.search(r"/(depthwise|pointwise)$", conv)
        layer = f"{root}/{slim_layer(network, conv[: part.start()] if part else conv)}"
        if node.endswith("/bn"):
            names = {"bias": "beta", "weight": "gamma", "running_mean": "moving_mean", "running_var": "moving_variance"}
            yield f"{layer}/BatchNorm/{names[role]}", numbers
        elif role == "bias":
            yield f"{layer}/biases", numbers
        elif numbers.ndim == 2:
            yield f"{layer}/weights", numbers.T
        elif part and part[1] == "depthwise":
            channels = graph.inputs[0].type.shape[1]
            folded = numbers.reshape(channels, -1, *numbers.shape[2:])
            yield f"{layer}/depthwise_weights", folded.transpose(2, 3, 0, 1)
        else:
            yield f"{layer}/{'pointwise_' if part else ''}weights", numbers.transpose(2, 3, 1, 0)


@pytest.mark.parametrize(
    "network", ["googlenet@slim", "inception_v2", "inception_v3", "inception_v4", "inception_resnet_v2"]
)
@pytest.mark.parametrize("form", ["npz", "V1", "V2"])
def test_the_variables_of_tf_slim_are_converted(tmp_path: Path, network: str, form: str) -> None:
    """As its published checkpoints have them, V1 and V2, with what is saved for training, and as arrays of NumPy."""
    graph = small(network, "training")
    wanted = expected_arrays(graph)
    variables: dict[str, Any] = dict(slim_variables(network, graph, wanted))
    assert len(variables) == len(wanted)
    order = list(variables)
    GENERATOR.shuffle(order)
    saved = {name: variables[name] for name in order}
    training = {f"{order[0]}/{slot}": saved[order[0]] for slot in ("RMSProp", "RMSProp_1", "ExponentialMovingAverage")}
    saved |= {"global_step": np.array(1), **training}
    path = tmp_path / "model.ckpt-9"
    if form == "npz":
        path = tmp_path / "w.npz"
        np.savez(path, **saved)
    elif form == "V1":
        path.write_bytes(v1(saved))
    else:
        name = next(each for each in order if saved[each].shape[0] > 1)
        rest: list[None] = [None] * (saved[name].ndim - 1)
        cut = {name: [[(0, 1), *rest], [(1, len(saved[name]) - 1), *rest]]}
        write_v2(tmp_path, saved, cut, shards=2, name=path.name)
    written, report = convert_weights(read_weights(str(path)), graph)
    assert sorted(each.name for each in report.missed) == sorted(["global_step", *training])
    assert {each.why for each in report.missed} == {"the state of an optimizer or a moving average, not a weight"}
    assert report.unset == ()
    arrays, targets = load(written), state_tensors(graph)
    assert all((arrays[targets[at].key] == numbers).all() for at, numbers in wanted.items())


def test_a_checkpoint_with_other_classes_suggests_a_setting(tmp_path: Path) -> None:
    graph = small("googlenet@slim")
    name = "InceptionV1/Logits/Conv2d_0c_1x1/weights"
    other: dict[str, Any] = {name: random((1, 1, 72, 9)), name.replace("weights", "biases"): random((7,))}
    np.savez(tmp_path / "w.npz", **other)
    _, report = convert_weights(read_weights(str(tmp_path / "w.npz")), graph)
    assert [each.why.partition("; ")[2] for each in report.missed] == ["--set classes=N makes it fit"]


def test_the_state_dict_of_a_built_network_is_converted(tmp_path: Path) -> None:
    graph = small("googlenet@torchvision")
    module = il.build(graph)
    torch.save({"state_dict": {f"module.{k}": v for k, v in module.state_dict().items()}}, tmp_path / "w.pth")
    written, report = convert_weights(read_weights(str(tmp_path / "w.pth")), graph)
    assert report.unset == ()
    assert {each.name.rpartition(".")[2] for each in report.missed} == {"num_batches_tracked"}
    (tmp_path / "w.safetensors").write_bytes(written)
    again = il.build(graph)
    again.load_state_dict(load_file(tmp_path / "w.safetensors"))
    image = torch.rand(1, 3, 224, 224)
    assert torch.equal(module.eval()(image), again.eval()(image))


@pytest.mark.parametrize("prefix", ["", "module.", "state_dict.net."])
def test_the_names_of_torchvision_are_converted(tmp_path: Path, prefix: str) -> None:
    graph = small("resnet18")
    expected = expected_arrays(graph)
    names = {"conv1.weight": "conv1.weight", "res2_1/shortcut.weight": "layer2.0.downsample.0.weight"}
    names |= {"res2_1/shortcut/bn.running_var": "layer2.0.downsample.1.running_var", "out.bias": "fc.bias"}
    given = {tuple(ours.rsplit(".", 1)): f"{prefix}{theirs}" for ours, theirs in names.items()}
    arrays: dict[str, Any] = {name: expected[place] for place, name in given.items() if len(place) == 2}
    np.savez(tmp_path / "w.npz", **arrays)
    written, report = convert_weights(read_weights(str(tmp_path / "w.npz")), graph)
    targets = state_tensors(graph)
    assert len(report.placed) == 4
    assert all((load(written)[targets[at].key] == arrays[name]).all() for at, name in given.items() if len(at) == 2)


def test_the_weights_of_an_exported_onnx_model_are_converted_back(tmp_path: Path) -> None:
    source, wanted = str(tmp_path / "net.onnx"), il.build("lenet", mode="inference")
    torch.save(wanted.state_dict(), tmp_path / "w.pt")
    assert run(["export", "lenet", "--to", "onnx", "--weights", str(tmp_path / "w.pt"), "-o", source]) == 0
    assert run(["weights", source, "--into", "lenet", "-o", str(tmp_path / "back.safetensors")]) == 0
    found = load_file(tmp_path / "back.safetensors")
    assert {name: tensor.tolist() for name, tensor in found.items()} == {
        name: tensor.tolist() for name, tensor in wanted.state_dict().items()
    }


def test_shared_tensors_are_written_under_each_name(tmp_path: Path) -> None:
    text = 'input: "a" input_shape { dim: 1 dim: 4 }' + "".join(
        f'layer {{ name: "{name}" type: "InnerProduct" bottom: "{x}" top: "{name}" param {{ name: "w" }} '
        f'param {{ name: "b" }} inner_product_param {{ num_output: 4 }} }}'
        for x, name in ("ab", "bc")
    )
    graph = read_net(parse(text), None, "inference", NetState())
    assert [target.key for target in state_tensors(graph).values()] == ["b.weight", "b.bias", "c.weight", "c.bias"]


def test_a_file_for_another_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="none of its 2 tensors matches `network`"):
        converted(
            tmp_path, "x.caffemodel", caffemodel([CaffeLayer("x", "Convolution", [random((1,))] * 2)]), small("vgg16")
        )


def test_the_command_lists_and_converts_and_reports_missing_tensors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layers = [CaffeLayer("conv1", "Convolution", [random((20, 1, 5, 5)), random((20,))])]
    layers += [CaffeLayer("odd", "InnerProduct", [random((2, 2))])]
    source, target = tmp_path / "lenet.caffemodel", tmp_path / "w.safetensors"
    source.write_bytes(caffemodel(layers))
    assert run(["weights", str(source)]) == 0
    listed = capsys.readouterr().out
    assert "conv1.0   20x1x5x5   float32   2,000" in listed
    assert "3 tensors, 524 elements, 2.10 kB" in listed
    assert run(["weights", str(source), "--format", "json"]) == 0
    found = msgspec.json.decode(capsys.readouterr().out)
    assert found["tensors"][0] == {
        "name": "conv1.0", "shape": [20, 1, 5, 5], "dtype": "float32", "bytes": 2000, "note": "",
    }  # fmt: skip
    assert run(["weights", str(source), "--format", "csv"]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["name,shape,dtype,bytes,note", "conv1.0,20x1x5x5,float32,2000,"]
    assert run(["weights", str(source), "--into", "lenet@caffe", "-o", str(target)]) == 1
    shown = capsys.readouterr().out
    assert "2 of 3 tensors placed in lenet@caffe" in shown
    assert any(line.split(maxsplit=3)[:3] == ["odd.0", "not", "placed"] for line in shown.splitlines())
    assert shown.count("not set") == 6
    assert "conv2.weight   not set" in shown
    assert set(load(target.read_bytes())) == {"conv1.weight", "conv1.bias"}
    report = tmp_path / "report.csv"
    assert run(["weights", str(source), "--into", "lenet@caffe", "-o", str(target), "-o", str(report)]) == 1
    assert report.read_text().splitlines()[1] == "odd.0,not placed,the network has no such tensor"
    for wrong in ([], ["-o", str(tmp_path / "w.txt")]):
        assert run(["weights", str(source), "--into", "lenet@caffe", *wrong]) == 2
        assert "give -o weights.safetensors" in capsys.readouterr().err
    assert run(["weights", str(source), "-o", str(target)]) == 2
    assert "is written with --into MODEL" in capsys.readouterr().err
