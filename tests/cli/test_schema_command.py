"""`inception-lens schema`: the JSON Schema of configs, for editors."""

import json
import tomllib
from pathlib import Path

import pytest

from inception_lens.architectures.catalogue import entries
from inception_lens.cli import run
from inception_lens.readers.schema import config_schema

ENTRIES = {entry.name: entry for entry in entries()}

Capture = pytest.CaptureFixture[str]


def test_the_schema_is_printed_as_json(capsys: Capture) -> None:
    assert run(["schema"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == json.loads(json.dumps(config_schema()))
    assert err == ""


def test_the_schema_is_written_to_a_file(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    assert run(["schema", "-o", str(path)]) == 0
    assert run(["schema"]) == 0
    assert path.read_text(encoding="utf-8") == capsys.readouterr().out


@pytest.mark.parametrize("name", ENTRIES)
def test_every_exported_key_is_in_the_schema(capsys: Capture, name: str) -> None:
    assert run(["export", name, "--to", "toml"]) == 0
    config = tomllib.loads(capsys.readouterr().out)
    assert run(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    definition = schema["$defs"][type(ENTRIES[name].config).__name__]
    assert set(config) <= set(definition["properties"])
    assert config["base"] in definition["properties"]["base"]["enum"]
