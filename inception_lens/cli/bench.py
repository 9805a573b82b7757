"""`inception-lens bench`: time, memory and exactness compared with other counters."""

from collections.abc import Mapping
from typing import Literal

import click
import msgspec

from inception_lens.benchmarks.record import Bench, Measurement, read_bench
from inception_lens.cli import INTERRUPTED, options
from inception_lens.cli.output import write
from inception_lens.cli.training.bench_training import train
from inception_lens.errors import ConfigError, require

BenchFormat = Literal["markdown", "json", "svg", "png", "pdf"]
SUFFIXES: dict[str, BenchFormat] = {".md": "markdown", ".json": "json", ".svg": "svg", ".png": "png", ".pdf": "pdf"}

HELP = """Measure time, memory and exactness of this package and of other counters.

\b
inception-lens bench -o bench.json                        everything: half an hour
inception-lens bench --from bench.json -o bench.svg       or bench.md, without measuring again
inception-lens bench --networks "GoogLeNet,ViT-L/16" --counters torchinfo

Needs the extra bench. Each measurement runs in its own process and is reported on standard error. Ctrl-C stops and
writes what was measured so far.
"""


@click.group("bench", invoke_without_command=True, help=HELP)
@click.option("--networks", metavar="A,B,...", help="Networks to measure.  [default: all]")
@click.option("--counters", metavar="A,B,...", help="Counters to measure.  [default: all]")
@click.option("--from", "earlier", metavar="FILE", help="Show the run in a JSON file instead of measuring.")
@options.output_option
@click.pass_context
def command(
    ctx: click.Context, networks: str | None, counters: str | None, earlier: str | None, output: str | None
) -> int:
    """Run the command; its help is `HELP`."""
    if ctx.invoked_subcommand:
        return 0
    format_ = options.format_of(output, SUFFIXES, without=".md")
    if earlier and (networks or counters):
        raise ConfigError("--networks and --counters select what to measure, and cannot be used with --from")
    bench, complete = (read_bench(earlier), True) if earlier else _run(networks, counters)
    write(_render(bench, format_), output)
    return 0 if complete else INTERRUPTED


def _run(networks: str | None, counters: str | None) -> tuple[Bench, bool]:
    """The measurements, and whether they are complete."""
    require("torch", extra="torch")
    from inception_lens.benchmarks import peers
    from inception_lens.benchmarks.counters import COUNTERS
    from inception_lens.benchmarks.networks import NETWORKS

    found: list[Measurement] = []
    try:
        for each in peers.measure_all(_names(networks, NETWORKS), _names(counters, COUNTERS)):
            _report(each)
            found.append(each)
    except KeyboardInterrupt:
        if not found:
            raise
        click.echo(f"interrupted: {len(found)} measurements are written", err=True)
        return peers.record(found), False
    return peers.record(found), True


def _report(each: Measurement) -> None:
    inexact = ", not exact" if each.exact is False else ""
    result = each.error or f"{1000 * (each.seconds or 0):,.1f} ms{inexact}"
    click.echo(f"{each.network}, {each.counter}: {result}", err=True)


def _render(bench: Bench, format_: BenchFormat) -> str | bytes:
    if format_ == "json":
        return msgspec.json.format(msgspec.json.encode(bench), indent=1).decode() + "\n"
    if format_ == "markdown":
        from inception_lens.benchmarks.report import markdown

        return markdown(bench)
    from inception_lens.benchmarks.figure import bench_figure
    from inception_lens.renderers.plots.figure import figure_bytes

    return figure_bytes(bench_figure(bench), format_)


def _names(names: str | None, known: Mapping[str, object]) -> list[str]:
    return [name.strip() for name in names.split(",")] if names else list(known)


command.add_command(train)
