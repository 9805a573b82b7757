"""The catalogue: every network by name, and each port of it as `name@dialect`."""

import msgspec

from inception_lens.architectures import googlenet
from inception_lens.architectures.network import Network
from inception_lens.errors import UnknownModelError, suggest


class Entry(msgspec.Struct, frozen=True):
    """One network of the catalogue."""

    name: str
    """`googlenet`, or `googlenet@torchvision` for a port."""
    family: str
    """The network's name as its authors write it."""
    source: str
    """Where this very table comes from."""
    config: Network

    @property
    def dialect(self) -> str:
        """What stands behind the `@`; empty for the paper's own network."""
        return self.name.partition("@")[2]

    @property
    def description(self) -> str:
        """One line on what the network is."""
        return f"{self.family}, {self.source}"


ENTRIES: dict[str, Entry] = {
    name: Entry(name, "GoogLeNet", source, config)
    for dialect, (config, source) in googlenet.DIALECTS.items()
    for name in [f"googlenet@{dialect}" if dialect else "googlenet"]
}
"""Every entry by its name."""


def find(name: str) -> Entry:
    """The entry called `name`, in any case of letters.

    Raises:
        UnknownModelError: there is none; the message names the nearest.
    """
    entry = ENTRIES.get(name.lower())
    if entry is None:
        raise UnknownModelError(f"`{name}` is no network of the catalogue{suggest(name, ENTRIES)}")
    return entry


def base_of(config: Network) -> str:
    """The name of the first network that `config` could be a variation of."""
    return next(entry.name for entry in ENTRIES.values() if type(entry.config) is type(config))
