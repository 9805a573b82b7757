"""`inception-lens compare`: what differs between two networks, and what it costs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, cast

import click

from inception_lens.cli import options
from inception_lens.cli.output import OutputTarget, emit, output_options
from inception_lens.lens import compare
from inception_lens.tables.compare.comparison import compare_table

if TYPE_CHECKING:
    from inception_lens.renderers.diagrams.engine import DiagramFormat


@click.command("compare")
@click.argument("a", type=options.ModelType())
@click.argument("b", type=options.ModelType())
@click.option("--exit-code", is_flag=True, help="Exit with 1 where the networks differ, their heads aside.")
@options.network_options("Training makes the auxiliary heads part of both networks.")
@click.option("--set-a", "settings_a", metavar="KEY=VALUE", multiple=True, help="--set for A alone.")
@click.option("--set-b", "settings_b", metavar="KEY=VALUE", multiple=True, help="--set for B alone.")
@click.option(
    "--level",
    type=click.Choice(["network", "layer"]),
    default="network",
    show_default=True,
    help="Of a picture: a box per module, or per layer.",
)
@output_options("svg", "png", "pdf", "dot")
def command(
    a: str,
    b: str,
    exit_code: bool,
    network: options.NetworkOptions,
    settings_a: tuple[str, ...],
    settings_b: tuple[str, ...],
    level: Literal["network", "layer"],
    outputs: Sequence[OutputTarget],
) -> int:
    """What differs between the networks A and B, by their structure and not by names, and what it costs.

    Deltas are B less A. The auxiliary heads, which are there in training alone, are a section of their own. With
    --exit-code the command says no where the networks differ otherwise: forms that compute the same on this input,
    such as a 7x7 average over a 7x7 map for a global one, do not count. Into an .svg, .png or .pdf it draws both side
    by side.
    """
    comparison = compare(
        a,
        b,
        network["inputs"],
        mode=network["mode"],
        batch=network["batch"],
        dtype=network["dtype"],
        overrides_a=network["overrides"] | options.parse_settings(settings_a),
        overrides_b=network["overrides"] | options.parse_settings(settings_b),
    )

    def picture(chosen: str) -> bytes:
        from inception_lens.renderers.diagrams.diagram import compare_diagram

        return compare_diagram(comparison, level=level).draw(cast("DiagramFormat", chosen))

    emit(outputs, comparison.to_json, lambda _: compare_table(comparison), picture)
    return int(exit_code and comparison.differs)
