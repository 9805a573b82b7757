"""Detectors and segmentation nets as their authors publish them: the weights of all layers are counted."""

import pytest

from inception_lens.analyses.analysis import analyze
from inception_lens.graph import Graph
from inception_lens.readers.caffe.layers import NetState
from inception_lens.readers.caffe.prototxt import read_net
from inception_lens.readers.caffe.text_format import parse
from tests.readers.caffe.caffe_nets import Builder
from tests.readers.caffe.test_prototxt import LAYERS, REGIONS


def net(text: str, inputs: dict[str, tuple[int, ...]] | None = None) -> Graph:
    return read_net(parse(text), inputs, "inference", NetState())


def faster_rcnn() -> str:
    """VGG16 of py-faster-rcnn, `faster_rcnn_end2end/test.prototxt`."""
    builder = Builder().data(1, 3, 224).raw('input: "im_info" input_shape { dim: 1 dim: 3 }\n', "data")
    for i, (width, convs) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), 1):
        for j in range(1, convs + 1):
            builder.conv(f"conv{i}_{j}", width, 3, "pad: 1")
        if i < 5:
            builder.pool(f"pool{i}", 2, 2)
    builder.conv("rpn/output", 512, 3, "pad: 1")
    builder.layer("Convolution", "rpn_bbox_pred", "num_output: 36 kernel_size: 1").raw("", "rpn/output")
    builder.layer("Convolution", "rpn_cls_score", "num_output: 18 kernel_size: 1")
    return (
        builder.text
        + """
    layer { name: "rpn_reshape" type: "Reshape" bottom: "rpn_cls_score" top: "rpn_reshape"
        reshape_param { shape { dim: 0 dim: 2 dim: -1 dim: 0 } } }
    layer { name: "rpn_prob" type: "Softmax" bottom: "rpn_reshape" top: "rpn_prob" }
    layer { name: "rpn_back" type: "Reshape" bottom: "rpn_prob" top: "rpn_back"
        reshape_param { shape { dim: 0 dim: 18 dim: -1 dim: 0 } } }
    layer { name: "proposal" type: "Python" bottom: "rpn_back" bottom: "rpn_bbox_pred" bottom: "im_info" top: "rois"
        python_param { module: "rpn.proposal_layer" layer: "ProposalLayer" param_str: "'feat_stride': 16" } }
    layer { name: "roi_pool5" type: "ROIPooling" bottom: "conv5_3" bottom: "rois" top: "pool5"
        roi_pooling_param { pooled_w: 7 pooled_h: 7 spatial_scale: 0.0625 } }
    layer { name: "fc6" type: "InnerProduct" bottom: "pool5" top: "fc6" inner_product_param { num_output: 4096 } }
    layer { name: "relu6" type: "ReLU" bottom: "fc6" top: "fc6" }
    layer { name: "drop6" type: "Dropout" bottom: "fc6" top: "fc6" }
    layer { name: "fc7" type: "InnerProduct" bottom: "fc6" top: "fc7" inner_product_param { num_output: 4096 } }
    layer { name: "cls_score" type: "InnerProduct" bottom: "fc7" top: "cls_score"
        inner_product_param { num_output: 21 } }
    layer { name: "bbox_pred" type: "InnerProduct" bottom: "fc7" top: "bbox_pred"
        inner_product_param { num_output: 84 } }
    layer { name: "cls_prob" type: "Softmax" bottom: "cls_score" top: "cls_prob" }
    """
    )


def each_layer() -> str:
    """Every layer of `LAYERS` on one blob, and every layer of regions on an unknown number of them."""
    text = 'input: "a" input_shape { dim: 1 dim: 8 dim: 12 dim: 10 }\n'
    text += 'layer { name: "p" type: "Proposal" bottom: "a" top: "b" }\n'
    layers = [*LAYERS, *[f'name: "y" bottom: "a" bottom: "b" top: "y" {fields}' for fields in REGIONS]]
    named = [layer.replace('"y"', f'"y{i}"') for i, layer in enumerate(layers)]
    return text + "".join(f"layer {{ {layer} }}\n" for layer in named)


HEADS = 25_088 * 4_096 + 4_096 * 4_096 + 4_096 * (21 + 84)
"""MACs of the heads for each region."""


def test_faster_rcnn_has_its_published_weights() -> None:
    totals = analyze(net(faster_rcnn())).totals
    # 14.7 M of the convolutions, 2.4 M of the region proposals, 120.0 M of the heads.
    assert (totals.params, totals.params_exact) == (137_078_239, False)
    assert (totals.macs_exact, totals.activations_exact) == (False, False)


def test_a_number_of_regions_gives_the_cost_of_the_heads() -> None:
    found = [analyze(net(faster_rcnn(), {"rois": (count, 5)})).totals for count in (1, 300)]
    assert found[1].macs - found[0].macs == 299 * HEADS
    assert found[0].activations_exact


