"""The networks of the catalogue with their costs."""

from collections.abc import Iterable

import msgspec

from inception_lens.analyses.analysis import Analysis
from inception_lens.architectures.entry import Entry, PublishedAccuracy


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
        inference = Analysis(config.graph())
        training = Analysis(config.graph("training")) if config.has_auxiliary_heads else inference
        costs = inference.params, inference.macs, training.params, training.macs
        head = entry.name, entry.family, entry.dialect, entry.source, config.input, config.classes
        rows.append(Sized(*head, *costs, entry.published))
    return rows
