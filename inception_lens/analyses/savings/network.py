"""Savings of a network: the network and a rewrite of it without the saving, both counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from inception_lens.analyses import analysis
from inception_lens.analyses.analysis import Analysis
from inception_lens.analyses.machines import Machine
from inception_lens.analyses.modules import module_of
from inception_lens.analyses.records import JsonResult
from inception_lens.analyses.savings.figures import CostChange, CostFigures, Counted
from inception_lens.analyses.savings.kinds import SavingDirection, SavingKind
from inception_lens.errors import GraphError
from inception_lens.graph import Graph, Mode
from inception_lens.rewrites.plan import Plan, SkippedSite, rewritten

SCHEMA = "inception-lens/savings/1"

DEFAULT_KINDS = ("reductions", "naive")

NONE = CostFigures(params=0, buffers=0, macs=0, flops=0, activation_bytes=0, seconds=0.0)


class SiteChange(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One place that a rewrite changes, such as a branch with and without its reduction."""

    name: str
    """The node that names the place; the 1x1 convolution of a reduction."""
    module: str
    """The module that contains it."""
    what: str
    """The change in a few words."""
    nodes: tuple[str, ...]
    """The nodes of the network that the rewrite changes."""
    becomes: tuple[str, ...]
    """The nodes of the rewritten network that replace them."""
    channels: tuple[int, ...]
    """Input and output channels of a reduction; empty for other kinds."""
    change: CostChange
    """Costs with and without the saving."""


