"""Keras weights: .weights.h5, .keras, and .h5 with a model or with weights in the format before Keras 3.

Source: keras/src/saving/saving_lib.py and keras/src/legacy/saving/legacy_h5_format.py. The state of an optimizer is
left out. Only data in the file itself are read: links and data in other files are refused. Weights in several files,
and `model.weights.npz` in a .keras, are not read. Limits: MAX_TENSORS and MAX_DEPTH.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from inception_lens.errors import FormatError, require
from inception_lens.readers.keras.archive import (
    HDF5_SIGNATURE,
    attribute,
    config_text,
    member,
    open_hdf5,
    signature,
    texts,
)
from inception_lens.readers.keras.config import ModelConfig, parse_config
from inception_lens.readers.keras.settings import Settings
from inception_lens.readers.tensors import Array, KerasLayer, WeightFile, WeightTensor, check_shape

if TYPE_CHECKING:
    import h5py

MAX_TENSORS = 100_000
"""Datasets and groups of a file."""

MAX_DEPTH = 32
"""Groups inside each other."""

MODEL_WEIGHTS = "model_weights"
"""The group with the weights in the .h5 of a model."""

NOT_WEIGHTS = ("optimizer", "metrics", "loss_tracker", "_metrics", "_loss_tracker", "compile_metrics")
"""Groups of .weights.h5 with what training keeps."""

VARIABLE = re.compile(
    r"(?:^|_)((?:depthwise_|pointwise_|recurrent_)?kernel|bias|gamma|beta|moving_mean|moving_variance|running_mean"
    r"|running_std|alpha|embeddings|[Wb])(?:_\d+)?(?::\d+)?$"
)
"""The end of a variable's name: `kernel:0` in Keras 2, `kernel` in Keras 3, `block1_conv1_W_1:0` in Keras 1."""

KERAS_1 = {"W": "kernel", "b": "bias", "running_mean": "moving_mean", "running_std": "moving_variance"}
"""Names of Keras 1; its `running_std` is a variance."""

EITHER = "gamma or beta"
"""A norm's only learned variable, where the file does not show which it is."""


def read_keras(path: str) -> WeightFile:
    """List the tensors of a file that Keras wrote.

    Raises:
        FormatError: the file is damaged, holds no Keras weights, or refers to another file.
        MissingExtraError: h5py or NumPy is not installed.
    """
    require("numpy", extra="weights")
    with open_hdf5(path) as file:
        if MODEL_WEIGHTS in file:
            listing = _KerasListing(_group(file, MODEL_WEIGHTS), parse_config(config_text(path)))
            listing.add_legacy()
        elif "layer_names" in file.attrs or "layer_names0" in file.attrs:
            listing = _KerasListing(file, None)
            listing.add_legacy()
        else:
            has_config = signature(path) != HDF5_SIGNATURE
            listing = _KerasListing(file, parse_config(config_text(path)) if has_config else None)
            listing.add_saved(file, "", 0)
        if not listing.tensors:
            raise FormatError("holds no weights of a Keras model")
        root = str(listing.root.name)
    return WeightFile(
        path, "keras", tuple(listing.tensors), lambda tensor: _read(path, root, tensor), keras=tuple(listing.layers)
    )


def _read(path: str, root: str, tensor: WeightTensor) -> Array:
    import numpy as np

    with open_hdf5(path) as file:
        data: Array = np.asarray(member(file, f"{root}/{tensor.name}")[()])
    if tensor.dtype == "bfloat16":  # the upper half of a float32
        return (data.view("<u2").astype("<u4") << 16).view("<f4")
    if data.dtype.kind == "V":
        raise FormatError(f"`{tensor.name}`: data of an opaque type are not read")
    return data


def _group(group: h5py.Group, path: str) -> h5py.Group:
    import h5py

    found = member(group, path)
    if not isinstance(found, h5py.Group):
        raise FormatError(f"`{path[:80]}` is not a group")
    return found


class _SavedLayer(NamedTuple):
    """A layer of a configuration, which Keras 3 saves in a group."""

    name: str
    """Its name, after those of the models that contain it: `inception_v3/conv2d`."""
    kind: str
    settings: Settings


