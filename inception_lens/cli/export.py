"""`inception-lens export`: a network in another format."""

import click

from inception_lens.cli import options
from inception_lens.cli.output import write
from inception_lens.graph import Graph, Mode
from inception_lens.lens import configure, load_with

TO = {
    "toml": "a config with every key, to be edited",
    "prototxt": "Caffe",
}


@click.command("export")
@options.model_argument()
@click.option(
    "--to", type=click.Choice(list(TO)), required=True, help="; ".join(f"{name}: {what}" for name, what in TO.items())
)
@options.input_option
@click.option(
    "--mode",
    type=click.Choice(["inference", "training"]),
    default="inference",
    show_default=True,
    help="Training keeps the auxiliary heads; a config always has them.",
)
@options.set_option
@options.output_option
def command(
    model: str, to: str, input_: tuple[str, ...], mode: Mode, settings: tuple[str, ...], output: str | None
) -> None:
    """Write MODEL, a name of the catalogue or a file, in another format."""
    overrides, inputs = options.parse_settings(settings), options.parse_inputs(input_)
    if to == "toml":
        from inception_lens.writers.toml import to_toml

        config, _, base = configure(model, overrides)
        write(to_toml(config, base), output)
    else:
        write(_written(load_with(model, overrides, inputs, mode), to), output)


def _written(graph: Graph, to: str) -> str | bytes:
    from inception_lens.writers.prototxt import to_prototxt

    return to_prototxt(graph)
