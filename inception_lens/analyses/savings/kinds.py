"""The kinds of saving by name, each with its rewrites."""

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from inception_lens.errors import ConfigError, suggest
from inception_lens.graph import Graph, Mode
from inception_lens.rewrites.batch_norm import folded_batch_norms
from inception_lens.rewrites.factorized import asymmetric_pairs, five_by_five, pairs_of_3x3, square_kernels
from inception_lens.rewrites.grid import pooled_modules, strided_modules
from inception_lens.rewrites.heads import auxiliary_heads, linear_heads, pooled_heads
from inception_lens.rewrites.plan import Plan
from inception_lens.rewrites.reductions import naive_modules, reductions
from inception_lens.rewrites.separable import dense_kernels, separable_kernels

SavingDirection = Literal["saved", "possible"]
"""`saved`: the network has the saving and is compared with its rewrite without it; `possible`: the other way."""


class SavingKind(msgspec.Struct, frozen=True):
    """A kind of saving."""

    name: str
    """The name that `--kind` takes."""
    title: str
    """A one-line description."""
    source: str
    """The paper and section that propose it."""
    without: Callable[[Graph], Plan] | None = None
    """Finds the sites that have the saving, and their replacement without it."""
    using: Callable[[Graph], Plan] | None = None
    """Finds the sites that lack the saving, and their replacement with it."""
    mode: Mode = "inference"
    """The mode of the graph to rewrite; training where the saving is a part that inference omits."""
    figures: tuple[str, ...] = ("params", "macs", "activation_bytes", "seconds")
    """The costs that tables show."""
    folds: bool = False
    """Whether weights are folded, so that both networks compute the same values."""
    places: bool = True
    """Whether tables list every site, or modules only."""

    def finders(self) -> dict[SavingDirection, Callable[[Graph], Plan]]:
        """The functions that find the sites, by direction."""
        found: dict[SavingDirection, Callable[[Graph], Plan] | None] = {"saved": self.without, "possible": self.using}
        return {direction: find for direction, find in found.items() if find}


KINDS = {
    kind.name: kind
    for kind in (
        SavingKind("reductions", "1x1 reductions before larger kernels", "arXiv 1409.4842, section 4", reductions),
        SavingKind(
            "naive", "1x1 reductions in modules and after their pools, without which the concatenations grow",
            "arXiv 1409.4842, Figure 2", naive_modules, places=False,
        ),
        SavingKind(
            "3x3-pairs", "two 3x3 in place of a 5x5", "arXiv 1512.00567, section 3.1", pairs_of_3x3, five_by_five
        ),
        SavingKind(
            "asymmetric", "1xn and nx1 in place of nxn", "arXiv 1512.00567, section 3.2",
            asymmetric_pairs, square_kernels,
        ),
        SavingKind(
            "grid", "a stride inside a module in place of a pool after it",
            "arXiv 1512.00567, section 5, Figures 9 and 10", strided_modules, pooled_modules,
            figures=("macs", "activation_bytes", "seconds"),
        ),
        SavingKind(
            "separable", "depthwise and 1x1 convolutions in place of one convolution",
            "arXiv 1610.02357, section 1.2", separable_kernels, dense_kernels,
        ),
        SavingKind(
            "global-pooling", "global average pooling in place of fully connected layers",
            "arXiv 1312.4400, section 3.2", pooled_heads, linear_heads,
        ),
        SavingKind(
            "aux-heads", "auxiliary heads dropped at inference", "arXiv 1409.4842, section 5",
            auxiliary_heads, mode="training",
        ),
        SavingKind(
            "batch-norm", "batch norm folded into the layer before it", "arXiv 1502.03167, section 3.1",
            using=folded_batch_norms, figures=("params", "buffers", "activation_bytes", "seconds"),
            folds=True, places=False,
        ),
    )
}  # fmt: skip
"""Every kind by name."""


def kinds_called(names: Sequence[str]) -> tuple[SavingKind, ...]:
    """The kinds with these names, or every kind for `all`.

    Raises:
        ConfigError: a name is unknown.
    """
    for name in names:
        if name not in KINDS and name != "all":
            raise ConfigError(f"`{name}` is not a kind of saving{suggest(name, [*KINDS, 'all'])}")
    return tuple(KINDS.values()) if "all" in names else tuple([KINDS[name] for name in dict.fromkeys(names)])
