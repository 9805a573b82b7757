"""Every network of the catalogue against published figures, with other classes, widths, inputs and batches."""

import json
import re
import tomllib
from functools import cache
from typing import NamedTuple

import pytest

from inception_lens.analyses.analysis import Analysis, analyze
from inception_lens.analyses.records import Totals
from inception_lens.architectures.catalogue import entries, find
from inception_lens.architectures.network import Network
from inception_lens.cli import run
from inception_lens.errors import ShapeError
from inception_lens.graph import Graph, Mode
from inception_lens.readers.config import configure
from inception_lens.writers.toml import to_toml

NAMES = [entry.name for entry in entries()]

WITH_HEADS = {
    "googlenet": 2,
    "googlenet@caffe": 2,
    "googlenet@paddle": 2,
    "googlenet@paddle-fluid": 2,
    "googlenet@torchvision": 2,
    "googlenet@naive": 2,
    "inception_v3": 1,
    "inception_v3@torchvision": 1,
    "inception_v4": 1,
    "inception_resnet_v2": 1,
}

CLOSES_AT_SOME_SIZES = ("inception_v4@paddle", "xception@paddle", "inception_resnet_v2@paddle")
"""Networks that accept few sizes: pools round a halved map up, and convolutions in parallel branches down."""


def config(name: str, **changes: object) -> Network:
    return find(name).config.replace(**changes)


@cache
def analysis(name: str, mode: Mode = "inference", classes: int | None = None, side: int | None = None) -> Analysis:
    network = find(name).config
    if side is not None:
        network = network.replace(input=(network.input[0], side, side))
    return analyze(network.replace(classes=classes or network.classes).graph(mode))


def totals(name: str, mode: Mode = "inference", classes: int | None = None) -> Totals:
    return analysis(name, mode, classes).totals


# --- published totals


@pytest.mark.parametrize(
    ("name", "num_params", "ops"),
    [  # torchvision 0.28, `meta` of each *_Weights: "num_params", and "_ops" in units of 10^9
        ("alexnet", 61_100_840, 0.714),
        ("vgg13", 133_047_848, 11.308),
        ("vgg16", 138_357_544, 15.47),
        ("vgg19", 143_667_240, 19.632),
        ("resnet18", 11_689_512, 1.814),
        ("resnet34", 21_797_672, 3.664),
        ("resnet50", 25_557_032, 4.089),
        ("resnet101", 44_549_160, 7.801),
        ("resnet152", 60_192_808, 11.514),
        ("googlenet@torchvision", 6_624_904, 1.498),
    ],
)
def test_torchvision_s_metadata(name: str, num_params: int, ops: float) -> None:
    found = totals(name)
    assert found.params == num_params
    assert round(found.macs / 1e9, 3) == ops


def test_torchvision_counts_inception_v3_s_head_only_in_the_parameters() -> None:
    # torchvision 0.28, Inception_V3_Weights.IMAGENET1K_V1.meta
    assert totals("inception_v3@torchvision", "training").params == 27_161_264
    assert round(totals("inception_v3@torchvision").macs / 1e9, 3) == 5.713


@pytest.mark.parametrize(
    ("name", "total", "trainable"),
    [  # keras.applications with weights=None: model.count_params(), and its trainable part
        ("inception_v3@keras", 23_851_784, 23_817_352),
        ("inception_resnet_v2@keras", 55_873_736, 55_813_192),
        ("xception", 22_910_480, 22_855_952),
    ],
)
def test_keras_totals(name: str, total: int, trainable: int) -> None:
    found = totals(name)
    assert (found.params + found.buffers, found.params_trainable) == (total, trainable)


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        # tf_slim/nets/inception_v2_test.py and inception_v3_test.py, testModelHasExpectedNumberOfParameters
        ("inception_v2", 10_173_112),
        ("inception_v3", 21_802_784),
        # keras.applications with include_top=False
        ("inception_v3@keras", 21_802_784),
        ("inception_resnet_v2@keras", 54_336_736),
        ("xception", 20_861_480),
    ],
)
def test_variables_of_the_base_network(name: str, variables: int) -> None:
    found = totals(name)
    (*_, last) = (layer for layer in analysis(name).layers if layer.params)
    assert found.params + found.buffers - (last.params or 0) == variables


