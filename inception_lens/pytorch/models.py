"""Where models come from: a callable in a file or a package, an exported program, a module that stands ready."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pickle import UnpicklingError
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import nn

from inception_lens.errors import ConfigError, InceptionLensError, TraceError, UnknownModelError, suggest
from inception_lens.graph import Inputs, Metadata
from inception_lens.pytorch.trace.forward_pass import source_line
from inception_lens.pytorch.trace.traced_tensor import tensors_in
from inception_lens.readers.files import open_zip


class Ready(NamedTuple):
    """A module that can run, what it is called, and the inputs that it was exported with."""

    module: nn.Module
    metadata: Metadata
    example: Inputs | None

    def inputs(self, given: Inputs | None) -> Inputs:
        """The inputs that were given, or those that the model itself states.

        Raises:
            ConfigError: none were given, and the model states none.
        """
        if given is not None:
            return given
        return _own_inputs(self.module, self.metadata.name) if self.example is None else self.example


def ready(model: str | nn.Module | torch.export.ExportedProgram, arguments: Mapping[str, object]) -> Ready:
    """The module that a model is.

    Args:
        model: a module, an exported program, the path of one (`.pt2`), or `package.module:callable` or
            `file.py:callable`, whose code is run.
        arguments: of the callable; text is read as a Python literal where it is one.

    Raises:
        UnknownModelError: there is no such file, package or callable.
        TraceError: the callable ended in an error.
        ConfigError: there are arguments for a model that is not a callable.
    """
    metadata = Metadata(type(model).__name__, source="pytorch")
    if isinstance(model, str):
        metadata = Metadata(os.path.basename(model).rpartition(":")[2], f"PyTorch, {model}", "pytorch")
        if not model.endswith(".pt2"):
            return _unwrapped(_called(model, arguments), metadata)
        model = _exported(model)
    if arguments:
        raise ConfigError(f"`{metadata.name}` is not a callable and takes no arguments: {', '.join(arguments)}")
    return _unwrapped(model, metadata)


def _unwrapped(model: nn.Module | torch.export.ExportedProgram, metadata: Metadata) -> Ready:
    if isinstance(model, torch.export.ExportedProgram):
        return Ready(model.module(), metadata, _example(model))
    return Ready(getattr(model, "_orig_mod", model), metadata, None)  # what torch.compile wraps


def _called(spec: str, arguments: Mapping[str, Any]) -> nn.Module:
    """The module that a callable makes, on the meta device where that can be."""
    where, _, name = spec.rpartition(":")
    found: Any = _imported(where)
    for part in name.split("."):
        if not hasattr(found, part):
            names = [each for each in dir(found) if not each.startswith("_")]
            raise UnknownModelError(f"`{where}` has no `{name}`{suggest(part, names)}")
        found = getattr(found, part)
    if isinstance(found, nn.Module):
        return found
    if not callable(found):
        raise UnknownModelError(f"`{spec}` is {type(found).__name__}: neither a module nor anything to be called")
    read = {key: _literal(value) for key, value in arguments.items()}
    try:
        with torch.device("meta"):
            made = found(**read)
    except Exception:  # not every model can be made without its weights
        made = _made(spec, found, read)
    if not isinstance(made, nn.Module):
        raise UnknownModelError(f"`{spec}` made {type(made).__name__} and no torch.nn.Module")
    return made


def _made(spec: str, found: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    try:
        return found(**arguments)
    except InceptionLensError:
        raise
    except Exception as error:
        raise _failed(spec, error) from error


def _failed(what: str, error: Exception) -> TraceError:
    line = source_line(error)
    told = str(error).strip().split("\n")[0]
    return TraceError(f"`{what}`{f', at {line}' if line else ''}: {type(error).__name__}: {told}")


def _literal(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return ast.literal_eval({"true": "True", "false": "False", "none": "None"}.get(value, value))
    except (ValueError, SyntaxError):
        return value


def _imported(where: str) -> ModuleType:
    """The module of Python that a path or a dotted name means; the working folder is looked through first."""
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
            raise UnknownModelError(f"there is no package or module `{error.name}` to take a model from") from None
        raise _failed(where, error) from error
    except (Exception, SystemExit) as error:
        raise _failed(where, error if isinstance(error, Exception) else RuntimeError("it ends the program")) from error


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


def _exported(path: str) -> torch.export.ExportedProgram:
    if not os.path.exists(path):
        raise UnknownModelError(f"`{path}`: there is no such file")
    with open_zip(path, "an archive of torch.export"):
        pass
    log = logging.getLogger("torch.export")
    log.disabled = True  # before it raises one error, it logs the traceback of another
    try:
        with _tensors_alone(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.export.load(path)
    except UnpicklingError:
        raise TraceError(f"`{path}`: it holds pickled objects that are no tensors, and those are not read") from None
    except Exception as error:
        raise _failed(path, error) from error
    finally:
        log.disabled = False


@contextmanager
def _tensors_alone() -> Iterator[None]:
    """Let `torch.load` unpickle tensors and nothing else, whatever its callers ask for."""
    key = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(key)
    os.environ[key] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[key]
        else:
            os.environ[key] = before


def _example(program: torch.export.ExportedProgram) -> Inputs | None:
    """The inputs that a program was exported with, if it holds them."""
    if program.example_inputs is None:
        return None
    args, kwargs = program.example_inputs
    return {**kwargs} if kwargs and not args else args


def _own_inputs(model: nn.Module, name: str) -> Any:
    """What a model says that it reads: PyTorch Lightning's example, or timm's settings."""
    example = getattr(model, "example_input_array", None)
    if example is not None and tensors_in((example,)):
        return example
    settings = getattr(model, "pretrained_cfg", None) or getattr(model, "default_cfg", None)
    size = settings.get("input_size") if isinstance(settings, Mapping) else getattr(settings, "input_size", None)
    if size:
        return (1, *size)
    wanted = ", ".join(_wanted(model)) or "nothing that it names"
    raise ConfigError(f"`{name}` does not say what it reads ({wanted}): give its inputs, such as 1x3x224x224")


def _wanted(model: nn.Module) -> list[str]:
    try:
        return [each for each in inspect.signature(model.forward).parameters if each not in ("args", "kwargs")]
    except (TypeError, ValueError):
        return []
