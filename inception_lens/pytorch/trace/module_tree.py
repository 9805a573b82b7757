"""The Graph of a model that was not run: its modules with the tensors that they declare, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from inception_lens.graph import Graph, Metadata, Mode, Node, Output, facts_of
from inception_lens.ops import Parameter, TensorType, Unknown
from inception_lens.pytorch.trace.model_index import ModelIndex
from inception_lens.pytorch.trace.packed_weights import owner_of
from inception_lens.pytorch.trace.traced_tensor import DTYPE_NAMES

NO_OUTPUT = TensorType((0,))
"""Type of the output that the graph holds for a module that was not run."""


def module_tree(model: nn.Module, mode: Mode, metadata: Metadata) -> Graph:
    """One unknown call for each module that has tensors of its own or no modules in it, in the order of declaration.

    A tensor without a shape, of a lazy module, is left out.
    """
    index = ModelIndex(model)
    packed = index.packed
    nodes: dict[str, Node] = {}
    for module in index.modules:
        path = index.name(module)
        parameters, buffers = _tensors(module._parameters), _tensors(module._buffers)
        parameters |= {name.rpartition(".")[2]: packed.tensors[name] for name in packed.of_module(path)}
        if not parameters and owner_of(path) != path and type(module).__module__.startswith("torch.ao."):
            continue  # its packed weights are shown at the module that contains it
        if not parameters and not buffers and module._modules:
            continue
        name = index.path(module, "") or type(model).__name__
        learned, kept = (
            tuple([Parameter(role, tuple(tensor.shape)) for role, tensor in tensors.items()])
            for tensors in (parameters, buffers)
        )
        known = not any(is_lazy(tensor) for tensor in module._parameters.values() if tensor is not None)
        op = Unknown(type(module).__name__, (NO_OUTPUT,), known, learned, kept, is_run=False)
        names = tuple([index.names[id(tensor)] for tensor in (*parameters.values(), *buffers.values())])
        nodes[name] = Node(name, op, (), names)
    frozen = frozenset([name for name, tensor in index.learned.items() if not tensor.requires_grad])
    note = (
        f"`{metadata.name}` was not run, so that its shapes and costs are unknown: give its inputs, such as "
        "il.summary(model, (1, 3, 224, 224)) or --input 1x3x224x224"
    )
    lazy = sum(map(is_lazy, [*index.parameters.values(), *index.buffers.values()]))
    if lazy:
        note += f"; {lazy} tensors of lazy modules have no shape yet and are not counted"
    types = dict.fromkeys(nodes, (NO_OUTPUT,))
    return Graph(
        inputs=(),
        nodes=tuple(nodes.values()),
        outputs=(Output([*nodes][-1]),),
        types=types,
        facts=facts_of(nodes.values(), types),
        mode=mode,
        dtype=DTYPE_NAMES[index.dtype],
        dtypes=index.other_dtypes(index.buffers),
        frozen=frozen,
        metadata=Metadata(metadata.name, metadata.description, metadata.source, note),
    )


def _tensors(own: Mapping[str, Tensor | None]) -> dict[str, Tensor]:
    """The tensors with a shape; counters, such as a batch norm's number of batches, count as little as in a trace."""
    present = {role: tensor for role, tensor in own.items() if tensor is not None and not is_lazy(tensor)}
    return {role: tensor for role, tensor in present.items() if tensor.dim() or tensor.is_floating_point()}
