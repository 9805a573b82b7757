"""`inception-lens list`: the catalogue."""

from collections.abc import Sequence

import click

from inception_lens.analyses.catalogue import sized
from inception_lens.architectures.catalogue import entries
from inception_lens.cli.output import OutputTarget, as_json, emit, output_options
from inception_lens.tables.catalogue import catalogue_table


@click.command("list")
@output_options()
def command(outputs: Sequence[OutputTarget]) -> None:
    """List the catalogue: every network and its ports, name@dialect, with its cost and published accuracy."""
    networks = sized(entries())
    emit(outputs, lambda: as_json(networks), lambda _: catalogue_table(networks))
