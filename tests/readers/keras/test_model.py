"""Keras models as Graphs: shapes, parameters and MACs of Keras' own layers and applications, which wrote the files."""

import json
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import inception_lens as il
from inception_lens.errors import InceptionLensError
from inception_lens.ops import Unknown
from inception_lens.readers.keras import config, graph_builder
from inception_lens.readers.weights.files import read_weights
from inception_lens.writers.weights.conversion import converted_arrays
from tests.readers.keras.keras_files import FILES, hdf5, write_legacy

LAYERS: dict[str, dict[str, Any]] = json.loads(lzma.decompress((FILES / "layers.json.xz").read_bytes()))
"""Models of Keras 3.15.1, with the shapes that Keras infers without the batch, and the sizes of its variables."""


def written(folder: Path, model: object, name: str = "net.json") -> str:
    path = folder / name
    path.write_bytes(model if isinstance(model, bytes) else json.dumps(model).encode())
    return str(path)


@pytest.mark.parametrize("name", LAYERS)
def test_shapes_and_parameters_are_those_of_keras(tmp_path: Path, name: str) -> None:
    case = LAYERS[name]
    graph = il.load(written(tmp_path, case["config"]))
    shapes = [graph.types[output.node][0].shape[1:] for output in graph.outputs]
    expected = [tuple(shape) for shape in case["outputs"]]
    moved = [(*shape[-1:], *shape[:-1]) if len(shape) > 1 else shape for shape in expected]
    # A map has its channels first unless the last layer works on the last axis.
    assert shapes in (expected, moved)
    totals = il.analyze(graph).totals
    assert (totals.params, totals.buffers) == (case["params"], case["buffers"])
    assert totals.exact == (name != "lambda")


APPLICATIONS = {
    "InceptionV3": (23_817_352, 34_432, 5_713_216_096),
    "InceptionResNetV2": (55_813_192, 60_544, 13_155_794_016),
    "Xception": (22_855_952, 54_528, 8_357_403_496),
    "ResNet50": (25_583_592, 53_120, 3_857_973_248),
    "MobileNetV2": (3_504_872, 34_112, 300_774_272),
    "MobileNetV3Small": (2_542_856, 12_112, 56_510_400),
    "DenseNet121": (7_978_856, 83_648, 2_834_161_664),
    "EfficientNetB0": (5_288_548, 42_022, 385_814_752),
    "NASNetMobile": (5_289_978, 36_738, 563_638_816),
    "VGG16": (138_357_544, 0, 15_470_264_320),
    "ConvNeXtTiny": (28_589_128, 0, 4_455_531_264),
}
"""Trainable and other variables of keras.applications, without the seeds of dropout and the counter of a Normalization;
MACs are the sum over layers of output elements, by Keras' shapes, times the inputs of one."""


@pytest.mark.parametrize("name", APPLICATIONS)
def test_totals_of_the_applications(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, lzma.decompress((FILES / f"{name}.json.xz").read_bytes()))
    totals = il.analyze(path).totals
    assert (totals.params, totals.buffers, totals.macs) == APPLICATIONS[name]
    assert totals.exact


@pytest.mark.parametrize(
    ("model", "weights"),
    [
        ("keras3.keras", "keras3.keras"),
        ("keras2.keras", "keras2.keras"),
        ("keras2.keras", "keras2.weights.h5"),
        ("keras2.keras", "keras2_legacyweights.h5"),
    ],
)
def test_a_model_with_its_own_weights_computes_what_keras_computed(tmp_path: Path, model: str, weights: str) -> None:
    for name in {model, weights}:
        written(tmp_path, lzma.decompress((FILES / f"{name}.xz").read_bytes()), name)
    graph = il.load(tmp_path / model)
    totals = il.analyze(graph).totals
    assert (totals.params, totals.buffers, totals.macs) == (2_630, 128, 150_278)
    arrays, report = converted_arrays(read_weights(str(tmp_path / weights)), graph)
    assert (report.missed, report.unset) == ((), ())
    module = il.build(graph).eval()
    module.load_state_dict({key: torch.from_numpy(array) for key, array in arrays.items()}, strict=False)
    values = np.load(FILES / f"{model[:6]}_io.npz")
    with torch.no_grad():
        found = module(torch.from_numpy(values["x"]).permute(0, 3, 1, 2))
    assert np.allclose(found.numpy(), values["y"], atol=1e-6)


def layer(kind: str, name: str, inputs: list[str], **settings: object) -> dict[str, object]:
    """A layer in the form of Keras 2."""
    nodes = [[[each, 0, 0, {}] for each in inputs]] if inputs else []
    return {"class_name": kind, "name": name, "config": {"name": name, **settings}, "inbound_nodes": nodes}


