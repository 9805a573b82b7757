from typing import Any

import pytest

from inception_lens.errors import ConfigError
from inception_lens.renderers.plots.training import training_figure
from tests.renderers.figures import numbers

EPOCHS: list[dict[str, Any]] = [
    {
        "epoch": 1,
        "loss": 2.0,
        "evaluation_loss": 2.1,
        "accuracy": 0.3,
        "learning_rate": 0.1,
        "seconds": 3,
        "best": True,
    },
    {"epoch": 2, "loss": 1.0, "evaluation_loss": None, "accuracy": 0.6, "learning_rate": 0.05, "seconds": 3},
    {"epoch": 4, "loss": 0.5, "evaluation_loss": 1.2, "accuracy": 0.8, "learning_rate": 0.01, "seconds": 3},
]


def test_each_measure_is_a_line_in_its_panel() -> None:
    loss, accuracy, rate = training_figure(EPOCHS).axes
    assert [(line.get_label(), numbers(line, "x"), numbers(line, "y")) for line in loss.lines] == [
        ("loss", [1, 2, 4], [2.0, 1.0, 0.5]),
        ("evaluation loss", [1, 4], [2.1, 1.2]),
    ]
    assert numbers(accuracy.lines[0], "y") == [0.3, 0.6, 0.8]
    assert numbers(rate.lines[0], "y") == [0.1, 0.05, 0.01]


def test_a_run_of_one_measure() -> None:
    (axes,) = training_figure([{"top1": 0.5}, {"top1": 0.7}], "$run$", dark=True).axes
    assert numbers(axes.lines[0], "x") == [1, 2]


def test_values_that_are_not_finite_numbers_are_not_drawn() -> None:
    epochs: list[dict[str, object]] = [
        {"epoch": "a", "loss": 2.0},
        {"epoch": 10**400, "loss": 1.0},
        {"epoch": 3, "loss": 10**400},
    ]
    (axes,) = training_figure(epochs).axes
    assert (numbers(axes.lines[0], "x"), numbers(axes.lines[0], "y")) == ([1, 2], [2.0, 1.0])


@pytest.mark.parametrize("epochs", [[], [{"epoch": 1}], [{"loss": "much"}], [{"loss": True}], [{"loss": 1e999}]])
def test_nothing_to_draw(epochs: list[dict[str, object]]) -> None:
    with pytest.raises(ConfigError, match="no loss, accuracy or learning rate"):
        training_figure(epochs)


@pytest.mark.parametrize("losses", [(2.0, 1.1), (2.3, 0.02), (5_000.0, 0.5)])
def test_the_ticks_of_a_logarithmic_loss_are_plain_numbers(losses: tuple[float, float]) -> None:
    figure = training_figure([{"epoch": i, "train_loss": loss} for i, loss in enumerate(losses, 1)])
    figure.draw_without_rendering()
    axis = figure.axes[0].yaxis
    texts = [label.get_text() for label in (*axis.get_ticklabels(), *axis.get_ticklabels(minor=True))]
    shown = [float(text.replace(",", "")) for text in texts if text]
    assert any(min(losses) <= number <= max(losses) for number in shown)
