"""The columns in which savings compare two networks: a number of each, and their ratio."""

from collections.abc import Sequence

from inception_lens.analyses.savings.figures import CostChange, CostFigures
from inception_lens.tables.table import Cell, Kind, bound
from inception_lens.tables.units import at_least, duration, size

FIGURES: dict[str, tuple[str, Kind]] = {
    "params": ("params", "count"),
    "buffers": ("buffers", "count"),
    "macs": ("MACs", "large"),
    "flops": ("FLOPs", "large"),
    "activation_bytes": ("activations", "bytes"),
    "seconds": ("time", "seconds"),
}
"""The title of each figure, and the kind of its values."""


def figure(figures: CostFigures, key: str) -> Cell:
    """One figure as an exact cell: a lower bound, or unknown, where it leaves out layers of unknown cost."""
    return bound(getattr(figures, key), figures.is_exact(key))


def ratio(change: CostChange, key: str) -> Cell:
    """How many times more the network without the saving has; unknown where either figure is not exact."""
    if not change.is_exact(key):
        return None
    found = change.ratio(key)
    return "" if found is None else found


def difference(change: CostChange, key: str) -> Cell:
    """The figure with the change less the figure without it; unknown where either is not exact."""
    if not change.is_exact(key):
        return None
    value: int | float = change.saved(key)
    return -value


def rest(total: CostChange, parts: Sequence[CostChange]) -> CostChange | None:
    """The total less its parts, so that all rows add up to it; None where nothing is left."""
    using = _less(total.using, [part.using for part in parts])
    without = _less(total.without, [part.without for part in parts])
    if not any(getattr(side, key) for side in (using, without) for key in FIGURES):
        return None
    return CostChange(using=using, without=without)


def _less(total: CostFigures, parts: Sequence[CostFigures]) -> CostFigures:
    left = {key: getattr(total, key) - sum([getattr(part, key) for part in parts]) for key in FIGURES}
    left["seconds"] = 0.0 if left["seconds"] < 1e-6 * total.seconds else left["seconds"]  # rounding of the sum
    return CostFigures(
        **left,
        exact=total.exact,
        macs_exact=total.macs_exact,
        params_exact=total.params_exact,
        activations_exact=total.activations_exact,
    )


def peak_and_time(own: CostFigures, other: CostFigures, word: str, machine: str) -> str:
    """Peak activation memory and time of two networks, which no column adds up."""
    assert isinstance(own.peak_activation_bytes, int)
    assert isinstance(other.peak_activation_bytes, int)
    known = at_least(own.activations_exact and other.activations_exact)
    least = at_least(own.is_exact("seconds") and other.is_exact("seconds"))
    peak, other_peak = size(own.peak_activation_bytes), size(other.peak_activation_bytes)
    return (
        f"peak activations {known}{peak}, {word} {known}{other_peak}; time "
        f"{least}{duration(own.seconds)}, {word} {least}{duration(other.seconds)} on {machine}"
    )
