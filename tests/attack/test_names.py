"""Names that are markup, formulas, escape sequences or code in some format stay plain text in all of them.

Each is the name of a model and of its modules, and goes through every renderer. The output must have the same structure
as the output of the same network with harmless names; otherwise a name has become part of the structure.
"""

import ast
import csv
import io
import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from inception_lens.graph import Graph, Input, Metadata, Output, Writer
from inception_lens.ops import Concat, Conv2d, Flatten, Linear, ReLU, Softmax, TensorType
from inception_lens.writers.onnx.model import to_onnx
from tests.attack.harness import COUNTS, check, run_command, run_commands, sample

NAMES = [
    "</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg onload=alert(1)>", "]]>", "<!--", "-->",
    "javascript:alert(1)", "[x](javascript:alert(1))", "![x](http://x.invalid/y)", "http://x.invalid", "&lt;b&gt;",
    "&#0;", "&nosuch;", "\"double\" 'single' `back`", "two\nlines", "two\r\nlines", "\u2028\u2029\x85", "a\tb", "\0",
    "|{}<>", "|a|b|", "a\\", "\\N\\G\\E\\l\\r", "]; x [URL=javascript:alert]; y [", "<<b>bold</b>>", "digraph {", "->",
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "=HYPERLINK(\"http://x.invalid\")", "'=1", "\ufeff=1", ",;,", '","', "#",
    "\\input{/etc/passwd}", "$x^2$ $", "$\\frac{$", "a & b \\\\ c", "%comment", "_ ^ ~ { }", "\\end{tabular}",
    "{{ 7*7 }}", "{% raw %}", "%s%n%(x)s", "{0.__class__}", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\b\b\b", "\r",
    "\u202egnp.exe", "\u2066\u2069", "שלום", "مرحبا", "e\u0301\u0301\u0301", "\U0001f469\u200d\U0001f52c", "\U000e0001",
    "\u0301", " ", "\u00a0", "\u200b", "\ufffe", "..", "../../etc/passwd", "a//b", "/", "//", "a/", "/a", ":1", "a:1",
    "None", "import os", "__class__", "lambda", "os.system('x')", "'''", '"""', "\\u0041", "0", "-0", "nan", "1e999",
    "x" * 5_000, "/".join("x" * 300), "constructor", "__proto__", "CON", "self", "forward", "torch", "nn",
]  # fmt: skip
TARGET = "hostile names"
TEXT_FORMATS = ("table", "json", "csv", "markdown", "latex", "html")


def network(name: str) -> Graph:
    """A module with a reduced branch; every name in it contains `name`."""
    net = Writer([Input(f"in {name}", TensorType((1, 16, 8, 8)))])
    stem = net.add(f"{name}/stem", Conv2d(16, (3, 3), padding=(1, 1)), f"in {name}")
    wide = net.add(f"{name}/wide", Conv2d(8, (1, 1)), stem)
    less = net.add(f"{name}/less", Conv2d(4, (1, 1)), stem)
    deep = net.add(f"{name}/deep", Conv2d(8, (5, 5), padding=(2, 2)), net.add(f"{name}/relu", ReLU(), less))
    both = net.add(f"{name}/both {name}", Concat(), wide, deep)
    last = net.add("fc", Linear(10), net.add(f"flat {name}", Flatten(), both))
    return net.graph([Output(net.add(f"{name}", Softmax(), last))], metadata=Metadata(name, name))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("names")


def written(folder: Path, name: str) -> str:
    path = folder / f"{abs(hash(name))}.onnx"
    path.write_bytes(to_onnx(network(name)))
    return str(path)


