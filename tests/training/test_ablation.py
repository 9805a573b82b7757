"""An ablation compares the means of its arms with their spread."""

import pytest
from msgspec.structs import replace

from inception_lens.cli.training.networks import networks_of
from inception_lens.errors import ConfigError
from inception_lens.ops import Conv2d
from inception_lens.renderers.plots.ablation import ablation_figure
from inception_lens.renderers.plots.figure import figure_bytes
from inception_lens.renderers.tables import markdown
from inception_lens.training.ablation import COMPARISONS, FIGURE_2A, Ablation, Arm, summarize_runs, width_arms
from inception_lens.training.ablation_table import ablation_table
from inception_lens.training.recipe import DIGITS
from inception_lens.training.recipe_file import with_changes
from inception_lens.training.run.records import Summary

RUN = Summary(
    accuracy=0.9,
    top5=1.0,
    loss=0.1,
    best_accuracy=0.9,
    best_epoch=20,
    per_class={},
    parameters_sha256="",
    params=100,
    macs=1000,
    images_per_second=50.0,
    seconds=9.0,
    cpu_seconds=12.0,
    epochs=20,
    steps=400,
    rollbacks=0,
    model="tiny",
    data="digits",
    train_images=1347,
    test_images=450,
    device="cpu",
    precision="float32",
    processes=1,
    torch="",
)


def runs(*accuracies: float, params: int = 100) -> list[Summary]:
    return [replace(RUN, accuracy=accuracy, params=params, macs=10 * params) for accuracy in accuracies]


def found(reduced: tuple[float, ...] = (0.98, 0.99, 1.0), naive: tuple[float, ...] = (0.95, 0.96, 0.94)) -> Ablation:
    arms = {"reduced": runs(*reduced), "naive": runs(*naive, params=400)}
    return summarize_runs("reduction", range(len(reduced)), arms)


def test_mean_spread_and_n() -> None:
    first, other = found().arms
    assert first.mean == pytest.approx(0.99)
    assert first.n == 3
    assert first.deviation == pytest.approx(0.01)
    (difference,) = found().differences
    assert difference.accuracy == pytest.approx(-0.04)
    assert difference.spread == pytest.approx(0.02**0.5 / 10)
    assert difference.more_than_spread is True
    assert (difference.params, difference.macs) == (4, 4)
    assert other.arm == difference.arm


def verdict(ablation: Ablation) -> object:
    _, differences = ablation_table(ablation)
    return dict(zip([column.key for column in differences.columns], differences.rows[0].cells, strict=True))["verdict"]


def test_a_difference_within_the_spread() -> None:
    within = found(naive=(0.97, 1.0, 0.985))
    assert within.differences[0].more_than_spread is False
    assert verdict(within) == "within the spread"
    assert verdict(found()) == "larger than the spread"


def test_one_seed_has_no_spread() -> None:
    one = found((0.99,), (0.97,))
    assert one.arms[0].deviation is one.differences[0].spread is one.differences[0].more_than_spread is None
    assert verdict(one) == "spread unknown from one seed"


def test_table_and_figure() -> None:
    arms, differences = ablation_table(found(), "2026-11-25, 2 cores: inception-lens ablate")
    assert arms.title == "Ablation: reduction"
    assert arms.subtitle == "digits, 20 epochs, seeds 0, 1, 2"
    reduced, naive = arms.rows
    assert reduced.cells[:2] == pytest.approx((0.99, 0.01))
    assert reduced.cells[2:] == (3, "98.00, 99.00, 100.00", 100, 1000, 9.0, 12.0)
    assert (naive.label, naive.cells[4:6]) == ("naive", (400, 4000))
    assert differences.rows[0].cells[0] == pytest.approx(-0.04)
    assert differences.rows[0].cells[3:] == (4, 4)
    assert differences.notes[-1] == "2026-11-25, 2 cores: inception-lens ablate"
    assert "| naive |           -4.00 % | 1.41 % |" in markdown.render(arms)
    assert figure_bytes(ablation_figure(found().arms, "reduction"), "svg").count(b"<path") > 20


@pytest.mark.parametrize("name", COMPARISONS)
def test_every_arm_is_a_different_network(name: str) -> None:
    arms = [*COMPARISONS[name], *([FIGURE_2A] if name == "reduction" else [])]
    graphs = [networks_of(with_changes(DIGITS, {**arm.recipe, "network": arm.network}), 10).training for arm in arms]
    assert all(one != other for i, one in enumerate(graphs) for other in graphs[:i])
    assert len({arm.name for arm in arms}) == len(arms)


def test_the_kernels_of_the_kernel_comparison() -> None:
    def kernels(arm: Arm) -> list[tuple[int, ...]]:
        graph = networks_of(with_changes(DIGITS, {**arm.recipe, "network": arm.network}), 10).inference
        ops = [node.op for node in graph.nodes if node.name.startswith("inception_3a/5x5")]
        return [op.kernel_size for op in ops if isinstance(op, Conv2d)]

    five, pairs, three = map(kernels, COMPARISONS["kernel"])
    assert five == [(1, 1), (5, 5)]
    assert pairs == [(1, 1), (3, 3), (3, 3)]
    assert three == [(1, 1), (3, 3)]


def test_widths() -> None:
    assert [arm.network for arm in width_arms("0.125,0.5")] == [{"width": 0.125}, {"width": 0.5}]
    for wrong in ("0.5", "a,b", "0.5,0.5", ""):
        with pytest.raises(ConfigError, match="at least two distinct numbers"):
            width_arms(wrong)
