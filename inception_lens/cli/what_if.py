"""`inception-lens what-if`: a network with the widths of some layers changed."""

import re

import click

from inception_lens.analyses import machines
from inception_lens.analyses.savings.changes import WhatIf, what_if
from inception_lens.cli import options
from inception_lens.cli.savings_output import result_options
from inception_lens.errors import ConfigError
from inception_lens.lens import load
from inception_lens.lens.keys import Keys

HELP = """Show what MODEL would cost with other widths: KEY is a layer, VALUE its number of output channels.

\b
inception-lens what-if googlenet inception_4e/5x5_reduce=16
inception-lens what-if net.onnx conv1=48 conv2=96

The layers and modules whose cost changes are listed with their cost before and after. An output file that ends in
.svg, .png or .pdf is a figure.
"""


@click.command("what-if", help=HELP)
@options.model_argument()
@click.argument("changes", metavar="KEY=VALUE...", nargs=-1, required=True)
@options.machine_option
@options.network_options("Training keeps the auxiliary heads.")
@result_options(proofs=True)
def command(model: str, changes: tuple[str, ...], machine: str, network: options.NetworkOptions) -> WhatIf:
    """Run the command; its help is `HELP`."""
    widths, graph = _widths(changes), load(model, **network)
    for key in widths:
        if key in Keys.__optional_keys__ and key not in graph.index.nodes:
            raise ConfigError(
                f"`{key}` is a key of the config, not a layer: `compare A A --set-b {key}=...` changes it"
            )
    return what_if(graph, widths, machines.machine(machine))


def _widths(changes: tuple[str, ...]) -> dict[str, int]:
    widths = {}
    for change in changes:
        layer, _, width = change.rpartition("=")
        if not layer or not re.fullmatch(r"[1-9]\d{0,8}", width, flags=re.ASCII):
            raise ConfigError(f"{change}: expected LAYER=WIDTH, such as inception_4e/5x5_reduce=16")
        widths[layer] = int(width)
    return widths
