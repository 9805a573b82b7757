"""TOML configs and overrides: a network of the catalogue, and the keys that differ from it.

A config is data: it names a network of the catalogue as its `base`, and nothing that would be imported or opened. A
file has at most MAX_FILE_SIZE bytes. Errors are one line each, with the path and the line of the wrong key.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any, TypeVar, get_args

import msgspec

from inception_lens.architectures import catalogue
from inception_lens.architectures.network import ConfigTable, Network
from inception_lens.errors import ConfigError, FormatError, UnknownModelError, suggest
from inception_lens.readers.files import display_path, read_text

MAX_FILE_SIZE = 1_000_000
"""Bytes; a config that sets every key has 3,000."""

DEFAULT_BASE = "googlenet"

TableType = TypeVar("TableType", bound=ConfigTable)


def read_config(path: str) -> tuple[Network, str]:
    """Read a TOML config: the network's config, and the catalogue name of its base.

    Raises:
        ConfigError: the file cannot be read or is not TOML, or a key or value is invalid; with the line if known.
    """
    keys, text = read_toml(path)
    try:
        config = configure(keys)
        config.check()
        return config, str(keys.get("base", DEFAULT_BASE))
    except ConfigError as error:
        raise with_location(error, path, text) from None


def read_toml(path: str) -> tuple[dict[str, Any], str]:
    """Read any TOML file: its keys, and its text.

    Raises:
        ConfigError: the file cannot be read, or is not TOML.
    """
    try:
        text = read_text(path, MAX_FILE_SIZE, "a TOML file", may_be_empty=True)
        return tomllib.loads(text), text
    except FormatError as error:
        raise ConfigError(str(error)) from None
    except (ValueError, RecursionError) as error:  # ValueError: invalid TOML, or an integer of thousands of digits
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise ConfigError(f"{display_path(path)}: is not valid TOML: {reason}") from None


def with_location(error: ConfigError, path: str, text: str) -> ConfigError:
    """The error prefixed with the file and, if known, the line that sets its key."""
    line = _line_of(error.key, text)
    return ConfigError(f"{display_path(path)}{f':{line}' if line else ''}: {error}", key=error.key)


def configure(keys: Mapping[str, object]) -> Network:
    """Build a config from the keys of a TOML file: `base`, and those that differ from it.

    Raises:
        ConfigError: a key or a value is invalid.
    """
    changes = dict(keys)
    base = changes.pop("base", DEFAULT_BASE)
    try:
        config = catalogue.find(base if isinstance(base, str) else repr(base)).config
    except UnknownModelError as error:
        raise ConfigError(f"`base`: {error}", key="base") from None
    return overlay(config, changes)


def override(config: Network, settings: Mapping[str, object]) -> Network:
    """Change `config` by settings in short form: `{"norm": "batch", "inception_3a/5x5_reduce": "24"}`.

    A key is a path with `.` or `/` between its parts. It may start at a module's name, and a column of the modules
    alone sets that column in all of them. Text is converted to the type of the key.

    Raises:
        ConfigError: a key or a value is invalid.
    """
    for key, value in settings.items():
        config = overlay(config, _nested(config, re.split(r"[./]", key), value), lax=isinstance(value, str))
    config.check()
    return config


def _nested(config: Network, path: list[str], value: object) -> dict[str, object]:
    """The setting as nested tables, with the parts that its short form leaves out."""
    for field in msgspec.structs.fields(config):
        rows = getattr(config, field.name)
        if not isinstance(rows, dict) or path[0] == field.encode_name:
            continue
        if path[0] in rows:
            path = [field.encode_name, *path]
        elif len(path) == 1 and path[0] in _columns(rows):
            return {field.encode_name: {name: {path[0]: value} for name in rows}}
    nested: dict[str, object] = {path[-1]: value}
    for part in reversed(path[:-1]):
        nested = {part: nested}
    return nested


def _columns(rows: Mapping[str, object]) -> list[str]:
    return [name for row in rows.values() if isinstance(row, ConfigTable) for name in row.__struct_encode_fields__]


def overlay(base: TableType, changes: Mapping[str, object], prefix: str = "", *, lax: bool = False) -> TableType:
    """Replace the keys of `base` that `changes` sets, table by table.

    Args:
        base: a table of a config.
        changes: new values by key; tables are mappings.
        prefix: path of `base` in the config, `modules.inception_3a.`, for error messages.
        lax: whether text is converted to numbers and truth values where a key has them.

    Raises:
        ConfigError: an unknown key, or a value of the wrong type; its `key` is the full path.
    """
    fields = {field.encode_name: field for field in msgspec.structs.fields(base)}
    updates: dict[str, object] = {}
    for key, value in changes.items():
        path = f"{prefix}{key}"
        if key not in fields:
            known = [*fields, "base"] if isinstance(base, Network) else fields
            raise ConfigError(f"`{path}` is not a key{suggest(key, known)}", key=path)
        field = fields[key]
        old = getattr(base, field.name)
        if isinstance(old, ConfigTable):
            updates[field.name] = overlay(old, _mapping(value, path), f"{path}.", lax=lax)
        elif isinstance(old, dict):
            updates[field.name] = _overlay_rows(old, _mapping(value, path), f"{path}.", lax=lax)
        else:
            updates[field.name] = _convert(_expand_shorthand(key, value, old), field.type, path, lax)
    return msgspec.structs.replace(base, **updates)


def _overlay_rows(
    rows: Mapping[str, object], changes: Mapping[str, object], prefix: str, *, lax: bool
) -> dict[str, object]:
    """Change rows, append complete new ones, and remove those that are set to `none`.

    Where all rows are listed, the order is that of the list.
    """
    changed = dict(rows)
    row_type = type(next(iter(rows.values())))
    for name, value in changes.items():
        path = f"{prefix}{name}"
        old = rows.get(name)
        if value == "none":
            if name not in rows:
                raise ConfigError(f"`{path}` is not in the base{suggest(name, rows)}", key=path)
            del changed[name]
        elif isinstance(old, ConfigTable):
            changed[name] = overlay(old, _mapping(value, path), f"{path}.", lax=lax)
        elif issubclass(row_type, ConfigTable) and set(_mapping(value, path)) != set(row_type.__struct_encode_fields__):
            needed = ", ".join(row_type.__struct_encode_fields__)
            reason = f"is not in the base{suggest(name, rows)}; a new row needs exactly {needed}"
            raise ConfigError(f"`{path}` {reason}", key=path)
        else:
            changed[name] = _convert(value, row_type, path, lax)
    if set(changed) <= set(changes):
        return {name: changed[name] for name in changes if name in changed}
    return changed


def _mapping(value: object, path: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"`{path}` is {_abbreviated(value)}, but must be a table of keys", key=path)
    return value


def _expand_shorthand(key: str, value: object, old: object) -> object:
    """Expand `224` or `3x224x224` of an input, and `none` or `a,b` of a list."""
    if key == "input":
        if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()):
            return [3, value, value]
        if isinstance(value, str):
            return value.removeprefix("1x").split("x") if value.count("x") == 3 else value.split("x")
    if key in ("aux", "reduce") and isinstance(old, tuple) and isinstance(value, str):
        return [] if value in ("", "none") else value.split(",")
    return value


def _convert(value: object, needed: Any, path: str, lax: bool) -> object:
    """Convert to the type `needed`, with msgspec's message shortened to the reason and a suggestion."""
    try:
        return msgspec.convert(value, needed, strict=not (lax or path == "input"))
    except msgspec.ValidationError as error:
        message = str(error).partition(" - at")[0].replace("enum value", "value").partition(" '")[0]
        if "regex" in message:
            notes = (note.description for note in get_args(needed) if isinstance(note, msgspec.Meta))
            message = f"expected {next(notes)}"
        hint = suggest(str(value), _choices(needed)) if _choices(needed) else ""
        text = f"`{path}` is {_abbreviated(value)}: {message[0].lower()}{message[1:]}{hint}"
        raise ConfigError(text, key=path) from None


def _choices(needed: object) -> list[str]:
    """The words of a Literal anywhere in the type."""
    if isinstance(needed, str):
        return [needed]
    return [word for part in get_args(needed) if not isinstance(part, msgspec.Meta) for word in _choices(part)]


def _abbreviated(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _line_of(key: str, text: str) -> int | None:
    """The line of a TOML text that sets `key` or, failing that, the innermost table around it; None if unknown."""
    section, found, longest = "", None, 0
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r"\s*(\[?)\s*([\w.\"' -]+?)\s*[\]=]", line)
        if not key or not match:
            continue
        name = re.sub(r"[\"' ]", "", match[2])
        if match[1]:
            section = name
        full = name if match[1] or not section else f"{section}.{name}"
        if (key == full or key.startswith(f"{full}.")) and len(full) > longest:
            found, longest = number, len(full)
    return found
