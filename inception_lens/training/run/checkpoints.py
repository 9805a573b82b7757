"""Checkpoints: written atomically, and verified by a hash when they are read.

A checkpoint is one safetensors file, `step-00000460-<hash>.safetensors`, with the position as JSON in its header. The
hash is the first half of the file's SHA-256, because safetensors itself does not detect a flipped bit.
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

FILE_NAME = re.compile(r"(step|best)-(\d{8,})-([0-9a-f]{32})\.safetensors")


class Position(msgspec.Struct, frozen=True):
    """The position of a run."""

    step: int
    """Completed steps."""
    rollbacks: int = 0
    """How often the run returned to an earlier checkpoint with half the learning rate."""
    best: tuple[float, int] | None = None
    """The highest top-1 accuracy so far and its epoch, from 1; None before the end of the first epoch."""


class Checkpoint(NamedTuple):
    """Everything that a run resumes from."""

    tensors: Mapping[str, Tensor]
    """Of the learner, by name."""
    position: Position


class CheckpointFolder:
    """The checkpoints of a run: the latest ones and the best one."""

    def __init__(self, folder: Path, keep: int = 2) -> None:
        self.folder, self.keep = folder, keep
        self.damaged: list[str] = []
        """Why `newest` skipped checkpoints, one message each."""

    def save(self, checkpoint: Checkpoint, *, best: bool = False) -> Path:
        """Write a checkpoint, then remove those beyond `keep`.

        Raises:
            TrainingError: a tensor is not finite.
            OutputError: it could not be written; the earlier checkpoints are unchanged.
        """
        for name, tensor in checkpoint.tensors.items():
            if tensor.is_floating_point() and not tensor.isfinite().all():
                raise TrainingError(f"`{name}` is not finite, and is not saved")
        data = save(dict(checkpoint.tensors), {"about": msgspec.json.encode(checkpoint.position).decode()})
        name = f"{checkpoint.position.step:08}-{hashlib.sha256(data).hexdigest()[:32]}.safetensors"
        path = self.folder / f"step-{name}"
        self.folder.mkdir(exist_ok=True)
        write_file(path, data)
        if best:
            self._copy(path, self.folder / f"best-{name}")
            self._remove(self._found("best")[1:])
        self._remove(self._found("step")[self.keep :])
        return path

    def newest(self) -> Checkpoint | None:
        """The newest intact checkpoint, or None; `damaged` lists those that were skipped."""
        self.damaged = []
        for path in self._found("step") + self._found("best"):
            try:
                return read_checkpoint(path)
            except CheckpointError as error:
                self.damaged.append(str(error))
        return None

    def best(self) -> Checkpoint:
        """The checkpoint with the best evaluation.

        Raises:
            CheckpointError: there is none, or it is damaged.
        """
        found = self._found("best")
        if not found:
            raise CheckpointError(f"{self.folder}: there is no best checkpoint yet")
        return read_checkpoint(found[0])

    def remove_temporary_files(self) -> None:
        """Remove incomplete files of a process that was killed."""
        self._remove(list(self.folder.glob(".*.tmp")))

    def _found(self, kind: str) -> list[Path]:
        """Checkpoints of one kind, the newest first."""
        matches = [match for path in self.folder.glob(f"{kind}-*") if (match := FILE_NAME.fullmatch(path.name))]
        matches.sort(key=lambda match: (int(match[2]), (self.folder / match[0]).stat().st_mtime_ns), reverse=True)
        return [self.folder / match[0] for match in matches]

    def _copy(self, path: Path, target: Path) -> None:
        if target.exists():
            return
        try:
            os.link(path, target)
        except OSError:  # the file system has no hard links
            try:
                shutil.copyfile(path, target)
            except OSError as error:
                target.unlink(missing_ok=True)
                raise OutputError(f"{target}: {error.strerror or error}") from None

    def _remove(self, paths: list[Path]) -> None:
        for path in paths:
            path.unlink(missing_ok=True)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint and verify the hash in its name.

    Raises:
        CheckpointError: it cannot be read, is not named like a checkpoint, or is damaged.
    """
    match = FILE_NAME.fullmatch(path.name)
    if not match:
        raise CheckpointError(f"{path}: not a checkpoint, which is named step-NUMBER-HASH.safetensors")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror or error}") from None
    if hashlib.sha256(data).hexdigest()[:32] != match[3]:
        raise CheckpointError(f"{path}: it is damaged: its contents do not match the hash in its name")
    try:
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        return Checkpoint(load(data), msgspec.json.decode(header["__metadata__"]["about"], type=Position))
    except (SafetensorError, ValueError, KeyError, TypeError, *JSON_ERRORS) as error:
        raise CheckpointError(f"{path}: it is not a checkpoint: {error}") from None


def restore(tensors: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    """Copy saved tensors into those of the same names.

    Raises:
        CheckpointError: a name or a shape differs, so that they are of another network or optimizer.
    """
    if unmatched := sorted(set(tensors) ^ set(state)):
        where = "not in the checkpoint" if unmatched[0] in tensors else "only in the checkpoint"
        raise CheckpointError(f"the checkpoint is of another network or recipe: `{unmatched[0]}` is {where}")
    for name, tensor in tensors.items():
        if tensor.shape != state[name].shape:
            saved, expected = list(state[name].shape), list(tensor.shape)
            raise CheckpointError(f"the checkpoint is of another network or data: `{name}` is {saved}, not {expected}")
    with torch.no_grad():
        for name, tensor in tensors.items():
            tensor.copy_(state[name])


def parameters_sha256(named: Mapping[str, Tensor]) -> str:
    """The SHA-256 of parameters, sorted by name: the name, dtype, shape and bytes of each."""
    digest = hashlib.sha256()
    for name, tensor in sorted(named.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
