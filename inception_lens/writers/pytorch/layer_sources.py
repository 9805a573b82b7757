"""The source of this package's own layers, for files that must run without the package."""

import ast
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

SOURCES = ("ops/window.py", "pytorch/build/border.py", "pytorch/build/layers.py")
"""The files that define the layers and what they use."""


def layer_sources(names: Iterable[str]) -> list[str]:
    """Definitions of these layers and of everything that they use, in the order of `SOURCES`."""
    definitions = _definitions()
    wanted: set[str] = set()
    pending = sorted(names)
    while pending:
        name = pending.pop()
        if name in definitions and name not in wanted:
            wanted.add(name)
            pending += definitions[name].uses
    texts = [definitions[name].text for name in definitions if name in wanted]
    constants = [text for text in texts if not text.startswith(("class", "def"))]
    rest = [f"{text}\n" for text in texts if text.startswith(("class", "def"))]
    return [*(["\n".join(constants) + "\n"] if constants else []), *rest]


class Definition(NamedTuple):
    """A class, a function or a constant."""

    text: str
    """Its source, without comments for linters and type checkers."""
    uses: list[str]
    """Names that its code refers to; words of docstrings are not among them."""


@cache
def _definitions() -> dict[str, Definition]:
    """The definitions of the sources by name."""
    found: dict[str, Definition] = {}
    for source in SOURCES:
        text = (Path(__file__).parents[2] / source).read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            names = [node.name] if isinstance(node, ast.ClassDef | ast.FunctionDef) else []
            if isinstance(node, ast.Assign):
                names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            for name in names:
                own = re.sub(r"  # (type: ignore|noqa).*", "", ast.get_source_segment(text, node) or "")
                uses = [each.id for each in ast.walk(node) if isinstance(each, ast.Name)]
                found.setdefault(name, Definition(own, uses))
    return found
