"""From DOT text to a drawing, by the Graphviz that pygraphviz brings, or by a `dot` that the system has.

The fonts are those that matplotlib brings, so that a picture is the same wherever it is drawn, even where the system
has no fonts at all; what they lack comes from the system's.
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
from importlib.util import find_spec
from typing import Literal
from xml.sax.saxutils import escape

from inception_lens.errors import MissingExtraError, OutputError
from inception_lens.renderers.theme import FONTS

Format = Literal["svg", "png", "pdf", "dot"]

DPI = 200
"""Of a PNG."""
LARGEST_PNG = 30_000
"""Pixels of a side; cairo draws no bitmap of more than 32,767."""
LARGEST_PDF = 14_400
"""Points of a side, which is what PDF 1.7 allows (annex C)."""
MAX_PIXELS = 120_000_000

_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>{}</dir>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
</fontconfig>
"""


def drawing(dot: str, form: Format) -> bytes:
    """Draw DOT text. An SVG is the same on every run.

    A PNG has 200 dots per inch, or fewer where its sides would pass 30,000 pixels; a PDF is no larger than PDF allows.

    Raises:
        MissingExtraError: there is neither pygraphviz nor a `dot` program.
        OutputError: Graphviz could not draw it.
    """
    if form == "dot":
        return dot.encode()
    draw = _by_library if find_spec("pygraphviz") else _by_program
    if form == "svg":
        return _clean(draw(dot, "svg"))
    if form == "pdf":
        return draw(_with(dot, f'size="{LARGEST_PDF // 72},{LARGEST_PDF // 72}"'), "pdf:cairo")
    width, height = _size(draw(dot, "svg"))
    dpi = min(DPI, 72 * LARGEST_PNG / max(width, height), 72 * math.sqrt(MAX_PIXELS / (width * height)))
    return draw(_with(dot, f"dpi={dpi:.2f}"), "png:cairo")


def places(dot: str) -> str:
    """Where Graphviz puts everything, in its format `plain`: inches, from the lower left.

    Raises:
        MissingExtraError: there is neither pygraphviz nor a `dot` program.
    """
    return (_by_library if find_spec("pygraphviz") else _by_program)(dot, "plain").decode()


def _by_library(dot: str, form: str) -> bytes:
    """Draw with pygraphviz's copy of Graphviz; its `AGraph.draw` would do, but warns of every graph of 1,000 nodes."""
    from pygraphviz import AGraph, graphviz

    _load_fonts()
    graph, context = AGraph(string=dot), graphviz.gvContextWithBuiltins()
    try:
        if graphviz.gvLayout(context, graph.handle, b"dot"):
            raise OutputError("Graphviz found no layout")
        error, data = graphviz.gvRenderData(context, graph.handle, form.encode())
        graphviz.gvFreeLayout(context, graph.handle)
    finally:
        graphviz.gvFreeContext(context)
        graph.close()
    if error or not data:
        raise OutputError(f"Graphviz could not draw a {form.partition(':')[0]}")
    return bytes(data)


def _by_program(dot: str, form: str) -> bytes:
    program = shutil.which("dot")
    if program is None:
        raise MissingExtraError("a drawing needs `pygraphviz`, which is not installed: pip install pygraphviz")
    with _fonts() as environment:
        done = subprocess.run(  # noqa: S603
            [program, f"-T{form}"], input=dot.encode(), capture_output=True, env={**os.environ, **environment}
        )
    if done.returncode or not done.stdout:
        reason = done.stderr.decode(errors="replace").strip().splitlines() or ["it gave no reason"]
        raise OutputError(f"`{program}` could not draw it: {reason[-1]}")
    return done.stdout


@lru_cache(1)
def _load_fonts() -> None:
    """Draw a word, so that Graphviz loads its fonts once and for all, in silence: fontconfig tells of any oddity."""
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
    """The environment in which fontconfig finds matplotlib's fonts; empty where there is no matplotlib."""
    found = find_spec("matplotlib")
    if found is None or not found.submodule_search_locations:
        yield {}
        return
    folder = os.path.join(found.submodule_search_locations[0], "mpl-data", "fonts", "ttf")
    with tempfile.TemporaryDirectory() as temporary:
        path = os.path.join(temporary, "fonts.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(_FONTS.format(escape(folder)))
        yield {"FONTCONFIG_FILE": path}


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Nothing reaches standard error, not from C either."""
    try:
        kept = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _with(dot: str, attribute: str) -> str:
    return dot.replace("{", f"{{ graph [{attribute}]", 1)


def _size(svg: bytes) -> tuple[float, float]:
    """Width and height in points."""
    found = re.search(rb'width="([\d.]+)pt" height="([\d.]+)pt"', svg)
    if not found:
        raise OutputError("Graphviz drew no SVG")
    return float(found[1]), float(found[2])


def _clean(svg: bytes) -> bytes:
    """Without what Graphviz tells of itself, and without titles: they are DOT's names, which a browser would show."""
    return re.sub(rb"<!DOCTYPE.*?>\n|<!-- .*? -->\n|<title>[^<]*</title>\n", b"", svg, flags=re.DOTALL)