def functional(*layers: dict[str, object], output: str = "out", shape: object = (None, 8, 8, 3)) -> dict[str, object]:
    first = layer("InputLayer", "image", [], batch_input_shape=shape)
    inner = {"name": "net", "layers": [first, *layers], "input_layers": [["image", 0, 0]]}
    return {"class_name": "Functional", "config": {**inner, "output_layers": [[output, 0, 0]]}}


TENSOR = {"class_name": "__keras_tensor__", "config": {"shape": [None, 3], "keras_history": ["nowhere", 0, 0]}}


def nested_lists(depth: int) -> list[object]:
    return [nested_lists(depth - 1)] if depth else []


def nested_models(depth: int) -> dict[str, object]:
    return {"class_name": "Sequential", "config": {"layers": [nested_models(depth - 1)] if depth else []}}


CONV = {"filters": 4, "kernel_size": [3, 3]}


def test_what_follows_an_unknown_layer_is_not_exact(tmp_path: Path) -> None:
    model = functional(
        layer("Mine", "mine", ["image"]), layer("Conv2D", "conv", ["mine"], **CONV), layer("ReLU", "out", ["conv"])
    )
    graph = il.load(written(tmp_path, model))
    assert [isinstance(node.op, Unknown) for node in graph.nodes] == [True] * 3
    totals = il.analyze(graph).totals
    assert (totals.exact, totals.params_exact, totals.macs_exact) == (False, False, False)


def test_other_sizes_are_taken_where_the_weights_allow_them(tmp_path: Path) -> None:
    """The shapes after an unknown layer are known for the file's own input alone."""
    path = written(tmp_path, functional(layer("Conv2D", "conv", ["image"], **CONV), layer("ReLU", "out", ["conv"])))
    assert il.load(path, (1, 3, 20, 22)).types["out"][0].shape == (1, 4, 18, 20)
    dense = [layer("Flatten", "flat", ["image"]), layer("Dense", "out", ["flat"], units=5)]
    with pytest.raises(InceptionLensError, match="would need weights of"):
        il.load(written(tmp_path, functional(*dense)), (1, 3, 9, 9))
    path = written(tmp_path, LAYERS["lambda"]["config"])
    assert il.analyze(path).totals.params_exact
    with pytest.raises(InceptionLensError, match="is unknown for another input"):
        il.load(path, (1, 4, 20, 20))


def test_an_input_can_be_given_in_either_order(tmp_path: Path) -> None:
    path = written(tmp_path, functional(layer("Conv2D", "out", ["image"], **CONV), shape=[None, None, None, 3]))
    for given in ((2, 3, 10, 12), (2, 10, 12, 3), (3, 10, 12)):
        assert il.load(path, given).types["out"][0].shape[1:] == (4, 8, 10)
    with pytest.raises(InceptionLensError, match="`image` is \\?x\\?x3: give its shape"):
        il.load(path)
    with pytest.raises(InceptionLensError, match="does not fit"):
        il.load(path, (1, 5, 10, 12))


def test_a_sequential_may_leave_its_input_to_the_caller(tmp_path: Path) -> None:
    layers = [{"class_name": "Conv2D", "config": {"name": "conv", **CONV}}]
    path = written(tmp_path, {"class_name": "Sequential", "config": {"name": "net", "layers": layers}})
    assert il.analyze(path, (1, 3, 8, 8)).totals.params == 112
    nested = {"class_name": "Sequential", "config": {"layers": [LAYERS["sequential"]["config"]]}}
    assert il.analyze(written(tmp_path, nested, "nested.json")).totals.params == LAYERS["sequential"]["params"]
    with pytest.raises(InceptionLensError, match="the shape of its input is unknown"):
        il.load(path)


def test_channels_first_models_keep_their_order(tmp_path: Path) -> None:
    model = functional(
        layer("Conv2D", "conv", ["image"], data_format="channels_first", **CONV),
        layer("BatchNormalization", "norm", ["conv"], axis=1),
        layer("Flatten", "flat", ["norm"]),
        layer("Dense", "out", ["flat"], units=5),
        shape=[None, 3, 8, 8],
    )
    graph = il.load(written(tmp_path, model))
    assert [node.op.kind for node in graph.nodes] == ["Conv2d", "BatchNorm2d", "Flatten", "Linear"]
    assert il.analyze(graph).totals.params == 4 * 27 + 4 + 8 + 5 * 144 + 5


def test_the_tensors_of_attention_can_be_given_by_name(tmp_path: Path) -> None:
    """Layers take the value before the key; their projections have the widths of their inputs."""
    case = json.loads(json.dumps(LAYERS["attention"]))
    call = next(layer for layer in case["config"]["config"]["layers"] if layer["inbound_nodes"])["inbound_nodes"][0]
    query, value = call["args"]
    call.update(args=[], kwargs={"key": query, "value": value, "query": query})
    with pytest.raises(InceptionLensError, match="the lengths of k and v"):
        il.load(written(tmp_path, case["config"]))
    call.update(kwargs={"key": value, "value": value, "query": query})
    assert il.analyze(written(tmp_path, case["config"])).totals.params == case["params"]


