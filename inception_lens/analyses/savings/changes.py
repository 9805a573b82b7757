"""What-if: the effect of other widths; and sweeps of a width through a range."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from inception_lens.analyses.analysis import Analysis, analyze
from inception_lens.analyses.machines import Machine
from inception_lens.analyses.records import JsonResult
from inception_lens.analyses.savings.branch import Branch, branch_savings
from inception_lens.analyses.savings.figures import CostChange, CostFigures, Counted
from inception_lens.analyses.savings.network import ModuleChange, head, module_changes
from inception_lens.graph import Graph
from inception_lens.rewrites.plan import Plan, rewritten
from inception_lens.rewrites.reductions import reductions
from inception_lens.rewrites.widths import width_of, with_widths


class WidthChange(NamedTuple):
    """The width of a layer, before and after."""

    node: str
    """Name of the layer."""
    now: int
    """Its width in the network."""
    then: int
    """The width to evaluate."""


class WhatIf(JsonResult, frozen=True, kw_only=True):
    """A network and the same network with other widths; `without` is the network as it is, `with` the changed one."""

    graph: Graph
    """The network."""
    machine: Machine
    """The machine of the roofline times."""
    network: Analysis
    """The network as it is."""
    altered: Analysis
    """The network with the changed widths."""
    widths: tuple[WidthChange, ...]
    """The changed widths."""
    layers: tuple[ModuleChange, ...]
    """Calls whose costs differ."""
    modules: tuple[ModuleChange, ...]
    """Modules whose costs differ."""
    total: CostChange
    """Costs of the whole network."""

    def to_builtins(self) -> dict[str, Any]:
        """For JSON; a negative saving is an additional cost."""
        return head(self.graph, self.machine) | {
            "kind": "what-if",
            "changes": [each._asdict() for each in self.widths],
            "totals": self.total.to_builtins(),
            "layers": [each.to_builtins() for each in self.layers],
            "modules": [each.to_builtins() for each in self.modules],
        }


class SweepPoint(NamedTuple):
    """The cost of a branch or network at one width."""

    value: int
    """The width."""
    params: int
    """Learned elements."""
    macs: int
    """Multiply-accumulates of the forward pass."""
    exact: bool
    """Whether the MACs of every call are known; if not, `macs` is a lower bound."""
    params_exact: bool
    """Whether the parameters of every call are known; if not, `params` is a lower bound."""


class Sweep(JsonResult, frozen=True, kw_only=True):
    """A width swept through a range."""

    name: str
    """Name of the branch or network."""
    variable: str
    """The swept width: `reduce` of a branch, or a node of a network."""
    points: tuple[SweepPoint, ...]
    """One point per value, in ascending order."""
    own: int | None
    """The current width of a network's layer, which is one of the points; None for a branch."""
    direct: SweepPoint | None
    """The cost without the swept layer if it is a reduction; its value is 0."""

    def to_builtins(self) -> dict[str, Any]:
        """For JSON, schema `inception-lens/sweep/1`."""
        return {
            "schema": "inception-lens/sweep/1",
            "name": self.name,
            "variable": self.variable,
            "own": self.own,
            "direct": {"params": self.direct.params, "macs": self.direct.macs} if self.direct else None,
            "points": [point._asdict() for point in self.points],
        }


def what_if(graph: Graph, widths: Mapping[str, int], machine: Machine) -> WhatIf:
    """Change the widths of some layers and count both networks.

    Raises:
        GraphError: the layer does not exist, or a later layer cannot take the new width.
    """
    nodes = graph.index.nodes
    old, new = Counted(graph, machine), Counted(with_widths(graph, widths), machine)
    return WhatIf(
        graph=graph,
        machine=machine,
        network=old.analysis,
        altered=new.analysis,
        widths=tuple([WidthChange(name, width_of(nodes[name]) or 0, width) for name, width in widths.items()]),
        layers=_differing({name: old.of([name]) for name in nodes}, {name: new.of([name]) for name in nodes}),
        modules=_differing(old.modules(), new.modules()),
        total=CostChange(using=new.total(), without=old.total()),
    )


def _differing(old: Mapping[str, CostFigures], new: Mapping[str, CostFigures]) -> tuple[ModuleChange, ...]:
    changes = module_changes(old, new, "possible")
    return tuple([each for each in changes if old.get(each.name) != new.get(each.name)])


def branch_sweep(branch: Branch, values: Sequence[int]) -> Sweep:
    """Sweep the reduction of a branch through `values`.

    Raises:
        ConfigError: a size of the branch is out of range.
    """
    swept = sorted(set(values))
    counted = [branch_savings(msgspec.structs.replace(branch, reduce=value)) for value in swept]
    return Sweep(
        name=f"{branch.in_channels} to {branch.out_channels} channels",
        variable="reduce",
        points=tuple([_point(each.reduced, value) for value, each in zip(swept, counted, strict=True)]),
        own=None,
        direct=_point(counted[0].direct, 0),
    )


def network_sweep(graph: Graph, node: str, values: Sequence[int]) -> Sweep:
    """Sweep the width of one layer of a network through `values` and its own width.

    Raises:
        GraphError: the layer does not exist, or a later layer cannot take one of the widths.
    """
    own = width_of(graph[node]) if node in graph.index.nodes else None
    widths = sorted(set(values) if own is None else {*values, own})
    points = [_point(with_widths(graph, {node: value}), value) for value in widths]
    reduction = [site for site in reductions(graph).sites if site.name == node]
    return Sweep(
        name=graph.name,
        variable=node,
        points=tuple(points),
        own=own,
        direct=_point(rewritten(graph, Plan(tuple(reduction))), 0) if reduction else None,
    )


def _point(network: Graph | Analysis, value: int) -> SweepPoint:
    totals = analyze(network).totals
    return SweepPoint(value, totals.params, totals.macs, totals.macs_exact, totals.params_exact)
