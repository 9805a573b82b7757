"""`inception-lens weights`: the tensors of a weight file, and their conversion into a network's names."""

from collections.abc import Sequence

import click

from inception_lens.cli import options
from inception_lens.cli.output import OutputTarget, as_json, emit, output_options, write
from inception_lens.errors import ConfigError
from inception_lens.lens import load
from inception_lens.readers.tensors import WeightFile
from inception_lens.readers.weights.files import read_weights
from inception_lens.tables.weights import conversion_table, weights_table

CONVERTED = "safetensors"
"""The format of converted weights, and the suffix of their file."""


@click.command("weights")
@click.argument("file")
@click.option(
    "--into", metavar="MODEL", type=options.ModelType(), help="Convert into the names of this network's PyTorch module."
)
@options.network_options("With --into: training includes the auxiliary heads.", without=("batch", "dtype", "weights"))
@output_options(CONVERTED)
def command(file: str, into: str | None, network: options.NetworkOptions, outputs: Sequence[OutputTarget]) -> int:
    """List the tensors of FILE, without executing anything in it or reading their data; or convert them.

    FILE holds weights of PyTorch, TensorFlow, Keras, Paddle, MXNet, Caffe, ONNX or NumPy; its content decides the
    format. With --into MODEL -o weights.safetensors, its tensors are written under the names of MODEL's PyTorch module,
    and the tensors that were not placed or that are missing are listed; the exit code is 1 if a tensor of MODEL is
    missing.
    """
    weights = read_weights(file)
    converted = [output for output in outputs if (output.file or "").endswith(f".{CONVERTED}")]
    if into is not None:
        if not converted:
            given = outputs[0].file or "nothing"
            raise ConfigError(f"--into writes a .{CONVERTED}: give -o weights.{CONVERTED}, not {given}")
        return _convert(weights, into, network, outputs, converted)
    if converted or CONVERTED in [output.format for output in outputs]:
        raise ConfigError(f"a .{CONVERTED} is written with --into MODEL, whose names the tensors get")
    record = {"file": weights.path, "format": weights.format, "tensors": weights.tensors}
    emit(outputs, lambda: as_json(record), lambda _: weights_table(weights))
    return 0


def _convert(
    weights: WeightFile,
    into: str,
    network: options.NetworkOptions,
    outputs: Sequence[OutputTarget],
    converted: Sequence[OutputTarget],
) -> int:
    """Write the converted tensors, and the report to the other outputs, or else to standard output."""
    from inception_lens.writers.weights.conversion import convert_weights

    data, report = convert_weights(weights, load(into, **network))
    for output in converted:
        write(data, output.file)
    chosen = converted[0].format
    reports = [output for output in outputs if output not in converted]
    reports = reports or [OutputTarget("table" if chosen == CONVERTED else chosen, None)]
    emit(reports, lambda: as_json(report), lambda _: conversion_table(report))
    return 1 if report.unset else 0
