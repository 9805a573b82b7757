"""Which tensor of a file belongs to which node: the names that Caffe, TF-slim and this project give them."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from inception_lens.graph import Graph
from inception_lens.readers.tensors import WeightFile


class Move(NamedTuple):
    """A tensor of a file, the node and the role that it is meant for, and how its numbers change on the way."""

    name: str
    node: str
    role: str
    axes: str = ""
    """The order of its axes, where it is TensorFlow's."""
    divisor: str = ""
    """The tensor that holds a number which it is divided by."""


def moves(weights: WeightFile, graph: Graph, keys: Mapping[str, tuple[str, str]]) -> list[Move]:
    """What each tensor is meant for, as far as its name tells; `keys` are the network's own names."""
    if weights.layers:
        return caffe_moves(weights, graph)
    if any(_SLIM.match(tensor.name) for tensor in weights.tensors):
        return slim_moves(weights, graph)
    return same_moves(weights, keys)


def same_moves(weights: WeightFile, keys: Mapping[str, tuple[str, str]]) -> list[Move]:
    """Tensors that are called as the network's are, behind a beginning that most of them share or without one."""
    names = [tensor.name for tensor in weights.tensors]
    beginnings = ["", *(f"{part}." for part in ("state_dict", "model", "module", "state_dict.module"))]
    start = max(beginnings, key=lambda each: sum(name.removeprefix(each) in keys for name in names if each in name))
    return [Move(name, *keys[name.removeprefix(start)]) for name in names if name.removeprefix(start) in keys]


def caffe_moves(weights: WeightFile, graph: Graph) -> list[Move]:
    """Layers by their names; those of the catalogue's GoogLeNet are Caffe's, but for the heads."""
    nodes = graph.index.nodes
    found: list[Move] = []
    made_by: dict[str, str] = {}  # the batch norm that last made a blob
    for layer in weights.layers:
        name = re.sub(r"^loss(\d)/(conv|fc|classifier)$", r"aux\1/\2", layer.name)
        name = name if name in nodes else layer.name
        name = name if name in nodes or f"{name}/bn" not in nodes or layer.type != "BatchNorm" else f"{name}/bn"
        if layer.type == "Scale" and len(layer.bottoms) == 1 and layer.bottoms[0] in made_by:
            name = made_by[layer.bottoms[0]]
        for top in layer.tops:
            made_by.pop(top, None)
            if layer.type == "BatchNorm":
                made_by[top] = name
        if name not in nodes:
            continue
        statistics = layer.type == "BatchNorm"
        roles = ("running_mean", "running_var") if statistics else ("weight", "bias")
        divisor = layer.tensors[2] if statistics and len(layer.tensors) > 2 else ""
        if layer.type == "Bias":
            roles = ("bias", "")
        found += [Move(each, name, role, "", divisor) for each, role in zip(layer.tensors, roles, strict=False)]
    return found


_SLIM = re.compile(r"Inception(?:V[1-4]|ResnetV2)/")
_PLACE = re.compile(r"_(\d[a-z])(?:_|$)")
_ROLES = {
    "weights": ("", "weight", "hwio"),
    "biases": ("", "bias", ""),
    "depthwise_weights": ("/depthwise", "weight", "hwim"),
    "pointwise_weights": ("/pointwise", "weight", "hwio"),
    "BatchNorm/beta": ("/bn", "bias", ""),
    "BatchNorm/gamma": ("/bn", "weight", ""),
    "BatchNorm/moving_mean": ("/bn", "running_mean", ""),
    "BatchNorm/moving_variance": ("/bn", "running_var", ""),
}
"""TF-slim's variables: what follows the layer's name here, the role, and the order of the axes."""

_OF_PAPER = {"1x1": 0, "3x3": 1, "5x5": 2, "poo": 3}
_STEM = {"conv1/7x7_s2": "Conv2d_1a_7x7", "conv2/3x3_reduce": "Conv2d_2b_1x1", "conv2/3x3": "Conv2d_2c_3x3"}


def slim_moves(weights: WeightFile, graph: Graph) -> list[Move]:
    """TF-slim's variables, whose layers are called by a digit and a letter in the order in which they run.

    A branch has the same layers there and here. The letters have gaps, and kernels are not always those of the name
    (`Mixed_5c/Branch_1/Conv_1_0c_5x5`, `Mixed_6a/Branch_0/Conv2d_1a_1x1` of 3x3): the order decides, and shapes check.
    """
    variables: dict[str, dict[str, list[tuple[str, str]]]] = {}  # scope, layer: variables and their kinds
    for tensor in weights.tensors:
        path = _SLIM.sub("", tensor.name, count=1)
        kind = next((each for each in _ROLES if path.endswith(f"/{each}")), None)
        if kind and _SLIM.match(tensor.name):
            layer = path.removesuffix(f"/{kind}")
            variables.setdefault(_slim_scope(layer), {}).setdefault(layer, []).append((tensor.name, kind))
    ours: dict[str, list[str]] = {}
    for node in graph.nodes:
        if node.op.category in ("conv", "linear"):
            layer = re.sub(r"/(depthwise|pointwise)$", "", node.name)
            nodes = ours.setdefault(_our_scope(layer), [])
            if layer not in nodes:
                nodes.append(layer)
    found = []
    for scope, layers in variables.items():
        there = sorted(layers, key=_running_order)
        if len(there) == len(ours.get(scope, ())):
            for layer, target in zip(there, ours[scope], strict=True):
                separable = any(kind == "pointwise_weights" for _, kind in layers[layer])
                for name, kind in layers[layer]:
                    suffix, role, axes = _ROLES[kind]
                    if separable and not suffix.startswith("/depth"):
                        suffix = f"/pointwise{suffix.removeprefix('/pointwise')}"
                    found.append(Move(name, target + suffix, role, axes))
    return found


def _running_order(layer: str) -> tuple[str, str]:
    last = layer.rpartition("/")[2]
    place = _PLACE.search(last)
    return (place[1] if place else "~", last)


def _slim_scope(layer: str) -> str:
    """The branch or block of a layer; blocks are repeated in scopes of their own, the last `Block8` is by itself."""
    layer = re.sub(r"^Repeat(_\d)?/b", "B", layer)
    layer = re.sub(r"^Block8(?=/)", "Block8_10", layer)
    return _branch(layer)


def _our_scope(name: str) -> str:
    """What TF-slim would call the node's scope; a GoogLeNet has the paper's names here."""
    if name in _STEM:
        return _STEM[name]
    if found := re.match(r"inception_(\d)([a-z])/(\w{3})", name):
        return f"Mixed_{found[1]}{chr(ord(found[2]) + 1)}/Branch_{_OF_PAPER.get(found[3], 9)}"
    return "Logits" if name == "loss3/classifier" else _branch(name)


def _branch(name: str) -> str:
    found = re.match(r"(.*?/Branch_\d)(/|$)|([^/]+)", name)
    return (found[1] or found[3]) if found else name
