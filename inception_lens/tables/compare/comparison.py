"""The tables of a comparison: differences, equivalent forms, shifted receptive fields, and auxiliary heads."""

from __future__ import annotations

from collections.abc import Sequence

from inception_lens.analyses.compare.records import ComparedNetwork, Comparison, Head, PartComparison, Shift
from inception_lens.ops import format_shape
from inception_lens.tables.compare.differences import WordedDifference, worded_differences
from inception_lens.tables.compare.wording import number_word
from inception_lens.tables.summary import title
from inception_lens.tables.table import Cell, Column, Row, Table
from inception_lens.tables.units import at_least, count

COLUMNS = (
    Column(key="where", title="where", below=True),
    Column(key="params", title="params", kind="count", signed=True),
    Column(key="macs", title="MACs", kind="count", signed=True),
)


def compare_table(comparison: Comparison) -> Table:
    """The differences and what each costs; its rows add up to the difference of the totals."""
    a, b = comparison.a, comparison.b
    name_a, name_b = _names(a, b)
    found = worded_differences(comparison.trunk, a.graph, b.graph)
    differing = [each for each in found if not each.equivalent]
    equivalent = [each for each in found if each.equivalent]
    further = []
    if equivalent:
        further.append(_statements("equivalent", "different form, same result on this input", equivalent))
    if comparison.shifts:
        further.append(_shifts(comparison.shifts, f"receptive fields of {name_b} relative to {name_a}"))
    if comparison.heads:
        paired = [head for head in comparison.heads if head.a and head.b]
        heads = worded_differences(_joined(paired), *comparison.training)
        heads += [_lone_head(head) for head in comparison.heads if head not in paired]
        further.append(_statements("heads", _heads_title(comparison), heads))
    notes = [] if differing or comparison.has_live_heads else [_sameness(a, b)]
    notes.append(f"params and MACs: {name_b} minus {name_a}; MACs of the forward pass, bias not counted")
    return Table(
        key="network",
        title=f"{_title(a)} against {_title(b)}",
        label=Column(key="difference", title="difference", min_width=24),
        columns=COLUMNS,
        rows=tuple(map(_row, differing)),
        totals=_totals(a, b),
        notes=tuple(notes),
        further=tuple(further),
    )


def _statements(key: str, heading: str, differences: Sequence[WordedDifference]) -> Table:
    return Table(
        key=key,
        title=heading,
        label=Column(key="difference", title="difference", min_width=24),
        columns=COLUMNS,
        rows=tuple(map(_row, differences)),
    )


def _row(difference: WordedDifference) -> Row:
    params = difference.params if difference.params_exact else None
    macs = difference.macs if difference.exact else None
    return Row(difference.words, (difference.where, params, macs))


def _totals(a: ComparedNetwork, b: ComparedNetwork) -> tuple[Row, ...]:
    """The costs of both networks, which have no sign, and their difference."""
    rows = [Row(name, ("", *costs_of(network))) for network, name in zip((a, b), _names(a, b), strict=True)]
    params: Cell = b.params - a.params if a.params_exact and b.params_exact else None
    macs: Cell = b.macs - a.macs if a.exact and b.exact else None
    return (*rows, Row("difference", ("", params, macs)))


def costs_of(network: ComparedNetwork) -> tuple[str, str]:
    """The parameters and the MACs of a network."""
    params, macs = at_least(network.params_exact), at_least(network.exact)
    return f"{params}{count(network.params)}", f"{macs}{count(network.macs)}"


def _shifts(shifts: Sequence[Shift], heading: str) -> Table:
    return Table(
        key="shifts",
        title=heading,
        label=Column(key="calls", title="calls", min_width=24),
        columns=(Column(key="number", title="number", kind="count"), Column(key="shift", title="shift", min_width=18)),
        rows=tuple(
            [
                Row(run[0].a if len(run) == 1 else f"{run[0].a} to {run[-1].a}", (len(run), shift_words(pixels)))
                for pixels, run in shift_runs(shifts)
            ]
        ),
    )


def shift_runs(shifts: Sequence[Shift]) -> list[tuple[tuple[float, ...], list[Shift]]]:
    """The calls by the shift of their receptive fields, in the order of execution of the first of each."""
    runs: dict[tuple[float, ...], list[Shift]] = {}
    for shift in shifts:
        runs.setdefault(shift.pixels, []).append(shift)
    return list(runs.items())


def shift_words(pixels: tuple[float, ...]) -> str:
    """A shift in words: `1 pixel further down and right`."""
    words = (("down", "up"), ("right", "left")) if len(pixels) == 2 else (("forward", "back"),) * len(pixels)
    if len(set(map(abs, pixels))) == 1:
        directions = [ways[pixel < 0] for ways, pixel in zip(words, pixels, strict=True)]
        return f"{_pixels(pixels[0])} further {' and '.join(directions)}"
    moves = [f"{_pixels(pixel)} further {ways[pixel < 0]}" for ways, pixel in zip(words, pixels, strict=True) if pixel]
    return ", ".join(moves)


def _pixels(distance: float) -> str:
    return f"{abs(distance):g} pixel{'' if abs(distance) == 1 else 's'}"


def _title(network: ComparedNetwork) -> str:
    return f"{title(network.graph)} (input {', '.join([format_shape(i.type.shape) for i in network.graph.inputs])})"


def _sameness(a: ComparedNetwork, b: ComparedNetwork) -> str:
    (params, macs), (params_b, _) = costs_of(a), costs_of(b)
    if params == params_b:
        return f"no difference: {params} parameters and {macs} MACs in both"
    return f"no difference in what they compute: {macs} MACs in both; {params} and {params_b} parameters declared"


def _names(a: ComparedNetwork, b: ComparedNetwork) -> tuple[str, str]:
    """The names of the networks, with a letter where they are equal."""
    letters = (" (A)", " (B)") if a.name == b.name else ("", "")
    return a.name + letters[0], b.name + letters[1]


def _joined(heads: Sequence[Head]) -> PartComparison:
    """All heads as one part, so that what they have in common is one statement."""
    return PartComparison(
        tuple([pair for head in heads for pair in head.pairs]),
        tuple([name for head in heads for name in head.only_a]),
        tuple([name for head in heads for name in head.only_b]),
        tuple([change for head in heads for change in head.changes]),
    )


def _lone_head(head: Head) -> WordedDifference:
    """The statement for a head that one network has."""
    calls = head.only_b or head.only_a
    return WordedDifference(
        f"a head is {'added' if head.b else 'missing'}: {number_word(len(calls))} calls",
        calls,
        head.params,
        head.macs,
        exact=all(change.macs is not None for change in head.changes),
        params_exact=all(change.params_exact for change in head.changes),
    )


def _heads_title(comparison: Comparison) -> str:
    a, b = comparison.a, comparison.b
    have = [
        f"{name} has {number_word(network.heads) if network.heads else 'none'}"
        for network, name in zip((a, b), _names(a, b), strict=True)
    ]
    same = not any(head.changes for head in comparison.heads)
    when = "at inference too" if comparison.has_live_heads else "in training only"
    return f"auxiliary heads, {when}: {', '.join(have)}" + ("; they do not differ" if same else "")
