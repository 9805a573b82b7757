"""The catalogue's networks, each with its size."""

from collections.abc import Iterable

import msgspec

from inception_lens.analyses.costs import costs
from inception_lens.architectures.entry import Entry, Published


class Sized(msgspec.Struct, frozen=True):
    """One network of the catalogue and what it costs: one image, at its native input."""

    name: str
    family: str
    dialect: str
    source: str
    input: tuple[int, ...]
    """`(C, H, W)`."""
    classes: int
    params: int
    macs: int
    params_with_aux: int
    """With the auxiliary heads; as many as without where the network has none."""
    macs_with_aux: int
    published: Published | None


def sized(entries: Iterable[Entry]) -> list[Sized]:
    """Build and count each entry, with and without its heads."""
    rows = []
    for entry in entries:
        config = entry.config
        graph, training = config.graph(), config.graph("training")
        without, with_heads = costs(graph), costs(training)
        rows.append(
            Sized(
                entry.name,
                entry.family,
                entry.dialect,
                entry.source,
                config.input,
                config.classes,
                sum(without.params),
                sum(filter(None, without.macs)),
                sum(with_heads.params),
                sum(filter(None, with_heads.macs)),
                entry.published,
            )
        )
    return rows
