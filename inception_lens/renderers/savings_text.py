"""Savings as tables in a terminal, in the width that there is."""

import textwrap

from inception_lens.analyses.machines import Machine
from inception_lens.analyses.savings.branch import Branch, BranchSavings
from inception_lens.analyses.savings.changes import Sweep, WhatIf
from inception_lens.analyses.savings.kinds import SavingDirection
from inception_lens.analyses.savings.network import Saving, Savings
from inception_lens.ops import format_shape
from inception_lens.renderers.escape import printable
from inception_lens.renderers.savings_columns import (
    SavingRow,
    costs_differ,
    other_word,
    saving_columns,
    saving_rows,
    sides,
    times,
)
from inception_lens.renderers.table import NOTHING, Drawn, draw, fitting, heading
from inception_lens.tables.units import count, duration, short, size

FIRST_DROPPED = (
    "activation_bytes_ratio", "seconds_ratio", "activation_bytes_other", "activation_bytes", "seconds_other", "seconds",
    "what", "macs_ratio", "params_ratio",
)  # fmt: skip
"""What a table goes without, in this order, until it fits its width."""

DIRECTIONS: tuple[SavingDirection, ...] = ("saved", "possible")

CONVENTION = "1 MAC = one multiply-add, bias not counted; times = without over with; MB = 10^6 bytes"


def savings_table(given: Savings, *, width: int = 100, color: bool = False, unicode: bool = True) -> str:
    """Write a table for each saving, the modules where it changes something as rows."""
    lines = [*heading(given.graph, width), ""]
    for saving in given.savings:
        lines += [*_saving(saving, given.machine, width, color, unicode), ""]
    for each in given.refused:
        lines += [
            *textwrap.wrap(printable(f"{each.kind}: {given.graph.name} does not take it: {each.reason}"), width),
            "",
        ]
    for kind in given.missing:
        lines += textwrap.wrap(f"{kind.name}: {given.graph.name} has no place for this ({kind.title})", width)
    notes = [CONVENTION, _about_time(given.machine)] if given.savings else []
    lines += [line for note in notes for line in textwrap.wrap(note, width)]
    return _characters("\n".join(lines).rstrip() + "\n", unicode)


def _saving(saving: Saving, machine: Machine, width: int, color: bool, unicode: bool) -> list[str]:
    rows = saving_rows(saving)
    whole = SavingRow(0, "total", "", saving.total)
    drawn = [Drawn("module", ["  " * row.level + printable(row.label) for row in rows], "total", folds_to=30)]
    for column in saving_columns(saving):
        total = column.text(whole) if column.numeric else ""
        cells = [printable(column.text(row)) for row in rows]
        drawn.append(Drawn(column.title, cells, total, "right" if column.numeric else "left", key=column.key))
    drawn = fitting(drawn, FIRST_DROPPED, width)
    verb = "has" if saving.direction == "saved" else "could have"
    title = f"{saving.kind.name}: {saving.kind.title}; {saving.network.graph.name} {verb} {len(saving.sites)}"
    left = [f"left alone: {each.name}: {each.reason}" for each in saving.skipped]
    return [
        *textwrap.wrap(printable(title), width),
        "",
        *draw(drawn, width, color, unicode),
        "",
        *[line for note in (totals_sentence(saving, machine), *left) for line in textwrap.wrap(printable(note), width)],
    ]


def totals_sentence(saving: Saving, machine: Machine) -> str:
    """The whole network in one sentence: the memory and time that no column sums."""
    own, other = sides(saving.total, saving.direction)
    word = other_word(saving.direction)
    assert isinstance(own.peak_activation_bytes, int)
    assert isinstance(other.peak_activation_bytes, int)
    return (
        f"peak activations {size(own.peak_activation_bytes)}, {word} {size(other.peak_activation_bytes)}; "
        f"all activations {size(own.activation_bytes)}, {word} {size(other.activation_bytes)}; "
        f"time {duration(own.seconds)}, {word} {duration(other.seconds)} on {machine.title}"
    )


def _about_time(machine: Machine) -> str:
    return (
        f"time = the least that {machine.title} can take for each call alone: arithmetic at its peak or traffic at its "
        "memory's speed (roofline)"
    )


def branch_table(given: BranchSavings, *, width: int = 100, color: bool = False, unicode: bool = True) -> str:
    """Write the worked example: a row for each way, with its arithmetic."""
    branch, direct, reduced = given.branch, given.direct.totals, given.reduced.totals
    positions = format_shape(branch.size)
    ways = branch_arithmetic(branch)
    counted = "parameters" if branch.bias else "weights"
    drawn = [
        Drawn("", list(ways)),
        Drawn("arithmetic", list(ways.values()), folds_to=24),
        Drawn(counted, [f"= {count(totals.params)}" for totals in (direct, reduced)], justify="right"),
        Drawn(f"MACs at {positions}", [count(totals.macs) for totals in (direct, reduced)], justify="right"),
    ]
    title = (
        f"{branch.in_channels}x{positions} to {branch.out_channels}x{positions} through {format_shape(branch.kernel)}, "
        f"with and without a 1x1 reduction to {branch.reduce} channels"
    )
    ratio = given.ratio
    said = ", ".join(f"{_fewer(ratio[key])} {name}" for key, name in (("params", counted), ("macs", "MACs")))
    lines = [*textwrap.wrap(title, width), "", *draw(drawn, width, color, unicode), "", f"reduced: {said}"]
    return "\n".join(lines) + "\n"


