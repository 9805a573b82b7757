"""`inception-lens savings`: what the reductions of a network save, and the other tricks of its family."""

import re
from collections.abc import Sequence

import click

from inception_lens.analyses.machines import DEFAULT, MACHINES, machine
from inception_lens.analyses.savings.branch import Branch, branch_savings
from inception_lens.analyses.savings.changes import branch_sweep, network_sweep, what_if
from inception_lens.analyses.savings.kinds import KINDS
from inception_lens.analyses.savings.network import DEFAULT_KINDS
from inception_lens.cli import options
from inception_lens.cli.output import write
from inception_lens.cli.savings_output import SUFFIXES, Result, prove, render, render_kinds
from inception_lens.errors import ConfigError
from inception_lens.graph import Graph
from inception_lens.lens import load_with, savings_with

MAX_POINTS = 1_000
"""Of one sweep."""


@click.command("savings")
@options.model_argument(default="")
@click.option("--in", "in_channels", type=int, metavar="N", help="One branch: channels of the map that it reads.")
@click.option("--out", "out_channels", type=int, metavar="N", help="One branch: channels that it makes.")
@click.option("--kernel", metavar="K", help="One branch: its large kernel, 5 or 1x7.")
@click.option("--reduce", type=int, metavar="N", help="One branch: channels of its 1x1 reduction.")
@click.option("--size", metavar="S", help="One branch: height and width of its map, 28 or 28x14.")
@click.option("--bias", is_flag=True, help="One branch: count biases too.")
@click.option("--kind", metavar="KIND,...", help=f"{', '.join(KINDS)}; all; or list: which of them MODEL has.")
@click.option("--what-if", "changes", metavar="NODE=N", multiple=True, help="A layer with another width. Repeatable.")
@click.option("--sweep", metavar="NODE=A..B..STEP", help="A layer's width, or one branch's reduce, through a range.")
@click.option(
    "--machine",
    "machine_name",
    metavar="NAME[:DTYPE]",
    default=DEFAULT,
    show_default=True,
    help=f"Whose roofline times are told: {', '.join(MACHINES)}.",
)
@click.option("--verify", is_flag=True, help="Build both networks in PyTorch and count them again; exit 1 on a doubt.")
@click.option("--measure", is_flag=True, help="Build both networks in PyTorch and time them.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), help="Where to measure.  [default: cuda if there is one]")
@options.input_option
@click.option("--batch", type=click.IntRange(1, 2**31), metavar="N", help="Samples at once.")
@options.set_option
@options.format_option(SUFFIXES)
@options.output_option
def command(
    model: str,
    in_channels: int | None,
    out_channels: int | None,
    kernel: str | None,
    reduce: int | None,
    size: str | None,
    bias: bool,
    kind: str | None,
    changes: tuple[str, ...],
    sweep: str | None,
    machine_name: str,
    verify: bool,
    measure: bool,
    device: str | None,
    input_: tuple[str, ...],
    batch: int | None,
    settings: tuple[str, ...],
    format_: str | None,
    output: str | None,
) -> int:
    r"""What MODEL, by default googlenet, saves by its 1x1 reductions, and what other tricks save or could save.

    \b
    inception-lens savings inception_v3 --kind all
    inception-lens savings --in 192 --out 96 --kernel 5 --reduce 32 --size 28
    inception-lens savings --what-if inception_4e/5x5_reduce=16

    Each saving is a rewrite of the network, and every figure the difference of two whole analyses. With --in, --out,
    --kernel, --reduce and --size it is the worked example of one branch. Into an .svg, .png or .pdf it draws them.
    """
    chosen = format_ or options.format_of(output, SUFFIXES)
    sizes = {"--in": in_channels, "--out": out_channels, "--kernel": kernel, "--size": size, "--reduce": reduce}
    if bias or any(given is not None for given in sizes.values()):
        if model or kind or changes or input_ or batch or settings:
            raise ConfigError(f"{', '.join(sizes)} describe one branch: they go with no MODEL and no option of one")
        result = _branch(sizes, bias, sweep)
    elif [bool(kind), bool(changes), bool(sweep)].count(True) > 1:
        raise ConfigError("--kind, --what-if and --sweep are three questions: ask one at a time")
    else:
        given = (model or "googlenet", options.parse_settings(settings), options.parse_inputs(input_))
        if changes or sweep:
            result = _changed(load_with(*given, batch=batch), changes, sweep, machine_name)
        else:
            kinds = [name.strip() for name in (kind or ",".join(DEFAULT_KINDS)).split(",")]
            result = savings_with(*given, ["all"] if kinds == ["list"] else kinds, machine_name, batch)
            if kinds == ["list"]:
                write(render_kinds(result, chosen), output)
                return 0
    proof = prove(result, verify, measure, device)
    write(render(result, proof, chosen, output is None), output)
    return 0 if proof.agrees else 1


def _changed(graph: Graph, changes: tuple[str, ...], sweep: str | None, machine_name: str) -> Result:
    if sweep is not None:
        node, values = _range(sweep)
        return network_sweep(graph, node, values)
    return what_if(graph, _widths(changes), machine(machine_name))


def _branch(sizes: dict[str, int | str | None], bias: bool, sweep: str | None) -> Result:
    """The worked example, or its sweep.

    Raises:
        ConfigError: a size is missing or wrong.
    """
    needed = [option for option in sizes if option != "--reduce" or sweep is None]
    if missing := [option for option in needed if sizes[option] is None]:
        raise ConfigError(f"one branch needs {', '.join(needed)}: {', '.join(missing)} is not there")
    variable, values = _range(sweep) if sweep is not None else ("reduce", ())
    if variable != "reduce":
        raise ConfigError(f"--sweep {sweep}: of one branch it is reduce that is swept, such as reduce=8..64")
    own = sizes["--reduce"]
    branch = Branch(
        in_channels=int(sizes["--in"] or 0),
        out_channels=int(sizes["--out"] or 0),
        kernel=_square("--kernel", str(sizes["--kernel"])),
        reduce=values[0] if own is None else int(own),
        size=_square("--size", str(sizes["--size"])),
        bias=bias,
    )
    return branch_savings(branch) if sweep is None else branch_sweep(branch, values, None if own is None else int(own))


def _square(option: str, text: str) -> tuple[int, int]:
    if not re.fullmatch(r"[1-9]\d{0,6}(x[1-9]\d{0,6})?", text, flags=re.ASCII):
        raise ConfigError(f"{option} {text}: it is a whole number from 1, or two joined by x, such as 5 or 1x7")
    height, _, width = text.partition("x")
    return int(height), int(width or height)


def _widths(changes: tuple[str, ...]) -> dict[str, int]:
    widths = {}
    for change in changes:
        node, _, width = change.rpartition("=")
        if not node or not re.fullmatch(r"[1-9]\d{0,8}", width, flags=re.ASCII):
            raise ConfigError(f"--what-if {change}: it is NODE=N, such as inception_4e/5x5_reduce=16")
        widths[node] = int(width)
    return widths


def _range(sweep: str) -> tuple[str, Sequence[int]]:
    """Read `NODE=A..B`, `NODE=A..B..STEP` or `NODE=A,B,C`."""
    node, _, text = sweep.rpartition("=")
    found = re.fullmatch(r"([1-9]\d{0,8})\.\.([1-9]\d{0,8})(?:\.\.([1-9]\d{0,8}))?", text, flags=re.ASCII)
    if found:
        values: Sequence[int] = range(int(found[1]), int(found[2]) + 1, int(found[3] or 1))
    elif re.fullmatch(r"[1-9]\d{0,8}(,[1-9]\d{0,8})*", text, flags=re.ASCII):
        values = [int(value) for value in text.split(",")]
    else:
        raise ConfigError(f"--sweep {sweep}: it is NODE=A..B or NODE=A..B..STEP, such as reduce=8..64..8")
    if not node or not 1 <= len(values) <= MAX_POINTS:
        raise ConfigError(f"--sweep {sweep}: from A up to B, in at most {MAX_POINTS:,} steps, such as reduce=8..64..8")
    return node, values
