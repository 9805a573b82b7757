"""The error of a format that cannot express an operation."""

from inception_lens.errors import FormatError
from inception_lens.graph import Graph, Node


def inexpressible(file_format: str, graph: Graph, node: Node, reason: str) -> FormatError:
    """An error that names the node; `reason` completes it, such as "there is no operator for LSTM"."""
    return FormatError(f"{file_format} cannot express `{node.name}` ({node.op.label}) of `{graph.name}`: {reason}")
