"""A pytest plugin: the `raise` statements of a package that a run executes.

Run with `-p tests.reached` and the environment variables `REACHED_IN`, the folder of the package, and `REACHED_FILE`,
where the statements are listed at the end, one `path:line` each. The modules are rewritten when they are
imported, so that a run takes as long as any other.
"""

import ast
import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType

PACKAGE = os.environ["REACHED_IN"]
REACHED: set[tuple[str, int]] = set()


class _Marked(ast.NodeTransformer):
    """Puts a record of its line before each `raise`."""

    def __init__(self, path: str) -> None:
        self.path = path

    def visit_Raise(self, node: ast.Raise) -> list[ast.stmt]:
        mark = ast.parse(f"__import__('sys').modules['tests.reached'].REACHED.add(({self.path!r}, {node.lineno}))").body
        return [*(ast.copy_location(each, node) for each in mark), node]


class _Loader(importlib.machinery.SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        tree = _Marked(self.path).visit(ast.parse(self.get_data(self.path)))
        return compile(ast.fix_missing_locations(tree), self.path, "exec")


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is not None and spec.origin and spec.origin.startswith(PACKAGE):
            spec.loader = _Loader(fullname, spec.origin)
            return spec
        return None


def pytest_sessionfinish() -> None:
    Path(os.environ["REACHED_FILE"]).write_text("\n".join(f"{path}:{line}" for path, line in sorted(REACHED)))


sys.meta_path.insert(0, _Finder())
