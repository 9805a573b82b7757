"""The figure of the whole catalogue: ImageNet accuracy against cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from inception_lens.renderers.escape import printable
from inception_lens.renderers.plots.figure import styled_figure
from inception_lens.renderers.theme import NEUTRAL, SERIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

    from inception_lens.analyses.catalogue import Sized

FAMILIES = ("GoogLeNet", "Inception V2", "Inception V3", "Inception V4", "Inception-ResNet-v2", "Xception")
FAMILY_COLORS: dict[str, str] = dict(zip(FAMILIES, SERIES, strict=False))
"""Colours of the Inception family; other networks are neutral."""

TICKS = [digit * 10.0**power for power in range(-3, 5) for digit in (1, 2, 5)]
IMAGENET_CLASSES = 1000

LABEL_OFFSETS = ((6, 3), (6, -9), (-6, 3), (-6, -9), (0, 9), (0, -15), (10, 10), (-10, 10), (10, -18), (-10, -18))
"""Offsets of a label from its point, in points, the best first."""


def accuracy_figure(networks: Sequence[Sized], *, dark: bool = False) -> Figure:
    """Published ImageNet top-1 accuracy in percent against MACs of one image (G) and against parameters (M).

    Every network with the ImageNet classes and an accuracy that was published with its port is a point. The most
    accurate of each family has its name.

    Args:
        networks: the catalogue, with the cost of each network.
        dark: draw on a dark background.
    """
    published = [(n, n.published.top1) for n in networks if n.published and n.classes >= IMAGENET_CLASSES]
    points = sorted(((network, top1) for network, top1 in published if top1), key=lambda point: point[1])
    costs = {
        "MACs of one image (G)": [network.macs / 1e9 for network, _ in points],
        "parameters (M)": [network.params / 1e6 for network, _ in points],
    }
    accuracies = [top1 for _, top1 in points]
    colors = [FAMILY_COLORS.get(network.family, NEUTRAL) for network, _ in points]
    with styled_figure(10, 4.6, dark=dark) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        for axes, (label, values) in zip(panels, costs.items(), strict=True):
            axes.set(xscale="log", xlabel=label)
            axes.scatter(values, accuracies, c=colors, s=34, zorder=3, edgecolors="white", linewidths=0.6)
            axes.margins(0.1)
            axes.set_xticks([tick for tick in TICKS if min(values) / 1.5 < tick < max(values) * 1.5], minor=False)
            axes.set_xticks([], minor=True)
            axes.xaxis.set_major_formatter("{x:g}")
        panels[0].set_ylabel("published top-1 accuracy (%)")
        figure.suptitle("ImageNet accuracy, single crop, as published with each port, against cost")
        # Labels are placed around the points, whose pixels are known once the layout is.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        for axes, values in zip(panels, costs.values(), strict=True):
            positions = list(zip(values, accuracies, strict=True))
            families = [network.family for network, _ in points]
            _add_labels(axes, dict(zip(families, positions, strict=True)), positions)
    return figure


def _add_labels(axes: Axes, labels: Mapping[str, tuple[float, float]], points: Sequence[tuple[float, float]]) -> None:
    """Write each label next to its point, where it covers as few points and earlier labels as possible."""
    from matplotlib.transforms import Bbox

    centers = axes.transData.transform(points)
    occupied = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in centers]
    for name, point in labels.items():
        text = axes.annotate(
            printable(name),
            point,
            xytext=LABEL_OFFSETS[0],
            textcoords="offset points",
            fontsize=7.5,
            color=FAMILY_COLORS.get(name, NEUTRAL),
        )
        overlaps: dict[tuple[int, int], int] = {}
        for offset in LABEL_OFFSETS:
            box = _moved(text, *offset)
            outside = box.x0 < axes.bbox.x0 or box.x1 > axes.bbox.x1
            overlaps[offset] = sum(box.overlaps(other) for other in occupied) + outside
        occupied.append(_moved(text, *min(overlaps, key=overlaps.__getitem__)))


def _moved(text: Annotation, dx: int, dy: int) -> Bbox:
    """Move a label to an offset from its point, and return its extent."""
    text.set_position((dx, dy))
    text.set_horizontalalignment("left" if dx > 0 else "right" if dx < 0 else "center")
    return text.get_window_extent()
