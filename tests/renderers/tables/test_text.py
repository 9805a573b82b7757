"""Tables in a terminal: as they looked when a person last read them, and columns that add up to their totals."""

import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import inception_lens as il
from inception_lens.analyses.analysis import Analysis
from inception_lens.analyses.catalogue import Sized
from inception_lens.graph import Graph, Input, Metadata, Node, Output
from inception_lens.ops import Conv2d, TensorType, Unknown
from inception_lens.renderers.tables.text import cell_width, fold, render
from inception_lens.tables.catalogue import catalogue_table
from inception_lens.tables.summary import CONVENTION, summary_table
from inception_lens.tables.table import AtLeast, Column, Row, Table

FACTORS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}

CASES = [
    *((model, 1, width, unicode) for model in ("googlenet", "googlenet@torchvision")
      for width in (80, 100, 150) for unicode in (True, False)),
    ("googlenet", 2, 150, True),
    ("googlenet@torchvision", 2, 80, False),
]  # fmt: skip

HOSTILE = [
    "<script>alert(1)</script>", "=cmd()", "\"q\"'", "a\nb", "\x1b[31mred\x1b[0m", "[red]markup[/red]", "|{}",
    "\\input{x}$&%#_^~", "\u202eevil", "a\rb", "日本語", ":smile:", "total",
]  # fmt: skip


class Cell(msgspec.Struct, frozen=True):
    """A printed number, and the largest rounding error that it may have."""

    value: float
    slack: float


class Line(msgspec.Struct, frozen=True):
    """One row as printed: its depth in the tree, and its cells by the titles of their columns."""

    level: int
    cells: dict[str, Cell]


def number(text: str) -> Cell:
    """Read `118.0 M`, `602 kB`, `9,472`, `7.5 %` or `-`."""
    if text in ("", "-"):
        return Cell(0.0, 0.0)
    found = re.fullmatch(r"([\d,]+)(\.\d+)?(?: ([kMG]?)B?| %)?", text)
    assert found, text
    factor = FACTORS[found[3] or ""]
    decimals = len(found[2] or ".") - 1
    exact = not decimals and factor == 1 and not text.endswith("%")
    whole = float(found[1].replace(",", "") + (found[2] or ""))
    return Cell(whole * factor, 0.0 if exact else 0.5 * factor / 10**decimals)


def text_of(
    analysis: Analysis,
    depth: int | None = 1,
    columns: list[str] | None = None,
    sort: str | None = None,
    **style: Any,
) -> str:
    return render(summary_table(analysis, depth=depth, columns=columns, sort=sort), **style)


def titles_of(text: str) -> str:
    """The line of a table's header."""
    return next(line for line in text.splitlines() if line.startswith("module"))


def parse(text: str, titles: list[str]) -> tuple[list[Line], Line]:
    """The rows of a table as printed, and its total; a column of numbers ends where its title ends."""
    lines = text.splitlines()
    head = next(at for at, line in enumerate(lines) if line.startswith("module"))
    rules = [at for at, line in enumerate(lines) if set(line) in ({"─"}, {"-"})]
    ends = {title: lines[head].index(f" {title}") + 1 + len(title) for title in titles}

    def read(line: str) -> Line:
        cells = {
            title: re.split(" {3,}", line[:end])[-1].strip() if line[end - 1 : end].strip() else ""
            for title, end in ends.items()
        }
        level = (len(line) - len(line.lstrip())) // 2
        return Line(level, {title: number(cell) for title, cell in cells.items()})

    return [read(line) for line in lines[rules[0] + 1 : rules[1]]], read(lines[rules[1] + 1])


def assert_conserved(parts: list[Cell], whole: Cell) -> None:
    """The printed parts sum to the printed whole, as far as rounding in print can tell."""
    off = abs(sum(part.value for part in parts) - whole.value)
    assert off <= sum(part.slack for part in parts) + whole.slack + 1e-6


@pytest.mark.parametrize(("model", "depth", "width", "unicode"), CASES)
def test_the_table_is_as_it_was_and_its_columns_sum_to_its_total(
    golden: Callable[[str, str], None], model: str, depth: int, width: int, unicode: bool
) -> None:
    analysis = il.analyze(model)
    text = text_of(analysis, depth=depth, width=width, unicode=unicode)
    golden(f"{model.replace('@', '-')}-depth{depth}-{width}-{'unicode' if unicode else 'ascii'}.txt", text)

    header = titles_of(text)
    titles = [title for title in ("params", "MACs", "FLOPs", "weights", "activations") if f" {title}" in header]
    assert titles[:2] == ["params", "MACs"]
    rows, total = parse(text, titles)
    for title in titles:
        assert_conserved([row.cells[title] for row in rows if row.level == 0], total.cells[title])
    assert total.cells["params"] == Cell(analysis.totals.params, 0.0)
    assert abs(total.cells["MACs"].value - analysis.totals.macs) <= total.cells["MACs"].slack


