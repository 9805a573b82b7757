"""Packed weights of quantized models: what is in the objects that PyTorch's quantized operators read.

A packed object is not a tensor, and every call of an operator sees another Python object for the same one. The tensors
in it are therefore surveyed with the model's modules, and a call finds its own among them by their values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from inception_lens.pytorch.trace.traced_tensor import dtype_name

PACKED_ATTRIBUTES = frozenset({"_packed_params", "_packed_weight", "param"})
"""Names by which modules of PyTorch hold a packed object or the module that does; they are left out of names."""

PACKED_KINDS = frozenset({
    "quantized.LinearPackedParamsBase", "quantized.Conv2dPackedParamsBase", "quantized.Conv3dPackedParamsBase",
    "quantized.EmbeddingPackedParamsBase", "rnn.CellParamsBase",
})  # fmt: skip
"""Classes of packed objects whose tensors can be read; those of sparse layers are not among them."""

RECURRENT_ROLES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class PackedTensors(NamedTuple):
    """The tensors of one packed object."""

    source: torch.ScriptObject
    """The packed object."""
    path: str
    """Name of the module and the attribute that hold it."""
    tensors: tuple[Tensor, ...]
    """Tensors of these shapes without values, in the order of PyTorch's modules: the weight and then, if there is one,
    the bias; of a recurrent cell the two weights and their two biases."""


class PackedWeights:
    """All packed objects of a model."""

    def __init__(
        self, modules: Iterable[nn.Module], name_of: Callable[[nn.Module], str], names: dict[int, str]
    ) -> None:
        """Survey the modules of a model.

        Args:
            modules: those that are not PyTorch's layers, none of which is packed.
            name_of: returns the name of each.
            names: the names of the model's tensors by their identities, to which those in packed objects are added.
        """
        self.found: list[PackedTensors] = []
        self.tensors: dict[str, Tensor] = {}
        """The tensors without values, by their names in the model."""
        self.dtypes: dict[str, str] = {}
        """The dtypes of the stored tensors, by the same names."""
        self._names = names
        for module in modules:
            for attribute, value in vars(module).items():
                if type(value) is torch.ScriptObject and is_packed(value):
                    path = name_of(module)
                    self._add(value, f"{path}.{attribute}" if path else attribute)

    def of_module(self, path: str) -> list[str]:
        """Names of the tensors that are shown at a module, which holds their packed object or the module that does."""
        return [name for name in self.tensors if name.rpartition(".")[0] == path]

    def tensors_of(self, packed: torch.ScriptObject, scope: str) -> PackedTensors:
        """The tensors of a packed object that a module at the path `scope` reads."""
        values = _unpacked(packed)
        shapes = [each.shape for each in values]
        near = sorted(self.found, key=lambda each: not each.path.startswith(scope))
        for each in near:
            if [tensor.shape for tensor in each.tensors] == shapes and _equal(_unpacked(each.source), values):
                return each
        return self._add(packed, scope)

    def _add(self, packed: torch.ScriptObject, path: str) -> PackedTensors:
        values = _unpacked(packed)
        tensors = tuple([torch.empty(tuple(each.shape), dtype=_storage_dtype(each), device="meta") for each in values])
        found = PackedTensors(packed, path, tensors)
        self.found.append(found)
        owner = owner_of(path)
        roles = RECURRENT_ROLES if len(values) == len(RECURRENT_ROLES) else ("weight", "bias")
        for role, tensor, value in zip(roles, tensors, values, strict=False):
            name = self._unique(f"{owner}.{role}" if owner else role)
            self.tensors[name], self.dtypes[name], self._names[id(tensor)] = tensor, _stored_dtype(value), name
        return found

    def _unique(self, name: str) -> str:
        number, unique = 0, name
        while unique in self.tensors:
            number += 1
            unique = f"{name}_{number}"
        return unique


def owner_of(path: str) -> str:
    """The path of a module without the names by which it holds a packed object."""
    return ".".join([part for part in path.split(".") if part not in PACKED_ATTRIBUTES])


def kind_of(packed: torch.ScriptObject) -> str:
    """The class of a packed object, such as `quantized.LinearPackedParamsBase`."""
    return str(packed._type()).rpartition("classes.")[2]  # type: ignore[attr-defined]


def is_packed(value: torch.ScriptObject) -> bool:
    """Whether the tensors of an object can be read. Those of `sparse` layers are not among them."""
    return kind_of(value) in PACKED_KINDS


def _unpacked(packed: torch.ScriptObject) -> list[Tensor]:
    """The tensors in a packed object, with their values."""
    source: Any = packed
    kind = kind_of(packed)
    if kind == "quantized.EmbeddingPackedParamsBase":
        return [torch.ops.quantized.embedding_bag_unpack(packed)]
    if kind == "rnn.CellParamsBase":
        (_, biases, _, _, weights), _ = source.__getstate__()
        parts = [_unpacked(each) for each in weights]
        return [*[part[0] for part in parts], *(biases or [part[1] for part in parts if len(part) > 1])]
    return [each for each in source.unpack() if each is not None]


def _storage_dtype(tensor: Tensor) -> torch.dtype:
    """The dtype of the numbers that a tensor stores; several of less than a byte share one."""
    if not tensor.is_quantized:
        return tensor.dtype
    return {torch.qint8: torch.int8, torch.qint32: torch.int32}.get(tensor.dtype, torch.uint8)


def _stored_dtype(tensor: Tensor) -> str:
    """A weight that is unpacked as float32 is stored as float16."""
    if tensor.dtype in (torch.quint4x2, torch.quint2x4):
        return str(tensor.dtype).removeprefix("torch.")
    if tensor.dim() > 1 and not tensor.is_quantized:
        return "float16"
    return dtype_name(tensor.dtype)


def _equal(left: Sequence[Tensor], right: Sequence[Tensor]) -> bool:
    return all(
        a is b or (a.dtype == b.dtype and torch.equal(_numbers(a), _numbers(b)))
        for a, b in zip(left, right, strict=True)
    )


def _numbers(tensor: Tensor) -> Tensor:
    return tensor.int_repr() if tensor.is_quantized else tensor
