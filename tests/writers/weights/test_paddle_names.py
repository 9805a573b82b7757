"""Paddle's weights under the names of the catalogue's networks: names as the scripts and models of Paddle give them."""

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load

from inception_lens.architectures.catalogue import find
from inception_lens.errors import FormatError
from inception_lens.graph import Graph, Mode
from inception_lens.ops import Linear
from inception_lens.readers.weights.files import read_weights
from inception_lens.writers.weights.conversion import ConversionReport, convert_weights, state_tensors
from tests.readers.weights.paddle_files import pdiparams, pir, v2_tar_gz

Arrays = dict[str, Any]
Place = tuple[str, str]
GENERATOR = np.random.default_rng(11)


def small(name: str, mode: Mode = "inference", **changes: object) -> Graph:
    return find(name).config.replace(**{"width": 0.07, "classes": 7, **changes}).graph(mode)


def wanted(graph: Graph) -> dict[Place, Any]:
    return {place: GENERATOR.random(target.shape, dtype="f4") for place, target in state_tensors(graph).items()}


def converted(path: Path, graph: Graph) -> tuple[Arrays, ConversionReport]:
    written, report = convert_weights(read_weights(str(path)), graph)
    return load(written), report


def check(graph: Graph, arrays: Arrays, expected: dict[Place, Any], factors: dict[str, float]) -> None:
    """The arrays are those of the file, and a linear layer after a dropout is multiplied by 1 - p."""
    for (node, role), target in state_tensors(graph).items():
        factor = factors.get(node, 1.0) if role == "weight" else 1.0
        assert np.array_equal(arrays[target.key], (expected[node, role] * factor).astype("f4")), (node, role)


def stored(graph: Graph, place: Place, array: Any) -> Any:
    """Paddle's matrices are transposed."""
    return array.T if place[1] == "weight" and isinstance(graph.index.nodes[place[0]].op, Linear) else array


# Paddle v2


def v2_googlenet(node: str) -> str:
    """From image_classification/googlenet.py."""
    if found := re.fullmatch(r"inception_(\w\w)/(\w+)", node):
        last = {"1x1": "1", "3x3_reduce": "3r", "3x3": "3", "5x5_reduce": "5r", "5x5": "5", "pool_proj": "proj"}
        return f"ince{found[1]}_{last[found[2]]}"
    fixed = {"conv1/7x7_s2": "conv1", "conv2/3x3_reduce": "conv2_1", "conv2/3x3": "conv2_2"}
    heads = {"loss3/classifier": "__fc_layer_0__", "aux1/classifier": "__fc_layer_1__"}
    heads |= {"aux2/classifier": "__fc_layer_2__", "aux1/conv": "conv_o1", "aux2/conv": "conv_o2"}
    return {**fixed, **heads, "aux1/fc": "fc_o1", "aux2/fc": "fc_o2"}[node]


def v2_unnamed(graph: Graph) -> Callable[[str], str]:
    """Layers without a name, numbered as they are created: alexnet.py, vgg.py, resnet.py, inception_resnet_v2.py."""
    kinds = {"conv": "conv", "norm": "batch_norm", "linear": "fc_layer"}
    numbers: dict[str, str] = {}
    for node in graph.nodes:
        if node.op.has_weights:
            kind = kinds[node.op.category]
            numbers[node.name] = f"__{kind}_{sum(kind in each for each in numbers.values())}__"
    return numbers.__getitem__


