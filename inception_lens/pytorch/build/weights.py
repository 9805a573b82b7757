"""Weights of other files and libraries, copied into a built network: all of them, or none."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from pickle import UnpicklingError
from zipfile import is_zipfile

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from inception_lens.errors import FormatError, WeightsError, require
from inception_lens.graph import Graph
from inception_lens.ops import format_shape
from inception_lens.readers.formats import FileFormat, detect_format
from inception_lens.readers.tensors import Array
from inception_lens.readers.weights.files import read_weights as read_file
from inception_lens.writers.weights.conversion import converted_arrays, state_tensors
from inception_lens.writers.weights.naming.ports import PORTS, port_names

WeightSource = Mapping[str, Tensor] | str | os.PathLike[str]
"""A `state_dict`, or the path of a safetensors file or of one that `torch.save` wrote."""

MAX_LISTED = 6
"""Tensors that an error message lists; it counts the others."""

CHECKPOINT_KEYS = ("state_dict", "model_state_dict", "model")
"""Keys under which checkpoints of trainers hold the weights."""

COUNTER = ".num_batches_tracked"
"""End of the name of a batch norm's count of batches, which old files do not hold."""


def load_weights(network: nn.Module, weights: WeightSource) -> str:
    """Copy weights into a built network, by its own names or by those of another library, and return whose they are.

    The names of torchvision's googlenet, inception_v3, alexnet, vgg and resnet are known, and those of timm's
    inception_v3, inception_v4 and inception_resnet_v2, each for the network that the catalogue has under that name.
    Only tensors are read: the pretrained GoogLeNet and Inception V3 of torchvision also expect images normalised in
    another way (`transform_input`).

    Args:
        network: from `build`; one on the meta device takes the tensors themselves instead of copies.
        weights: a `state_dict`, or the path of a file. Safetensors and what `torch.save` writes have all tensors of the
            network and no others; files of other frameworks, which `readers.weights` reads, may have more, such as the
            state of an optimizer. No code in a file is run.

    Raises:
        WeightsError: the file does not hold tensors by name; or a tensor is unknown, is missing or has the wrong shape.
            The message lists them, and the network is unchanged.
    """
    graph = getattr(network, "graph", None)
    if not isinstance(weights, Mapping) and isinstance(graph, Graph):
        try:
            found = detect_format(os.fspath(weights))
        except FormatError as error:
            raise WeightsError(str(error)) from None
        if found not in (FileFormat.SAFETENSORS, FileFormat.PYTORCH, None):
            return _load_converted(network, graph, os.fspath(weights))
    given = weights if isinstance(weights, Mapping) else read_weights(weights)
    own = network.state_dict()
    whose, names = _names(network, own, given)
    missing = [name for name in own if names.get(name) not in given and not name.endswith(COUNTER)]
    expected, parts = set(names.values()), []
    if unknown := [name for name in given if name not in expected]:
        parts += [f"unknown: {_listed(unknown)}"]
    if missing:
        wanted = (f"{names[name]} for {name}" if names.get(name, name) != name else name for name in missing)
        parts += [f"missing: {_listed(wanted)}"]
    if parts:
        raise WeightsError(f"weights read as {whose} do not match the network; {'; '.join(parts)}")
    _check_shapes({name: (names[name], own[name], given[names[name]]) for name in names if names[name] in given})
    copied = {n: given[theirs] if theirs in given else torch.zeros((), dtype=torch.long) for n, theirs in names.items()}
    on_meta = any(tensor.is_meta for tensor in own.values())
    with torch.no_grad():
        network.load_state_dict(copied, strict=False, assign=on_meta)
    return whose


