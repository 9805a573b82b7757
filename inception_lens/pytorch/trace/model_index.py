"""The modules of a model by path, its parameters and buffers by name."""

from __future__ import annotations

from collections.abc import Container, Mapping

import torch
from torch import Tensor, nn

from inception_lens.pytorch.trace.packed_weights import PackedWeights
from inception_lens.pytorch.trace.traced_tensor import dtype_name


class ModelIndex:
    """What a model consists of: each module, parameter and buffer once, under the first of its names.

    PyTorch's `named_modules` and `named_parameters` are not used: here one walk finds everything, and the further paths
    of modules that occur at several places.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.modules: list[nn.Module] = []
        self.parameters: dict[str, Tensor] = {}
        self.buffers: dict[str, Tensor] = {}
        self.names: dict[int, str] = {}
        """Names of parameters and buffers, by the identity of the tensor."""
        self._shared: dict[str, Tensor] = {}
        """Parameters and buffers that were found before, by their further names."""
        self._paths: dict[int, str] = {}
        """Paths of the modules in the graph, by their identity."""
        self._shared_paths: dict[int, list[str]] = {}
        """All paths of the modules that have several."""
        self._walk(model)
        kinds = {kind for kind in set(map(type, self.modules)) if not kind.__module__.startswith("torch.nn.")}
        self.custom_modules = [module for module in self.modules if type(module) in kinds]
        """The modules whose class is not one of PyTorch's layers."""
        self.packed = PackedWeights(self.custom_modules, self.name, self.names)

    def _walk(self, model: nn.Module) -> None:
        stack: list[tuple[str, str, nn.Module]] = [("", "", model)]
        while stack:
            path, name, module = stack.pop()
            key = id(module)
            if key in self._paths:  # another place of a module, and of all that it contains
                self._shared_paths.setdefault(key, [self._paths[key]]).append(path)
                if path.startswith(self._paths[key] + "/"):
                    continue  # the module contains itself
            else:
                self._paths[key] = path
                self.modules.append(module)
                if module._parameters:
                    self._add(name, module._parameters, self.parameters)
                if module._buffers:
                    self._add(name, module._buffers, self.buffers)
            children = module._modules
            if children:
                above, prefix = (f"{path}/", f"{name}.") if path else ("", "")
                stack += [
                    (above + part, prefix + part, child)
                    for part, child in reversed(list(children.items()))
                    if child is not None
                ]

    def _add(self, path: str, own: Mapping[str, Tensor | None], found: dict[str, Tensor]) -> None:
        for name, tensor in own.items():
            if tensor is None:
                continue
            full = f"{path}.{name}" if path else name
            if id(tensor) in self.names:
                self._shared[full] = tensor
            else:
                self.names[id(tensor)] = full
                found[full] = tensor

    def name(self, module: nn.Module) -> str:
        """PyTorch's name of one of the modules, `features.0`; that of the model is empty."""
        return self._paths[id(module)].replace("/", ".")

    def surveyed(self, module: nn.Module, role: str, tensor: Tensor | None) -> Tensor | None:
        """The parameter or buffer that a module had under this name, if `tensor` has taken its place for a call."""
        if tensor is None or id(tensor) in self.names or id(module) not in self._paths:
            return tensor
        full = f"{name}.{role}" if (name := self.name(module)) else role
        return next((found[full] for found in (self.parameters, self.buffers, self._shared) if full in found), tensor)

    def path(self, module: nn.Module, scope: str) -> str | None:
        """The path of a module in the graph, `features/0`: the one below the path `scope` if it has several.

        It is None if the model does not register the module.
        """
        shared = self._shared_paths.get(id(module))
        if shared is None:
            return self._paths.get(id(module))
        return next((path for path in shared if path.rpartition("/")[0] == scope), shared[0])

    @property
    def device(self) -> torch.device:
        """The device of the model's first tensor that is not on the meta device; the CPU if all are."""
        for tensor in (*self.parameters.values(), *self.buffers.values()):
            if tensor.device.type != "meta":
                return tensor.device
        return torch.device("cpu")

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the model's first floating-point parameter; float32 without one."""
        floating = (each.dtype for each in self.parameters.values() if each.is_floating_point())
        return next(floating, torch.float32)

    @property
    def learned(self) -> dict[str, Tensor]:
        """All parameters, and tensors of the shapes of the packed weights, by name."""
        return {**self.parameters, **self.packed.tensors} if self.packed.tensors else self.parameters

    def other_dtypes(self, used_buffers: Container[str]) -> dict[str, str]:
        """Dtypes of the parameters, and of those buffers that are used, that have another than `dtype`, by name.

        Raises:
            GraphError: the size of a dtype's elements is unknown.
        """
        buffers = [each for each in self.buffers.items() if each[0] in used_buffers]
        dtype = self.dtype
        found = {
            name: dtype_name(tensor.dtype)
            for name, tensor in (*self.parameters.items(), *buffers)
            if tensor.dtype is not dtype
        }
        return found | self.packed.dtypes