@pytest.mark.parametrize("model", ["googlenet", "googlenet@torchvision"])
def test_the_open_parts_of_a_module_sum_to_it(model: str) -> None:
    rows, _ = parse(text_of(il.analyze(model), depth=2, width=150), ["params", "MACs", "activations"])
    opened = 0
    for at, row in enumerate(rows):
        parts = []
        for below in rows[at + 1 :]:
            if below.level == 0:
                break
            parts.append(below)
        if row.level == 0 and parts:
            opened += 1
            for title, whole in row.cells.items():
                assert_conserved([part.cells[title] for part in parts], whole)
    assert opened >= 9


def test_every_golden_file_belongs_to_a_case(golden_names: set[str]) -> None:
    tables = {
        f"{model.replace('@', '-')}-depth{depth}-{width}-{'unicode' if unicode else 'ascii'}.txt"
        for model, depth, width, unicode in CASES
    }
    assert {name for name in golden_names if "-depth" in name} == tables


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("depth", [1, 2, None])
@pytest.mark.parametrize("width", [80, 100, 150])
def test_no_line_is_wider_than_the_terminal(mode: str, depth: int | None, width: int) -> None:
    analysis = il.analyze("googlenet", mode="training" if mode == "training" else "inference")
    assert max(map(len, text_of(analysis, depth=depth, width=width).splitlines())) <= width


def test_ascii_is_ascii() -> None:
    assert text_of(il.analyze("googlenet"), depth=None, unicode=False).isascii()


def test_colour_is_optional_and_changes_no_text() -> None:
    analysis = il.analyze("googlenet")
    plain = text_of(analysis)
    colored = text_of(analysis, color=True)
    assert "\x1b" not in plain
    assert "\x1b[94m" in colored
    assert [line.rstrip() for line in re.sub(r"\x1b\[[\d;]*m", "", colored).splitlines()] == plain.splitlines()


def test_the_heading_names_the_network_its_input_and_its_mode() -> None:
    first = text_of(il.analyze("googlenet", mode="training", batch=8), width=150).splitlines()[0]
    for part in ("googlenet", "Szegedy et al. 2014, Table 1", "input 8x3x224x224", "float32", "training"):
        assert part in first


def test_the_words_are_explained_below_the_table() -> None:
    text = " ".join(text_of(il.analyze("googlenet")).split())
    assert CONVENTION in text
    assert "FLOPs 3.190 G; weights 28.0 MB; peak activations 4.82 MB at conv2/norm2" in text


def test_sorting_puts_the_largest_module_first() -> None:
    rows, _ = parse(text_of(il.analyze("googlenet"), sort="params"), ["params"])
    values = [row.cells["params"].value for row in rows]
    assert values[0] == 1_444_080
    assert values == sorted(values, reverse=True)


def test_columns_are_the_requested_ones() -> None:
    text = text_of(il.analyze("googlenet"), columns=["op", "params"])
    header = titles_of(text)
    assert header.split() == ["module", "op", "params"]


def test_a_narrow_table_leaves_out_columns_of_a_wide_one() -> None:
    texts = [text_of(il.analyze("googlenet"), width=width) for width in (80, 100, 150)]
    narrow, middle, wide = (set(titles_of(text).split()) for text in texts)
    assert {"module", "output", "params", "MACs", "share"} <= narrow < middle < wide


def chain(names: list[str], metadata: Metadata = Metadata()) -> Analysis:  # noqa: B008
    """Consecutive convolutions, the second of them replaced by an operation whose cost is unknown."""
    nodes = []
    for at, name in enumerate(names):
        odd = Unknown("Odd[red]\x1b", (TensorType((1, 3, 8, 8)),))
        nodes.append(Node(name, odd if at == 1 else Conv2d(3, (1, 1)), (names[at - 1] if at else "input",)))
    graph = Graph.of([Input("input", TensorType((1, 3, 8, 8)))], nodes, [Output(names[-1])])
    return il.analyze(msgspec.structs.replace(graph, metadata=metadata))


@pytest.mark.parametrize("color", [False, True])
def test_names_cannot_control_the_terminal(color: bool) -> None:
    text = text_of(chain(HOSTILE, Metadata("\x1b]0;title\x07", "a\x9bm\nb")), depth=None, width=120, color=color)
    text = re.sub(r"\x1b\[[\d;]*m", "", text) if color else text
    assert all(char == "\n" or char.isprintable() for char in text)
    assert r"\x1b]0;title\x07" in text


def test_names_are_not_markup() -> None:
    text = text_of(chain(HOSTILE), depth=None, width=150)
    for shown in ("[red]markup[/red]", ":smile:", r"\x1b[31mred\x1b[0m", r"a\nb", "<script>alert(1)</script>"):
        assert any(line.startswith(shown) for line in text.splitlines())


