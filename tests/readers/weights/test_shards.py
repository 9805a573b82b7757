"""Weights in several files that an index lists."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from inception_lens.errors import FormatError
from inception_lens.readers.weights import shards
from inception_lens.readers.weights.files import read_weights

ARRAYS: dict[str, Any] = {f"layer{i}.weight": np.full((i + 1, 2), i, "f4") for i in range(5)}


def write(folder: Path, kind: str) -> str:
    """Two files and their index, as transformers writes them."""
    parts = [dict([*ARRAYS.items()][:3]), dict([*ARRAYS.items()][3:])]
    stem, suffix = {"safetensors": ("model", "safetensors"), "pytorch": ("pytorch_model", "bin")}[kind]
    index: dict[str, str] = {}
    for i, part in enumerate(parts, 1):
        name = f"{stem}-{i:05}-of-00002.{suffix}"
        index |= dict.fromkeys(part, name)
        if kind == "pytorch":
            torch.save({key: torch.from_numpy(array) for key, array in part.items()}, folder / name)
        else:
            save_file(part, folder / name)
    path = folder / f"{stem}.{suffix}.index.json"
    path.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": index}))
    return str(path)


@pytest.mark.parametrize("kind", ["safetensors", "pytorch"])
def test_the_tensors_of_all_files_are_listed_and_read(tmp_path: Path, kind: str) -> None:
    weights = read_weights(write(tmp_path, kind))
    assert weights.format == f"{kind}, 2 files"
    assert [tensor.name for tensor in weights.tensors] == [*ARRAYS]
    for tensor in weights.tensors:
        assert weights.read(tensor).tolist() == ARRAYS[tensor.name].tolist()


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ({"weight_map": {"a": "../secret.safetensors"}}, r"names `\.\./secret\.safetensors`, not a file next to it"),
        ({"weight_map": {"a": "/etc/passwd"}}, "not a file next to it"),
        ({"weight_map": {"a": ""}}, "not a file next to it"),
        ({"weight_map": {"a": ".."}}, "not a file next to it"),
        ({"weight_map": {"a": "absent.safetensors"}}, "No such file"),
        ({"weight_map": {"layer9.weight": "model-00001-of-00002.safetensors"}}, "`layer9.weight` is not in `model-0"),
        ({"weight_map": ["a"]}, "is not an index of shards"),
        ({"weight_map": {"a": "model.safetensors.index.json"}}, "is an index of shards in another"),
    ],
)
def test_an_index_that_lists_other_files_is_refused(tmp_path: Path, index: object, message: str) -> None:
    path = write(tmp_path, "safetensors")
    Path(path).write_text(json.dumps(index))
    with pytest.raises(FormatError, match=message):
        read_weights(path)


def test_the_number_of_files_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "MAX_FILES", 1)
    with pytest.raises(FormatError, match="names too many files"):
        read_weights(write(tmp_path, "safetensors"))
