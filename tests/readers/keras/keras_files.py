"""Files as Keras writes them, of the networks of the catalogue that are ports of Keras' applications."""

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py

from inception_lens.graph import Graph

FILES = Path(__file__).parent / "files"

GROUPS: dict[str, dict[str, str]] = json.loads((FILES / "groups.json").read_text())
"""The layer in each group of `.weights.h5`, by network: of the applications of Keras 3.15.1 and tf_keras 2.21.0, whose
layers are in the same order."""

NAMED: dict[str, Callable[[re.Match[str]], str]] = {  # keras/src/applications/inception_resnet_v2.py and xception.py
    r"Block(\d+)_(\d+)/up_1x1": lambda m: f"block{m[1]}_{m[2]}_conv",
    r"Conv2d_7b_1x1": lambda _: "conv_7b",
    r"block1_conv\d": lambda m: m[0],
    r"(block\d+)/SeparableConv2d_0(\w)_3x3/.*": lambda m: f"{m[1]}_sepconv{'abc'.index(m[2]) + 1}",
}


class Layer(NamedTuple):
    """A layer with its variables in Keras' order."""

    name: str
    kind: str
    variables: Mapping[str, Any]


def keras_layers(graph: Graph, arrays: Mapping[tuple[str, str], Any], first: int = 0) -> Iterator[Layer]:
    """The layers of a network in the order of their creation, the numbered ones from `first`."""
    counts = {"conv2d": first, "batch_normalization": first}

    def named(kind: str, node: str) -> str:
        for pattern, name in NAMED.items():
            if found := re.fullmatch(pattern, node):
                return name(found) + "_bn" * (kind == "batch_normalization")
        counts[kind] += 1
        return f"{kind}_{counts[kind] - 1}" if counts[kind] > 1 else kind

    depthwise: Any = None
    for node in graph.nodes:
        own = {role: arrays[node.name, role] for role in ("weight", "bias", "running_mean", "running_var")
               if (node.name, role) in arrays}  # fmt: skip
        if node.op.kind == "BatchNorm2d":
            keys = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
            name = named("batch_normalization", node.name.removesuffix("/bn"))
            yield Layer(name, "batch_normalization", {keys[role]: array for role, array in own.items()})
        elif node.op.kind == "Linear":
            yield Layer("predictions", "dense", {"kernel": own["weight"].T, "bias": own["bias"]})
        elif node.name.endswith("/depthwise"):
            depthwise = own["weight"].transpose(2, 3, 0, 1)
        elif node.op.kind == "Conv2d":
            kernel, bias = own.pop("weight").transpose(2, 3, 1, 0), own
            if node.name.endswith("/pointwise"):
                variables = {"depthwise_kernel": depthwise, "pointwise_kernel": kernel}
                yield Layer(named("conv2d", node.name), "separable_conv2d", variables)
            else:
                yield Layer(named("conv2d", node.name), "conv2d", {"kernel": kernel, **bias})


def write_legacy(root: Any, layers: Sequence[Layer], model: str = "", form: str = "{layer}/{variable}:0") -> None:
    """Write the group of a legacy .h5; all layers are in the group of a nested `model` if it has a name."""
    groups: dict[str, list[Layer]] = {}
    for layer in layers:
        groups.setdefault(model or layer.name, []).append(layer)
    root.attrs["layer_names"] = [name.encode() for name in groups]
    for name, inner in groups.items():
        group = root.create_group(name)
        names = []
        for layer in inner:
            for variable, array in layer.variables.items():
                names.append(form.format(layer=layer.name, variable=variable))
                group[names[-1]] = array
        group.attrs["weight_names"] = [each.encode() for each in names]


def write_saved(file: Any, layers: Sequence[Layer], groups: Mapping[str, str], *, named: bool) -> None:
    """Write `layers/conv2d_1/vars/0` as Keras 3; the names of layers are in the files of Keras 3.15 and later."""
    of_layer = {layer: group for group, layer in groups.items()}
    for layer in layers:
        variables = file.create_group(f"layers/{of_layer[layer.name]}/vars")
        for i, array in enumerate(layer.variables.values()):
            variables[str(i)] = array
        if named:
            variables.attrs["name"] = layer.name
    file.create_group("optimizer/vars")["0"] = 7


def keras_archive(config: object, hdf5: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    """A .keras archive."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", compression) as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.15.1"}')
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", hdf5)
    return data.getvalue()


def hdf5(write: Any) -> bytes:
    """The bytes of an HDF5 file that `write` fills."""
    data = io.BytesIO()
    with h5py.File(data, "w") as file:
        write(file)
    return data.getvalue()
