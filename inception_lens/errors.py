"""Every error that Inception Lens raises on purpose.

InceptionLensError
├── UnknownModelError     a model that is not in the catalogue, or a file that no reader handles
├── ConfigError           a config or an override with an invalid value
├── FormatError           a file that is not in its format, or a format that cannot express the network
├── GraphError            nodes that do not form a graph
│   └── ShapeError        tensor shapes that an operation cannot take
├── TraceError            a PyTorch model whose forward pass failed while it was traced
│   └── UnknownValueError a PyTorch model that reads a value which is unknown, such as one of its weights
├── WeightsError          weights that do not fit the network
├── DataError             images or labels that cannot be used for training
├── TrainingError         a run that cannot continue, or an invalid run folder
│   └── CheckpointError   a checkpoint that is damaged or of another network
├── OutputError           a result that could not be written
└── MissingExtraError     an optional dependency that is not installed

A message is one line: what was given, what is wrong and what would be right. The command line prints it and exits with
status 2; any other exception is a bug.
"""

import importlib
from collections.abc import Iterable
from types import ModuleType


class InceptionLensError(Exception):
    """Base of every error that this package raises on purpose."""


class UnknownModelError(InceptionLensError):
    """A model that is not in the catalogue, or a file that no reader handles."""


class ConfigError(InceptionLensError):
    """A config or an override with an invalid value."""

    def __init__(self, message: str, *, key: str = "") -> None:
        super().__init__(message)
        self.key = key
        """Path of the invalid key, such as `stem.kernel`; empty if unknown."""


class FormatError(InceptionLensError):
    """A file that is not in its format, or a format that cannot express the network."""

    def __init__(self, message: str, *, line: int = 0) -> None:
        super().__init__(message)
        self.line = line
        """Line of a text file, counted from 1; 0 if unknown."""


class GraphError(InceptionLensError):
    """Nodes that do not form a graph, for example if a name is used twice or an output does not exist."""


class ShapeError(GraphError):
    """Tensor shapes that an operation cannot take."""


class TraceError(InceptionLensError):
    """A PyTorch model whose forward pass failed while it was traced."""

    def __init__(self, message: str, *, graph: object = None) -> None:
        super().__init__(message)
        self.graph = graph
        """The graph of the calls before the failure; None if there is none."""


class UnknownValueError(TraceError):
    """A PyTorch model that reads a value which is unknown, such as one of its weights on the meta device."""


class WeightsError(InceptionLensError):
    """Weights that do not fit the network, for example if a tensor is missing or has another shape."""


class DataError(InceptionLensError):
    """Images or labels that cannot be used for training: missing, damaged, or of different numbers."""


class TrainingError(InceptionLensError):
    """A run that cannot continue, or an invalid run folder."""


class CheckpointError(TrainingError):
    """A checkpoint that is damaged or of another network."""


class OutputError(InceptionLensError):
    """A result that could not be written; an existing target is unchanged."""


class MissingExtraError(InceptionLensError):
    """An optional dependency that is not installed; the message contains the command that installs it."""


def require(module: str, *, extra: str) -> ModuleType:
    """Import `module`, which is in the extra `extra` of this package.

    Raises:
        MissingExtraError: the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise  # the module is installed, but a module that it imports is not
        raise MissingExtraError(
            f"this needs `{module}`, which is not installed: pip install 'inception-lens[{extra}]'"
        ) from error


MAX_SUGGESTED_LENGTH = 200
"""Characters of a name, given or known, for which similar names are searched."""


def suggest(word: str, known: Iterable[str]) -> str:
    """The end of an error message: the names in `known` that resemble `word`, or all of them if they are few."""
    import difflib  # slow to import, and needed only for an error

    known = list(known)
    # The search takes the product of two lengths, and a name that is longer than a line is of no help.
    by_lower = {name.lower(): name for name in known if max(len(word), len(name)) <= MAX_SUGGESTED_LENGTH}
    near = [by_lower[match] for match in difflib.get_close_matches(word.lower(), by_lower, n=3, cutoff=0.6)]
    if near:
        return f" (did you mean {' or '.join(f'`{name}`' for name in near)}?)"
    if 0 < len(known) <= 24:
        return f" (valid: {', '.join(known)})"
    return ""