class Elements(HTMLParser):
    """Counts the elements and attributes of an HTML text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found[tag] += 1
        for key, value in attrs:
            self.found[f"{tag} {key}"] += 1
            assert not (key.startswith("on") or "javascript" in (value or "")), (tag, key, value)

    def handle_comment(self, data: str) -> None:
        self.found["comment"] += 1


def unescaped(text: str, char: str) -> int:
    return len(re.findall(rf"(?<!\\)(?:\\\\)*{re.escape(char)}", text))


def structure(text: str, form: str) -> set[object]:
    """What must not depend on a name. A set, because a slash in a name adds a module, and so a row of a known kind."""
    if form == "csv":
        rows = list(csv.reader(io.StringIO(text)))
        for cell in (cell for row in rows for cell in row):
            assert not re.match(r"[=+@\t\r]|-\D", cell), cell
        return {len(row) for row in rows}
    if form == "html":
        return set(Elements(text).found)
    if form == "markdown":
        assert not re.search(r"(?<!\\)<(?!https?:)[a-zA-Z!/]", text), text
        return {unescaped(line, "|") for line in text.splitlines() if line.startswith("|")}
    if form == "latex":
        lines = [line for line in text.splitlines() if not line.startswith("% ")]  # without comments
        assert unescaped("\n".join(lines), "$") % 2 == unescaped("\n".join(lines), "%") == 0
        return {unescaped(line, "&") for line in lines}
    return set()


def count_nodes(svg: str) -> int:
    """The number of nodes in a drawing; fails if it has links, scripts or embedded images."""
    root = ElementTree.fromstring(svg)
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "g", "title", "polygon", "path", "text", "ellipse", "polyline", "defs"}, tags
    return len([element for element in root.iter() if element.get("id", "").startswith("node-")])


def check_printable(text: str) -> None:
    """Fail if the text has control characters or line breaks other than newline."""
    assert all(char.isprintable() or char == "\n" for char in text), text


@pytest.mark.parametrize("form", TEXT_FORMATS)
@pytest.mark.parametrize("command", ["summary", "savings", "compare"])
def test_tables(folder: Path, command: str, form: str) -> None:
    other = written(folder, "other")
    extra = {"summary": ["--depth", "all"], "compare": [other]}.get(command, [])
    shapes = []
    for name in ["harmless", *sample(NAMES)]:
        call = [command, written(folder, name), "--format", form, *extra]
        outcome = run_command(call)
        if "is not one of" in outcome.err:
            pytest.skip(f"{command} has no format {form}")
        check(TARGET, outcome, (name, call))
        assert outcome.code == 0, (name, outcome.err)
        if form == "json":
            json.loads(outcome.out)
        elif form != "html":
            check_printable(outcome.out)
        shapes.append(structure(outcome.out, form))
        assert shapes[-1] == shapes[0], (name, outcome.out)


@pytest.mark.parametrize("form", ["svg", "dot"])
@pytest.mark.parametrize("level", ["network", "module", "layer"])
def test_drawings(folder: Path, level: str, form: str) -> None:
    names = ["harmless", *sample(NAMES)]
    target = [str(folder / f"{level}{i}.{form}") for i in range(len(names))]
    calls = [
        ["diagram", written(folder, name), "--level", level, "-o", path]
        for name, path in zip(names, target, strict=True)
    ]
    shapes = set()
    for name, call, outcome in zip(names, calls, run_commands(calls), strict=True):
        check(TARGET, outcome, (name, call))
        if level == "module" and outcome.code == 2:
            continue  # no layer is in a module if no name has a slash
        assert outcome.code == 0, (name, outcome.err)
        text = Path(call[-1]).read_text(encoding="utf-8")
        if form == "svg":
            shapes.add(count_nodes(text))
            continue
        bare = re.sub(r'"(\\.|[^"\\])*"', '""', text, flags=re.DOTALL)
        assert not re.search(r"URL|href|image|shapefile|label=<(?!<table)", bare), text
        shapes.add(len(re.findall("->(?!.*style=invis)", bare)))
    assert len(shapes) == 1 or level != "layer", shapes


@pytest.mark.parametrize("kind", ["modules", "cumulative", "memory", "roofline", "savings"])
def test_plots(folder: Path, kind: str) -> None:
    for name in sample(NAMES[::4]):
        call = ["plot", written(folder, name), "--kind", kind, "-o", str(folder / "plot.svg")]
        assert check(TARGET, run_command(call), (name, call)).code == 0, name
        root = ElementTree.parse(folder / "plot.svg").getroot()
        assert not {each.tag.rpartition("}")[2] for each in root.iter()} & {"a", "script", "image", "foreignObject"}


@pytest.mark.parametrize("to", ["torch", "onnx", "prototxt"])
def test_exports(folder: Path, to: str) -> None:
    target = folder / ("exported.py" if to == "torch" else f"exported.{to}")
    for name in sample(NAMES):
        target.unlink(missing_ok=True)
        call = ["export", written(folder, name), "--to", to, *(["--weights", "none"] if to == "onnx" else [])]
        outcome = check(TARGET, run_command([*call, "-o", str(target)]), name)
        if outcome.code == 2:
            assert not target.exists()
        elif to == "torch":
            tree = ast.parse(target.read_text(encoding="utf-8"))
            used = {each.id for each in ast.walk(tree) if isinstance(each, ast.Name)}
            used |= {each.attr for each in ast.walk(tree) if isinstance(each, ast.Attribute)}
            assert not used & {"alert", "os", "system", "HYPERLINK", "SUM"}, name
        else:
            assert run_command(["summary", str(target)]).code == 0, name


def test_notebook_output() -> None:
    import inception_lens as il

    shapes = []
    for name in ["harmless", *sample(NAMES)]:
        COUNTS[TARGET] += 1
        graph = network(name)
        shapes.append(set(Elements(il.analyze(graph)._repr_html_()).found))
        for drawn in (graph._repr_svg_(), il.diagram(graph)._repr_svg_()):
            assert drawn is not None
            count_nodes(drawn)
    assert all(shape == shapes[0] for shape in shapes)
