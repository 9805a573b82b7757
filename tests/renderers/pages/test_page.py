"""The report page in a browser."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

import inception_lens as il
from inception_lens.graph import Graph, Input, Metadata, Node, Output
from inception_lens.ops import Conv2d, TensorType, Unknown
from inception_lens.renderers.escape import printable
from inception_lens.renderers.tables.cells import shown as shown_text
from inception_lens.tables.summary import QUANTITIES, TRAINING
from inception_lens.tables.units import count, short, size
from tests.renderers.models import flat
from tests.renderers.pages.browser import opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HOSTILE = [
    "</script><script>alert(1)</script>", "<img src=x onerror=alert(2)>", '"quoted" onclick="alert(3)', "|{}<>",
    "a\nb\u2028c\u2029d", "javascript:alert(4)", "</title></style><svg onload=alert(5)>", "{{ 7 * 7 }}{% raw %}",
    "__proto__", "constructor", "'); alert(6); ('", "<!--", "]]>", "&lt;b&gt;", "\u202eevil", "x" * 5000,
]  # fmt: skip
SLOWEST_CLICK = 100
"""Milliseconds from a click to its result."""


def hostile() -> Graph:
    given = TensorType((1, 3, 8, 8))
    nodes = []
    for at, name in enumerate(HOSTILE):
        op = Unknown("<b onclick=alert(7)>", (given,)) if at == 1 else Conv2d(3, (1, 1))
        nodes.append(Node(name, op, (HOSTILE[at - 1] if at else "<i>in</i>",)))
    graph = Graph.of([Input("<i>in</i>", given)], nodes, [Output(HOSTILE[-1])])
    metadata = Metadata("</title><script>alert(8)</script>", "<img src=x onerror=alert(9)>")
    return msgspec.structs.replace(graph, metadata=metadata)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    reports = {
        "googlenet": il.report("googlenet", against="googlenet@torchvision"),
        "resnet152": il.report("resnet152"),
        "hostile": il.report(hostile()),
        "large": il.report(flat(2500)),
    }
    for name, report in reports.items():
        (folder / f"{name}.html").write_text(report.html, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in reports}


def box(page: "Page", name: str) -> Any:
    """The box whose first line is `name`."""
    return page.locator(".box:not(.end)").filter(has=page.locator(f":scope > text:text-is({json.dumps(name)})")).last


def names(page: "Page") -> list[str]:
    """The first cells of the table's rows."""
    return [text.strip("\u25b8\u25be ") for text in page.locator("#rows tbody th").all_inner_texts()]


def chosen(page: "Page") -> list[str]:
    return [row.get_attribute("title") or "" for row in page.locator('tr[aria-selected="true"] th').all()]


def test_the_headline_numbers_are_those_of_the_analysis(browser: "Browser", pages: dict[str, Path]) -> None:
    totals = il.analyze("googlenet").totals
    with opened(browser, pages["googlenet"]) as page:
        shown = page.locator(".headline").inner_text()
        for exact in (totals.params, totals.macs, totals.flops, totals.peak_activation_bytes):
            assert count(exact) in shown
        assert "bias not counted" in page.locator("footer").inner_text()


def test_a_module_opens_and_closes_by_mouse_and_keyboard(browser: "Browser", pages: dict[str, Path]) -> None:
    with opened(browser, pages["googlenet"]) as page:
        closed = page.locator(".box").count()
        assert box(page, "5x5_reduce").count() == 0
        box(page, "inception_3a").dblclick()
        assert box(page, "inception_3a").get_attribute("aria-expanded") == "true"
        assert box(page, "5x5_reduce").locator("text").last.text_content() == "conv 1x1, 16"
        box(page, "inception_3a").locator(".toggle").first.click()
        assert page.locator(".box").count() == closed
        box(page, "inception_3b").focus()
        page.keyboard.press("Enter")
        assert box(page, "pool_proj").is_visible()
        page.keyboard.press("Enter")
        assert page.locator(".box").count() == closed
        page.click("#open-all")
        assert page.locator(".box.opened").count() == 12
        page.click("#close-all")
        assert page.locator(".box").count() == closed


