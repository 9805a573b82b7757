"""`inception-lens plot`: figures."""

import os
from typing import cast

import click

from inception_lens.analyses.catalogue import sized
from inception_lens.architectures.catalogue import entries
from inception_lens.cli.output import write
from inception_lens.errors import ConfigError
from inception_lens.renderers.plots import Format, accuracy_figure, drawn

FORMATS = (".svg", ".png", ".pdf")


@click.command("plot")
@click.option(
    "--kind",
    type=click.Choice(["accuracy"]),
    default="accuracy",
    show_default=True,
    help="accuracy: what the catalogue's networks reach on ImageNet, against what they cost.",
)
@click.option("-o", "--output", metavar="FILE", required=True, help="Write to FILE: .svg, .png or .pdf.")
def command(kind: str, output: str) -> None:
    """Draw a figure of the whole catalogue."""
    suffix = os.path.splitext(output)[1].lower()
    if suffix not in FORMATS:
        raise ConfigError(f"{output}: a figure is one of {', '.join(FORMATS)}")
    write(drawn(accuracy_figure(sized(entries())), cast(Format, suffix[1:])), output)
