"""The summary in a terminal: as it looked when a person last read it, and its columns sum to what it prints."""

import re
from collections.abc import Callable

import msgspec
import pytest
from rich.cells import cell_len

import inception_lens as il
from inception_lens.analyses.analysis import Analysis
from inception_lens.analyses.catalogue import Sized
from inception_lens.errors import ConfigError
from inception_lens.graph import Graph, Input, Metadata, Node, Output
from inception_lens.ops import Conv2d, TensorType, Unknown
from inception_lens.renderers.text import CONVENTION, catalogue_table, summary_table

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
    """A number as printed, and how far it may be from what it stands for."""

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
    text = summary_table(analysis, depth=depth, width=width, unicode=unicode)
    golden(f"{model.replace('@', '-')}-depth{depth}-{width}-{'unicode' if unicode else 'ascii'}.txt", text)

    header = next(line for line in text.splitlines() if line.startswith("module"))
    titles = [title for title in ("params", "MACs", "FLOPs", "weights", "activations") if f" {title}" in header]
    assert titles[:2] == ["params", "MACs"]
    rows, total = parse(text, titles)
    for title in titles:
        assert_conserved([row.cells[title] for row in rows if row.level == 0], total.cells[title])
    assert total.cells["params"] == Cell(analysis.totals.params, 0.0)
    assert abs(total.cells["MACs"].value - analysis.totals.macs) <= total.cells["MACs"].slack


@pytest.mark.parametrize("model", ["googlenet", "googlenet@torchvision"])
def test_the_open_parts_of_a_module_sum_to_it(model: str) -> None:
    rows, _ = parse(summary_table(il.analyze(model), depth=2, width=150), ["params", "MACs", "activations"])
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
def test_no_line_is_wider_than_asked(mode: str, depth: int | None, width: int) -> None:
    analysis = il.analyze("googlenet", mode="training" if mode == "training" else "inference")
    assert max(map(len, summary_table(analysis, depth=depth, width=width).splitlines())) <= width


def test_ascii_is_ascii() -> None:
    assert summary_table(il.analyze("googlenet"), depth=None, unicode=False).isascii()


def test_colour_is_there_when_asked_for_and_changes_no_text() -> None:
    analysis = il.analyze("googlenet")
    plain = summary_table(analysis)
    colored = summary_table(analysis, color=True)
    assert "\x1b" not in plain
    assert "\x1b[94m" in colored
    assert [line.rstrip() for line in re.sub(r"\x1b\[[\d;]*m", "", colored).splitlines()] == plain.splitlines()


def test_the_heading_names_the_network_its_input_and_its_mode() -> None:
    first = summary_table(il.analyze("googlenet", mode="training", batch=8), width=150).splitlines()[0]
    for part in ("googlenet", "Szegedy et al. 2014, Table 1", "input 8x3x224x224", "float32", "training"):
        assert part in first


def test_the_words_are_explained_below_the_table() -> None:
    text = " ".join(summary_table(il.analyze("googlenet")).split())
    assert CONVENTION in text
    assert "FLOPs 3.190 G; weights 28.0 MB; peak activations 4.82 MB at conv2/norm2" in text


def test_training_tells_what_the_backward_pass_takes() -> None:
    text = " ".join(summary_table(il.analyze("googlenet", mode="training")).split())
    for part in (
        "backward 3.064 G MACs", "kept for the backward pass 48.3 MB", "gradients 53.5 MB",
        "optimizer state 53.5 MB (SGD with momentum) or 107 MB (Adam)",
    ):  # fmt: skip
        assert part in text


def test_sorting_puts_the_largest_module_first() -> None:
    rows, _ = parse(summary_table(il.analyze("googlenet"), sort="params"), ["params"])
    values = [row.cells["params"].value for row in rows]
    assert values[0] == 1_444_080
    assert values == sorted(values, reverse=True)


