"""`inception-lens profile`: what a network takes on this machine, measured layer by layer."""

import re
from typing import cast

import click

from inception_lens.cli import options
from inception_lens.cli.output import write
from inception_lens.errors import ConfigError, require
from inception_lens.lens import load
from inception_lens.terminal import Terminal

SUFFIXES = {".txt": "table", ".json": "json", ".svg": "svg", ".png": "png", ".pdf": "pdf"}


@click.command("profile")
@options.model_argument(default="googlenet")
@click.option("--device", default="cpu", show_default=True, metavar="cpu|cuda", help="Where it runs; cuda:1 too.")
@options.network_options("Training runs the auxiliary heads too, and measures the backward pass.")
@click.option("--repeats", type=click.IntRange(1, 10_000), default=10, show_default=True, help="Passes that count.")
@click.option("--warmup", type=click.IntRange(0, 10_000), default=3, show_default=True, help="Passes before those.")
@click.option("--depth", default="1", show_default=True, metavar="D", help="Levels of modules, or all.")
@click.option("--format", "format_", type=click.Choice(["table", "json"]), help="Default: by FILE's suffix, or table.")
@click.option("-o", "--output", metavar="FILE", help="Write to FILE: .txt, .json, or a roofline as .svg, .png or .pdf.")
def command(
    model: str,
    device: str,
    network: options.NetworkOptions,
    repeats: int,
    warmup: int,
    depth: str,
    format_: str | None,
    output: str | None,
) -> None:
    """Run MODEL and show, for each module, its time and memory beside what this machine could at best.

    The machine's ceilings are measured first: a matrix product for its arithmetic, a copy for its memory.
    """
    chosen = format_ or options.format_of(output, SUFFIXES)
    if depth != "all" and not re.fullmatch("[1-9][0-9]{0,3}", depth):
        raise ConfigError(f"--depth {depth}: it is a whole number from 1, or all")
    graph = load(model, **network)
    require("torch", extra="torch")
    from inception_lens.pytorch.measure.profile import profile

    found = profile(graph, device, warmup=warmup, repeats=repeats)
    if chosen == "json":
        write(found.to_json() + "\n", output)
    elif chosen == "table":
        from inception_lens.renderers.profile import profile_table

        style = Terminal().style(to_file=output is not None)
        write(profile_table(found, depth=None if depth == "all" else int(depth), **style), output)
    else:
        from inception_lens.analyses.analysis import analyze
        from inception_lens.analyses.roofline import roofline
        from inception_lens.renderers.plots.figure import FigureFormat, figure_bytes
        from inception_lens.renderers.plots.roofline import roofline_figure

        analysis = analyze(graph)
        figure = roofline_figure(analysis, roofline(graph, analysis.costs, found.machine), found.measured)
        write(figure_bytes(figure, cast(FigureFormat, chosen)), output)
