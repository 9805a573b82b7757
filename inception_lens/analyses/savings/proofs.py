"""Checks of savings by PyTorch: independent counts, equal outputs, measured times."""

from typing import Any

import msgspec

from inception_lens.analyses.analysis import Analysis
from inception_lens.analyses.savings.branch import BranchSavings
from inception_lens.analyses.savings.changes import WhatIf
from inception_lens.analyses.savings.network import Savings

TOLERANCE = 1e-9
"""Largest accepted difference of a folded network's outputs in float64, relative to the largest output."""


class Recount(msgspec.Struct, frozen=True, kw_only=True):
    """One network counted by this package and by PyTorch."""

    network: str
    """Name of the network."""
    params: int
    """Learned elements by this package."""
    params_of_modules: int
    """Elements of the parameters of the built `nn.Module`."""
    macs: int
    """Multiply-accumulates by this package."""
    macs_of_flop_counter: int
    """Half of the FLOPs that FlopCounterMode counts in one forward pass."""

    @property
    def agrees(self) -> bool:
        """Whether both counts are equal."""
        return (self.params, self.macs) == (self.params_of_modules, self.macs_of_flop_counter)


class Folded(msgspec.Struct, frozen=True, kw_only=True):
    """Outputs of a network before and after folding its batch norms, on one input in float64."""

    network: str
    """Name of the network."""
    norms: int
    """Number of folded batch norms."""
    largest_difference: float
    """Largest absolute difference of the outputs."""
    largest_output: float
    """Largest absolute output."""

    @property
    def agrees(self) -> bool:
        """Whether the outputs are equal up to rounding."""
        return self.largest_difference <= TOLERANCE * self.largest_output


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """Measured time of one forward pass."""

    network: str
    """Name of the network."""
    device: str
    """Name of the device."""
    dtype: str
    """Of weights and activations."""
    seconds: float
    """Median of all runs."""
    fastest: float
    """Shortest run, in seconds."""
    slowest: float
    """Longest run, in seconds."""
    runs: int
    """Number of runs."""


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """The requested checks; empty where none was requested."""

    verified: tuple[Recount, ...] = ()
    """Independent counts."""
    folded: tuple[Folded, ...] = ()
    """Outputs before and after folding."""
    measured: tuple[Timing, ...] = ()
    """Measured times."""

    def to_builtins(self) -> dict[str, Any]:
        """For JSON: the requested checks, each recount and fold with `agrees`."""
        record: dict[str, Any] = {
            "verified": [msgspec.structs.asdict(each) | {"agrees": each.agrees} for each in self.verified],
            "folded": [msgspec.structs.asdict(each) | {"agrees": each.agrees} for each in self.folded],
            "measured": self.measured,
        }
        return {key: found for key, found in record.items() if found}

    @property
    def agrees(self) -> bool:
        """Whether all counts and outputs agree."""
        return all(each.agrees for each in self.verified) and all(each.agrees for each in self.folded)


def networks(result: Savings | BranchSavings | WhatIf) -> dict[str, Analysis]:
    """The networks that a result compares, by display name."""
    match result:
        case BranchSavings():
            return {"direct": result.direct, "reduced": result.reduced}
        case WhatIf():
            return {result.graph.name: result.network, f"{result.graph.name}, changed": result.altered}
        case Savings():
            words = {"saved": "without", "possible": "with"}
            others = {f"{words[each.direction]} {each.kind.name}": each.rewritten for each in result.savings}
            return {result.graph.name: result.network} | others
