"""`inception-lens verify`: a network counted by other means, or compared with the paper's Table 1."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from inception_lens.analyses.analysis import analyze
from inception_lens.cli import options
from inception_lens.cli.output import OutputTarget, as_json, emit, output_options
from inception_lens.errors import require
from inception_lens.lens import source_of

if TYPE_CHECKING:
    from inception_lens.analyses.second_opinions import Opinions


@click.command("verify")
@options.model_argument()
@click.option(
    "--paper", is_flag=True, help="Compare with the paper's Table 1 and an article about it, without PyTorch."
)
@options.network_options("Training counts the auxiliary heads too; --paper uses both modes.", without=("dtype",))
@output_options()
def command(
    model: str,
    paper: bool,
    network: options.NetworkOptions,
    outputs: Sequence[OutputTarget],
) -> int:
    """Recount MODEL by other means; exit with 1 if a count differs without a known explanation.

    The shapes, parameters and MACs are compared with those of PyTorch's modules, its FlopCounterMode, hooks on
    convolutions and linear layers, and fvcore.

    With --paper, Table 1 of "Going Deeper with Convolutions" is compared with MODEL, row by row: which numbers are
    reproduced, under which conventions, and what explains the others.
    """
    check = _against_paper if paper else _second_opinions
    return check(model, network, outputs)


def _against_paper(model: str, network: options.NetworkOptions, outputs: Sequence[OutputTarget]) -> int:
    from inception_lens.analyses.paper.check import check_paper
    from inception_lens.tables.paper import paper_table

    graph, training = source_of(model, network["overrides"], network["weights"]).both_modes(
        network["inputs"], batch=network["batch"]
    )
    check = check_paper(graph, training)
    emit(outputs, check.to_json, lambda _: paper_table(check))
    return int(not check.holds)


def _second_opinions(model: str, network: options.NetworkOptions, outputs: Sequence[OutputTarget]) -> int:
    from inception_lens.tables.opinions import opinions_table

    found = _opinions(model, network)
    emit(outputs, lambda: as_json(found), lambda _: opinions_table(found))
    return int(not found.agree)


def _opinions(model: str, network: options.NetworkOptions) -> "Opinions":
    require("torch", extra="torch")
    from inception_lens.pytorch.verify.second_opinions import second_opinions

    source = source_of(model, network["overrides"], network["weights"])
    graph = source.graph(network["mode"], network["inputs"], batch=network["batch"])
    module, arguments = source.module(graph, network["inputs"])
    return second_opinions(module, analyze(graph), arguments, network["batch"])
