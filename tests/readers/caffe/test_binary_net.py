"""Nets of .caffemodel files: equal to those of their prototxts."""

import re
import struct
from pathlib import Path

import numpy as np
import pytest

import inception_lens as il
from inception_lens.analyses.analysis import analyze
from inception_lens.errors import ConfigError, FormatError
from inception_lens.graph import Graph
from inception_lens.readers.caffe.binary_net import decode_net, read_binary_net
from inception_lens.readers.caffe.layers import NetState
from inception_lens.readers.caffe.prototxt import read_net
from inception_lens.readers.caffe.text_format import MAX_FIELDS, parse
from inception_lens.readers.weights.files import read_weights
from tests.readers.caffe.binary_nets import FORK_NUMBER, STORED_NETS, binary
from tests.readers.caffe.caffe_models import blob, field, varint
from tests.readers.caffe.caffe_nets import alexnet, googlenet, nin, vgg16
from tests.readers.caffe.test_prototxt import IMAGE, LAYERS, REGIONS

DEEP = field(1, "d") + field(2, "Deep") + field(3, "a") + field(4, "d")
STORED = field(1, "i") + field(2, "InnerProduct") + field(3, "a") + field(4, "i") + field(117, field(1, 3))


def read(data: bytes, tmp_path: Path) -> Graph:
    path = tmp_path / "net.caffemodel"
    path.write_bytes(data)
    return read_binary_net(str(path))


@pytest.mark.parametrize(
    "text",
    [googlenet(), alexnet(), alexnet("V1"), alexnet("V0"), vgg16(), vgg16("V0"), nin()],
    ids=["googlenet", "alexnet", "alexnet-v1", "alexnet-v0", "vgg16-v1", "vgg16-v0", "nin"],
)
def test_a_net_is_that_of_its_prototxt(text: str, tmp_path: Path) -> None:
    graph = read(binary(text), tmp_path)
    assert graph == read_net(parse(text), None, "inference", NetState())
    assert (graph.metadata.source, graph.name) == ("caffemodel", "Net")


@pytest.mark.parametrize(
    "layer",
    [*LAYERS, *[f'name: "y" bottom: "a" bottom: "b" top: "y" {fields}' for fields in REGIONS if "Align" not in fields]],
    ids=lambda layer: re.sub(r'.*type: "(\w+)"( top: "y")? ?', r"\1 ", layer)[:60],
)
def test_a_layer_is_that_of_its_prototxt(layer: str, tmp_path: Path) -> None:
    declared = "".join(
        f'layer {{ name: "in_{name}" type: "Input" top: "{name}" input_param {{ shape {{ {dims} }} }} }}'
        for name, dims in (("a", "dim: 1 dim: 8 dim: 12 dim: 10"), ("b", "dim: 5 dim: 5"))
    )
    text = f"{declared} layer {{ {layer} }}"
    assert read(binary(text), tmp_path) == read_net(parse(text), None, "inference", NetState())


@pytest.mark.parametrize("text", STORED_NETS, ids=["current", "V1", "V0"])
def test_a_net_and_its_tensors_are_in_one_file(text: str, tmp_path: Path) -> None:
    graph = read(binary(text), tmp_path)
    assert analyze(graph).totals.params == 8 * 27 + 8
    stored = read_weights(str(tmp_path / "net.caffemodel"))
    assert [tensor.elements for tensor in stored.tensors] == [8 * 27, 8]


def test_fields_have_the_numbers_of_caffe_proto(tmp_path: Path) -> None:
    shape = field(143, field(1, field(1, b"".join(map(varint, (1, 3, 9, 9))))))
    data = field(1, "data") + field(2, "Input") + field(4, "data") + shape
    window = field(1, 4) + field(2, 0) + field(4, varint(3)) + field(6, varint(2)) + field(9, 1) + field(10, 1)
    conv = field(1, "c") + field(2, "Convolution") + field(3, "data") + field(4, "c") + field(106, window)
    pool = field(121, field(1, 1) + field(2, 2) + field(13, 1))
    relu = field(123, varint(1 << 3 | 5) + struct.pack("<f", 0.1))
    layers = [
        data,
        conv,
        field(1, "p") + field(2, "Pooling") + field(3, "c") + field(4, "p") + pool,
        field(1, "r") + field(2, "ReLU") + field(3, "p") + field(4, "r") + relu,
    ]
    graph = read(b"".join(field(100, layer) for layer in layers), tmp_path)
    text = """
    layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 9 dim: 9 } } }
    layer { name: "c" type: "Convolution" bottom: "data" top: "c"
        convolution_param { num_output: 4 bias_term: false kernel_size: 3 stride: 2 pad_h: 1 pad_w: 1 } }
    layer { name: "p" type: "Pooling" bottom: "c" top: "p"
        pooling_param { pool: AVE kernel_size: 2 round_mode: FLOOR } }
    layer { name: "r" type: "ReLU" bottom: "p" top: "r" relu_param { negative_slope: 0.1 } }
    """
    assert graph == read_net(parse(text), None, "inference", NetState())


