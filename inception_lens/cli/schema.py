"""`inception-lens schema`: the JSON Schema of TOML configs."""

import json

import click

from inception_lens.cli.output import output_option, write
from inception_lens.readers.schema import config_schema


@click.command("schema")
@output_option
def command(files: tuple[str, ...]) -> None:
    """Print the JSON Schema of TOML configs, with which an editor completes and checks them."""
    for file in files or (None,):
        write(json.dumps(config_schema(), indent=2) + "\n", file)
