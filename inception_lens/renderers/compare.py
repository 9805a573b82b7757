"""A comparison as a table in a terminal, and as Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.text import Text

from inception_lens.analyses.compare.records import ComparedNetwork, Comparison, Head, PartComparison, Shift
from inception_lens.ops import format_shape
from inception_lens.renderers.compare_values import number
from inception_lens.renderers.compare_words import Fact, facts
from inception_lens.renderers.escape import markdown_cell, printable
from inception_lens.renderers.grid import GridColumn, grid
from inception_lens.renderers.table import NOTHING, UNKNOWN
from inception_lens.tables.units import count

COLUMNS = (GridColumn("what differs", folds_to=24), GridColumn("params", "right"), GridColumn("MACs", "right"))
NOTE = "deltas are those of {b} less {a}; MACs of the forward pass, bias not counted"


def compare_table(comparison: Comparison, *, width: int = 100, color: bool = False, unicode: bool = True) -> str:
    """Write what differs, and what it costs."""
    a, b = comparison.a, comparison.b
    name_a, name_b = _names(a, b)
    lines = textwrap.wrap(f"{_title(a)}  against  {_title(b)}", width, break_long_words=False)
    told = facts(comparison.trunk, a.graph, b.graph)
    differing = [fact for fact in told if not fact.alike]
    lines += (
        ["", *_grid(differing, _sums(a, b), width, color, unicode)]
        if differing
        else ["", *textwrap.wrap(" ".join(_same(comparison)), width)]
    )
    alike = [fact for fact in told if fact.alike]
    if alike:
        lines += ["", *textwrap.wrap("told otherwise, and the same on this input:", width), *_listed(alike, width)]
    if comparison.shifts:
        lines += ["", *textwrap.wrap(f"where {name_b} looks, beside {name_a}:", width)]
        lines += [line for each in alignment(comparison.shifts) for line in _wrapped(each, width)]
    if comparison.heads:
        heads = facts(_joined(comparison.heads), *comparison.training)
        lines += ["", *textwrap.wrap(_heads_title(comparison), width)]
        lines += ["", *_grid(heads, [], width, color, unicode)] if heads else []
    lines += ["", *textwrap.wrap(NOTE.format(a=name_a, b=name_b), width)]
    return "\n".join(lines) + "\n"


def compare_markdown(comparison: Comparison) -> str:
    """Write the same for a document."""
    a, b = comparison.a, comparison.b
    told = facts(comparison.trunk, a.graph, b.graph)
    differing = [fact for fact in told if not fact.alike]
    parts = [f"## {markdown_cell(_title(a))} against {markdown_cell(_title(b))}"]
    parts.append(_pipes(differing, _sums(a, b)) if differing else markdown_cell(" ".join(_same(comparison))))
    alike = [fact for fact in told if fact.alike]
    if alike:
        lines = [f"- {markdown_cell(f'{fact.words} ({fact.where})')}" for fact in alike]
        parts.append("Told otherwise, and the same on this input:\n\n" + "\n".join(lines))
    if comparison.shifts:
        lines = [f"- {markdown_cell(each)}" for each in alignment(comparison.shifts)]
        name_a, name_b = map(markdown_cell, _names(a, b))
        parts.append(f"Where {name_b} looks, beside {name_a}:\n\n" + "\n".join(lines))
    if comparison.heads:
        heads = facts(_joined(comparison.heads), *comparison.training)
        parts.append(f"### {markdown_cell(_heads_title(comparison))}")
        parts += [_pipes(heads, [])] if heads else []
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def alignment(shifts: Sequence[Shift]) -> list[str]:
    """How far the fields of one network lie from those of the other, call by call, in runs of equal shifts."""
    runs: dict[tuple[float, ...], list[Shift]] = {}
    for shift in shifts:
        runs.setdefault(shift.pixels, []).append(shift)
    lines = []
    for pixels, run in runs.items():
        others = f" to {printable(run[-1].a)}, {len(run)} calls" if len(run) > 1 else ""
        lines.append(f"{printable(run[0].a)}{others}: {_moved(pixels)}")
    return lines


def _moved(pixels: tuple[float, ...]) -> str:
    words = (("down", "up"), ("right", "left")) if len(pixels) == 2 else (("on", "back"),) * len(pixels)
    if len(set(map(abs, pixels))) == 1:
        way = " and ".join(ways[pixel < 0] for ways, pixel in zip(words, pixels, strict=True))
        return f"{_pixels(pixels[0])} further {way}"
    moves = [f"{_pixels(pixel)} further {ways[pixel < 0]}" for ways, pixel in zip(words, pixels, strict=True) if pixel]
    return ", ".join(moves)


def _pixels(distance: float) -> str:
    return f"{abs(distance):g} pixel{'' if abs(distance) == 1 else 's'}"


def _title(side: ComparedNetwork) -> str:
    about = side.graph.metadata.description
    name = printable(f"{side.name}: {about}" if about else side.name)
    return f"{name} (input {', '.join(format_shape(given.type.shape) for given in side.graph.inputs)})"


def _same(comparison: Comparison) -> list[str]:
    a, b = comparison.a, comparison.b
    least = "" if a.exact else "at least "
    if a.params == b.params:
        return [f"no difference: {count(a.params)} parameters and {least}{count(a.macs)} MACs in both"]
    params = f"{count(a.params)} and {count(b.params)} parameters declared"
    return [f"no difference in what they compute: {least}{count(a.macs)} MACs in both; {params}"]


def _names(a: ComparedNetwork, b: ComparedNetwork) -> tuple[str, str]:
    """What the two are called, told apart where they are called the same."""
    marks = (" (A)", " (B)") if a.name == b.name else ("", "")
    return printable(a.name) + marks[0], printable(b.name) + marks[1]


def _sums(a: ComparedNetwork, b: ComparedNetwork) -> list[list[str]]:
    """Both networks' totals, and their difference."""
    rows = [
        [name, count(side.params), f"{'' if side.exact else '>= '}{count(side.macs)}"]
        for side, name in zip((a, b), _names(a, b), strict=True)
    ]
    macs = _delta(b.macs - a.macs) if a.exact and b.exact else UNKNOWN
    return [*rows, ["difference", _delta(b.params - a.params), macs]]


