"""`package.module:callable` and `file.py:callable`: the code is imported, and called for the module that it returns."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import os
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from types import ModuleType
from typing import NamedTuple

import torch
from torch import nn

from inception_lens.errors import ConfigError, InceptionLensError, TraceError, UnknownModelError, suggest
from inception_lens.pytorch.trace.failures import source_line
from inception_lens.pytorch.trace.global_state import random_states
from inception_lens.pytorch.trace.model_index import ModelIndex
from inception_lens.tables.units import size

SEED = 0
"""Of the random numbers that a callable draws, so that a model that decides by its weights has the same cost again."""


class Called(NamedTuple):
    """What a callable returned."""

    module: nn.Module
    """On the meta device if the callable allows it, and otherwise with values."""
    arguments: Mapping[str, object]
    """The arguments that the callable does not take, for the forward pass."""
    with_values: Callable[[], nn.Module] | None
    """Creates the module again, with values; None if it has them."""


def called(spec: str, arguments: Mapping[str, object]) -> Called:
    """Import a callable, or a module that exists already, and call it.

    Args:
        spec: `package.module:callable` or `file.py:callable`.
        arguments: of the callable, or of the forward pass if only that takes them; text is read as a Python literal
            where it is one.

    Raises:
        UnknownModelError: there is no such file, package or callable, or it does not return a module.
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
        return Called(found, values, None)
    if not callable(found):
        raise UnknownModelError(f"`{spec}` is of type {type(found).__name__}: neither a module nor a callable")
    taken = _argument_names(found)
    rest = {} if taken is None else {key: value for key, value in values.items() if key not in taken}
    own = {key: value for key, value in values.items() if key not in rest}
    _check_complete(spec, found, own, rest)
    module, with_values = _created(spec, partial(found, **own))
    _check_taken(spec, taken or [], module, rest)
    return Called(module, rest, with_values)


def _created(spec: str, create: Callable[[], object]) -> tuple[nn.Module, Callable[[], nn.Module] | None]:
    """The module, on the meta device if possible; if it is, also a function that creates it with values."""
    try:
        with _seeded(), torch.device("meta"):
            module = create()
    except Exception:  # some models read their weights while they are created
        return _with_values(spec, create), None
    module = _checked(spec, module)
    return module, partial(_with_values, spec, create, _bytes(module))


def _with_values(spec: str, create: Callable[[], object], needed: int = 0) -> nn.Module:
    """The module with values; `needed` is the bytes of its parameters and buffers, if they are known.

    Raises:
        TraceError: the callable raised an error, or the module does not fit into memory.
    """
    available = available_memory()
    if available is not None and needed > available:
        raise TraceError(
            f"`{spec}` decides by values, which need {size(needed)} of memory for its weights; "
            f"{size(available)} are available"
        )
    try:
        with _seeded():
            module = create()
    except InceptionLensError:
        raise
    except Exception as error:
        raise failed(spec, error) from error
    return _checked(spec, module)


def _checked(spec: str, module: object) -> nn.Module:
    if not isinstance(module, nn.Module):
        raise UnknownModelError(f"`{spec}` returned an object of type {type(module).__name__}, not a torch.nn.Module")
    return module


@contextmanager
def _seeded() -> Iterator[None]:
    """Draw the random numbers of PyTorch, Python and NumPy from a fixed seed, and restore their states afterwards."""
    with random_states():
        torch.manual_seed(SEED)
        random.seed(SEED)
        numpy = sys.modules.get("numpy")
        if numpy is not None:
            numpy.random.seed(SEED)
        yield


def _bytes(module: nn.Module) -> int:
    index = ModelIndex(module)
    return sum([tensor.nbytes for tensor in (*index.parameters.values(), *index.buffers.values())])


def available_memory() -> int | None:
    """Bytes that can be allocated without swapping, or that the machine has; None if the system reports neither."""
    with suppress(OSError), open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    with suppress(AttributeError, ValueError, OSError):  # not every system has these names
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


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


def failed(what: str, error: Exception) -> TraceError:
    """The error of code that was run to load a model, with its own line."""
    line, reason = source_line(error), str(error).strip().split("\n")[0]
    return TraceError(f"`{what}`{f', at {line}' if line else ''}: {type(error).__name__}: {reason}")


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
