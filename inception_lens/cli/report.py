"""`inception-lens report`: everything about a network on one page."""

import os

import click

from inception_lens.cli import options
from inception_lens.errors import ConfigError
from inception_lens.lens import report
from inception_lens.renderers.escape import printable
from inception_lens.tables.units import size


@click.command("report")
@options.model_argument(default="googlenet")
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    required=True,
    help="Write into the folder DIR, which is created if it does not exist.",
)
@options.network_options("Training keeps the auxiliary heads.")
@click.option("--against", type=options.ModelType(), help="Compare with this network, on the same input.")
@click.option("--png", is_flag=True, help="Also write the diagram as a bitmap, network.png.")
@click.option("--set-against", metavar="KEY=VALUE", multiple=True, help="--set for the network --against alone.")
def command(
    model: str,
    output: str,
    network: options.NetworkOptions,
    against: str | None,
    png: bool,
    set_against: tuple[str, ...],
) -> None:
    """Write everything about MODEL into the folder DIR: index.html, and files for papers and programs.

    The page has the diagram with zoom, search, modules that open and heat maps, the table of layers, the distribution
    of parameters and MACs, the savings of reductions, memory over time and receptive fields. It is one file that works
    offline and loads nothing.
    """
    if set_against and not against:
        raise ConfigError("--set-against changes the second network: name it with --against")
    if os.path.exists(output) and not os.path.isdir(output):  # before the work is done
        raise ConfigError(f"-o {output}: it is a file, not a folder")
    overrides = options.parse_settings(set_against)
    page = report(model, **network, against=against, overrides_against=overrides, png=png)
    page.save(output)
    index = printable(os.path.join(output, "index.html"))
    click.echo(f"{index} ({size(len(page.files['index.html']))}) and {len(page.files) - 1} more files")