def test_a_layer_that_is_not_trained_is_frozen(tmp_path: Path) -> None:
    path = written(tmp_path, functional(layer("Conv2D", "out", ["image"], trainable=False, **CONV)))
    assert il.load(path).frozen == {"out.weight", "out.bias"}


def test_the_model_of_an_h5_is_read(tmp_path: Path) -> None:
    def write(file: Any) -> None:
        file.attrs["model_config"] = json.dumps(functional(layer("Conv2D", "out", ["image"], **CONV)))
        write_legacy(file.create_group("model_weights"), [])

    assert il.analyze(written(tmp_path, hdf5(write), "net.h5")).totals.params == 112
    weights = written(tmp_path, hdf5(lambda file: write_legacy(file, [])), "w.h5")
    with pytest.raises(InceptionLensError, match="holds weights and no model"):
        il.load(weights)


def test_invalid_models_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conv = layer("Conv2D", "out", ["image"], **CONV)
    cases: list[tuple[object, str]] = [
        (b'{"class_name": "Functional", "config"', "not valid JSON"),
        ({"class_name": "Mine", "config": {"units": 3}}, "of the class `Mine`, whose layers"),
        (functional(conv, output="other"), "are not among its layers"),
        (functional(layer("Conv2D", "out", ["image"], filters=0, kernel_size=[3, 3])), "`filters` is 0"),
        (functional(layer("Conv2D", "out", ["image"], filters=4, kernel_size=[3, -3])), "`kernel_size` is"),
        (functional(layer("Conv2D", "out", ["image"], filters=4, kernel_size=[9, 9])), "does not fit"),
        (functional(layer("Conv2D", "out", ["image"], padding="full", **CONV)), "`padding` is full"),
        (functional(layer("Dense", "out", ["image"])), "`units` is None"),
        (functional(layer("Reshape", "out", ["image"], target_shape=[5, -1])), "cannot have the shape"),
        (functional(layer("Add", "out", ["out"])), "does not exist"),
        (functional(layer("Concatenate", "out", ["image"], axis=9)), "axis 9"),
        (functional(layer("Dropout", "out", ["image"], rate=7)), "`rate` is 7.0"),
        (functional(layer("Dropout", "out", ["image"], rate="x")), "expected a number"),
        (functional(layer("Conv2D", "out", ["image"], use_bias="x", **CONV)), "expected true or false"),
        (functional(layer("Conv2D", "out", ["image"], activation=3, **CONV)), "expected a text"),
        (functional(layer("ZeroPadding2D", "out", ["image"], padding=[1])), "expected 2 pairs"),
        (functional(layer("ZeroPadding2D", "out", ["image"], padding=[1, [2, -1]])), "expected two integers"),
        (functional(layer("Permute", "out", ["image"], dims="x")), "expected axes"),
        (functional(layer("Reshape", "out", ["image"], target_shape=["x"])), "expected sizes"),
        (functional(layer("Conv1D", "out", ["image"], filters=4, kernel_size=[3])), "its input has 4 axes; expected 3"),
        (functional(layer("Add", "out", []) | {"inbound_nodes": [[]]}), "has no input"),
        (functional(conv | {"inbound_nodes": [[[[[]]]] * 2]}), "has no input"),
        (functional(conv, shape=None), "`image` is an input without a shape"),
        ({"class_name": "Model"}, "has no `class_name` and `config`"),
        (functional({"class_name": "Dense"}), "has no `class_name` or no `config`"),
        (functional(conv | {"inbound_nodes": [{"args": [TENSOR]}]}), "names no layer of the model"),
        (functional(conv | {"inbound_nodes": [{"args": nested_lists(30)}]}), "lists inside each other"),
        (nested_models(30), "more than 20 models inside each other"),
        (functional(conv, shape=[None, 10**9, 10**9, 3]), "expected a shape"),
        ({"class_name": "Sequential", "config": {"layers": []}}, "no layers"),
    ]
    for model, reason in cases:
        with pytest.raises(InceptionLensError, match=reason):
            il.load(written(tmp_path, model))
    with pytest.raises(InceptionLensError, match="has no input `imag` \\(did you mean `image`"):
        il.load(written(tmp_path, functional(conv)), {"imag": (1, 3, 8, 8)})
    monkeypatch.setattr(graph_builder, "MAX_STEPS", 0)
    with pytest.raises(InceptionLensError, match="more than 0 calls and nodes"):
        il.load(written(tmp_path, functional(conv)))
    monkeypatch.setattr(config, "MAX_LAYERS", 2)
    with pytest.raises(InceptionLensError, match="more than 2 layers"):
        il.load(written(tmp_path, functional(conv, layer("ReLU", "relu", ["out"]))))
