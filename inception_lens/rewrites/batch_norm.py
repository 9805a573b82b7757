"""Batch norm folded into the preceding layer at inference (arXiv 1502.03167, section 3.1, equation 11 ff.)."""

import msgspec

from inception_lens.errors import GraphError
from inception_lens.graph import Graph, Node
from inception_lens.ops import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, Linear
from inception_lens.rewrites.plan import Plan, Site, planned
from inception_lens.rewrites.structure import BatchNorm, Convolution, GraphStructure

Weighted = Convolution | ConvTranspose1d | ConvTranspose2d | ConvTranspose3d | Linear


def folded_batch_norms(graph: Graph) -> Plan:
    """Remove a batch norm that is the only reader of a convolution or linear layer, and give that layer a bias.

    With the norm's mean m, variance v, scale g and shift b, a weight w becomes w g / sqrt(v + eps) for each channel,
    and a bias c becomes (c - m) g / sqrt(v + eps) + b. The function is the same, since the statistics are fixed.
    """
    return planned(GraphStructure(graph), _folded)


def _folded(structure: GraphStructure, norm: Node) -> Site | None:
    if not isinstance(norm.op, BatchNorm):
        return None
    layer = structure.nodes.get(norm.inputs[0])
    if layer is None or not isinstance(layer.op, Weighted):
        raise GraphError("its input is not a convolution or linear layer")
    if structure.only_reader(layer) is None:
        raise GraphError(f"`{layer.name}` has other readers")
    if not structure.shared.isdisjoint((layer.name, norm.name)):
        raise GraphError(f"`{layer.name}` or its norm shares tensors with another call")
    if not norm.op.track:
        raise GraphError("it keeps no running statistics")
    parameters = layer.parameters
    if parameters and not layer.op.bias:  # the new bias takes the name of the norm's shift
        parameters = (parameters[0], norm.parameters[-3] if len(norm.parameters) > 2 else f"{norm.name}.bias")
    new = Node(layer.name, msgspec.structs.replace(layer.op, bias=True), layer.inputs, parameters)
    names, replaced = (layer.name, norm.name), ((layer.name, (new,)), (norm.name, ()))
    return Site(layer.name, "batch norm in the weights", names, replaced, ((norm.name, layer.name),))
