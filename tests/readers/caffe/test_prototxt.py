"""Caffe's nets: published totals in every spelling, phases, rounding, and every layer type."""

import re
from pathlib import Path

import pytest

from inception_lens.analyses.analysis import analyze
from inception_lens.errors import ConfigError, FormatError, GraphError
from inception_lens.graph import Graph, Mode, Output
from inception_lens.ops import (
    AvgPool2d,
    BatchNorm2d,
    Concat,
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    Reshape,
    Shape,
    Unknown,
)
from inception_lens.readers.caffe.layers import NetState
from inception_lens.readers.caffe.prototxt import HANDLERS, MAX_FILE_SIZE, net_state, read_net, read_prototxt
from inception_lens.readers.caffe.text_format import parse
from tests.readers.caffe.caffe_nets import alexnet, googlenet, nin, vgg16


def net(text: str, inputs: object = None, mode: Mode = "inference", **chosen: object) -> Graph:
    return read_net(parse(text), inputs, mode, net_state(chosen))  # type: ignore[arg-type]


def with_inputs(layer: str, shape: str = "1x8x12x10", *more: str) -> Graph:
    """A net of one layer on inputs `a`, `b`, ... of these shapes."""
    shapes = zip("abcd", (shape, *more), strict=False)
    declared = "".join(
        f'layer {{ name: "in_{name}" type: "Input" top: "{name}" input_param {{ shape {{ {_dims(sizes)} }} }} }}\n'
        for name, sizes in shapes
    )
    return net(declared + f"layer {{ {layer} }}")


def _dims(shape: str) -> str:
    return " ".join(f"dim: {size}" for size in shape.split("x"))


@pytest.mark.parametrize(
    ("text", "params", "macs"),
    [
        # BVLC Caffe's models and the model zoo: deploy and train_val files counted by themselves.
        (googlenet(), 6_998_552, 1_582_671_872),
        (googlenet(training=True), 13_378_280, 1_591_044_096),
        (alexnet(), 60_965_224, 724_406_816),
        (alexnet("V1"), 60_965_224, 724_406_816),
        (alexnet("V0"), 60_965_224, 724_406_816),
        (alexnet("V1", caffenet=True), 60_965_224, 724_406_816),
        (vgg16(), 138_357_544, 15_470_264_320),
        (vgg16("V0"), 138_357_544, 15_470_264_320),
        (nin(), 7_595_176, 1_100_188_800),
    ],
    ids=["googlenet", "googlenet-train", "alexnet", "alexnet-v1", "alexnet-v0", "caffenet", "vgg16", "vgg16-v0", "nin"],
)
@pytest.mark.parametrize("mode", ["inference", "training"])
def test_published_nets_have_their_published_totals(text: str, params: int, macs: int, mode: Mode) -> None:
    totals = analyze(net(text, mode=mode)).totals
    assert (totals.params, totals.macs, totals.exact) == (params, macs, True)


def test_a_net_reads_the_same_in_every_spelling() -> None:
    assert net(alexnet("V1")) == net(alexnet("V0")) == net(alexnet())
    assert net(vgg16("V0")) == net(vgg16("V1"))


def test_losses_are_outputs_with_their_weights_and_accuracy_is_left_out() -> None:
    graph = net(googlenet(training=True), mode="training")
    heads = [Output("loss1/classifier", 0.3), Output("loss2/classifier", 0.3), Output("loss3/classifier", 1.0)]
    assert list(graph.outputs) == heads
    assert [given.name for given in graph.inputs] == ["data"]
    assert not [node for node in graph.nodes if "loss" in node.name.split("/")[-1] or "top-1" in node.name]


def test_layers_in_place_are_in_place_and_keep_their_order() -> None:
    graph = net(googlenet())
    assert graph["conv1/7x7_s2/relu"].op.reuses_input(training=True)
    assert graph["pool1/3x3_s2"].inputs == ("conv1/7x7_s2/relu",)
    assert graph["loss3/classifier/flatten"].inputs == ("pool5/drop_7x7_s1",)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (None, (1, 3, 224, 224)),
        ((1, 3, 320, 320), (1, 3, 320, 320)),
        ((3, 256, 256), (1, 3, 256, 256)),
        ({"data": (7, 3, 224, 224)}, (7, 3, 224, 224)),
    ],
)
def test_the_batch_is_one_unless_the_caller_gives_another(inputs: object, expected: Shape) -> None:
    small = 'input: "data" input_dim: 10 input_dim: 3 input_dim: 224 input_dim: 224\n'
    small += 'layer { name: "r" type: "ReLU" bottom: "data" top: "r" }'
    assert net(small, inputs).inputs[0].type.shape == expected


def test_several_inputs_are_given_by_name() -> None:
    text = 'input: "a" input: "b" input_shape { dim: 5 dim: 2 } input_shape { dim: 5 dim: 3 }'
    text += 'layer { name: "c" type: "Concat" bottom: "a" bottom: "b" top: "c" }'
    assert net(text).types["c"][0].shape == (1, 5)
    assert net(text, {"b": (1, 9)}).types["c"][0].shape == (1, 11)
    with pytest.raises(FormatError, match=r"no input `z` \(valid: a, b\)"):
        net(text, {"z": (1, 9)})


