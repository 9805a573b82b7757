"""`inception-lens verify`: whether a network is what others say that it is."""

from typing import TYPE_CHECKING, Any

import click
import msgspec

from inception_lens.analyses.analysis import analyze
from inception_lens.cli import options
from inception_lens.cli.output import write
from inception_lens.errors import require
from inception_lens.lens import Inputs, both_modes, is_pytorch, load_with, unnamed
from inception_lens.terminal import Terminal

if TYPE_CHECKING:
    from inception_lens.analyses.second_opinions import Opinions

SUFFIXES = {".txt": "table", ".json": "json", ".md": "markdown", ".tex": "latex"}


@click.command("verify")
@options.model_argument()
@click.option("--paper", is_flag=True, help="Against Table 1 of the paper, and what an article says of it; no PyTorch.")
@options.input_option
@options.set_option
@options.format_option(SUFFIXES)
@options.output_option
def command(
    model: str,
    paper: bool,
    input_: tuple[str, ...],
    settings: tuple[str, ...],
    format_: str | None,
    output: str | None,
) -> int:
    """Check MODEL, and exit with 1 where something deviates that is not known and explained.

    The network is counted by this lens, by PyTorch's own modules, which tell their shapes and parameters, by its
    FlopCounterMode, by hooks on convolutions and linear layers, and by fvcore.

    With --paper, Table 1 of "Going Deeper with Convolutions" is put beside the figures of MODEL, row by row: which are
    reproduced, and under which conventions, and what is known of the others.
    """
    chosen = format_ or options.format_of(output, SUFFIXES)
    overrides = options.parse_settings(settings)
    if paper:
        return _against_paper(model, overrides, options.parse_inputs(input_), chosen, output)
    return _second_opinions(model, overrides, input_, chosen, output)


def _against_paper(
    model: str, overrides: dict[str, str], inputs: Inputs | None, chosen: str, output: str | None
) -> int:
    from inception_lens.analyses.paper.check import check_paper
    from inception_lens.renderers import paper as renderer

    graph, training = both_modes(model, overrides, inputs)
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


def _second_opinions(
    model: str, overrides: dict[str, str], input_: tuple[str, ...], chosen: str, output: str | None
) -> int:
    """Put the figures beside PyTorch's shapes and parameters, FlopCounterMode, hooks and fvcore."""
    from inception_lens.renderers import opinions as renderer

    found = _asked(model, overrides, options.parse_inputs(input_))
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


def _asked(model: str, overrides: dict[str, str], inputs: Any) -> "Opinions":
    torch = require("torch", extra="torch")
    from inception_lens.pytorch.verify.second_opinions import second_opinions

    if is_pytorch(model):
        from inception_lens.pytorch.models import ready
        from inception_lens.pytorch.trace.forward_pass import trace

        module, given, metadata = ready(model, overrides, unnamed(inputs))
        return second_opinions(module, analyze(trace(module, given, mode="inference", metadata=metadata)), given)
    from inception_lens.pytorch.build.network import build

    graph = load_with(model, overrides, inputs, "inference")
    with torch.device("meta"):
        module = build(graph)
    return second_opinions(module, analyze(graph))
