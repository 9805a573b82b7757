"""`inception-lens savings`: what the reductions of a network and other rewrites save."""

import re
from collections.abc import Sequence

import click

from inception_lens.analyses.savings.branch import branch_savings
from inception_lens.analyses.savings.kinds import KINDS
from inception_lens.analyses.savings.network import DEFAULT_KINDS
from inception_lens.cli import options
from inception_lens.cli.branch import BranchOptions, branch_options
from inception_lens.cli.output import OutputTarget, output_options
from inception_lens.cli.savings_output import PICTURES, SavingsResult, emit_kinds, emit_result, proof_options, prove
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
@proof_options
@options.network_options("Training keeps the auxiliary heads, whose reductions count too.")
@output_options(*PICTURES)
def command(
    model: str,
    in_channels: int | None,
    out_channels: int | None,
    kernel: str | None,
    size: str | None,
    reduce: str | None,
    bias: bool,
    kind: str | None,
    machine: str,
    verify: bool,
    measure: bool,
    device: str | None,
    network: options.NetworkOptions,
    outputs: Sequence[OutputTarget],
) -> int:
    """Run the command; its help is `HELP`."""
    sizes = BranchOptions(in_channels, out_channels, kernel, size, reduce, bias)
    result: SavingsResult
    if sizes.given:
        if model or kind or network != options.DEFAULTS:
            raise ConfigError("the options of one branch exclude MODEL, --kind and the options of a network")
        result = branch_savings(sizes.branch(_width))
    else:
        kinds = [name.strip() for name in (kind or ",".join(DEFAULT_KINDS)).split(",")]
        listed = kinds == ["list"]
        result = savings(model or "googlenet", **network, kinds=["all"] if listed else kinds, machine=machine)
        if listed:
            emit_kinds(outputs, result)
            return 0
    proof = prove(result, verify, measure, device)
    emit_result(outputs, result, proof)
    return 0 if proof.agrees else 1


def _width(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,8}", text, flags=re.ASCII):
        raise ConfigError(f"--reduce {text}: expected a whole number from 1; `sweep` takes a range")
    return int(text)
