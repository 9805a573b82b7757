"""The program of Paddle 3 in JSON (PIR), whose calls have numbered values in the order of their arguments."""

from __future__ import annotations

import msgspec

from inception_lens.errors import FormatError
from inception_lens.readers.files import JSON_ERRORS
from inception_lens.readers.paddle.program import (
    MAX_OPERATIONS,
    PaddleAttribute,
    PaddleOperation,
    PaddleProgram,
    PaddleTensor,
)
from inception_lens.readers.tensors import MAX_AXES

PIR_DTYPES = {
    "bool": "bool", "f16": "float16", "bf16": "bfloat16", "f32": "float32", "f64": "float64", "i8": "int8",
    "ui8": "uint8", "i16": "int16", "i32": "int32", "i64": "int64", "c64": "complex64", "c128": "complex128",
}  # fmt: skip
"""By the names of PIR's types, which start with `0.t_`."""

ROLES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("conv2d", "conv3d", "depthwise_conv2d"), ("Input", "Filter")),
    **dict.fromkeys(
        ("conv2d_transpose", "conv3d_transpose", "depthwise_conv2d_transpose"), ("Input", "Filter", "output_size")
    ),
    **dict.fromkeys(("group_norm", "instance_norm", "layer_norm"), ("X", "Scale", "Bias")),
    **dict.fromkeys(("max", "mean", "min", "prod", "sum", "argmax", "argmin", "split_with_num"), ("X", "axis")),
    **dict.fromkeys(("squeeze", "unsqueeze"), ("X", "axes")),
    **dict.fromkeys(("pool2d", "pool3d"), ("X", "ksize")),
    **dict.fromkeys(
        ("bicubic_interp", "bilinear_interp", "linear_interp", "nearest_interp", "trilinear_interp"),
        ("X", "OutSize", "SizeTensor", "Scale"),
    ),
    **dict.fromkeys(("batch_norm", "sync_batch_norm"), ("X", "Mean", "Variance", "Scale", "Bias")),
    "clip": ("X", "min", "max"),
    "concat": ("X", "axis"),
    "dropout": ("X", "Seed", "dropout_prob"),
    "embedding": ("Ids", "W"),
    "expand": ("X", "shape"),
    "gather": ("X", "Index", "axis"),
    "pad": ("X", "pad_value"),
    "pad3d": ("X", "paddings"),
    "prelu": ("X", "Alpha"),
    "reshape": ("X", "shape"),
    "scale": ("X", "scale"),
    "slice": ("X", "starts", "ends"),
    "split": ("X", "sections", "axis"),
    "strided_slice": ("X", "starts", "ends", "strides"),
    "tile": ("X", "repeat_times"),
    "topk": ("X", "k"),
    "where": ("Condition", "X", "Y"),
}
"""Roles of arguments; those that an attribute of the older programs held have its name."""


class PirValue(msgspec.Struct):
    """A value that a call reads or returns."""

    id: int = msgspec.field(name="%")
    type: PirType | None = msgspec.field(name="TT", default=None)


class PirType(msgspec.Struct):
    """The type of a value: `0.t_dtensor` with a dtype and sizes, or a list of types."""

    kind: str = msgspec.field(name="#", default="")
    content: object = msgspec.field(name="D", default=None)


class PirOperation(msgspec.Struct):
    """A call, or `p` for a parameter."""

    kind: str = msgspec.field(name="#")
    attributes: list[object] = msgspec.field(name="A", default_factory=list)
    inputs: list[PirValue] = msgspec.field(name="I", default_factory=list)
    outputs: list[PirValue] | PirValue = msgspec.field(name="O", default_factory=list)


class PirBlock(msgspec.Struct):
    """Calls in the order of execution."""

    ops: list[PirOperation]


class PirRegion(msgspec.Struct):
    """Blocks of a function."""

    blocks: list[PirBlock]


class PirProgram(msgspec.Struct):
    """The regions of a program."""

    regions: list[PirRegion]


class PirFile(msgspec.Struct):
    """The content of a file."""

    program: PirProgram


def read_pir(data: bytes) -> PaddleProgram:
    """Read the first block of a program.

    Raises:
        FormatError: it is not JSON of this form, or has more than MAX_OPERATIONS calls.
    """
    try:
        file = msgspec.json.decode(data, type=PirFile)
    except (*JSON_ERRORS, RecursionError) as error:
        raise FormatError(f"is not a Paddle program in JSON: {str(error)[:100]}") from None
    if not file.program.regions or not file.program.regions[0].blocks:
        raise FormatError("is not a Paddle program: it has no block")
    return _PirReader(file.program.regions[0].blocks[0].ops).program()