def test_boxes_never_overlap_however_many_are_open(browser: "Browser", pages: dict[str, Path]) -> None:
    with opened(browser, pages["googlenet"]) as page:
        page.click("#open-all")
        frames = page.eval_on_selector_all(
            "#stage svg > g > .box > rect",
            "all => all.map(each => { const b = each.getBBox(); return [b.x, b.y, b.x + b.width, b.y + b.height]; })",
        )
        assert len(frames) == 20
        for k, (left, top, right, bottom) in enumerate(frames):
            for other in frames[k + 1 :]:
                assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top


def test_a_click_on_a_box_selects_its_row_and_vice_versa(browser: "Browser", pages: dict[str, Path]) -> None:
    with opened(browser, pages["googlenet"]) as page:
        box(page, "inception_3b").click()
        assert chosen(page) == ["inception_3b"]
        assert page.locator("#details h3").inner_text().startswith("inception_3b")
        assert (
            count(next(group.macs for group in il.analyze("googlenet").by_module(1) if group.name == "inception_3b"))
            in page.locator("#details").inner_text()
        )
        page.locator('#rows tr:has(th[title="inception_5b"])').click()
        assert page.locator(".box.selected > text").first.text_content() == "inception_5b"
        assert page.locator(".box.selected").count() == 1
        frame, stage = (page.locator(each).bounding_box() for each in (".box.selected", "#stage"))
        assert frame is not None
        assert stage is not None
        assert stage["y"] <= frame["y"] <= stage["y"] + stage["height"] - frame["height"]
        page.locator('#rows tr:has(th[title="inception_5b"]) .expander').click()
        page.locator('#rows tr:has(th[title="inception_5b/3x3"])').click()
        assert page.locator(".box.selected > text").first.text_content() == "3x3"  # its module is open now
        page.keyboard.press("Escape")
        assert page.locator(".selected").count() == 0


def test_search_marks_boxes_and_selects_the_layer(browser: "Browser", pages: dict[str, Path]) -> None:
    with opened(browser, pages["googlenet"]) as page:
        page.keyboard.press("/")
        page.keyboard.type("5x5_REDUCE conv")
        assert page.locator("#found .option").count() == 9
        assert page.locator(".box.match").count() == 9
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        assert chosen(page) == ["inception_3b/5x5_reduce"]
        assert page.locator(".box.selected > text").first.text_content() == "5x5_reduce"
        page.fill("#query", "nothing of the kind")
        assert page.locator("#found").inner_text() == "no layer matches"


def test_the_table_sorts_filters_opens_and_adds_columns(browser: "Browser", pages: dict[str, Path]) -> None:
    with opened(browser, pages["googlenet"]) as page:
        assert names(page)[4:6] == ["inception_3a", "inception_3b"]
        page.click('[data-sort="params"]')
        assert names(page)[:2] == ["inception_5b", "inception_5a"]
        assert page.locator('th[aria-sort="descending"]').inner_text() == "params"
        page.click('[data-sort="params"]')
        page.click('[data-sort="params"]')
        assert names(page)[4] == "inception_3a"
        page.select_option("#depth", "all")
        assert page.locator("#rows tbody tr").count() == len(il.analyze("googlenet").tree(None))
        page.fill("#filter", "4e/5x5")
        assert "inception_4e" in names(page)[0]
        assert len(names(page)) == 7
        page.fill("#filter", "")
        page.click("details.columns summary")
        page.check("#columns input[value=flops]")
        page.uncheck("#columns input[value=params]")
        heads = page.locator("#rows thead th").all_inner_texts()
        assert "FLOPs" in heads
        assert "params" not in heads
        assert short(il.analyze("googlenet").totals.flops) in page.locator("#rows tfoot").inner_text()


def test_arrow_keys_move_between_rows_and_between_boxes(browser: "Browser", pages: dict[str, Path]) -> None:
    with opened(browser, pages["googlenet"]) as page:
        page.focus("#rows")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        assert chosen(page) == ["pool1"]
        box(page, "inception_3a").focus()
        page.keyboard.press("ArrowDown")
        assert chosen(page) == ["inception_3b"]
        assert page.locator(".box:focus > text").first.text_content() == "inception_3b"
        assert page.locator('.box[tabindex="0"]').count() == 1


