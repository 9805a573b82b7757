"""`inception-lens bench`: time, memory and exactness compared with other counters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast, get_args

import click

from inception_lens.benchmarks.peers import BenchPart
from inception_lens.benchmarks.record import Bench, Measurement, read_bench
from inception_lens.cli import INTERRUPTED
from inception_lens.cli.output import OutputTarget, as_json, emit, output_options
from inception_lens.cli.training.bench_training import train
from inception_lens.errors import ConfigError, require

if TYPE_CHECKING:
    from inception_lens.benchmarks.startup import CommandTime
    from inception_lens.renderers.plots.figure import FigureFormat
    from inception_lens.tables.table import Table

HELP = """Measure time, memory and exactness of this package and of other counters.

\b
inception-lens bench -o bench.json                        everything: half an hour
inception-lens bench --from bench.json -o bench.svg       or bench.md, without measuring again
inception-lens bench --only traced                        or static, startup, memory
inception-lens bench --networks "GoogLeNet,ViT-L/16" --counters torchinfo

Needs the extra bench. Each measurement runs in its own process and is reported on standard error. Ctrl-C stops and
writes what was measured so far.
"""


@click.group("bench", invoke_without_command=True, help=HELP)
@click.option("--networks", metavar="A,B,...", help="Networks to measure.  [default: all]")
@click.option("--counters", metavar="A,B,...", help="Counters to measure.  [default: all]")
@click.option(
    "--only",
    "part",
    type=click.Choice(get_args(BenchPart)),
    help="Measure one part: graphs without PyTorch, traced modules, start-up of commands, or memory of long chains.",
)
@click.option("--from", "earlier", metavar="FILE", help="Show the run in a JSON file instead of measuring.")
@output_options("svg", "png", "pdf")
def command(
    networks: str | None,
    counters: str | None,
    part: BenchPart | None,
    earlier: str | None,
    outputs: Sequence[OutputTarget],
) -> int:
    """Run the command; its help is `HELP`."""
    if click.get_current_context().invoked_subcommand:
        return 0
    if earlier and (networks or counters or part):
        raise ConfigError("--networks, --counters and --only select what to measure, and cannot be used with --from")
    bench, complete = (read_bench(earlier), True) if earlier else _run(networks, counters, part)
    emit(outputs, lambda: as_json(bench), lambda _: _table(bench), lambda format_: _picture(bench, format_))
    return 0 if complete else INTERRUPTED


def _run(networks: str | None, counters: str | None, part: BenchPart | None) -> tuple[Bench, bool]:
    """The measurements, and whether they are complete."""
    require("torch", extra="torch")
    from inception_lens.benchmarks import peers, startup
    from inception_lens.benchmarks.counters import COUNTERS
    from inception_lens.benchmarks.networks import NETWORKS

    found: list[Measurement] = []
    commands: list[CommandTime] = []
    selected = bool(networks or counters) or part not in (None, "startup")
    try:
        if not selected:
            commands = startup.command_times()
        for each in peers.measure_all(_names(networks, NETWORKS), _names(counters, COUNTERS), part):
            _report(each)
            found.append(each)
    except KeyboardInterrupt:
        if not found:
            raise
        click.echo(f"interrupted: {len(found)} measurements are written", err=True)
        return peers.record(found, commands), False
    return peers.record(found, commands), True


def _report(each: Measurement) -> None:
    inexact = ", not exact" if each.exact is False else ""
    result = each.error or f"{1000 * (each.seconds or 0):,.1f} ms{inexact}"
    click.echo(f"{each.network}, {each.counter}: {result}", err=True)


def _table(bench: Bench) -> Table:
    from inception_lens.benchmarks.tables import bench_table

    return bench_table(bench)


def _picture(bench: Bench, format_: str) -> bytes:
    from inception_lens.benchmarks.figure import bench_figure
    from inception_lens.renderers.plots.figure import figure_bytes

    return figure_bytes(bench_figure(bench), cast("FigureFormat", format_))


def _names(names: str | None, known: Mapping[str, object]) -> list[str]:
    return [name.strip() for name in names.split(",")] if names else list(known)


command.add_command(train)