def v2_inception_v4(node: str) -> str:
    """From image_classification/inception_v4.py."""
    conv = node.removesuffix("/bn")
    fixed = {
        "Conv2d_1a_3x3": "stem_conv0", "Conv2d_2a_3x3": "stem_conv1", "Conv2d_2b_3x3": "stem_conv2",
        "Mixed_3a/Branch_1": "stem_branch0_conv0", "Mixed_5a/Branch_0": "stem_branch2_conv0", "Logits": "incept_fc",
    }  # fmt: skip
    name = fixed.get(conv, "")
    if not name:
        module, branch, *layer = re.fullmatch(r"Mixed_(\d\w)/Branch_(\d)(?:/Conv2d_(0|1)(\w)_.*)?", conv).groups()  # type: ignore[union-attr]
        if module == "4a":
            name = f"stem_branch1_{'lr'[int(branch)]}_conv{'abcd'.index(layer[1])}"
        else:
            kind, depth = {"5": ("inceptA", "bcde"), "6": ("inceptB", "bcdefgh"), "7": ("inceptC", "bcd")}[module[0]]
            start = f"{kind}{depth.index(module[1])}" if module[1] != "a" else f"Reduct{'AB'[module == '7a']}"
            last = "abcde".index(layer[1]) if layer[1] and layer[0] == "0" else 0
            if layer[0] == "1":  # the last of its branch, which halves the map
                last = {"6a2": 2, "7a1": 1, "7a2": 3}.get(module + branch, 0)
            elif branch == "0" and module[1] != "a":
                last = 0  # after the pool
            name = f"{start}_branch{branch}_conv{last}"
    return f"{name}_norm" if node != conv else name


def v2_xception(node: str) -> str:
    """From image_classification/xception.py and `img_separable_conv` of Paddle's networks.py."""
    if node == "predictions":
        return "xception_fc"
    conv = node.removesuffix("/bn")
    block = int(re.match(r"block(\d+)", conv)[1])  # type: ignore[index]
    if block == 1:
        name = f"xception_conv{int(conv[-1]) - 1}"
    elif conv.endswith("shortcut"):
        name = f"xception_block{block}_shortcut"
    else:
        place = "abc".index(re.search(r"_0(\w)_", conv)[1])  # type: ignore[index]
        name = f"xception_conv{14 + place}" if block == 14 else f"xception_block{block}_conv{place}"
        if node == conv:
            name += f"_{conv.rpartition('/')[2]}_conv"
    return f"{name}_norm" if node != conv else name


V2_ROLES = {"weight": "w0", "bias": "wbias", "running_mean": "w1", "running_var": "w2"}


@pytest.mark.parametrize(
    ("network", "names", "factors"),
    [
        ("googlenet", v2_googlenet, {"loss3/classifier": 0.6, "aux1/classifier": 0.3, "aux2/classifier": 0.3}),
        ("alexnet", v2_unnamed, {"fc2": 0.5, "out": 0.5}),
        ("vgg16", v2_unnamed, {"fc2": 0.5, "out": 0.5}),
        ("resnet50", v2_unnamed, {}),
        ("resnet18", v2_unnamed, {}),
        ("inception_v4", v2_inception_v4, {"Logits": 0.8}),
        ("inception_resnet_v2", v2_unnamed, {"Logits": 0.5}),
        ("xception", v2_xception, {}),
    ],
)
def test_the_archives_of_paddle_v2_are_converted(
    tmp_path: Path, network: str, names: Any, factors: dict[str, float]
) -> None:
    mode: Mode = "training" if network == "googlenet" else "inference"
    graph = small(f"{network}@paddle", mode)
    expected = wanted(graph)
    name = names(graph) if names is v2_unnamed else names
    parameters = {f"_{name(node)}.{V2_ROLES[role]}": stored(graph, (node, role), array)
                  for (node, role), array in expected.items()}  # fmt: skip
    assert len(parameters) == len(expected)
    order = [*parameters]
    GENERATOR.shuffle(order)
    (tmp_path / "params_pass_9.tar.gz").write_bytes(v2_tar_gz({each: parameters[each] for each in order}))
    arrays, report = converted(tmp_path / "params_pass_9.tar.gz", graph)
    assert (report.missed, report.unset) == ((), ())
    check(graph, arrays, expected, factors)
    if network == "googlenet":  # without its heads
        _, report = converted(tmp_path / "params_pass_9.tar.gz", small("googlenet@paddle"))
        assert report.unset == ()
        assert len(report.missed) == 12


