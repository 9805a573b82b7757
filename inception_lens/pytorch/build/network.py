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


class Step(NamedTuple):
    """One call of the forward pass, in names alone, so that a network copies and pickles like any other module."""

    module: ModulePath
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    """Several where the module returns a tuple."""
    frees: tuple[str, ...]
    """Values that nobody reads after this call."""


class Plan(NamedTuple):
    """The calls of one mode, in the order of execution."""

    inputs: tuple[str, ...]
    steps: tuple[Step, ...]
    outputs: tuple[str, ...]


class BuiltNetwork(nn.Module):
    """A Graph as a module: its submodules nest by the parts of the nodes' names.

    `state_dict` holds `inception_3a.5x5_reduce.weight` for the node `inception_3a/5x5_reduce`; what follows a layer,
    `inception_3a/5x5_reduce/bn`, is a child of the layer's module, called after it and not by it.

    `training` decides what is computed: auxiliary heads in training mode alone, and a final softmax, where the network
    has one, in evaluation mode alone. One output is returned as a tensor, several as a tuple: in training the logits
    and then those of each head. An activation is freed as soon as its last reader has run.
    """

    def __init__(self, graph: Graph, training_plan: Plan, evaluation_plan: Plan) -> None:
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
        for step in plan.steps:
            module: nn.Module = self
            for part in step.module:
                module = module._modules[part]  # type: ignore[assignment]
            # No local name holds a result, so that it can be freed.
            if len(step.outputs) == 1:
                values[step.outputs[0]] = module(*[values[name] for name in step.inputs])
            else:
                values.update(zip(step.outputs, module(*[values[name] for name in step.inputs]), strict=True))
            for name in step.frees:
                del values[name]
        if len(plan.outputs) == 1:
            return values[plan.outputs[0]]
        return tuple([values[name] for name in plan.outputs])


def build(graph: Graph, evaluation: Graph | None = None, *, initialisation: str | None = None) -> BuiltNetwork:
    """Build the module that computes a graph, on the default device, in training mode as every new module.

    Tensors that the graph declares and no call reads are left out.

    Args:
        graph: what is computed. One of mode `training` computes all its outputs while it trains, and its first output
            alone, without what the others need, in evaluation mode.
        evaluation: what is computed in evaluation mode instead; it shares the nodes that have the same names.
        initialisation: the catalogue's name of the network whose port's initialisation is used, or `pytorch`; by
            default the graph's own name, and PyTorch's where the catalogue has none of that name.

    Raises:
        GraphError: the graph holds an operation that nobody knows, or the two graphs disagree about a node.
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


def _plan(graph: Graph, paths: Mapping[str, ModulePath]) -> Plan:
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
        Step(paths[node.name], node.inputs, results[node.name], tuple(frees.get(node.name, ()))) for node in graph.nodes
    )
    return Plan(tuple(given.name for given in graph.inputs), tuple(steps), outputs)


def _lowered(node: Node, inputs: tuple[TensorType, ...]) -> nn.Module:
    try:
        return lower(node.op, inputs)
    except GraphError as error:
        raise GraphError(f"`{node.name}`: {error}") from None


def _nest(network: nn.Module, modules: Mapping[ModulePath, nn.Module]) -> None:
    """Register every module at its path, in order; where a path leads through no module, a dict of modules stands."""
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
    """Make calls that name the same tensor hold the same tensor, and fix those that are not trained."""
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
