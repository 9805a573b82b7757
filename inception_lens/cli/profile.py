"""`inception-lens profile`: the time and memory of a network on this machine, measured layer by layer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import click

from inception_lens.analyses.analysis import analyze
from inception_lens.analyses.roofline import roofline
from inception_lens.cli import options
from inception_lens.cli.output import OutputTarget, emit, output_options
from inception_lens.errors import require
from inception_lens.lens import load
from inception_lens.tables.profile import profile_table

if TYPE_CHECKING:
    from inception_lens.renderers.plots.figure import FigureFormat

PICTURES = ("svg", "png", "pdf")


@click.command("profile")
@options.model_argument(default="googlenet")
@click.option(
    "--device", default="cpu", show_default=True, metavar="cpu|cuda", help="Where it runs; cuda:1 is the second GPU."
)
@options.network_options("Training runs the auxiliary heads too, and measures the backward pass.")
@click.option("--repeats", type=click.IntRange(1, 10_000), default=10, show_default=True, help="Measured passes.")
@click.option(
    "--warmup", type=click.IntRange(0, 10_000), default=3, show_default=True, help="Passes before the measured ones."
)
@click.option("--depth", default="1", show_default=True, metavar="D", help="Levels of modules to open, or all.")
@output_options(*PICTURES)
def command(
    model: str,
    device: str,
    network: options.NetworkOptions,
    repeats: int,
    warmup: int,
    depth: str,
    outputs: Sequence[OutputTarget],
) -> None:
    """Run MODEL and show the time and memory of each module next to the roofline of this machine.

    The peaks of the roofline are measured first: a matrix product for arithmetic, a copy for memory bandwidth.
    """
    levels = options.parse_depth(depth)
    graph = load(model, **network)
    require("torch", extra="torch")
    from inception_lens.pytorch.measure.profile import profile

    found = profile(graph, device, warmup=warmup, repeats=repeats)

    def picture(form: str) -> bytes:
        from inception_lens.renderers.plots.figure import figure_bytes
        from inception_lens.renderers.plots.roofline import roofline_figure

        analysis = analyze(graph)
        figure = roofline_figure(analysis, roofline(graph, analysis.costs, found.machine), found.measured)
        return figure_bytes(figure, cast("FigureFormat", form))

    emit(outputs, found.to_json, lambda _: profile_table(found, depth=levels), picture)
