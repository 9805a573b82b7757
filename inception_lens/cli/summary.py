"""`inception-lens summary`: what each module or layer of a network costs."""

import re
from typing import Literal

import click

from inception_lens.analyses.analysis import Analysis, analyze
from inception_lens.cli import options
from inception_lens.cli.output import write
from inception_lens.errors import ConfigError, TraceError
from inception_lens.graph import Graph, Mode
from inception_lens.lens import load_with
from inception_lens.terminal import Terminal

Format = Literal["table", "json", "csv", "markdown", "latex", "html"]

SUFFIXES: dict[str, Format] = {
    ".txt": "table",
    ".json": "json",
    ".csv": "csv",
    ".md": "markdown",
    ".tex": "latex",
    ".html": "html",
}


@click.command("summary")
@options.model_argument(default="googlenet")
@options.input_option
@click.option("--batch", type=click.IntRange(1, 2**31), metavar="N", help="Samples at once.")
@click.option("--dtype", metavar="TYPE", help="Of activations and parameters: float32, float16, bfloat16, ...")
@click.option("--depth", metavar="D", help="Levels of modules to open, or all.  [default: 1; csv: all]")
@options.mode_option("Training keeps the auxiliary heads, and adds what the backward pass costs.")
@click.option("--sort", metavar="COLUMN", help="Largest first: macs, params, activation_bytes, ...")
@click.option("--columns", metavar="A,B,...", help="Columns to show: output_shape, params, macs, flops, ...")
@options.set_option
@options.format_option(SUFFIXES)
@options.output_option
def command(
    model: str,
    input_: tuple[str, ...],
    batch: int | None,
    dtype: str | None,
    depth: str | None,
    mode: Mode,
    sort: str | None,
    columns: str | None,
    settings: tuple[str, ...],
    format_: Format | None,
    output: str | None,
) -> None:
    """What each module of MODEL costs: shapes, parameters, MACs, memory, receptive field.

    MODEL is a name of the catalogue, such as googlenet or googlenet@torchvision, a TOML config,
    a file of Caffe (.prototxt), ONNX or torch.export (.pt2), or a callable of PyTorch, whose code
    is run: package.module:callable, file.py:callable.
    """
    chosen = format_ or options.format_of(output, SUFFIXES)
    levels = _levels(depth, default=None if chosen == "csv" else 1)
    try:
        graph = load_with(model, options.parse_settings(settings), options.parse_inputs(input_), mode, batch)
    except TraceError as error:
        if isinstance(error.graph, Graph) and chosen == "table" and output is None:
            write(_render(analyze(error.graph), chosen, levels, None, sort, to_terminal=True), None)
            write("\nthe part above ran before the model failed\n", None)
        raise
    if dtype is not None:
        graph = graph.with_dtype(dtype)
    keys = list(dict.fromkeys(key.strip() for key in columns.split(","))) if columns is not None else None
    write(_render(analyze(graph), chosen, levels, keys, sort, to_terminal=output is None), output)


def _render(
    analysis: Analysis,
    chosen: Format,
    depth: int | None,
    columns: list[str] | None,
    sort: str | None,
    to_terminal: bool,
) -> str:
    if chosen == "json":
        return analysis.to_json() + "\n"
    if chosen == "table":
        from inception_lens.renderers.text import summary_table

        terminal = Terminal()
        return summary_table(
            analysis,
            depth=depth,
            columns=columns,
            sort=sort,
            width=terminal.width,
            color=terminal.color and to_terminal,
            unicode=terminal.unicode or not to_terminal,
        )
    if chosen == "html":
        from inception_lens.renderers.pages.summary import summary_page

        return summary_page(analysis, depth=depth, columns=columns, sort=sort)
    from inception_lens.renderers import frame

    renderer = {"csv": frame.csv, "markdown": frame.markdown, "latex": frame.latex}[chosen]
    return renderer(analysis, depth=depth, columns=columns, sort=sort)


def _levels(depth: str | None, default: int | None) -> int | None:
    if depth is None:
        return default
    if depth == "all":
        return None
    if not re.fullmatch("[1-9][0-9]{0,3}", depth):
        raise ConfigError(f"--depth {depth}: it is a whole number from 1, or all")
    return int(depth)
