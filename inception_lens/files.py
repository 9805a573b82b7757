"""Files are replaced atomically: a reader, a full disk or a crash never sees a partial file."""

import contextlib
import os
import stat
from collections.abc import Mapping

from inception_lens.errors import OutputError


def write_file(path: str | os.PathLike[str], contents: str | bytes) -> None:
    """Write contents to a temporary file, flush it to the disk and rename it to `path`; text is UTF-8.

    The file keeps its permissions, and a symbolic link stays a link to it. A pipe or a device is written to directly.

    Raises:
        OutputError: the file could not be written; a previous file of that name is unchanged.
    """
    try:
        data = contents.encode() if isinstance(contents, str) else contents
        mode = os.stat(path).st_mode if os.path.exists(path) else None
        if mode is None or stat.S_ISREG(mode):
            _replace(os.path.realpath(path), data, mode)
        else:  # opening a folder raises an error, as it should
            with open(path, "wb") as file:
                file.write(data)
    except (OSError, ValueError) as error:
        raise OutputError(f"{os.fspath(path)}: {getattr(error, 'strerror', None) or error}") from None


def write_folder(folder: str | os.PathLike[str], files: Mapping[str, bytes]) -> None:
    """Write files, by name, into a folder, which is created if it does not exist; as `write_file`.

    Raises:
        OutputError: a file could not be written; those before it in `files` are written, the others are unchanged.
    """
    try:
        os.makedirs(folder, exist_ok=True)
    except FileExistsError:
        raise OutputError(f"{os.fspath(folder)}: it is a file, not a folder") from None
    except (OSError, ValueError) as error:
        raise OutputError(f"{os.fspath(folder)}: {getattr(error, 'strerror', None) or error}") from None
    for name, data in files.items():
        write_file(os.path.join(folder, name), data)


def flush_folder(folder: str | os.PathLike[str]) -> None:
    """Flush the names in a folder to the disk, so that renamed files survive a loss of power."""
    with contextlib.suppress(PermissionError):  # on some systems a folder cannot be opened, and need not be
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _replace(path: str, data: bytes, mode: int | None) -> None:
    folder = os.path.dirname(path)
    temporary = os.path.join(folder, f".inception-lens-{os.urandom(6).hex()}.tmp")
    try:
        with open(temporary, "xb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), stat.S_IMODE(mode))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        flush_folder(folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