RULES = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 4 } } }
layer { name: "train" type: "ReLU" bottom: "data" top: "train" include { phase: TRAIN } }
layer { name: "test" type: "ReLU" bottom: "data" top: "test" exclude { phase: TRAIN } }
layer { name: "deploy" type: "ReLU" bottom: "data" top: "deploy" include { stage: "deploy" } }
layer { name: "both" type: "ReLU" bottom: "data" top: "both" include { stage: "deploy" stage: "x" } }
layer { name: "either" type: "ReLU" bottom: "data" top: "either" include { stage: "x" } include { phase: TEST } }
layer { name: "not" type: "ReLU" bottom: "data" top: "not" include { not_stage: "deploy" } }
layer { name: "high" type: "ReLU" bottom: "data" top: "high" include { min_level: 2 max_level: 3 } }
"""


@pytest.mark.parametrize(
    ("mode", "chosen", "kept"),
    [
        ("training", {}, "train not"),
        ("inference", {}, "test either not"),
        ("inference", {"stage": "deploy"}, "test deploy either"),
        ("inference", {"stage": "deploy,x"}, "test deploy both either"),
        ("training", {"stage": "x"}, "train either not"),
        ("inference", {"level": "2"}, "test either not high"),
        ("inference", {"level": 4}, "test either not"),
    ],
)
def test_rules_choose_the_layers_of_a_phase(mode: Mode, chosen: dict[str, object], kept: str) -> None:
    assert [node.name for node in net(RULES, mode=mode, **chosen).nodes] == kept.split()


def test_an_error_names_the_stage_that_the_layers_require() -> None:
    text = (
        'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 1 dim: 4 } } include { stage: "deploy" } }'
    )
    text += 'layer { name: "r" type: "ReLU" bottom: "d" top: "r" }'
    with pytest.raises(FormatError, match="--set stage=deploy"):
        net(text)
    assert len(net(text, stage="deploy").nodes) == 1


def test_overrides_are_stages_and_a_level() -> None:
    assert net_state({"stage": "a,b", "level": "3"}) == NetState(("a", "b"), 3)
    for wrong in ({"classes": 10}, {"level": "x"}):
        with pytest.raises(ConfigError):
            net_state(wrong)


@pytest.mark.parametrize(
    ("size", "fields", "expected"),
    [
        (9, "kernel_size: 3 kernel_h: 5 stride: 2", 4),  # one side next to `kernel_size` is ignored
        (9, "kernel_h: 3 kernel_w: 3 stride_h: 2 stride_w: 2 pad_h: 1 pad_w: 1", 5),
        (112, "kernel_size: 3 stride: 2", 56),  # ceil((112 - 3) / 2) + 1
        (112, "kernel_size: 3 stride: 2 round_mode: FLOOR", 55),
        (14, "kernel_size: 5 stride: 3", 4),
        (4, "kernel_size: 2 stride: 3 pad: 1", 2),  # a third would start at 6, after the map and its padding
        (4, "kernel_size: 1 stride: 2", 3),  # without padding Caffe does not check
        (7, "kernel_size: 7 stride: 1", 1),
        (6, "kernel_size: 7 stride: 7", 1),
    ],
)
@pytest.mark.parametrize("method", ["MAX", "AVE"])
def test_pools_round_and_clip_as_caffe_does(size: int, fields: str, expected: int, method: str) -> None:
    layer = f'name: "p" type: "Pooling" bottom: "a" top: "p" pooling_param {{ pool: {method} {fields} }}'
    assert with_inputs(layer, f"1x2x{size}x{size}").types["p"][0].shape == (1, 2, expected, expected)


CONV = 'name: "y" type: "Convolution" bottom: "a" top: "y" convolution_param'
LAYERS = {
    f"{CONV} {{ num_output: 6 kernel_size: 3 stride: 2 pad: 1 }}": ("1x6x6x5", 6 * 8 * 9 + 6, 30 * 6 * 72),
    f"{CONV} {{ num_output: 6 kernel_h: 3 kernel_w: 1 stride_h: 1 stride_w: 2 pad_h: 1 pad_w: 0 bias_term: false }}": (
        "1x6x12x5", 6 * 8 * 3, 60 * 6 * 24,
    ),
    f"{CONV} {{ num_output: 8 kernel_size: 3 dilation: 2 group: 8 }}": ("1x8x8x6", 8 * 9 + 8, 48 * 8 * 9),
    f"{CONV} {{ num_output: 4 kernel_size: 3 kernel_size: 5 }}": ("1x4x10x6", 4 * 8 * 15 + 4, 60 * 4 * 120),
    CONV.replace("Convolution", "Deconvolution")
    + " { num_output: 5 kernel_size: 4 stride: 2 pad: 1 bias_term: false }": (
        "1x5x24x20", 640, 120 * 640,
    ),
    # base_conv_layer.cpp: a padding of one side alone leaves the other 0.
    f"{CONV} {{ num_output: 6 kernel_h: 1 kernel_w: 7 pad_w: 3 }}": ("1x6x12x10", 6 * 56 + 6, 120 * 6 * 56),
    f"{CONV} {{ num_output: 6 kernel_size: 3 pad_h: 1 }}": ("1x6x12x8", 6 * 72 + 6, 96 * 6 * 72),
    # The axes before the channels are one batch, and those after them the map: here 12 channels of maps of 10.
    f"{CONV} {{ num_output: 6 kernel_size: 3 axis: 2 }}": ("1x8x6x8", 6 * 12 * 3 + 6, 8 * 48 * 36),
    f"{CONV} {{ num_output: 6 axis: -1 }}": ("1x8x12x6", 66, 96 * 60),
    f"{CONV} {{ num_output: 6 kernel_size: 3 axis: 0 }}": ("6x6x10x8", 6 * 27 + 6, 6 * 480 * 27),
    CONV.replace("Convolution", "Deconvolution") + " { num_output: 5 kernel_size: 4 pad_w: 1 bias_term: false }": (
        "1x5x15x11", 640, 120 * 640,
    ),
    # Windows of 3x3 in 8 channels, as columns: no arithmetic.
    'name: "y" type: "Im2col" bottom: "a" top: "y" convolution_param { kernel_size: 3 stride: 2 pad_w: 1 }': (
        "1x72x5x5", 0, 0,
    ),
    'name: "y" type: "InnerProduct" bottom: "a" top: "y" inner_product_param { num_output: 3 }': ("1x3", 2_883, 2_880),
    'name: "y" type: "InnerProduct" bottom: "a" top: "y" inner_product_param { num_output: 3 axis: -1 }': (
        "1x8x12x3", 33, 2880,
    ),
    'name: "y" type: "LRN" bottom: "a" top: "y" lrn_param { norm_region: WITHIN_CHANNEL local_size: 3 }': (
        "1x8x12x10", 0, 0,
    ),
    'name: "y" type: "BatchNorm" bottom: "a" top: "y"': ("1x8x12x10", 0, 0),
    'name: "y" type: "Scale" bottom: "a" top: "y" scale_param { bias_term: true }': ("1x8x12x10", 16, 0),
    'name: "y" type: "Bias" bottom: "a" top: "y" bias_param { axis: 1 num_axes: -1 }': ("1x8x12x10", 960, 0),
    'name: "y" type: "PReLU" bottom: "a" top: "y"': ("1x8x12x10", 8, 0),
    'name: "y" type: "PReLU" bottom: "a" top: "y" prelu_param { channel_shared: true }': ("1x8x12x10", 1, 0),
    'name: "y" type: "Normalize" bottom: "a" top: "y" norm_param { across_spatial: false channel_shared: false }': (
        "1x8x12x10", 8, 0,
    ),
    'name: "y" type: "MVN" bottom: "a" top: "y"': ("1x8x12x10", 0, 0),
    'name: "y" type: "MVN" bottom: "a" top: "y" mvn_param { normalize_variance: false }': ("1x8x12x10", 0, 0),
    'name: "y" type: "Pooling" bottom: "a" top: "y" pooling_param { pool: AVE global_pooling: true }': (
        "1x8x1x1", 0, 0,
    ),
    'name: "y" type: "Pooling" bottom: "a" top: "y" pooling_param { global_pooling: true }': ("1x8x1x1", 0, 0),
    'name: "y" type: "Power" bottom: "a" top: "y" power_param { power: 2 scale: 3 shift: 1 }': ("1x8x12x10", 0, 0),
    'name: "y" type: "Exp" bottom: "a" top: "y"': ("1x8x12x10", 0, 0),
    'name: "y" type: "Log" bottom: "a" top: "y" log_param { base: 10 }': ("1x8x12x10", 0, 0),
    'name: "y" type: "Softmax" bottom: "a" top: "y"': ("1x8x12x10", 0, 0),
    'name: "y" type: "Flatten" bottom: "a" top: "y" flatten_param { axis: 2 }': ("1x8x120", 0, 0),
    'name: "y" type: "Reshape" bottom: "a" top: "y" reshape_param { shape { dim: 0 dim: -1 dim: 5 } }': (
        "1x192x5", 0, 0,
    ),
    'name: "y" type: "Reshape" bottom: "a" top: "y" reshape_param { shape { dim: 2 dim: -1 } axis: 1 num_axes: 1 }': (
        "1x2x4x12x10", 0, 0,
    ),
    'name: "y" type: "Reshape" bottom: "a" top: "y" reshape_param { shape { dim: 0 dim: -1 } axis: 1 }': (
        "1x8x120", 0, 0,
    ),
    'name: "y" type: "Permute" bottom: "a" top: "y" permute_param { order: 0 order: 2 order: 3 }': ("1x12x10x8", 0, 0),
    'name: "y" type: "Reduction" bottom: "a" top: "y" reduction_param { operation: ASUM axis: 1 coeff: 2 }': (
        "1", 0, 0,
    ),
    'name: "y" type: "ArgMax" bottom: "a" top: "y" argmax_param { axis: 1 }': ("1x1x12x10", 0, 0),
    'name: "y" type: "Tile" bottom: "a" top: "y" tile_param { axis: 2 tiles: 3 }': ("1x8x36x10", 0, 0),
    'name: "y" type: "Interp" bottom: "a" top: "y" interp_param { height: 20 width: 30 }': ("1x8x20x30", 0, 0),
    'name: "y" type: "ShuffleChannel" bottom: "a" top: "y" shuffle_channel_param { group: 4 }': ("1x8x12x10", 0, 0),
    'name: "y" type: "Embed" bottom: "a" top: "y" embed_param { input_dim: 50 num_output: 7 }': (
        "1x8x12x10x7", 357, 0,
    ),
    'name: "y" type: "LSTM" bottom: "a" bottom: "a" top: "y" recurrent_param { num_output: 6 }': (
        "1x8x6", 24 * 120 + 24 + 24 * 6, 8 * 24 * 126,
    ),
    'name: "y" type: "LSTM" bottom: "a" bottom: "a" bottom: "a" top: "y" recurrent_param { num_output: 6 }': (
        "1x8x6", 24 * 120 + 24 + 24 * 6 + 24 * 960, 8 * (24 * 126 + 24 * 960),
    ),
    'name: "y" type: "Embed" bottom: "a" top: "y" embed_param { input_dim: 50 num_output: 7 bias_term: false }': (
        "1x8x12x10x7", 350, 0,
    ),
    'name: "y" type: "Parameter" top: "y" parameter_param { shape { dim: 3 dim: 5 } }': ("3x5", 15, 0),
    'name: "y" type: "BN" bottom: "a" top: "y"': ("1x8x12x10", 16, 0),
    'name: "y" type: "BatchNorm" bottom: "a" top: "y" batch_norm_param { scale_bias: true }': ("1x8x12x10", 16, 0),
    'name: "y" type: "LRN" bottom: "a" top: "y"': ("1x8x12x10", 0, 0),
    'name: "y" type: "MVN" bottom: "a" top: "y" mvn_param { across_channels: true }': ("1x8x12x10", 0, 0),
    'name: "y" type: "Normalize" bottom: "a" top: "y"': ("1x8x12x10", 1, 0),
    CONV.replace("Convolution", "DepthwiseConvolution") + " { num_output: 8 kernel_size: 3 }": (
        "1x8x10x8", 8 * 9 + 8, 80 * 8 * 9,
    ),
    CONV.replace("Convolution", "ConvolutionDepthwise") + " { num_output: 2 group: 2 kernel_size: 3 pad: 1 }": (
        "1x8x12x10", 8 * 9 + 8, 120 * 8 * 9,
    ),
    CONV.replace("Convolution", "ConvolutionDepthwise") + " { num_output: 8 kernel_size: 3 bias_term: false }": (
        "1x8x10x8", 8 * 9, 80 * 8 * 9,
    ),
    'name: "y" type: "Dropout" bottom: "a" top: "y"': ("1x8x12x10", 0, 0),
    'name: "y" type: "Clip" bottom: "a" top: "y" clip_param { min: 0 max: 6 }': ("1x8x12x10", 0, 0),
    'name: "y" type: "Concat" bottom: "a" bottom: "a" top: "y" concat_param { axis: -1 }': ("1x8x12x20", 0, 0),
    'name: "y" type: "Axpy" bottom: "a" bottom: "a" bottom: "a" top: "y"': ("1x8x12x10", 0, 0),
    'name: "y" type: "Eltwise" bottom: "a" bottom: "a" bottom: "a" top: "y" eltwise_param { operation: MAX }': (
        "1x8x12x10", 0, 0,
    ),
    'name: "y" type: "Reduction" bottom: "a" top: "y" reduction_param { operation: MEAN axis: -2 }': ("1x8", 0, 0),
    'name: "y" type: "Reduction" bottom: "a" top: "y"': ("", 0, 0),
    'name: "y" type: "ArgMax" bottom: "a" top: "y" argmax_param { top_k: 3 out_max_val: true }': ("1x2x3", 0, 0),
    'name: "y" type: "ArgMax" bottom: "a" top: "y"': ("1x1x1", 0, 0),
    'name: "y" type: "Interp" bottom: "a" top: "y" interp_param { zoom_factor: 2 shrink_factor: 3 }': (
        "1x8x7x7", 0, 0,
    ),
    # interp_layer.cpp: `height` and `width` come before two factors; the map is that without its border.
    'name: "y" type: "Interp" bottom: "a" top: "y" interp_param '
    "{ height: 4 width: 5 zoom_factor: 2 shrink_factor: 3 }": ("1x8x4x5", 0, 0),
    'name: "y" type: "Interp" bottom: "a" top: "y" interp_param { zoom_factor: 2 height: 4 width: 5 }': (
        "1x8x23x19", 0, 0,
    ),
    'name: "y" type: "Interp" bottom: "a" top: "y" interp_param { shrink_factor: 2 pad_beg: -1 pad_end: -2 }': (
        "1x8x5x4", 0, 0,
    ),
    # spp_layer.cpp: 1, 4 and 16 windows per channel.
    'name: "y" type: "SPP" bottom: "a" top: "y" spp_param { pyramid_height: 3 }': ("1x168", 0, 0),
    'name: "y" type: "SPP" bottom: "a" top: "y" spp_param { pyramid_height: 1 pool: AVE }': ("1x8x1x1", 0, 0),
    'name: "y" type: "Upsample" bottom: "a" bottom: "a" top: "y" upsample_param { scale: 2 pad_out_h: true }': (
        "1x8x23x20", 0, 0,
    ),
    'name: "y" type: "Upsample" bottom: "a" top: "y" upsample_param { scale_h: 3 scale_w: 2 }': ("1x8x36x20", 0, 0),
    'name: "y" type: "Upsample" bottom: "a" bottom: "a" top: "y" upsample_param { upsample_h: 25 upsample_w: 21 }': (
        "1x8x25x21", 0, 0,
    ),
    'name: "y" type: "Reorg" bottom: "a" top: "y" reorg_param { stride: 2 }': ("1x32x6x5", 0, 0),
    'name: "y" type: "Reorg" bottom: "a" top: "y" reorg_param { stride: 2 reverse: true }': ("1x2x24x20", 0, 0),
    # SSD: ratios 1, 2, 1/2, 3 and 1/3 of one size, and one box between two sizes: 6 of 4 coordinates per position.
    'name: "y" type: "PriorBox" bottom: "a" bottom: "a" top: "y" prior_box_param '
    "{ min_size: 30 max_size: 60 aspect_ratio: 2 aspect_ratio: 3 aspect_ratio: 1 }": ("1x2x2880", 0, 0),
    'name: "y" type: "PriorBox" bottom: "a" bottom: "a" top: "y" prior_box_param '
    "{ min_size: 30 min_size: 40 aspect_ratio: 2 flip: false }": ("1x2x1920", 0, 0),
    'name: "y" type: "Flatten" bottom: "a" top: "y" flatten_param { axis: 1 end_axis: 2 }': ("1x96x10", 0, 0),
    'name: "y" type: "RNN" bottom: "a" bottom: "a" top: "y" recurrent_param { num_output: 6 }': (
        "1x8x6", 6 * 120 + 6 + 36 + 36 + 6, 8 * (6 * 120 + 36 + 36),
    ),
}  # fmt: skip


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: re.sub(r'.*type: "(\w+)".* top: "y" ?', r"\1 ", layer)[:60])
def test_a_layer_has_its_shape_parameters_and_macs(layer: str) -> None:
    shape, params, macs = LAYERS[layer]
    graph = with_inputs(layer)
    totals = analyze(graph).totals
    assert "x".join(map(str, graph.types["y"][0].shape)) == shape
    assert (totals.params, totals.macs, totals.exact) == (params, macs, True)
    assert graph.outputs == (Output("y"),)


ACTIVATIONS = {"ReLU", "ReLU6", "ELU", "Sigmoid", "TanH", "Swish", "AbsVal", "BNLL", "Threshold"}
ELSEWHERE = {"BatchReindex", "Crop", "DetectionOutput", "PSROIPooling", "ROIAlign", "ROIPooling", "Slice", "Split"}
"""Layers with a test of their own."""


def test_every_layer_type_is_tested() -> None:
    tested = {match[1] for layer in LAYERS if (match := re.search(r'type: "(\w+)"', layer))}
    assert tested | ACTIVATIONS | ELSEWHERE == set(HANDLERS)


@pytest.mark.parametrize("kind", sorted(ACTIVATIONS))
def test_an_activation_keeps_its_shape_and_costs_arithmetic(kind: str) -> None:
    graph = with_inputs(f'name: "y" type: "{kind}" bottom: "a" top: "y"')
    assert graph.types["y"] == graph.types["a"]
    assert (analyze(graph).totals.flops or 0) > 0 or kind == "Threshold"


@pytest.mark.parametrize(
    ("fields", "nodes"),
    [
        ("operation: SUM", ["Add"]),
        ("coeff: 1 coeff: -1", ["sub"]),
        ("coeff: 1 coeff: 0.5", ["Add"]),
        ("coeff: 2 coeff: 0.5", ["mul", "Add"]),
        ("operation: PROD", ["mul"]),
        ("operation: MAX", ["maximum"]),
    ],
)
def test_eltwise_is_a_sum_a_product_or_a_maximum(fields: str, nodes: list[str]) -> None:
    layer = f'name: "y" type: "Eltwise" bottom: "a" bottom: "b" top: "y" eltwise_param {{ {fields} }}'
    graph = with_inputs(layer, "1x8x4x4", "1x8x4x4")
    assert [node.op.kind for node in graph.nodes] == nodes


@pytest.mark.parametrize(("shape", "params"), [("3", 1), ("2x3", 3), ("2x3x4", 3)])
def test_a_prelu_has_a_slope_per_channel(shape: str, params: int) -> None:
    assert analyze(with_inputs('name: "y" type: "PReLU" bottom: "a" top: "y"', shape)).totals.params == params


def test_a_scale_with_two_bottoms_is_broadcast() -> None:
    graph = with_inputs(
        'name: "y" type: "Scale" bottom: "a" bottom: "b" top: "y" scale_param { axis: 0 }', "1x8x4x5", "1x8"
    )
    assert graph.types["y"][0].shape == (1, 8, 4, 5)
    assert analyze(graph).totals.params == 0


def test_a_slice_has_a_part_for_each_top() -> None:
    points = 'top: "x" top: "y" top: "z" slice_param { slice_point: 1 slice_point: 5 }'
    graph = with_inputs(f'name: "s" type: "Slice" bottom: "a" {points}')
    assert [graph.types[output.node][0].shape[1] for output in graph.outputs] == [1, 4, 3]
    even = with_inputs('name: "s" type: "Slice" bottom: "a" top: "x" top: "y"')
    assert [even.types[output.node][0].shape[1] for output in even.outputs] == [4, 4]


def test_a_second_bottom_of_the_same_rank_is_not_reshaped() -> None:
    graph = with_inputs('name: "y" type: "Bias" bottom: "a" bottom: "b" top: "y" bias_param { axis: 0 }', "2x3", "2x3")
    assert [node.op.kind for node in graph.nodes] == ["add"]


def test_a_reshape_can_change_the_batch() -> None:
    layer = 'name: "y" type: "Reshape" bottom: "a" top: "y" reshape_param { shape { dim: 4 dim: -1 } }'
    graph = with_inputs(layer, "1x8x3")
    assert graph.nodes[0].op == Reshape((4, -1))
    assert graph.types["y"][0].shape == (4, 6)


def test_a_crop_has_the_size_of_its_second_bottom() -> None:
    graph = with_inputs(
        'name: "y" type: "Crop" bottom: "a" bottom: "b" top: "y" crop_param { offset: 2 }', "1x8x12x10", "1x9x5x6"
    )
    assert graph.types["y"][0].shape == (1, 8, 5, 6)


def test_split_and_silence_have_no_nodes() -> None:
    text = 'input: "d" input_shape { dim: 1 dim: 4 } layer { name: "r" type: "ReLU" bottom: "d" top: "r" }'
    text += 'layer { name: "s" type: "Split" bottom: "r" top: "r1" top: "r2" }'
    text += 'layer { name: "q" type: "Silence" bottom: "r2" } layer { name: "t" type: "TanH" bottom: "r1" top: "t" }'
    assert [(node.name, node.inputs) for node in net(text).nodes] == [("r", ("d",)), ("t", ("r",))]


POINT = """
layer { name: "%s" type: "Convolution" bottom: "%s" top: "%s" convolution_param { num_output: 4 kernel_size: 1 } }
"""
NORM = (
    'layer { name: "bn" type: "BatchNorm" bottom: "a" top: "%s" batch_norm_param { moving_average_fraction: 0.9997 } }'
)
SCALE = 'layer { name: "sc" type: "Scale" bottom: "%s" top: "y" scale_param { bias_term: true } %s }'
IMAGE = 'input: "a" input_shape { dim: 1 dim: 8 dim: 4 dim: 4 }'
WINDOW = "convolution_param { num_output: 3 %s }"
KERNEL = "convolution_param { num_output: 3 kernel_size: 1 }"
VECTOR = 'input: "a" input_shape { dim: 1 dim: 8 }'


def _both(kind: str, fields: str) -> str:
    return f'\nlayer {{ name: "z" type: "{kind}" bottom: "a" bottom: "x" top: "z" top: "y" {fields} }}'


def _one(kind: str, fields: str) -> str:
    return f'\nlayer {{ name: "x" type: "{kind}" bottom: "a" top: "x" {fields} }}'


def test_a_batch_norm_includes_the_scale_after_it() -> None:
    graph = net(IMAGE + NORM % "n" + SCALE % ("n", "param { lr_mult: 0 }"))
    (node,) = graph.nodes
    assert node.name == "bn"
    assert getattr(node.op, "momentum", None) == 0.0003
    totals = analyze(graph).totals
    assert (totals.params, totals.params_trainable, totals.buffers) == (16, 8, 16)
    alone = net(IMAGE + NORM % "n" + SCALE % ("n", "") + 'layer { name: "z" type: "ReLU" bottom: "n" top: "z" }')
    assert analyze(alone).totals.params == 16
    assert [node.op.kind for node in alone.nodes] == ["BatchNorm2d", "Parameter", "mul", "Parameter", "add", "ReLU"]


@pytest.mark.parametrize("fields", ["num_axes: -1", "axis: 2"])
def test_a_scale_of_other_axes_is_not_part_of_the_batch_norm(fields: str) -> None:
    scale = SCALE.replace("bias_term: true", f"bias_term: true {fields}")
    graph = net(IMAGE + NORM % "n" + scale % ("n", ""))
    assert [node.op.kind for node in graph.nodes] == ["BatchNorm2d", "Parameter", "mul", "Parameter", "add"]
    bias = f'layer {{ name: "b" type: "Bias" bottom: "n" top: "y" bias_param {{ {fields} }} }}'
    assert [node.op.kind for node in net(IMAGE + NORM % "n" + bias).nodes] == ["BatchNorm2d", "Parameter", "add"]


def test_a_batch_norm_includes_the_bias_after_it() -> None:
    bias = 'layer { name: "b" type: "Bias" bottom: "n" top: "y" }'
    (node,) = net(IMAGE + NORM % "n" + bias).nodes
    assert node.op == BatchNorm2d(eps=1e-5, momentum=0.0003, scale=False, shift=True)


def test_the_fields_of_a_v0_layer_have_their_current_names() -> None:
    lines = (
        'name: "d" type: "images" cropsize: 9 batchsize: 4} top: "d" top: "l"',
        'name: "c" type: "conv" num_output: 2 kernelsize: 3 biasterm: false pad: 1} bottom: "d" top: "c"',
        'name: "p" type: "pool" pool: AVE kernelsize: 3 stride: 2} bottom: "c" top: "p"',
        'name: "n" type: "lrn" local_size: 3 alpha: 0.5} bottom: "p" top: "n"',
        'name: "o" type: "dropout" dropout_ratio: 0.25} bottom: "n" top: "o"',
        'name: "j" type: "concat" concat_dim: 0} bottom: "o" bottom: "o" top: "j"',
        'name: "i" type: "innerproduct" num_output: 5 biasterm: false} bottom: "j" top: "i"',
    )
    graph = net("".join(f"layers {{ layer {{ {line} }}\n" for line in lines))
    assert graph.inputs[0].type.shape == (1, 3, 9, 9)
    assert [node.op for node in graph.nodes] == [
        Conv2d(2, (3, 3), padding=(1, 1), bias=False), AvgPool2d((3, 3), (2, 2), (0, 0), "ceil"),
        LocalResponseNorm(3, 0.5, 0.75, 1.0), Dropout(0.25), Concat(0), Flatten(1), Linear(5, bias=False),
    ]  # fmt: skip


def test_shared_weights_count_once() -> None:
    shared = 'param { name: "w" } param { name: "b" }'
    text = 'input: "a" input_shape { dim: 1 dim: 6 }' + "".join(
        f'layer {{ name: "{name}" type: "InnerProduct" bottom: "a" top: "{name}" {shared} '
        "inner_product_param { num_output: 4 } }"
        for name in "xy"
    )
    totals = analyze(net(text)).totals
    assert (totals.params, totals.macs) == (28, 48)


def test_an_unknown_layer_is_listed_and_so_is_what_reads_its_output() -> None:
    graph = net(
        IMAGE
        + 'layer { name: "p" type: "Python" bottom: "a" top: "p" python_param { module: "m" layer: "L" } }'
        + POINT % ("c", "p", "c")
        + 'layer { name: "d" type: "Custom" bottom: "a" top: "a" }'
        + POINT % ("e", "a", "e")
    )
    analysis = analyze(graph)
    assert not analysis.totals.exact
    assert [node.name for node in graph.nodes if isinstance(node.op, Unknown)] == ["p", "c", "d"]
    assert analysis.totals.macs == 16 * 4 * 8  # in place, `d` keeps its shape, so that `e` is known


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("", 1, "has no `layer`"),
        ('base_lr: 0.1\nnet: "train.prototxt"', 1, "this is a solver file"),
        ("solver_mode: GPU", 1, "this is a solver file"),
        ('train_net: "train.prototxt"', 1, "this is a solver file"),
        ("layres { }", 1, "did you mean"),
        (IMAGE, 1, "has no `layer`"),
        ('\nlayer { name: "x" bottom: "a" }', 2, "`x` has no `type`"),
        ('layers { name: "x" type: CONVULTION }', 1, "did you mean `CONVOLUTION`"),
        ('layers { name: "x" type: "Convolution" }', 1, "goes with `layer`"),
        (
            IMAGE + '\nlayer { name: "x" type: "ReLU" bottom: "b" top: "x" }',
            2,
            "`x` (ReLU): bottom `b` is not a top of a layer before it",
        ),
        (IMAGE + '\nlayer { name: "x" type: "ReLU" top: "x" }', 0, "no input or no layer"),
        (
            IMAGE + f"\nlayer {{ {CONV} {{ kernel_size: 3 }} }}",
            2,
            "`y` (Convolution): `convolution_param` has no `num_output`, only `kernel_size`",
        ),
        (IMAGE + f"\nlayer {{ {CONV} {{ num_ouput: 3 kernel_size: 3 }} }}", 2, "only `num_ouput`, `kernel_size`"),
        (
            IMAGE + f"\nlayer {{ {CONV} {{\nnum_output: 0 kernel_size: 3 }} }}",
            3,
            "`num_output` is '0'; expected an integer",
        ),
        (IMAGE + f"\nlayer {{ {CONV} {{ num_output: 99999999999 kernel_size: 3 }} }}", 2, "2,147,483,647"),
        (IMAGE + f"\nlayer {{ {CONV} {{ num_output: 3 kernel_size: 9 }} }}", 2, "kernel does not fit the 4x4 map"),
        (IMAGE + f"\nlayer {{ {CONV} {{ num_output: 3 kernel_size: 1 group: 3 }} }}", 2, "3 groups must divide"),
        (
            IMAGE + '\nlayer { name: "x" type: "LRN" bottom: "a" top: "x" lrn_param { local_size: 4 } }',
            2,
            "expected an odd number",
        ),
        (IMAGE + '\nlayer { name: "x" type: "ReLU" bottom: "a" top: "x" top: "z" }', 2, "has 2 `top`, but 1 output"),
        (IMAGE + '\nlayer { name: "x" type: "Softmax" bottom: "a" top: "x" softmax_param { axis: 4 } }', 2, "axis 4"),
        (
            IMAGE + '\nlayer { name: "x" type: "ReLU" bottom: "a" top: "x" include { phase: TRIAN } }',
            2,
            "`phase` is 'TRIAN'; expected TRAIN or TEST",
        ),
        (
            'input: "a" input_dim: 1 layer { name: "x" type: "ReLU" bottom: "a" top: "x" }',
            0,
            "1 `input` need 4 `input_dim`, not 1",
        ),
        (
            IMAGE + _one("Dropout", "dropout_param { dropout_ratio: 1 }"),
            2,
            "`dropout_ratio` is 1; expected a number",
        ),
        (IMAGE + _one("Eltwise", "eltwise_param { coeff: 1 coeff: 2 }"), 2, "has 2 `coeff` for 1 bottoms"),
        (
            IMAGE + _one("Pooling", "pooling_param { kernel_size: 2 pad: 2 }"),
            2,
            "padding of (2, 2) must be smaller",
        ),
        (
            IMAGE + f"\nlayer {{ {CONV} {{ num_output: 3 {'kernel_size: 3 ' * 3}}} }}",
            2,
            "has 3 `kernel_size` for 2 axes",
        ),
        (IMAGE + _one("Convolution", WINDOW % "kernel_h: 3"), 2, "`convolution_param` has no `kernel_w`"),
        (IMAGE + _one("Convolution", WINDOW % "kernel_size: 1 stride_w: 2"), 2, "has no `stride_h`"),
        (IMAGE + _one("Convolution", WINDOW % "kernel_size: 1 stride: 1 stride_w: 2"), 2, "has both `stride` and"),
        (IMAGE + _one("Convolution", WINDOW % "kernel_size: 1 pad: 1 pad_h: 2"), 2, "has both `pad` and `pad_h`"),
        (IMAGE + _one("Convolution", WINDOW % "kernel_size: 1 pad_h: 1 pad_h: 2"), 2, "`pad_h` is given 2 times"),
        (IMAGE + _one("Convolution", WINDOW % "kernel_size: 1 axis: 2 pad_h: 1"), 2, "for maps of 2 axes, not 1"),
        (IMAGE + _one("Pooling", "pooling_param { kernel_size: 2 kernel_size: 2 }"), 2, "is given 2 times"),
        (IMAGE + _one("Pooling", "pooling_param { kernel_h: 2 }"), 2, "has `kernel_h` alone"),
        (IMAGE + _one("Pooling", "pooling_param { kernel_size: 2 stride_w: 2 }"), 2, "has `stride_w` alone"),
        (IMAGE + _one("Pooling", "pooling_param { kernel_size: 2 pad: 1 pad_w: 1 }"), 2, "has `pad_w` alone"),
        (
            IMAGE + _one("Pooling", "pooling_param { kernel_size: 2 kernel_h: 2 kernel_w: 2 }"),
            2,
            "has both `kernel_size` and `kernel_h`",
        ),
        (IMAGE + _one("Pooling", "pooling_param { global_pooling: true kernel_size: 4 }"), 2, "a global pool has no"),
        (IMAGE + _one("Pooling", "pooling_param { pool: STOCHASTIC kernel_size: 2 pad: 1 }"), 2, "a stochastic pool"),
        (
            'input: "a" input_shape { dim: 5 }' + _one("Normalize", ""),
            2,
            "reads a blob of 1 axes; expected channels",
        ),
        ('input: "a" input_shape { }' + _one("ArgMax", ""), 2, "reads a scalar; expected at least 1 axis"),
        (IMAGE + _one("Im2col", "convolution_param { kernel_size: 1 axis: 3 }"), 2, "without axes after the channels"),
        (IMAGE + _one("SPP", "spp_param { pyramid_height: 4 }"), 2, "must be smaller than the kernel"),
        (IMAGE + _one("Reorg", "reorg_param { stride: 3 }"), 2, "`stride` 3 does not divide 8x4x4"),
        (IMAGE + _one("PriorBox", "prior_box_param { max_size: 3 }"), 2, "has 0 `min_size` and 1 `max_size`"),
        (IMAGE + _one("Upsample", "upsample_param { scale: 3 pad_out_h: true }"), 2, "need a scale of 2"),
        (IMAGE + _one("Upsample", "upsample_param { scale_h: 3 }"), 2, "expected `scale`, or `scale_h` and `scale_w`"),
        (IMAGE + _one("Interp", "interp_param { pad_beg: -4 zoom_factor: 2 }"), 2, "leave nothing of a 4x4 map"),
        (IMAGE + _one("Interp", "interp_param { pad_beg: 1 zoom_factor: 2 }"), 2, "`pad_beg` is '1'; expected an"),
        (
            IMAGE + _one("PSROIPooling", 'bottom: "a" psroi_pooling_param { output_dim: 3 group_size: 2 }'),
            2,
            "needs 12 channels",
        ),
        (
            IMAGE + _one("Flatten", "") + _both("Convolution", KERNEL),
            3,
            "its bottoms have different shapes",
        ),
        (IMAGE + _one("Flatten", "") + _both("Upsample", ""), 3, "reads 1x8x4x4 and positions of 1x128"),
        (IMAGE + _one("Reduction", "") + _both("BatchReindex", ""), 3, "lists its samples in a scalar"),
        (
            IMAGE + _one("PriorBox", "prior_box_param { min_size: 3 aspect_ratio: 0 }"),
            2,
            "`aspect_ratio` is 0; expected a positive number",
        ),
        (IMAGE + _one("Axpy", ""), 2, "`x` (Axpy): has 1 `bottom`, but needs 2"),
        (IMAGE + _one("Slice", "slice_param { slice_point: 1 }"), 2, "has 1 `slice_point` to split 8 into 1 parts"),
        (
            IMAGE + _one("Reshape", "reshape_param { axis: 3 num_axes: 2 }"),
            2,
            "keeps or replaces axes that a blob of 4",
        ),
        (
            IMAGE + _one("Reshape", f"reshape_param {{ shape {{ {'dim: 0 ' * 5}}} }}"),
            2,
            "keeps or replaces axes that a blob of 4 axes does not have",
        ),
        (
            IMAGE + _one("Crop", 'bottom: "a" crop_param { offset: 1 offset: 1 offset: 1 }'),
            2,
            "has 3 `offset` for bottoms of 4 and 4 axes",
        ),
        (IMAGE + _one("ShuffleChannel", "shuffle_channel_param { group: 3 }"), 2, "3 groups must divide 8 channels"),
        (IMAGE + _one("Scale", "scale_param { axis: 3 num_axes: 2 }"), 2, "`num_axes` is 2 from axis 3 of a blob of 4"),
        (
            VECTOR + _one("LSTM", "recurrent_param { num_output: 3 }"),
            2,
            "reads a blob of 2 axes; expected time",
        ),
        (VECTOR + _one("Interp", "interp_param { zoom_factor: 2 }"), 2, "reads a blob of 2 axes; expected 4"),
        (
            'input: "a" input_shape { dim: 1 dim: 2 dim: 3 dim: 3 dim: 3 dim: 3 }' + _one("Convolution", KERNEL),
            2,
            "a map of 4 axes; expected at most 3",
        ),
        (
            IMAGE + _one("ReLU", "include { phase: TEST } exclude { phase: TRAIN }"),
            2,
            "`x` has both `include` and `exclude`",
        ),
        (
            'input: "a" input: "b" input_shape { dim: 1 } ' + _one("ReLU", ""),
            0,
            "2 `input` need as many `input_shape`, not 1",
        ),
        (
            'input: "a" input_shape { dim: 1 } ' + _one("BatchNorm", ""),
            2,
            "a batch norm of a tensor of 1 axes; expected 2",
        ),
        (
            'layer { name: "d" type: "Data" top: "d" }\nlayer { name: "x" type: "ReLU" bottom: "d" top: "x" }',
            1,
            "does not contain the shape of `d`: give it, such as --input d=1x3x224x224",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_error_names_the_layer_and_the_line(tmp_path: Path, text: str, line: int, expected: str) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(text or " ")
    with pytest.raises(FormatError) as caught:
        read_prototxt(str(path))
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: " if line else f"{path}: ")
    assert expected in message
    assert "\n" not in message


def test_a_file_that_is_not_text_or_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    for data, message in (
        (b"", "is empty"),
        (bytes(range(128, 256)), "is not UTF-8 text"),
        (b"#" * (MAX_FILE_SIZE + 1), f"larger than {MAX_FILE_SIZE:,} bytes"),
    ):
        path.write_bytes(data)
        with pytest.raises(FormatError, match=message):
            read_prototxt(str(path))
    for missing, message in ((tmp_path / "none.prototxt", "No such file"), (tmp_path, "a directory")):
        with pytest.raises(FormatError, match=message):
            read_prototxt(str(missing))


def test_layers_that_change_nothing_have_no_node() -> None:
    graph = with_inputs('name: "y" type: "Crop" bottom: "a" bottom: "b" top: "y"', "1x8x12x10", "1x8x5x10")
    assert [(each.name, each.op.kind) for each in graph.nodes] == [("y", "Slice")]
    relu = 'layer { name: "r" type: "ReLU" bottom: "x" top: "r" }'
    for kind, bottoms in (("Crop", 'bottom: "a"'), ("Slice", ""), ("Power", ""), ("Split", "")):
        assert [each.inputs for each in net(IMAGE + _one(kind, bottoms) + relu).nodes] == [("a",)]


@pytest.mark.parametrize(
    ("kind", "fields", "nodes"),
    [
        ("Power", "power_param { power: 2 scale: 3 shift: 1 }", "mul add square"),
        ("Power", "power_param { power: 0.5 }", "pow"),
        ("Power", "power_param { scale: 2 }", "mul"),
        ("Exp", "exp_param { shift: 1 }", "add exp"),
        ("Log", "log_param { base: 10 }", "log mul"),
        ("Log", "", "log"),
        ("Reduction", "reduction_param { operation: SUMSQ coeff: 2 }", "square sum mul"),
        ("Reduction", "reduction_param { operation: ASUM }", "abs sum"),
        ("Eltwise", 'bottom: "a" bottom: "a" eltwise_param { operation: PROD }', "mul mul"),
        ("Eltwise", 'bottom: "a" bottom: "a" eltwise_param { coeff: 1 coeff: 2 coeff: 3 }', "mul Add"),
        ("LRN", "lrn_param { norm_region: WITHIN_CHANNEL }", "square AvgPool2d mul add pow mul"),
        ("MVN", "mvn_param { normalize_variance: false }", "mean sub"),
        ("MVN", "mvn_param { across_channels: true }", "LayerNorm"),
        ("MVN", "", "InstanceNorm"),
        ("Scale", "scale_param { bias_term: true }", "Parameter mul Parameter add"),
        ("Bias", "", "Parameter add"),
        ("Normalize", "", "norm div Parameter mul"),
        ("ReLU", "relu_param { negative_slope: 0.1 }", "LeakyReLU"),
        ("Pooling", "pooling_param { pool: AVE kernel_size: 2 }", "AvgPool2d"),
        ("Pooling", "pooling_param { pool: AVE global_pooling: true }", "AdaptiveAvgPool2d"),
        ("Pooling", "pooling_param { global_pooling: true }", "AdaptiveMaxPool2d"),
        ("Pooling", "pooling_param { pool: STOCHASTIC kernel_size: 2 }", "StochasticPooling"),
        ("ShuffleChannel", "shuffle_channel_param { group: 2 }", "Reshape Permute Reshape"),
        ("InnerProduct", "inner_product_param { num_output: 3 }", "Flatten Linear"),
        ("InnerProduct", "inner_product_param { num_output: 3 axis: 3 }", "Linear"),
        ("Axpy", 'bottom: "a" bottom: "a"', "mul Add"),
        ("Interp", "interp_param { height: 3 width: 3 pad_beg: -1 }", "Slice Slice Upsample"),
        ("SPP", "spp_param { pyramid_height: 2 }", "MaxPool2d Flatten MaxPool2d Flatten Concat"),
        ("Convolution", "convolution_param { num_output: 3 axis: 3 }", "Reshape Conv1d Reshape"),
    ],
)  # fmt: skip
def test_a_layer_becomes_its_operations(kind: str, fields: str, nodes: str) -> None:
    graph = with_inputs(f'name: "y" type: "{kind}" bottom: "a" top: "y" {fields}')
    assert " ".join(node.op.kind for node in graph.nodes) == nodes
    assert graph.nodes[-1].name == "y"


@pytest.mark.parametrize(
    ("kind", "fields", "flops"),
    [
        # Per step and sample: two additions per gate, three sigmoids of 4, two tanh, three products and a sum.
        ("LSTM", 'bottom: "a" recurrent_param { num_output: 6 }', 8 * (2 * 24 * 126 + 2 * 24 + 18 * 6)),
        # Per step and sample: two additions and a tanh for the state, an addition and a tanh for the output.
        ("RNN", 'bottom: "a" recurrent_param { num_output: 6 }', 8 * (2 * (720 + 36 + 36) + 3 * 6 + 2 * 6)),
        ("ArgMax", "argmax_param { top_k: 3 }", 3 * 960),
        ("Tile", "tile_param { tiles: 2 }", 0),
        # 120 positions of 4 for the centre, and 2 boxes of 4 coordinates of 3, or 5 with the clipping.
        ("PriorBox", "prior_box_param { min_size: 3 max_size: 9 }", 120 * (4 + 24)),
        ("PriorBox", "prior_box_param { min_size: 3 max_size: 9 clip: true }", 120 * (4 + 40)),
    ],
)
def test_a_layer_without_a_class_has_its_flops(kind: str, fields: str, flops: int) -> None:
    graph = with_inputs(f'name: "y" type: "{kind}" bottom: "a" top: "y" {fields}')
    assert analyze(graph).totals.flops == flops


def test_an_odd_pool_without_padding_is_not_clipped() -> None:
    layer = 'name: "p" type: "Pooling" bottom: "a" top: "p" pooling_param { kernel_size: 1 stride: 2 %s }'
    assert with_inputs(layer % "", "1x2x4x4").nodes[0].op == MaxPool2d((1, 1), (2, 2), (0, 0), "ceil_unclipped")
    floor = with_inputs(layer % "ceil_mode: false", "1x2x4x4")
    assert floor.nodes[0].op == MaxPool2d((1, 1), (2, 2), (0, 0), "floor")


def test_a_pool_with_two_tops_returns_positions() -> None:
    layer = 'name: "p" type: "Pooling" bottom: "a" top: "p" top: "mask" pooling_param { kernel_size: 2 stride: 2 }'
    graph = with_inputs(layer)
    assert [output.node for output in graph.outputs] == ["p", "p:1"]
    assert [graph.types[name][0].dtype for name in ("p", "p:1")] == ["float32", "int64"]


REGIONS = {
    'type: "ROIPooling" roi_pooling_param { pooled_h: 7 pooled_w: 6 }': (8, 7, 6),
    'type: "ROIAlign" roi_align_param { pooled_h: 7 pooled_w: 6 }': (8, 7, 6),
    'type: "PSROIPooling" psroi_pooling_param { output_dim: 2 group_size: 2 spatial_scale: 0.5 }': (2, 2, 2),
}


@pytest.mark.parametrize("fields", REGIONS)
def test_regions_have_a_known_shape_and_unknown_flops(fields: str) -> None:
    graph = with_inputs(f'name: "y" bottom: "a" bottom: "b" top: "y" {fields}', "1x8x12x10", "5x5")
    assert graph.types["y"][0].shape == (5, *REGIONS[fields])
    totals = analyze(graph).totals
    assert (totals.exact, totals.macs_exact, totals.params_exact) == (False, True, True)


PROPOSAL = """
layer { name: "proposal" type: "Python" bottom: "a" top: "rois" top: "scores" }
layer {
  name: "roi" type: "ROIPooling" bottom: "a" bottom: "rois" top: "roi" roi_pooling_param { pooled_h: 3 pooled_w: 2 }
}
layer { name: "fc" type: "InnerProduct" bottom: "roi" top: "fc" inner_product_param { num_output: 5 } }
layer { name: "relu" type: "ReLU" bottom: "fc" top: "fc" }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""