class _KerasListing:
    """The layers and tensors that are found in a file."""

    def __init__(self, root: h5py.Group, config: ModelConfig | None) -> None:
        self.root, self.config = root, config
        self.saved = dict(_saved_layers(config, "", "")) if config else {}
        self.tensors: list[WeightTensor] = []
        self.layers: list[KerasLayer] = []
        self.items = 0

    def count(self) -> None:
        self.items += 1
        if self.items > MAX_TENSORS:
            raise FormatError(f"more than {MAX_TENSORS:,} groups and tensors")

    def tensor(self, path: str) -> WeightTensor:
        """Add the tensor at a path below the root."""
        import h5py

        self.count()
        found = member(self.root, path)
        if not isinstance(found, h5py.Dataset) or found.external or found.is_virtual:
            raise FormatError(f"`{path[:80]}` is not a tensor in this file")
        is_bfloat16 = attribute(found, "dtype") in ("bfloat16", b"bfloat16")
        shape = check_shape(path, tuple(found.shape or ()))
        tensor = WeightTensor(path, shape, "bfloat16" if is_bfloat16 else found.dtype.name, found.nbytes)
        self.tensors.append(tensor)
        return tensor

    def add_legacy(self) -> None:
        """Layers by their names; the weights of a nested model are all in its group."""
        nested = {layer.name for layer in self.config.layers if layer.model} if self.config else None
        for group in texts(self.root, "layer_names"):
            self.count()
            names = texts(_group(self.root, group), "weight_names")
            scopes = [name.split("/")[-2:-1] or [group] for name in names]
            is_model = group in nested if nested is not None else len({scope for (scope,) in scopes}) > 1
            layers: dict[str, list[tuple[str, WeightTensor]]] = {}
            for name, (scope,) in zip(names, scopes, strict=True):
                layer = f"{group}/{scope}" if is_model else group
                layers.setdefault(layer, []).append((_variable(name), self.tensor(f"{group}/{name}")))
            for layer, tensors in layers.items():
                self.layers.append(KerasLayer(group if is_model else "", layer, "", 0, tuple(tensors)))

    def add_saved(self, group: h5py.Group, path: str, depth: int) -> None:
        """Layers by groups, `layers/conv2d_1/vars/0`, whose numbers count the layers of a class in their model."""
        import h5py

        if depth > MAX_DEPTH:
            raise FormatError(f"more than {MAX_DEPTH} groups inside each other")
        for name in map(str, group):
            self.count()
            inner = f"{path}/{name}" if path else name
            if inner in NOT_WEIGHTS:
                continue
            found = member(group, name)
            if name == "vars" and isinstance(found, h5py.Group):
                self.add_variables(found, path)
            elif isinstance(found, h5py.Group):
                self.add_saved(found, inner, depth + 1)

    def add_variables(self, group: h5py.Group, path: str) -> None:
        numbers = sorted(map(str, group), key=lambda name: (len(name), name))
        tensors = [self.tensor(f"{path}/vars/{number}") for number in numbers]
        model, _, last = path.rpartition("/")
        found = re.fullmatch(r"(.*?)(?:_(\d+))?", last)
        kind, place = (found[1], int(found[2] or 0)) if found else (last, 0)
        own = attribute(group, "name")
        saved = self.saved.get(path) or _SavedLayer(own if isinstance(own, str) else "", kind, Settings({}))
        roles = _variables(kind, numbers, saved.settings if path in self.saved else None)
        if tensors:
            self.layers.append(KerasLayer(model, saved.name, kind, place, tuple(zip(roles, tensors, strict=True))))


def _variable(name: str) -> str:
    found = VARIABLE.search(name.rpartition("/")[2])
    return KERAS_1.get(found[1], found[1]) if found else name.rpartition("/")[2]


def _variables(kind: str, numbers: list[str], settings: Settings | None) -> list[str]:
    """Names of the variables that a layer of a class saves by number."""
    count = len(numbers)
    if kind.startswith("separable_conv"):
        names = ["depthwise_kernel", "pointwise_kernel", "bias"]
    elif "conv" in kind or kind == "dense":
        names = ["kernel", "bias"]
    elif kind in ("batch_normalization", "layer_normalization", "group_normalization"):
        statistics = ["moving_mean", "moving_variance"] if kind == "batch_normalization" else []
        learned = ["gamma", "beta"] if count - len(statistics) == 2 else [EITHER]
        if settings is not None:
            scale, center = settings.flag("scale", True), settings.flag("center", True)
            learned = ["gamma"] * scale + ["beta"] * center
        names = [*learned, *statistics] if count != len(statistics) else statistics
    else:
        names = {"embedding": ["embeddings"], "p_re_lu": ["alpha"]}.get(kind, [])
    return names[:count] if count <= len(names) else numbers


def _saved_layers(model: ModelConfig, path: str, name: str) -> Iterator[tuple[str, _SavedLayer]]:
    """The groups in which Keras 3 saves the layers of a model, which are named after their classes."""
    counts: dict[str, int] = {}
    for layer in model.layers:
        if layer.is_operation:
            continue
        kind = snake_case(layer.kind)
        number = counts[kind] = counts.get(kind, -1) + 1
        group = f"{path}layers/{kind}_{number}" if number else f"{path}layers/{kind}"
        full = f"{name}/{layer.name}" if name else layer.name
        yield group, _SavedLayer(full, kind, layer.settings)
        if layer.model is not None:
            yield from _saved_layers(layer.model, f"{group}/", full)


def snake_case(name: str) -> str:
    """The name of a class as Keras writes it in groups (keras/src/utils/naming.py): `Conv2D` is `conv2d`."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
