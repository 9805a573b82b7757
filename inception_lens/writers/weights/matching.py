"""Which tensor of a file belongs to which node, by the naming scheme that the file follows."""

from typing import Protocol

from inception_lens.graph import Graph
from inception_lens.readers.tensors import WeightFile
from inception_lens.writers.weights.match import StateKeys, TensorMatch
from inception_lens.writers.weights.naming import caffe, keras, mxnet, own_keys, paddle, slim


class NamingScheme(Protocol):
    """A module of `naming`."""

    def recognizes(self, weights: WeightFile, /) -> bool:
        """Whether the tensors of the file have such names."""
        ...

    def match(self, weights: WeightFile, graph: Graph, /) -> list[TensorMatch]:
        """The tensors of the file that belong to nodes of the graph."""
        ...


SCHEMES: tuple[NamingScheme, ...] = (caffe, keras, mxnet, paddle, slim)
"""The first that recognizes a file matches it; the network's own keys are the last resort."""


def match_tensors(weights: WeightFile, graph: Graph, keys: StateKeys) -> list[TensorMatch]:
    """The matches that the names show; `keys` are the network's own."""
    for scheme in SCHEMES:
        if scheme.recognizes(weights):
            return scheme.match(weights, graph)
    return own_keys.match(weights, keys)
