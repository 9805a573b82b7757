"""`inception-lens list`: the catalogue."""

import click
import msgspec

from inception_lens.analyses.catalogue import Sized, sized
from inception_lens.architectures.catalogue import entries
from inception_lens.cli import options
from inception_lens.cli.output import write
from inception_lens.terminal import Terminal

FORMATS = ("table", "markdown", "json")


@click.command("list")
@click.option(
    "--format", "format_", type=click.Choice(["table", "markdown", "json"]), default="table", show_default=True
)
@options.output_option
def command(format_: str, output: str | None) -> None:
    """The catalogue: every network and its ports, as name@dialect, with cost and published accuracy."""
    write(_render(sized(entries()), format_), output)


def _render(networks: list[Sized], chosen: str) -> str:
    if chosen == "json":
        return msgspec.json.format(msgspec.json.encode(networks), indent=2).decode() + "\n"
    if chosen == "markdown":
        from inception_lens.renderers.frame import catalogue_markdown

        return catalogue_markdown(networks)
    from inception_lens.renderers.text import catalogue_table

    terminal = Terminal()
    return catalogue_table(networks, width=terminal.width, color=terminal.color, unicode=terminal.unicode)
