"""`inception-lens sweep`: the cost of a network, or of one branch, over a range of widths."""

import re
from collections.abc import Sequence

import click

from inception_lens.analyses.savings.changes import Sweep, branch_sweep, network_sweep
from inception_lens.cli import options
from inception_lens.cli.branch import BranchOptions, branch_options
from inception_lens.cli.savings_output import result_options
from inception_lens.errors import ConfigError
from inception_lens.lens import load

MAX_POINTS = 1_000
"""Widths in one sweep."""

HELP = """Show the cost of MODEL over a range of widths of one layer, or of one branch over widths of its reduction.

\b
inception-lens sweep googlenet inception_4e/5x5_reduce=8..64..8
inception-lens sweep googlenet inception_4e/5x5_reduce=16,32,48 -o sweep.svg
inception-lens sweep --in 192 --out 96 --kernel 5 --size 28 --reduce 8..64..8

KEY is a layer. Its present width is one of the rows, marked.
"""


@click.command("sweep", help=HELP)
@click.argument("model", type=options.ModelType(), required=False)
@click.argument("change", metavar="[KEY=FROM..TO..STEP]", required=False)
@branch_options("One branch: the range of channels of its 1x1 reduction, FROM..TO..STEP.")
@options.network_options("Training keeps the auxiliary heads.")
@result_options(proofs=False)
def command(model: str | None, change: str | None, branch: BranchOptions, network: options.NetworkOptions) -> Sweep:
    """Run the command; its help is `HELP`."""
    if branch.given:
        if model or network != options.DEFAULTS:
            raise ConfigError("the options of one branch exclude MODEL and the options of a network")
        return branch_sweep(branch.branch(lambda text: _values(text)[0]), _values(str(branch.reduce)))
    if model is None or change is None:
        raise ConfigError("give MODEL KEY=FROM..TO..STEP, or one branch: --in, --out, --kernel, --size and --reduce")
    layer, _, text = change.rpartition("=")
    if not layer:
        raise ConfigError(f"{change}: expected KEY=FROM..TO..STEP, such as inception_4e/5x5_reduce=8..64..8")
    values = _values(text)
    return network_sweep(load(model, **network), layer, values)


def _values(text: str) -> Sequence[int]:
    """Read `FROM..TO`, `FROM..TO..STEP` or `A,B,C`."""
    found = re.fullmatch(r"([1-9]\d{0,8})\.\.([1-9]\d{0,8})(?:\.\.([1-9]\d{0,8}))?", text, flags=re.ASCII)
    if found:
        values: Sequence[int] = range(int(found[1]), int(found[2]) + 1, int(found[3] or 1))
    elif re.fullmatch(r"[1-9]\d{0,8}(,[1-9]\d{0,8})*", text, flags=re.ASCII):
        values = [int(value) for value in text.split(",")]
    else:
        raise ConfigError(f"range {text}: expected FROM..TO, FROM..TO..STEP or A,B,C, such as 8..64..8")
    if not 1 <= len(values) <= MAX_POINTS:
        raise ConfigError(f"range {text}: it has {len(values):,} widths; FROM is at most TO, with 1 to {MAX_POINTS:,}")
    return values
