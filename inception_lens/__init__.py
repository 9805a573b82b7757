"""Inception Lens: what an Inception-style network costs, layer by layer, and proofs of the claims made about it.

    >>> import inception_lens as il
    >>> il.analyze("googlenet@torchvision").totals.macs
    1498376192
    >>> il.load("googlenet", classes=10, width=0.5)
    <Graph 'googlenet' of input 1x3x224x224: 143 nodes, inference>

Models are catalogue names (`inception-lens list`), `.toml` configs, config objects and Graphs. Everything here is
imported when it is first used.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from inception_lens.analyses.analysis import Analysis
    from inception_lens.architectures.googlenet import GoogLeNet
    from inception_lens.errors import InceptionLensError
    from inception_lens.graph import Graph
    from inception_lens.lens import analyze, build, compare, diagram, load, load_weights

    # isort: split
    from inception_lens.lens import register, report, savings, summary

_HOMES = {
    "Analysis": "analyses.analysis",
    "GoogLeNet": "architectures.googlenet",
    "Graph": "graph",
    "InceptionLensError": "errors",
    "analyze": "lens",
    "build": "lens",
    "compare": "lens",
    "diagram": "lens",
    "load": "lens",
    "load_weights": "lens",
    "register": "lens",
    "report": "lens",
    "savings": "lens",
    "summary": "lens",
}

__all__ = [
    "Analysis", "GoogLeNet", "Graph", "InceptionLensError", "__version__", "analyze", "build", "compare", "diagram",
    "load", "load_weights", "register", "report", "savings", "summary",
]  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module `inception_lens` has no attribute `{name}`")
    import importlib

    return getattr(importlib.import_module(f"inception_lens.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