def test_an_unknown_number_of_regions_leaves_the_weights_known() -> None:
    analysis = analyze(net(IMAGE + PROPOSAL))
    layers = {layer.name: layer for layer in analysis.layers}
    assert layers["proposal"].output_shape is None
    assert (layers["proposal"].params, layers["proposal"].activation_bytes) == (None, None)
    assert layers["roi"].output_shape == (None, 8, 3, 2)
    assert layers["fc"].output_shape == layers["prob"].output_shape == (None, 5)
    assert (layers["fc"].params, layers["fc"].params_exact) == (5 * 48 + 5, True)
    assert (layers["fc"].macs, layers["relu"].flops, layers["fc"].live_bytes) == (None, None, None)
    totals = analysis.totals
    assert (totals.params, totals.params_exact, totals.macs_exact, totals.activations_exact) == (
        5 * 48 + 5, False, False, False,
    )  # fmt: skip


def test_the_shape_of_an_unknown_blob_can_be_given() -> None:
    graph = net(IMAGE + PROPOSAL, {"rois": (7, 5)})
    totals = analyze(graph).totals
    assert graph.types["prob"][0].shape == (7, 5)
    assert (totals.params, totals.macs) == (5 * 48 + 5, 7 * 5 * 48)
    assert graph.types["proposal:1"][0].sizes is None
    with pytest.raises(FormatError, match=r"no input `fc` \(valid: a, rois, scores\)"):
        net(IMAGE + PROPOSAL, {"fc": (7, 5)})


