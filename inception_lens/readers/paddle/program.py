"""A Paddle program: its tensors and its calls, whichever file they are from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

MAX_OPERATIONS = 100_000

PADDLE_DTYPES = {
    0: "bool", 1: "int16", 2: "int32", 3: "int64", 4: "float16", 5: "float32", 6: "float64", 20: "uint8", 21: "int8",
    22: "bfloat16", 23: "complex64", 24: "complex128", 32: "float8_e4m3fn", 33: "float8_e5m2",
}  # fmt: skip
"""PyTorch's names, by the numbers of `VarType.Type` in framework.proto."""

PaddleAttribute: TypeAlias = "str | int | float | list[int] | list[float] | list[str]"


class PaddleTensor(NamedTuple):
    """A declared tensor."""

    shape: tuple[int, ...] | None
    """-1 for a size that is known at run time; None where none is declared."""
    dtype: str
    weight: str = ""
    """Name of the parameter or statistic that it is."""


class PaddleOperation(NamedTuple):
    """A call."""

    type: str
    """Name of the operation, such as `conv2d`."""
    name: str
    """Path for the node."""
    inputs: Mapping[str, tuple[str, ...]]
    """Names of the tensors that it reads, by the role that the operation gives them."""
    outputs: tuple[str, ...]
    """Names of its tensors, the main one first."""
    attributes: Mapping[str, PaddleAttribute]


class PaddleProgram(NamedTuple):
    """The content of a file."""

    tensors: Mapping[str, PaddleTensor]
    operations: tuple[PaddleOperation, ...]
    """In the order of execution."""
    inputs: Mapping[str, str]
    """Names by which a caller gives the inputs, by that of the tensor."""
    outputs: tuple[str, ...]