@pytest.mark.parametrize(
    ("name", "classes", "trainable", "variables", "macs", "trainable_with_aux", "macs_with_aux"),
    [
        # tf_slim/nets/*.py: with the background class of its checkpoints, and without it
        ("inception_v2", 1001, 11_179_361, 11_199_137, 1_934_858_240, None, None),
        ("inception_v3", 1001, 23_819_401, 23_853_833, 5_713_218_144, 27_145_970, 5_718_902_112),
        ("inception_v4", 1000, 42_648_232, 42_711_400, 12_253_974_624, 46_006_800, 12_260_477_024),
        ("inception_resnet_v2", 1000, 55_813_192, 55_873_736, 13_155_794_016, 59_179_952, 13_162_501_216),
        # tf_slim/nets/inception_v2.py, use_separable_conv=False
        ("inception_v2@nonseparable", 1000, 11_185_032, 11_204_936, 2_018_851_840, None, None),
        # PaddlePaddle/models of 2017, image_classification/*.py, class_dim=1000
        ("googlenet@paddle", 1000, 6_998_552, 6_998_552, 1_582_671_872, 13_378_280, 1_591_044_096),
        ("alexnet@paddle", 1000, 62_378_344, 62_378_344, 1_131_457_664, None, None),
        ("vgg13@paddle", 1000, 133_047_848, 133_047_848, 11_308_466_176, None, None),
        ("vgg16@paddle", 1000, 138_357_544, 138_357_544, 15_470_264_320, None, None),
        ("vgg19@paddle", 1000, 143_667_240, 143_667_240, 19_632_062_464, None, None),
        ("resnet18@paddle", 1000, 6_968_872, 6_976_424, 1_582_862_336, None, None),
        ("resnet34@paddle", 1000, 21_797_672, 21_814_696, 3_663_761_408, None, None),
        ("resnet50@paddle", 1000, 25_557_032, 25_610_152, 3_857_973_248, None, None),
        ("resnet101@paddle", 1000, 44_549_160, 44_654_504, 7_570_194_432, None, None),
        ("resnet152@paddle", 1000, 60_192_808, 60_344_232, 11_282_415_616, None, None),
        ("inception_v4@paddle", 1000, 42_711_400, 42_774_568, 8_142_692_352, None, None),
        ("inception_resnet_v2@paddle", 1000, 55_843_464, 55_904_008, 13_155_794_016, None, None),
        ("xception@paddle", 1000, 22_906_264, 22_960_792, 4_594_936_384, None, None),
    ],
)
def test_totals_at_other_class_counts(
    name: str,
    classes: int,
    trainable: int,
    variables: int,
    macs: int,
    trainable_with_aux: int | None,
    macs_with_aux: int | None,
) -> None:
    found, training = totals(name, "inference", classes), totals(name, "training", classes)
    assert (found.params_trainable, found.params + found.buffers, found.macs) == (trainable, variables, macs)
    assert training.params_trainable == (trainable_with_aux or trainable)
    assert training.macs == (macs_with_aux or macs)


def test_inception_resnet_v2_at_paddle_s_own_input() -> None:
    # PaddlePaddle/models of 2017, image_classification: 3x331x331 and 102 classes
    assert analysis("inception_resnet_v2@paddle", side=331).totals.macs == 16_418_681_952


# --- auxiliary heads


@pytest.mark.parametrize("name", NAMES)
def test_heads_are_only_in_training(name: str) -> None:
    network = find(name).config
    inference, training = network.graph(), network.graph("training")
    heads = WITH_HEADS.get(name, 0)
    assert (len(inference.outputs), len(training.outputs)) == (1, 1 + heads)
    assert {training.types[output.node][0].shape for output in training.outputs} == {(1, network.classes)}
    assert [output.loss_weight for output in training.outputs[1:]] == [0.3 if heads == 2 else 0.4] * heads
    assert (totals(name, "training").params > totals(name).params) == (heads > 0)
    assert not {node.name for node in inference.nodes if re.match("aux", node.name, re.IGNORECASE)}


@pytest.mark.parametrize(
    ("name", "params", "macs"),
    [
        # torchvision 0.28: the modules with aux_logits=True, counted
        ("googlenet@torchvision", 13_004_888, 1_506_748_416),
        ("inception_v3@torchvision", 27_161_264, 5_718_899_296),
        # tf_slim/nets: create_aux_logits=True
        ("inception_v3", 27_143_152, 5_718_899_296),
        ("inception_v4", 46_009_106, 12_260_479_328),
        ("inception_resnet_v2", 59_182_258, 13_162_503_520),
    ],
)
def test_totals_with_heads(name: str, params: int, macs: int) -> None:
    found = totals(name, "training")
    assert (found.params, found.macs) == (params, macs)


# --- other classes, widths, inputs and batches


@pytest.mark.parametrize("name", NAMES)
def test_a_network_can_have_other_classes(name: str) -> None:
    network = config(name, classes=7)
    for mode in ("inference", "training"):
        graph = network.graph("training" if mode == "training" else "inference")
        assert {graph.types[output.node][0].shape for output in graph.outputs} == {(1, 7)}


@pytest.mark.parametrize("name", NAMES)
def test_half_the_width_is_between_a_quarter_and_half_of_the_parameters(name: str) -> None:
    half = analyze(config(name, width=0.5).graph()).totals.params
    assert totals(name).params / 4 < half < totals(name).params * 0.51


