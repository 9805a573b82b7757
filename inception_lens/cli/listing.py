"""`inception-lens list`: the catalogue."""

import click
import msgspec

from inception_lens.analyses.catalogue import sized
from inception_lens.architectures.catalogue import entries
from inception_lens.cli.output import write
from inception_lens.terminal import Terminal


@click.command("list")
@click.option("--format", "format_", type=click.Choice(["table", "json"]), default="table", show_default=True)
def command(format_: str) -> None:
    """The catalogue: every network and its ports, as name@dialect, with parameters and MACs."""
    rows = sized(entries())
    if format_ == "json":
        write(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode() + "\n", None)
        return
    from inception_lens.renderers.text import catalogue_table

    terminal = Terminal()
    write(catalogue_table(rows, width=terminal.width, color=terminal.color, unicode=terminal.unicode), None)
