"""`inception-lens export`: a network in another format."""

import click

from inception_lens.cli import options
from inception_lens.cli.output import write
from inception_lens.lens import configure


@click.command("export")
@options.model_argument()
@click.option("--to", type=click.Choice(["toml"]), required=True, help="toml: a config with every key, to be edited.")
@options.set_option
@options.output_option
def command(model: str, to: str, settings: tuple[str, ...], output: str | None) -> None:
    """Write MODEL, a name of the catalogue or a TOML config, in another format."""
    from inception_lens.writers.toml import to_toml

    config, _, base = configure(model, options.parse_settings(settings))
    write(to_toml(config, base), output)
