"""`inception-lens compare`: the differences between two networks, and their cost."""

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
@click.option("--exit-code", is_flag=True, help="Exit with 1 if the networks without their auxiliary heads differ.")
@options.network_options("Training makes the auxiliary heads part of both networks.", without=("weights",))
@click.option("--set-a", "settings_a", metavar="KEY=VALUE", multiple=True, help="--set for A only.")
@click.option("--set-b", "settings_b", metavar="KEY=VALUE", multiple=True, help="--set for B only.")
@click.option(
    "--level",
    type=click.Choice(["network", "layer"]),
    default="network",
    show_default=True,
    help="For a drawing: a box per module, or per layer.",
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
    """Show the differences between A and B, found by their structure and not by names, and the cost of each.

    Deltas are B minus A. The auxiliary heads, which exist in training only, have a table of their own. With --exit-code
    the command exits with 1 if the networks differ otherwise: forms that compute the same on this input, such as a 7x7
    average over a 7x7 map and a global average, do not count. An output file that ends in .svg, .png, .pdf or .dot is a
    drawing of both networks.
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
