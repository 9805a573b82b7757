"""Sources of data with absolute paths, so that they are valid in every working directory."""

import os

STORED = ("folder", "flowers102", "cifar10", "cifar100", "npz")
"""Kinds of sources that are followed by a path."""


def absolute(data: str) -> str:
    """The source with an absolute path: `folder:photos` as `folder:/home/me/photos`."""
    kind, _, path = data.partition(":")
    return f"{kind}:{os.path.abspath(os.path.expanduser(path))}" if kind in STORED and path else data
