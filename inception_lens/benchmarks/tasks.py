"""Tasks of Inception Lens on a network of its catalogue, from the config to the result, without PyTorch."""

from __future__ import annotations

from collections.abc import Callable

from inception_lens.benchmarks.graphs import GraphPair

ANALYSIS = "Inception Lens, analysis"


def _analysis(pair: GraphPair) -> int:
    from inception_lens.analyses.analysis import analyze

    return analyze(pair.graph()).totals.macs


def _savings(pair: GraphPair) -> None:
    from inception_lens.analyses.machines import machine
    from inception_lens.analyses.savings.kinds import kinds_called
    from inception_lens.analyses.savings.network import DEFAULT_KINDS, savings

    savings({"inference": pair.graph()}, kinds_called(DEFAULT_KINDS), machine()).to_builtins()


def _comparison(pair: GraphPair) -> None:
    from inception_lens.analyses.compare.comparison import compare

    compare(pair.graph(), pair.other())


def _diagram(pair: GraphPair) -> None:
    from inception_lens.renderers.diagrams.diagram import diagram

    diagram(pair.graph(), level="network").draw("svg")


TASKS: dict[str, Callable[[GraphPair], int | None]] = {
    ANALYSIS: _analysis,
    "Inception Lens, savings": _savings,
    "Inception Lens, comparison": _comparison,
    "Inception Lens, diagram": _diagram,
}
"""The tasks by their names in the report; only the first returns MACs."""
