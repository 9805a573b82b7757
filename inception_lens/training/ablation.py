"""Ablations: whether a design choice costs accuracy, from runs of each alternative with the same data and seeds."""

from collections.abc import Mapping, Sequence
from statistics import mean, stdev

import msgspec

from inception_lens.errors import ConfigError
from inception_lens.training.run.records import Summary


class Arm(msgspec.Struct, frozen=True):
    """One alternative of a design choice."""

    name: str
    network: dict[str, object] = msgspec.field(default_factory=dict)
    """Keys of the network's config to change."""
    recipe: dict[str, object] = msgspec.field(default_factory=dict)
    """Keys of the recipe to change, as nested tables."""


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
"""The arms of each design choice; the first arm is the one that the others are compared with."""


def width_arms(widths: str) -> tuple[Arm, ...]:
    """The arms of `--widths 0.125,0.25,0.5`.

    Raises:
        ConfigError: they are not at least two distinct numbers.
    """
    try:
        values = [float(width) for width in widths.split(",")]
    except ValueError:
        values = []
    if len(set(values)) != len(values) or len(values) < 2:
        raise ConfigError(f"--widths {widths}: give at least two distinct numbers, such as 0.125,0.25,0.5")
    return tuple(Arm(f"width-{value:g}", {"width": value}) for value in values)


class ArmResult(msgspec.Struct, frozen=True):
    """The results of one arm over all seeds."""

    arm: str
    """Name of the arm."""
    accuracies: list[float]
    """Top-1 after the last epoch for each seed, 0 to 1."""
    mean: float
    """Of the accuracies."""
    deviation: float | None
    """Sample standard deviation of the accuracies; None for one seed."""
    n: int
    """Number of seeds."""
    params: int
    """Of the inference network."""
    macs: int
    """Of the inference network, for one image."""
    images_per_second: float | None
    """Mean training speed; None if unknown."""
    seconds: float
    """Mean wall time of a run, evaluation included."""
    cpu_seconds: float
    """Mean CPU time of a run on all cores."""


class ArmDifference(msgspec.Struct, frozen=True):
    """An arm compared with the first one."""

    arm: str
    """Name of the arm."""
    against: str
    """Name of the first arm."""
    accuracy: float
    """Mean accuracy of the arm minus that of the first arm."""
    spread: float | None
    """Standard deviation of the difference of two runs, sqrt(s1^2 + s2^2); None for one seed."""
    more_than_spread: bool | None
    """Whether the difference is larger than `spread`; None for one seed."""
    params: float
    """Parameters of the arm divided by those of the first arm."""
    macs: float
    """MACs of the arm divided by those of the first arm."""


class Ablation(msgspec.Struct, frozen=True):
    """The results of an ablation: `ablation.json`."""

    name: str
    """Name of the design choice."""
    data: str
    """The dataset."""
    seeds: list[int]
    epochs: int
    arms: list[ArmResult]
    differences: list[ArmDifference]
    """Each arm but the first, compared with the first."""


def arm_result(arm: str, summaries: Sequence[Summary]) -> ArmResult:
    """Summarize the runs of one arm."""
    accuracies = [summary.accuracy for summary in summaries]
    rates = [summary.images_per_second for summary in summaries if summary.images_per_second]
    return ArmResult(
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


def arm_difference(arm: ArmResult, first: ArmResult) -> ArmDifference:
    """Compare an arm with the first one."""
    spread = None
    if arm.deviation is not None and first.deviation is not None:
        spread = (arm.deviation**2 + first.deviation**2) ** 0.5
    accuracy = arm.mean - first.mean
    return ArmDifference(
        arm.arm,
        first.arm,
        accuracy,
        spread,
        None if spread is None else abs(accuracy) > spread,
        arm.params / first.params,
        arm.macs / first.macs,
    )


def summarize_runs(name: str, seeds: Sequence[int], runs: Mapping[str, Sequence[Summary]]) -> Ablation:
    """The ablation of the runs of each arm; the first arm is the one that the others are compared with."""
    first = next(iter(runs.values()))[0]
    arms = [arm_result(arm, summaries) for arm, summaries in runs.items()]
    return Ablation(
        name, first.data, list(seeds), first.epochs, arms, [arm_difference(arm, arms[0]) for arm in arms[1:]]
    )
