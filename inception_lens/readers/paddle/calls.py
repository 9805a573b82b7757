"""Calls of a Paddle program while it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import NamedTuple

import msgspec

from inception_lens.errors import FormatError
from inception_lens.ops import Op, TensorType
from inception_lens.readers.attributes import integer_of, number_of, text_of
from inception_lens.readers.onnx.graph_builder import OnnxGraphBuilder
from inception_lens.readers.onnx.values import Attribute, OnnxValue, decimal
from inception_lens.readers.operators import call_operator
from inception_lens.readers.paddle.program import PADDLE_DTYPES, PaddleOperation


class PaddleCall(NamedTuple):
    """A call with its inputs.

    The accessors of attributes return a default for a missing one, and raise a FormatError for one of another type.
    """

    builder: OnnxGraphBuilder
    operation: PaddleOperation
    inputs: Mapping[str, tuple[OnnxValue, ...]]
    """By role."""
    reads: int
    """How often the first output is read."""

    @property
    def name(self) -> str:
        """Path for the node."""
        return self.operation.name

    def given(self, *roles: str) -> tuple[OnnxValue, ...]:
        """The tensors in the first of the roles that has any."""
        return next((self.inputs[role] for role in roles if self.inputs.get(role)), ())

    def input(self, *roles: str) -> OnnxValue:
        """The tensor in the first of the roles that has one.

        Raises:
            FormatError: none has.
        """
        found = self.given(*roles)
        if not found:
            raise FormatError(f"input `{roles[0]}` is missing")
        return found[0]

    def integer(self, name: str, default: int) -> int:
        """An integer or a truth value."""
        return integer_of(self.operation.attributes, name, default)

    def number(self, name: str, default: float) -> float:
        """A floating-point number, which a known tensor in a role of this name may hold."""
        found = self.given(name)
        if found and found[0].scalar is not None:
            return decimal(found[0].scalar)
        return decimal(number_of(self.operation.attributes, name, default))

    def text(self, name: str, default: str) -> str:
        """A text."""
        return text_of(self.operation.attributes, name, default)

    def dtype(self, name: str) -> str:
        """PyTorch's name of a data type, which is a number or a name; float32 where it is unknown."""
        value = self.operation.attributes.get(name)
        return value if isinstance(value, str) else PADDLE_DTYPES.get(self.integer(name, 5), "float32")

    def integers(self, name: str, *roles: str) -> list[int] | None:
        """Integers in one of the roles, in a role of this name, or in the attribute; a single one is a list too.

        None where they are known only at run time, and an empty list where there are none.
        """
        found = self.given(*roles, name)
        if found:
            arrays = [value.array for value in found if value.array is not None]
            if len(arrays) < len(found):
                return None
            return [int(each) for array in arrays for each in array.reshape(-1)]
        value = self.operation.attributes.get(name, [])
        values = [value] if isinstance(value, int | float) else value
        numbers = [int(each) for each in values if isinstance(each, int | float)] if isinstance(values, list) else []
        if len(numbers) < len(values):
            raise FormatError(f"attribute `{name}` is not a list of integers")
        return numbers

    def run(
        self,
        op: str,
        *inputs: OnnxValue | None,
        suffix: str = "",
        outputs: int = 1,
        reads: int = 2,
        more: Mapping[str, Attribute] | None = None,
        **attributes: Attribute,
    ) -> list[OnnxValue]:
        """The outputs of an operator of ONNX with `attributes` and `more`.

        Its nodes are called like this call or `<name>/<suffix>`.
        """
        name = f"{self.name}/{suffix}" if suffix else self.name
        return call_operator(
            self.builder, op, name, inputs, {**attributes, **(more or {})}, outputs=outputs, reads=reads
        )

    def add(self, op: Op, *inputs: OnnxValue) -> list[OnnxValue]:
        """The output of a new node."""
        return [self.builder.add(self.name, op, *self.builder.nodes(inputs))]

    def move(self, x: OnnxValue, order: Sequence[int], suffix: str) -> OnnxValue:
        """A tensor with its axes in another order."""
        return self.run("Transpose", x, suffix=suffix, perm=list(order))[0]

    def vector(self, x: OnnxValue) -> OnnxValue:
        """A tensor of one axis; a weight stays a weight."""
        if x.is_weight:
            return msgspec.structs.replace(x, type=TensorType((prod(x.shape),), x.dtype), array=None)
        return self.run("Reshape", x, suffix="vector", shape=[prod(x.shape)])[0]


PaddleHandler = Callable[[PaddleCall], "list[OnnxValue] | None"]
"""Writes the nodes of a call and returns its outputs; None where they are known only at run time."""