def test_wide_and_long_names_are_folded_into_the_width() -> None:
    text = text_of(chain(["日本語" * 20, "x" * 300, "y"]), depth=None, width=80)
    table = text[text.index("module") : text.index("FLOPs")]
    assert max(cell_width(line) for line in table.splitlines()) <= 80
    assert "".join(re.findall(r"^x+", table, re.MULTILINE)) == "x" * 300


def test_unknown_values_are_shown() -> None:
    text = text_of(chain(HOSTILE), depth=None, width=150)
    (odd,) = (line for line in text.splitlines() if line.startswith("=cmd()  "))
    (total,) = (line for line in text.splitlines() if line.startswith("total  ") and ">=" in line)
    assert odd.split().count("?") == 5  # MACs, their share, FLOPs, receptive field, jump
    assert total.count(">= ") == 2


def test_the_catalogue_has_a_line_for_each_network() -> None:
    network = Sized("net", "Net", "x", "paper \x1b[31m, 1999", (3, 32, 32), 10, 1234, 5_000_000, 1234, 5_000_000, None)
    other = msgspec.structs.replace(network, name="other", params_with_aux=2345, macs_with_aux=6_000_000)
    text = render(catalogue_table([other]), width=150)
    for part in ("other", "3x32x32", "10", "1,234", "2,345", "5.000 M", "1999"):
        assert part in text
    assert "\x1b" not in text
    assert render(catalogue_table([other]), width=150, unicode=False).isascii()


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("a short line", 12, ["a short line"]),
        ("a short line", 11, ["a short", "line"]),
        ("inception_3a/5x5_reduce", 10, ["inception_", "3a/5x5_red", "uce"]),
        ("to abcdefghij", 4, ["to", "abcd", "efgh", "ij"]),
        ("  ab cd", 5, ["  ab", "  cd"]),
        ("      abcdef", 4, ["  ab", "  cd", "  ef"]),
        ("日本語", 4, ["日本", "語"]),
        ("日", 1, ["日"]),
        ("", 5, [""]),
    ],
)
def test_text_is_folded_at_spaces_or_where_a_line_is_full(text: str, width: int, lines: list[str]) -> None:
    assert fold(text, width) == lines


@given(st.text(st.sampled_from("ab  é日"), max_size=40), st.integers(2, 30))
def test_folded_lines_fit_and_lose_no_character(text: str, width: int) -> None:
    lines = fold(text, width)
    assert all(cell_width(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def small(**changes: Any) -> Table:
    table = Table(
        title="small",
        columns=(
            Column(key="n", title="in all places", kind="count"),
            Column(key="words", title="words", min_width=10),
            Column(key="where", title="where", below=True),
            Column(key="check", title="check", kind="verdict"),
            Column(key="exact", title="exact", kind="count", audience="data"),
        ),
        rows=(
            Row("first", (1234, "some words that are long", "at a place", "differs: much", 1)),
            Row("second", (AtLeast(7), "", "", "agrees", 2), depth=1, category="conv", description="remark"),
            Row("third", (None, "few", "", "unchecked", 3)),
        ),
        totals=(Row("total", (AtLeast(1241), "", "", "", 6)),),
        notes=("a note",),
    )
    return msgspec.structs.replace(table, **changes)


def test_a_table_in_full() -> None:
    assert render(small(), width=80).splitlines() == [
        "small",
        "",
        "                     in all",
        "                     places   words                      check",
        "──────────────────────────────────────────────────────────────────────",
        "first                 1,234   some words that are long   differs: much",
        "  at a place",
        "  second  remark       >= 7                              agrees",
        "third                     ?   few                        unchecked",
        "──────────────────────────────────────────────────────────────────────",
        "total              >= 1,241",
        "",
        "a note",
    ]


def test_text_is_folded_where_the_table_is_too_wide() -> None:
    lines = render(small(), width=60).splitlines()
    assert max(map(len, lines)) <= 60
    assert any(line.endswith("that are long") for line in lines)
    assert render(small(further=(small(title="next"),)), width=60).count("a note") == 2


def test_verdicts_and_categories_have_colours() -> None:
    text = render(small(), color=True)
    for piece in (
        "\x1b[1;91mdiffers: much\x1b[0m",
        "\x1b[32magrees",
        "\x1b[94m  second",
        "\x1b[2m  remark",
        "\x1b[1mtotal",
    ):
        assert piece in text


def test_a_table_without_rows_is_its_title_and_notes() -> None:
    assert render(small(rows=(), totals=())) == "small\n\na note\n"


def test_a_row_needs_a_cell_for_every_column() -> None:
    with pytest.raises(AssertionError, match="row `x`: 1 cells"):
        small(rows=(Row("x", (1,)),))
