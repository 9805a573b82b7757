"""The JSON Schema of TOML configs, from which editors complete and check."""

from typing import Any

import msgspec

from inception_lens.architectures.catalogue import entries
from inception_lens.readers.config import DEFAULT_BASE


def config_schema() -> dict[str, Any]:
    """The schema: a file is one network of the catalogue, its `base`, with some keys changed.

    It is the schema that msgspec derives from the config classes, except that no key is required, an input may be
    written in short, and rows may be set to `none`.
    """
    bases: dict[type, list[str]] = {}
    for entry in entries():
        bases.setdefault(type(entry.config), []).append(entry.name)
    networks, definitions = msgspec.json.schema_components(list(bases), ref_template="#/$defs/{name}")
    for definition in definitions.values():
        definition.pop("required", None)
        properties = definition.get("properties", {})
        if image := properties.get("input"):
            properties["input"] = {
                "description": image.pop("description"),
                "anyOf": [image, {"type": "integer", "minimum": 1}, {"type": "string", "pattern": "^\\d+(x\\d+){2}$"}],
            }
        for rows in properties.values():
            if "additionalProperties" in rows:
                rows["additionalProperties"] = {"anyOf": [rows["additionalProperties"], {"const": "none"}]}
    for network, names in bases.items():
        definition = definitions[network.__name__]
        base = {"enum": names, "description": f"network to start from; default: {DEFAULT_BASE}"}
        definition["properties"] = {"base": base, **definition["properties"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A network for Inception Lens",
        "anyOf": list(networks),
        "$defs": definitions,
    }
