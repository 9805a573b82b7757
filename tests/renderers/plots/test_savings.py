import pytest

import inception_lens as il
from inception_lens.analyses.machines import machine
from inception_lens.analyses.savings.changes import network_sweep, what_if
from inception_lens.errors import ConfigError
from inception_lens.renderers.plots.savings import savings_figure, sweep_figure, what_if_figure
from tests.renderers.figures import numbers


def test_bars_are_the_cost_of_each_module_with_and_without_a_saving() -> None:
    savings = il.savings("googlenet", kinds=("reductions",))
    params, macs = savings_figure(savings).axes
    (saving,) = savings.savings
    touched = [module for module in saving.modules if module.change.saved("params") or module.change.saved("macs")]
    assert len(touched) == 10
    for axes, key in ((params, "params"), (macs, "macs")):
        heights = [bar.get_height() for bar in axes.patches]  # type: ignore[attr-defined]
        assert heights[:10] == [getattr(module.change.using, key) for module in touched]
        assert heights[10:] == [getattr(module.change.without, key) for module in touched]
    assert params.get_title() == "6.999 M parameters, 25.30 M without"


def test_a_network_without_the_saving() -> None:
    with pytest.raises(ConfigError, match="`lenet` has nothing to draw"):
        savings_figure(il.savings("lenet"))


def test_a_sweep_marks_the_current_width_and_the_cost_without_the_reduction() -> None:
    sweep = network_sweep(il.load("googlenet"), "inception_3a/5x5_reduce", range(8, 33, 8))
    for axes, key in zip(sweep_figure(sweep).axes, ("params", "macs"), strict=True):
        curve, direct, own = axes.lines
        assert numbers(curve, "y") == [getattr(point, key) for point in sweep.points]
        assert sweep.direct
        assert set(numbers(direct, "y")) == {getattr(sweep.direct, key)}
        assert numbers(own, "x") == [16]


def test_other_widths_are_compared_with_the_current_widths() -> None:
    change = what_if(il.load("googlenet"), {"inception_4e/5x5_reduce": 16}, machine())
    params, _ = what_if_figure(change).axes
    assert params.get_title() == "6.999 M parameters now, 6.939 M then"
