"""Everything about a network as one page that asks nothing of anybody, and the files that stand beside it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec

from inception_lens.analyses.analysis import Analysis
from inception_lens.analyses.compare.records import Comparison
from inception_lens.analyses.savings.network import Saving, Savings
from inception_lens.errors import ConfigError
from inception_lens.ops import format_shape
from inception_lens.renderers import frame
from inception_lens.renderers.compare import alignment, compare_markdown
from inception_lens.renderers.compare_words import facts as differences
from inception_lens.renderers.diagrams.diagram import compare_diagram, diagram
from inception_lens.renderers.escape import printable
from inception_lens.renderers.pages.data import embedded, report_data
from inception_lens.renderers.pages.pictures import report_picture
from inception_lens.renderers.pages.summary import asset, template
from inception_lens.renderers.text import CONVENTION, facts
from inception_lens.renderers.theme import COLORS, DARK, FONTS, LIGHT, Palette
from inception_lens.renderers.units import count, percent, short, size

SCRIPTS = (
    "report_parts.js",
    "report_layout.js",
    "report_heat.js",
    "report_diagram.js",
    "report_view.js",
    "report_table.js",
    "report_icicle.js",
    "report_charts.js",
    "report_search.js",
    "report.js",
)
"""The page's script, in the order in which its files run."""


MAX_UNFOLDED = 1_000
"""Calls of a network whose picture shows equal modules one by one."""


