"""Which tensor of a file belongs to which node, by the names that Caffe, TF-slim and this package give them."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from inception_lens.graph import Graph
from inception_lens.readers.tensors import WeightFile


class TensorMatch(NamedTuple):
    """A tensor of a file, the node and role that it has in the network, and how its values change."""

    name: str
    """The name in the file."""
    node: str
    """The name of the node."""
    role: str
    """As `Parameter.role`: `weight`, `bias`, `running_mean`."""
    axes: str = ""
    """The order of the axes if it is TensorFlow's, such as `hwio`."""
    divisor: str = ""
    """The name of the tensor whose single value divides the values."""


def match_tensors(weights: WeightFile, graph: Graph, keys: Mapping[str, tuple[str, str]]) -> list[TensorMatch]:
    """The matches that the names show; `keys` are the network's `state_dict` keys with their nodes and roles."""
    if weights.layers:
        return _match_caffe(weights, graph)
    if any(_SLIM_ROOT.match(tensor.name) for tensor in weights.tensors):
        return _match_slim(weights, graph)
    return _match_keys(weights, keys)


def _match_keys(weights: WeightFile, keys: Mapping[str, tuple[str, str]]) -> list[TensorMatch]:
    """Tensors with the network's own keys, after the prefix that most of them share.

    The keys of an ONNX model that this package writes have the paths of nodes, `inception_3a/1x1.weight`.
    """
    names = {tensor.name.replace("/", "."): tensor.name for tensor in weights.tensors}
    prefixes = ["", *(f"{part}." for part in ("state_dict", "model", "module", "state_dict.module"))]
    prefix = max(prefixes, key=lambda each: sum(name.removeprefix(each) in keys for name in names if each in name))
    own = {name.removeprefix(prefix): given for name, given in names.items()}
    return [TensorMatch(given, *keys[name]) for name, given in own.items() if name in keys]


def _match_caffe(weights: WeightFile, graph: Graph) -> list[TensorMatch]:
    """Layers by their names; the catalogue's GoogLeNet has Caffe's names, except for its heads."""
    nodes = graph.index.nodes
    found: list[TensorMatch] = []
    norm_of: dict[str, str] = {}  # for each blob, the batch norm that wrote it last: a Scale of it belongs to the norm
    for layer in weights.layers:
        name = re.sub(r"^loss(\d)/(conv|fc|classifier)$", r"aux\1/\2", layer.name)
        name = name if name in nodes else layer.name
        name = name if name in nodes or f"{name}/bn" not in nodes or layer.type != "BatchNorm" else f"{name}/bn"
        if layer.type == "Scale" and len(layer.bottoms) == 1 and layer.bottoms[0] in norm_of:
            name = norm_of[layer.bottoms[0]]
        for top in layer.tops:
            norm_of.pop(top, None)
            if layer.type == "BatchNorm":
                norm_of[top] = name
        if name not in nodes:
            continue
        statistics = layer.type == "BatchNorm"
        roles = ("running_mean", "running_var") if statistics else ("weight", "bias")
        divisor = layer.tensors[2] if statistics and len(layer.tensors) > 2 else ""
        if layer.type == "Bias":
            roles = ("bias", "")
        found += [TensorMatch(each, name, role, "", divisor) for each, role in zip(layer.tensors, roles, strict=False)]
    return found


_SLIM_ROOT = re.compile(r"Inception(?:V[1-4]|ResnetV2)/")
_SLIM_POSITION = re.compile(r"_(\d[a-z])(?:_|$)")
_SLIM_ROLES = {
    "weights": ("", "weight", "hwio"),
    "biases": ("", "bias", ""),
    "depthwise_weights": ("/depthwise", "weight", "hwim"),
    "pointwise_weights": ("/pointwise", "weight", "hwio"),
    "BatchNorm/beta": ("/bn", "bias", ""),
    "BatchNorm/gamma": ("/bn", "weight", ""),
    "BatchNorm/moving_mean": ("/bn", "running_mean", ""),
    "BatchNorm/moving_variance": ("/bn", "running_var", ""),
}
"""TF-slim's variables: the suffix of the node's name, the role, and the order of the axes."""

