"""`inception-lens plot`: figures of a network, the catalogue or a training run."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, cast

import click
import msgspec

from inception_lens.analyses import machines
from inception_lens.analyses.catalogue import sized
from inception_lens.analyses.roofline import roofline
from inception_lens.architectures.catalogue import entries
from inception_lens.cli import options
from inception_lens.cli.output import OutputTarget, emit_each, format_options
from inception_lens.errors import ConfigError
from inception_lens.lens import analyze, savings
from inception_lens.readers.files import JSON_ERRORS
from inception_lens.renderers.plots.accuracy import accuracy_figure
from inception_lens.renderers.plots.costs import COST_FIGURES, CostPlot
from inception_lens.renderers.plots.figure import FigureFormat, figure_bytes
from inception_lens.renderers.plots.roofline import roofline_figure
from inception_lens.renderers.plots.savings import savings_figure
from inception_lens.renderers.plots.training import training_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = {".svg": "svg", ".png": "png", ".pdf": "pdf"}


@click.command("plot")
@click.argument("model", type=options.ModelType(), required=False)
@click.option(
    "--kind",
    type=click.Choice([*COST_FIGURES, "roofline", "savings", "accuracy", "training"]),
    help="modules: parameters and MACs by module and branch; cumulative: the same over depth; receptive-field; memory: "
    "activations over time; roofline: layers on a machine; savings: of reductions; accuracy: the catalogue's accuracy "
    "over cost; training: the curves of a run folder or a metrics.jsonl.  [default: modules; without MODEL accuracy]",
)
@options.network_options("Training keeps the auxiliary heads.")
@options.machine_option
@click.option("--theme", type=click.Choice(["light", "dark"]), default="light", show_default=True)
@format_options(FORMATS, default="")
def command(
    model: str | None,
    kind: str | None,
    network: options.NetworkOptions,
    machine: str,
    theme: Literal["light", "dark"],
    outputs: Sequence[OutputTarget],
) -> None:
    """Plot the cost of MODEL, the curves of a training run, or the accuracy of the catalogue."""
    kind = kind or ("modules" if model else "accuracy")
    dark = theme == "dark"
    figure: Figure
    if kind == "accuracy":
        if model:
            raise ConfigError(f"--kind accuracy plots the whole catalogue: leave out `{model}`")
        figure = accuracy_figure(sized(entries()), dark=dark)
    elif model is None:
        raise ConfigError(f"--kind {kind} needs {'a run folder' if kind == 'training' else 'a MODEL'}")
    elif kind == "training":
        figure = training_figure(_epochs(model), model, dark=dark)
    elif kind == "savings":
        figure = savings_figure(savings(model, **network, machine=machine), dark=dark)
    else:
        analysis = analyze(model, **network)
        if kind == "roofline":
            found = roofline(analysis.graph, analysis.costs, machines.machine(machine))
            figure = roofline_figure(analysis, found, dark=dark)
        else:
            figure = COST_FIGURES[cast(CostPlot, kind)](analysis, dark)
    emit_each(outputs, lambda output: figure_bytes(figure, cast(FigureFormat, output.format)))


def _epochs(run: str) -> list[dict[str, object]]:
    """The records of a run, of a run folder or a `metrics.jsonl`."""
    path = os.path.join(run, "metrics.jsonl") if os.path.isdir(run) else run
    try:
        with open(path, "rb") as file:
            return [msgspec.json.decode(line, type=dict[str, object]) for line in file if line.strip()]
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except JSON_ERRORS as error:
        raise ConfigError(f"{path}: a line is not a JSON object: {error}") from None
