"""Every `raise` of some packages is reached by their tests: an error that no test provokes may not even be raised."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def raises(package: Path) -> set[tuple[str, int]]:
    """Every `raise` of a package but those of methods that a subclass overrides, as path and line."""
    return {
        (str(path), node.lineno)
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Raise) and not (isinstance(node.exc, ast.Name) and node.exc.id == "NotImplementedError")
    }


@pytest.mark.parametrize(
    ("package", "tests"),
    [
        ("graph", ["tests/test_graph.py"]),
        ("ops", ["tests/ops"]),
        ("readers", ["tests/readers", "--deselect", "tests/readers/onnx/test_exports.py"]),
    ],
)
def test_every_raise_is_reached_by_the_tests_of_its_package(package: str, tests: list[str], tmp_path: Path) -> None:
    folder, found = ROOT / "inception_lens" / package, tmp_path / "found"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.reached", "-p", "no:cacheprovider", "-n", "0", "-q", *tests],
        cwd=ROOT,
        env={**os.environ, "REACHED_IN": str(folder), "REACHED_FILE": str(found)},
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 1), done.stdout[-2000:]  # a test that fails is reported by itself
    reached = set(found.read_text().split())
    missed = [f"{path}:{line}" for path, line in sorted(raises(folder)) if f"{path}:{line}" not in reached]
    assert not missed
    assert reached
