"""The networks of the benchmark as graphs: some of the catalogue, and chains of Inception modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from inception_lens.architectures.blocks import ConvStyle, InceptionWidths, inception
from inception_lens.architectures.catalogue import find
from inception_lens.graph import Graph, Input, Output, Writer
from inception_lens.ops import BatchNorm2d, TensorType

MODULE = InceptionWidths(conv_1x1=64, reduce_3x3=96, conv_3x3=128, reduce_5x5=16, conv_5x5=32, pool_proj=32)
LENGTHS = (10, 100, 1_000, 10_000)


class GraphPair(NamedTuple):
    """Two networks to compare."""

    graph: Callable[[], Graph]
    """Builds the network."""
    other: Callable[[], Graph]
    """Builds the network to compare it with."""
    name: str = ""
    """Catalogue name of the network; empty for a chain."""


def chain(length: int, style: ConvStyle | None = None, kernel_5x5: int = 5) -> Graph:
    """Build a chain of `length` Inception modules of 256 channels."""
    writer = Writer([Input("input", TensorType((1, 256, 28, 28)))])
    x = "input"
    for i in range(length):
        x = inception(writer, x, f"inception_{i}", MODULE, style or ConvStyle(), kernel_5x5, "ceil")
    return writer.graph([Output(x)])


def chain_name(length: int) -> str:
    """The name of a chain in the benchmark."""
    return f"{length} modules"


def _known(name: str, other: str) -> GraphPair:
    config, other_config = find(name).config, find(other).config
    return GraphPair(lambda: config.graph(), lambda: other_config.graph(), name)


def _chained(length: int) -> GraphPair:
    """A chain, and another one that differs in every layer."""
    return GraphPair(
        lambda: chain(length), lambda: chain(length, ConvStyle(bias=False, norm=BatchNorm2d()), kernel_5x5=3)
    )


GRAPHS: dict[str, GraphPair] = {
    "GoogLeNet": _known("googlenet@torchvision", "googlenet"),
    "Inception v3": _known("inception_v3@torchvision", "inception_v3"),
    "Inception v4": _known("inception_v4@timm", "inception_v4"),
    "Inception-ResNet-v2": _known("inception_resnet_v2@timm", "inception_resnet_v2"),
    "ResNet-152": _known("resnet152", "resnet101"),
    **{chain_name(length): _chained(length) for length in LENGTHS},
}
"""The graphs by the names of the networks in the benchmark."""
