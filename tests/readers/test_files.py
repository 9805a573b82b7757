"""Reading files of unknown origin: what is refused, and how errors are prefixed."""

import os
from pathlib import Path

import pytest

from inception_lens.errors import ConfigError, FormatError, GraphError
from inception_lens.readers import files
from inception_lens.readers.files import (
    MAX_MESSAGE_LENGTH,
    check_file,
    display_path,
    errors_in,
    errors_of,
    map_file,
    one_line,
    read_bytes,
    read_text,
)

KIND = "a test file"


def written(folder: Path, data: bytes) -> str:
    path = folder / "file"
    path.write_bytes(data)
    return str(path)


def test_a_regular_file_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, b"four")
    check_file(path, KIND)
    assert read_bytes(path, 4, KIND) == b"four"
    assert bytes(map_file(path, KIND)[1:3]) == b"ou"
    assert read_text(written(tmp_path, "\ufeffé".encode()), 100, KIND) == "é"


def test_an_empty_file_is_read_only_if_it_may_be_empty(tmp_path: Path) -> None:
    path = written(tmp_path, b"")
    assert read_text(path, 4, KIND, may_be_empty=True) == ""
    for read in (lambda: check_file(path, KIND), lambda: read_bytes(path, 4, KIND), lambda: map_file(path, KIND)):
        with pytest.raises(FormatError, match=r"/file: is empty; expected a test file"):
            read()


def test_a_path_that_is_not_a_regular_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"No such file or directory$"):
        check_file(str(tmp_path / "none"), KIND)
    with pytest.raises(FormatError, match="embedded null"):
        check_file("a\0b", KIND)
    with pytest.raises(FormatError, match="is a directory; expected a test file"):
        check_file(str(tmp_path), KIND)
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for a writer
    with pytest.raises(FormatError, match="is not a regular file; expected a test file"):
        read_bytes(str(tmp_path / "pipe"), 4, KIND)


def test_a_larger_file_or_one_that_is_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="is larger than 1,000 bytes, the limit for a test file"):
        read_bytes(written(tmp_path, b"a" * 1_001), 1_000, KIND)
    with pytest.raises(FormatError, match="is not UTF-8 text: invalid start byte at byte 2"):
        read_text(written(tmp_path, b"ab\xff"), 1_000, KIND)


def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = written(tmp_path, b"data")
    monkeypatch.setattr(files, "open", refuse, raising=False)
    for read in (lambda: read_bytes(path, 4, KIND), lambda: map_file(path, KIND)):
        with pytest.raises(FormatError, match=r"/file: Permission denied$"):
            read()


def test_errors_of_a_file_start_with_its_path_and_line() -> None:
    with pytest.raises(FormatError, match=r"^a/b: is broken$"), errors_in("a/b"):
        raise FormatError("is broken")
    with pytest.raises(FormatError, match=r"^a/b:7: is broken$") as caught, errors_in("a/b"):
        raise FormatError("is broken", line=7)
    assert caught.value.line == 7
    with pytest.raises(FormatError, match=r"^a/b: no node$"), errors_in("a/b"):
        raise GraphError("no node")
    with pytest.raises(ConfigError, match=r"^no key$"), errors_in("a/b"):
        raise ConfigError("no key")


def test_errors_of_a_node_start_with_its_name_and_type_once() -> None:
    with pytest.raises(FormatError, match=r"^`a` \(Conv\): is broken$"), errors_of("a", "Conv"):
        raise FormatError("is broken")
    with pytest.raises(FormatError, match=r"^`a` \(3x3\): does not fit$") as caught, errors_of("a", "Conv", 5):
        raise GraphError("`a` (3x3): does not fit")
    assert caught.value.line == 5
    with pytest.raises(FormatError, match=r"^`a` \(Conv\): is broken$") as caught, errors_of("a", "Conv", 5):
        raise FormatError("is broken", line=6)
    assert caught.value.line == 6


def test_messages_are_one_line_of_printable_text() -> None:
    assert one_line("a\nb\x1b[31m") == "a\\nb\\x1b[31m"
    assert len(one_line("a" * 5_000)) == MAX_MESSAGE_LENGTH
    assert display_path("a\udcffb") == "a\\xffb"