@pytest.mark.parametrize("key", ["macs", "params", "activation_bytes", "receptive_field"])
def test_a_heat_map_shows_the_numbers_of_the_analysis(browser: "Browser", pages: dict[str, Path], key: str) -> None:
    groups = {group.name: group for group in il.analyze("googlenet").by_module(1)}
    with opened(browser, pages["googlenet"]) as page:
        page.select_option("#heat", key)
        for name in ("conv2", "inception_3b", "inception_5b"):
            assert int(box(page, name).get_attribute("data-heat")) == getattr(groups[name], key)
        fills = {
            name: box(page, name).locator("rect").first.evaluate("each => getComputedStyle(each).fill")
            for name in ("conv2", "inception_3b", "inception_5b")
        }
        assert len(set(fills.values())) == 3
        largest = max(fills, key=lambda name: getattr(groups[name], key))
        if key in ("macs", "params"):
            assert fills[largest] == "rgb(102, 37, 6)"  # the last step of the theme's ramp
        assert page.locator("#legend .ramp").is_visible()


def test_the_icicle_zooms_in_and_out(browser: "Browser", pages: dict[str, Path]) -> None:
    with opened(browser, pages["googlenet"]) as page:
        page.locator(".slice[title^='inception_3b:']").click()
        assert chosen(page) == ["inception_3b"]
        assert page.locator("#crumbs").inner_text().split() == ["googlenet", "/", "inception_3b"]
        top = page.locator(".slice").first
        assert (top.get_attribute("title") or "").startswith("inception_3b: 304.3 M, 19.2 %")
        page.select_option("#share", "params")
        assert (top.get_attribute("title") or "").startswith("inception_3b: 388,736, 5.6 %")
        top.click()
        assert (page.locator(".slice").first.get_attribute("title") or "").startswith("googlenet: 6,998,552, 100.0 %")


def test_the_charts_show_and_select_layers(browser: "Browser", pages: dict[str, Path]) -> None:
    analysis = il.analyze("googlenet")
    with opened(browser, pages["googlenet"]) as page:
        label = page.locator("#memory svg").get_attribute("aria-label") or ""
        assert size(analysis.totals.peak_activation_bytes) in label
        assert analysis.peak_layer.name in label
        assert "inception_4b" in (page.locator("#receptive-field svg").get_attribute("aria-label") or "")
        page.locator("#receptive-field svg").click(position={"x": 300, "y": 100})
        assert len(chosen(page)) == 1
        assert chosen(page)[0] in (page.locator("#receptive-field .chart-label").text_content() or "")
        assert chosen(page)[0] in (page.locator("#memory .chart-label").last.text_content() or "")


def test_savings_and_comparison_are_shown(browser: "Browser", pages: dict[str, Path]) -> None:
    with opened(browser, pages["googlenet"]) as page:
        assert "25,301,784" in page.locator("#savings").inner_text()
        assert "97,526,008" in page.locator("#savings").inner_text()
        assert "nine 5x5 branches are 3x3" in page.locator("#comparison").inner_text()
        page.click("#comparison summary")
        assert page.locator("#comparison img").evaluate("each => each.naturalWidth") > 200
        page.locator("tr[data-module=inception_4e]").first.click()
        assert chosen(page) == ["inception_4e"]


def test_the_page_follows_the_colour_scheme_of_the_system(browser: "Browser", pages: dict[str, Path]) -> None:
    ground = "() => getComputedStyle(document.body).backgroundColor"
    with opened(browser, pages["googlenet"], scheme="dark") as page:
        assert page.evaluate(ground) == "rgb(13, 17, 23)"
        page.select_option("#heat", "macs")
        fill = box(page, "conv2").locator("rect").first
        assert fill.evaluate("each => getComputedStyle(each).fill") == "rgb(255, 247, 188)"
        page.emulate_media(color_scheme="light")
        assert page.evaluate(ground) == "rgb(255, 255, 255)"
        assert fill.evaluate("each => getComputedStyle(each).fill") == "rgb(102, 37, 6)"
        page.emulate_media(color_scheme="dark", media="print")
        assert page.evaluate(ground) == "rgb(255, 255, 255)"


def test_a_narrow_screen_does_not_scroll_sideways(browser: "Browser", pages: dict[str, Path]) -> None:
    with opened(browser, pages["googlenet"], size=(390, 844)) as page:
        assert page.evaluate("() => document.documentElement.scrollWidth") == 390