_GOOGLENET_BRANCHES = {"1x1": 0, "3x3": 1, "5x5": 2, "poo": 3}
_GOOGLENET_STEM = {"conv1/7x7_s2": "Conv2d_1a_7x7", "conv2/3x3_reduce": "Conv2d_2b_1x1", "conv2/3x3": "Conv2d_2c_3x3"}


def _match_slim(weights: WeightFile, graph: Graph) -> list[TensorMatch]:
    """TF-slim's variables, whose layers are named by a digit and a letter in the order of execution.

    Each branch has the same layers in the file and in the network, so that their order pairs them, and their shapes
    are checked later. Names alone do not: letters have gaps, and some kernels differ from those in their names
    (`Mixed_5c/Branch_1/Conv_1_0c_5x5`; `Mixed_6a/Branch_0/Conv2d_1a_1x1` is 3x3).
    """
    file_layers = _slim_layers(weights)
    graph_layers: dict[str, list[str]] = {}
    for node in graph.nodes:
        if node.op.category in ("conv", "linear"):
            layer = re.sub(r"/(depthwise|pointwise)$", "", node.name)
            layers = graph_layers.setdefault(_scope_of_node(layer), [])
            if layer not in layers:
                layers.append(layer)
    found = []
    for scope, variables in file_layers.items():
        ordered = sorted(variables, key=_execution_order)
        if len(ordered) != len(graph_layers.get(scope, ())):
            continue
        for layer, target in zip(ordered, graph_layers[scope], strict=True):
            separable = any(kind == "pointwise_weights" for _, kind in variables[layer])
            for name, kind in variables[layer]:
                suffix, role, axes = _SLIM_ROLES[kind]
                if separable and not suffix.startswith("/depth"):
                    suffix = f"/pointwise{suffix.removeprefix('/pointwise')}"
                found.append(TensorMatch(name, target + suffix, role, axes))
    return found


def _slim_layers(weights: WeightFile) -> dict[str, dict[str, list[tuple[str, str]]]]:
    """The variables of a file and their kinds (keys of `_SLIM_ROLES`), by scope and layer."""
    layers: dict[str, dict[str, list[tuple[str, str]]]] = {}
    for tensor in weights.tensors:
        path = _SLIM_ROOT.sub("", tensor.name, count=1)
        kind = next((each for each in _SLIM_ROLES if path.endswith(f"/{each}")), None)
        if kind and _SLIM_ROOT.match(tensor.name):
            layer = path.removesuffix(f"/{kind}")
            layers.setdefault(_scope_of_variable(layer), {}).setdefault(layer, []).append((tensor.name, kind))
    return layers


def _execution_order(layer: str) -> tuple[str, str]:
    last = layer.rpartition("/")[2]
    position = _SLIM_POSITION.search(last)
    return (position[1] if position else "~", last)


def _scope_of_variable(layer: str) -> str:
    """The branch or block of a layer, under the network's names.

    Repeated blocks have scopes of their own (`Repeat_1/block17_3`); the last `Block8` is not repeated.
    """
    layer = re.sub(r"^Repeat(_\d)?/b", "B", layer)
    layer = re.sub(r"^Block8(?=/)", "Block8_10", layer)
    return _branch(layer)


def _scope_of_node(name: str) -> str:
    """The scope that TF-slim gives a node; the GoogLeNet of the catalogue has the paper's names instead."""
    if name in _GOOGLENET_STEM:
        return _GOOGLENET_STEM[name]
    if found := re.match(r"inception_(\d)([a-z])/(\w{3})", name):
        return f"Mixed_{found[1]}{chr(ord(found[2]) + 1)}/Branch_{_GOOGLENET_BRANCHES.get(found[3], 9)}"
    return "Logits" if name == "loss3/classifier" else _branch(name)


def _branch(name: str) -> str:
    found = re.match(r"(.*?/Branch_\d)(/|$)|([^/]+)", name)
    return (found[1] or found[3]) if found else name
