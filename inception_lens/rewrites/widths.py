"""A network with other widths of some layers."""

from collections.abc import Mapping

import msgspec

from inception_lens.errors import GraphError, suggest
from inception_lens.graph import Graph, Node, Writer
from inception_lens.ops import Linear
from inception_lens.rewrites.plan import written
from inception_lens.rewrites.structure import Convolution, depthwise

MAX_WIDTH = 2**22
"""Largest width of a layer."""


def with_widths(graph: Graph, widths: Mapping[str, int]) -> Graph:
    """Set the output channels or features of the named layers and infer all later shapes.

    A later depthwise convolution stays depthwise: its groups follow its input channels.

    Raises:
        GraphError: a node does not exist or has no width, or a later layer cannot take the new width.
    """
    names = graph.index.nodes
    for name, width in widths.items():
        if name not in names:
            layers = [node.name for node in graph.nodes if width_of(node) is not None]
            raise GraphError(
                f"`{name}` is not a layer of `{graph.name}`{suggest(name, layers) or ', such as `' + layers[0] + '`'}"
            )
        if width_of(names[name]) is None:
            raise GraphError(f"`{name}` is a {names[name].op.kind}: only convolutions and linear layers have a width")
        if not 1 <= width <= MAX_WIDTH:
            raise GraphError(f"`{name}={width}`: expected a width from 1 to {MAX_WIDTH:,}")
    changed = [_with_width(node, widths[node.name]) if node.name in widths else node for node in graph.nodes]
    if any(depthwise(node.op, _channels(graph, node)) for node in changed):
        changed = _depthwise_again(graph, changed)
    return written(graph, changed, graph.outputs)


def width_of(node: Node) -> int | None:
    """Output channels or features of a convolution or linear layer; None for other nodes."""
    if isinstance(node.op, Convolution):
        return node.op.out_channels
    return node.op.out_features if isinstance(node.op, Linear) else None


def _with_width(node: Node, width: int) -> Node:
    field = "out_features" if isinstance(node.op, Linear) else "out_channels"
    return msgspec.structs.replace(node, op=msgspec.structs.replace(node.op, **{field: width}))


def _channels(graph: Graph, node: Node) -> int:
    shape = graph.types[node.inputs[0]][0].shape if node.inputs else ()
    return shape[1] if len(shape) > 1 else 0


def _depthwise_again(graph: Graph, nodes: list[Node]) -> list[Node]:
    """The nodes with the groups and width of each depthwise convolution adapted to its new input."""
    writer, found = Writer(graph.inputs), []
    for node in nodes:
        channels = _channels(graph, node)
        if depthwise(node.op, channels) and writer.shape(node.inputs[0])[1] != channels:
            assert isinstance(node.op, Convolution)
            groups = writer.shape(node.inputs[0])[1]
            width = groups * (node.op.out_channels // channels)
            node = msgspec.structs.replace(node, op=msgspec.structs.replace(node.op, groups=groups, out_channels=width))
        writer.write(node)
        found.append(node)
    return found
