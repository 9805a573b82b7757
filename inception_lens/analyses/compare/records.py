"""The records of a comparison: pairs of calls, their differences and costs, and the JSON of `compare`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from inception_lens.analyses.compare.attributes import CONSEQUENCES, Difference
from inception_lens.analyses.records import JsonResult
from inception_lens.graph import Graph

ChangeKind = Literal["changed", "added", "removed"]
"""Whether a call is in both networks, in the second only or in the first only."""

MIRRORED: dict[ChangeKind, ChangeKind] = {"changed": "changed", "added": "removed", "removed": "added"}


class Change(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A pair of calls that differ, or a call without a partner. Deltas are B minus A."""

    kind: ChangeKind
    """Whether the call changed, was added or was removed."""
    a: str | None
    """Name of the call in the first network; None if it has no such call."""
    b: str | None
    """Name of the call in the second network; None if it has no such call."""
    what: tuple[Difference, ...]
    """The attributes that differ, the most telling first."""
    params: int
    """Difference in learned elements."""
    macs: int | None
    """Difference in multiply-accumulates; None where either is unknown."""
    params_exact: bool = True
    """Whether the parameters of both calls are known; where they are not, `params` is that of the known ones."""
    equivalent: bool = False
    """Whether both compute the same values on this input, such as an average pool over the whole map and a global
    average pool."""
    unused: bool = False
    """Whether it is a tensor that the network declares and no call reads; the name is the tensor's."""

    @property
    def is_consequence(self) -> bool:
        """Whether the calls are the same and only their inputs differ."""
        return self.kind == "changed" and all(each.attribute in CONSEQUENCES for each in self.what)

    def mirrored(self) -> Change:
        """The same change from B to A."""
        return msgspec.structs.replace(
            self,
            kind=MIRRORED[self.kind],
            a=self.b,
            b=self.a,
            what=tuple(difference.mirrored() for difference in self.what),
            params=-self.params,
            macs=None if self.macs is None else -self.macs,
        )


class Shift(msgspec.Struct, frozen=True, gc=False):
    """A pair of calls whose receptive fields have different centres."""

    a: str
    """Name of the call in the first network."""
    b: str
    """Name of the call in the second network."""
    pixels: tuple[float, ...]
    """Centre in B minus centre in A, per spatial axis, in input pixels."""
    starts: bool
    """Whether the shift begins here: none of the inputs has the same shift."""


class PartComparison(msgspec.Struct, frozen=True):
    """A comparison of two parts: the networks without their heads, or one head of each."""

    pairs: tuple[tuple[str, str], ...]
    """Names of the paired calls, in the order of execution of A."""
    only_a: tuple[str, ...]
    """Calls of A without a partner, in the order of execution."""
    only_b: tuple[str, ...]
    """Calls of B without a partner, in the order of execution."""
    changes: tuple[Change, ...]
    """The pairs that differ and the calls without a partner."""
    in_branches: frozenset[str] = frozenset()
    """Calls of A that are in a branch of a fork."""

    @property
    def params(self) -> int:
        """Sum of the changes in learned elements."""
        return sum([change.params for change in self.changes])

    @property
    def macs(self) -> int:
        """Sum of the known changes in multiply-accumulates."""
        return sum([change.macs or 0 for change in self.changes])


class Head(PartComparison, frozen=True):
    """An auxiliary head of each network, or of one."""

    a: str | None = None
    """Name of the call that computes the head's output in A; None if A has no such head."""
    b: str | None = None
    """The same in B."""


class ComparedNetwork(msgspec.Struct, frozen=True):
    """One of the two networks and its cost without auxiliary heads."""

    graph: Graph
    """The network."""
    params: int
    """Learned elements."""
    macs: int
    """Multiply-accumulates of the forward pass."""
    exact: bool
    """Whether the MACs of every call are known; where they are not, `macs` is a lower bound."""
    params_exact: bool
    """Whether the parameters of every call are known; where they are not, `params` is a lower bound."""
    heads: int
    """Number of auxiliary heads."""

    @property
    def name(self) -> str:
        """Name of the network."""
        return self.graph.name


class Comparison(JsonResult, frozen=True):
    """The comparison of two networks. Every delta is B minus A."""

    a: ComparedNetwork
    """The first network."""
    b: ComparedNetwork
    """The second network."""
    trunk: PartComparison
    """The networks without their auxiliary heads."""
    heads: tuple[Head, ...]
    """The auxiliary heads, paired where both networks have them."""
    shifts: tuple[Shift, ...]
    """Every pair whose receptive fields have different centres."""
    training: tuple[Graph, Graph]
    """The graphs that contain the heads: those of training, unless a network computes heads at inference too."""

    @property
    def changes(self) -> tuple[Change, ...]:
        """The differences without the auxiliary heads; their deltas add up to the difference of the totals."""
        return self.trunk.changes

    @property
    def has_live_heads(self) -> bool:
        """Whether the heads are those that one of the networks computes at inference."""
        return bool(self.heads) and self.training[0].mode == self.training[1].mode == "inference"

    @property
    def differs(self) -> bool:
        """Whether the networks compute something different on this input; heads count that are computed at inference.

        Equivalent calls and tensors that no call reads do not count.
        """
        return self.has_live_heads or not all(change.equivalent or change.unused for change in self.changes)

    def __repr__(self) -> str:
        return f"<Comparison of {self.a.name!r} and {self.b.name!r}: {len(self.changes):,} changes>"

    if TYPE_CHECKING:  # attached by `lens.notebook`

        def _repr_html_(self) -> str: ...

    def to_builtins(self) -> dict[str, Any]:
        """The keys of `compare --format json`."""
        a, b = self.a, self.b
        params_exact, macs_exact = a.params_exact and b.params_exact, a.exact and b.exact
        return {
            "a": self.a.name,
            "b": self.b.name,
            "differs": self.differs,
            "changes": [_change(change) for change in self.changes],
            "heads": [{**_change(change), "head": (head.a, head.b)} for head in self.heads for change in head.changes],
            "shifts": self.shifts,
            "totals": {
                "params": b.params - a.params if params_exact else None,
                "macs": b.macs - a.macs if macs_exact else None,
                "exact": macs_exact,
                "params_exact": params_exact,
                "a": _costs(a),
                "b": _costs(b),
                "heads": {key: sum(getattr(head, key) for head in self.heads) for key in ("params", "macs")},
            },
        }


def _costs(network: ComparedNetwork) -> dict[str, Any]:
    return {
        "params": network.params,
        "macs": network.macs,
        "params_exact": network.params_exact,
        "exact": network.exact,
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "kind": change.kind,
        "a": change.a,
        "b": change.b,
        "what": [{"attribute": each.attribute, "a": each.a, "b": each.b} for each in change.what],
        "params": change.params if change.params_exact else None,
        "params_exact": change.params_exact,
        "macs": change.macs,
        "equivalent": change.equivalent,
    }