def first_convolutions(graph: Graph) -> set[str]:
    return {node.name for node in graph.nodes if "input" in node.inputs}


@pytest.mark.parametrize("name", NAMES)
def test_other_input_channels_change_only_the_first_layer(name: str) -> None:
    channels, *sides = find(name).config.input
    graph = config(name, input=(channels + 1, *sides)).graph()
    before, after = analysis(name), analyze(graph)
    changed = {a.name for a, b in zip(after.layers, before.layers, strict=True) if a.params != b.params}
    if name == "inception_v2":  # its depthwise convolution has 8 outputs per channel, which the pointwise one reads
        assert changed == {"Conv2d_1a_7x7/depthwise", "Conv2d_1a_7x7/pointwise"}
    else:
        assert changed == first_convolutions(graph)


LARGER = {"inception_v4@paddle": 320, "xception@paddle": 320, "inception_resnet_v2@paddle": 395}
"""Networks that need another larger input than one and a half times theirs."""

CHANGED = {
    "googlenet@paddle": ["loss3/classifier"],  # its 7x7/7 pool gives 2x2 for a map of 11x11
    "alexnet@paddle": ["fc1"],
    "vgg13@paddle": ["fc1"],
    "vgg16@paddle": ["fc1"],
    "vgg19@paddle": ["fc1"],
    "lenet": ["C5"],
    "lenet@caffe": ["ip1"],
}
"""Layers that read a flattened map, so that their weights depend on the input's size."""


