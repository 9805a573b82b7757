"""The front door: anything that describes a network, to its Graph, and what is done with it."""

from inception_lens.lens.actions import (
    analyze,
    build,
    compare,
    diagram,
    load_weights,
    register,
    report,
    report_with,
    savings,
    savings_with,
    summary,
)
from inception_lens.lens.configs import Configured, configure
from inception_lens.lens.files import is_file
from inception_lens.lens.inputs import Inputs, unnamed
from inception_lens.lens.loading import CALLABLE, Model, both_modes, is_pytorch, load, load_with

__all__ = [
    "CALLABLE",
    "Configured",
    "Inputs",
    "Model",
    "analyze",
    "both_modes",
    "build",
    "compare",
    "configure",
    "diagram",
    "is_file",
    "is_pytorch",
    "load",
    "load_weights",
    "load_with",
    "register",
    "report",
    "report_with",
    "savings",
    "savings_with",
    "summary",
    "unnamed",
]
