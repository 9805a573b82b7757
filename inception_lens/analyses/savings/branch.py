"""One branch with and without a 1x1 reduction, for any sizes."""

from typing import Any

import msgspec

from inception_lens.analyses.analysis import Analysis, analyze
from inception_lens.analyses.records import JsonResult
from inception_lens.errors import ConfigError
from inception_lens.graph import Graph, Input, Metadata, Output, Writer
from inception_lens.ops import Conv2d, TensorType, format_shape

MAX_SIZE = 2**22
"""Of channels, kernels and maps."""


class Branch(msgspec.Struct, frozen=True, kw_only=True):
    """A branch from `in_channels` to `out_channels` maps of the same size."""

    in_channels: int
    """Channels that it reads."""
    out_channels: int
    """Channels that it produces."""
    kernel: tuple[int, int]
    """Height and width of the large kernel."""
    reduce: int
    """Channels of the 1x1 reduction."""
    size: tuple[int, int]
    """Height and width of the map."""
    bias: bool = False
    """Whether convolutions have biases."""

    def direct(self) -> Graph:
        """The large kernel without a reduction."""
        return self._graph("direct", reduce=False)

    def reduced(self) -> Graph:
        """A 1x1 convolution to `reduce` channels, followed by the large kernel."""
        return self._graph("reduced", reduce=True)

    def _graph(self, name: str, reduce: bool) -> Graph:
        writer, x = Writer([Input("input", TensorType((1, self.in_channels, *self.size)))]), "input"
        kernel = self.kernel
        if reduce:
            x = writer.add(f"{format_shape(kernel)}_reduce", Conv2d(self.reduce, (1, 1), bias=self.bias), x)
        large = Conv2d(self.out_channels, kernel, padding="same", bias=self.bias)
        return writer.graph([Output(writer.add(format_shape(kernel), large, x))], metadata=Metadata(name))


class BranchSavings(JsonResult, frozen=True, kw_only=True):
    """The analyses of a branch with and without its reduction."""

    branch: Branch
    """The branch."""
    direct: Analysis
    """Without the reduction."""
    reduced: Analysis
    """With the reduction."""

    @property
    def ratio(self) -> dict[str, float]:
        """Cost without the reduction divided by the cost with it, for `params` and `macs`."""
        return {key: getattr(self.direct.totals, key) / getattr(self.reduced.totals, key) for key in ("params", "macs")}

    def to_builtins(self) -> dict[str, Any]:
        """For JSON: `direct`, `reduced` and `ratio`, each of params and MACs."""
        sides = {"direct": self.direct, "reduced": self.reduced}
        return {name: {"params": a.params, "macs": a.macs} for name, a in sides.items()} | {"ratio": self.ratio}


def branch_savings(branch: Branch) -> BranchSavings:
    """Build and analyse a branch with and without its reduction.

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
