"""`inception-lens export`: a network in another format."""

import click

from inception_lens.cli import options
from inception_lens.cli.output import write
from inception_lens.lens import configure, load_with


@click.command("export")
@options.model_argument()
@click.option(
    "--to",
    type=click.Choice(["toml", "torch"]),
    required=True,
    help="toml: a config with every key, to be edited; torch: one Python file that needs PyTorch alone.",
)
@options.set_option
@options.output_option
def command(model: str, to: str, settings: tuple[str, ...], output: str | None) -> None:
    """Write MODEL, a name of the catalogue or a TOML config, in another format."""
    if to == "torch":
        from inception_lens.writers.torch_source import torch_source

        overrides = options.parse_settings(settings)
        training = load_with(model, overrides, mode="training")
        write(torch_source(training, load_with(model, overrides)), output)
        return
    from inception_lens.writers.toml import to_toml

    config, _, base = configure(model, options.parse_settings(settings))
    write(to_toml(config, base), output)
