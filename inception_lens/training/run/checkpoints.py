"""Saved states: written whole or not at all, named by their hash, and passed over where they are damaged.

A state is one safetensors file, `step-00000460-<hash>.safetensors`, with the position as JSON in its header. The hash
in the name is the first half of the file's SHA-256: safetensors itself would load a flipped bit without a word.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from inception_lens.errors import CheckpointError, OutputError, TrainingError
from inception_lens.files import write_file
from inception_lens.readers.files import JSON_ERRORS

NAME = re.compile(r"(step|best)-(\d{8,})-([0-9a-f]{32})\.safetensors")


class Position(msgspec.Struct, frozen=True):
    """Where a run is."""

    step: int
    """Steps that are done."""
    rollbacks: int = 0
    """How often it went back to a state before, with half the learning rate."""
    best: tuple[float, int] | None = None
    """The best top-1 accuracy so far, and its epoch from 1; None before the first epoch's end."""


class State(NamedTuple):
    """What a run goes on from."""

    tensors: Mapping[str, Tensor]
    position: Position


class Checkpoints:
    """The states in a run's folder: the last few, and the best."""

    def __init__(self, folder: Path, keep: int = 2) -> None:
        self.folder, self.keep = folder, keep
        self.damaged: list[str] = []
        """What was wrong with the states that `newest` passed over."""

    def save(self, state: State, *, best: bool = False) -> Path:
        """Write a state, then remove those that are too many.

        Raises:
            TrainingError: a tensor is not finite.
            OutputError: it could not be written; the states before are as they were.
        """
        for name, tensor in state.tensors.items():
            if tensor.is_floating_point() and not tensor.isfinite().all():
                raise TrainingError(f"`{name}` is not finite: such a state is not saved")
        data = save(dict(state.tensors), {"about": msgspec.json.encode(state.position).decode()})
        name = f"{state.position.step:08}-{hashlib.sha256(data).hexdigest()[:32]}.safetensors"
        path = self.folder / f"step-{name}"
        self.folder.mkdir(exist_ok=True)
        write_file(path, data)
        if best:
            self._copy(path, self.folder / f"best-{name}")
            self._remove(self._found("best")[1:])
        self._remove(self._found("step")[self.keep :])
        return path

    def newest(self) -> State | None:
        """The newest state that is whole; None where there is none. `damaged` tells what was passed over."""
        self.damaged = []
        for path in self._found("step") + self._found("best"):
            try:
                return read(path)
            except CheckpointError as error:
                self.damaged.append(str(error))
        return None

    def best(self) -> State:
        """The state whose evaluation was best.

        Raises:
            CheckpointError: there is none, or it is damaged.
        """
        found = self._found("best")
        if not found:
            raise CheckpointError(f"{self.folder}: there is no best state yet")
        return read(found[0])

    def clear_remains(self) -> None:
        """Remove what a killed process left half written."""
        self._remove(list(self.folder.glob(".*.tmp")))

    def _found(self, kind: str) -> list[Path]:
        """States of one kind, the newest first."""
        matches = [match for path in self.folder.glob(f"{kind}-*") if (match := NAME.fullmatch(path.name))]
        matches.sort(key=lambda match: (int(match[2]), (self.folder / match[0]).stat().st_mtime_ns), reverse=True)
        return [self.folder / match[0] for match in matches]

    def _copy(self, path: Path, target: Path) -> None:
        if target.exists():
            return
        try:
            os.link(path, target)
        except OSError:  # a file system without links
            try:
                shutil.copyfile(path, target)
            except OSError as error:
                target.unlink(missing_ok=True)
                raise OutputError(f"{target}: {error.strerror or error}") from None

    def _remove(self, paths: list[Path]) -> None:
        for path in paths:
            path.unlink(missing_ok=True)


def read(path: Path) -> State:
    """Read a state and check it against the hash in its name.

    Raises:
        CheckpointError: it cannot be read, is named as no state is, or is damaged.
    """
    match = NAME.fullmatch(path.name)
    if not match:
        raise CheckpointError(f"{path}: states are named step-NUMBER-HASH.safetensors")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror or error}") from None
    if hashlib.sha256(data).hexdigest()[:32] != match[3]:
        raise CheckpointError(f"{path}: it is damaged: its contents are not those of its name's hash")
    try:
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        return State(load(data), msgspec.json.decode(header["__metadata__"]["about"], type=Position))
    except (SafetensorError, ValueError, KeyError, TypeError, *JSON_ERRORS) as error:
        raise CheckpointError(f"{path}: it is no state of a run: {error}") from None


def restore(tensors: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    """Copy a state into the tensors of the same names.

    Raises:
        CheckpointError: the names or a shape differ: it is of another network or optimizer.
    """
    if strange := sorted(set(tensors) ^ set(state)):
        raise CheckpointError(f"the state is of another network or recipe: `{strange[0]}` is in one of them alone")
    for name, tensor in tensors.items():
        if tensor.shape != state[name].shape:
            found, wanted = list(state[name].shape), list(tensor.shape)
            raise CheckpointError(f"the state is of another network or data: `{name}` is {found}, not {wanted}")
    with torch.no_grad():
        for name, tensor in tensors.items():
            tensor.copy_(state[name])


def parameters_sha256(named: Mapping[str, Tensor]) -> str:
    """The SHA-256 of parameters in the order of their names: name, dtype, shape and bytes of each."""
    digest = hashlib.sha256()
    for name, tensor in sorted(named.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
