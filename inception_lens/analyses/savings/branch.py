"""One branch with a 1x1 reduction and without it: the worked example, for any sizes."""

from __future__ import annotations

from typing import Any

import msgspec

from inception_lens.analyses.analysis import Analysis, analyze
from inception_lens.analyses.savings.network import as_json
from inception_lens.errors import ConfigError
from inception_lens.graph import About, Graph, Input, Output, Writer
from inception_lens.ops import Conv2d, TensorType, format_shape

MAX_SIZE = 2**22
"""Of channels, kernels and maps."""


class Branch(msgspec.Struct, frozen=True, kw_only=True):
    """What a branch is made of: `in_channels` x `size` to `out_channels` maps of the same size."""

    in_channels: int
    out_channels: int
    kernel: tuple[int, int]
    reduce: int
    """Channels of the 1x1 reduction."""
    size: tuple[int, int]
    bias: bool = False

    def direct(self) -> Graph:
        """The large kernel alone."""
        writer = self._writer()
        return writer.graph(
            [Output(writer.add(format_shape(self.kernel), self._large(), "input"))], about=About("direct")
        )

    def reduced(self) -> Graph:
        """A 1x1 convolution to `reduce` channels, and the large kernel behind it."""
        writer = self._writer()
        x = writer.add(f"{format_shape(self.kernel)}_reduce", Conv2d(self.reduce, (1, 1), bias=self.bias), "input")
        return writer.graph([Output(writer.add(format_shape(self.kernel), self._large(), x))], about=About("reduced"))

    def _large(self) -> Conv2d:
        return Conv2d(self.out_channels, self.kernel, padding="same", bias=self.bias)

    def _writer(self) -> Writer:
        return Writer([Input("input", TensorType((1, self.in_channels, *self.size)))])


class BranchSavings(msgspec.Struct, frozen=True, kw_only=True):
    """The two analyses of a branch."""

    branch: Branch
    direct: Analysis
    reduced: Analysis

    @property
    def ratio(self) -> dict[str, float]:
        """How many times more the large kernel alone takes."""
        return {key: getattr(self.direct.totals, key) / getattr(self.reduced.totals, key) for key in ("params", "macs")}

    def to_builtins(self) -> dict[str, Any]:
        """For JSON: `direct`, `reduced` and `ratio`, each of params and MACs."""
        sides = {"direct": self.direct.totals, "reduced": self.reduced.totals}
        return {
            name: {"params": totals.params, "macs": totals.macs} for name, totals in sides.items()
        } | {"ratio": self.ratio}  # fmt: skip

    def to_json(self, indent: int = 2) -> str:
        """The JSON of `savings --in ... --format json`."""
        return as_json(self.to_builtins(), indent)


def branch_savings(branch: Branch) -> BranchSavings:
    """Build both ways of a branch and analyse them.

    Raises:
        ConfigError: a size is below 1 or above `MAX_SIZE`; `key` is its field.
    """
    sizes = {
        "in_channels": (branch.in_channels,), "out_channels": (branch.out_channels,), "kernel": branch.kernel,
        "reduce": (branch.reduce,), "size": branch.size,
    }  # fmt: skip
    for name, size in sizes.items():
        if not 1 <= min(size) <= max(size) <= MAX_SIZE:
            raise ConfigError(f"`{name}` of the branch is {format_shape(size)}: expected 1 to {MAX_SIZE:,}", key=name)
    return BranchSavings(branch=branch, direct=analyze(branch.direct()), reduced=analyze(branch.reduced()))