def test_layers_without_parameters_keep_the_sum_exact_after_an_unknown_shape() -> None:
    text = IMAGE + POINT % ("c", "a", "c") + 'layer { name: "d" type: "Deep" bottom: "c" top: "d" }'
    text += 'layer { name: "r" type: "ReLU" bottom: "d" top: "r" }'
    analysis = analyze(net(text))
    assert [layer.params_exact for layer in analysis.layers] == [True, False, True]


def test_detections_have_an_unknown_number_and_no_parameters() -> None:
    graph = with_inputs('name: "y" type: "DetectionOutput" bottom: "a" bottom: "b" top: "y"', "1x40", "1x210")
    totals = analyze(graph).totals
    assert graph.types["y"][0].sizes == (1, 1, None, 7)
    assert (totals.params_exact, totals.macs_exact, totals.exact) == (True, True, False)


def test_a_reindexed_batch_has_the_samples_that_are_listed() -> None:
    layer = 'name: "y" type: "BatchReindex" bottom: "a" bottom: "b" top: "y"'
    assert with_inputs(layer, "1x8x3", "6").types["y"][0].shape == (6, 8, 3)
    unknown = 'layer { name: "p" type: "Python" bottom: "a" top: "b" }'
    assert net(IMAGE + unknown + f"layer {{ {layer} }}").types["y"][0].sizes == (None, 8, 4, 4)


