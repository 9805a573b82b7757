"""Inception Lens: the exact cost of networks, layer by layer, and proofs of the claims made about them.

    >>> import inception_lens as il
    >>> il.analyze("googlenet@torchvision").totals.macs
    1498376192
    >>> il.load("googlenet", classes=10, width=0.5)
    <Graph 'googlenet' of input 1x3x224x224: 143 nodes, inference>

`inception_lens.load` documents what a model can be. Every name is imported on first use.
"""

from typing import TYPE_CHECKING

from inception_lens.version import __version__

__all__ = [
    "Analysis", "GoogLeNet", "Graph", "InceptionLensError", "__version__", "analyze", "build", "compare", "diagram",
    "load", "load_weights", "register", "report", "savings", "summary",
]  # fmt: skip

if TYPE_CHECKING:
    from inception_lens.analyses.analysis import Analysis
    from inception_lens.architectures.googlenet import GoogLeNet
    from inception_lens.errors import InceptionLensError
    from inception_lens.graph import Graph
    from inception_lens.lens import (
        analyze,
        build,
        compare,
        diagram,
        load,
        load_weights,
        register,
        report,
        savings,
        summary,
    )
else:
    _HOMES = {
        "Analysis": "analyses.analysis",
        "GoogLeNet": "architectures.googlenet",
        "Graph": "graph",
        "InceptionLensError": "errors",
    }

    def __getattr__(name):
        if name not in __all__:
            raise AttributeError(f"module `inception_lens` has no attribute `{name}`")
        import importlib

        # What results show in a notebook is attached to their classes by this module.
        importlib.import_module("inception_lens.lens.notebook").show_results()
        home = importlib.import_module(f"inception_lens.{_HOMES.get(name, 'lens')}")
        found = globals()[name] = getattr(home, name)
        return found

    def __dir__():
        return __all__
