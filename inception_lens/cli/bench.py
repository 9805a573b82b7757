"""`inception-lens bench`: this project beside the counters that people use now."""

import datetime
import os
from collections.abc import Mapping

import click
import msgspec

from inception_lens.cli import options
from inception_lens.cli.bench_training import train
from inception_lens.cli.output import write
from inception_lens.errors import ConfigError, require

SUFFIXES = {".md": "markdown", ".json": "json"}


@click.group("bench", invoke_without_command=True)
@click.option("--networks", metavar="A,B,...", help="Networks to measure on.  [default: all]")
@click.option("--counters", metavar="A,B,...", help="Counters to measure.  [default: all that are installed]")
@options.output_option
@click.pass_context
def command(ctx: click.Context, networks: str | None, counters: str | None, output: str | None) -> None:
    """Measure time, memory and whether the count is right, beside the tools that people use now.

    Needs the extra bench. Each measurement is a process of its own; a line on standard error tells of each. Into FILE
    it writes Markdown, or JSON where FILE ends in .json.
    """
    if ctx.invoked_subcommand:
        return
    require("torch", extra="torch")
    from inception_lens.benchmarks import peers
    from inception_lens.benchmarks.counters import COUNTERS
    from inception_lens.benchmarks.networks import NETWORKS
    from inception_lens.benchmarks.report import markdown

    suffix = os.path.splitext(output)[1] if output and output != "-" else ".md"
    if suffix not in SUFFIXES:
        raise ConfigError(f"{output}: a benchmark is written as {' or '.join(SUFFIXES)}")
    found = []
    for each in peers.compared(_asked(networks, NETWORKS), _asked(counters, COUNTERS)):
        doubt = ", not exact" if each.exact is False else ""
        told = each.error or f"{1000 * (each.seconds or 0):,.1f} ms{doubt}"
        click.echo(f"{each.network}, {each.counter}: {told}", err=True)
        found.append(each)
    if suffix == ".json":
        write(msgspec.json.format(msgspec.json.encode(found), indent=1).decode() + "\n", output)
    else:
        write(markdown(found, f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"), output)


def _asked(names: str | None, known: Mapping[str, object]) -> list[str]:
    return [name.strip() for name in names.split(",")] if names else list(known)


command.add_command(train)