def test_a_caffemodel_is_a_model(tmp_path: Path) -> None:
    path = tmp_path / "net.caffemodel"
    path.write_bytes(binary(STORED_NETS[0]))
    analysis = il.analyze(str(path), (1, 3, 16, 16))
    assert analysis.graph.types["conv"][0].shape == (1, 8, 14, 14)
    assert "of the phase in which the file was saved" in analysis.graph.metadata.note
    with pytest.raises(ConfigError, match=r"a \.caffemodel has no keys to override: stage"):
        il.load(str(path), overrides={"stage": "deploy"})


def test_layers_are_included_whatever_their_rules(tmp_path: Path) -> None:
    rule = field(8, field(1, 0))  # `include { phase: TRAIN }`, which the saved net has met
    text = IMAGE + 'layer { name: "r" type: "ReLU" bottom: "a" top: "r" }'
    data = binary(text) + field(100, field(1, "t") + field(2, "TanH") + field(3, "r") + field(4, "t") + rule)
    assert [node.name for node in read(data, tmp_path).nodes] == ["r", "t"]


def test_the_blobs_of_an_unknown_layer_are_its_parameters(tmp_path: Path) -> None:
    tensors = field(7, blob(np.zeros((5, 3)))) + field(7, blob(np.zeros((1, 1, 1, 7)), legacy=True))
    after = field(1, "f") + field(2, "InnerProduct") + field(3, "d") + field(4, "f") + field(7, blob(np.zeros((2, 4))))
    totals = analyze(read(binary(IMAGE) + field(100, DEEP + tensors) + field(100, after), tmp_path)).totals
    assert (totals.params, totals.params_exact, totals.macs_exact) == (15 + 7 + 8, True, False)


def test_statistics_of_a_batch_norm_after_an_unknown_shape_are_buffers(tmp_path: Path) -> None:
    norm = field(1, "n") + field(2, "BatchNorm") + field(3, "d") + field(4, "n")
    statistics = b"".join(field(7, blob(np.zeros(size))) for size in (8, 8, 1))
    totals = analyze(read(binary(IMAGE) + field(100, DEEP) + field(100, norm + statistics), tmp_path)).totals
    assert (totals.params, totals.buffers, totals.params_exact) == (0, 17, True)


def test_a_batch_norm_of_five_blobs_has_a_scale_and_a_shift(tmp_path: Path) -> None:
    norm = field(1, "n") + field(2, "BatchNorm") + field(3, "a") + field(4, "n")
    tensors = b"".join(field(7, blob(np.zeros(size))) for size in (8, 8, 1, 8, 8))
    assert analyze(read(binary(IMAGE) + field(100, norm + tensors), tmp_path)).totals.params == 16


def test_a_message_of_a_fork_is_found_under_any_number() -> None:
    message = decode_net(memoryview(field(100, field(2, "Interp") + field(300, field(1, 7) + field(5, 2**64 - 3)))))
    (layer,) = message.messages("layer")
    assert layer.message("interp_param").integer("height") == 7
    assert layer.message("interp_param").integer("pad_beg", 0, -9) == -3


@pytest.mark.parametrize("number", [0.1, 1e-4, 0.75, 9.999, 1 / 3, 3.4e38, -2.5])
def test_floats_are_those_that_a_person_wrote(number: float) -> None:
    (stored,) = struct.unpack("<f", struct.pack("<f", number))
    rate = varint(1 << 3 | 5) + struct.pack("<f", number)
    (layer,) = decode_net(memoryview(field(100, field(122, rate)))).messages("layer")
    power = layer.message("power_param").number("power", 0)
    assert np.float32(power) == np.float32(stored)
    assert power == number or number == 1 / 3


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff" * 20, "unterminated varint"),
        (binary(IMAGE), "has no `layer`"),
        (field(100, field(1, "x")), "has no `type`"),
        (field(100, varint(1 << 3 | 1) + b"\0" * 8), "field `name` of `layer` is a 64-bit number"),
        (
            binary(IMAGE) + field(100, field(2, "Interp") + field(FORK_NUMBER, b"") + field(300, b"")),
            "has several messages of unknown number",
        ),
        (field(100, field(106, field(3, b"\0" * (MAX_FIELDS + 1)))), f"more than {MAX_FIELDS:,} fields"),
        (field(100, field(106, field(3, 0) * (MAX_FIELDS + 1))), f"more than {MAX_FIELDS:,} fields"),
        (
            binary(IMAGE) + field(100, DEEP + field(7, field(7, field(1, varint(2**62))))),
            "expected an integer from 0",
        ),
        (
            binary(IMAGE) + field(100, STORED + field(7, blob(np.zeros((3, 100))))),
            "`i` (InnerProduct): stores 300 learned elements, and its fields and its input need 387",
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_damaged_net_is_refused_in_one_sentence(data: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "net.caffemodel"
    path.write_bytes(data)
    with pytest.raises(FormatError) as caught:
        read_binary_net(str(path))
    assert str(caught.value).startswith(str(path))
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