class Report(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A network's page, and the files beside it."""

    analysis: Analysis
    savings: Savings | None = None
    no_savings: str = ""
    """Why there are none, where they could not be counted."""
    comparison: Comparison | None = None

    @cached_property
    def html(self) -> str:
        """The page: it works from a file, and asks nothing of the network."""
        return _page(self)

    @cached_property
    def files(self) -> Mapping[str, bytes]:
        """Every file by its name: `index.html` last, for it tells of the others."""
        analysis, comparison = self.analysis, self.comparison
        texts = {
            "layers.csv": frame.csv(analysis),
            "analysis.json": analysis.to_json() + "\n",
            "summary.md": frame.markdown(analysis),
            "summary.tex": frame.latex(analysis),
        }
        if self.savings:
            texts["savings.json"] = self.savings.to_json() + "\n"
        if comparison:
            texts |= {"comparison.json": comparison.to_json() + "\n", "comparison.md": compare_markdown(comparison)}
        return {
            **self._pictures,
            **{name: text.encode() for name, text in texts.items()},
            "index.html": self.html.encode(),
        }

    @cached_property
    def _pictures(self) -> dict[str, bytes]:
        """Diagrams, where there is not too much to draw."""
        drawn = {}
        try:
            whole = diagram(self.analysis, fold=len(self.analysis.graph.nodes) > MAX_UNFOLDED)
            drawn = {"network.svg": whole.draw("svg"), "network.png": whole.draw("png")}
        except ConfigError:  # the page says how much it is, and draws it in runs
            pass
        return drawn | ({"comparison.svg": self._side_by_side[0]} if self._side_by_side else {})

    @cached_property
    def _side_by_side(self) -> list[bytes]:
        """Both networks, on a light and on a dark ground; none where there is too much to draw."""
        if self.comparison is None:
            return []
        try:
            return [compare_diagram(self.comparison, dark=dark).draw("svg") for dark in (False, True)]
        except ConfigError:
            return []


def _page(report: Report) -> str:
    analysis = report.analysis
    reductions = _reductions(report.savings)
    data = embedded(report_data(analysis, report_picture(analysis.graph, reductions)))
    script = "(() => {\n" + "\n".join([asset(name) for name in SCRIPTS]) + "})();\n"
    style = f"{asset('report.css')}\n{_colors()}"
    graph = analysis.graph
    return template("report.html").render(
        name=printable(graph.name),
        description=printable(graph.metadata.description),
        inputs=", ".join(
            f"{printable(given.name)} {format_shape(given.type.shape)} {given.type.dtype}" for given in graph.inputs
        ),
        mode=graph.mode,
        headline=_headline(analysis),
        facts=facts(analysis),
        convention=CONVENTION,
        calls=count(len(analysis.layers)),
        savings=[_saving(saving) for saving in report.savings.savings if saving.sites] if report.savings else [],
        no_savings=printable(report.no_savings),
        comparison=_comparison(report.comparison, report._side_by_side) if report.comparison else None,
        files=_listed(report),
        style=style,
        script=script,
        style_hash=_digest(style),
        script_hash=_digest(script),
        data=data,
    )


def _digest(text: str) -> str:
    """The source expression by which a policy lets a script or a style in (W3C CSP Level 3, section 2.3.1)."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _colors() -> str:
    """The theme as the style's variables, in light and in dark."""

    def of(palette: Palette) -> str:
        named = {"ground": palette.background, "ink": palette.ink, "muted": palette.muted, "line": palette.line}
        named |= {"panel": palette.panel, "edge": palette.edge, "tint": f"{100 * palette.tint:.0f}%"}
        return " ".join([f"--{name}: {value};" for name, value in named.items()])

    kinds = " ".join([f"--{kind}: {color};" for kind, color in COLORS.items()])
    rules = "\n".join([f".kind-{kind} {{ --kind: var(--{kind}); }}" for kind in COLORS])
    return (
        f":root {{ --fonts: {FONTS}; {kinds} {of(LIGHT)} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {of(DARK)} }} }}\n"
        f"{rules}"
    )


def _headline(analysis: Analysis) -> list[dict[str, str]]:
    """The numbers that people ask for first: each with its exact value and what it counts."""
    totals = analysis.totals
    least = "" if totals.exact else "at least "
    seen = [layer for layer in analysis.layers if layer.receptive_field]
    widest = max(seen, key=lambda layer: layer.receptive_field or 0, default=None)
    cards = [
        ("parameters", short(totals.params), count(totals.params), f"{size(totals.weight_bytes)} of weights"),
        ("MACs", f"{least}{short(totals.macs)}", f"{least}{count(totals.macs)}", "multiply-adds, bias not counted"),
        ("FLOPs", f"{least}{short(totals.flops)}", f"{least}{count(totals.flops)}", "2 per MAC, and the rest"),
    ]
    if analysis.layers:
        peak = analysis.peak_layer.name
        told = f"alive at once, at {printable(peak)}"
        cards.append(
            (
                "peak activations",
                size(totals.peak_activation_bytes),
                f"{count(totals.peak_activation_bytes)} bytes",
                told,
            )
        )
    if widest and widest.receptive_field:
        image = max([max(given.type.shape[2:], default=0) for given in analysis.graph.inputs])
        told = f"the widest, at {printable(widest.name)}"
        cards.append(("receptive field", f"{widest.receptive_field:,} px", f"of an input of {image:,} px", told))
    keys = ("title", "value", "exact", "about")
    return [dict(zip(keys, card, strict=True)) for card in cards]


def _reductions(savings: Savings | None) -> frozenset[str]:
    found = savings.of("reductions") if savings else None
    return frozenset(site.name for site in found.sites) if found else frozenset()


def _saving(saving: Saving) -> dict[str, Any]:
    """One kind of saving, module by module where it changes any."""
    most = max([module.change.without.macs for module in saving.modules], default=0) or 1

    def told(name: str, change: Any) -> dict[str, Any]:
        cells = []
        for key in ("params", "macs"):
            ratio = change.ratio(key)
            show = count if key == "params" else short
            cells += [
                show(getattr(change.without, key)),
                show(getattr(change.using, key)),
                f"{ratio:.2f}x" if ratio else "-",
            ]
        return {
            "name": printable(name),
            "cells": cells,
            "using": round(100 * change.using.macs / most, 2),
            "without": round(100 * change.without.macs / most, 2),
        }

    changed = [each for each in saving.modules if each.change.saved("macs") or each.change.saved("params")]
    total = told("whole network", saving.total)
    saved = saving.total.saved("macs")
    return {
        "kind": saving.kind.name,
        "title": saving.kind.title,
        "source": saving.kind.source,
        "sites": len(saving.sites),
        "saved": _told(saved, saving.total.without.macs),
        "rows": [told(each.name, each.change) for each in changed],
        "total": total,
    }


def _told(saved: int, without: int) -> str:
    if saved < 0:
        return f"{short(-saved)} MACs more than without them"
    return f"{short(saved)} MACs less: {percent(saved, without)} of what it would take without them"


def _comparison(comparison: Comparison, pictures: Sequence[bytes]) -> dict[str, Any]:
    a, b = comparison.a, comparison.b
    told = differences(comparison.trunk, a.graph, b.graph)

    def rows(found: Sequence[Any]) -> list[dict[str, str]]:
        return [
            {
                "words": printable(fact.words),
                "where": fact.where,
                "params": f"{fact.params:+,}" if fact.params else "-",
                "macs": f"{fact.macs:+,}" if fact.macs else "-",
            }
            for fact in found
        ]

    sides = [
        {
            "name": printable(side.name),
            "params": count(side.params),
            "macs": f"{'' if side.exact else '>= '}{count(side.macs)}",
        }
        for side in (a, b)
    ]
    return {
        "sides": sides,
        "params": f"{b.params - a.params:+,}",
        "macs": f"{b.macs - a.macs:+,}",
        "differs": comparison.differs,
        "rows": rows([fact for fact in told if not fact.alike]),
        "alike": rows([fact for fact in told if fact.alike]),
        "shifts": alignment(comparison.shifts),
        # As an image a picture can neither run nor load anything, whatever is in it.
        "pictures": [f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}" for svg in pictures],
    }


ABOUT_FILES = {
    "network.svg": "the diagram, for papers and slides",
    "network.png": "the same as a bitmap",
    "layers.csv": "every layer, exact numbers",
    "analysis.json": "everything that was counted",
    "summary.md": "the table of modules for a README",
    "summary.tex": "the same for a paper, in booktabs",
    "savings.json": "what the reductions save",
    "comparison.svg": "both networks side by side",
    "comparison.md": "what differs, for a README",
    "comparison.json": "what differs, exact numbers",
}


def _listed(report: Report) -> list[tuple[str, str]]:
    there = {*report._pictures, "layers.csv", "analysis.json", "summary.md", "summary.tex"}
    there |= {"savings.json"} if report.savings else set()
    there |= {"comparison.md", "comparison.json"} if report.comparison else set()
    return [(name, about) for name, about in ABOUT_FILES.items() if name in there]
