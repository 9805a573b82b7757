"""Proofs by PyTorch and output, shared by `savings`, `what-if` and `sweep`."""

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

import click
import msgspec

from inception_lens.analyses.savings.branch import BranchSavings
from inception_lens.analyses.savings.changes import Sweep, WhatIf
from inception_lens.analyses.savings.network import Savings
from inception_lens.analyses.savings.proofs import Proof, networks
from inception_lens.cli.output import OutputTarget, as_json, emit, output_options
from inception_lens.errors import ConfigError, require
from inception_lens.tables.savings.branch import branch_table
from inception_lens.tables.savings.changes import sweep_table, what_if_table
from inception_lens.tables.savings.network import kinds_table, savings_table
from inception_lens.tables.savings.proof import proof_tables
from inception_lens.tables.table import Table

if TYPE_CHECKING:
    from inception_lens.renderers.plots.figure import FigureFormat

PICTURES = ("svg", "png", "pdf")
SavingsResult = Savings | BranchSavings | WhatIf | Sweep
Command = Callable[..., object]

PROOF_OPTIONS = (
    click.option("--device", type=click.Choice(["cpu", "cuda"]), help="For --measure.  [default: cuda if present]"),
    click.option("--measure", is_flag=True, help="Build both networks in PyTorch and time them."),
    click.option("--verify", is_flag=True, help="Recount both networks in PyTorch; exit 1 if a count differs."),
)


class ListedKinds(NamedTuple):
    """The kinds of saving that a network has or could have, as a result of their own."""

    found: Savings


def result_options(*, proofs: bool) -> Callable[[Callable[..., SavingsResult | ListedKinds]], Command]:
    """The options of the output, and with `proofs` those of checks by PyTorch; the command returns its result.

    The exit code is 1 if a check fails.
    """

    def decorate(command: Callable[..., SavingsResult | ListedKinds]) -> Command:
        @functools.wraps(command)
        def run(
            outputs: Sequence[OutputTarget],
            verify: bool = False,
            measure: bool = False,
            device: str | None = None,
            **others: object,
        ) -> int:
            result = command(**others)
            if isinstance(result, ListedKinds):
                _emit_kinds(outputs, result.found)
                return 0
            proof = _proved(result, verify, measure, device)
            _emit_result(outputs, result, proof)
            return 0 if proof.agrees else 1

        added = output_options(*PICTURES)(run)
        for option in PROOF_OPTIONS if proofs else ():
            added = option(added)
        return added

    return decorate


def _proved(result: SavingsResult, verify: bool, measure: bool, device: str | None) -> Proof:
    """Recount and time the networks of a result in PyTorch; a sweep has none to prove."""
    if isinstance(result, Sweep) or not (verify or measure):
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


def _emit_result(outputs: Sequence[OutputTarget], result: SavingsResult, proof: Proof) -> None:
    """Write a result, and its checks by PyTorch, in the requested formats."""

    def table(_: str) -> Table:
        found = _table(result)
        return msgspec.structs.replace(found, further=(*found.further, *proof_tables(proof)))

    def picture(chosen: str) -> bytes:
        if proof != Proof():
            raise ConfigError(f"--verify and --measure have no figure: choose another format than {chosen}")
        return _figure(result, cast("FigureFormat", chosen))

    emit(outputs, lambda: as_json(result.to_builtins() | proof.to_builtins()), table, picture)


def _table(result: SavingsResult) -> Table:
    match result:
        case Savings():
            return savings_table(result)
        case BranchSavings():
            return branch_table(result)
        case WhatIf():
            return what_if_table(result)
        case Sweep():
            return sweep_table(result)


def _figure(result: SavingsResult, form: "FigureFormat") -> bytes:
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


def _emit_kinds(outputs: Sequence[OutputTarget], found: Savings) -> None:
    """Write every kind of saving, and the number of its sites in the network."""
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
    record = {"schema": "inception-lens/savings-kinds/1", "model": found.graph.name, "kinds": counts}
    emit(outputs, lambda: as_json(record), lambda _: kinds_table(found))
