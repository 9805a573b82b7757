"""Two models compared, and a model compared with its rewrites."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Unpack

from inception_lens.analyses import machines
from inception_lens.graph import Graph, Inputs, Mode
from inception_lens.lens.keys import Keys
from inception_lens.lens.notebook import show_as_table
from inception_lens.lens.resolution import source_of

if TYPE_CHECKING:
    from inception_lens.analyses.analysis import Analysis
    from inception_lens.analyses.compare.records import Comparison
    from inception_lens.analyses.savings.network import Savings
    from inception_lens.lens.resolution import Model


def compare(
    a: Model,
    b: Model,
    inputs: Inputs | None = None,
    *,
    mode: Mode | None = None,
    batch: int | None = None,
    dtype: str | None = None,
    overrides_a: Mapping[str, object] | None = None,
    overrides_b: Mapping[str, object] | None = None,
) -> Comparison:
    """Compare two networks by their structure, and their auxiliary heads; every delta is `b` minus `a`.

    >>> comparison = compare("googlenet", "googlenet", overrides_b={"inception_3a/5x5_reduce": 24})
    >>> [(change.a, change.params) for change in comparison.changes if change.params]
    [('inception_3a/5x5_reduce', 1544), ('inception_3a/5x5', 6400)]

    `overrides_a` and `overrides_b` are changes to the config of each network, top-level keys included; the other
    arguments are those of `load`, for both networks. Without `mode` it is that of the first Graph among the two, or
    inference. In inference mode the auxiliary heads are compared apart; in training mode they are part of the networks.

    Raises:
        InceptionLensError: as `load` does.
    """
    sources = source_of(a, overrides_a), source_of(b, overrides_b)
    pair_a, pair_b = (source.both_modes(inputs, batch=batch, dtype=dtype) for source in sources)
    return compare_modes(pair_a, pair_b, mode or sources[0].own_mode or sources[1].own_mode or "inference")


def compare_modes(
    a: tuple[Graph | Analysis, Graph | Analysis], b: tuple[Graph | Analysis, Graph | Analysis], mode: Mode
) -> Comparison:
    """Compare two networks in a mode; each is given in inference and in training mode."""
    from inception_lens.analyses.compare.comparison import compare as compare_graphs
    from inception_lens.analyses.compare.records import Comparison
    from inception_lens.tables.compare.comparison import compare_table

    show_as_table(Comparison, compare_table)
    if mode == "training":
        return compare_graphs(a[1], b[1])
    return compare_graphs(a[0], b[0], (a[1], b[1]))


def savings(
    model: Model,
    inputs: Inputs | None = None,
    *,
    mode: Mode | None = None,
    batch: int | None = None,
    dtype: str | None = None,
    overrides: Mapping[str, object] | None = None,
    weights: str | os.PathLike[str] | None = None,
    kinds: Sequence[str] = ("reductions", "naive"),
    machine: str = machines.DEFAULT,
    **keys: Unpack[Keys],
) -> Savings:
    """Count what a network saves by its 1x1 reductions, or by other savings of its family.

    >>> found = savings("googlenet", kinds=["reductions"]).of("reductions")
    >>> len(found.sites), found.network.totals.params, found.rewritten.totals.params
    (19, 6998552, 25301784)

    `kinds` are names of `analyses.savings.kinds`, or `all` alone; `machine`, a name of `analyses.machines` or
    `name:dtype`, is the machine of the roofline times. The other arguments are those of `load`. In training mode the
    auxiliary heads are part of the network; the costs are those of the forward pass in either mode.

    Raises:
        ConfigError: a kind or the machine is unknown.
        InceptionLensError: as `load` does, or the network cannot be rewritten.
    """
    from inception_lens.analyses.savings import kinds as savings_kinds
    from inception_lens.analyses.savings.network import Savings
    from inception_lens.analyses.savings.network import savings as count
    from inception_lens.tables.savings.network import savings_table

    show_as_table(Savings, savings_table)
    chosen = savings_kinds.kinds_called(kinds)
    source = source_of(model, {**(overrides or {}), **keys}, weights)
    graphs: dict[Mode, Graph] = {"inference": source.graph(mode, inputs, batch=batch, dtype=dtype)}
    if any(kind.mode == "training" for kind in chosen):
        graphs["training"] = source.graph("training", inputs, batch=batch, dtype=dtype)
    return count(graphs, chosen, machines.machine(machine))
