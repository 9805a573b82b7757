"""Weights of Keras' applications under the names of the catalogue's networks: values equal, or refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inception_lens.architectures.catalogue import find
from inception_lens.errors import FormatError
from inception_lens.graph import Graph
from inception_lens.readers.weights.files import read_weights
from inception_lens.writers.weights.conversion import ConversionReport, converted_arrays, state_tensors
from tests.readers.keras.keras_files import (
    GROUPS,
    Layer,
    hdf5,
    keras_archive,
    keras_layers,
    write_legacy,
    write_saved,
)

GENERATOR = np.random.default_rng(11)
Arrays = dict[tuple[str, str], Any]


def small(name: str, **changes: object) -> Graph:
    return find(name).config.replace(**{"width": 0.07, "classes": 7, **changes}).graph()


def random_arrays(graph: Graph) -> Arrays:
    return {place: GENERATOR.random(target.shape, "f4") for place, target in state_tensors(graph).items()}


def converted(folder: Path, name: str, data: bytes, graph: Graph) -> tuple[dict[str, Any], ConversionReport]:
    path = folder / name
    path.write_bytes(data)
    return converted_arrays(read_weights(str(path)), graph)


def config_of(layers: list[Layer], groups: dict[str, str]) -> dict[str, object]:
    """The configuration of a model with these layers in the order of the groups, as far as weights need it."""
    kinds = {"conv2d": "Conv2D", "separable_conv2d": "SeparableConv2D", "dense": "Dense"}
    by_name = {layer.name: layer for layer in layers}
    order = sorted(groups, key=lambda group: int(group.rpartition("_")[2]) if group[-1].isdigit() else 0)
    entries = []
    for group in sorted(order, key=lambda group: group.rstrip("_0123456789")):
        layer = by_name[groups[group]]
        settings = {"name": layer.name, "scale": "gamma" in layer.variables, "center": "beta" in layer.variables}
        entries.append({"class_name": kinds.get(layer.kind, "BatchNormalization"), "config": settings})
    return {
        "class_name": "Functional",
        "config": {"name": "model", "layers": entries, "output_layers": [["predictions", 0, 0]]},
    }


def legacy(first: int, model: str = "", **form: str) -> Callable[[Graph, Arrays, dict[str, str]], bytes]:
    return lambda graph, arrays, _: hdf5(
        lambda file: write_legacy(file, list(keras_layers(graph, arrays, first)), model, **form)
    )


def saved(*, named: bool) -> Callable[[Graph, Arrays, dict[str, str]], bytes]:
    return lambda graph, arrays, groups: hdf5(
        lambda file: write_saved(file, list(keras_layers(graph, arrays)), groups, named=named)
    )


def archived(graph: Graph, arrays: Arrays, groups: dict[str, str]) -> bytes:
    return keras_archive(
        config_of(list(keras_layers(graph, arrays)), groups), saved(named=False)(graph, arrays, groups)
    )


FORMS: dict[str, tuple[str, Callable[[Graph, Arrays, dict[str, str]], bytes]]] = {
    "Keras 2, numbers from 0": ("w.h5", legacy(0)),
    "Keras 2, numbers from 1": ("w.h5", legacy(1)),
    "Keras 3, numbers from 94": ("w.h5", legacy(94, form="{layer}/{variable}")),
    "Keras 2, a scope of TensorFlow 1": ("w.h5", legacy(1, form="{layer}_1/{variable}:0")),
    "in a nested model": ("w.h5", legacy(3, "inception")),
    "Keras 3.15": ("x.weights.h5", saved(named=True)),
    "without names": ("x.weights.h5", saved(named=False)),
    "archive": ("x.keras", archived),
}


@pytest.mark.parametrize("network", GROUPS)
@pytest.mark.parametrize("form", FORMS)
def test_the_weights_of_an_application_are_converted(tmp_path: Path, network: str, form: str) -> None:
    graph = small(network)
    wanted = random_arrays(graph)
    name, write = FORMS[form]
    arrays, report = converted(tmp_path, name, write(graph, wanted, GROUPS[network]), graph)
    assert (report.missed, report.unset) == ((), ())
    targets = state_tensors(graph)
    assert len(arrays) == len(wanted)
    assert all((arrays[targets[place].key] == numbers).all() for place, numbers in wanted.items())


KERAS_1 = {
    "kernel": "W", "bias": "b", "moving_mean": "running_mean", "moving_variance": "running_std",
}  # fmt: skip


def test_the_names_of_keras_1_are_read(tmp_path: Path) -> None:
    """As in `xception_weights_tf_dim_ordering_tf_kernels.h5`: `block1_conv1_W_1:0`, `convolution2d_1`."""
    graph = small("xception")
    wanted = random_arrays(graph)
    layers = []
    for layer in keras_layers(graph, wanted, 1):
        name = layer.name.replace("conv2d_", "convolution2d_").replace("batch_n", "batchn")
        layers.append(Layer(name, "", {f"{name}_{KERAS_1.get(k, k)}_1:0": v for k, v in layer.variables.items()}))
    data = hdf5(lambda file: write_legacy(file, layers, form="{variable}"))
    arrays, report = converted(tmp_path, "w.h5", data, graph)
    assert (report.missed, report.unset) == ((), ())
    targets = state_tensors(graph)
    assert all((arrays[targets[place].key] == numbers).all() for place, numbers in wanted.items())


def test_a_model_without_its_classifier_leaves_it_unset(tmp_path: Path) -> None:
    graph = small("inception_v3@keras")
    layers = list(keras_layers(graph, random_arrays(graph)))[:-1]
    for data in (
        hdf5(lambda file: write_legacy(file, layers)),
        hdf5(lambda file: write_saved(file, layers, GROUPS["inception_v3@keras"], named=False)),
    ):
        _, report = converted(tmp_path, "w.h5", data, graph)
        assert (report.missed, report.unset) == ((), ("fc.weight", "fc.bias"))


def test_a_nested_model_is_found_next_to_a_classifier_of_the_same_name(tmp_path: Path) -> None:
    graph = small("inception_v3@keras")
    *layers, classifier = keras_layers(graph, random_arrays(graph))
    data = hdf5(lambda file: write_legacy(file, layers, "inception_v3"))
    assert converted(tmp_path, "w.h5", data, graph)[1].missed == ()

    def write(file: Any) -> None:
        write_legacy(file, layers, "inception_v3")
        write_legacy(file, [classifier])
        file.attrs["layer_names"] = [b"inception_v3", b"predictions"]

    _, report = converted(tmp_path, "w.h5", hdf5(write), graph)
    assert report.unset == ("fc.weight", "fc.bias")


def test_a_file_that_shares_a_classifier_alone_is_refused(tmp_path: Path) -> None:
    graph = small("inception_v3@keras")
    data = hdf5(lambda file: write_legacy(file, list(keras_layers(graph, random_arrays(graph)))[-1:]))
    with pytest.raises(FormatError, match="1 of the network's 189 layers are in it"):
        converted(tmp_path, "w.h5", data, graph)


def test_layers_that_a_user_added_are_not_mistaken_for_those_of_the_network(tmp_path: Path) -> None:
    """The numbers of 96 convolutions do not show which 94 are the network's; their shapes do."""
    graph = small("inception_v3@keras")
    wanted = random_arrays(graph)
    kernel = {"kernel": GENERATOR.random((3, 3, 5, 5), "f4")}
    own = list(keras_layers(graph, wanted, 1))
    for name in ("conv2d", "conv2d_95"):
        own.append(Layer(name, "conv2d", kernel))
    arrays, report = converted(tmp_path, "w.h5", hdf5(lambda file: write_legacy(file, own)), graph)
    assert [each.name for each in report.missed] == ["conv2d/conv2d/kernel:0", "conv2d_95/conv2d_95/kernel:0"]
    targets = state_tensors(graph)
    assert all((arrays[targets[place].key] == numbers).all() for place, numbers in wanted.items())