def test_several_bottoms_of_a_convolution_share_its_weights() -> None:
    layer = f'{CONV} {{ num_output: 4 kernel_size: 3 }} bottom: "b" top: "z"'
    graph = with_inputs(layer, "1x8x5x5", "1x8x5x5")
    assert analyze(graph).totals.params == 4 * 72 + 4
    assert [output.node for output in graph.outputs] == ["y", "y/1"]


def test_a_resized_map_has_the_size_of_its_second_bottom() -> None:
    graph = with_inputs('name: "y" type: "Interp" bottom: "a" bottom: "b" top: "y"', "1x6x10x15", "1x2x20x30")
    assert graph.types["y"][0].shape == (1, 6, 20, 30)


def _batch(size: int, shape: str, layers: str, batch: int = 64) -> Graph:
    dims = f"dim: {batch} dim: {size}"
    return net(
        f'input: "a" input_shape {{ {dims} }}' + _one("Reshape", f"reshape_param {{ shape {{ {shape} }} }}") + layers
    )


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("dim: 64 dim: 100 dim: 1 dim: 1", (64, 100, 1, 1)),  # 100 elements do not fill it
        ("dim: 64 dim: -1", (64, 100)),  # 100 elements would be 64 samples of less than two
        ("dim: 16 dim: 4 dim: -1", (16, 4, 100)),
        ("dim: 1 dim: -1 dim: 100", (1, 1, 100)),
        ("dim: -1 dim: 50", (2, 50)),
        ("dim: 0 dim: 10 dim: -1", (1, 10, 10)),
    ],
)
def test_the_batch_of_the_file_is_kept_where_its_layers_need_it(shape: str, expected: Shape) -> None:
    assert _batch(100, shape, "").types["x"][0].shape == expected


