"""`inception-lens verify`: whether a network is what others say that it is."""

from typing import get_args

import click

from inception_lens.cli import options
from inception_lens.cli.output import write
from inception_lens.errors import InceptionLensError
from inception_lens.graph import Mode
from inception_lens.lens import load_with
from inception_lens.terminal import Terminal

SUFFIXES = {".txt": "table", ".json": "json", ".md": "markdown", ".tex": "latex"}


@click.command("verify")
@options.model_argument()
@click.option("--paper", is_flag=True, help="Against Table 1 of the paper, and what an article says of it; no PyTorch.")
@options.set_option
@click.option(
    "--format", "format_", type=click.Choice(list(SUFFIXES.values())), help="Default: by FILE's suffix, or table."
)
@options.output_option
def command(model: str, paper: bool, settings: tuple[str, ...], format_: str | None, output: str | None) -> int:
    """Check MODEL, and exit with 1 where something deviates that is not known and explained.

    With --paper, Table 1 of "Going Deeper with Convolutions" is put beside the figures of MODEL, row by row: which are
    reproduced, and under which conventions, and what is known of the others.
    """
    chosen = format_ or options.format_of(output, SUFFIXES)
    overrides = options.parse_settings(settings)
    if paper:
        return _against_paper(model, overrides, chosen, output)
    return _second_opinions(model, overrides, chosen, output)


def _against_paper(model: str, overrides: dict[str, str], chosen: str, output: str | None) -> int:
    from inception_lens.analyses.paper_check import check_paper
    from inception_lens.renderers import paper as renderer

    graph, training = (load_with(model, overrides, None, mode) for mode in get_args(Mode))
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


def _second_opinions(model: str, overrides: dict[str, str], chosen: str, output: str | None) -> int:
    """Put the figures beside PyTorch's shapes and parameters, FlopCounterMode and fvcore."""
    raise InceptionLensError("verify checks against the paper so far: give --paper")
