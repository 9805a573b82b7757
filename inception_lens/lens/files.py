"""Files that hold a network as others wrote it: which reader knows them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from inception_lens.errors import ConfigError
from inception_lens.graph import Graph, Mode
from inception_lens.lens.inputs import Inputs, shapes_of


def _read_onnx(path: str, overrides: Mapping[str, Any], inputs: Inputs | None, mode: Mode) -> Graph:
    from inception_lens.readers.onnx.model import read_onnx

    if overrides:
        raise ConfigError(f"an ONNX model has no keys to override: {', '.join(overrides)}")
    return read_onnx(path, inputs if isinstance(inputs, Mapping) else shapes_of(inputs), mode)


def _read_prototxt(path: str, overrides: Mapping[str, Any], inputs: Inputs | None, mode: Mode) -> Graph:
    from inception_lens.readers.caffe.prototxt import net_state, read_prototxt

    return read_prototxt(path, shapes_of(inputs), mode, net_state(overrides))


Reader = Callable[[str, Mapping[str, Any], Inputs | None, Mode], Graph]

READERS: dict[str, Reader] = {".onnx": _read_onnx, ".prototxt": _read_prototxt}
"""By the suffix of the file; a new format is a row here and a module in `readers/`."""

FILES = tuple(READERS)


def is_file(model: object) -> TypeGuard[str | os.PathLike[str]]:
    """Whether `model` is the path of a file that a reader knows, which has no config to change."""
    return isinstance(model, str | os.PathLike) and os.fspath(model).lower().endswith(FILES)


def read_file(model: str | os.PathLike[str], overrides: Mapping[str, Any], inputs: Inputs | None, mode: Mode) -> Graph:
    """Read a network with the reader of its file's suffix."""
    path = os.fspath(model)
    return READERS[os.path.splitext(path)[1].lower()](path, overrides, inputs, mode)
