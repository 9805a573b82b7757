"""Figures, as vectors or bitmaps, in one style."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from inception_lens.ops import format_shape
from inception_lens.renderers.escape import printable
from inception_lens.renderers.theme import COLORS, palette_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation

    from inception_lens.analyses.catalogue import Sized
    from inception_lens.graph import Graph

Format = Literal["svg", "png", "pdf"]

STYLE: dict[Any, Any] = {
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "svg.hashsalt": "inception-lens",  # names inside the file do not change from run to run
    "text.parse_math": False,  # a name with dollar signs is a name
}
FAMILY_COLORS = {
    "GoogLeNet": COLORS["conv"],
    "Inception V2": COLORS["merge"],
    "Inception V3": COLORS["linear"],
    "Inception V4": COLORS["activation"],
    "Inception-ResNet-v2": COLORS["pool"],
    "Xception": COLORS["norm"],
}
OTHER = COLORS["shape"]
"""The colour of the networks outside the Inception family."""

TICKS = [digit * 10.0**power for power in range(-3, 5) for digit in (1, 2, 5)]
LONGEST_NAME = 26
"""Characters of a name below an axis; the end of a longer one tells more than its beginning."""
LABEL_OFFSETS = ((6, 3), (6, -9), (-6, 3), (-6, -9), (0, 9), (0, -15), (10, 10), (-10, 10), (10, -18), (-10, -18))
"""Where a label may stand beside its point, in points, the best place first."""


@contextmanager
def figure(width: float, height: float, *, dark: bool = False) -> Iterator[Figure]:
    """A new figure of so many inches, within the one style of them all."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    palette = palette_of(dark)
    ground = dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), palette.background)
    ink = dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor"), palette.ink)
    with rc_context(STYLE | ground | ink | {"grid.color": palette.muted}):
        yield Figure(figsize=(width, height), layout="constrained")


def heading(figure: Figure, graph: Graph, what: str) -> None:
    """Say above a figure which network it is of, and what it shows."""
    sizes = ", ".join(format_shape(given.type.shape) for given in graph.inputs[:3])
    figure.suptitle(f"{printable(graph.name)} on {sizes}: {what}", fontsize=10)


def name_ticks(axes: Axes, places: Sequence[int], names: Sequence[str]) -> None:
    """Write names below an axis."""
    told = [printable(name if len(name) <= LONGEST_NAME else f"...{name[3 - LONGEST_NAME :]}") for name in names]
    axes.set_xticks(places, told, rotation=60, ha="right", rotation_mode="anchor")


def logarithmic(axes: Axes, which: Literal["x", "y"]) -> None:
    """Make an axis of what is drawn logarithmic, its ticks plain numbers; within one power of ten those between too."""
    getattr(axes, f"set_{which}scale")("log")
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = sorted(axis.get_view_interval())
    axis.set_major_formatter("{x:,g}")
    axis.set_minor_formatter("{x:,g}" if high < 10 * low else "")


def accuracy_figure(networks: Sequence[Sized], *, dark: bool = False) -> Figure:
    """Published top-1 accuracy against MACs and against parameters.

    Every port with ImageNet's classes and a published accuracy is a point; the best of each family carries its name.
    """
    shown = [(network, network.published.top1) for network in networks if network.published and network.classes >= 1000]
    points = sorted(((network, top1) for network, top1 in shown if top1), key=lambda point: point[1])
    with figure(10, 4.6, dark=dark) as drawn:
        by_macs, by_params = drawn.subplots(1, 2, sharey=True)
        for axes, costs, label in (
            (by_macs, [network.macs / 1e9 for network, _ in points], "MACs of one image (G)"),
            (by_params, [network.params / 1e6 for network, _ in points], "parameters (M)"),
        ):
            axes.set_xscale("log")
            axes.set_xlabel(label)
            colors = [FAMILY_COLORS.get(network.family, OTHER) for network, _ in points]
            accuracies = [top1 for _, top1 in points]
            axes.scatter(costs, accuracies, c=colors, s=34, zorder=3, edgecolors="white", linewidths=0.6)
            axes.margins(0.1)
            axes.set_xticks([tick for tick in TICKS if min(costs) / 1.5 < tick < max(costs) * 1.5], minor=False)
            axes.set_xticks([], minor=True)
            axes.xaxis.set_major_formatter("{x:g}")
        by_macs.set_ylabel("published top-1 accuracy (%)")
        drawn.suptitle("ImageNet accuracy against cost, one crop, as published with each port")
        drawn.draw_without_rendering()  # the layout, which the labels have to find room in
        drawn.set_layout_engine("none")
        for axes, unit, cost in ((by_macs, 1e9, "macs"), (by_params, 1e6, "params")):
            places = [(getattr(network, cost) / unit, top1) for network, top1 in points]
            best = {network.family: place for (network, _), place in zip(points, places, strict=True)}
            _label(axes, best, places)
    return drawn


def _label(axes: Axes, names: dict[str, tuple[float, float]], points: list[tuple[float, float]]) -> None:
    """Write each name beside its point where it covers neither a point nor a name before it."""
    from matplotlib.transforms import Bbox

    centers = axes.transData.transform(points)
    taken = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in centers]
    for name, point in names.items():
        text = axes.annotate(
            printable(name),
            point,
            xytext=LABEL_OFFSETS[0],
            textcoords="offset points",
            fontsize=7.5,
            color=FAMILY_COLORS.get(name, OTHER),
        )
        boxes: list[tuple[int, int, Bbox, tuple[int, int]]] = []
        for dx, dy in LABEL_OFFSETS:
            _move(text, dx, dy)
            box = text.get_window_extent()
            outside = box.x0 < axes.bbox.x0 or box.x1 > axes.bbox.x1
            boxes.append((sum(box.overlaps(other) for other in taken) + outside, len(boxes), box, (dx, dy)))
            if boxes[-1][0] == 0:
                break
        _, _, box, (dx, dy) = min(boxes, key=lambda found: found[:2])
        _move(text, dx, dy)
        taken.append(box)


def _move(text: Annotation, dx: int, dy: int) -> None:
    text.set_position((dx, dy))
    text.set_horizontalalignment("left" if dx > 0 else "right" if dx < 0 else "center")


def drawn(figure: Figure, form: Format) -> bytes:
    """The figure as a file's bytes, the same on every run."""
    from matplotlib import rc_context

    out = io.BytesIO()
    metadata: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(form, {})
    with rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # of a name; a box stands in its place
        figure.savefig(out, format=form, dpi=200, metadata=metadata, facecolor="auto")
    return out.getvalue()
