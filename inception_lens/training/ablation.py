"""Does a choice cost accuracy? The same data, recipe and seeds for every arm; mean, spread and n; every run is kept."""

from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

import msgspec

from inception_lens.errors import ConfigError
from inception_lens.training.run.records import Summary


class Arm(msgspec.Struct, frozen=True):
    """One of the networks that are compared: keys of the config, or of the recipe, that differ."""

    name: str
    network: dict[str, Any] = msgspec.field(default_factory=dict)
    recipe: dict[str, Any] = msgspec.field(default_factory=dict)


REDUCED = Arm("reduced", {"reduce": "3x3,5x5,pool"})
NAIVE = Arm("naive", {"reduce": "pool"})
FIGURE_2A = Arm("figure-2a", {"reduce": "none"})
COMPARISONS: dict[str, tuple[Arm, ...]] = {
    "reduction": (REDUCED, NAIVE),
    "aux": (Arm("with-heads"), Arm("without-heads", {"aux": "none"})),
    "kernel": (
        Arm("one-5x5", {"kernel_5x5": 5}),
        Arm("two-3x3", {"kernel_5x5": 5}, {"rewrite": "3x3-pairs"}),
        Arm("one-3x3", {"kernel_5x5": 3}),
    ),
    "norm": tuple(Arm(f"norm-{name}", {"norm": name, "bias": name != "batch"}) for name in ("batch", "lrn", "none")),
    "pool": (Arm("average-pool", {"final_pool": "global"}), Arm("fully-connected", {"final_pool": "1x1/1"})),
}
"""By the name of the choice, its arms; the first is what the others are compared with."""


def width_arms(widths: str) -> tuple[Arm, ...]:
    """The arms of `--widths 0.125,0.25,0.5`.

    Raises:
        ConfigError: they are no numbers, or one alone.
    """
    try:
        values = [float(width) for width in widths.split(",")]
    except ValueError:
        values = []
    if len(set(values)) != len(values) or len(values) < 2:
        raise ConfigError(f"--widths {widths}: two numbers or more, such as 0.125,0.25,0.5")
    return tuple(Arm(f"width-{value:g}", {"width": value}) for value in values)


class Spread(msgspec.Struct, frozen=True):
    """Accuracies of one arm over the seeds."""

    arm: str
    accuracies: list[float]
    """Top-1 of each seed, 0 to 1."""
    mean: float
    deviation: float | None
    """Sample standard deviation; None for one seed."""
    n: int
    params: int
    macs: int
    images_per_second: float | None
    seconds: float
    """Mean time of a run on the clock, evaluation included."""
    cpu_seconds: float
    """Mean time of a run on all cores together."""


class Difference(msgspec.Struct, frozen=True):
    """An arm beside the first one."""

    arm: str
    against: str
    accuracy: float
    """Mean of the arm less mean of the first."""
    spread: float | None
    """The standard deviation that a difference of two runs has by chance, sqrt(s1^2 + s2^2); None for one seed."""
    more_than_spread: bool | None
    params: float
    """Parameters of the arm, as a share of the first's."""
    macs: float


class Ablation(msgspec.Struct, frozen=True):
    """What an ablation found."""

    name: str
    data: str
    seeds: list[int]
    epochs: int
    arms: list[Spread]
    differences: list[Difference]


def spread(arm: str, summaries: Sequence[Summary]) -> Spread:
    """Gather the runs of one arm."""
    accuracies = [summary.accuracy for summary in summaries]
    rates = [summary.images_per_second for summary in summaries if summary.images_per_second]
    return Spread(
        arm,
        accuracies,
        mean(accuracies),
        stdev(accuracies) if len(accuracies) > 1 else None,
        len(accuracies),
        summaries[0].params,
        summaries[0].macs,
        mean(rates) if rates else None,
        mean(summary.seconds for summary in summaries),
        mean(summary.cpu_seconds for summary in summaries),
    )


def difference(arm: Spread, first: Spread) -> Difference:
    """Compare an arm with the first one."""
    by_chance = None
    if arm.deviation is not None and first.deviation is not None:
        by_chance = (arm.deviation**2 + first.deviation**2) ** 0.5
    found = arm.mean - first.mean
    return Difference(
        arm.arm,
        first.arm,
        found,
        by_chance,
        None if by_chance is None else abs(found) > by_chance,
        arm.params / first.params,
        arm.macs / first.macs,
    )


def gathered(name: str, seeds: Sequence[int], runs: Mapping[str, Sequence[Summary]]) -> Ablation:
    """Make the ablation of the summaries of every arm's runs, the first arm first."""
    first = next(iter(runs.values()))[0]
    arms = [spread(arm, summaries) for arm, summaries in runs.items()]
    return Ablation(name, first.data, list(seeds), first.epochs, arms, [difference(arm, arms[0]) for arm in arms[1:]])
