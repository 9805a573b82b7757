"""What `savings`, `what-if` and `sweep` share: proofs by PyTorch, and how each result is written."""

from collections.abc import Callable
from typing import Any, Literal, TypeVar, cast, get_args

import click

from inception_lens.analyses.savings.branch import BranchSavings
from inception_lens.analyses.savings.changes import Sweep, WhatIf
from inception_lens.analyses.savings.network import Savings, as_json
from inception_lens.analyses.savings.proofs import Proof, networks
from inception_lens.errors import ConfigError, require
from inception_lens.terminal import Terminal

SUFFIXES = {
    ".txt": "table", ".json": "json", ".csv": "csv", ".md": "markdown", ".tex": "latex", ".svg": "svg", ".png": "png",
    ".pdf": "pdf",
}  # fmt: skip

Picture = Literal["svg", "png", "pdf"]
Command = TypeVar("Command", bound=Callable[..., Any])
Result = Savings | BranchSavings | WhatIf | Sweep


def proof_options(command: Command) -> Command:
    """The options --verify, --measure and --device."""
    for option in (
        click.option("--device", type=click.Choice(["cpu", "cuda"]), help="For --measure.  [default: cuda if present]"),
        click.option("--measure", is_flag=True, help="Build both networks in PyTorch and time them."),
        click.option("--verify", is_flag=True, help="Recount both networks in PyTorch; exit 1 if a count differs."),
    ):
        command = option(command)
    return command


def prove(result: Savings | BranchSavings | WhatIf, verify: bool, measure: bool, device: str | None) -> Proof:
    """Recount and time the networks of a result in PyTorch.

    Raises:
        MissingExtraError: PyTorch is not installed.
    """
    if not verify and not measure:
        return Proof()
    require("torch", extra="torch")
    from inception_lens.pytorch.verify import savings as pytorch

    found = networks(result)
    folds = result.savings if isinstance(result, Savings) else ()
    return Proof(
        verified=pytorch.recounted(found) if verify else (),
        folded=tuple([pytorch.folded(each) for each in folds if verify and each.sites and each.kind.folds]),
        measured=pytorch.timed(found, device) if measure else (),
    )


def render(result: Result, proof: Proof, chosen: str, to_terminal: bool) -> str | bytes:
    """The result, and what PyTorch says of it, in the format that was chosen.

    Raises:
        ConfigError: the format does not show it.
    """
    if chosen == "json":
        return as_json(result.to_builtins() | proof.to_builtins()) + "\n"
    if chosen == "table":
        return _table(result, proof, to_terminal)
    if proof != Proof():
        raise ConfigError(f"--verify and --measure are written as table or json, not {chosen}")
    if chosen in get_args(Picture):
        return _figure(result, cast("Picture", chosen))
    from inception_lens.renderers import savings_frame

    renderers = {
        "csv": savings_frame.savings_csv,
        "markdown": savings_frame.savings_markdown,
        "latex": savings_frame.savings_latex,
    }
    return renderers[chosen](result)


def _figure(result: Result, form: Picture) -> bytes:
    from inception_lens.renderers.plots import savings as figures
    from inception_lens.renderers.plots.figure import figure_bytes

    match result:
        case Savings():
            return figure_bytes(figures.savings_figure(result), form)
        case Sweep():
            return figure_bytes(figures.sweep_figure(result), form)
        case WhatIf():
            return figure_bytes(figures.what_if_figure(result), form)
    raise ConfigError("one branch has no figure; its reduction over a range has: `sweep` with --reduce 8..64..8")


def render_kinds(found: Savings, chosen: str) -> str:
    """Every kind of saving, and whether the network has it.

    Raises:
        ConfigError: the list is not written in this format.
    """
    counts = [
        {
            "kind": kind.name,
            "title": kind.title,
            "source": kind.source,
            **{direction: len(saving.sites) if (saving := found.of(kind.name, direction)) else 0
               for direction in kind.finders()},
        }
        for kind in found.requested
    ]  # fmt: skip
    if chosen == "json":
        return as_json({"schema": "inception-lens/savings-kinds/1", "model": found.graph.name, "kinds": counts}) + "\n"
    if chosen != "table":
        raise ConfigError(f"--kind list is written as table or json, not {chosen}")
    from inception_lens.renderers.savings_text import kinds_table

    terminal = Terminal()
    return kinds_table(found, width=terminal.width, color=terminal.color, unicode=terminal.unicode)


def _table(result: Result, proof: Proof, to_terminal: bool) -> str:
    from inception_lens.renderers import savings_text as text
    from inception_lens.renderers.savings_proof import proof_table

    terminal = Terminal()
    color, unicode = terminal.color and to_terminal, terminal.unicode or not to_terminal
    match result:
        case Savings():
            told = text.savings_table(result, width=terminal.width, color=color, unicode=unicode)
        case BranchSavings():
            told = text.branch_table(result, width=terminal.width, color=color, unicode=unicode)
        case WhatIf():
            told = text.what_if_table(result, width=terminal.width, color=color, unicode=unicode)
        case Sweep():
            told = text.sweep_table(result, width=terminal.width, color=color, unicode=unicode)
    return told + proof_table(proof, width=terminal.width, color=color, unicode=unicode)
