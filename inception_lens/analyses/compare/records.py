"""What a comparison says: pairs of calls, what differs in each and what it costs, and the JSON of `compare`."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from inception_lens.analyses.compare.attributes import CONSEQUENCES, Difference
from inception_lens.graph import Graph

Kind = Literal["changed", "added", "removed"]

MIRRORED: dict[Kind, Kind] = {"changed": "changed", "added": "removed", "removed": "added"}


class Change(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One pair of calls that differ, or one call that has no partner. Deltas are B less A."""

    kind: Kind
    a: str | None
    """The call's name in the first network; None for one that it lacks."""
    b: str | None
    what: tuple[Difference, ...]
    params: int
    macs: int | None
    """None where nobody knows the one or the other."""
    alike_here: bool = False
    """Whether it changes no number that the network computes on this input, as an average pool over the whole map in
    place of a global one."""
    unused: bool = False
    """Whether it is a tensor that the network declares and no call reads; its name stands for a call's."""

    @property
    def is_consequence(self) -> bool:
        """Whether the calls themselves are the same, and only what reaches them differs."""
        return self.kind == "changed" and all(each.attribute in CONSEQUENCES for each in self.what)

    def mirrored(self) -> Change:
        """The same, seen from the other network."""
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
    """A pair of calls that look at other places of the image: how far B's fields lie from A's, per axis, in pixels."""

    a: str
    b: str
    pixels: tuple[float, ...]
    starts: bool
    """Whether the shift is not yet that of what the calls read."""


class Part(msgspec.Struct, frozen=True):
    """Two parts of networks that stand for each other: the networks without their heads, or a head of each."""

    pairs: tuple[tuple[str, str], ...]
    """Names of the calls that stand for each other, in the order of execution of A."""
    only_a: tuple[str, ...]
    """Calls without a partner, in the order of execution."""
    only_b: tuple[str, ...]
    changes: tuple[Change, ...]
    in_branches: frozenset[str] = frozenset()
    """Calls of A that lie in the branches of a fork."""

    @property
    def params(self) -> int:
        """The sum of the changes."""
        return sum([change.params for change in self.changes])

    @property
    def macs(self) -> int:
        """The sum of the changes, as far as they are known."""
        return sum([change.macs or 0 for change in self.changes])


class Head(Part, frozen=True):
    """An auxiliary head of each network, or of one."""

    a: str | None = None
    """The call whose result is the head's output."""
    b: str | None = None


class Side(msgspec.Struct, frozen=True):
    """One of the two networks, and what it costs, without its heads."""

    graph: Graph
    params: int
    macs: int
    exact: bool
    """Whether every call's cost is known; where not, `macs` says at least."""
    heads: int

    @property
    def name(self) -> str:
        """What people call the network."""
        return self.graph.name


class Comparison(msgspec.Struct, frozen=True):
    """Two networks beside each other. Every delta is B less A."""

    a: Side
    b: Side
    trunk: Part
    """The networks without their auxiliary heads."""
    heads: tuple[Head, ...]
    shifts: tuple[Shift, ...]
    """Every pair that looks at other places of the image."""
    training: tuple[Graph, Graph]
    """The graphs that the heads are in."""

    @property
    def changes(self) -> tuple[Change, ...]:
        """What differs in the networks without their heads; the deltas add up to the difference of the totals."""
        return self.trunk.changes

    @property
    def differs(self) -> bool:
        """Whether the networks differ without their heads.

        Two ways to write what computes the same on this input do not count, nor do tensors that no call reads.
        """
        return not all(change.alike_here or change.unused for change in self.changes)

    def to_json(self, indent: int = 2) -> str:
        """The JSON of `compare --format json`: exact integers."""
        sides = {key: {"params": side.params, "macs": side.macs} for key, side in (("a", self.a), ("b", self.b))}
        record = {
            "a": self.a.name,
            "b": self.b.name,
            "differs": self.differs,
            "changes": [_change(change) for change in self.changes],
            "heads": [{**_change(change), "head": (head.a, head.b)} for head in self.heads for change in head.changes],
            "shifts": self.shifts,
            "totals": {
                "params": self.b.params - self.a.params,
                "macs": self.b.macs - self.a.macs,
                "exact": self.a.exact and self.b.exact,
                **sides,
                "heads": {
                    "params": sum(head.params for head in self.heads),
                    "macs": sum(head.macs for head in self.heads),
                },
            },
        }
        return msgspec.json.format(msgspec.json.encode(record), indent=indent).decode()


def _change(change: Change) -> dict[str, Any]:
    return {
        "kind": change.kind,
        "a": change.a,
        "b": change.b,
        "what": [{"attribute": each.attribute, "a": each.a, "b": each.b} for each in change.what],
        "params": change.params,
        "macs": change.macs,
        "alike_here": change.alike_here,
    }
