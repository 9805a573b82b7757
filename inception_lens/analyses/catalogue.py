"""The networks of the catalogue with their costs."""

from collections.abc import Iterable

import msgspec

from inception_lens.analyses.analysis import Analysis
from inception_lens.architectures.entry import Entry, PublishedAccuracy
from inception_lens.graph import Graph


class Sized(msgspec.Struct, frozen=True):
    """One network of the catalogue and its cost for one image of its native size."""

    name: str
    """Name in the catalogue, such as `googlenet@torchvision`."""
    family: str
    """Name without the dialect."""
    dialect: str
    """Whose variant it is; empty for the paper's network."""
    source: str
    """The paper or code that it follows."""
    input: tuple[int, ...]
    """`(C, H, W)`."""
    classes: int
    """Outputs of the classifier."""
    params: int
    """Learned elements at inference."""
    macs: int
    """Multiply-accumulates of the forward pass at inference."""
    params_with_aux: int
    """Parameters with the auxiliary heads; equal to `params` for a network without heads."""
    macs_with_aux: int
    """Multiply-accumulates with the auxiliary heads."""
    published: PublishedAccuracy | None
    """Published accuracy, where there is one."""


def sized(entries: Iterable[Entry]) -> list[Sized]:
    """Build and count each entry, with and without its auxiliary heads."""
    rows = []
    for entry in entries:
        config = entry.config
        training = Analysis(config.graph("training"))
        heads = config.has_auxiliary_heads
        inference = _without_heads(training.graph) if heads else (training.params, training.macs)
        costs = *inference, training.params, training.macs
        head = entry.name, entry.family, entry.dialect, entry.source, config.input, config.classes
        rows.append(Sized(*head, *costs, entry.published))
    return rows


def _without_heads(training: Graph) -> tuple[int, int]:
    """Parameters and MACs of what the main output needs: those of inference, whose softmax has neither."""
    needed, params, macs = {training.outputs[0].node}, 0, 0
    for node, facts in zip(reversed(training.nodes), reversed(training.facts), strict=True):
        if node.name in needed:
            needed.update(node.inputs)
            params += facts.parameter_elements
            macs += facts.macs or 0
    return params, macs