def test_the_numbers_of_unnamed_layers_have_a_free_offset(tmp_path: Path) -> None:
    graph = small("resnet18@paddle")
    expected, name = wanted(graph), v2_unnamed(graph)
    shifted = {}
    for (node, role), array in expected.items():
        later = re.sub(r"\d+", lambda m: str(int(m[0]) + 95), name(node))
        shifted[f"_{later}.{V2_ROLES[role]}"] = stored(graph, (node, role), array)
    (tmp_path / "w.tar.gz").write_bytes(v2_tar_gz(shifted))
    check(graph, converted(tmp_path / "w.tar.gz", graph)[0], expected, {})


def test_layers_in_another_order_or_of_another_network_are_not_matched(tmp_path: Path) -> None:
    """Where names are only numbers, one kernel of another size means that the order is unknown."""
    graph = small("vgg13@paddle")
    name = v2_unnamed(graph)
    parameters = {f"_{name(node)}.{V2_ROLES[role]}": stored(graph, (node, role), array)
                  for (node, role), array in wanted(graph).items()}  # fmt: skip
    swapped = {"_": "_", "___conv_0__.w0": "___conv_1__.w0", "___conv_1__.w0": "___conv_0__.w0"}
    (tmp_path / "w.tar.gz").write_bytes(v2_tar_gz({swapped.get(key, key): a for key, a in parameters.items()}))
    with pytest.raises(FormatError, match="none of its 26 tensors matches"):
        converted(tmp_path / "w.tar.gz", graph)
    (tmp_path / "w.tar.gz").write_bytes(v2_tar_gz(parameters))
    with pytest.raises(FormatError, match="none of its 26 tensors matches"):
        converted(tmp_path / "w.tar.gz", small("alexnet@paddle"))


# Fluid and paddle.vision


def fluid_googlenet(node: str) -> str:
    """From PaddleCV/image_classification/models/googlenet.py."""
    if found := re.fullmatch(r"inception_(\w\w)/(\w+)", node):
        return f"inception_ince{found[1]}_{found[2].replace('pool_proj', '3x3_proj')}"
    fixed = {"conv1/7x7_s2": "conv1", "conv2/3x3_reduce": "conv2_1x1", "conv2/3x3": "conv2_3x3"}
    heads = {"loss3/classifier": "out", "aux1/classifier": "out1", "aux2/classifier": "out2"}
    heads |= {"aux1/conv": "conv_o1", "aux2/conv": "conv_o2", "aux1/fc": "fc_o1", "aux2/fc": "fc_o2"}
    return {**fixed, **heads}[node]


def test_the_variables_of_fluid_s_googlenet_are_converted(tmp_path: Path) -> None:
    graph = small("googlenet@paddle-fluid", "training")
    expected = wanted(graph)
    roles = {"weight": "weights", "bias": "offset"}
    state = {f"{fluid_googlenet(place[0])}_{roles[place[1]]}": np.ascontiguousarray(stored(graph, place, array))
             for place, array in expected.items()}  # fmt: skip
    (tmp_path / "w.pdparams").write_bytes(pickle.dumps(state))
    arrays, report = converted(tmp_path / "w.pdparams", graph)
    assert (report.missed, report.unset) == ((), ())
    check(graph, arrays, expected, {"loss3/classifier": 0.6, "aux1/classifier": 0.3, "aux2/classifier": 0.3})


