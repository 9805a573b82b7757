"""`inception-lens bench`: this project beside the counters that people use now."""

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

HELP = """Measure time, memory and whether the count is right, beside the tools that people use now.

\b
inception-lens bench -o bench.json                        all of it: half an hour
inception-lens bench --from bench.json -o bench.svg       or bench.md: nothing is measured again
inception-lens bench --networks "GoogLeNet,ViT-L/16" --counters torchinfo

Needs the extra bench. Each measurement is a process of its own; a line on standard error tells of each. Ctrl-C ends it
with what was measured until then.
"""


@click.group("bench", invoke_without_command=True, help=HELP)
@click.option("--networks", metavar="A,B,...", help="Networks to measure on.  [default: all]")
@click.option("--counters", metavar="A,B,...", help="Counters to measure.  [default: all that are installed]")
@click.option("--from", "earlier", metavar="FILE", help="Show a run that was written as JSON, and measure nothing.")
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
        raise ConfigError("--from shows an earlier run as it was: --networks and --counters are those of a new one")
    found, whole = (read_bench(earlier), True) if earlier else _run(networks, counters)
    write(_shown(found, format_), output)
    return 0 if whole else INTERRUPTED


def _run(networks: str | None, counters: str | None) -> tuple[Bench, bool]:
    """What was measured, and whether that is all that was asked for."""
    require("torch", extra="torch")
    from inception_lens.benchmarks import peers
    from inception_lens.benchmarks.counters import COUNTERS
    from inception_lens.benchmarks.networks import NETWORKS

    found: list[Measurement] = []
    try:
        for each in peers.compared(_asked(networks, NETWORKS), _asked(counters, COUNTERS)):
            _tell(each)
            found.append(each)
    except KeyboardInterrupt:
        if not found:
            raise
        click.echo(f"interrupted: {len(found)} measurements are written", err=True)
        return peers.run(found), False
    return peers.run(found), True


def _tell(each: Measurement) -> None:
    doubt = ", not exact" if each.exact is False else ""
    told = each.error or f"{1000 * (each.seconds or 0):,.1f} ms{doubt}"
    click.echo(f"{each.network}, {each.counter}: {told}", err=True)


def _shown(found: Bench, format_: BenchFormat) -> str | bytes:
    if format_ == "json":
        return msgspec.json.format(msgspec.json.encode(found), indent=1).decode() + "\n"
    if format_ == "markdown":
        from inception_lens.benchmarks.report import markdown

        return markdown(found)
    from inception_lens.benchmarks.figure import bench_figure
    from inception_lens.renderers.plots.figure import drawn

    return drawn(bench_figure(found), format_)


def _asked(names: str | None, known: Mapping[str, object]) -> list[str]:
    return [name.strip() for name in names.split(",")] if names else list(known)


command.add_command(train)
