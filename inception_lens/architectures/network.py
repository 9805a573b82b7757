"""The base of every configurable network: its classes, width and input, and how a config becomes a Graph."""

from typing import Annotated, Self

import msgspec
from msgspec import Meta

from inception_lens.errors import ConfigError, ShapeError
from inception_lens.graph import Graph, Input, Metadata, Mode, Output, Writer
from inception_lens.ops import BatchNorm2d, TensorType, format_shape

# A config may come from an untrusted file: every size has a bound, so that a small file cannot fill the memory.
Width = Annotated[int, Meta(ge=1, le=65_536, description="channels or units, before the width multiplier")]
Kernel = Annotated[int, Meta(ge=1, le=255)]
Stride = Annotated[int, Meta(ge=1, le=64)]
ImageSide = Annotated[int, Meta(ge=1, le=16_384)]
Rate = Annotated[float, Meta(ge=0, lt=1)]
LossWeight = Annotated[float, Meta(ge=0, le=1e6)]
FinalPool = Annotated[
    str,
    Meta(
        pattern=r"^(global|[1-9][0-9]{0,2}(x[1-9][0-9]{0,2})?(/[1-9][0-9]?)?)$(?!\n)",
        description="global, or kernel and stride of an average pool, such as 7x7/1",
    ),
]

SEARCH_DISTANCE = 320
"""Pixels: how far from an input that does not fit the error message looks for one that does."""


class ConfigTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every part of a config: a frozen value whose fields are the keys of a TOML table."""


class BatchNormConfig(ConfigTable, frozen=True, kw_only=True):
    """Batch normalisation, used with `norm = "batch"`."""

    eps: Annotated[float, Meta(gt=0, lt=1, description="added to the variance")] = 1e-3
    momentum: Annotated[float, Meta(ge=0, le=1, description="weight of a new batch in the running statistics")] = 0.1
    scale: Annotated[bool, Meta(description="whether gamma is learned; TF-slim learns only beta")] = True

    def op(self) -> BatchNorm2d:
        """The operation with these parameters."""
        return BatchNorm2d(self.eps, self.momentum, self.scale)


SLIM_BATCH_NORM = BatchNormConfig(momentum=0.0003, scale=False)
"""Of all Inception networks in TF-slim: a decay of 0.9997 and no gamma (tf_slim/nets/inception_utils.py)."""


class Network(ConfigTable, frozen=True, kw_only=True):
    """A configurable network. A subclass adds its own fields and implements `write`."""

    classes: Annotated[int, Meta(ge=1, le=1_000_000, description="outputs of the last layer")] = 1000
    width: Annotated[float, Meta(gt=0, le=64, description="multiplies every width but the classes")] = 1.0
    input: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=4096)], ImageSide, ImageSide],
        Meta(description="channels, height and width of one image; in a file also 224 or '3x224x224'"),
    ] = (3, 224, 224)

    @property
    def has_auxiliary_heads(self) -> bool:
        """Whether the network of training mode has auxiliary heads."""
        return False

    def write(self, writer: Writer, image: str, mode: Mode) -> tuple[Output, ...]:
        """Write the network that reads `image`, and return its outputs, the main one first."""
        raise NotImplementedError

    def graph(self, mode: Mode = "inference", batch: int = 1, metadata: Metadata | None = None) -> Graph:
        """Build the network.

        Raises:
            ConfigError: a value has the wrong type or is out of bounds, or two values contradict each other.
            ShapeError: a window does not fit its input; the message names nearby image sizes that work.
        """
        self.check()
        try:
            return self._build(self.input, mode, batch, metadata)
        except ShapeError as error:
            raise ShapeError(f"{error}{self._remedy(mode)}") from None

    def check(self) -> None:
        """Check the config's values, each alone and against each other.

        Raises:
            ConfigError: a value has the wrong type or is out of bounds, or two values contradict each other.
        """
        try:
            msgspec.convert(msgspec.to_builtins(self), type(self))
        except msgspec.ValidationError as error:
            raise ConfigError(f"{type(self).__name__}: {error}") from None

    def replace(self, **changes: object) -> Self:
        """A copy with some fields changed; `graph` checks it."""
        return msgspec.structs.replace(self, **changes)

    def scaled(self, channels: int) -> int:
        """A width times the multiplier, rounded half up, at least 1."""
        return max(int(channels * self.width + 0.5), 1)

    def accepts(self, image: tuple[int, int, int], mode: Mode = "inference") -> bool:
        """Whether every window fits when the input is an image of these channels, height and width."""
        try:
            self._build(image, mode, 1)
        except ShapeError:
            return False
        return True

    def _build(self, image: tuple[int, int, int], mode: Mode, batch: int, metadata: Metadata | None = None) -> Graph:
        writer = Writer([Input("input", TensorType((batch, *image)))])
        outputs = self.write(writer, "input", mode)
        return writer.graph(outputs, mode, metadata)

    def _remedy(self, mode: Mode) -> str:
        """The end of a ShapeError's message: the nearest square inputs that work.

        A size may fail although a smaller one works, so that both directions are searched size by size.
        """
        channels, *sides = self.input
        side = min(sides)
        smaller, larger = (
            next((n for n in sizes if self.accepts((channels, n, n), mode)), None)
            for sizes in (range(side - 1, max(side - SEARCH_DISTANCE, 1) - 1, -1), self._larger_sides(side, mode))
        )
        found = [format_shape((channels, n, n)) for n in (smaller, larger) if n]
        if not found:
            return ""
        if smaller is None and side <= SEARCH_DISTANCE:
            return f"; the smallest square input that works is {found[0]}"
        return f"; square inputs near it that work: {', '.join(found)}"

    def _larger_sides(self, side: int, mode: Mode) -> range:
        """The sizes above `side` to try; empty where a sample of 16 of them fails, which saves hundreds of builds."""
        sample = range(side + SEARCH_DISTANCE, side, -SEARCH_DISTANCE // 16)
        works = any(self.accepts((self.input[0], n, n), mode) for n in sample)
        return range(side + 1, side + SEARCH_DISTANCE + 1) if works else range(0)
