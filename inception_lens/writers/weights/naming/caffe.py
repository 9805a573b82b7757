"""Caffe's names: those of the layers of a .caffemodel, which are those of the nodes of a net that was read."""

import re

from inception_lens.graph import Graph
from inception_lens.readers.tensors import WeightFile
from inception_lens.writers.weights.match import TensorMatch


def recognizes(weights: WeightFile) -> bool:
    """Whether the file has Caffe's layers."""
    return bool(weights.layers)


def match(weights: WeightFile, graph: Graph) -> list[TensorMatch]:
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
