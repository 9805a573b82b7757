"""One network of the catalogue: its name, where its table comes from, its config and its published accuracy."""

import msgspec

from inception_lens.architectures.network import Network

SLIM_README = "tensorflow/models research/slim/README.md"
KERAS_README = "keras-team/keras-applications README"
"""Where the accuracies of the ports of TF-slim and of Keras are published."""


class PublishedAccuracy(msgspec.Struct, frozen=True):
    """Published accuracy of a network's weights.

    In per cent of the ImageNet validation set with one crop per image, unless `source` names another set.
    """

    top1: float | None
    """Top-1 accuracy; None where only the other one is published."""
    top5: float | None
    """Top-5 accuracy; None where only the other one is published."""
    source: str
    """Who published it."""


class Entry(msgspec.Struct, frozen=True):
    """One network of the catalogue."""

    name: str
    """`googlenet`, or `googlenet@torchvision` for a port."""
    family: str
    """The network's name as its authors write it."""
    source: str
    """The paper or the implementation that the config follows."""
    config: Network
    """The network itself."""
    published: PublishedAccuracy | None = None
    """None where no accuracy is published for this port."""

    @property
    def dialect(self) -> str:
        """The part of the name after `@`; empty for the network without a port."""
        return self.name.partition("@")[2]

    @property
    def description(self) -> str:
        """One line about the network: `GoogLeNet, torchvision`."""
        return f"{self.family}, {self.source}"