def test_columns_are_those_asked_for() -> None:
    text = summary_table(il.analyze("googlenet"), columns=["op", "params"])
    header = next(line for line in text.splitlines() if line.startswith("module"))
    assert header.split() == ["module", "op", "params"]


def test_a_narrow_table_goes_without_columns_that_a_wide_one_has() -> None:
    texts = [summary_table(il.analyze("googlenet"), width=width) for width in (80, 100, 150)]
    narrow, middle, wide = (
        set(next(line for line in text.splitlines() if line.startswith("module")).split()) for text in texts
    )
    assert {"module", "output", "params", "MACs", "share"} <= narrow < middle < wide


def test_an_unknown_column_or_depth_is_refused() -> None:
    analysis = il.analyze("googlenet")
    with pytest.raises(ConfigError, match="is no column"):
        summary_table(analysis, columns=["colour"])
    with pytest.raises(il.InceptionLensError, match="at least 1"):
        summary_table(analysis, depth=0)


def chain(names: list[str], metadata: Metadata = Metadata()) -> Analysis:  # noqa: B008
    """Convolutions one behind the other, the second of them an operation that nobody knows."""
    nodes = []
    for at, name in enumerate(names):
        odd = Unknown("Odd[red]\x1b", (TensorType((1, 3, 8, 8)),))
        nodes.append(Node(name, odd if at == 1 else Conv2d(3, (1, 1)), (names[at - 1] if at else "input",)))
    graph = Graph.of([Input("input", TensorType((1, 3, 8, 8)))], nodes, [Output(names[-1])])
    return il.analyze(msgspec.structs.replace(graph, metadata=metadata))


@pytest.mark.parametrize("color", [False, True])
def test_no_name_steers_the_terminal(color: bool) -> None:
    text = summary_table(chain(HOSTILE, Metadata("\x1b]0;title\x07", "a\x9bm\nb")), depth=None, width=120, color=color)
    text = re.sub(r"\x1b\[[\d;]*m", "", text) if color else text
    assert all(char == "\n" or char.isprintable() for char in text)
    assert r"\x1b]0;title\x07" in text


def test_no_name_is_read_as_markup() -> None:
    text = summary_table(chain(HOSTILE), depth=None, width=150)
    for shown in ("[red]markup[/red]", ":smile:", r"\x1b[31mred\x1b[0m", r"a\nb", "<script>alert(1)</script>"):
        assert any(line.startswith(shown) for line in text.splitlines())


def test_wide_and_long_names_are_folded_into_the_width() -> None:
    text = summary_table(chain(["日本語" * 20, "x" * 300, "y"]), depth=None, width=80)
    table = text[text.index("module") : text.index("FLOPs")]
    assert max(cell_len(line) for line in table.splitlines()) <= 80
    assert "".join(re.findall(r"^x+", text, re.MULTILINE)).startswith("x" * 300)


def test_the_unknown_is_told_wherever_it_counts() -> None:
    text = summary_table(chain(HOSTILE), depth=None, width=150)
    (odd,) = (line for line in text.splitlines() if line.startswith("=cmd()  "))
    (total,) = (line for line in text.splitlines() if line.startswith("total  ") and ">=" in line)
    assert odd.split().count("?") == 2  # MACs and FLOPs
    assert total.count(">= ") == 2
    assert "FLOPs at least " in text
    assert r"not counted, so that sums say at least: =cmd() (Odd[red]\x1b)" in " ".join(text.split())


def test_the_catalogue_is_a_line_each() -> None:
    network = Sized("net", "Net", "x", "paper \x1b[31m, 1999", (3, 32, 32), 10, 1234, 5_000_000, 1234, 5_000_000, None)
    other = msgspec.structs.replace(network, name="other", params_with_aux=2345, macs_with_aux=6_000_000)
    text = catalogue_table([other], width=150)
    for part in ("other", "3x32x32", "10", "1,234", "2,345", "5.000 M", "1999"):
        assert part in text
    assert "\x1b" not in text
    assert catalogue_table([other], width=150, unicode=False).isascii()
