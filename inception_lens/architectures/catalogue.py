"""The catalogue: every network by name, and each port of it as `name@dialect`."""

import importlib
from collections.abc import Iterator

from inception_lens.architectures.entry import Entry
from inception_lens.errors import UnknownModelError, suggest

FAMILIES: dict[str, tuple[str, ...]] = {
    "googlenet": ("googlenet",),
    "inception_v2": ("inception_v2",),
    "inception_v3": ("inception_v3",),
    "inception_v4": ("inception_v4",),
    "inception_resnet_v2": ("inception_resnet_v2",),
    "xception": ("xception",),
    "alexnet": ("alexnet",),
    "vgg": ("vgg13", "vgg16", "vgg19"),
    "resnet": ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    "nin": ("nin",),
    "lenet": ("lenet",),
}
"""Modules of this package and the networks in the `ENTRIES` of each: looking up a name imports only its own family."""


def entries() -> Iterator[Entry]:
    """Every network of the catalogue."""
    for family in FAMILIES:
        yield from _entries_of(family)


def names() -> list[str]:
    """Every name of the catalogue."""
    return [entry.name for entry in entries()]


def find(name: str) -> Entry:
    """The entry called `name`; upper and lower case are equal.

    Raises:
        UnknownModelError: the catalogue has no such name; the message suggests similar ones.
    """
    name = name.lower()
    network = name.partition("@")[0]
    for family, networks in FAMILIES.items():
        if network in networks:
            for entry in _entries_of(family):
                if entry.name == name:
                    return entry
    raise UnknownModelError(f"`{name}` is not a network of the catalogue{suggest(name, names())}")


def _entries_of(family: str) -> tuple[Entry, ...]:
    found: tuple[Entry, ...] = importlib.import_module(f"inception_lens.architectures.{family}").ENTRIES
    return found
