"""`package.module:callable` and `file.py:callable`: the code is imported, and called for the module that it returns."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import ModuleType
from typing import NamedTuple

from torch import nn

from inception_lens.errors import ConfigError, InceptionLensError, UnknownModelError, suggest
from inception_lens.pytorch.creation import created, failed


class Called(NamedTuple):
    """What a callable returned."""

    module: nn.Module
    """On the meta device if the callable allows it, and otherwise with values."""
    arguments: Mapping[str, object]
    """The arguments that the callable does not take, for the forward pass."""
    again: tuple[Callable[[], nn.Module], ...]
    """Create the module again: the first with the values of its constants, the last with all values."""


def called(spec: str, arguments: Mapping[str, object]) -> Called:
    """Import a callable, or a module that exists already, and call it.

    Args:
        spec: `package.module:callable` or `file.py:callable`.
        arguments: of the callable, or of the forward pass if only that takes them; text is read as a Python literal
            where it is one.

    Raises:
        UnknownModelError: the file, package or callable does not exist, or it does not return a module.
        TraceError: the callable, or the file that defines it, raised an error.
        ConfigError: an argument is unknown.
    """
    where, _, name = spec.rpartition(":")
    found: object = _imported(where)
    for part in name.split("."):
        if not hasattr(found, part):
            names = [each for each in dir(found) if not each.startswith("_")]
            raise UnknownModelError(f"`{where}` has no `{name}`{suggest(part, names)}")
        found = getattr(found, part)
    values = {key: _literal(value) for key, value in arguments.items()}
    if isinstance(found, nn.Module):
        _check_taken(spec, [], found, values)
        return Called(found, values, ())
    if not callable(found):
        raise UnknownModelError(f"`{spec}` is of type {type(found).__name__}: neither a module nor a callable")
    taken = _argument_names(found)
    rest = {} if taken is None else {key: value for key, value in values.items() if key not in taken}
    own = {key: value for key, value in values.items() if key not in rest}
    _check_complete(spec, found, own, rest)
    module, again = created(spec, partial(found, **own))
    _check_taken(spec, taken or [], module, rest)
    return Called(module, rest, again)


def _check_complete(
    spec: str, function: Callable[..., object], arguments: Mapping[str, object], rest: Mapping[str, object]
) -> None:
    """Check that a callable gets every argument that has no default; `rest` are those that it does not take."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    required = [each.name for each in parameters if each.default is each.empty and each.kind not in optional]
    if missing := [name for name in required if name not in arguments]:
        unknown = f"; it does not take {', '.join(f'`{name}`' for name in rest)}" if rest else ""
        options = " ".join([f"--arg {name}=VALUE" for name in missing])
        raise ConfigError(f"`{spec}` needs {', '.join(f'`{name}`' for name in missing)}: give {options}{unknown}")


def _check_taken(spec: str, own: Sequence[str], module: nn.Module, arguments: Mapping[str, object]) -> None:
    """Check that the forward pass of a module takes the arguments that the callable does not."""
    names = _argument_names(module.forward)
    unknown = [] if names is None else [key for key in arguments if key not in names]
    if unknown:
        known = suggest(unknown[0], [*own, *(names or [])])
        raise ConfigError(f"neither `{spec}` nor its forward pass takes an argument `{unknown[0]}`{known}")


def _literal(value: object) -> object:
    """The value that text is a Python literal of; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return ast.literal_eval({"true": "True", "false": "False", "none": "None"}.get(value, value))
    except (ValueError, SyntaxError):
        return value


def _imported(where: str) -> ModuleType:
    """The Python module at a path or of a dotted name, which is searched for in the working folder first."""
    try:
        if where.endswith(".py"):
            return _from_file(where)
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        return importlib.import_module(where)
    except InceptionLensError:
        raise
    except ModuleNotFoundError as error:
        if error.name and where.startswith(error.name):
            raise UnknownModelError(f"there is no package or module `{error.name}`") from None
        raise failed(where, error) from error
    except (Exception, SystemExit) as error:
        raise failed(where, error if isinstance(error, Exception) else RuntimeError("it exits the program")) from error


def _from_file(path: str) -> ModuleType:
    if not os.path.isfile(path):
        raise UnknownModelError(f"`{path}`: there is no such file")
    name = os.path.splitext(os.path.basename(path))[0]
    folder = os.path.dirname(os.path.abspath(path))
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(name, module)
    spec.loader.exec_module(module)
    return module


def _argument_names(function: Callable[..., object]) -> list[str] | None:
    """Names of the arguments that a function takes by keyword; None if it takes any."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters):
        return None
    return [each.name for each in parameters]
