"""The JSON Schema of TOML configs, for editors that complete and check while one types."""

from typing import Any

import msgspec

from inception_lens.architectures.catalogue import entries
from inception_lens.readers.config import DEFAULT_BASE


def config_schema() -> dict[str, Any]:
    """The schema: a file is one network of the catalogue, its `base`, with some keys changed."""
    bases: dict[type, list[str]] = {}
    for entry in entries():
        bases.setdefault(type(entry.config), []).append(entry.name)
    networks, definitions = msgspec.json.schema_components(list(bases), ref_template="#/$defs/{name}")
    for definition in definitions.values():
        definition.pop("required", None)  # a file says only what differs
        if image := definition.get("properties", {}).get("input"):
            definition["properties"]["input"] = {
                "description": image.pop("description"),
                "anyOf": [image, {"type": "integer", "minimum": 1}, {"type": "string", "pattern": "^\\d+(x\\d+){2}$"}],
            }
        for rows in definition.get("properties", {}).values():
            if "additionalProperties" in rows:
                rows["additionalProperties"] = {"anyOf": [rows["additionalProperties"], {"const": "none"}]}
    for network, names in bases.items():
        definition = definitions[network.__name__]
        base = {"enum": names, "description": f"the network that this one starts from; {DEFAULT_BASE} if left out"}
        definition["properties"] = {"base": base, **definition["properties"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A network for Inception Lens",
        "anyOf": list(networks),
        "$defs": definitions,
    }
