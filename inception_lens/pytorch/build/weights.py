"""Weights from elsewhere, into a built network: all of them, each in its place, or none."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from inception_lens.errors import WeightsError, require
from inception_lens.ops import format_shape
from inception_lens.pytorch.build.ports import PORTS, port_names

Weights = Mapping[str, Tensor] | str | os.PathLike[str]
"""A `state_dict`, or the path of a file that holds one: safetensors, or what `torch.save` wrote."""

NAMED = 6
"""How many tensors an error names; the rest are counted."""

COUNTER = ".num_batches_tracked"
"""A batch norm's count of batches, which old files do not hold and few networks read."""


def load_weights(network: nn.Module, weights: Weights) -> str:
    """Copy weights into a built network, under its own names or under those of a port of it, and return whose they are.

    Ports are torchvision's googlenet, inception_v3, alexnet, vgg and resnet, and timm's inception_v3, inception_v4 and
    inception_resnet_v2, each for the dialect of its name. Only the tensors are read: torchvision's pretrained
    GoogLeNet and Inception V3 also want `transform_input`, which is a matter of the images.

    Args:
        network: what `build` made; on the meta device it takes the tensors themselves.
        weights: a `state_dict` or the path of one. Files are read as safetensors, or by `torch.load` with
            `weights_only=True`: nothing in them is ever run.

    Raises:
        WeightsError: the file holds no tensors by name; or a tensor finds no place, has another shape, or is missing.
            The message names them, and the network is as it was.
    """
    given = weights if isinstance(weights, Mapping) else read_weights(weights)
    own = network.state_dict()
    whose, names = _names(network, own, given)
    missing = [name for name in own if names.get(name) not in given and not name.endswith(COUNTER)]
    expected, parts = set(names.values()), []
    if homeless := [name for name in given if name not in expected]:
        parts += [f"without a place here: {_listed(homeless)}"]
    if missing:
        wanted = (f"{names[name]} for {name}" if names.get(name, name) != name else name for name in missing)
        parts += [f"missing there: {_listed(wanted)}"]
    if parts:
        raise WeightsError(f"weights read as {whose} do not fill this network; {'; '.join(parts)}")
    _check_shapes({name: (names[name], own[name], given[names[name]]) for name in names if names[name] in given})
    found = {n: given[theirs] if theirs in given else torch.zeros((), dtype=torch.long) for n, theirs in names.items()}
    on_meta = any(tensor.is_meta for tensor in own.values())
    with torch.no_grad():
        network.load_state_dict(found, strict=False, assign=on_meta)
    return whose


def read_weights(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The tensors of a file by name: of a safetensors file, or of what `torch.save` wrote, never running what is in it.

    Raises:
        WeightsError: it cannot be read, or holds something else.
    """
    shown = os.fsencode(path).decode(errors="backslashreplace")
    try:
        if shown.endswith(".safetensors"):
            require("safetensors", extra="torch")
            from safetensors.torch import load_file

            held: Any = load_file(path)
        else:
            held = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise WeightsError(f"{shown}: {error.strerror or error}") from None
    except Exception as error:  # what a reader meets in a broken or hostile file has many types
        reason = str(error).strip().splitlines()
        raise WeightsError(f"{shown} is no file of weights: {reason[0] if reason else type(error).__name__}") from None
    if isinstance(held, Mapping) and isinstance(held.get("state_dict"), Mapping):
        held = held["state_dict"]
    if not isinstance(held, Mapping) or not all(isinstance(tensor, Tensor) for tensor in held.values()):
        raise WeightsError(f"{shown} does not hold tensors by name, as a `state_dict` does")
    return dict(held)


def _names(network: nn.Module, own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> tuple[str, dict[str, str]]:
    """Under which names the weights are given, of the network's own and every port's: those that most tensors have."""
    tables = [("this network's own", {name: name for name in own})]
    tables += [(port.name, port_names(port, network)) for port in PORTS]
    return max(tables, key=lambda table: sum(name in given for name in table[1].values()))


def _check_shapes(pairs: Mapping[str, tuple[str, Tensor, Tensor]]) -> None:
    wrong = [
        f"{name} is {format_shape(tuple(own.shape)) or 'a scalar'} here, "
        f"{theirs} {format_shape(tuple(given.shape)) or 'a scalar'} there"
        for name, (theirs, own, given) in pairs.items()
        if own.shape != given.shape
    ]
    if wrong:
        raise WeightsError(f"weights of other shapes: {_listed(wrong, '; ')}")


def _listed(names: Iterable[str], separator: str = ", ") -> str:
    names = list(names)
    more = f"{separator}and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return separator.join(names[:NAMED]) + more
