"""Drawings and layouts of DOT text, by the Graphviz library in pygraphviz or by the system's `dot` program.

Fonts are those of matplotlib, so that a diagram is the same on every machine, even on one without any fonts; characters
that they lack come from the system's fonts.
"""

import contextlib
import math
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from html import escape
from importlib.util import find_spec
from typing import Literal

from inception_lens.errors import MissingExtraError, OutputError
from inception_lens.renderers.theme import FONTS

DiagramFormat = Literal["svg", "png", "pdf", "dot"]

DPI = 200
"""Dots per inch of a PNG."""
MAX_PNG_SIDE = 30_000
"""Pixels; cairo draws no bitmap with a side of more than 32,767."""
MAX_PDF_SIDE = 14_400
"""Points; the limit of PDF 1.7 (annex C)."""
MAX_PIXELS = 120_000_000
"""Pixels of a PNG."""

_FONT_CONFIGURATION = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>{}</dir>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
</fontconfig>
"""


def drawing(dot: str, form: DiagramFormat) -> bytes:
    """Draw DOT text; the bytes of an SVG are the same on every run.

    A PNG has 200 dots per inch, or fewer if a side would be longer than 30,000 pixels; a PDF is scaled to the size that
    the format allows.

    Raises:
        MissingExtraError: neither pygraphviz nor a `dot` program is installed.
        OutputError: Graphviz cannot draw it.
    """
    if form == "dot":
        return dot.encode()
    if form == "svg":
        return _cleaned(_render(dot, "svg"))
    if form == "pdf":
        return _render(_with(dot, f'size="{MAX_PDF_SIDE // 72},{MAX_PDF_SIDE // 72}"'), "pdf:cairo")
    width, height = _size(_render(dot, "svg"))
    dpi = min(DPI, 72 * MAX_PNG_SIDE / max(width, height), 72 * math.sqrt(MAX_PIXELS / (width * height)))
    return _render(_with(dot, f"dpi={dpi:.2f}"), "png:cairo")


def plain_layout(dot: str) -> str:
    """The positions of all boxes and arrows, in Graphviz's format `plain`: inches, from the lower left.

    Raises:
        MissingExtraError: neither pygraphviz nor a `dot` program is installed.
        OutputError: Graphviz cannot lay it out.
    """
    return _render(dot, "plain").decode()


def _render(dot: str, form: str) -> bytes:
    return _by_library(dot, form) if find_spec("pygraphviz") else _by_program(dot, form)


def _by_library(dot: str, form: str) -> bytes:
    """Draw with pygraphviz's copy of Graphviz, by its low-level API: `AGraph.draw` warns of graphs of 1,000 nodes."""
    from pygraphviz import AGraph, graphviz

    _load_fonts()
    graph, context = AGraph(string=dot), graphviz.gvContextWithBuiltins()
    try:
        if graphviz.gvLayout(context, graph.handle, b"dot"):
            raise OutputError("Graphviz cannot lay out the diagram")
        error, data = graphviz.gvRenderData(context, graph.handle, form.encode())
        graphviz.gvFreeLayout(context, graph.handle)
    finally:
        graphviz.gvFreeContext(context)
        graph.close()
    if error or not data:
        raise OutputError(f"Graphviz cannot draw the diagram as {form.partition(':')[0]}")
    return bytes(data)


def _by_program(dot: str, form: str) -> bytes:
    program = shutil.which("dot")
    if program is None:
        raise MissingExtraError("drawing a diagram needs `pygraphviz`, which is not installed: pip install pygraphviz")
    with _fonts() as environment:
        done = subprocess.run(  # noqa: S603
            [program, f"-T{form}"], input=dot.encode(), capture_output=True, env={**os.environ, **environment}
        )
    if done.returncode or not done.stdout:
        reason = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise OutputError(f"`{program}` cannot draw the diagram: {reason[-1]}")
    return done.stdout


@lru_cache(1)
def _load_fonts() -> None:
    """Draw one word, so that Graphviz loads its fonts for the whole process, without fontconfig's warnings."""
    from pygraphviz import AGraph

    with _fonts() as environment, _silent():
        before = {key: os.environ.get(key) for key in environment}
        os.environ.update(environment)
        try:
            AGraph(string=f'digraph {{ node [fontname="{FONTS}"]; word }}').draw(prog="dot", format="svg")
        finally:
            for key, value in before.items():
                if value is None:
                    del os.environ[key]
                else:
                    os.environ[key] = value


@contextlib.contextmanager
def _fonts() -> Iterator[dict[str, str]]:
    """Environment variables with which fontconfig finds matplotlib's fonts; none without matplotlib."""
    found = find_spec("matplotlib")
    if found is None or not found.submodule_search_locations:
        yield {}
        return
    folder = os.path.join(found.submodule_search_locations[0], "mpl-data", "fonts", "ttf")
    with tempfile.TemporaryDirectory() as temporary:
        path = os.path.join(temporary, "fonts.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(_FONT_CONFIGURATION.format(escape(folder)))
        yield {"FONTCONFIG_FILE": path}


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Discard standard error, also of C code."""
    try:
        saved = os.dup(2)
    except OSError:  # standard error is closed
        yield
        return
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)


def _with(dot: str, attribute: str) -> str:
    return dot.replace("{", f"{{ graph [{attribute}]", 1)


def _size(svg: bytes) -> tuple[float, float]:
    """Width and height in points."""
    found = re.search(rb'width="([\d.]+)pt" height="([\d.]+)pt"', svg)
    if not found:
        raise OutputError("Graphviz returned no SVG")
    return float(found[1]), float(found[2])


def _cleaned(svg: bytes) -> bytes:
    """Without comments about Graphviz, and without titles: these are DOT names, and browsers show them as tooltips."""
    return re.sub(rb"<!DOCTYPE.*?>\n|<!-- .*? -->\n|<title>[^<]*</title>\n", b"", svg, flags=re.DOTALL)
