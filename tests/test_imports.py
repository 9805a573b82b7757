"""What the package and its light commands import, and its public names."""

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import inception_lens as il

HEAVY = {
    "torch", "numpy", "pandas", "matplotlib", "jinja2", "tomlkit", "fvcore", "onnx", "onnxruntime",
    "graphviz", "pygraphviz", "safetensors", "scipy", "sklearn", "PIL", "tensorboard",
}  # fmt: skip

PROBE = """
import json, sys
before = set(sys.modules)
{code}
json.dump(sorted({{name.partition(".")[0] for name in set(sys.modules) - before}}), sys.stderr)
"""


def loaded(code: str) -> set[str]:
    """The top-level packages that `code` imports in a fresh process."""
    done = subprocess.run([sys.executable, "-c", PROBE.format(code=code)], capture_output=True, text=True, check=True)
    return set(json.loads(done.stderr))


def third_party(names: set[str]) -> set[str]:
    return names - set(sys.stdlib_module_names) - {"inception_lens"}


def test_importing_the_package_imports_no_other_package() -> None:
    names = loaded("import inception_lens; inception_lens.__version__; dir(inception_lens)")
    assert "inception_lens" in names
    assert third_party(names) == set()


def test_loading_and_analysing_import_only_msgspec() -> None:
    assert third_party(loaded("import inception_lens as il; il.analyze('googlenet').totals")) <= {
        "msgspec", "typing_extensions",
    }  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        ["summary", "googlenet"],
        *[["summary", "googlenet", "--format", name] for name in ("json", "csv", "markdown", "latex", "html")],
        ["summary", "googlenet@torchvision", "--mode", "training", "--depth", "all"],
        ["compare", "googlenet", "googlenet@torchvision"],
        ["savings", "googlenet"],
        ["verify", "googlenet", "--paper"],
        ["list"],
        ["list", "--format", "json"],
        ["schema"],
        ["completion", "bash"],
        ["--version"],
        ["summary", "googlnet"],
    ],
    ids=" ".join,
)
def test_a_light_command_imports_nothing_heavy(arguments: list[str]) -> None:
    names = loaded(
        f"from inception_lens.cli import run; sys.stderr = sys.stdout; run({arguments!r}); sys.stderr = sys.__stderr__"
    )
    assert "click" in names
    assert names & HEAVY == set()
    assert third_party(names) <= {"click", "msgspec", "typing_extensions", "colorama"}


@pytest.mark.parametrize(("form", "drawers"), [("dot", {"graphviz"}), ("svg", {"graphviz", "pygraphviz"})])
def test_a_diagram_imports_only_graphviz(form: str, drawers: set[str]) -> None:
    names = loaded(
        "from inception_lens.cli import run; sys.stderr = sys.stdout; "
        f"run(['diagram', 'googlenet', '--format', {form!r}]); sys.stderr = sys.__stderr__"
    )
    assert names & HEAVY == drawers


def test_every_public_name_resolves() -> None:
    assert len(set(il.__all__)) == len(il.__all__)
    for name in il.__all__:
        assert getattr(il, name) is not None


def test_dir_lists_the_public_names() -> None:
    assert dir(il) == sorted(il.__all__)


def test_a_type_checker_sees_the_names_that_python_does() -> None:
    tree = ast.parse(Path(str(il.__file__)).read_text(encoding="utf-8"))
    imports = [each for each in ast.walk(tree) if isinstance(each, ast.ImportFrom) and each.module != "typing"]
    seen = {alias.name: str(each.module) for each in imports for alias in each.names}
    assert set(seen) == set(il.__all__)
    for name, home in seen.items():
        assert getattr(importlib.import_module(home), name) is getattr(il, name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(il, "nonesuch")
    with pytest.raises(AttributeError, match="`inception_lens` has no attribute `nonesuch`"):
        il.nonesuch  # type: ignore[attr-defined]  # noqa: B018


def test_no_public_name_is_a_module() -> None:
    assert not [name for name in il.__all__ if isinstance(getattr(il, name), ModuleType)]