class _PirReader:
    def __init__(self, operations: list[PirOperation]) -> None:
        if len(operations) > MAX_OPERATIONS:
            raise FormatError(f"more than {MAX_OPERATIONS:,} operations")
        self.operations = operations
        self.tensors: dict[str, PaddleTensor] = {}
        self.lists: dict[int, tuple[str, ...]] = {}
        """The tensors of each list: those that `combine` joins, or into which `split` takes it apart."""
        for each in operations:
            if each.kind == "0.split" and each.inputs:
                self.lists[each.inputs[0].id] = tuple(_name(value) for value in _values(each))

    def program(self) -> PaddleProgram:
        """The whole program."""
        found: list[PaddleOperation] = []
        inputs: dict[str, str] = {}
        outputs: list[str] = []
        for each in self.operations:
            values = [_name(value) for value in _values(each)]
            self.tensors |= {_name(value): _tensor(value.type) for value in _values(each)}
            match each.kind.removesuffix("_"):
                case "p":
                    weight = str(each.attributes[-1]) if each.attributes else ""
                    self.tensors |= {name: self.tensors[name]._replace(weight=weight) for name in values}
                case "0.combine":
                    self.lists |= {value.id: tuple(map(_name, each.inputs)) for value in _values(each)}
                case "1.data" | "1.feed":
                    given = dict(map(_attribute, each.attributes)).get("name", "")
                    inputs |= {name: str(given or name) for name in values}
                case "1.fetch" | "0.shadow_output":
                    outputs += map(_name, each.inputs)
                case "0.split":
                    pass
                case kind:
                    found.append(self.call(each, kind.partition(".")[2]))
        if not found:
            raise FormatError("is not a Paddle program: it has no operations")
        return PaddleProgram(self.tensors, tuple(found), inputs, tuple(outputs))

    def call(self, operation: PirOperation, kind: str) -> PaddleOperation:
        """A call with its arguments by role; `0` is one that is left out."""
        roles = ROLES.get(kind, ("X", "Y"))
        roles += tuple(f"argument {i}" for i in range(len(roles), len(operation.inputs)))
        inputs = {
            role: self.lists.get(value.id, (_name(value),))
            for role, value in zip(roles, operation.inputs, strict=False)
            if value.id
        }
        outputs = [name for value in _values(operation) for name in self.lists.get(value.id, (_name(value),))]
        attributes = dict(map(_attribute, operation.attributes))
        path = str(attributes.get("struct_name", "")).strip("/")
        return PaddleOperation(kind, f"{path}/{kind}" if path else kind, inputs, tuple(outputs), attributes)


def _values(operation: PirOperation) -> list[PirValue]:
    return operation.outputs if isinstance(operation.outputs, list) else [operation.outputs]


def _name(value: PirValue) -> str:
    return str(value.id)


def _tensor(kind: PirType | None) -> PaddleTensor:
    """The tensor of a type; of unknown shape for lists of tensors."""
    match kind.content if kind is not None and kind.kind == "0.t_dtensor" else None:
        case [{"#": str(dtype)}, [*sizes], *_]:
            shape = tuple(size for size in sizes if isinstance(size, int))
            if len(shape) == len(sizes) <= MAX_AXES:
                return PaddleTensor(shape, PIR_DTYPES.get(dtype.removeprefix("0.t_"), "float32"))
    return PaddleTensor(None, "float32")


def _attribute(attribute: object) -> tuple[str, PaddleAttribute]:
    """The name and the value of an attribute; its values have their own types."""
    match attribute:
        case {"N": str(name), "AT": {"D": str() | int() | float() as value}}:
            return name, value
        case {"N": str(name), "AT": {"D": [*values]}}:
            found = [each["D"] if isinstance(each, dict) and "D" in each else each for each in values]
            integers = [each for each in found if isinstance(each, int)]
            floats = [float(each) for each in found if isinstance(each, int | float)]
            if len(integers) == len(found):
                return name, integers
            return name, floats if len(floats) == len(found) else [str(each) for each in found]
        case {"N": str(name)}:
            return name, ""
    return "", ""
