"""Files of a run are written whole or not at all, and are on the disk when the call returns."""

import contextlib
import os
import shutil
from pathlib import Path

from inception_lens.errors import OutputError


def write_whole(path: Path, data: bytes) -> None:
    """Write a file beside its target, flush it to the disk and move it there; an old file stays until then.

    Raises:
        OutputError: it could not be written, such as on a full disk.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        flush_folder(path.parent)
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def flush_folder(folder: Path) -> None:
    """Make the names in a folder outlive a loss of power; where folders cannot be opened, nothing is to be done."""
    with contextlib.suppress(PermissionError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_folder(folder: Path) -> None:
    """Remove a folder and what is in it, as far as that can be done."""
    shutil.rmtree(folder, ignore_errors=True)
