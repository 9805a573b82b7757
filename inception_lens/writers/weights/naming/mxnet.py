"""MXNet's names, of Gluon's `save_parameters` (`features.0.0.weight`) and `export` (`arg:net0_conv0_weight`).

Numbers in the names restart in every block, so that the order of the file pairs layers with those of the network. They
must be the same in all roles and shapes: a file of another network, such as Gluon's resnet50_v1, whose convolutions
have biases, has no match.
"""

import re

from inception_lens.graph import Graph
from inception_lens.readers.tensors import WeightFile
from inception_lens.writers.weights.match import TensorMatch

_ROLES = {"gamma": "weight", "beta": "bias"}
"""Of tensors that PyTorch calls otherwise."""
_NAME = re.compile(r"(?:arg:|aux:)?(.*?)[._](weight|bias|gamma|beta|running_mean|running_var|moving_mean|moving_var)")


def recognizes(weights: WeightFile) -> bool:
    """Whether MXNet wrote the file."""
    return weights.format == "mxnet"


def match(weights: WeightFile, graph: Graph) -> list[TensorMatch]:
    """All tensors, or none unless the layers are those of the network."""
    layers: dict[str, dict[str, str]] = {}
    shapes = {tensor.name: tensor.shape for tensor in weights.tensors}
    for name in shapes:
        if parts := _NAME.fullmatch(name):
            role = _ROLES.get(parts[2], parts[2].replace("moving", "running"))
            layers.setdefault(parts[1], {})[role] = name
    nodes = [node for node in graph.nodes if node.op.has_weights]
    ordered = _shortcuts_first(list(layers))
    if len(ordered) != len(nodes):
        return []
    found = []
    for node, layer in zip(nodes, ordered, strict=True):
        own = {tensor.role: tensor.shape for _, tensor in graph.tensors(node)}
        if own != {role: shapes[name] for role, name in layers[layer].items()}:
            return []
        found += [TensorMatch(name, node.name, role) for role, name in layers[layer].items()]
    return found


def _shortcuts_first(layers: list[str]) -> list[str]:
    """The layers with those of a residual block's shortcut before its others, as networks have them."""
    blocks = [re.split(r"\.(?:body|downsample)\.", layer)[0] for layer in layers]
    first = {block: i for i, block in reversed(list(enumerate(blocks)))}
    order = sorted(range(len(layers)), key=lambda i: (first[blocks[i]], ".downsample." not in layers[i], i))
    return [layers[i] for i in order]
