"""The results of a benchmark run. Only ratios within one run are meaningful: machines and their load differ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from inception_lens.benchmarks.startup import CommandTime
from inception_lens.benchmarks.tasks import ANALYSIS, TASKS
from inception_lens.errors import FormatError
from inception_lens.readers.files import JSON_ERRORS, display_path, one_line, read_bytes

MAX_BYTES = 4_000_000
"""Of a file; a complete run takes about 50,000."""
LENS = "Inception Lens"
"""The counter of this project, which traces a PyTorch module as the other counters do."""


class Measurement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One counter on one network, in a process of its own so that caches and memory are not shared."""

    network: str
    counter: str
    """Name of the counter, or of a task of Inception Lens."""
    macs: int | None = None
    """The MACs that it reports; None if it does not count."""
    exact: bool | None = None
    """Whether the MACs are exact; None if it does not count."""
    first_seconds: float | None = None
    """Cold: time of the first call on the network. The process has counted another, small module before, and what it
    remembers of operators is cleared."""
    seconds: float | None = None
    """Hot: median time of later calls; of the first call if that took more than 20 s."""
    process_seconds: float | None = None
    """Time from the start of the process to the first result, with imports and the construction of the network."""
    peak_bytes: int | None = None
    """Peak memory of the process."""
    bytes_per_node: float | None = None
    """Peak of Python's allocations, divided by the nodes of the graph, while the graph of a long chain is built or
    traced."""
    device: str = ""
    """Device of the module, `meta` or `cpu`; empty if there is no module."""
    error: str = ""
    """Why there is no result; empty if there is one."""


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """The results of one run, with its date and machine."""

    schema: Literal["inception-lens/bench/1"] = "inception-lens/bench/1"
    date: str
    """ISO 8601."""
    machine: str
    """Architecture and number of cores."""
    versions: dict[str, str]
    """Versions of Python and of the measured packages."""
    measurements: tuple[Measurement, ...]
    commands: tuple[CommandTime, ...] = ()
    """Start-up times; empty if they were not measured."""

    @property
    def networks(self) -> tuple[str, ...]:
        """The measured networks, in the order of the run."""
        return tuple(dict.fromkeys(each.network for each in self.measurements))

    @property
    def counters(self) -> tuple[str, ...]:
        """The measured counters, with the analysis task, which counts too."""
        names = dict.fromkeys(each.counter for each in self.measurements)
        return tuple(counter for counter in names if counter not in TASKS or counter == ANALYSIS)

    def of(self, network: str, counter: str) -> Measurement | None:
        """The measurement of a counter on a network, or None."""
        matches = (each for each in self.measurements if (each.network, each.counter) == (network, counter))
        return next(matches, None)

    def peers(self, network: str, *, exact: bool = False) -> list[Measurement]:
        """The measurements of other tools on a network that succeeded; with `exact`, only of exact counts."""
        return [
            each
            for each in self.measurements
            if each.network == network
            and each.counter != LENS
            and each.counter not in TASKS
            and not each.error
            and (each.exact or not exact)
        ]

    def ratio(
        self, network: str, counter: str, of: Callable[[Measurement], float | None], *, exact: bool = False
    ) -> float | None:
        """The lowest value of the other tools divided by that of `counter`; None if either is unknown.

        `of` reads the value from a measurement, such as a time.
        """
        own = self.of(network, counter)
        value = of(own) if own else None
        others = [other for each in self.peers(network, exact=exact) if (other := of(each))]
        return min(others) / value if others and value else None


def read_bench(path: str) -> Bench:
    """Read a run from JSON.

    Raises:
        FormatError: the file is not a run of this benchmark.
    """
    data = read_bytes(path, MAX_BYTES, "a benchmark run")
    try:
        return msgspec.json.decode(data, type=Bench)
    except JSON_ERRORS as error:
        raise FormatError(f"{display_path(path)}: not a run of `inception-lens bench`: {one_line(error)}") from None
