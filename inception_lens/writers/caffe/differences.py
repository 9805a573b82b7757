"""What a written prototxt does not keep: the differences between a graph and the graph that is read back."""

from inception_lens.errors import FormatError, GraphError
from inception_lens.graph import Graph
from inception_lens.readers.caffe.layers import NetState
from inception_lens.readers.caffe.prototxt import read_net
from inception_lens.readers.caffe.text_format import parse
from inception_lens.writers.differences import graph_differences


def differences(graph: Graph, text: str) -> list[str]:
    """One line for each difference between a graph and the one in its prototxt; none if they are equal.

    Raises:
        FormatError: Caffe would refuse the prototxt.
    """
    shapes = {given.name: given.type.shape for given in graph.inputs}
    try:
        again = read_net(parse(text), shapes, graph.mode, NetState())
    except (FormatError, GraphError) as error:
        raise FormatError(f"Caffe cannot express `{graph.name}`: {error}") from None
    return graph_differences(graph, again)
