"""`inception-lens verify`: a network counted by other means, or compared with the paper's Table 1."""

from typing import TYPE_CHECKING

import click
import msgspec

from inception_lens.analyses.analysis import analyze
from inception_lens.cli import options
from inception_lens.cli.output import write
from inception_lens.errors import require
from inception_lens.lens import Source
from inception_lens.terminal import Terminal

if TYPE_CHECKING:
    from inception_lens.analyses.second_opinions import Opinions

SUFFIXES = {".txt": "table", ".json": "json", ".md": "markdown", ".tex": "latex"}


@click.command("verify")
@options.model_argument()
@click.option(
    "--paper", is_flag=True, help="Compare with the paper's Table 1 and an article about it, without PyTorch."
)
@options.network_options(
    "Training counts the auxiliary heads too; --paper uses both modes.", without=("batch", "dtype")
)
@options.format_option(SUFFIXES)
@options.output_option
def command(
    model: str,
    paper: bool,
    network: options.NetworkOptions,
    format_: str | None,
    output: str | None,
) -> int:
    """Recount MODEL by other means; exit with 1 if a count differs without a known explanation.

    The shapes, parameters and MACs are compared with those of PyTorch's modules, its FlopCounterMode, hooks on
    convolutions and linear layers, and fvcore.

    With --paper, Table 1 of "Going Deeper with Convolutions" is compared with MODEL, row by row: which numbers are
    reproduced, under which conventions, and what explains the others.
    """
    chosen = format_ or options.format_of(output, SUFFIXES)
    check = _against_paper if paper else _second_opinions
    return check(model, network, chosen, output)


def _against_paper(model: str, network: options.NetworkOptions, chosen: str, output: str | None) -> int:
    from inception_lens.analyses.paper.check import check_paper
    from inception_lens.renderers import paper as renderer

    graph, training = Source.of(model, network["overrides"]).both_modes(network["inputs"])
    check = check_paper(graph, training)
    if chosen == "json":
        text = check.to_json() + "\n"
    elif chosen == "markdown":
        text = renderer.paper_markdown(check)
    elif chosen == "latex":
        text = renderer.paper_latex(check)
    else:
        text = renderer.paper_table(check, **Terminal().style(to_file=output is not None))
    write(text, output)
    return int(not check.holds)


def _second_opinions(model: str, network: options.NetworkOptions, chosen: str, output: str | None) -> int:
    from inception_lens.renderers import opinions as renderer

    found = _opinions(model, network)
    if chosen == "json":
        text = msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"
    elif chosen == "markdown":
        text = renderer.opinions_markdown(found)
    elif chosen == "latex":
        text = renderer.opinions_latex(found)
    else:
        text = renderer.opinions_table(found, **Terminal().style(to_file=output is not None))
    write(text, output)
    return int(not found.agree)


def _opinions(model: str, network: options.NetworkOptions) -> "Opinions":
    require("torch", extra="torch")
    from inception_lens.pytorch.verify.second_opinions import second_opinions

    source = Source.of(model, network["overrides"])
    graph = source.graph(network["mode"], network["inputs"])
    module, arguments = source.module(graph, network["inputs"])
    return second_opinions(module, analyze(graph), arguments)
