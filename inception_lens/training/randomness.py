"""Every random draw is a function of the seed and the position, so that a run goes on from any step as if never cut."""

import hashlib

import torch


def seed_of(seed: int, *position: object) -> int:
    """A seed of 63 bits for one use at one position: `seed_of(0, "dropout", step, shard)`."""
    text = ":".join(str(part) for part in (seed, *position))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(seed: int, *position: object) -> torch.Generator:
    """A generator on the CPU for one use at one position; the same on every device and process."""
    return torch.Generator().manual_seed(seed_of(seed, *position))