def _costs(fact: Fact) -> tuple[str, str]:
    return _delta(fact.params), UNKNOWN if fact.unknown else _delta(fact.macs)


def _delta(number: int) -> str:
    return f"{number:+,}" if number else NOTHING


def _grid(told: Sequence[Fact], sums: list[list[str]], width: int, color: bool, unicode: bool) -> list[str]:
    rows: list[list[str | Text]] = []
    for fact in told:
        rows.append([fact.words, *_costs(fact)])
        rows.append([Text(f"  {fact.where}", style="dim" if color else ""), "", ""])
    total = ["\n".join(row[i] for row in sums) for i in range(3)] if sums else None
    return grid(COLUMNS, rows, width=width, color=color, unicode=unicode, total=total)


def _listed(told: Sequence[Fact], width: int) -> list[str]:
    return [line for fact in told for line in _wrapped(f"{fact.words} ({fact.where})", width)]


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, initial_indent="  ", subsequent_indent="    ", break_long_words=False)


def _pipes(told: Sequence[Fact], sums: list[list[str]]) -> str:
    from tabulate import tabulate

    rows = [[markdown_cell(fact.words), markdown_cell(fact.where), *_costs(fact)] for fact in told]
    rows += [[markdown_cell(name), "", *numbers] for name, *numbers in sums]
    headers = ["what differs", "where", "params", "MACs"]
    align = ["left", "left", "right", "right"]
    return str(tabulate(rows, headers, tablefmt="pipe", colalign=align, disable_numparse=True))


def _joined(heads: Sequence[Head]) -> PartComparison:
    """All heads as one part, so that what holds for each is told once."""
    return PartComparison(
        tuple([pair for head in heads for pair in head.pairs]),
        tuple([name for head in heads for name in head.only_a]),
        tuple([name for head in heads for name in head.only_b]),
        tuple([change for head in heads for change in head.changes]),
    )


def _heads_title(comparison: Comparison) -> str:
    a, b = comparison.a, comparison.b
    have = [
        f"{name} has {number(side.heads) if side.heads else 'none'}"
        for side, name in zip((a, b), _names(a, b), strict=True)
    ]
    same = not any(head.changes for head in comparison.heads)
    return f"auxiliary heads, in training alone: {', '.join(have)}" + ("; they do not differ" if same else "")