def test_the_batch_of_the_file_is_kept_where_it_sets_weights() -> None:
    graph = net('input: "a" input_shape { dim: 6 dim: 4 }' + _one("Bias", "bias_param { axis: 0 num_axes: 2 }"))
    assert (graph.inputs[0].type.shape, analyze(graph).totals.params) == ((6, 4), 24)


def test_an_input_without_a_size_can_be_the_top_of_a_layer() -> None:
    data = 'layer { name: "d" type: "Input" top: "a" input_param { shape { dim: 1 dim: 8 dim: 4 dim: 4 } } }'
    assert net('input: "a" ' + data + _one("ReLU", "")).inputs[0].type.shape == (1, 8, 4, 4)
    with pytest.raises(GraphError, match="two inputs are called `a`"):  # as Caffe, which would have both
        net(IMAGE + data + _one("ReLU", ""))


def test_an_error_names_the_mode_of_the_layers() -> None:
    data = 'layer { name: "d" type: "Data" top: "a" transform_param { crop_size: 8 } include { phase: TRAIN } }'
    with pytest.raises(FormatError, match="the net is one for training: --mode training"):
        net(data + _one("ReLU", ""))
    assert len(net(data + _one("ReLU", ""), mode="training").nodes) == 1
    with pytest.raises(FormatError, match="the net is one for inference: --mode inference"):
        net(data.replace("TRAIN", "TEST") + _one("ReLU", ""), mode="training")


