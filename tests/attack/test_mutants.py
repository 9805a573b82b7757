"""Files of every kind that is read, damaged and forged: each is read, or refused in one line."""

import random
import zlib
from pathlib import Path

import pytest

from tests.attack.arena import SEED, attempts, cases, holds
from tests.attack.corpus import good, mutant

NETWORKS = {".toml": 500, ".prototxt": 500, ".onnx": 500, ".pt2": 150}
WEIGHTS = {".caffemodel": 250, ".safetensors": 200, ".npz": 250, ".pth": 250, ".pt": 50, ".onnx": 150}
TEXT = (".toml", ".prototxt")


def mutants(suffix: str, count: int, folder: Path, use: str) -> list[Path]:
    chance = random.Random(SEED + zlib.crc32(f"{use}{suffix}".encode()))
    paths = []
    for i in range(cases(count)):
        path = folder / f"{i}{suffix}"
        path.write_bytes(mutant(chance.choice(good()[suffix]), chance, text=suffix in TEXT))
        paths.append(path)
    return paths


def judge(what: str, calls: list[list[str]], paths: list[Path]) -> None:
    for call, path, verdict in zip(calls, paths, attempts(calls), strict=True):
        holds(what, verdict, (call, path.read_bytes()[:300]))


@pytest.mark.parametrize("suffix", good())
def test_the_good_ones_are_good(suffix: str, tmp_path: Path) -> None:
    paths = []
    for i, data in enumerate(good()[suffix]):
        paths.append(tmp_path / f"{i}{suffix}")
        paths[-1].write_bytes(data)
    command = "summary" if suffix in NETWORKS else "weights"
    for verdict in attempts([[command, str(path)] for path in paths]):
        assert verdict.code == 0, verdict


@pytest.mark.parametrize("suffix", NETWORKS)
def test_networks(suffix: str, tmp_path: Path) -> None:
    paths = mutants(suffix, NETWORKS[suffix], tmp_path, "network")
    judge(f"mutants {suffix}", [["summary", str(path), "--format", "json"] for path in paths], paths)


@pytest.mark.parametrize("suffix", WEIGHTS)
def test_weights_listed(suffix: str, tmp_path: Path) -> None:
    paths = mutants(suffix, WEIGHTS[suffix], tmp_path, "weights")
    judge(f"mutants {suffix}", [["weights", str(path), "--format", "json"] for path in paths], paths)


@pytest.mark.parametrize("suffix", [suffix for suffix in WEIGHTS if suffix != ".caffemodel"])
def test_weights_read(suffix: str, tmp_path: Path) -> None:
    """Their numbers too, into the names of a network."""
    network = tmp_path / "small.onnx"
    network.write_bytes(good()[".onnx"][0])
    paths = mutants(suffix, 60, tmp_path, "converted")
    into = ["--into", str(network), "-o", str(tmp_path / "into.safetensors")]
    judge(f"mutants {suffix}", [["weights", str(path), *into] for path in paths], paths)
