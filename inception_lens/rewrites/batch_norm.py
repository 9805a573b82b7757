"""Batch norm folded into the preceding layer at inference (arXiv 1502.03167, section 3.1, equation 11 ff.)."""

import msgspec

from inception_lens.graph import Graph, Node
from inception_lens.ops import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, Linear
from inception_lens.rewrites.plan import Plan, Site, SkippedSite, rewritten
from inception_lens.rewrites.structure import BatchNorm, Convolution, GraphStructure

Weighted = Convolution | ConvTranspose1d | ConvTranspose2d | ConvTranspose3d | Linear


def with_folded_batch_norms(graph: Graph) -> Graph:
    """Remove a batch norm that is the only reader of a convolution or linear layer, and give that layer a bias.

    With the norm's mean m, variance v, scale g and shift b, a weight w becomes w g / sqrt(v + eps) for each channel,
    and a bias c becomes (c - m) g / sqrt(v + eps) + b. The function is the same, since the statistics are fixed.
    """
    return rewritten(graph, folded_batch_norms(graph))


def folded_batch_norms(graph: Graph) -> Plan:
    """The sites of `with_folded_batch_norms`."""
    structure = GraphStructure(graph)
    sites, skipped = [], []
    for norm in graph.nodes:
        if not isinstance(norm.op, BatchNorm):
            continue
        layer = structure.nodes.get(norm.inputs[0])
        if layer is None or not isinstance(layer.op, Weighted):
            skipped.append(SkippedSite(norm.name, "its input is not a convolution or linear layer"))
        elif structure.only_reader(layer) is None:
            skipped.append(SkippedSite(norm.name, f"`{layer.name}` has other readers"))
        elif not structure.shared.isdisjoint((layer.name, norm.name)):
            skipped.append(SkippedSite(norm.name, f"`{layer.name}` or its norm shares tensors with another call"))
        elif not norm.op.track:
            skipped.append(SkippedSite(norm.name, "it keeps no running statistics"))
        else:
            new = Node(
                layer.name,
                msgspec.structs.replace(layer.op, bias=True),
                layer.inputs,
                layer.parameters if layer.op.bias or not layer.parameters else (layer.parameters[0], _bias(norm)),
            )
            sites.append(
                Site(
                    layer.name,
                    "batch norm in the weights",
                    (layer.name, norm.name),
                    ((layer.name, (new,)), (norm.name, ())),
                    ((norm.name, layer.name),),
                )
            )
    return Plan(tuple(sites), tuple(skipped))


def _bias(norm: Node) -> str:
    """Name of the bias that replaces the norm's shift."""
    return norm.parameters[-3] if len(norm.parameters) > 2 else f"{norm.name}.bias"
