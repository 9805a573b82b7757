"""Why what a caller gives as a model is not one, in one line that states what to do."""

from __future__ import annotations

import ast
import os
import reprlib
import sys
import warnings
from collections.abc import Mapping

from inception_lens.architectures import catalogue
from inception_lens.errors import suggest
from inception_lens.lens.files import MODEL_SUFFIXES
from inception_lens.readers.files import read_bytes
from inception_lens.readers.formats import FileFormat

MAX_CODE_BYTES = 10_000_000

CONVERSIONS = {
    FileFormat.TFLITE: ": convert it to ONNX: `python -m tf2onnx.convert --tflite net.tflite --output net.onnx`",
    FileFormat.GRAPH_DEF_TEXT: ": write it in binary form, as a .pb",
}
"""How a file of a format that is not read becomes one that is."""

MAX_LISTED = 8
"""Definitions of a Python file that a message lists."""


def not_a_model(given: object) -> str:
    """Why an object is not a model."""
    if isinstance(given, type):
        return f"you passed the class `{given.__name__}`; write `{given.__name__}()`"
    if isinstance(given, Mapping):
        return (
            f"a dictionary of {len(given)} entries is not a model: a state_dict holds weights and not the network; "
            "create the module and call its `load_state_dict`"
        )
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(getattr(given, "__self__", None), torch.nn.Module):
        return f"you passed the method `{getattr(given, '__name__', '')}` of a module; give the module itself"
    shown = " ".join(reprlib.repr(given).split())
    return f"`{shown}` is not a model: give a name of the catalogue, a path, a config, a Graph or a PyTorch module"


def not_a_file(path: str, found: FileFormat | None) -> str:
    """Why a path is not a model; `found` is the format of the file, if it exists and its format is known."""
    if path.endswith(".py"):
        return _python_file(path) if os.path.exists(path) else f"`{path}`: No such file or directory"
    if found is not None:
        from inception_lens.readers.weights.files import READERS as WEIGHT_READERS

        if found not in WEIGHT_READERS:
            return f"`{path}` is {found.value}, which is not read as a network{CONVERSIONS.get(found, '')}"
        return (
            f"`{path}` is {found.value} and not read as a network, since such files hold weights: give what creates "
            f"the module, as in net.py:Net, and the file with --weights; `weights FILE --into MODEL` converts it"
        )
    kinds = ", ".join((".toml", *MODEL_SUFFIXES))
    nearest = suggest(path, catalogue.names())
    return f"`{path}` is not a file that can be read ({kinds}) and not a name of the catalogue{nearest}"


def _python_file(path: str) -> str:
    """What a Python file defines, which is read and not run.

    Raises:
        FormatError: it cannot be read, or is not a regular file.
    """
    code = read_bytes(path, MAX_CODE_BYTES, "Python code", may_be_empty=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its own, such as an invalid escape sequence
            body = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"`{path}` is not Python code: {error}"
    kinds = (ast.ClassDef, ast.FunctionDef)
    defined = [each for each in body if isinstance(each, kinds) and not each.name.startswith("_")]
    defined.sort(key=_is_module, reverse=True)
    if not defined:
        return f"`{path}` is code that defines no class and no function: a model is `{path}:NAME` of one"
    names = [each.name for each in defined]
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    listed = ", ".join(names[:MAX_LISTED])
    return f"`{path}` is code: name what creates the module, such as {path}:{names[0]}; it defines {listed}{more}"


def _is_module(defined: ast.ClassDef | ast.FunctionDef) -> bool:
    return isinstance(defined, ast.ClassDef) and any("Module" in ast.unparse(base) for base in defined.bases)