def test_what_is_computed_from_a_loss_is_left_out() -> None:
    text = VECTOR + _one("ReLU", "") + 'layer { name: "l" type: "SoftmaxWithLoss" bottom: "x" bottom: "a" top: "l" }'
    text += (
        'layer { name: "p" type: "Power" bottom: "l" top: "p" } layer { name: "q" type: "Power" bottom: "p" top: "x" }'
    )
    text += 'layer { name: "s" type: "Silence" bottom: "q" }'
    assert [node.name for node in net(text).nodes] == ["x"]


def test_a_loss_weighted_by_another_measure_still_names_its_prediction() -> None:
    text = VECTOR + _one("ReLU", "") + 'layer { name: "l" type: "SoftmaxWithLoss" bottom: "x" bottom: "a" top: "l" }'
    text += 'layer { name: "o" type: "BoxAnnotator" bottom: "l" top: "o" }'
    text += (
        'layer { name: "t" type: "TanH" bottom: "x" top: "t" } layer { name: "u" type: "TanH" bottom: "t" top: "u" }'
    )
    text += 'layer { name: "m" type: "SmoothL1Loss" bottom: "t" bottom: "o" top: "m" loss_weight: 0.5 }'
    assert net(text).outputs == (Output("x"), Output("t", 0.5), Output("u"))