def load_state(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put all tensors of a `state_dict` into a module, in the dtypes of its own; nothing is copied if these agree.

    A tensor that the module has under several names stays one; the others may be missing in `tensors`.

    Raises:
        WeightsError: a tensor is unexpected, is missing or has the wrong shape. The message lists them.
    """
    held = module.state_dict(keep_vars=True)
    own = {name: each for name, each in held.items() if isinstance(each, Tensor) and not is_lazy(each)}
    _check_shapes({name: (name, each, tensors[name]) for name, each in own.items() if name in tensors})
    replaced: dict[int, Tensor] = {}
    for name, each in own.items():
        if name in tensors and id(each) not in replaced:
            value = tensors[name].to(each.dtype)
            learned = isinstance(each, nn.Parameter)
            replaced[id(each)] = nn.Parameter(value, each.requires_grad) if learned else value
    given = {**tensors, **{name: replaced[id(each)] for name, each in own.items() if id(each) in replaced}}
    try:
        missing, unexpected = module.load_state_dict(given, strict=False, assign=True)
    except Exception as error:  # hooks of the module may read the tensors
        reason = str(error).strip().split("\n")[0]
        raise WeightsError(f"the module does not load these weights: {type(error).__name__}: {reason}") from error
    found = (("unexpected", unexpected), ("missing", missing))
    if parts := [f"{what}: {_listed(names)}" for what, names in found if names]:
        raise WeightsError(f"the weights do not match the module; {'; '.join(parts)}")


def arrays_of(module: nn.Module, graph: Graph) -> dict[str, Array]:
    """The tensors of a module that a graph reads, by their `state_dict` keys, in the dtypes of the graph.

    Raises:
        GraphError: as `state_tensors`.
        WeightsError: a tensor has no values.
    """
    held = dict((*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)))
    keys = [target.key for target in state_tensors(graph).values()]
    return {key: _array(key, held[key], graph.dtypes.get(key, graph.dtype)) for key in keys if key in held}


def _array(name: str, tensor: Tensor, dtype: str) -> Array:
    if tensor.is_meta:
        raise WeightsError(f"`{name}` has no values: it is on the meta device")
    tensor = tensor.detach().cpu().to_dense()
    if tensor.is_floating_point():
        tensor = tensor.to(getattr(torch, dtype))
    kind = str(tensor.dtype).removeprefix("torch.")
    if kind != "bfloat16" and not kind.startswith("float8"):
        return tensor.numpy()
    bits = tensor.view(torch.int16 if tensor.itemsize == 2 else torch.int8)
    return bits.numpy().view(getattr(require("ml_dtypes", extra="onnx"), kind))


def read_weights(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The tensors by name in a file of any format that `readers.weights` reads; no code in it is run.

    Raises:
        WeightsError: it cannot be read, or does not hold tensors by name.
    """
    shown = os.fsencode(path).decode(errors="backslashreplace")
    try:
        held = _tensors_in(os.fspath(path))
    except FormatError as error:
        raise WeightsError(str(error)) from None
    except OSError as error:
        raise WeightsError(f"`{shown}`: {error.strerror or error}") from None
    except Exception as error:  # broken files raise many types
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise WeightsError(f"`{shown}` is not a file of weights: {reason}") from None
    for key in CHECKPOINT_KEYS:
        if isinstance(held, Mapping) and isinstance(held.get(key), Mapping):
            held = held[key]
    if not isinstance(held, Mapping) or not all(isinstance(tensor, Tensor) for tensor in held.values()):
        raise WeightsError(f"`{shown}` does not hold tensors by name, as a `state_dict` does")
    return dict(held)


def _tensors_in(path: str) -> object:
    """What PyTorch or safetensors loads; of other formats, and of checkpoints with other objects, the tensors."""
    found = detect_format(path)
    if found is FileFormat.SAFETENSORS:
        require("safetensors", extra="torch")
        from safetensors.torch import load_file

        return load_file(path)
    if found is FileFormat.PYTORCH:
        # A file of the format before PyTorch 1.6 is not an archive, and cannot be mapped into memory.
        with contextlib.suppress(UnpicklingError):  # of objects that are not tensors
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    weights = read_file(path)
    tensors = {each.name: torch.from_numpy(weights.read(each).copy()) for each in weights.tensors if not each.note}
    for key in CHECKPOINT_KEYS:
        start = f"{key}."
        tensors = {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)} or tensors
    return tensors


def _load_converted(network: nn.Module, graph: Graph, path: str) -> str:
    """Copy the weights of another framework, under its names, and return the file's format."""
    try:
        weights = read_file(path)
        arrays, report = converted_arrays(weights, graph)
    except FormatError as error:
        raise WeightsError(str(error)) from None
    if report.unset:
        raise WeightsError(f"weights of `{path}` do not match the network; missing: {_listed(report.unset)}")
    own = network.state_dict()
    found = {name: torch.from_numpy(a if a.flags.writeable else a.copy()) for name, a in arrays.items()}
    found |= {name: torch.zeros((), dtype=torch.long) for name in own if name.endswith(COUNTER)}
    with torch.no_grad():
        network.load_state_dict(found, strict=False, assign=any(tensor.is_meta for tensor in own.values()))
    return weights.format


def _names(network: nn.Module, own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> tuple[str, dict[str, str]]:
    """The names that most of the given weights have: the network's own or those of a port, and whose they are."""
    tables = [("this network's own", {name: name for name in own})]
    tables += [(port.name, port_names(port, own)) for port in PORTS]
    return max(tables, key=lambda table: sum(name in given for name in table[1].values()))


def _check_shapes(pairs: Mapping[str, tuple[str, Tensor, Tensor]]) -> None:
    wrong = [
        f"{theirs} is {format_shape(tuple(given.shape)) or 'a scalar'} "
        f"and must be {format_shape(tuple(own.shape)) or 'a scalar'}{f' for {name}' if name != theirs else ''}"
        for name, (theirs, own, given) in pairs.items()
        if own.shape != given.shape
    ]
    if wrong:
        raise WeightsError(f"weights have the wrong shapes: {_listed(wrong, '; ')}")


def _listed(names: Iterable[str], separator: str = ", ") -> str:
    names = list(names)
    more = f"{separator}and {len(names) - MAX_LISTED:,} more" if len(names) > MAX_LISTED else ""
    return separator.join(names[:MAX_LISTED]) + more
