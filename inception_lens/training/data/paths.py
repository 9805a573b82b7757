"""Where data are, in words that hold in every folder."""

import os

STORED = ("folder", "flowers102", "cifar10", "cifar100", "npz")
"""Sources that a path stands behind."""


def absolute(data: str) -> str:
    """The source with its path made absolute: `folder:photos` as `folder:/home/me/photos`."""
    kind, _, path = data.partition(":")
    return f"{kind}:{os.path.abspath(os.path.expanduser(path))}" if kind in STORED and path else data
