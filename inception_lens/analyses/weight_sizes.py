"""Bytes of the parameters and buffers that each call reads."""

from __future__ import annotations

from typing import NamedTuple

from inception_lens.analyses.costs import Costs, CostSums
from inception_lens.graph import Graph
from inception_lens.ops import BYTES_PER_ELEMENT, bytes_of


class WeightSize(NamedTuple):
    """Bytes of tensors; one that several calls share counts at the first."""

    parameters: int
    """Those of the learned tensors."""
    trainable: int
    """Those of the tensors among them that training changes."""
    buffers: int
    """Those of the tensors that are kept but not learned."""


def weight_sizes(graph: Graph, costs: Costs) -> tuple[WeightSize, ...]:
    """The bytes of every call's tensors, from the costs of the calls."""
    if graph.dtypes:
        return _by_tensor(graph)
    element = BYTES_PER_ELEMENT[graph.dtype]
    columns = zip(costs.params, costs.params_trainable, costs.buffers, strict=True)
    return tuple([WeightSize(*[element * count for count in counts]) for counts in columns])


def total_size(graph: Graph, sums: CostSums) -> WeightSize:
    """The bytes of all tensors that the network declares, from the sums of its costs."""
    if graph.dtypes:
        known = _by_tensor(graph)
    else:
        element = BYTES_PER_ELEMENT[graph.dtype]
        known = (WeightSize(element * sums.params, element * sums.params_trainable, element * sums.buffers),)
    unused = [
        (bytes_of(tensor.elements, graph.dtypes.get(tensor.role, graph.dtype)), tensor.role not in graph.frozen)
        for tensor in graph.unused
    ]
    return WeightSize(
        sum([each.parameters for each in known]) + sum([size for size, _ in unused]),
        sum([each.trainable for each in known]) + sum([size for size, trained in unused if trained]),
        sum([each.buffers for each in known]),
    )


def _by_tensor(graph: Graph) -> tuple[WeightSize, ...]:
    seen: set[str] = set()
    rows = []
    for node, facts in zip(graph.nodes, graph.facts, strict=True):
        learned = len(facts.parameters)
        parameters = trainable = buffers = 0
        for i, (name, tensor) in enumerate(graph.tensors(node)):
            if name in seen:
                continue
            seen.add(name)
            size = bytes_of(tensor.elements, graph.dtypes.get(name, graph.dtype))
            if i >= learned or name in graph.kept:
                buffers += size
            else:
                parameters += size
                trainable += 0 if name in graph.frozen else size
        rows.append(WeightSize(parameters, trainable, buffers))
    return tuple(rows)