def test_zoom_pan_and_fit(browser: "Browser", pages: dict[str, Path]) -> None:
    with opened(browser, pages["googlenet"]) as page:
        place = page.locator("#stage svg > g")
        first = place.get_attribute("transform")
        page.click("#zoom-in")
        assert place.get_attribute("transform") != first
        page.click("#zoom-fit")
        whole = place.get_attribute("transform")
        page.mouse.move(120, 500)
        page.mouse.down()
        page.mouse.move(160, 560, steps=3)
        page.mouse.up()
        assert place.get_attribute("transform") != whole
        page.click("#zoom-fit")
        assert place.get_attribute("transform") == whole
        frame, stage = (page.locator(each).bounding_box() for each in ("#stage svg > g", "#stage"))
        assert frame is not None
        assert stage is not None
        assert frame["height"] <= stage["height"]


@pytest.mark.parametrize("name", ["resnet152", "large"])
def test_a_click_is_fast(browser: "Browser", pages: dict[str, Path], name: str) -> None:
    """The shortest of five times counts: other processes slow down some of them."""
    with opened(browser, pages[name]) as page:
        clicked = """([path, twice]) => {
            const from = performance.now();
            const box = document.querySelector(`[data-path="${path}"]`);
            box.dispatchEvent(new MouseEvent(twice ? "dblclick" : "click", { bubbles: true }));
            document.body.getBoundingClientRect();
            return performance.now() - from;
        }"""
        for twice in (False, True):
            assert min(page.evaluate(clicked, ["/5", twice]) for _ in range(5)) < SLOWEST_CLICK
            assert page.locator('.box.selected[data-path="/5"]').count() == 1


def test_drawn_elements_of_a_large_network_are_bounded(browser: "Browser", pages: dict[str, Path]) -> None:
    with opened(browser, pages["large"]) as page:
        assert "5,000 layers in 250 runs" in page.locator("#drawn").inner_text()
        page.click("#open-all")
        assert 1000 < page.locator(".box:not(.end)").count() <= 1500
        assert "open the others singly" in page.locator("#drawn").inner_text()
        page.select_option("#depth", "all")
        assert page.locator("#rows tbody tr").count() < 200
        page.fill("#query", "Conv_2222")
        page.keyboard.press("Enter")
        assert chosen(page) == ["Conv_2222"]
        assert page.locator(".box.selected > text").first.text_content() == "Conv_2222"


def test_hostile_names_are_text(browser: "Browser", pages: dict[str, Path]) -> None:
    """`opened` checks that nothing was written to the console, shown in a dialog, or requested."""
    with opened(browser, pages["hostile"]) as page:
        assert page.title() == "</title><script>alert(8)</script> - Inception Lens"
        assert page.locator("script").count() == 2
        assert page.locator("img, iframe, object, embed, base").count() == 0
        inline = "all => all.flatMap(each => [...each.attributes]).filter(each => each.name.startsWith('on')).length"
        assert page.eval_on_selector_all("*", inline) == 0
        page.select_option("#depth", "all")
        page.click("#open-all")
        page.select_option("#heat", "macs")
        page.fill("#query", "a")
        page.keyboard.press("Enter")
        titles = [row.get_attribute("title") for row in page.locator("#rows tbody th").all()]
        assert {printable(name) for name in HOSTILE} <= {*titles}
        assert r"a\nb\u2028c\u2029d" in page.locator("#rows tbody").inner_text()
        assert ">= " in page.locator("#rows tfoot").inner_text()


def test_numbers_are_formatted_as_in_the_package(browser: "Browser", pages: dict[str, Path]) -> None:
    """All cells of the table, in every column."""
    analysis = il.analyze("googlenet")
    shown = [key for key in QUANTITIES if key not in (*TRAINING, "params_nonzero")]
    with opened(browser, pages["googlenet"]) as page:
        page.select_option("#depth", "all")
        page.click("details.columns summary")
        for key in shown:
            page.check(f"#columns input[value={key}]")
        cells = page.eval_on_selector_all(
            "#rows tbody tr", "all => all.map(row => [...row.children].slice(1).map(cell => cell.textContent))"
        )
        assert cells == [
            [shown_text(QUANTITIES[key].column, QUANTITIES[key].cell(row.group)) or "-" for key in shown]
            for row in analysis.tree(None)
        ]
