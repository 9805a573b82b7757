"""Lazy modules, whose parameters get their shapes from the first input: traced as a copy, so that they stay lazy."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import UninitializedBuffer, is_lazy

from inception_lens.errors import TraceError
from inception_lens.pytorch.trace.model_index import ModelIndex


def indexed(model: nn.Module) -> ModelIndex:
    """The index of a model; if it has lazy modules, of a copy that may be initialised.

    The copy has modules of its own, but shares all tensors that have a shape.

    Raises:
        TraceError: it has lazy modules and cannot be copied.
    """
    index = ModelIndex(model)
    tensors = [*index.parameters.values(), *index.buffers.values()]
    if not any(map(is_lazy, tensors)):
        return index
    copies = {id(each): each for each in tensors if not is_lazy(each)}
    for each in index.buffers.values():
        if is_lazy(each):  # which PyTorch cannot copy, other than a parameter
            copies[id(each)] = UninitializedBuffer.__new__(UninitializedBuffer, False, each.device, each.dtype)
    try:
        return ModelIndex(copy.deepcopy(model, copies))
    except Exception as error:
        name = type(model).__name__
        raise TraceError(f"{name} has lazy modules and cannot be copied ({error}): run the model once first") from error


def initialise(module: nn.Module, args: tuple[object, ...], kwargs: Mapping[str, object]) -> None:
    """Give the parameters of a lazy module the shapes that follow from its first arguments.

    The module's own hook does it, which makes it an ordinary module; its operators are not those of a forward pass.
    """
    if isinstance(module, LazyModuleMixin) and module.has_uninitialized_params():  # type: ignore[misc]
        with torch._C._DisableTorchDispatch(), torch.no_grad():
            module._infer_parameters(module, args, kwargs)  # type: ignore[misc]
