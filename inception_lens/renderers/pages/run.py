"""A training run as one offline HTML page."""

from base64 import b64encode
from collections.abc import Mapping, Sequence

from inception_lens.renderers.escape import printable
from inception_lens.renderers.templates import asset, template

Facts = Sequence[tuple[str, str]]
"""Rows of a label and a value."""


def run_page(
    name: str,
    *,
    facts: Facts,
    bounds: Facts,
    figures: Mapping[str, bytes],
    classes: Facts,
    epochs: Sequence[object],
    config: str,
) -> str:
    """The page, which neither loads nor sends anything.

    Args:
        name: name of the run.
        facts: the results of the run.
        bounds: limits of the speed, with the images per second that each allows.
        figures: SVG drawings, by caption.
        classes: the accuracy of each class.
        epochs: records of the epochs, with the fields of `training.run.records.Epoch`.
        config: the recipe, as TOML.
    """
    return template("run.html").render(
        name=printable(name),
        style=asset("style.css"),
        facts=_printable(facts),
        bounds=_printable(bounds),
        figures=[(caption, b64encode(svg).decode()) for caption, svg in figures.items()],
        classes=_printable(classes),
        epochs=epochs,
        config=config,
    )


def _printable(facts: Facts) -> Facts:
    return [(printable(label), printable(value)) for label, value in facts]