def vision_googlenet(node: str) -> str:
    """From paddle/vision/models/googlenet.py."""
    if found := re.fullmatch(r"inception_(\w\w)/(\w+)", node):
        last = {"1x1": "1", "3x3_reduce": "3r", "3x3": "3", "5x5_reduce": "5r", "5x5": "5", "pool_proj": "prj"}
        return f"_ince{found[1]}._conv{last[found[2]]}._conv"
    fixed = {"conv1/7x7_s2": "_conv._conv", "conv2/3x3_reduce": "_conv_1._conv", "conv2/3x3": "_conv_2._conv"}
    heads = {"loss3/classifier": "_fc_out", "aux1/classifier": "_out1", "aux2/classifier": "_out2"}
    heads |= {"aux1/conv": "_conv_o1._conv", "aux2/conv": "_conv_o2._conv", "aux1/fc": "_fc_o1", "aux2/fc": "_fc_o2"}
    return {**fixed, **heads}[node]


def vision_alexnet(node: str) -> str:
    plain = {"conv3": "_conv3", "conv4": "_conv4", "fc1": "_fc6", "fc2": "_fc7", "out": "_fc8"}
    return plain.get(node, f"_{node}._conv")


def vision_vgg13(node: str) -> str:
    order = {"1_1": 0, "1_2": 2, "2_1": 5, "2_2": 7, "3_1": 10, "3_2": 12, "4_1": 15, "4_2": 17, "5_1": 20, "5_2": 22}
    linear = {"fc1": "classifier.0", "fc2": "classifier.3", "out": "classifier.6"}
    return linear.get(node) or f"features.{order[node.removeprefix('conv')]}"


def vision_resnet(node: str) -> str:
    if found := re.fullmatch(r"res(\d)_(\d+)/(conv\d|shortcut)(/bn)?", node):
        layer = found[3] if not found[4] else found[3].replace("conv", "bn")
        layer = f"downsample.{1 if found[4] else 0}" if found[3] == "shortcut" else layer
        return f"layer{found[1]}.{int(found[2]) - 1}.{layer}"
    return {"conv1": "conv1", "conv1/bn": "bn1", "out": "fc"}[node]


BLOCKS = ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c")
INCEPTION_V3_BRANCHES = {
    "A": ["branch1x1", "branch5x5_1", "branch5x5_2", "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"],
    "B": ["branch3x3", "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"],
    "C": ["branch1x1", *(f"branch7x7_{i}" for i in (1, 2, 3)), *(f"branch7x7dbl_{i}" for i in (1, 2, 3, 4, 5))],
    "D": ["branch3x3_1", "branch3x3_2", *(f"branch7x7x3_{i}" for i in (1, 2, 3, 4))],
    "E": ["branch1x1", "branch3x3_1", "branch3x3_2a", "branch3x3_2b", *(f"branch3x3dbl_{i}" for i in "12"),
          "branch3x3dbl_3a", "branch3x3dbl_3b"],
}  # fmt: skip
"""The layers of each block in their order, from paddle/vision/models/inceptionv3.py, without the one after the pool."""


def vision_inception_v3(graph: Graph) -> Callable[[str], str]:
    convs = [node.name for node in graph.nodes if node.op.category == "conv"]
    stem = ("1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3")
    names = {f"Conv2d_{part}": f"inception_stem.conv_{part}" for part in stem} | {"fc": "fc"}
    for i, (block, kind) in enumerate(zip(BLOCKS, "AAABCCCCDEE", strict=True)):
        own = [conv for conv in convs if conv.startswith(f"Mixed_{block}/")]
        theirs = INCEPTION_V3_BRANCHES[kind] + (["branch_pool_conv"] if kind in "ACE" else [])
        names |= {a: f"inception_block_list.{i}.{b}" for a, b in zip(own, theirs, strict=True)}
    names = {node: name if node == "fc" else f"{name}.0" for node, name in names.items()}
    return lambda node: names[node] if node in names else f"{names[node.removesuffix('/bn')][:-1]}1"


VISION_ROLES = {"weight": "weight", "bias": "bias", "running_mean": "_mean", "running_var": "_variance"}
HEADS = {"loss3/classifier": 0.6, "aux1/classifier": 0.3, "aux2/classifier": 0.3}


