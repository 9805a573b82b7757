"""The JSON Schema of configs has every key that the reader accepts, and requires none."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from inception_lens.architectures.catalogue import entries
from inception_lens.architectures.googlenet import LRN, AuxHead, GoogLeNet, InceptionModule, Stem
from inception_lens.architectures.network import BatchNormConfig
from inception_lens.readers.schema import config_schema

ENTRIES = {entry.name: entry for entry in entries()}


def references(part: Any) -> Iterator[str]:
    """Every `$ref` anywhere in a schema."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "$ref":
                yield value
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def test_the_schema_is_json() -> None:
    text = json.dumps(config_schema())
    assert json.dumps(json.loads(text)) == text
    assert config_schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_every_reference_has_a_definition() -> None:
    schema = config_schema()
    found = set(references(schema))
    assert "#/$defs/GoogLeNet" in found
    assert found <= {f"#/$defs/{name}" for name in schema["$defs"]}


def test_every_table_of_googlenet_has_its_keys() -> None:
    definitions = config_schema()["$defs"]
    for table in (GoogLeNet, Stem, InceptionModule, LRN, BatchNormConfig, AuxHead):
        keys = {field.encode_name for field in msgspec.structs.fields(table)}
        assert keys == set(definitions[table.__name__]["properties"]) - {"base"}


def test_other_keys_are_not_accepted() -> None:
    for name in ("GoogLeNet", "Stem", "InceptionModule"):
        assert config_schema()["$defs"][name]["additionalProperties"] is False


def test_no_key_is_required() -> None:
    assert all("required" not in definition for definition in config_schema()["$defs"].values())


def test_the_bases_are_the_networks_of_the_catalogue() -> None:
    schema = config_schema()
    bases = [schema["$defs"][one["$ref"].rpartition("/")[2]]["properties"]["base"]["enum"] for one in schema["anyOf"]]
    assert sorted(name for names in bases for name in names) == sorted(ENTRIES)


def test_bounds_are_those_of_the_reader() -> None:
    properties = config_schema()["$defs"]["GoogLeNet"]["properties"]
    assert (properties["classes"]["minimum"], properties["classes"]["maximum"]) == (1, 1_000_000)
    assert set(properties["norm"]["enum"]) == {"lrn", "batch", "none"}


def test_an_input_can_be_in_short_form() -> None:
    kinds = {one["type"] for one in config_schema()["$defs"]["GoogLeNet"]["properties"]["input"]["anyOf"]}
    assert kinds == {"array", "integer", "string"}
