"""A config as TOML that loads back equal, each key with a comment on what it means."""

from typing import Annotated, Any, get_args, get_origin

import msgspec

from inception_lens.architectures.catalogue import find
from inception_lens.architectures.network import Network, Table


def to_toml(config: Network, base: str) -> str:
    """Write every key of `config`; `base` is the catalogue's name of the network that it belongs to.

    Rows that the base has and `config` has not are set to `none`.
    """
    import tomlkit

    document = tomlkit.document()
    document.add(tomlkit.comment(f"A network for Inception Lens: inception-lens summary FILE.toml. Base: {base}."))
    document.add(tomlkit.comment("Only keys that differ from the base are needed; these are all of them."))
    document.add("base", tomlkit.item(base))
    tables = []
    for field in msgspec.structs.fields(config):
        value = getattr(config, field.name)
        if isinstance(value, Table | dict):
            tables.append((field, value))
        else:
            document.add(field.encode_name, _commented(msgspec.to_builtins(value), field.type))
    for field, value in tables:
        table = tomlkit.table()
        if isinstance(value, Table):
            for inner in msgspec.structs.fields(value):
                given = msgspec.to_builtins(getattr(value, inner.name))
                table.add(inner.encode_name, _commented(given, inner.type))
        else:
            for name, row in value.items():
                table.add(name, _row(row))
            for name in getattr(find(base).config, field.name):
                if name not in value:
                    table.add(name, "none")
        document.add(field.encode_name, table)
    return tomlkit.dumps(document)


def _row(row: Any) -> Any:
    import tomlkit

    columns = msgspec.to_builtins(row)
    if not isinstance(columns, dict):
        return columns
    item = tomlkit.inline_table()
    item.update(columns)
    return item


def _commented(value: Any, annotation: Any) -> Any:
    import tomlkit

    item = tomlkit.item(value)
    if get_origin(annotation) is Annotated:
        for note in get_args(annotation)[1:]:
            if isinstance(note, msgspec.Meta) and note.description:
                item.comment(note.description)
    return item
