"""The counts of a network by this package next to those of other counters; `pytorch/verify` collects them."""

import msgspec


class Opinion(msgspec.Struct, frozen=True):
    """The counts of one counter."""

    counter: str
    """Name of the counter, with its version if it is known."""
    macs: int | None = None
    """Multiply-accumulates of one forward pass; None if it counts none."""
    params: int | None = None
    """Learned numbers; None if it counts none."""
    explained: tuple[str, ...] = ()
    """Known reasons for a difference; if `agrees` is False, the difference that has none."""
    agrees: bool = True
    """Whether the counts are equal apart from known differences."""


class Opinions(msgspec.Struct, frozen=True):
    """The counts of one network by this package and by other counters."""

    name: str
    """Name of the network."""
    macs: int
    """Multiply-accumulates of one forward pass, by this package."""
    params: int
    """Learned numbers, by this package."""
    shapes_compared: int
    """Layers whose output shape was compared with that of a PyTorch module."""
    opinions: tuple[Opinion, ...]

    @property
    def agree(self) -> bool:
        """Whether every difference is a known one."""
        return all(each.agrees for each in self.opinions)
