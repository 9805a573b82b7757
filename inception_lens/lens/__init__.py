"""The front door: a model as its Graph, and what is done with it."""

from inception_lens.lens.building import build, load_weights, register
from inception_lens.lens.comparing import compare, savings
from inception_lens.lens.drawing import diagram, report
from inception_lens.lens.loading import analyze, load, summary
from inception_lens.lens.notebook import show_results
from inception_lens.lens.source import Source, runs_code

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
    "summary",
]

show_results()
