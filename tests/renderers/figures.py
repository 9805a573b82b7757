"""The data of the artists of a figure, as plain numbers."""

from typing import Any, cast

from matplotlib.collections import Collection, PathCollection
from matplotlib.lines import Line2D


def numbers(line: Line2D, axis: str) -> list[float]:
    """The coordinates of a line on one axis."""
    return [float(value) for value in cast("Any", line.get_xdata() if axis == "x" else line.get_ydata())]


def offsets(points: Collection) -> list[tuple[float, float]]:
    """The coordinates of scattered points."""
    assert isinstance(points, PathCollection)
    return [(float(x), float(y)) for x, y in cast("Any", points.get_offsets())]
