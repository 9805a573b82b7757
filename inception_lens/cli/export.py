"""`inception-lens export`: a network in another format."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from inception_lens.architectures.network import Network
from inception_lens.cli import options
from inception_lens.cli.output import output_option, write
from inception_lens.errors import ConfigError, FormatError
from inception_lens.graph import Graph
from inception_lens.lens import load, source_of
from inception_lens.lens.inputs import image_shape
from inception_lens.lens.resolution import is_callable

if TYPE_CHECKING:
    from inception_lens.readers.tensors import Array

TO = {
    "toml": "a config with every key, for editing; of a file only if it holds a GoogLeNet",
    "torch": "one Python file that needs only PyTorch",
    "prototxt": "Caffe",
    "onnx": "ONNX",
}


MAX_SHOWN = 8
"""Differences that are named; of more, the number is shown."""


@click.command("export")
@options.model_argument()
@click.option(
    "--to", type=click.Choice(list(TO)), required=True, help="; ".join(f"{name}: {what}" for name, what in TO.items())
)
@options.network_options(
    "Training keeps the auxiliary heads; --to toml and --to torch always have them.", without=("weights",)
)
@click.option(
    "--weights",
    metavar="FILE",
    help="The weights of an ONNX model: a FILE that `weights` reads, for a PyTorch callable its `state_dict`; built, "
    "those of a PyTorch model, and drawn by PyTorch for others; or none.  [default: built; none without PyTorch]",
)
@output_option
def command(
    model: str,
    to: str,
    network: options.NetworkOptions,
    weights: str | None,
    files: tuple[str, ...],
) -> None:
    """Write MODEL in another format.

    `inception-lens --help` lists what a MODEL can be.
    """
    if to == "toml":
        from inception_lens.writers.toml import to_toml

        result: str | bytes = to_toml(*_config(model, network))
    elif to == "torch":
        from inception_lens.writers.pytorch.source import torch_source

        source = source_of(model, network["overrides"])
        inference, training = source.both_modes(network["inputs"], batch=network["batch"], dtype=network["dtype"])
        result = torch_source(training, inference)
    elif to == "prototxt":
        from inception_lens.writers.caffe.prototxt import to_prototxt

        result = to_prototxt(load(model, **network))
    else:
        result = _onnx(model, network, weights, files)
    for file in files or (None,):
        write(result, file)


def _config(model: str, network: options.NetworkOptions) -> tuple[Network, str]:
    """The config of a network and the catalogue's name of its base; of a model without one, that of its graph.

    Raises:
        ConfigError: an option sets what a config does not hold.
    """
    for name in ("batch", "dtype"):
        if network[name] is not None:
            raise ConfigError(f"--{name}: a config has none; leave it out with --to toml")
    source = source_of(model, network["overrides"])
    if source.configurable:
        config, inputs = source.config, network["inputs"]
        return config if inputs is None else config.replace(input=image_shape(inputs)[1:]), source.base
    from inception_lens.writers.googlenet_config import googlenet_config

    return googlenet_config(source.graph(network["mode"], network["inputs"])), "googlenet"


def _onnx(model: str, network: options.NetworkOptions, weights: str | None, files: tuple[str, ...]) -> bytes:
    for path in files or ("",):
        if path != "-" and not path.lower().endswith(".onnx"):
            given = path or "the terminal"
            raise ConfigError(f"an ONNX model is binary: write it to a file with -o net.onnx, not {given}")
    file = None if weights in (None, "built", "none") else weights
    # A callable's module loads its state itself, with the names that it gives its tensors.
    source = source_of(model, network["overrides"], file if is_callable(model) else None)
    graph = source.graph(network["mode"], network["inputs"], batch=network["batch"], dtype=network["dtype"])
    if weights == "none" or (weights is None and find_spec("torch") is None):
        return _of_graph(graph, None)
    if file is not None and not is_callable(model):
        return _of_graph(graph, _from_file(file, graph))
    try:
        return _of_graph(graph, source.tensors(graph))
    except FormatError as error:
        try:
            data = source.exported_onnx(graph, network["inputs"], network["batch"])
        except FormatError as second:
            raise FormatError(f"{error}; {second}") from None
        if data is None:
            raise
        click.echo(f"written by PyTorch's own exporter: {error}", err=True)
        return data


def _of_graph(graph: Graph, tensors: dict[str, Array] | None) -> bytes:
    """The ONNX model of a graph; what it does not keep is written to standard error."""
    from inception_lens.writers.differences import grouped
    from inception_lens.writers.onnx.differences import differences
    from inception_lens.writers.onnx.model import to_onnx

    data = to_onnx(graph, tensors)
    lines = grouped(differences(graph, data))
    for line in lines[:MAX_SHOWN]:
        click.echo(f"difference when read back: {line}", err=True)
    if len(lines) > MAX_SHOWN:
        click.echo(f"{len(lines) - MAX_SHOWN:,} more differences when read back", err=True)
    return data


def _from_file(weights: str, graph: Graph) -> dict[str, Array]:
    from inception_lens.readers.weights.files import read_weights
    from inception_lens.writers.weights.conversion import converted_arrays

    arrays, report = converted_arrays(read_weights(weights), graph)
    if report.unset:
        missing = f"{len(report.unset)} tensors of `{graph.name}`, {report.unset[0]} among them"
        raise ConfigError(f"{weights} lacks {missing}: `weights {weights} --into MODEL` lists them")
    return arrays
