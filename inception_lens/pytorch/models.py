"""Modules by what names them: a callable in a file or a package, an exported program, or the module itself."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pickle import UnpicklingError
from types import MappingProxyType, ModuleType
from typing import NamedTuple

import torch
from torch import nn

from inception_lens.errors import ConfigError, InceptionLensError, TraceError, UnknownModelError, suggest
from inception_lens.graph import Inputs, Metadata
from inception_lens.pytorch.trace.forward_arguments import LiteralArgument, by_name, parameter_names
from inception_lens.pytorch.trace.forward_pass import source_line
from inception_lens.pytorch.trace.traced_tensor import tensors_in
from inception_lens.readers.files import open_zip


class Ready(NamedTuple):
    """A module that can run."""

    module: nn.Module
    metadata: Metadata
    """Its name, and where it comes from."""
    example: Inputs | None
    """The inputs that it was exported with, if it was exported and holds them."""
    arguments: Mapping[str, object] = MappingProxyType({})
    """Further arguments of its forward pass, by name."""

    def inputs(self, given: Inputs | None) -> Inputs:
        """The given inputs, or those that the model itself declares.

        Raises:
            ConfigError: there are none.
        """
        found = given if given is not None else self.declared_inputs
        if found is not None and self.arguments:
            literals = {name: LiteralArgument(value) for name, value in self.arguments.items()}
            return {**by_name(self.module, found), **literals}
        if found is None:
            name, names = self.metadata.name, ", ".join(parameter_names(self.module)) or "no named arguments"
            raise ConfigError(f"`{name}` ({names}) declares no input shape: give its inputs, such as 1x3x224x224")
        return found

    @property
    def declared_inputs(self) -> Inputs | None:
        """The inputs that the model itself declares; None if it declares none."""
        return _own_inputs(self.module) if self.example is None else self.example


def ready(model: str | nn.Module | torch.export.ExportedProgram, arguments: Mapping[str, object]) -> Ready:
    """Find, load or create the module; its training flags are left as they are.

    Args:
        model: a module, an exported program, the path of one (`.pt2`), or `package.module:callable` or
            `file.py:callable`, whose code is run.
        arguments: of the callable, or of the forward pass if the callable does not take them but that does; text is
            read as a Python literal where it is one.

    Raises:
        UnknownModelError: there is no such file, package or callable.
        TraceError: the callable, or the file that defines it, raised an error.
        ConfigError: there are arguments for a model that is not a callable.
    """
    metadata = Metadata(type(model).__name__, source="pytorch")
    if isinstance(model, str):
        metadata = Metadata(os.path.basename(model).rpartition(":")[2], f"PyTorch, {model}", "pytorch")
        if not model.endswith(".pt2"):
            module, rest = _called(model, arguments)
            return _unwrapped(module, metadata)._replace(arguments=rest)
        model = _exported(model)
    if arguments:
        raise ConfigError(f"`{metadata.name}` is not a callable and takes no arguments: {', '.join(arguments)}")
    return _unwrapped(model, metadata)


def _unwrapped(model: nn.Module | torch.export.ExportedProgram, metadata: Metadata) -> Ready:
    if isinstance(model, torch.export.ExportedProgram):
        return Ready(model.module(), metadata, _example(model))
    return Ready(getattr(model, "_orig_mod", model), metadata, None)  # the module that torch.compile wraps


def _called(spec: str, arguments: Mapping[str, object]) -> tuple[nn.Module, dict[str, object]]:
    """The module that a callable returns, on the meta device if the callable allows it, and the arguments left over."""
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
        return found, values
    if not callable(found):
        raise UnknownModelError(f"`{spec}` is of type {type(found).__name__}: neither a module nor a callable")
    taken = _argument_names(found)
    rest = {} if taken is None else {key: value for key, value in values.items() if key not in taken}
    own = {key: value for key, value in values.items() if key not in rest}
    try:
        with torch.device("meta"):
            module = found(**own)
    except Exception:  # some models read their weights while they are created
        module = _on_cpu(spec, found, own)
    if not isinstance(module, nn.Module):
        raise UnknownModelError(f"`{spec}` returned an object of type {type(module).__name__}, not a torch.nn.Module")
    _check_taken(spec, taken or [], module, rest)
    return module, rest


def _check_taken(spec: str, own: Sequence[str], module: nn.Module, arguments: Mapping[str, object]) -> None:
    """Check that the forward pass of a module takes the arguments that the callable does not."""
    names = _argument_names(module.forward)
    unknown = [] if names is None else [key for key in arguments if key not in names]
    if unknown:
        known = suggest(unknown[0], [*own, *(names or [])])
        raise ConfigError(f"neither `{spec}` nor its forward pass takes an argument `{unknown[0]}`{known}")


def _on_cpu(spec: str, function: Callable[..., object], arguments: Mapping[str, object]) -> object:
    try:
        return function(**arguments)
    except InceptionLensError:
        raise
    except Exception as error:
        raise _failed(spec, error) from error


def _failed(what: str, error: Exception) -> TraceError:
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
        raise _failed(where, error) from error
    except (Exception, SystemExit) as error:
        raise _failed(where, error if isinstance(error, Exception) else RuntimeError("it exits the program")) from error


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
    log.disabled = True  # PyTorch logs the traceback of one error before it raises another
    try:
        with _tensors_only(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.export.load(path)
    except UnpicklingError:
        raise TraceError(f"`{path}` holds pickled objects other than tensors, which are not read") from None
    except Exception as error:
        raise _failed(path, error) from error
    finally:
        log.disabled = False


@contextmanager
def _tensors_only() -> Iterator[None]:
    """Make `torch.load` refuse to unpickle anything but tensors, also where PyTorch calls it without that option."""
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
    """The inputs that a program was exported with; None if it does not hold them."""
    if program.example_inputs is None:
        return None
    args, kwargs = program.example_inputs
    return {**kwargs} if kwargs and not args else args


def _own_inputs(model: nn.Module) -> Inputs | None:
    """The inputs that a model declares: the example of PyTorch Lightning, or the settings of timm."""
    example = getattr(model, "example_input_array", None)
    if example is not None and tensors_in((example,)):
        return example
    settings = getattr(model, "pretrained_cfg", None) or getattr(model, "default_cfg", None)
    size = settings.get("input_size") if isinstance(settings, Mapping) else getattr(settings, "input_size", None)
    return (1, *size) if size else None


def _argument_names(function: Callable[..., object]) -> list[str] | None:
    """Names of the arguments that a function takes by keyword; None if it takes any."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters):
        return None
    return [each.name for each in parameters]
