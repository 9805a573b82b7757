"""One walk over a model: its modules with their paths, its parameters and buffers with their names."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn


class Survey:
    """What a model consists of; each module, parameter and buffer is there once, under the first of its names."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.modules: list[nn.Module] = []
        self.parameters: dict[str, torch.Tensor] = {}
        self.buffers: dict[str, torch.Tensor] = {}
        self.names: dict[int, str] = {}
        """Of parameters and buffers, by identity."""
        self._paths: dict[int, str] = {}
        self._further: dict[int, list[str]] = {}
        self._walk(model)

    def _walk(self, model: nn.Module) -> None:
        stack: list[tuple[str, nn.Module]] = [("", model)]
        while stack:
            path, module = stack.pop()
            key = id(module)
            if key in self._paths:  # a second place of a module, and of all that stands in it
                self._further.setdefault(key, [self._paths[key]]).append(path)
                if path.startswith(self._paths[key] + "."):
                    continue  # it holds itself
            else:
                self._paths[key] = path
                self.modules.append(module)
                if module._parameters:
                    self._note(path, module._parameters, self.parameters)
                if module._buffers:
                    self._note(path, module._buffers, self.buffers)
            children = module._modules
            if children:
                above = f"{path}." if path else ""
                stack += [
                    (above + name, child) for name, child in reversed(list(children.items())) if child is not None
                ]

    def _note(self, path: str, own: Mapping[str, torch.Tensor | None], found: dict[str, torch.Tensor]) -> None:
        for name, tensor in own.items():
            if tensor is not None and id(tensor) not in self.names:
                full = f"{path}.{name}" if path else name
                self.names[id(tensor)] = full
                found[full] = tensor

    def path(self, module: nn.Module, scope: str) -> str | None:
        """The path of a module, below `scope` where it stands at several places; None where the model lacks it."""
        further = self._further.get(id(module))
        if further is None:
            return self._paths.get(id(module))
        return next((path for path in further if path.rpartition(".")[0] == scope), further[0])

    @property
    def device(self) -> torch.device:
        """Where the model thinks that it runs: where its first tensor lies that lies anywhere."""
        for tensor in (*self.parameters.values(), *self.buffers.values()):
            if tensor.device.type != "meta":
                return tensor.device
        return torch.device("cpu")

    @property
    def dtype(self) -> torch.dtype:
        """Of the model's first parameter that is a floating-point number."""
        floating = (each.dtype for each in self.parameters.values() if each.is_floating_point())
        return next(floating, torch.float32)