class ModuleChange(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One module: the nodes with the same first part of their names."""

    name: str
    """First part of the names."""
    change: CostChange
    """Costs with and without the saving."""

    def to_builtins(self) -> dict[str, Any]:
        """For JSON."""
        return {"name": self.name} | self.change.to_builtins()


class Saving(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One kind of saving in one network: the network, its rewrite, and their differences."""

    kind: SavingKind
    """The kind of saving."""
    direction: SavingDirection
    """Whether the network has the saving or could have it."""
    network: Analysis
    """The network as it is."""
    rewritten: Analysis
    """The network without the saving, or with it if it lacks it."""
    sites: tuple[SiteChange, ...]
    """Every place that the rewrite changes."""
    modules: tuple[ModuleChange, ...]
    """Every module of either network, in the order of execution."""
    skipped: tuple[SkippedSite, ...]
    """Places that the rewrite does not fit, with the reasons."""
    total: CostChange
    """Costs of the whole network with and without the saving."""

    def to_builtins(self) -> dict[str, Any]:
        """For JSON: exact integers."""
        sites = "reductions" if self.kind.name in DEFAULT_KINDS else "sites"
        return {
            "kind": self.kind.name,
            "direction": self.direction,
            "title": self.kind.title,
            "source": self.kind.source,
            "totals": self.total.to_builtins(),
            sites: [
                {key: value for key, value in msgspec.structs.asdict(site).items() if key != "change"}
                | site.change.to_builtins()
                for site in self.sites
            ],
            "modules": [module.to_builtins() for module in self.modules],
            "skipped": [each._asdict() for each in self.skipped],
        }


class Refused(NamedTuple):
    """A kind of saving with sites in the network whose rewrite the network cannot take."""

    kind: str
    """Name of the kind."""
    direction: SavingDirection
    """Direction of the rewrite."""
    reason: str
    """Why the rewrite is impossible."""


class Savings(JsonResult, frozen=True, kw_only=True, dict=True):
    """The requested savings of one network on one machine."""

    network: Analysis
    """The network."""
    machine: Machine
    """The machine of the roofline times."""
    requested: tuple[SavingKind, ...]
    """The requested kinds."""
    savings: tuple[Saving, ...]
    """Kinds with a site or a skipped site; a kind can appear once per direction."""
    refused: tuple[Refused, ...] = ()
    """Kinds whose rewrite is impossible in this network."""

    def __repr__(self) -> str:
        return f"<Savings of {self.graph.name!r}: {', '.join([kind.name for kind in self.requested])}>"

    if TYPE_CHECKING:  # attached by `lens.notebook`

        def _repr_html_(self) -> str: ...

    @property
    def graph(self) -> Graph:
        """The analysed graph."""
        return self.network.graph

    @cached_property
    def missing(self) -> tuple[SavingKind, ...]:
        """Requested kinds without a site in the network."""
        there = {saving.kind.name for saving in self.savings if saving.sites} | {each.kind for each in self.refused}
        return tuple(kind for kind in self.requested if kind.name not in there)

    def of(self, kind: str, direction: SavingDirection | None = None) -> Saving | None:
        """The saving of that kind; None if the network has none."""
        found = (each for each in self.savings if each.kind.name == kind and direction in (None, each.direction))
        return next(found, None)

    def to_builtins(self) -> dict[str, Any]:
        """For JSON, schema `inception-lens/savings/1`.

        With the default kinds, the keys of the reductions are at the top level and those of the naive network under
        `naive`; otherwise each kind is an entry of `savings`.
        """
        record: dict[str, Any] = head(self.graph, self.machine)
        if tuple(kind.name for kind in self.requested) == DEFAULT_KINDS:
            reductions, naive = (self._record(name) for name in DEFAULT_KINDS)
            record |= (reductions or {}) | {"naive": naive}
        else:
            record["savings"] = [saving.to_builtins() for saving in self.savings]
            record["not_applicable"] = [kind.name for kind in self.missing]
        record["refused"] = [each._asdict() for each in self.refused]
        return record

    def _record(self, kind: str) -> dict[str, Any] | None:
        """One kind for JSON: an empty saving where there is no site, None where the rewrite is impossible."""
        if kind in [each.kind for each in self.refused]:
            return None
        return (self.of(kind) or _nothing(self, kind)).to_builtins()


def head(graph: Graph, machine: Machine) -> dict[str, Any]:
    """The keys that the JSON of every savings result starts with."""
    return {**analysis.head(graph, SCHEMA), "machine": machine}


def savings(graphs: Mapping[Mode, Graph | Analysis], kinds: Sequence[SavingKind], machine: Machine) -> Savings:
    """Rewrite a network for each kind, in every direction in which it has sites, and count both networks.

    Args:
        graphs: the network, or its Analysis, in inference mode and, where a kind needs it, in training mode; both
            are counted as inference networks.
        kinds: the kinds of saving to find.
        machine: the machine of the roofline times.

    Raises:
        GraphError: none of the rewrites that have sites is possible.
    """
    networks = {mode: Counted(_at_inference(network), machine) for mode, network in graphs.items()}
    found: list[Saving] = []
    refused: list[Refused] = []
    for kind in kinds:
        network = networks.get(kind.mode, networks["inference"])
        for direction, find in kind.finders().items():
            plan = find(network.analysis.graph)
            try:
                if plan.sites or plan.skipped:
                    found.append(_saving(kind, direction, network, plan, machine))
            except GraphError as error:
                refused.append(Refused(kind.name, direction, str(error)))
    if refused and not found:
        raise GraphError(refused[0].reason)
    return Savings(
        network=networks["inference"].analysis,
        machine=machine,
        requested=tuple(kinds),
        savings=tuple(found),
        refused=tuple(refused),
    )


def _at_inference(network: Graph | Analysis) -> Graph | Analysis:
    graph = network.graph if isinstance(network, Analysis) else network
    return network if graph.mode == "inference" else msgspec.structs.replace(graph, mode="inference")


def _saving(kind: SavingKind, direction: SavingDirection, network: Counted, plan: Plan, machine: Machine) -> Saving:
    new = Counted(rewritten(network.analysis.graph, plan), machine)
    if kind.mode == "training":  # the training graph has the heads, so the rewrite is the inference network
        network, new = new, network
    sites = [
        SiteChange(
            name=site.name,
            module=module_of(site.name),
            what=site.what,
            nodes=network.in_order(site.names),
            becomes=new.in_order(site.names),
            channels=site.channels,
            change=_change(direction, network.of(site.names), new.of(site.names)),
        )
        for site in plan.sites
    ]
    return Saving(
        kind=kind,
        direction=direction,
        network=network.analysis,
        rewritten=new.analysis,
        sites=tuple(sites),
        modules=module_changes(network.modules(), new.modules(), direction),
        skipped=plan.skipped,
        total=_change(direction, network.total(), new.total()),
    )


def module_changes(
    network: Mapping[str, CostFigures], new: Mapping[str, CostFigures], direction: SavingDirection
) -> tuple[ModuleChange, ...]:
    """The change of every module of either network."""
    return tuple(
        [
            ModuleChange(name=name, change=_change(direction, network.get(name, NONE), new.get(name, NONE)))
            for name in dict.fromkeys((*network, *new))
        ]
    )


def _change(direction: SavingDirection, network: CostFigures, new: CostFigures) -> CostChange:
    return CostChange(using=network, without=new) if direction == "saved" else CostChange(using=new, without=network)


def _nothing(given: Savings, kind: str) -> Saving:
    """The saving of a kind without sites: both networks are equal."""
    found = next(each for each in given.requested if each.name == kind)
    return _saving(found, "saved", Counted(given.network, given.machine), Plan(()), given.machine)
