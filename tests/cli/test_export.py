"""`inception-lens export`: a network as something else, here as a config."""

from pathlib import Path
from typing import Any

import pytest

import inception_lens as il
from inception_lens.architectures.catalogue import entries
from inception_lens.cli import run
from inception_lens.readers.config import read_config

ENTRIES = {entry.name: entry for entry in entries()}

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("name", ENTRIES)
def test_an_exported_network_loads_back_equal(capsys: Capture, tmp_path: Path, name: str) -> None:
    path = tmp_path / "net.toml"
    assert run(["export", name, "--to", "toml", "-o", str(path)]) == 0
    assert capsys.readouterr() == ("", "")
    assert read_config(str(path))[0] == ENTRIES[name].config
    assert il.load(path, mode="training") == il.load(name, mode="training")


def test_standard_output_and_a_file_get_the_same(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "net.toml"
    assert run(["export", "googlenet", "--to", "toml", "-o", str(path)]) == 0
    assert run(["export", "googlenet", "--to", "toml"]) == 0
    assert capsys.readouterr().out == path.read_text(encoding="utf-8")


def test_several_files_get_the_same(tmp_path: Path) -> None:
    files = [str(tmp_path / name) for name in ("a.onnx", "b.onnx")]
    assert run(["export", "lenet", "--to", "onnx", "--weights", "none", "-o", files[0], "-o", files[1]]) == 0
    assert Path(files[0]).read_bytes() == Path(files[1]).read_bytes()
    assert run(["export", "lenet", "--to", "onnx", "-o", str(tmp_path / "c.onnx"), "-o", "c.txt"]) == 2
    assert not (tmp_path / "c.onnx").exists()
    assert run(["schema", "-o", files[0], "-o", files[1]]) == 0
    assert Path(files[0]).read_bytes() == Path(files[1]).read_bytes()


def test_settings_are_exported(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "net.toml"
    settings = ["--set", "classes=10", "--set", "inception_3a/5x5_reduce=24", "--set", "pool_proj=none"]
    assert run(["export", "googlenet@torchvision", "--to", "toml", *settings, "-o", str(path)]) == 0
    overrides = {"classes": 10, "inception_3a/5x5_reduce": 24, "pool_proj": "none"}
    changed = il.load("googlenet@torchvision", overrides=overrides)
    assert il.load(path) == changed
    assert changed != il.load("googlenet@torchvision")


def test_an_exported_config_can_be_exported_again(capsys: Capture, tmp_path: Path) -> None:
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    assert run(["export", "googlenet@slim", "--to", "toml", "-o", str(first)]) == 0
    assert run(["export", str(first), "--to", "toml", "-o", str(second)]) == 0
    assert first.read_text(encoding="utf-8") == second.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["export", "googlenet"], "--to"),
        (["export", "googlenet", "--to", "yaml"], "toml"),
        (["export", "googlnet", "--to", "toml"], "did you mean `googlenet`"),
        (["export", "googlenet", "--to", "toml", "--set", "clases=3"], "did you mean `classes`"),
    ],
)
def test_a_mistake_is_one_line(capsys: Capture, arguments: list[str], message: str) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err


def test_a_prototxt_reads_back_and_what_caffe_lacks_is_an_error(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "deploy.prototxt"
    assert run(["export", "googlenet", "--to", "prototxt", "-o", str(path)]) == 0
    assert il.load(path) == il.load("googlenet")
    assert run(["export", str(path), "--to", "prototxt", "--input", "256"]) == 0
    assert "dim: 256" in capsys.readouterr().out
    assert run(["export", "googlenet@slim", "--to", "prototxt"]) == 2
    assert "Caffe cannot express" in capsys.readouterr().err


def test_a_googlenet_in_a_file_has_a_config(capsys: Capture, tmp_path: Path) -> None:
    deploy, config = tmp_path / "deploy.prototxt", tmp_path / "net.toml"
    key: dict[str, Any] = {"inception_3a/5x5_reduce": 24}
    arguments = ["export", "googlenet", "--set", "inception_3a/5x5_reduce=24", "--to", "prototxt", "-o", str(deploy)]
    assert run(arguments) == run(["export", str(deploy), "--to", "toml", "-o", str(config)]) == 0
    assert il.load(config) == il.load("googlenet", overrides=key)
    assert run(["export", "vgg16", "--to", "prototxt", "-o", str(deploy)]) == 0
    assert run(["export", str(deploy), "--to", "toml"]) == 2
    assert "is not a GoogLeNet" in capsys.readouterr().err
