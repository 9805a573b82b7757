"""One network of the catalogue: a config, its name, and where it comes from."""

import msgspec

from inception_lens.architectures.network import Network


class PublishedAccuracy(msgspec.Struct, frozen=True):
    """Accuracy that others have published, in per cent of the ImageNet validation set, one crop, unless said."""

    top1: float | None
    top5: float | None
    source: str


class Entry(msgspec.Struct, frozen=True):
    """One network of the catalogue."""

    name: str
    """`googlenet`, or `googlenet@torchvision` for a port."""
    family: str
    """The network's name as its authors write it."""
    source: str
    """Where this very table comes from."""
    config: Network
    published: PublishedAccuracy | None = None

    @property
    def dialect(self) -> str:
        """What stands behind the `@`; empty for the paper's own network."""
        return self.name.partition("@")[2]

    @property
    def description(self) -> str:
        """One line on what the network is."""
        return f"{self.family}, {self.source}"
