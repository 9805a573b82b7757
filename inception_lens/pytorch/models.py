"""Modules that can run: from a callable, an exported program, or the module itself."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pickle import UnpicklingError
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import nn

from inception_lens.errors import ConfigError, TraceError, UnknownModelError
from inception_lens.graph import Inputs, Metadata
from inception_lens.pytorch.build.weights import load_state, read_weights
from inception_lens.pytorch.callables import Called, called
from inception_lens.pytorch.creation import failed
from inception_lens.pytorch.torchscript import load_script
from inception_lens.pytorch.trace.containers import tensors_in
from inception_lens.pytorch.trace.forward_arguments import LiteralArgument, by_name, parameter_names
from inception_lens.readers.archives import open_zip
from inception_lens.readers.formats import PROGRAMS, FileFormat, detect_format, format_of_suffix


class Ready(NamedTuple):
    """A module that can run."""

    module: nn.Module
    metadata: Metadata
    """Its name, and where it comes from."""
    example: Inputs | None
    """The inputs that it was exported with, if it was exported and holds them."""
    arguments: Mapping[str, object] = MappingProxyType({})
    """Further arguments of its forward pass, by name."""
    again: tuple[Callable[[], nn.Module], ...] = ()
    """Create the module again: the first with the values of its constants, the last with all values."""

    def with_more_values(self) -> Ready:
        """The module with the values of its constants, or then with all values.

        Raises:
            TraceError: it does not fit into memory.
        """
        return self._replace(module=self.again[0](), again=self.again[1:])

    def with_values(self) -> Ready:
        """The module with all values. The errors are those of `with_more_values`."""
        return self._replace(module=self.again[-1](), again=()) if self.again else self

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


def ready(
    model: str | nn.Module | torch.export.ExportedProgram,
    arguments: Mapping[str, object],
    weights: str | os.PathLike[str] | None = None,
) -> Ready:
    """Find, load or create the module; its training flags are left as they are.

    Args:
        model: a module, an exported program, the path of one (`.pt2`) or of a TorchScript archive, or
            `package.module:callable` or `file.py:callable`, whose code is run.
        arguments: of the callable, or of the forward pass if the callable does not take them but that does; text is
            read as a Python literal where it is one.
        weights: a file with the `state_dict` of a callable's module.

    Raises:
        UnknownModelError: there is no such file, package or callable.
        TraceError: the callable, or the file that defines it, raised an error.
        ConfigError: there are arguments or weights for a model that is not a callable.
        WeightsError: the file cannot be read, or does not fit the module.
    """
    metadata = Metadata(type(model).__name__, source="pytorch")
    if isinstance(model, str):
        metadata = Metadata(os.path.basename(model).rpartition(":")[2], f"PyTorch, {model}", "pytorch")
        if not os.path.isfile(model) and (":" in model or format_of_suffix(model) not in PROGRAMS):
            return _of_callable(called(model, arguments), metadata, weights)
        model = _program(model)
    if arguments:
        raise ConfigError(f"`{metadata.name}` is not a callable and takes no arguments: {', '.join(arguments)}")
    if weights is not None:
        raise ConfigError(f"`{metadata.name}` has weights of its own: a file of weights is for a PyTorch callable")
    if isinstance(model, torch.export.ExportedProgram):
        return Ready(model.module(), metadata, _example(model))
    return Ready(_uncompiled(model), metadata, None)


def _of_callable(found: Called, metadata: Metadata, weights: str | os.PathLike[str] | None) -> Ready:
    tensors = None if weights is None else read_weights(weights)

    def loaded(module: nn.Module) -> nn.Module:
        module = _uncompiled(module)
        if tensors is not None:
            load_state(module, tensors)
        return module

    again = tuple([lambda create=create: loaded(create()) for create in found.again])
    return Ready(loaded(found.module), metadata, None, found.arguments, again)


def _uncompiled(module: nn.Module) -> nn.Module:
    """The module that `torch.compile` wraps, or the module itself."""
    found = getattr(module, "_orig_mod", module)
    assert isinstance(found, nn.Module)
    return found


def _program(path: str) -> torch.jit.ScriptModule | torch.export.ExportedProgram:
    """The program in a file.

    Raises:
        UnknownModelError: there is no such file.
        FormatError: it is damaged, or only a placeholder of the file.
    """
    if not os.path.exists(path):
        raise UnknownModelError(f"`{path}`: there is no such file")
    return load_script(path) if detect_format(path) is FileFormat.TORCHSCRIPT else _exported(path)


def _exported(path: str) -> torch.export.ExportedProgram:
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
        raise failed(path, error) from error
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
