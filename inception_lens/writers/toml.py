"""A config as TOML that loads back equal, each key with a comment that describes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, get_args, get_origin

import msgspec

from inception_lens.architectures.catalogue import find
from inception_lens.architectures.network import ConfigTable, Network
from inception_lens.architectures.notation import LEGEND

if TYPE_CHECKING:
    from tomlkit.items import Item, Table


def to_toml(config: Network, base: str) -> str:
    """Write every key of `config`; `base` is the catalogue's name of the network that it changes.

    Rows that the base has and `config` lacks are set to `none`.

    Raises:
        UnknownModelError: `base` is not in the catalogue.
    """
    import tomlkit

    document = tomlkit.document()
    document.add(tomlkit.comment(f"A network for Inception Lens: inception-lens summary FILE.toml. Base: {base}."))
    document.add(tomlkit.comment("Only keys that differ from the base are needed; these are all of them."))
    document.add("base", tomlkit.item(base))
    tables = {}
    for field in msgspec.structs.fields(config):
        value = getattr(config, field.name)
        if isinstance(value, ConfigTable):
            tables[field.encode_name] = _struct_table(value)
        elif isinstance(value, dict):
            tables[field.encode_name] = _rows_table(field, value, getattr(find(base).config, field.name))
        else:
            document.add(field.encode_name, _commented(value, field.type))
    for name, table in tables.items():  # after all other keys, which would belong to the table before them
        document.add(name, table)
    return tomlkit.dumps(document)


def _struct_table(value: ConfigTable) -> Table:
    import tomlkit

    table = tomlkit.table()
    for field in msgspec.structs.fields(value):
        table.add(field.encode_name, _commented(getattr(value, field.name), field.type))
    return table


def _rows_table(field: msgspec.structs.FieldInfo, rows: Mapping[str, object], base: Mapping[str, object]) -> Table:
    import tomlkit

    table = tomlkit.table()
    for line in (*_descriptions(field.type), *(LEGEND.splitlines() if field.encode_name == "blocks" else ())):
        table.add(tomlkit.comment(line))
    for name, row in rows.items():
        columns = msgspec.to_builtins(row)
        if isinstance(columns, dict):
            inline = tomlkit.inline_table()
            inline.update(columns)
            table.add(name, inline)
        else:
            table.add(name, columns)
    for name in base:
        if name not in rows:
            table.add(name, "none")
    return table


def _commented(value: object, annotation: object) -> Item:
    import tomlkit

    item: Item = tomlkit.item(msgspec.to_builtins(value))
    for description in _descriptions(annotation):
        item.comment(description)
    return item


def _descriptions(annotation: object) -> list[str]:
    """The innermost first, so that the last is the most specific."""
    notes = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    return [note.description for note in notes if isinstance(note, msgspec.Meta) and note.description]
