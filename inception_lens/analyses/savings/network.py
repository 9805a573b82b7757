"""What a network saves by the tricks of its family: the network and a rewrite of it, counted side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from inception_lens.analyses import analysis
from inception_lens.analyses.analysis import Analysis
from inception_lens.analyses.machines import Machine
from inception_lens.analyses.savings.figures import CostChange, CostFigures, Counted, module_of
from inception_lens.analyses.savings.kinds import SavingDirection, SavingKind
from inception_lens.errors import GraphError
from inception_lens.graph import Graph, Mode
from inception_lens.rewrites.plan import Plan, SkippedSite, rewritten

SCHEMA = "inception-lens/savings/1"

DEFAULT_KINDS = ("reductions", "naive")

NONE = CostFigures(params=0, buffers=0, macs=0, flops=0, activation_bytes=0, seconds=0.0)


class SiteChange(msgspec.Struct, frozen=True, kw_only=True):
    """One place that a rewrite changes, as a branch with a reduction and without it."""

    name: str
    """The node that people would call it by; of a reduction, the 1x1 convolution."""
    module: str
    what: str
    nodes: tuple[str, ...]
    """The nodes of the network that take part."""
    becomes: tuple[str, ...]
    """Those of the rewritten network in their place."""
    channels: tuple[int, ...]
    """Of a reduction: of the map that it reads, and its own."""
    change: CostChange


class ModuleChange(msgspec.Struct, frozen=True, kw_only=True):
    """One module, or one part of the network that has no module, by the first part of its nodes' names."""

    name: str
    change: CostChange


class Saving(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One kind of saving in one network: the network, its rewrite, and where they differ."""

    kind: SavingKind
    direction: SavingDirection
    network: Analysis
    rewritten: Analysis
    sites: tuple[SiteChange, ...]
    modules: tuple[ModuleChange, ...]
    """Every module of either network, in the order of execution."""
    skipped: tuple[SkippedSite, ...]
    total: CostChange

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
            "modules": [{"name": module.name} | module.change.to_builtins() for module in self.modules],
            "skipped": [each._asdict() for each in self.skipped],
        }


class Refused(NamedTuple):
    """A kind of saving that has sites in the network, and what in it does not take their rewrite."""

    kind: str
    direction: SavingDirection
    reason: str


class Savings(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """All savings that were requested for, of one network on one machine."""

    network: Analysis
    machine: Machine
    requested: tuple[SavingKind, ...]
    savings: tuple[Saving, ...]
    """Those with a site, or with one that was left alone; a kind can be there twice, once for each direction."""
    refused: tuple[Refused, ...] = ()
    """Those whose rewrite something in the network does not take."""

    @property
    def graph(self) -> Graph:
        """The network."""
        return self.network.graph

    @cached_property
    def missing(self) -> tuple[SavingKind, ...]:
        """Kinds that were requested for and have no site in the network."""
        there = {saving.kind.name for saving in self.savings if saving.sites} | {each.kind for each in self.refused}
        return tuple(kind for kind in self.requested if kind.name not in there)

    def of(self, kind: str, direction: SavingDirection | None = None) -> Saving | None:
        """The saving of that kind, where there is one."""
        found = (each for each in self.savings if each.kind.name == kind and direction in (None, each.direction))
        return next(found, None)

    def to_builtins(self) -> dict[str, Any]:
        """For JSON, schema `inception-lens/savings/1`.

        With the default kinds, the fields of the reductions stand at the top and those of the naive network under
        `naive`; otherwise each kind is an entry of `savings`.
        """
        record: dict[str, Any] = head(self.graph, self.machine)
        if tuple(kind.name for kind in self.requested) == DEFAULT_KINDS:
            reductions, naive = (self._told(name) for name in DEFAULT_KINDS)
            record |= (reductions or {}) | {"naive": naive}
        else:
            record["savings"] = [saving.to_builtins() for saving in self.savings]
            record["not_applicable"] = [kind.name for kind in self.missing]
        record["refused"] = [each._asdict() for each in self.refused]
        return record

    def _told(self, kind: str) -> dict[str, Any] | None:
        """One kind for JSON: no savings where there is no site, None where the network does not take the rewrite."""
        if kind in [each.kind for each in self.refused]:
            return None
        return (self.of(kind) or _nothing(self, kind)).to_builtins()

    def to_json(self, indent: int = 2) -> str:
        """The JSON of `savings --format json`."""
        return as_json(self.to_builtins(), indent)


def as_json(record: dict[str, Any], indent: int = 2) -> str:
    """A record as people can still read it."""
    return msgspec.json.format(msgspec.json.encode(record), indent=indent).decode()


def head(graph: Graph, machine: Machine) -> dict[str, Any]:
    """What the JSON of every savings run begins with."""
    return {
        **analysis.head(graph, SCHEMA),
        "machine": msgspec.to_builtins(machine),
    }


def savings(graphs: Mapping[Mode, Graph], kinds: Sequence[SavingKind], machine: Machine) -> Savings:
    """Rewrite a network for each kind, in every direction that it has sites in, and count both networks.

    Args:
        graphs: the network in inference mode and, where a kind asks for it, in training mode; all are counted as at
            inference.
        kinds: what to find.
        machine: whose roofline times are told.

    Raises:
        GraphError: the network takes none of the rewrites that it has sites for.
    """
    networks = {
        mode: Counted(msgspec.structs.replace(graph, mode="inference"), machine) for mode, graph in graphs.items()
    }
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


def _saving(kind: SavingKind, direction: SavingDirection, network: Counted, plan: Plan, machine: Machine) -> Saving:
    new = Counted(rewritten(network.analysis.graph, plan), machine)
    if kind.mode == "training":  # what inference leaves out was built first: the rewrite is the network
        network, new = new, network
    sites = []
    for site in plan.sites:
        names = site.names
        sites.append(
            SiteChange(
                name=site.name,
                module=module_of(site.name),
                what=site.what,
                nodes=network.in_order(names),
                becomes=new.in_order(names),
                channels=site.channels,
                change=_change(direction, network.of(names), new.of(names)),
            )
        )
    return Saving(
        kind=kind,
        direction=direction,
        network=network.analysis,
        rewritten=new.analysis,
        sites=tuple(sites),
        modules=tuple(_modules(direction, network, new)),
        skipped=plan.skipped,
        total=_change(direction, network.total(), new.total()),
    )


def _modules(direction: SavingDirection, network: Counted, new: Counted) -> list[ModuleChange]:
    before, after = network.modules(), new.modules()
    return [
        ModuleChange(name=name, change=_change(direction, before.get(name, NONE), after.get(name, NONE)))
        for name in dict.fromkeys((*before, *after))
    ]


def _change(direction: SavingDirection, network: CostFigures, new: CostFigures) -> CostChange:
    return CostChange(using=network, without=new) if direction == "saved" else CostChange(using=new, without=network)


def _nothing(given: Savings, kind: str) -> Saving:
    """The saving of a kind that has no site: both networks are the same."""
    found = next(each for each in given.requested if each.name == kind)
    return _saving(found, "saved", Counted(given.graph, given.machine), Plan(()), given.machine)
