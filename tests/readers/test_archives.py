"""ZIP archives of unknown origin: what is refused, and when."""

import struct
import zipfile
from pathlib import Path

import pytest

from inception_lens.errors import FormatError
from inception_lens.readers.archives import open_zip
from tests.readers.test_files import KIND, written


def read_member(path: str) -> bytes:
    with open_zip(path, KIND) as archive:
        return archive.read("member")


def test_a_damaged_archive_is_refused_when_its_damage_shows(tmp_path: Path) -> None:
    path = str(tmp_path / "a.zip")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("member", b"data" * 100)
    assert read_member(path) == b"data" * 100
    data = bytearray(Path(path).read_bytes())
    data[60] ^= 1
    with pytest.raises(FormatError, match="/file: is damaged or not a test file: Bad CRC-32"):
        read_member(written(tmp_path, bytes(data)))
    with pytest.raises(FormatError, match="/file: is damaged or not a test file: File is not a zip file"):
        read_member(written(tmp_path, b"not an archive"))
    with pytest.raises(FormatError, match=r"a\.zip: has no such member"), open_zip(path, KIND):
        raise FormatError("has no such member")


@pytest.mark.parametrize("zip64", [False, True])
def test_an_archive_with_a_large_directory_is_refused_before_it_is_loaded(tmp_path: Path, zip64: bool) -> None:
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, 0xFFFF_FFFF if zip64 else 16_000_001, 0, 0)
    if zip64:
        end = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, 16_000_001, 0) + end
    with pytest.raises(FormatError, match="declares a directory of 16,000,001 bytes; the limit is 16,000,000"):
        read_member(written(tmp_path, b"\0" * 100 + end))
