"""The front door: a model as its Graph, and what is done with it. Every name is imported on first use."""

from typing import TYPE_CHECKING

__all__ = [
    "Source",
    "analyze",
    "build",
    "compare",
    "diagram",
    "load",
    "load_weights",
    "register",
    "report",
    "runs_code",
    "savings",
    "source_of",
    "summary",
]

if TYPE_CHECKING:
    from inception_lens.lens.building import build, load_weights, register
    from inception_lens.lens.comparing import compare, savings
    from inception_lens.lens.drawing import diagram, report
    from inception_lens.lens.loading import analyze, load, summary
    from inception_lens.lens.resolution import runs_code, source_of
    from inception_lens.lens.source import Source
else:
    _HOMES = {
        "building": ("build", "load_weights", "register"),
        "comparing": ("compare", "savings"),
        "drawing": ("diagram", "report"),
        "loading": ("analyze", "load", "summary"),
        "resolution": ("runs_code", "source_of"),
        "source": ("Source",),
    }

    def __getattr__(name):
        import importlib

        for home, names in _HOMES.items():
            if name in names:
                found = globals()[name] = getattr(importlib.import_module(f"{__name__}.{home}"), name)
                return found
        raise AttributeError(f"module `{__name__}` has no attribute `{name}`")
