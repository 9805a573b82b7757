"""Damaged files of every format that is read: each is read, or refused with one line."""

import random
import zlib
from pathlib import Path

import pytest

from tests.attack.corpus import mutate, valid_files
from tests.attack.harness import SEED, check, run_commands, scaled

NETWORKS = {".toml": 500, ".prototxt": 500, ".caffemodel": 300, ".onnx": 500, ".pt2": 150, ".pb": 300}
NETWORKS |= {".keras": 150, ".pdmodel": 300, ".json": 200, ".cfg": 300, ".jit": 150}
WEIGHTS = {".caffemodel": 250, ".safetensors": 200, ".npz": 250, ".pth": 250, ".pt": 50, ".onnx": 150}
WEIGHTS |= {
    ".h5": 200,
    ".keras": 100,
    ".index": 200,
    ".ckpt": 250,
    ".pdparams": 250,
    ".pdiparams": 150,
    ".gz": 200,
    ".params": 150,
    ".npy": 100,
}
TEXT = (".toml", ".prototxt", ".json", ".cfg")


def write_mutants(suffix: str, count: int, folder: Path, use: str) -> list[Path]:
    rng = random.Random(SEED + zlib.crc32(f"{use}{suffix}".encode()))
    paths = []
    for i in range(scaled(count)):
        path = folder / f"{i}{suffix}"
        path.write_bytes(mutate(rng.choice(valid_files()[suffix]), rng, text=suffix in TEXT))
        paths.append(path)
    return paths


def check_all(target: str, calls: list[list[str]], paths: list[Path]) -> None:
    for call, path, outcome in zip(calls, paths, run_commands(calls), strict=True):
        check(target, outcome, (call, path.read_bytes()[:300]))


@pytest.mark.parametrize("suffix", valid_files())
def test_the_original_files_are_valid(suffix: str, tmp_path: Path) -> None:
    paths = []
    for i, data in enumerate(valid_files()[suffix]):
        paths.append(tmp_path / f"{i}{suffix}")
        paths[-1].write_bytes(data)
    command = "summary" if suffix in NETWORKS else "weights"
    for outcome in run_commands([[command, str(path)] for path in paths]):
        assert outcome.code == 0, outcome


@pytest.mark.parametrize("suffix", NETWORKS)
def test_damaged_networks(suffix: str, tmp_path: Path) -> None:
    paths = write_mutants(suffix, NETWORKS[suffix], tmp_path, "network")
    check_all(f"mutants {suffix}", [["summary", str(path), "--format", "json"] for path in paths], paths)


@pytest.mark.parametrize("suffix", WEIGHTS)
def test_listing_damaged_weights(suffix: str, tmp_path: Path) -> None:
    paths = write_mutants(suffix, WEIGHTS[suffix], tmp_path, "weights")
    check_all(f"mutants {suffix}", [["weights", str(path), "--format", "json"] for path in paths], paths)


@pytest.mark.parametrize("suffix", [suffix for suffix in WEIGHTS if suffix != ".caffemodel"])
def test_converting_damaged_weights(suffix: str, tmp_path: Path) -> None:
    """Converting reads the values as well."""
    network = tmp_path / "small.onnx"
    network.write_bytes(valid_files()[".onnx"][0])
    paths = write_mutants(suffix, 60, tmp_path, "converted")
    into = ["--into", str(network), "-o", str(tmp_path / "into.safetensors")]
    check_all(f"mutants {suffix}", [["weights", str(path), *into] for path in paths], paths)
