"""TF-slim's names of variables: a scope for each block and branch, and a digit and a letter for each layer."""

import re

from inception_lens.graph import Graph
from inception_lens.readers.tensors import WeightFile
from inception_lens.writers.weights.match import TensorMatch

_ROOT = re.compile(r"Inception(?:V[1-4]|ResnetV2)/")
_POSITION = re.compile(r"_(\d[a-z])(?:_|$)")
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
"""TF-slim's variables: the suffix of the node's name, the role, and the order of the axes."""

_GOOGLENET_BRANCHES = {"1x1": 0, "3x3": 1, "5x5": 2, "poo": 3}
_GOOGLENET_STEM = {"conv1/7x7_s2": "Conv2d_1a_7x7", "conv2/3x3_reduce": "Conv2d_2b_1x1", "conv2/3x3": "Conv2d_2c_3x3"}


def recognizes(weights: WeightFile) -> bool:
    """Whether a variable is in the scope of an Inception network."""
    return any(_ROOT.match(tensor.name) for tensor in weights.tensors)


def match(weights: WeightFile, graph: Graph) -> list[TensorMatch]:
    """TF-slim's variables, whose layers are named by a digit and a letter in the order of execution.

    Each branch has the same layers in the file and in the network, so that their order pairs them, and their shapes
    are checked later. Names alone do not: letters have gaps, and some kernels differ from those in their names
    (`Mixed_5c/Branch_1/Conv_1_0c_5x5`; `Mixed_6a/Branch_0/Conv2d_1a_1x1` is 3x3).
    """
    file_layers = _layers(weights)
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
                suffix, role, axes = _ROLES[kind]
                if separable and not suffix.startswith("/depth"):
                    suffix = f"/pointwise{suffix.removeprefix('/pointwise')}"
                found.append(TensorMatch(name, target + suffix, role, axes))
    return found


def _layers(weights: WeightFile) -> dict[str, dict[str, list[tuple[str, str]]]]:
    """The variables of a file and their kinds (keys of `_ROLES`), by scope and layer."""
    layers: dict[str, dict[str, list[tuple[str, str]]]] = {}
    for tensor in weights.tensors:
        path = _ROOT.sub("", tensor.name, count=1)
        kind = next((each for each in _ROLES if path.endswith(f"/{each}")), None)
        if kind and _ROOT.match(tensor.name):
            layer = path.removesuffix(f"/{kind}")
            layers.setdefault(_scope_of_variable(layer), {}).setdefault(layer, []).append((tensor.name, kind))
    return layers


def _execution_order(layer: str) -> tuple[str, str]:
    last = layer.rpartition("/")[2]
    position = _POSITION.search(last)
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
