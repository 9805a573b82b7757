"""Every error that Inception Lens raises on purpose.

InceptionLensError
├── UnknownModelError     a model name that the catalogue does not hold
├── ConfigError           a config or an override that says something impossible
├── FormatError           a file that is not what its kind says, or of a kind that cannot hold the network
├── GraphError            nodes that do not make a graph
│   └── ShapeError        tensor shapes that an operation cannot take
├── TraceError            a PyTorch model whose forward pass could not be followed to its end
├── WeightsError          weights that a network cannot take
├── DataError             images or labels that cannot be trained on
├── TrainingError         a run that cannot go on, or a run folder that is not what it should be
│   └── CheckpointError   a saved state that is damaged or of another network
├── OutputError           a result that could not be written
└── MissingExtraError     an optional dependency that is not installed

A message is one line that names where, what was seen and what would be right. The command line prints it and exits
with 2; anything else that escapes is a bug.
"""

import importlib
from collections.abc import Iterable
from types import ModuleType


class InceptionLensError(Exception):
    """Base of every error that this package raises on purpose."""


class UnknownModelError(InceptionLensError):
    """A model name that the catalogue does not hold, or a file of a kind that no reader knows."""


class ConfigError(InceptionLensError):
    """A config or an override that says something impossible; `key` is the path of the key that does, where known."""

    def __init__(self, message: str, *, key: str = "") -> None:
        super().__init__(message)
        self.key = key


class FormatError(InceptionLensError):
    """A file that is not what its kind says, or a network that a kind of file cannot hold.

    `line` is where in a text file, where known.
    """

    def __init__(self, message: str, *, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


class GraphError(InceptionLensError):
    """Nodes that do not make a graph: a name used twice, an input that comes later, an output that is not there."""


class ShapeError(GraphError):
    """Tensor shapes that an operation cannot take."""


class TraceError(InceptionLensError):
    """A PyTorch model whose forward pass could not be followed to its end; `graph` is the part before, if any."""

    def __init__(self, message: str, *, graph: object = None) -> None:
        super().__init__(message)
        self.graph = graph


class WeightsError(InceptionLensError):
    """Weights that a network cannot take: a file of something else, a tensor without a place, one that is missing."""


class DataError(InceptionLensError):
    """Images or labels that cannot be trained on: not there, broken, or of another number than they should be."""


class TrainingError(InceptionLensError):
    """A run that cannot go on, or a run folder that is not what it should be."""


class CheckpointError(TrainingError):
    """A saved state that is damaged, or of another network."""


class OutputError(InceptionLensError):
    """A result that could not be written; whatever was at the target before is still there."""


class MissingExtraError(InceptionLensError):
    """An optional dependency that is not installed; the message is the line that installs it."""


def require(module: str, *, extra: str) -> ModuleType:
    """Import `module`, which the extra `extra` of this package installs.

    Raises:
        MissingExtraError: the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise  # it is there, and what it needs itself is not
        raise MissingExtraError(
            f"this needs `{module}`, which is not installed: pip install 'inception-lens[{extra}]'"
        ) from error


def suggest(word: str, known: Iterable[str]) -> str:
    """Return ` (did you mean ...?)` with the nearest of `known`, or all of them when none is near and they are few."""
    import difflib  # slow to import, and needed only once something is wrong

    known = list(known)
    by_lower = {name.lower(): name for name in known}
    near = [by_lower[match] for match in difflib.get_close_matches(word.lower(), by_lower, n=3, cutoff=0.6)]
    if near:
        return f" (did you mean {' or '.join(f'`{name}`' for name in near)}?)"
    if 0 < len(known) <= 24:
        return f" (valid: {', '.join(known)})"
    return ""
