"""The wheel: what is in it, and that it works where it alone is installed, on every Python that is at hand."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    call = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    subprocess.run(call, check=True, capture_output=True)
    (path,) = folder.iterdir()
    return path


def interpreter(version: str) -> str | None:
    """A Python of that version: this one, one on the path, or one of pyenv's."""
    found = [sys.executable, shutil.which(f"python{version}"), *map(str, _of_pyenv(version))]
    return next((path for path in found if path and _version(path) == version), None)


def _of_pyenv(version: str) -> list[Path]:
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    return sorted(root.glob(f"versions/{version}.*/bin/python"))


def _version(path: str) -> str:
    call = [path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    return subprocess.run(call, capture_output=True, text=True, check=False).stdout.strip()


def test_it_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    kept = subprocess.run(["git", "ls-files", "inception_lens"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert names == set(kept.stdout.split())
    assert "inception_lens/renderers/assets/report/page.html" in names


@pytest.mark.skipif("CI" not in os.environ, reason="fetches packages for several Pythons: CI=true")
@pytest.mark.parametrize("version", PYTHONS)
def test_it_works_alone(version: str, wheel: Path, tmp_path: Path) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} is at hand")
    subprocess.run([python, "-m", "venv", str(tmp_path / "venv")], check=True)
    installed = tmp_path / "venv" / "bin"
    pip = [str(installed / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, f"{wheel}[onnx,weights]"], check=True)
    for call in (
        ["summary", "googlenet@torchvision", "--format", "json"],
        ["savings", "-o", "savings.svg"],
        ["compare", "googlenet", "googlenet@paddle", "-o", "both.png"],
        ["diagram", "googlenet", "-o", "net.pdf"],
        ["report", "googlenet", "-o", "page"],
        ["export", "lenet", "--to", "onnx", "--weights", "none", "-o", "net.onnx"],
        ["summary", "net.onnx"],
    ):
        subprocess.run([installed / "inception-lens", *call], cwd=tmp_path, stdout=subprocess.DEVNULL, check=True)
