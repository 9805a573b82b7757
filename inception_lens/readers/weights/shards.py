"""Weights in several files, listed by an index: `model.safetensors.index.json`, `pytorch_model.bin.index.json`.

The files are those next to the index, whose names have no folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import msgspec

from inception_lens.errors import FormatError
from inception_lens.readers.files import JSON_ERRORS, errors_in, read_bytes
from inception_lens.readers.tensors import WeightFile

MAX_INDEX_SIZE = 100_000_000
MAX_FILES = 10_000


class _Index(msgspec.Struct):
    """The content of an index."""

    weight_map: dict[str, str]
    """The file of each tensor."""


def read_shards(path: str, read_file: Callable[[str], WeightFile]) -> WeightFile:
    """List the tensors of an index, each from its file, which `read_file` reads.

    Raises:
        FormatError: the index or a file is damaged, a file is missing or in another folder, or lacks a tensor.
    """
    text = read_bytes(path, MAX_INDEX_SIZE, "an index of shards")
    with errors_in(path):
        try:
            files = msgspec.json.decode(text, type=_Index).weight_map
        except JSON_ERRORS as error:
            raise FormatError(f"is not an index of shards: {error}") from None
        names = sorted(set(files.values()))
        outside = [name for name in names if os.path.basename(name) != name or name in ("", ".", "..")]
        if outside or len(names) > MAX_FILES:
            raise FormatError(
                f"names `{outside[0][:80]}`, not a file next to it" if outside else "names too many files"
            )
    shards = {name: read_file(os.path.join(os.path.dirname(path), name)) for name in names}
    held = {name: {tensor.name: tensor for tensor in shard.tensors} for name, shard in shards.items()}
    with errors_in(path):
        for tensor, name in files.items():
            if tensor not in held[name]:
                raise FormatError(f"`{tensor[:80]}` is not in `{name}`")
    tensors = tuple(held[name][tensor] for tensor, name in files.items())
    kind = next((shard.format for shard in shards.values()), "empty")
    return WeightFile(path, f"{kind}, {len(names)} files", tensors, lambda t: shards[files[t.name]].read(t))
