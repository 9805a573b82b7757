"""The report page: one offline HTML page about a network, and the files that belong to it."""

import base64
import hashlib
from collections.abc import Mapping
from functools import cached_property
from os import PathLike

import msgspec

from inception_lens.analyses.analysis import Analysis
from inception_lens.analyses.compare.records import Comparison
from inception_lens.analyses.savings.network import Savings
from inception_lens.errors import ConfigError
from inception_lens.files import write_folder
from inception_lens.ops import format_shape
from inception_lens.renderers.diagrams.diagram import compare_diagram, diagram
from inception_lens.renderers.escape import printable
from inception_lens.renderers.pages.data import embedded, report_data
from inception_lens.renderers.pages.diagram import page_diagram
from inception_lens.renderers.pages.sections import comparison_section, headline, saving_section
from inception_lens.renderers.tables import csv, latex, markdown
from inception_lens.renderers.templates import asset, template
from inception_lens.renderers.theme import COLORS, DARK, FONTS, LIGHT, REDUCTION, Palette
from inception_lens.tables.compare.comparison import compare_table
from inception_lens.tables.summary import CONVENTION, facts, summary_table
from inception_lens.tables.units import count

SCRIPTS = (
    *("elements", "numbers", "rows", "layout", "heat", "zoom", "diagram", "table", "icicle", "charts"),
    *("search", "main"),
)
"""The files of the page's script, in the order in which they are concatenated."""

FILES = {
    "network.svg": "diagram, for papers and slides",
    "network.png": "the same diagram as a bitmap",
    "layers.csv": "all layers, with exact numbers",
    "analysis.json": "all results of the analysis",
    "summary.md": "table of modules in Markdown",
    "summary.tex": "table of modules in LaTeX, with booktabs",
    "savings.json": "savings of the reductions",
    "comparison.svg": "both networks side by side",
    "comparison.md": "differences between the networks in Markdown",
    "comparison.json": "differences between the networks, with exact numbers",
}
"""The files next to the page, by name, with the description that the page shows."""

MAX_UNFOLDED = 1_000
"""Calls up to which a network's diagram shows consecutive equal modules separately."""


class Report(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Everything about one network: an HTML page, and files for papers and programs."""

    analysis: Analysis
    """The network and its costs."""
    savings: Savings | None = None
    """The savings of its reductions; None if they cannot be counted."""
    no_savings: str = ""
    """Why there are none."""
    comparison: Comparison | None = None
    """Its differences from a second network; None without one."""
    png: bool = False
    """Whether the diagram is drawn as a bitmap too, which takes longer than all other files together."""

    @cached_property
    def html(self) -> str:
        """The page. It works from a local file, and neither loads nor sends anything."""
        return _page(self)

    @cached_property
    def files(self) -> Mapping[str, bytes]:
        """The content of every file by its name; the page, `index.html`, is the last."""
        return {**self._other_files, "index.html": self.html.encode()}

    def save(self, folder: str | PathLike[str]) -> None:
        """Write `files` into a folder, which is created if it does not exist.

        Raises:
            OutputError: a file cannot be written.
        """
        write_folder(folder, self.files)

    @cached_property
    def _other_files(self) -> dict[str, bytes]:
        """The files next to the page."""
        analysis, savings, comparison = self.analysis, self.savings, self.comparison
        texts = {
            "layers.csv": csv.render(summary_table(analysis, depth=None, flat=True)),
            "analysis.json": analysis.to_json() + "\n",
            "summary.md": markdown.render(summary_table(analysis)),
            "summary.tex": latex.render(summary_table(analysis)),
        }
        if savings:
            texts["savings.json"] = savings.to_json() + "\n"
        if comparison:
            texts |= {
                "comparison.json": comparison.to_json() + "\n",
                "comparison.md": markdown.render(compare_table(comparison)),
            }
        drawings: dict[str, bytes] = {}
        try:
            whole = diagram(analysis, fold=len(analysis.graph.nodes) > MAX_UNFOLDED)
            drawings = {"network.svg": whole.draw("svg")} | ({"network.png": whole.draw("png")} if self.png else {})
        except ConfigError:  # too many boxes; the page shows the network in runs of layers
            pass
        if self._comparison_svgs:
            drawings["comparison.svg"] = self._comparison_svgs[0]
        return {**drawings, **{name: text.encode() for name, text in texts.items()}}

    @cached_property
    def _comparison_svgs(self) -> tuple[bytes, ...]:
        """Both networks side by side, on a light and on a dark background; empty if they have too many boxes."""
        if self.comparison is None:
            return ()
        try:
            return tuple([compare_diagram(self.comparison, dark=dark).draw("svg") for dark in (False, True)])
        except ConfigError:
            return ()


def _page(report: Report) -> str:
    analysis, graph = report.analysis, report.analysis.graph
    data = embedded(report_data(analysis, page_diagram(graph)))
    # One function around all scripts: nothing becomes a global variable.
    script = "(() => {\n" + "\n".join([asset(f"report/{name}.js") for name in SCRIPTS]) + "})();\n"
    style = f"{asset('report/style.css')}\n{_theme_css()}"
    inputs = [f"{printable(i.name)} {format_shape(i.type.shape)} {i.type.dtype}" for i in graph.inputs]
    savings = report.savings.savings if report.savings else ()
    return template("report/page.html").render(
        name=printable(graph.name),
        description=printable(graph.metadata.description),
        inputs=", ".join(inputs),
        mode=graph.mode,
        headline=headline(analysis),
        facts=list(map(printable, facts(analysis))),
        convention=CONVENTION,
        layers=count(len(analysis.layers)),
        savings=[saving_section(saving) for saving in savings if saving.sites],
        no_savings=printable(report.no_savings),
        comparison=comparison_section(report.comparison, report._comparison_svgs) if report.comparison else None,
        files=[(name, description) for name, description in FILES.items() if name in report._other_files],
        style=style,
        script=script,
        style_hash=_csp_hash(style),
        script_hash=_csp_hash(script),
        data=data,
    )


def _csp_hash(text: str) -> str:
    """The source expression with which a policy allows an inline script or style (W3C CSP Level 3, section 2.3.1)."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _theme_css() -> str:
    """The theme as CSS: variables for the light and the dark scheme, and a class for each kind of box."""

    def variables(palette: Palette) -> str:
        named = msgspec.structs.asdict(palette) | {"tint": f"{100 * palette.tint:.0f}%"}
        del named["heat"]
        return " ".join([f"--{name}: {value};" for name, value in named.items()])

    colors = {"reduction": REDUCTION, **{str(category): color for category, color in COLORS.items()}}
    kinds = " ".join([f"--{kind}: {color};" for kind, color in colors.items()])
    classes = "\n".join([f".kind-{kind} {{ --kind: var(--{kind}); }}" for kind in colors])
    return (
        f":root {{ --fonts: {FONTS}; {kinds} {variables(LIGHT)} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {variables(DARK)} }} }}\n"
        f"{classes}"
    )