def test_what_cannot_be_placed_surely_is_refused(tmp_path: Path) -> None:
    graph = small("inception_v3@keras")
    layers = list(keras_layers(graph, random_arrays(graph)))
    groups = GROUPS["inception_v3@keras"]
    convolutions = [layer for layer in layers if layer.kind == "conv2d"]
    swapped = [*layers]
    first, second = (swapped.index(each) for each in convolutions[:2])
    swapped[first], swapped[second] = (
        convolutions[0]._replace(variables=convolutions[1].variables),
        convolutions[1]._replace(variables=convolutions[0].variables),
    )
    fewer = [layer for layer in layers if layer.name != "conv2d_7"]
    cases = [
        (hdf5(lambda file: write_legacy(file, swapped)), "94 layers called `conv2d` and a number, no run of which"),
        (hdf5(lambda file: write_legacy(file, fewer)), "93 layers called `conv2d` and a number"),
        (hdf5(lambda file: write_saved(file, fewer, groups, named=False)), "93 layers of the class `conv2d`, and the"),
        (
            hdf5(lambda file: write_saved(file, swapped, groups, named=False)),
            "94 layers of the class `conv2d`, of other",
        ),
    ]
    for data, reason in cases:
        with pytest.raises(FormatError, match=f"`network` cannot be matched surely: it has {reason}"):
            converted(tmp_path, "w.h5", data, graph)


def test_equal_runs_of_layers_are_refused(tmp_path: Path) -> None:
    graph = small("xception", blocks={"a": "+ 1x1 8 lin", "b": "+ 1x1 8 lin"}, input=(8, 9, 9), width=1.0)
    arrays = random_arrays(graph)
    layers = list(keras_layers(graph, arrays))
    extra = layers[0]._replace(name="conv2d_2")
    with pytest.raises(FormatError, match="3 layers called `conv2d` and a number, several of which have"):
        converted(tmp_path, "w.h5", hdf5(lambda file: write_legacy(file, [*layers, extra])), graph)


def test_a_classifier_of_other_classes_is_reported(tmp_path: Path) -> None:
    source, graph = small("inception_v3@keras", classes=9), small("inception_v3@keras")
    data = hdf5(lambda file: write_legacy(file, list(keras_layers(source, random_arrays(source)))))
    _, report = converted(tmp_path, "w.h5", data, graph)
    assert [each.name for each in report.missed] == [
        "predictions/predictions/kernel:0",
        "predictions/predictions/bias:0",
    ]
    assert report.unset == ("fc.weight", "fc.bias")


def test_a_matrix_after_a_flattened_map_is_reordered(tmp_path: Path) -> None:
    """Keras flattens (height, width, channels), PyTorch (channels, height, width)."""
    graph = small("xception", blocks={"block1_conv1": "1x1 4"}, head="flat: fc classes lin", input=(3, 2, 3), width=1.0)
    wanted = random_arrays(graph)
    layers = list(keras_layers(graph, wanted))
    matrix = wanted["flat", "weight"]
    kernel = matrix.reshape(7, 4, 2, 3).transpose(2, 3, 1, 0).reshape(24, 7)
    layers[-1].variables["kernel"] = kernel  # type: ignore[index]
    arrays, report = converted(tmp_path, "w.h5", hdf5(lambda file: write_legacy(file, layers)), graph)
    assert report.unset == ()
    assert (arrays["flat.weight"] == matrix).all()
