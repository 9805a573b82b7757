"""`inception-lens diagram`: a drawing of a network."""

from collections.abc import Mapping, Sequence
from typing import Literal, cast

import click
import msgspec

from inception_lens.cli import options
from inception_lens.cli.output import OutputTarget, emit_each, format_options
from inception_lens.errors import ConfigError, suggest
from inception_lens.lens import load
from inception_lens.renderers.diagrams.diagram import SUFFIXES, diagram
from inception_lens.renderers.diagrams.dot import RANK_DIRECTIONS, DiagramStyle, FlowDirection
from inception_lens.renderers.diagrams.engine import DiagramFormat
from inception_lens.renderers.diagrams.heat import MEASURES, Heat
from inception_lens.renderers.diagrams.levels import DiagramLevel

MAX_BYTES = 100_000_000
"""The largest profile that is read."""


@click.command("diagram")
@options.model_argument()
@options.network_options("Training keeps the auxiliary heads.")
@click.option(
    "--level",
    type=click.Choice(["network", "module", "layer"]),
    help="network: a box for each module; module: the layers of one module; layer: every layer.  [default: network; "
    "with --module: module]",
)
@click.option("--module", default="", metavar="NAME", help="Draw only this module, such as inception_3a.")
@click.option(
    "--style",
    type=click.Choice(["plain", "paper"]),
    default="plain",
    show_default=True,
    help="paper: labels and colours of GoogLeNet's Figures 2 and 3.",
)
@click.option(
    "--heat",
    metavar="MEASURE",
    help=f"Fill each box by a measure, with a legend: {', '.join(MEASURES)}; or the measured time in a .json of "
    "`profile`.",
)
@click.option(
    "--direction",
    type=click.Choice(list(RANK_DIRECTIONS)),
    default="top-down",
    show_default=True,
    help="From inputs to outputs.",
)
@click.option("--fold", is_flag=True, help="Draw consecutive equal modules once, as x 3.")
@click.option("--theme", type=click.Choice(["light", "dark"]), default="light", show_default=True)
@click.option("--title/--no-title", default=True, show_default=True, help="Whether the drawing has a title.")
@format_options(SUFFIXES, default="dot")
def command(
    model: str,
    network: options.NetworkOptions,
    level: DiagramLevel | None,
    module: str,
    style: DiagramStyle,
    heat: str | None,
    direction: FlowDirection,
    fold: bool,
    theme: Literal["light", "dark"],
    title: bool,
    outputs: Sequence[OutputTarget],
) -> None:
    """Draw MODEL as svg, png, pdf or Graphviz's dot.

    `inception-lens --help` lists what a MODEL can be.
    """
    values, heat_title = _heat(heat)
    drawn = diagram(
        load(model, **network),
        level=level,
        module=module,
        style=style,
        direction=direction,
        heat=values,
        heat_title=heat_title,
        fold=fold,
        dark=theme == "dark",
        title=title,
    )

    def picture(output: OutputTarget) -> str | bytes:
        data = drawn.draw(cast(DiagramFormat, output.format))
        return data.decode() if output.format in ("svg", "dot") else data

    emit_each(outputs, picture)


def _heat(measure: str | None) -> tuple[Heat | Mapping[str, float | None] | None, str]:
    """The numbers that fill the boxes and their title: a measure of the analysis, or the times of a profile."""
    if measure is None or measure in MEASURES:
        return measure, ""
    if not measure.endswith(".json"):
        raise ConfigError(f"--heat {measure}: not a measure{suggest(measure, MEASURES)} and not a .json of `profile`")
    from inception_lens.analyses.profile import Profile
    from inception_lens.readers.files import JSON_ERRORS

    try:
        with open(measure, "rb") as file:
            profile = msgspec.json.decode(file.read(MAX_BYTES), type=Profile)
    except (OSError, *JSON_ERRORS) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"--heat {measure}: not a .json of `inception-lens profile`: {reason}") from None
    return {layer.name: 1000 * layer.forward.median for layer in profile.layers}, f"ms on {profile.device}"