def test_a_top_with_a_loss_weight_is_an_output() -> None:
    relu = 'layer { name: "r" type: "ReLU" bottom: "a" top: "r" loss_weight: 0.5 }'
    graph = net(IMAGE + relu + 'layer { name: "t" type: "TanH" bottom: "r" top: "t" loss_weight: 0 }')
    assert graph.outputs == (Output("r", 0.5), Output("t"))


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        ('type: "Input" top: "a" input_param { shape { dim: 5 dim: 3 } }', ["1x3"]),
        ('type: "Input" top: "a" top: "b" input_param { shape { dim: 5 dim: 3 } }', ["1x3", "1x3"]),
        ('type: "Input" top: "a" top: "b" input_param { shape { dim: 5 } shape { dim: 5 dim: 2 } }', ["1", "1x2"]),
        ('type: "DummyData" top: "a" dummy_data_param { num: 5 channels: 3 height: 4 width: 6 }', ["1x3x4x6"]),
        ('type: "DummyData" top: "a" dummy_data_param { shape { dim: 5 dim: 9 } }', ["1x9"]),
        (
            'type: "MemoryData" top: "a" memory_data_param { batch_size: 5 channels: 3 height: 4 width: 6 }',
            ["1x3x4x6"],
        ),
        ('type: "Data" top: "a" transform_param { crop_size: 8 }', ["1x3x8x8"]),
        ('type: "Data" top: "a" transform_param { crop_size: 8 force_gray: true }', ["1x1x8x8"]),
        ('type: "Data" top: "a" transform_param { crop_h: 8 crop_w: 9 }', ["1x3x8x9"]),
        ('type: "Data" top: "a" data_param { crop_size: 8 }', ["1x3x8x8"]),
        ('type: "ImageData" top: "a" image_data_param { new_height: 8 new_width: 9 is_color: false }', ["1x1x8x9"]),
        ('type: "AnnotatedData" top: "a" transform_param { resize_param { height: 8 width: 9 } }', ["1x3x8x9"]),
        ('type: "Data" top: "l" top: "a" transform_param { crop_size: 8 }', ["1"]),
    ],
)
def test_a_data_layer_has_the_shapes_of_its_tops(layer: str, shapes: list[str]) -> None:
    reads = "".join(
        f'layer {{ name: "r{top}" type: "ReLU" bottom: "{top}" top: "r{top}" }}' for top in "ab"[: len(shapes)]
    )
    graph = net(f'layer {{ name: "data" {layer} }} {reads}')
    assert ["x".join(map(str, given.type.shape)) for given in graph.inputs] == shapes


def test_the_shape_of_an_input_without_one_must_be_given() -> None:
    text = 'input: "a" layer { name: "r" type: "ReLU" bottom: "a" top: "r" }'
    assert net(text, {"a": (2, 3)}).inputs[0].type.shape == (2, 3)
    with pytest.raises(FormatError, match="`input: a` does not contain the shape of `a`: give it"):
        net(text)


def test_a_layer_without_bottoms_of_an_unknown_type_is_an_input() -> None:
    text = 'layer { name: "c" type: "Custom" top: "a" } layer { name: "r" type: "ReLU" bottom: "a" top: "r" }'
    assert net(text, {"a": (2, 3, 4, 4)}).inputs[0].type.shape == (2, 3, 4, 4)


def test_learning_rates_of_zero_freeze_parameters() -> None:
    layer = f"layer {{ {CONV} {{ num_output: 2 kernel_size: 1 }} param {{ lr_mult: 0 }} param {{ lr_mult: 2 }} }}"
    assert net(IMAGE + layer).frozen == {"y.weight"}
    old = 'layers { name: "y" type: INNER_PRODUCT bottom: "a" top: "y" blobs_lr: 1 blobs_lr: 0 '
    assert net(IMAGE + old + "inner_product_param { num_output: 2 } }").frozen == {"y.bias"}


def test_padding_layers_of_v0_become_the_padding_of_their_readers() -> None:
    text = (
        IMAGE.replace("layer", "layers")
        + """
    layers { layer { name: "pad" type: "padding" pad: 2 } bottom: "a" top: "p" }
    layers { layer { name: "c" type: "conv" num_output: 2 kernelsize: 3 biasterm: false } bottom: "p" top: "c" }
    layers { layer { name: "r" type: "relu" } bottom: "c" top: "c" }
    """
    )
    graph = net(text)
    assert [(node.name, node.inputs) for node in graph.nodes] == [("c", ("a",)), ("r", ("c",))]
    assert graph.types["c"][0].shape == (1, 2, 6, 6)
    assert analyze(graph).totals.params == 2 * 8 * 9
