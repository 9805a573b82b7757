"""What a run of the benchmark has found; only ratios within it mean anything: machines differ, and so do hours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from inception_lens.benchmarks.works import ANALYSIS, WORKS
from inception_lens.errors import FormatError
from inception_lens.readers.files import JSON_ERRORS, display_path, one_line, read_bytes

LARGEST = 4_000_000
"""Bytes of a run; one of everything takes fifty thousand."""
OURS = "Inception Lens"
"""On a PyTorch module, as all the others."""


class Measurement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One counter on one network, in a process of its own: none warms another's caches or adds to its memory."""

    network: str
    counter: str
    macs: int | None = None
    exact: bool | None = None
    """Whether the count is the network's own; None where it counts none."""
    first_seconds: float | None = None
    """Of the first call in the process."""
    seconds: float | None = None
    """Of a later call, the median; of the first where that took too long for others."""
    process_seconds: float | None = None
    """Of the process up to its first answer, imports and the making of the network included."""
    peak_bytes: int | None = None
    device: str = ""
    """Where the module stood; empty where there is none."""
    error: str = ""


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """A run: when, where, with what, and what it found."""

    schema: Literal["inception-lens/bench/1"] = "inception-lens/bench/1"
    date: str
    machine: str
    versions: dict[str, str]
    """Of Python and of the packages measured."""
    measurements: tuple[Measurement, ...]

    @property
    def networks(self) -> tuple[str, ...]:
        """All networks, in the order of the run."""
        return tuple(dict.fromkeys(each.network for each in self.measurements))

    @property
    def counters(self) -> tuple[str, ...]:
        """All that was asked for the count of a network."""
        found = dict.fromkeys(each.counter for each in self.measurements)
        return tuple(counter for counter in found if counter not in WORKS or counter == ANALYSIS)

    def of(self, network: str, counter: str) -> Measurement | None:
        """One measurement, if it was made."""
        asked_for = (each for each in self.measurements if (each.network, each.counter) == (network, counter))
        return next(asked_for, None)

    def peers(self, network: str, *, exact: bool = False) -> list[Measurement]:
        """What others answered on a network; with `exact`, of those that count it right."""
        return [
            each
            for each in self.measurements
            if each.network == network
            and each.counter != OURS
            and each.counter not in WORKS
            and not each.error
            and (each.exact or not exact)
        ]

    def times(
        self, network: str, counter: str, of: Callable[[Measurement], float | None], *, exact: bool = False
    ) -> float | None:
        """How many times one of ours the least of the others is, in what `of` reads; None where either is not known."""
        ours = self.of(network, counter)
        mine = of(ours) if ours else None
        theirs = [found for each in self.peers(network, exact=exact) if (found := of(each))]
        return min(theirs) / mine if theirs and mine else None


def read_bench(path: str) -> Bench:
    """Read what a run wrote as JSON.

    Raises:
        FormatError: it is no run of this benchmark.
    """
    data = read_bytes(path, LARGEST, "a benchmark run")
    try:
        return msgspec.json.decode(data, type=Bench)
    except JSON_ERRORS as error:
        raise FormatError(f"{display_path(path)}: no run of `inception-lens bench`: {one_line(error)}") from None
