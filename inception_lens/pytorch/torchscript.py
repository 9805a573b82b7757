"""TorchScript: archives of `torch.jit.save`, and frozen modules, whose weights are constants of their code."""

from __future__ import annotations

import warnings

import msgspec
import torch

from inception_lens.errors import FormatError
from inception_lens.graph import Graph
from inception_lens.ops import OPS, Stored
from inception_lens.ops.special import TensorKind
from inception_lens.readers.archives import open_zip
from inception_lens.readers.files import display_path

CATEGORIES = ("conv", "linear", "embedding", "norm")
LAYERS = {kind.__name__ for kind in OPS if kind.category in CATEGORIES and kind.has_weights}
"""Kinds of layers that read a weight and a bias after the input; a batch norm, its statistics after these."""


def load_script(path: str) -> torch.jit.ScriptModule:
    """Load an archive of `torch.jit.save`, whose code TorchScript's interpreter runs, without Python.

    Raises:
        FormatError: the archive is damaged, or PyTorch cannot read it.
    """
    with open_zip(path, "a TorchScript archive"):
        pass
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module: torch.jit.ScriptModule = torch.jit.load(path, map_location="cpu")  # type: ignore[no-untyped-call]
    except Exception as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise FormatError(
            f"{display_path(path)}: PyTorch cannot read the TorchScript archive: {reason[:200]}"
        ) from None
    return module


def is_frozen(module: torch.nn.Module) -> bool:
    """Whether a module is one of TorchScript that has no tensors of its own, as after `torch.jit.freeze`."""
    return isinstance(module, torch.jit.ScriptModule) and not module.state_dict()


def with_frozen_weights(graph: Graph) -> Graph:
    """The graph of a frozen module, in which constants that layers read as weights and statistics are such."""
    layers = [node for node in graph.nodes if node.op.kind in LAYERS]
    kinds: dict[str, TensorKind] = {name: "buffer" for node in layers for name in node.inputs[3:]}
    kinds |= {name: "parameter" for node in layers for name in node.inputs[1:3]}
    nodes = [
        msgspec.structs.replace(node, op=msgspec.structs.replace(node.op, tensor_kind=kinds[node.name]))
        if node.name in kinds and isinstance(node.op, Stored) and "float" in node.op.dtype
        else node
        for node in graph.nodes
    ]
    changed = Graph.of(graph.inputs, nodes, graph.outputs, graph.mode)
    return msgspec.structs.replace(graph, nodes=changed.nodes, types=changed.types, facts=changed.facts)
