"""`inception-lens schema`: the JSON Schema of TOML configs."""

import json

import click

from inception_lens.cli import options
from inception_lens.cli.output import write
from inception_lens.readers.schema import config_schema


@click.command("schema")
@options.output_option
def command(output: str | None) -> None:
    """Print the JSON Schema of TOML configs, with which an editor completes and checks them."""
    write(json.dumps(config_schema(), indent=2) + "\n", output)
