"""The targets of the benchmark: how many times better than the best other tool, by network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import NamedTuple

from inception_lens.benchmarks.graphs import GRAPHS, LENGTHS, chain_name
from inception_lens.benchmarks.networks import NETWORKS
from inception_lens.benchmarks.record import LENS, Bench, Measurement
from inception_lens.benchmarks.tasks import ANALYSIS

FIRST_SECONDS, SECONDS, PROCESS_SECONDS, PEAK_BYTES = map(
    attrgetter, ("first_seconds", "seconds", "process_seconds", "peak_bytes")
)
CHAINS = tuple(map(chain_name, LENGTHS))

ANALYSIS_RATIOS = {**dict.fromkeys(GRAPHS, 60.0), **dict.fromkeys(CHAINS, 30.0), "GoogLeNet": 100.0}
"""For the analysis of a graph from its config, in process."""
TRACED_RATIOS = {
    "GoogLeNet": 20.0, "Inception v3": 12.0, "Inception v4": 12.0, "Inception-ResNet-v2": 12.0, "ResNet-152": 25.0,
    "ViT-L/16": 30.0, "BERT base": 12.0, "Llama-style 7B": 8.0, "swin_t": 6.0, "ConvNeXt-L": 12.0, "T5-small": 6.0,
    **dict.fromkeys(CHAINS, 20.0),
}  # fmt: skip
"""For a traced module, hot, against exact counters."""
COLD = 0.6
"""The part of its hot ratio that a network should reach on its first call."""


class BenchTarget(NamedTuple):
    """A target: how many times better than the best other tool a counter should be."""

    title: str
    """In the table of targets."""
    column: str
    """In the table of networks."""
    counter: str
    """The counter or task of Inception Lens."""
    of: Callable[[Measurement], float | None]
    """Reads the value from a measurement."""
    minimum: Mapping[str, float]
    """The lowest ratio that meets the target, by network."""
    exact: bool = False
    """Whether to compare with exact counts only."""


def _everywhere(minimum: float) -> dict[str, float]:
    return dict.fromkeys(NETWORKS, minimum)


TARGETS = (
    BenchTarget("analysis of a catalogue network, in process", "analysis", ANALYSIS, SECONDS, ANALYSIS_RATIOS),
    BenchTarget("the same, as a process", "analysis, process", ANALYSIS, PROCESS_SECONDS, _everywhere(15)),
    BenchTarget("the same, peak memory", "analysis, memory", ANALYSIS, PEAK_BYTES, _everywhere(1)),
    BenchTarget("a PyTorch model, hot, of exact counters", "traced, hot", LENS, SECONDS, TRACED_RATIOS, exact=True),
    BenchTarget(
        "the same, cold",
        "traced, cold",
        LENS,
        FIRST_SECONDS,
        {network: COLD * ratio for network, ratio in TRACED_RATIOS.items()},
        exact=True,
    ),
    BenchTarget("the same, peak memory", "traced, memory", LENS, PEAK_BYTES, _everywhere(1), exact=True),
)


def known_ratios(bench: Bench, target: BenchTarget) -> dict[str, float]:
    """The measured ratios of a target, by network."""
    ratios = {
        name: bench.ratio(name, target.counter, target.of, exact=target.exact)
        for name in bench.networks
        if name in target.minimum
    }
    return {name: ratio for name, ratio in ratios.items() if ratio is not None}
