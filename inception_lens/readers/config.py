"""TOML configs and overrides: a base from the catalogue, plus what differs.

A config is data. It names a base of the catalogue and nothing else: no module to import, no file to open.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from typing import Any, TypeVar, get_args

import msgspec

from inception_lens.architectures import catalogue
from inception_lens.architectures.network import ConfigTable, Network
from inception_lens.errors import ConfigError, UnknownModelError, suggest

MAX_FILE_SIZE = 1_000_000
"""Bytes; a config of every field takes three thousand."""

DEFAULT_BASE = "googlenet"

TableType = TypeVar("TableType", bound=ConfigTable)


def read_config(path: str) -> tuple[Network, str]:
    """Read a TOML file: the config, and the catalogue's name of its base.

    Raises:
        ConfigError: the file cannot be read, is no TOML, or says something impossible; with the line where it is known.
    """
    given, text = read_toml(path)
    try:
        config = configure(given)
        config.check()
        return config, str(given.get("base", DEFAULT_BASE))
    except ConfigError as error:
        raise with_location(error, path, text) from None


def read_toml(path: str) -> tuple[dict[str, Any], str]:
    """Read a TOML file of any kind: what it says, and its text.

    Raises:
        ConfigError: the file cannot be read, or is no TOML.
    """
    text = _read_text(path)
    try:
        return tomllib.loads(text), text
    except (ValueError, RecursionError) as error:  # ValueError: no TOML, or a number of thousands of digits
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise ConfigError(f"{path}: no valid TOML: {reason}") from None


def with_location(error: ConfigError, path: str, text: str) -> ConfigError:
    """The error with the file and, where it is known, the line that it comes from."""
    line = _line_of(error.key, text)
    return ConfigError(f"{path}{f':{line}' if line else ''}: {error}", key=error.key)


def configure(given: Mapping[str, Any]) -> Network:
    """Make a config of what a TOML file says: `base`, and the keys that differ from it.

    Raises:
        ConfigError: a key or a value is wrong.
    """
    changes = dict(given)
    base = changes.pop("base", DEFAULT_BASE)
    try:
        config = catalogue.find(base if isinstance(base, str) else repr(base)).config
    except UnknownModelError as error:
        raise ConfigError(f"`base`: {error}", key="base") from None
    return overlay(config, changes)


def override(config: Network, settings: Mapping[str, Any]) -> Network:
    """Change `config` by settings as people write them: `{"norm": "batch", "inception_3a/5x5_reduce": "24"}`.

    A key is a path, its parts apart by `.` or `/`; a module's name may begin it, and a column of the modules alone
    means that column in all of them. Text is read as what the key needs.

    Raises:
        ConfigError: a key or a value is wrong.
    """
    for key, value in settings.items():
        config = overlay(config, _nested(config, re.split(r"[./]", key), value), lax=isinstance(value, str))
    config.check()
    return config


def _nested(config: Network, path: list[str], value: Any) -> dict[str, Any]:
    for field in msgspec.structs.fields(config):
        rows = getattr(config, field.name)
        if not isinstance(rows, dict) or path[0] == field.encode_name:
            continue
        if path[0] in rows:
            path = [field.encode_name, *path]
        elif len(path) == 1 and path[0] in _columns(rows):
            return {field.encode_name: {name: {path[0]: value} for name in rows}}
    for part in reversed(path):
        value = {part: value}
    return dict(value)


def _columns(rows: Mapping[str, Any]) -> list[str]:
    return [name for row in rows.values() if isinstance(row, ConfigTable) for name in row.__struct_encode_fields__]


def overlay(base: TableType, changes: Mapping[str, Any], where: str = "", *, lax: bool = False) -> TableType:
    """Replace in `base` what `changes` says, table by table, so that an error knows its full key.

    `lax` reads text as numbers and truth values where a key needs them.

    Raises:
        ConfigError: a key that is not there, or a value of the wrong kind; `key` is its path.
    """
    fields = {field.encode_name: field for field in msgspec.structs.fields(base)}
    updates: dict[str, Any] = {}
    for key, value in changes.items():
        path = f"{where}{key}"
        if key not in fields:
            known = [*fields, "base"] if isinstance(base, Network) else fields
            raise ConfigError(f"`{path}` is no key{suggest(key, known)}", key=path)
        field = fields[key]
        old = getattr(base, field.name)
        if isinstance(old, ConfigTable):
            updates[field.name] = overlay(old, _mapping(value, path), f"{path}.", lax=lax)
        elif isinstance(old, dict):
            updates[field.name] = _overlay_rows(old, _mapping(value, path), f"{path}.", lax=lax)
        else:
            updates[field.name] = _convert(_shorthand(key, value, old), field.type, path, lax)
    return msgspec.structs.replace(base, **updates)


def _overlay_rows(rows: Mapping[str, Any], changes: Mapping[str, Any], where: str, *, lax: bool) -> dict[str, Any]:
    """Change rows, add whole ones behind the others, and leave out those that are set to `none`.

    Where all are listed, their order is that of the list.
    """
    changed = dict(rows)
    row_type = type(next(iter(rows.values())))
    for name, value in changes.items():
        path = f"{where}{name}"
        if value == "none":
            if name not in rows:
                raise ConfigError(f"`{path}` is not in the base{suggest(name, rows)}", key=path)
            del changed[name]
        elif name in rows and isinstance(rows[name], ConfigTable):
            changed[name] = overlay(rows[name], _mapping(value, path), f"{path}.", lax=lax)
        elif issubclass(row_type, ConfigTable) and set(_mapping(value, path)) != set(row_type.__struct_encode_fields__):
            needed = ", ".join(row_type.__struct_encode_fields__)
            raise ConfigError(
                f"`{path}` is not in the base{suggest(name, rows)}; a new one needs exactly {needed}", key=path
            )
        else:
            changed[name] = _convert(value, row_type, path, lax)
    if set(changed) <= set(changes):
        return {name: changed[name] for name in changes if name in changed}
    return changed


def _mapping(value: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"`{path}` is {_shown(value)}, but it is a table of keys", key=path)
    return value


def _shorthand(key: str, value: Any, old: Any) -> Any:
    """Spell out what people write short: `224` or `3x224x224` for an input, `none` or `a,b` for a list."""
    if key == "input":
        if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()):
            return [3, value, value]
        if isinstance(value, str):
            return value.removeprefix("1x").split("x") if value.count("x") == 3 else value.split("x")
    if key in ("aux", "reduce") and isinstance(old, tuple) and isinstance(value, str):
        return [] if value in ("", "none") else value.split(",")
    return value


def _convert(value: Any, needed: Any, path: str, lax: bool) -> Any:
    try:
        return msgspec.convert(value, needed, strict=not (lax or path == "input"))
    except msgspec.ValidationError as error:
        message = str(error).partition(" - at")[0].replace("enum value", "value").partition(" '")[0]
        if "regex" in message:
            message = f"expected {_description(needed)}"
        hint = suggest(str(value), _choices(needed)) if _choices(needed) else ""
        raise ConfigError(f"`{path}` is {_shown(value)}: {message[0].lower()}{message[1:]}{hint}", key=path) from None


def _choices(needed: Any) -> list[str]:
    """The words that a type allows, wherever they stand in it."""
    if isinstance(needed, str):
        return [needed]
    return [word for part in get_args(needed) if not isinstance(part, msgspec.Meta) for word in _choices(part)]


def _description(needed: Any) -> str:
    notes = [note.description for note in get_args(needed) if isinstance(note, msgspec.Meta) and note.description]
    return notes[0] if notes else "another form"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _read_text(path: str) -> str:
    try:
        if not os.path.isfile(path) and not stat.S_ISDIR(os.stat(path).st_mode):  # a pipe would be waited for
            raise ConfigError(f"{path}: it is no regular file")
        with open(path, encoding="utf-8-sig") as file:
            text = file.read(MAX_FILE_SIZE + 1)
        if len(text) > MAX_FILE_SIZE:
            raise ConfigError(f"{path}: more than {MAX_FILE_SIZE:,} characters are no config")
        return text
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: no UTF-8 text: {error.reason} at byte {error.start}") from None
    except ValueError as error:  # a path with a NUL
        raise ConfigError(f"{path}: {error}") from None


def _line_of(key: str, text: str) -> int | None:
    """The line of a TOML text that sets `key`, or the table that holds it; None where it cannot be told."""
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
