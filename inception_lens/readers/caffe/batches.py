"""Whether a net holds for another batch than that of its file, which can be a literal size in it."""

from math import prod

from inception_lens.graph import CallFacts, Graph
from inception_lens.ops import Reshape


def differ_in_batch(batched: Graph, single: Graph) -> bool:
    """Whether two readings of a net differ only in the number of samples.

    They do not if a layer has other weights, or if a Reshape with a literal size divides a sample in another way.
    """
    rows = zip(batched.facts, single.facts, strict=False)
    return len(batched.facts) == len(single.facts) and all(
        a.parameters == b.parameters and (not isinstance(a.op, Reshape) or _divide_alike(a, b)) for a, b in rows
    )


def _divide_alike(a: CallFacts, b: CallFacts) -> bool:
    """Whether the axis of the samples is after as many elements in the output as in the input."""
    positions = []
    for shape, other in ((a.inputs[0].shape, b.inputs[0].shape), (a.outputs[0].shape, b.outputs[0].shape)):
        changed = [i for i, (size, single) in enumerate(zip(shape, other, strict=False)) if size != single]
        if len(shape) != len(other) or len(changed) > 1:
            return False
        positions.append([prod(shape[:i]) for i in changed])
    return positions[0] == positions[1]
