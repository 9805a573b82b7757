"""From a Graph to an `nn.Module` that computes it."""

from collections.abc import Iterable, Mapping, Set
from typing import NamedTuple

import torch
from torch import Tensor, nn

from inception_lens.errors import GraphError
from inception_lens.graph import Graph, Node, output_names, tensor_names
from inception_lens.ops import TensorType
from inception_lens.pytorch.build.initialisation import initialise
from inception_lens.pytorch.build.lowering import lower
from inception_lens.writers.pytorch.block_tree import evaluation_part
from inception_lens.writers.pytorch.module_paths import ModulePath, module_paths


class PlannedCall(NamedTuple):
    """One call of the forward pass. It holds names, not modules, so that a network can be copied and pickled."""

    module: ModulePath
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    """Several if the module returns a tuple."""
    frees: tuple[str, ...]
    """Values that no later call reads."""


class CallPlan(NamedTuple):
    """The calls of one mode, in the order of execution, and the names of the network's inputs and outputs."""

    inputs: tuple[str, ...]
    calls: tuple[PlannedCall, ...]
    outputs: tuple[str, ...]


class BuiltNetwork(nn.Module):
    """A Graph as a module, whose submodules are nested by the parts of the nodes' names.

    `state_dict` holds `inception_3a.5x5_reduce.weight` for the node `inception_3a/5x5_reduce`. A node with the name
    `inception_3a/5x5_reduce/bn` is a child of that node's module, but it is called after it, not by it.

    `training` selects what is computed: auxiliary heads in training mode only, a final softmax in evaluation mode only.
    One output is returned as a tensor, several as a tuple: in training the logits and then those of each head. An
    activation is freed as soon as its last reader has run.
    """

    def __init__(self, graph: Graph, training_plan: CallPlan, evaluation_plan: CallPlan) -> None:
        super().__init__()
        self.graph = graph
        self._training_plan, self._evaluation_plan = training_plan, evaluation_plan

    def forward(self, x: Tensor, *more: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Compute the network.

        Args:
            x: its first input, an image batch `(N, C, H, W)` for the catalogue's networks.
            *more: its further inputs.
        """
        plan = self._training_plan if self.training else self._evaluation_plan
        values = dict(zip(plan.inputs, (x, *more), strict=True))
        del x, more
        for call in plan.calls:
            module: nn.Module = self
            for part in call.module:
                module = module._modules[part]  # type: ignore[assignment]
            # No local variable holds a result: it would keep the tensor alive after its last reader.
            if len(call.outputs) == 1:
                values[call.outputs[0]] = module(*[values[name] for name in call.inputs])
            else:
                values.update(zip(call.outputs, module(*[values[name] for name in call.inputs]), strict=True))
            for name in call.frees:
                del values[name]
        if len(plan.outputs) == 1:
            return values[plan.outputs[0]]
        return tuple([values[name] for name in plan.outputs])


def build(graph: Graph, evaluation: Graph | None = None, *, initialisation: str | None = None) -> BuiltNetwork:
    """Build the module that computes a graph, on the default device and in training mode, as PyTorch creates modules.

    Tensors that the graph declares and no call reads are left out.

    Args:
        graph: the network. One of mode `training` computes all its outputs in training mode; in evaluation mode it
            computes its first output only, without the nodes that only the others need.
        evaluation: computed in evaluation mode instead; it shares the nodes that have the same names.
        initialisation: name of the catalogue's network whose initialisation is used, or `pytorch`; by default the
            graph's own name, and PyTorch's initialisation if the catalogue has no such name.

    Raises:
        GraphError: no module can compute an operation, or the two graphs have different nodes of one name.
    """
    nodes = {node.name: (node, graph.input_types(node)) for node in graph.nodes}
    for node in evaluation.nodes if evaluation else ():
        types = evaluation.input_types(node) if evaluation else ()
        known, known_types = nodes.setdefault(node.name, (node, types))
        if (known.op, known_types) != (node.op, types):
            raise GraphError(f"`{node.name}` is {known.op} in training and {node.op} in evaluation")
    paths = module_paths(nodes)
    network = BuiltNetwork(graph, _plan(graph, paths), _plan(evaluation or evaluation_part(graph), paths))
    modules = {name: _lowered(node, types) for name, (node, types) in nodes.items()}
    _nest(network, {paths[name]: module for name, module in modules.items()})
    _share(nodes.values(), modules, graph.frozen)
    initialise(network, graph.name if initialisation is None else initialisation)
    return network if graph.dtype == "float32" else network.to(getattr(torch, graph.dtype))


def _plan(graph: Graph, paths: Mapping[str, ModulePath]) -> CallPlan:
    outputs = tuple(output.node for output in graph.outputs)
    results = {node.name: output_names(node.name, len(graph.types[node.name])) for node in graph.nodes}
    last_use: dict[str, str] = {}
    for node in graph.nodes:
        last_use |= dict.fromkeys((*results[node.name], *node.inputs), node.name)
    frees: dict[str, list[str]] = {}
    for name, node_name in last_use.items():
        if name not in outputs:
            frees.setdefault(node_name, []).append(name)
    steps = (
        PlannedCall(paths[node.name], node.inputs, results[node.name], tuple(frees.get(node.name, ())))
        for node in graph.nodes
    )
    return CallPlan(tuple(given.name for given in graph.inputs), tuple(steps), outputs)


def _lowered(node: Node, inputs: tuple[TensorType, ...]) -> nn.Module:
    try:
        return lower(node.op, inputs)
    except GraphError as error:
        raise GraphError(f"`{node.name}`: {error}") from None


def _nest(network: nn.Module, modules: Mapping[ModulePath, nn.Module]) -> None:
    """Register every module at its path, in order, with a `ModuleDict` for each part of a path that is not a node."""
    placed: dict[ModulePath, nn.Module] = {(): network}
    for path in modules:
        for end in range(1, len(path) + 1):
            place = path[:end]
            if place not in placed:
                placed[place] = modules[place] if place in modules else nn.ModuleDict()
                placed[place[:-1]].add_module(place[-1], placed[place])


def _share(
    nodes: Iterable[tuple[Node, tuple[TensorType, ...]]], modules: Mapping[str, nn.Module], frozen: Set[str]
) -> None:
    """Let modules share the tensors that their nodes share, and freeze those that are not trained."""
    held: dict[str, Tensor] = {}
    for node, types in nodes:
        if not node.op.has_weights:
            continue
        shapes = [tensor.shape for tensor in types]
        tensors = (*node.op.parameters(*shapes), *node.op.buffers(*shapes))
        for name, tensor in zip(tensor_names(node, tensors), tensors, strict=True):
            path, _, role = tensor.role.rpartition(".")
            owner = modules[node.name].get_submodule(path)
            own = getattr(owner, role)
            if held.setdefault(name, own) is not own:
                setattr(owner, role, held[name])
            if name in frozen:
                own.requires_grad_(False)
