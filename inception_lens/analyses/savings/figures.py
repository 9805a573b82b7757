"""Costs of a network, module or branch, in the figures that savings compare."""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from inception_lens.analyses.analysis import Analysis, analyze
from inception_lens.analyses.machines import Machine
from inception_lens.analyses.modules import module_of
from inception_lens.analyses.roofline import Roofline, roofline
from inception_lens.graph import Graph
from inception_lens.ops import Shape


class CostFigures(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Costs of some calls."""

    params: int
    """Learned elements."""
    buffers: int
    """Elements that are kept but not learned."""
    macs: int
    """Multiply-accumulates of the forward pass."""
    flops: int
    """FLOPs of the forward pass."""
    activation_bytes: int
    """Bytes that the calls allocate."""
    seconds: float
    """Sum of the roofline times of the calls."""
    exact: bool = True
    """Whether the FLOPs of every call are known; where they are not, `flops` and `seconds` are lower bounds."""
    macs_exact: bool = True
    """Whether the MACs of every call are known; where they are not, `macs` is a lower bound."""
    params_exact: bool = True
    """Whether the parameters of every call are known; where they are not, `params` is a lower bound."""
    activations_exact: bool = True
    """Whether the shapes of all tensors are known; where they are not, `seconds` and the bytes of activations are lower
    bounds."""
    peak_activation_bytes: int | UnsetType = UNSET
    """The largest total of activations alive at one time; for a whole network only."""
    output_shape: Shape | UnsetType = UNSET
    """Shape of the last call's output; for a module only."""

    def is_exact(self, key: str) -> bool:
        """Whether the cost `key` is exact, and not a lower bound."""
        exact = {"params": self.params_exact, "macs": self.macs_exact, "flops": self.exact}
        exact["seconds"] = self.exact and self.activations_exact
        exact |= dict.fromkeys(("activation_bytes", "peak_activation_bytes"), self.activations_exact)
        return exact.get(key, True)


INTEGERS = ("params", "buffers", "macs", "flops", "activation_bytes", "peak_activation_bytes")
RATIOS = ("params", "macs", "flops", "activation_bytes", "peak_activation_bytes", "seconds")


class CostChange(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename={"using": "with"}):
    """Costs with a saving and without it."""

    using: CostFigures
    """With the saving; `with` in JSON."""
    without: CostFigures
    """Without the saving."""

    def is_exact(self, key: str) -> bool:
        """Whether the cost `key` is exact on both sides."""
        return self.using.is_exact(key) and self.without.is_exact(key)

    def saved(self, key: str) -> Any:
        """The cost `key` without the saving minus the cost with it."""
        return getattr(self.without, key) - getattr(self.using, key)

    def ratio(self, key: str) -> float | None:
        """The cost `key` without the saving divided by the cost with it; None where the divisor is 0."""
        using = getattr(self.using, key)
        return getattr(self.without, key) / using if using else None

    def to_builtins(self) -> dict[str, Any]:
        """For JSON: `with`, `without`, `saved` and `ratio`."""
        there = [key for key in RATIOS if UNSET not in (getattr(self.using, key), getattr(self.without, key))]
        record: dict[str, Any] = msgspec.to_builtins(self)
        return record | {
            "saved": {key: self.saved(key) for key in (*INTEGERS, "seconds") if key in there or key == "buffers"},
            "ratio": {key: self.ratio(key) for key in there},
        }


class Counted:
    """A graph with its analysis and roofline, and sums over any of its calls."""

    def __init__(self, network: Graph | Analysis, machine: Machine) -> None:
        self.analysis: Analysis = analyze(network)
        costs = self.analysis.costs
        self.roofline: Roofline = roofline(self.analysis.graph, costs, machine)
        allocated, seconds = self.analysis.memory.activation_bytes, self.roofline.seconds
        known = costs.params_exact
        rows = zip(costs.params, costs.buffers, costs.macs, costs.flops, allocated, seconds, known, strict=True)
        self._rows = list(rows)

    def total(self) -> CostFigures:
        """The whole network: the figures of `Analysis.totals`."""
        totals = self.analysis.totals
        exact = ("exact", "macs_exact", "params_exact", "activations_exact")
        figures = {key: getattr(totals, key) for key in (*INTEGERS, *exact)}
        return CostFigures(seconds=sum(filter(None, self.roofline.seconds)), **figures)

    def in_order(self, names: Iterable[str]) -> tuple[str, ...]:
        """The names among `names` that this graph has, in the order of execution."""
        index = self.analysis.graph.index
        return tuple(sorted([name for name in names if name in index.nodes], key=index.position.__getitem__))

    def of(self, names: Iterable[str]) -> CostFigures:
        """Sum over the calls with these names; names that this graph does not have count nothing."""
        return self._sum([self.analysis.graph.index.position[name] for name in self.in_order(names)])

    def modules(self) -> dict[str, CostFigures]:
        """The modules of `Analysis.by_module(1)`."""
        graph = self.analysis.graph
        groups: dict[str, list[int]] = {}
        for i, node in enumerate(graph.nodes):
            groups.setdefault(module_of(node.name), []).append(i)
        return {
            name: msgspec.structs.replace(
                self._sum(calls), output_shape=graph.types[graph.nodes[calls[-1]].name][0].shape
            )
            for name, calls in groups.items()
        }

    def _sum(self, calls: list[int]) -> CostFigures:
        rows = [self._rows[i] for i in calls] or [(0, 0, 0, 0, 0, 0, True)]
        params, buffers, macs, flops, allocated, seconds, params_exact = zip(*rows, strict=True)
        return CostFigures(
            params=sum(params),
            buffers=sum(buffers),
            macs=sum(filter(None, macs)),
            flops=sum(filter(None, flops)),
            activation_bytes=sum(filter(None, allocated)),
            seconds=sum(filter(None, seconds)),
            exact=None not in flops,
            macs_exact=None not in macs,
            params_exact=all(params_exact),
            activations_exact=None not in allocated,
        )