def test_r_fcn_pools_scores_of_regions_to_classes() -> None:
    text = """
    input: "data" input_shape { dim: 1 dim: 3 dim: 64 dim: 64 }
    layer { name: "score" type: "Convolution" bottom: "data" top: "score"
        convolution_param { num_output: 1029 kernel_size: 1 } }
    layer { name: "proposal" type: "Proposal" bottom: "score" top: "rois" }
    layer { name: "psroi" type: "PSROIPooling" bottom: "score" bottom: "rois" top: "psroi"
        psroi_pooling_param { spatial_scale: 0.0625 output_dim: 21 group_size: 7 } }
    layer { name: "vote" type: "Pooling" bottom: "psroi" top: "vote"
        pooling_param { pool: AVE kernel_size: 7 stride: 7 } }
    layer { name: "prob" type: "Softmax" bottom: "vote" top: "prob" }
    layer { name: "reshape" type: "Reshape" bottom: "prob" top: "cls" reshape_param { shape { dim: -1 dim: 21 } } }
    """
    graph = net(text)
    assert [graph.types[name][0].sizes for name in ("psroi", "vote", "reshape")] == [
        (None, 21, 7, 7), (None, 21, 1, 1), (None, 21),
    ]  # fmt: skip
    assert analyze(graph).totals.params == 1029 * 4


def segnet() -> str:
    """SegNet's encoder and decoder of VGG16, whose pools hand their positions to `Upsample`."""
    builder = Builder().data(1, 3, 224)
    stages = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
    for i, (width, convs) in enumerate(stages, 1):
        for j in range(1, convs + 1):
            builder.conv(f"conv{i}_{j}", width, 3, "pad: 1")
        tops = f'bottom: "{builder.x}" top: "pool{i}" top: "mask{i}"'
        fields = "pooling_param { pool: MAX kernel_size: 2 stride: 2 }"
        builder.raw(f'layer {{ name: "pool{i}" type: "Pooling" {tops} {fields} }}\n')
        builder.raw("", f"pool{i}")
    for i in range(5, 0, -1):
        bottoms = f'bottom: "{builder.x}" bottom: "mask{i}"'
        builder.raw(
            f'layer {{ name: "up{i}" type: "Upsample" {bottoms} top: "up{i}" upsample_param {{ scale: 2 }} }}\n'
        )
        builder.raw("", f"up{i}")
        width, convs = stages[i - 1]
        for j in range(convs, 0, -1):
            last = (stages[i - 2][0] if i > 1 else 11) if j == 1 else width
            builder.conv(f"conv{i}_{j}_D", last, 3, "pad: 1")
    return builder.text


def test_segnet_has_its_published_weights() -> None:
    graph = net(segnet())
    totals = analyze(graph).totals
    assert graph.types[graph.outputs[0].node][0].shape == (1, 11, 224, 224)
    decoder = 5 * _conv(512, 512) + _conv(512, 256) + 2 * _conv(256, 256) + _conv(256, 128) + _conv(128, 128)
    decoder += _conv(128, 64) + _conv(64, 64) + _conv(64, 11)
    assert (totals.params, totals.exact) == (14_714_688 + decoder, True)  # 29.4 M, without SegNet's batch norms


def _conv(channels: int, width: int) -> int:
    return 9 * channels * width + width


def test_every_layer_is_read_in_one_net() -> None:
    graph = net(each_layer())
    assert [node.name for node in graph.nodes if node.op.category == "unknown"] == ["p"]


@pytest.mark.parametrize(
    ("layer", "sizes"),
    [
        ('type: "Reshape" reshape_param { shape { dim: 0 dim: -1 dim: 4 } }', (None, 8, 4)),
        ('type: "Reshape" reshape_param { shape { dim: -1 dim: 4 } }', (None, 4)),
        ('type: "Reshape" reshape_param { shape { dim: 2 dim: 0 dim: -1 } }', (2, 8, None)),
        ('type: "Flatten"', (None, 32)),
        ('type: "Permute" permute_param { order: 1 order: 0 }', (8, None, 2, 2)),
        ('type: "Concat" bottom: "roi"', (None, 16, 2, 2)),
        ('type: "Eltwise" bottom: "roi"', (None, 8, 2, 2)),
        ('type: "BatchNorm"', (None, 8, 2, 2)),
        ('type: "Scale"', (None, 8, 2, 2)),
        ('type: "PReLU"', (None, 8, 2, 2)),
        ('type: "Upsample" upsample_param { scale: 3 }', (None, 8, 6, 6)),
        ('type: "Tile" tile_param { tiles: 2 }', (None, 16, 2, 2)),
        ('type: "Tile" tile_param { axis: 0 tiles: 2 }', None),
        ('type: "Slice" top: "z" slice_param { axis: 0 }', None),
        ('type: "Reduction" reduction_param { axis: 1 }', (None,)),
        ('type: "Convolution" convolution_param { num_output: 3 kernel_size: 2 }', (None, 3, 1, 1)),
    ],
)
def test_layers_after_an_unknown_number_of_regions(layer: str, sizes: tuple[int | None, ...] | None) -> None:
    text = """
    input: "data" input_shape { dim: 1 dim: 8 dim: 6 dim: 6 }
    layer { name: "proposal" type: "Proposal" bottom: "data" top: "rois" }
    layer { name: "roi" type: "ROIPooling" bottom: "data" bottom: "rois" top: "roi"
        roi_pooling_param { pooled_w: 2 pooled_h: 2 } }
    """
    graph = net(f'{text} layer {{ name: "y" bottom: "roi" top: "y" {layer} }}')
    assert graph.types["y"][0].sizes == sizes
    assert analyze(graph).layers[-1].params_exact