@pytest.mark.parametrize("name", NAMES)
def test_a_larger_input_costs_more_and_only_flattened_maps_have_other_weights(name: str) -> None:
    larger = analysis(name, side=LARGER.get(name, find(name).config.input[1] * 3 // 2))
    assert larger.totals.macs > 1.5 * totals(name).macs
    one, other = (
        {layer.name: layer.params for layer in found.layers if layer.params} for found in (larger, analysis(name))
    )
    assert [layer for layer in one if one[layer] != other[layer]] == CHANGED.get(name, [])
    assert larger.layers[-1].output_shape == (1, find(name).config.classes)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_costs_its_size_times_one_image(name: str) -> None:
    found = analyze(find(name).config.graph(batch=3)).totals
    assert (found.params, found.macs, found.flops) == (
        totals(name).params,
        3 * totals(name).macs,
        3 * totals(name).flops,
    )


# --- inputs that are too small


class Refusal(NamedTuple):
    layer: str
    smallest: int
    message: str


def refusal(name: str, side: int, mode: Mode = "inference") -> Refusal:
    channels = find(name).config.input[0]
    with pytest.raises(ShapeError) as caught:
        config(name, input=(channels, side, side)).graph(mode)
    message = str(caught.value)
    found = re.fullmatch(
        r"`(\S+)` \(.*\): .*; the smallest square input that works is (\d+)x(\d+)x(\d+)", message, re.DOTALL
    )
    assert found, message
    assert int(found[2]) == channels
    assert found[3] == found[4]
    return Refusal(found[1], int(found[3]), message)


def accepts(name: str, side: int, mode: Mode = "inference") -> bool:
    return find(name).config.accepts((find(name).config.input[0], side, side), mode)


BUILDS_AT_8 = {
    "googlenet@slim", "inception_v2", "inception_v2@nonseparable", "xception", "nin@cifar10",
    *(f"vgg{depth}@paddle" for depth in (13, 16, 19)),
    *(f"resnet{depth}{port}" for depth in (18, 34, 50, 101, 152) for port in ("", "@paddle")),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(BUILDS_AT_8))
def test_networks_that_accept_tiny_images(name: str) -> None:
    assert accepts(name, 8)


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("name", [name for name in NAMES if name not in {*BUILDS_AT_8, *CLOSES_AT_SOME_SIZES}])
def test_an_image_that_is_too_small_names_the_smallest_that_works(name: str, mode: Mode) -> None:
    layer, smallest, _ = refusal(name, 8, mode)
    whole = {node.name for node in find(name).config.graph(mode).nodes}
    assert layer in whole
    assert accepts(name, smallest, mode)
    assert not any(accepts(name, side, mode) for side in range(8, smallest, max((smallest - 1) // 8, 1)))
    assert not accepts(name, smallest - 1, mode)


@pytest.mark.parametrize(
    ("name", "side", "mode", "layer", "smallest"),
    [
        ("nin", 32, "inference", "pool3", 39),
        ("inception_v4", 64, "inference", "Mixed_7a/Branch_0/Conv2d_1a_3x3", 75),
        ("inception_v4", 64, "training", "Mixed_7a/Branch_0/Conv2d_1a_3x3", 107),  # its head pools 5x5 over 17x17
        ("inception_v3", 64, "inference", "Mixed_7a/Branch_0/Conv2d_1a_3x3", 75),
        # keras.applications refuse images below 75x75 for InceptionV3 and InceptionResNetV2 (obtain_input_shape)
        ("inception_v3@keras", 74, "inference", "Mixed_7a/Branch_0/Conv2d_1a_3x3", 75),
        ("inception_resnet_v2@keras", 74, "inference", "Mixed_7a/Branch_0/Conv2d_1a_3x3", 75),
        # torchvision's "min_size" in the metadata: 15, 63, 75 and 32
        ("googlenet@torchvision", 14, "inference", "pool3/3x3_s2", 15),
        ("alexnet", 62, "inference", "pool3", 63),
        ("inception_v3@torchvision", 74, "inference", "Mixed_7a/Branch_0/Conv2d_1a_3x3", 75),
        ("vgg16", 31, "inference", "pool5", 32),
    ],
)
def test_the_layer_that_does_not_fit_is_named(name: str, side: int, mode: Mode, layer: str, smallest: int) -> None:
    found = refusal(name, side, mode)
    assert (found.layer, found.smallest) == (layer, smallest)


@pytest.mark.parametrize(
    ("name", "side", "message"),
    [
        ("inception_v4@paddle", 299, "`Mixed_5a/concat` (concat of `Mixed_5a/Branch_0/relu` 1x192x38x38, "
         "`Mixed_5a/Branch_1` 1x192x37x37): "),
        ("xception@paddle", 299, "`block3/add` (add of `block3/shortcut/bn` 1x256x38x38, "
         "`block3/MaxPool_1a_3x3` 1x256x37x37): "),
        ("inception_resnet_v2@paddle", 224, "`Mixed_6a/concat` (concat of "),
    ],
)  # fmt: skip
def test_maps_of_different_sizes_are_named_with_their_layers(name: str, side: int, message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        config(name, input=(3, side, side)).graph()
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


# --- receptive fields


@pytest.mark.parametrize(
    ("name", "layer", "field"),
    [
        # A. Araujo et al., "Computing Receptive Fields of Convolutional Neural Networks" (Distill, 2019), its table of
        # modern networks: alexnet_v2, vgg_16, resnet_v1_*, inception_* of TF-slim, before the last pool
        ("alexnet", "pool3", 195),
        ("vgg16", "pool5", 212),
        ("resnet50@paddle", "res4_3/relu", 483),
        ("resnet101@paddle", "res4_3/relu", 1027),
        ("resnet152@paddle", "res4_3/relu", 1507),
        ("inception_v2", "Mixed_5c/concat", 699),
        ("inception_v3", "Mixed_7c/concat", 1311),
        ("inception_v4", "Mixed_7d/concat", 2071),
        ("inception_resnet_v2", "Conv2d_7b_1x1/relu", 3039),
        # ResNet v1.5 has its strides in the 3x3, whose kernel is then a step finer in each stage
        ("resnet18", "res4_2/relu", 435),
        ("resnet34", "res4_3/relu", 899),
        ("resnet50", "res1_3/relu", 35),
        ("resnet50", "res2_4/relu", 91),
        ("resnet50", "res3_6/relu", 267),
        ("resnet50", "res4_3/relu", 427),
        ("resnet101", "res4_3/relu", 971),
        # 715 before the last pool, and 6 x 32 more in its 7x7
        ("googlenet", "pool5/7x7_s1", 907),
    ],
)
def test_receptive_fields(name: str, layer: str, field: int) -> None:
    (found,) = (found.receptive_field for found in analysis(name).layers if found.name == layer)
    assert found == field


# --- files and commands


@pytest.mark.parametrize("name", NAMES)
def test_a_config_written_as_toml_reads_back_equal(name: str) -> None:
    network = find(name).config
    again = configure(tomllib.loads(to_toml(network, name)))
    assert again == network
    assert again.graph("training") == network.graph("training")  # dicts compare equal in any order, graphs do not


@pytest.mark.parametrize("name", ["inception_v3@torchvision", "xception", "alexnet@paddle", "nin@cifar10", "resnet18"])
def test_the_list_and_the_summary_agree(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "--format", "json"]) == 0
    (row,) = (row for row in json.loads(capsys.readouterr().out) if row["name"] == name)
    summaries = {}
    for mode in ("inference", "training"):
        assert run(["summary", name, "--mode", mode, "--format", "json"]) == 0
        summaries[mode] = json.loads(capsys.readouterr().out)["totals"]
    inference, training = summaries["inference"], summaries["training"]
    assert (row["params"], row["macs"]) == (inference["params"], inference["macs"])
    assert (row["params_with_aux"], row["macs_with_aux"]) == (training["params"], training["macs"])
    assert (row["params_with_aux"] > row["params"]) == (name in WITH_HEADS)
