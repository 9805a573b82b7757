"""Every random draw is a function of the seed and of its position, so that a run can resume at any step."""

import hashlib

import torch


def derive_seed(seed: int, *position: object) -> int:
    """A seed of 63 bits for one use at one position: `derive_seed(0, "dropout", step, shard)`."""
    text = ":".join(str(part) for part in (seed, *position))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(seed: int, *position: object) -> torch.Generator:
    """A CPU generator for one use at one position, so that every device and process draws the same numbers."""
    return torch.Generator().manual_seed(derive_seed(seed, *position))
