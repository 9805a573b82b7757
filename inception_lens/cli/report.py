"""`inception-lens report`: everything about a network on one page."""

import os

import click

from inception_lens.cli import options
from inception_lens.errors import ConfigError
from inception_lens.graph import Mode
from inception_lens.lens import report_with
from inception_lens.renderers.escape import printable
from inception_lens.tables.units import size


@click.command("report")
@options.model_argument(default="googlenet")
@click.option("-o", "--output", metavar="DIR", required=True, help="Write into the folder DIR, made if need be.")
@options.input_option
@options.mode_option("Training keeps the auxiliary heads.")
@click.option("--against", type=options.ModelType(), help="Compare with this network too, on the same input.")
@options.set_option
@click.option("--set-against", metavar="KEY=VALUE", multiple=True, help="The same, of the network --against alone.")
def command(
    model: str,
    output: str,
    input_: tuple[str, ...],
    mode: Mode,
    against: str | None,
    settings: tuple[str, ...],
    set_against: tuple[str, ...],
) -> None:
    """Write everything about MODEL into DIR: index.html, and files for papers and programs beside it.

    The page holds the diagram with zoom, search, modules that open and heat maps; the table of layers; where
    parameters and MACs go; what reductions save; memory over time and receptive fields. It is one file that works
    offline, loads nothing and can be mailed alone. MODEL is as in `summary`.
    """
    if set_against and not against:
        raise ConfigError("--set-against changes the second network: name it with --against")
    if os.path.exists(output) and not os.path.isdir(output):  # told before the work is done
        raise ConfigError(f"-o {output}: it is a file, not a folder")
    report = report_with(
        model,
        options.parse_settings(settings),
        options.parse_inputs(input_),
        mode,
        against,
        options.parse_settings(set_against),
    )
    report.save(output)
    page = printable(os.path.join(output, "index.html"))
    click.echo(f"{page} ({size(len(report.files['index.html']))}), and {len(report.files) - 1} files beside it")
