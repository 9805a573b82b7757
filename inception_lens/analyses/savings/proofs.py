"""What PyTorch says of the networks that savings compare: counted again, computed, timed."""

from typing import Any

import msgspec

from inception_lens.analyses.analysis import Analysis
from inception_lens.analyses.savings.branch import BranchSavings
from inception_lens.analyses.savings.changes import WhatIf
from inception_lens.analyses.savings.network import Savings

TOLERANCE = 1e-9
"""Of a folded network's outputs in float64, as a share of the largest."""


class Recount(msgspec.Struct, frozen=True, kw_only=True):
    """One network counted twice."""

    network: str
    params: int
    params_of_modules: int
    """Of the parameters of the module that PyTorch builds."""
    macs: int
    macs_of_flop_counter: int
    """Half of what FlopCounterMode counts in one forward pass."""

    @property
    def agrees(self) -> bool:
        """Whether both counts are the same."""
        return (self.params, self.macs) == (self.params_of_modules, self.macs_of_flop_counter)


class Folded(msgspec.Struct, frozen=True, kw_only=True):
    """A network and the same with its batch norms folded, on one input, in float64."""

    network: str
    norms: int
    largest_difference: float
    largest_output: float

    @property
    def agrees(self) -> bool:
        """Whether both compute the same, but for rounding."""
        return self.largest_difference <= TOLERANCE * self.largest_output


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """How long one network takes for one forward pass."""

    network: str
    device: str
    dtype: str
    seconds: float
    """The median of all runs."""
    fastest: float
    slowest: float
    runs: int


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """All that was asked of PyTorch; empty where it was not asked."""

    verified: tuple[Recount, ...] = ()
    folded: tuple[Folded, ...] = ()
    measured: tuple[Timing, ...] = ()

    def to_builtins(self) -> dict[str, Any]:
        """For JSON: what was asked, each recount and fold with whether it agrees."""
        record: dict[str, Any] = {
            "verified": [msgspec.structs.asdict(each) | {"agrees": each.agrees} for each in self.verified],
            "folded": [msgspec.structs.asdict(each) | {"agrees": each.agrees} for each in self.folded],
            "measured": self.measured,
        }
        return {key: found for key, found in record.items() if found}

    @property
    def agrees(self) -> bool:
        """Whether nothing that was counted or computed again differs."""
        return all(each.agrees for each in self.verified) and all(each.agrees for each in self.folded)


def networks(result: Savings | BranchSavings | WhatIf) -> dict[str, Analysis]:
    """The networks that a result compares, each once, by what people would call it."""
    match result:
        case BranchSavings():
            return {"direct": result.direct, "reduced": result.reduced}
        case WhatIf():
            return {result.graph.name: result.network, f"{result.graph.name}, changed": result.altered}
        case Savings():
            words = {"saved": "without", "possible": "with"}
            others = {f"{words[each.direction]} {each.kind.name}": each.rewritten for each in result.savings}
            return {result.graph.name: result.network} | others
