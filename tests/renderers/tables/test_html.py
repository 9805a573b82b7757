"""Tables as HTML: a page needs no other file, and names on it are text."""

import re
from html.parser import HTMLParser

import msgspec
import pytest

import inception_lens as il
from inception_lens.analyses.analysis import Analysis
from inception_lens.graph import Graph, Input, Metadata, Node, Output
from inception_lens.ops import Conv2d, TensorType, Unknown
from inception_lens.renderers.tables.html import fragment, render
from inception_lens.tables.summary import summary_table

HOSTILE = [
    "<script>alert(1)</script>", "=cmd()", '"quoted" onclick=alert(1)', "<img src=x onerror=alert(1)>", "&lt;b&gt;",
    "{{ 7 * 7 }}", "{% raw %}", "</td></table>", "javascript:alert(1)",
]  # fmt: skip
VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """What a browser would see: elements, their attributes, and the text of rows by cell."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if "th" in self.open or "td" in self.open:
            self.rows[-1][-1] += data


def page(analysis: Analysis, depth: int | None = 1) -> Page:
    return Page(render(summary_table(analysis, depth=depth)))


@pytest.fixture(scope="module")
def hostile() -> Analysis:
    """Convolutions with hostile names, the second of them replaced by an operation whose cost is unknown."""
    nodes = []
    for at, name in enumerate(HOSTILE):
        odd = Unknown("<b>Odd</b>", (TensorType((1, 3, 8, 8)),))
        nodes.append(Node(name, odd if at == 1 else Conv2d(3, (1, 1)), (HOSTILE[at - 1] if at else "<i>in</i>",)))
    graph = Graph.of([Input("<i>in</i>", TensorType((1, 3, 8, 8)))], nodes, [Output(HOSTILE[-1])])
    metadata = Metadata("</title><script>alert(1)</script>", "</caption><script>alert(2)</script>\x1b")
    return il.analyze(msgspec.structs.replace(graph, metadata=metadata))


def test_the_page_forbids_what_it_does_not_need() -> None:
    policies = [
        attributes["content"]
        for tag, attributes in page(il.analyze("googlenet")).tags
        if tag == "meta" and attributes.get("http-equiv", "").lower() == "content-security-policy"
    ]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


@pytest.mark.parametrize("model", ["googlenet", "googlenet@torchvision"])
def test_the_page_refers_to_nothing_outside(model: str) -> None:
    text = render(summary_table(il.analyze(model), depth=None))
    for syntax in ("://", "url(", "@import", "src=", "href="):
        assert syntax not in text
    assert not {tag for tag, _ in Page(text).tags} & {"script", "link", "img", "iframe", "object", "embed", "base"}


def test_the_page_is_complete_and_states_its_language_and_encoding() -> None:
    text = render(summary_table(il.analyze("googlenet")))
    parsed = Page(text)
    assert text.startswith("<!DOCTYPE html>")
    assert parsed.open == []
    assert ("html", {"lang": "en"}) in parsed.tags
    assert ("meta", {"charset": "utf-8"}) in parsed.tags
    assert "googlenet: GoogLeNet, Szegedy et al. 2014, Table 1 - Inception Lens" in parsed.texts


def test_the_rows_are_those_of_the_tree_and_sum_to_the_total() -> None:
    analysis = il.analyze("googlenet")
    header, *rows, total = page(analysis).rows
    at = header.index("params")
    params = [int(row[at].replace(",", "").replace("-", "0")) for row in rows]
    assert [row[0].split()[0] for row in rows] == [row.label for row in analysis.tree(1)]
    assert total[0] == "total"
    assert sum(params) == int(total[at].replace(",", "")) == 6_998_552
    assert {len(row) for row in (header, *rows, total)} == {len(header)}


def test_names_are_text(hostile: Analysis) -> None:
    parsed = page(hostile, depth=None)
    assert [row[0].removesuffix(" 1x1") for row in parsed.rows[1:-1]] == [
        name if at != 1 else f"{name} <b>Odd</b>" for at, name in enumerate(HOSTILE)
    ]
    title = r"</title><script>alert(1)</script>: </caption><script>alert(2)</script>\x1b"
    assert title in parsed.texts
    assert f"{title} - Inception Lens" in parsed.texts


def test_no_name_becomes_an_element_or_an_attribute(hostile: Analysis) -> None:
    harmless, parsed = page(il.analyze("googlenet")), page(hostile, depth=None)
    assert {tag for tag, _ in parsed.tags} == {tag for tag, _ in harmless.tags}
    names = {name for _, attributes in parsed.tags for name in attributes}
    assert names == {name for _, attributes in harmless.tags for name in attributes}
    assert not any("alert" in value for _, attributes in parsed.tags for value in attributes.values())


def test_unknown_costs_are_shown(hostile: Analysis) -> None:
    header, _, odd, *_, total = page(hostile, depth=None).rows
    at = header.index("MACs")
    assert odd[at] == "?"
    assert total[at].startswith(">= ")
    assert "not counted, so that sums are lower bounds (>=): =cmd() (<b>Odd</b>)" in page(hostile).texts


def test_a_notebook_gets_the_table_without_a_page() -> None:
    analysis = il.analyze("googlenet")
    text = fragment(summary_table(analysis))
    assert analysis._repr_html_() == text
    assert Page(text).tags[0] == ("table", {"class": "inception-lens"})
    assert not re.search("<(html|head|style|script|body)", text)


def test_columns_and_order_are_the_requested_ones() -> None:
    rows = Page(render(summary_table(il.analyze("googlenet"), columns=["params"], sort="params"))).rows
    assert rows[0] == ["module", "params"]
    assert rows[1][0].startswith("inception_5b")