def vision_names(network: str, graph: Graph) -> Callable[[str], str]:
    if network.startswith("inception_v3"):
        return vision_inception_v3(graph)
    found: dict[str, Callable[[str], str]] = {
        "googlenet@paddle-fluid": vision_googlenet, "alexnet": vision_alexnet, "vgg13": vision_vgg13,
    }  # fmt: skip
    return found.get(network, vision_resnet)


VISION = [
    ("googlenet@paddle-fluid", "training", HEADS),
    ("alexnet", "inference", {"fc1": 0.5, "fc2": 0.5}),
    ("vgg13", "inference", {}),
    ("resnet18", "inference", {}),
    ("resnet50", "inference", {}),
    ("inception_v3@torchvision", "inference", {"fc": 0.8}),
]


@pytest.mark.parametrize(("network", "mode", "factors"), VISION)
@pytest.mark.parametrize("prefix", ["", "model."])
def test_the_state_dicts_of_paddle_vision_are_converted(
    tmp_path: Path, network: str, mode: Mode, factors: dict[str, float], prefix: str
) -> None:
    changes = {"batch_norm": {"eps": 1e-5}} if network.startswith("inception_v3") else {}
    graph = small(network, mode)
    expected, name = wanted(graph), vision_names(network, graph)
    state = {f"{prefix}{name(place[0])}.{VISION_ROLES[place[1]]}": np.ascontiguousarray(stored(graph, place, array))
             for place, array in expected.items()}  # fmt: skip
    assert len(state) == len(expected)
    (tmp_path / "w.pdparams").write_bytes(pickle.dumps(state))
    arrays, report = converted(tmp_path / "w.pdparams", graph)
    assert (report.missed, report.unset) == ((), ())
    if changes:  # the network's batch norms have 1e-3, Paddle's 1e-5
        for place in expected:
            if place[1] == "running_var":
                expected[place] = expected[place] + np.float32(1e-5 - 1e-3)
    check(graph, arrays, expected, factors)


@pytest.mark.parametrize(("network", "mode", "factors"), VISION)
def test_the_numbered_variables_of_paddle_vision_s_programs_are_converted(
    tmp_path: Path, network: str, mode: Mode, factors: dict[str, float]
) -> None:
    """Numbers are those of creation, from 97 on; conv2d_100 is before conv2d_97 in the file."""
    graph = small(network, mode)
    expected = wanted(graph)
    kinds = {"conv": "conv2d", "norm": "batch_norm2d", "linear": "linear"}
    numbers: dict[str, str] = {}
    for node in graph.nodes:
        if node.op.has_weights:
            kind = kinds[node.op.category]
            numbers[node.name] = f"{kind}_{97 + sum(each.startswith(f'{kind}_') for each in numbers.values())}"
    roles = {"weight": "w_0", "bias": "b_0", "running_mean": "w_1", "running_var": "w_2"}
    tensors = {f"{numbers[place[0]]}.{roles[place[1]]}": np.ascontiguousarray(stored(graph, place, array))
               for place, array in expected.items()}  # fmt: skip
    (tmp_path / "net.pdiparams").write_bytes(pdiparams(tensors))
    (tmp_path / "net.json").write_bytes(pir([*tensors]))
    arrays, report = converted(tmp_path / "net.pdiparams", graph)
    assert (report.missed, report.unset) == ((), ())
    if network.startswith("inception_v3"):
        for place in expected:
            if place[1] == "running_var":
                expected[place] = expected[place] + np.float32(1e-5 - 1e-3)
    check(graph, arrays, expected, factors)


def test_the_state_of_an_optimizer_is_not_a_weight(tmp_path: Path) -> None:
    graph = small("resnet18")
    state = {"conv1.weight": wanted(graph)["conv1", "weight"], "conv2d_0.w_0_moment1_0": np.ones(3)}
    (tmp_path / "w.pdparams").write_bytes(pickle.dumps(state))
    _, report = converted(tmp_path / "w.pdparams", graph)
    assert [each.why for each in report.missed] == ["the state of an optimizer or a moving average, not a weight"]
