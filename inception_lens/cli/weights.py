"""`inception-lens weights`: what a file of weights holds, and its conversion into a network's names."""

import os

import click
import msgspec

from inception_lens.cli import options
from inception_lens.cli.output import write
from inception_lens.errors import ConfigError
from inception_lens.lens import load
from inception_lens.readers.tensors import WeightFile
from inception_lens.readers.weights.files import read_weights


@click.command("weights")
@click.argument("file")
@click.option(
    "--into", metavar="MODEL", type=options.ModelType(), help="Convert into the names of this network's PyTorch module."
)
@options.network_options("With --into: training includes the auxiliary heads.", without=("batch", "dtype"))
@click.option("--format", "format_", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True)
@options.output_option
def command(file: str, into: str | None, network: options.NetworkOptions, format_: str, output: str | None) -> int:
    """List what FILE holds, without executing anything in it or reading its numbers; or convert it.

    FILE is a .caffemodel, .safetensors, .npz, .pth, .pt, .bin or .onnx. With --into MODEL -o weights.safetensors, its
    tensors are written in the names of MODEL's PyTorch module, and every one is named that found no place or that is
    missing; the exit code is 1 where any of MODEL's is missing.
    """
    weights = read_weights(file)
    if into is None:
        write(_listed(weights, format_), output)
        return 0
    if output is None or os.path.splitext(output)[1] != ".safetensors":
        raise ConfigError(f"--into writes a .safetensors: give -o weights.safetensors, not {output or 'nothing'}")
    from inception_lens.renderers.weights import placed_text
    from inception_lens.writers.weights.conversion import convert_weights

    data, report = convert_weights(weights, load(into, **network))
    write(data, output)
    write(placed_text(report) if format_ != "json" else _json(report), None)
    return 1 if report.unset else 0


def _listed(weights: WeightFile, format_: str) -> str:
    from inception_lens.renderers.weights import weights_csv, weights_table

    if format_ == "json":
        return _json({"file": weights.path, "format": weights.format, "tensors": weights.tensors})
    return weights_csv(weights) if format_ == "csv" else weights_table(weights)


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"