def branch_arithmetic(branch: Branch) -> dict[str, str]:
    """The sum that the parameters of each way are."""
    kernel = format_shape(branch.kernel)

    def weights(read: int, window: str, made: int) -> str:
        return f"{read}x{window}x{made}" + (f" + {made}" if branch.bias else "")

    return {
        "direct": weights(branch.in_channels, kernel, branch.out_channels),
        "reduced": f"{weights(branch.in_channels, '1x1', branch.reduce)} + "
        + weights(branch.reduce, kernel, branch.out_channels),
    }


def _fewer(ratio: float) -> str:
    return f"{times(ratio)} times fewer" if ratio >= 1 else f"{times(1 / ratio)} times more"


def what_if_table(given: WhatIf, *, width: int = 100, color: bool = False, unicode: bool = True) -> str:
    """Write what a change would cost: a row for each module and layer that would cost something else."""
    requested = ", ".join(f"{each.node} {count(each.now)} > {count(each.then)}" for each in given.widths)
    rows = []
    for module in [module for module in given.modules if costs_differ(module.change)]:
        rows.append(("", module.name, module.change))
        below = [each for each in given.layers if each.name.startswith(f"{module.name}/") and costs_differ(each.change)]
        rows += [("  ", each.name.removeprefix(f"{module.name}/"), each.change) for each in below]
    figures = (("params", "params", count), ("macs", "MACs", short))
    drawn = [Drawn("module", [f"{indent}{printable(name)}" for indent, name, _ in rows], "total", folds_to=30)]
    for key, title, show in figures:
        for side, name in (("without", title), ("using", "would be")):
            cells = [_shown(getattr(getattr(change, side), key), show) for _, _, change in rows]
            total = _shown(getattr(getattr(given.total, side), key), show)
            drawn.append(Drawn(name, cells, total, "right", key=f"{key}_{side}"))
        changes = [_signed(-change.saved(key), show) for _, _, change in rows]
        drawn.append(Drawn("change", changes, _signed(-given.total.saved(key), show), "right", key=f"{key}_change"))
    drawn = fitting(drawn, ("macs_using", "params_using"), width)
    totals = given.total
    assert isinstance(totals.without.peak_activation_bytes, int)
    assert isinstance(totals.using.peak_activation_bytes, int)
    note = (
        f"peak activations {size(totals.without.peak_activation_bytes)}, would be "
        f"{size(totals.using.peak_activation_bytes)}; time {duration(totals.without.seconds)}, would be "
        f"{duration(totals.using.seconds)} on {given.machine.title}"
    )
    lines = [*heading(given.graph, width), *textwrap.wrap(printable(f"what if: {requested}"), width), ""]
    lines += [*draw(drawn, width, color, unicode), "", *textwrap.wrap(note, width)]
    return _characters("\n".join(lines) + "\n", unicode)


def _shown(value: float, show: object) -> str:
    assert callable(show)
    return str(show(value)) if value else NOTHING


def _signed(value: float, show: object) -> str:
    if not value:
        return NOTHING
    return ("+" if value > 0 else "-") + _shown(abs(value), show)


def sweep_table(given: Sweep, *, width: int = 100, color: bool = False, unicode: bool = True) -> str:
    """Write a width through its range: a row for each value, the network's own marked."""
    points = given.points
    mark = [f"{'>' if point.value == given.own else ' '} {count(point.value)}" for point in points]
    drawn = [
        Drawn(given.variable, mark, justify="right", folds_to=12),
        Drawn("params", [count(point.params) for point in points], justify="right"),
        Drawn("MACs", [count(point.macs) for point in points], justify="right"),
    ]
    own = next((point for point in points if point.value == given.own), None)
    if own:
        drawn.append(Drawn("params", [_signed(point.params - own.params, count) for point in points], justify="right"))
        drawn.append(Drawn("MACs", [_signed(point.macs - own.macs, count) for point in points], justify="right"))
    lines = textwrap.wrap(
        printable(f"{given.name}: {given.variable} from {points[0].value} to {points[-1].value}"), width
    )
    lines += ["", *draw(drawn, width, color, unicode), ""]
    if own:
        lines += textwrap.wrap(
            f"> marks its own width, {count(own.value)}, from which the last two columns count", width
        )
    if given.direct:
        direct = f"without the reduction: {count(given.direct.params)} parameters, {count(given.direct.macs)} MACs"
        lines += textwrap.wrap(direct, width)
    return "\n".join(lines) + "\n"


def kinds_table(given: Savings, *, width: int = 100, color: bool = False, unicode: bool = True) -> str:
    """Write the kinds of saving, and in how many places the network has each or could have it."""
    columns: dict[str, list[str]] = {"has": [], "could have": []}
    for kind in given.requested:
        for cells, direction in zip(columns.values(), DIRECTIONS, strict=True):
            saving = given.of(kind.name, direction)
            cells.append(count(len(saving.sites)) if saving and saving.sites else NOTHING)
    drawn = [
        Drawn("kind", [kind.name for kind in given.requested]),
        *[Drawn(title, cells, justify="right") for title, cells in columns.items()],
        Drawn("what", [kind.title for kind in given.requested], folds_to=24),
        Drawn("source", [kind.source for kind in given.requested], key="source"),
    ]
    lines = [*heading(given.graph, width), "", *draw(fitting(drawn, ("source",), width), width, color, unicode)]
    return "\n".join(lines) + "\n"


def _characters(text: str, unicode: bool) -> str:
    return text if unicode else text.replace("µ", "u")
