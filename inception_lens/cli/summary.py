"""`inception-lens summary`: the cost of each module or layer of a network."""

from collections.abc import Sequence

import click

from inception_lens import lens
from inception_lens.analyses.analysis import Analysis, analyze, head
from inception_lens.cli import options
from inception_lens.cli.output import OutputTarget, as_json, emit, output_options, write
from inception_lens.errors import ConfigError, TraceError
from inception_lens.graph import Graph
from inception_lens.tables.models import models_table
from inception_lens.tables.summary import summary_table
from inception_lens.tables.table import Table


@click.command("summary")
@click.argument("models", type=options.ModelType(), nargs=-1, metavar="[MODEL]...")
@options.network_options("Training keeps the auxiliary heads, and adds the cost of the backward pass.")
@click.option("--depth", metavar="D", help="Levels of modules to open, or all.  [default: 1; for csv all]")
@click.option("--sort", metavar="COLUMN", help="Sort by a column, largest first: macs, params, activation_bytes, ...")
@click.option("--columns", metavar="A,B,...", help="Columns to show: output_shape, params, macs, flops, ...")
@output_options()
def command(
    models: tuple[str, ...],
    network: options.NetworkOptions,
    depth: str | None,
    sort: str | None,
    columns: str | None,
    outputs: Sequence[OutputTarget],
) -> None:
    """Show the cost of each module of MODEL: shapes, parameters, MACs, FLOPs, memory and receptive field.

    MODEL is by default googlenet; of several models, each is a row with its totals. `inception-lens --help` lists what
    a MODEL can be. A PyTorch model without --input is the tree of its modules with their parameters.
    """
    if len(models) > 1:
        if (depth, sort, columns) != (None, None, None):
            raise ConfigError("--depth, --sort and --columns show the modules of one model, not of several")
        _totals([lens.analyze(model, **network) for model in models], outputs)
        return
    levels = 1 if depth is None else options.parse_depth(depth)
    keys = list(dict.fromkeys(key.strip() for key in columns.split(","))) if columns is not None else None

    def show(analysis: Analysis) -> None:
        def table(format_: str) -> Table:
            flat = format_ == "csv"
            deep = None if flat and depth is None else levels
            return summary_table(analysis, depth=deep, columns=keys, sort=sort, flat=flat)

        emit(outputs, analysis.to_json, table)

    try:
        show(lens.analyze(models[0] if models else "googlenet", **network))
    except TraceError as error:
        if isinstance(error.graph, Graph) and outputs == [OutputTarget("table", None)]:
            show(analyze(error.graph))
            write("\nthe layers above ran before the model failed\n", None)
        raise


def _totals(analyses: Sequence[Analysis], outputs: Sequence[OutputTarget]) -> None:
    records = [{**head(each.graph, "inception-lens/totals/1"), "totals": each.totals} for each in analyses]
    emit(outputs, lambda: as_json(records), lambda _: models_table(analyses))
