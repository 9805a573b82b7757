"""`inception-lens savings`: what the reductions of a network and other rewrites save."""

import re

import click

from inception_lens.analyses.savings.branch import branch_savings
from inception_lens.analyses.savings.kinds import KINDS
from inception_lens.analyses.savings.network import DEFAULT_KINDS
from inception_lens.cli import options
from inception_lens.cli.branch import BranchOptions, branch_options
from inception_lens.cli.savings_output import ListedKinds, SavingsResult, result_options
from inception_lens.errors import ConfigError
from inception_lens.lens import savings

HELP = """Show what the 1x1 reductions of MODEL save, and what other rewrites save or would save.

\b
inception-lens savings                          the paper's GoogLeNet
inception-lens savings inception_v3 --kind all
inception-lens savings --in 192 --out 96 --kernel 5 --reduce 32 --size 28

Each saving is a rewrite of the network, and every number is the difference of two complete analyses. With --in,
--out, --kernel, --reduce and --size the command compares one branch with its reduction and without it. An output
file that ends in .svg, .png or .pdf is a figure.
"""


@click.command("savings", help=HELP)
@options.model_argument(default="")
@branch_options("One branch: channels of its 1x1 reduction.")
@click.option(
    "--kind",
    metavar="KIND,...",
    help=f"{', '.join(KINDS)}; all; or list, for the kinds that MODEL has.  [default: reductions,naive]",
)
@options.machine_option
@options.network_options("Training keeps the auxiliary heads, whose reductions count too.")
@result_options(proofs=True)
def command(
    model: str, branch: BranchOptions, kind: str | None, machine: str, network: options.NetworkOptions
) -> SavingsResult | ListedKinds:
    """Run the command; its help is `HELP`."""
    if branch.given:
        if model or kind or network != options.DEFAULTS:
            raise ConfigError("the options of one branch exclude MODEL, --kind and the options of a network")
        return branch_savings(branch.branch(_width))
    kinds = [name.strip() for name in (kind or ",".join(DEFAULT_KINDS)).split(",")]
    if kinds == ["list"]:
        return ListedKinds(savings(model or "googlenet", **network, kinds=["all"], machine=machine))
    return savings(model or "googlenet", **network, kinds=kinds, machine=machine)


def _width(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,8}", text, flags=re.ASCII):
        raise ConfigError(f"--reduce {text}: expected a whole number from 1; `sweep` takes a range")
    return int(text)
