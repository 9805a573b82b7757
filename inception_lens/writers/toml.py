"""A config as TOML that loads back equal, each key with a comment on what it means."""

from typing import Annotated, Any, get_args, get_origin

import msgspec

from inception_lens.architectures.catalogue import find
from inception_lens.architectures.network import ConfigTable, Network

LEGENDS = {
    "blocks": (
        "`3x3/2V 32`: a convolution, its kernel, stride, V for no padding, channels; `lin`: without activation;",
        "`bare`: a bias in place of the norm; `sep 3x3 64`: depthwise and pointwise; `max 3x3/2`, `avg 3x3`: pools;",
        "`>` leads to the next step, `|` parts branches, `&` two last steps that read one map, all joined by depth;",
        "`+` adds the block's input, `+0.17` to the scaled sum, and `=>` leads to what follows it; `x10` repeats.",
    ),
}
"""What stands above a table whose values have a notation of their own."""


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
        if isinstance(value, ConfigTable | dict):
            tables.append((field, value))
        else:
            document.add(field.encode_name, _commented(msgspec.to_builtins(value), field.type))
    for field, value in tables:
        table = tomlkit.table()
        for line in LEGENDS.get(field.encode_name, ()):
            table.add(tomlkit.comment(line))
        if isinstance(value, ConfigTable):
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
