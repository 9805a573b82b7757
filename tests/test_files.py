"""Files are replaced atomically and durably; `tests/cli/test_output.py` has the cases that a command meets."""

import os
import stat
from pathlib import Path

import pytest

from inception_lens.errors import OutputError
from inception_lens.files import write_file


def test_the_file_and_its_name_are_flushed_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[list[str]] = []

    def fsync(descriptor: int) -> None:
        flushed.append([] if stat.S_ISDIR(os.fstat(descriptor).st_mode) else sorted(os.listdir(tmp_path)))

    monkeypatch.setattr(os, "fsync", fsync)
    (tmp_path / "old").write_bytes(b"old")
    write_file(tmp_path / "old", b"new")
    (temporary, *names), folder = flushed
    assert (temporary.startswith(".inception-lens-"), names, folder) == (True, ["old"], [])
    assert (tmp_path / "old").read_bytes() == b"new"


@pytest.mark.parametrize(
    ("name", "reason"), [("missing/file", "No such file"), ("a\0b", "null byte"), ("", "directory")]
)
def test_an_error_names_the_file_and_the_reason(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(OutputError, match=reason) as caught:
        write_file(f"{tmp_path}/{name}", b"")
    assert str(caught.value).startswith(f"{tmp_path}/{name}: ")


def test_text_that_is_not_unicode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="surrogates not allowed"):
        write_file(tmp_path / "file", "\ud800")
    assert not list(tmp_path.iterdir())
