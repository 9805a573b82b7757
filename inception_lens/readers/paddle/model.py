"""Paddle's programs to a Graph: a ProgramDesc (.pdmodel) and the JSON of Paddle 3, without their weights.

Read: the operations in HANDLERS, with the semantics of Paddle's `phi/infermeta`; any other operation is an Unknown,
and so are loops and conditions, whose blocks are not read. Tensors that the program declares persistable are weights:
parameters, or, where a batch norm reads them, statistics. Weights are in other files, which are never opened.

Limits: MAX_FILE_SIZE for JSON, MAX_OPERATIONS, and those of the ONNX reader, whose handlers write the nodes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from inception_lens.errors import FormatError, suggest
from inception_lens.graph import Graph, Input, Metadata, Mode, Output
from inception_lens.ops import Shape, TensorType, format_shape
from inception_lens.readers.files import display_path, errors_in, errors_of, map_file, read_bytes
from inception_lens.readers.onnx.graph_builder import OnnxGraphBuilder
from inception_lens.readers.onnx.protos import common_dtype
from inception_lens.readers.onnx.values import OnnxValue
from inception_lens.readers.operators import unknown_operator
from inception_lens.readers.paddle.calls import PaddleCall, PaddleHandler
from inception_lens.readers.paddle.elementwise import ELEMENTWISE
from inception_lens.readers.paddle.fusion import fuse
from inception_lens.readers.paddle.pir import read_pir
from inception_lens.readers.paddle.program import PaddleOperation, PaddleProgram, PaddleTensor
from inception_lens.readers.paddle.program_desc import read_program_desc
from inception_lens.readers.paddle.reshaping import RESHAPING
from inception_lens.readers.paddle.windows import WINDOWS
from inception_lens.readers.tensors import MAX_ELEMENTS, check_shape

HANDLERS: dict[str, PaddleHandler] = {**ELEMENTWISE, **RESHAPING, **WINDOWS}
"""By the name of the operation."""

MAX_FILE_SIZE = 64_000_000
"""Bytes of a program in JSON; that of a ResNet-50 has 300,000."""


def read_pdmodel(path: str, inputs: Mapping[str, Shape] | Shape | None = None, mode: Mode = "inference") -> Graph:
    """Read a .pdmodel.

    Args:
        path: the file.
        inputs: shapes of inputs, by name or of the first one; a batch without a size is 1, and other sizes that the
            file leaves open must be given.
        mode: recorded in the graph; a saved program is that of an inference.

    Raises:
        FormatError: the file is not a program, Paddle would refuse it, or it leaves sizes open that are not given.
    """
    data = map_file(path, "a .pdmodel")
    with errors_in(path):
        return _graph(read_program_desc(data), path, inputs, mode)


def read_pir_json(path: str, inputs: Mapping[str, Shape] | Shape | None = None, mode: Mode = "inference") -> Graph:
    """Read a program of Paddle 3 in JSON; as `read_pdmodel`."""
    data = read_bytes(path, MAX_FILE_SIZE, "a Paddle program in JSON")
    with errors_in(path):
        return _graph(read_pir(data), path, inputs, mode)


def _graph(program: PaddleProgram, path: str, inputs: Mapping[str, Shape] | Shape | None, mode: Mode) -> Graph:
    program = fuse(program)
    types = _input_types(program, inputs)
    builder = OnnxGraphBuilder([Input(program.inputs[name], kind) for name, kind in types.items()], {}, True)
    values = {name: builder.value(program.inputs[name]) for name in types}
    stored = {name: _stored(tensor) for name, tensor in program.tensors.items() if tensor.weight}
    values |= stored
    reads = Counter(name for each in program.operations for names in each.inputs.values() for name in names)
    reads.update(program.outputs)
    for operation in program.operations:
        builder.steps.take()
        with errors_of(operation.name, operation.type):
            found = read_call(PaddleReading(builder, program, operation, values, reads))
        values.update(zip(operation.outputs, found, strict=False))
    outputs = program.outputs or tuple(name for each in program.operations for name in each.outputs if not reads[name])
    nodes = [builder.node(values[name]) for name in outputs if name in values]
    if not nodes:
        raise FormatError("has no output")
    name = Path(path).stem
    graph = builder.writer.graph(map(Output, dict.fromkeys(nodes)), mode, Metadata(name, display_path(path), "paddle"))
    return msgspec.structs.replace(graph, dtype=common_dtype(stored.values()))


def _stored(tensor: PaddleTensor) -> OnnxValue:
    """A parameter or a statistic."""
    shape = check_shape(tensor.weight, tensor.shape or ())
    return OnnxValue(TensorType(shape, tensor.dtype), weight=tensor.weight)


def _input_types(program: PaddleProgram, given: Mapping[str, Shape] | Shape | None) -> dict[str, TensorType]:
    """The types of the inputs that a call reads, by the name of the tensor."""
    read = {name for each in program.operations for names in each.inputs.values() for name in names}
    public = {program.inputs[name]: name for name in program.inputs if name in read}
    names = list(public)
    if not isinstance(given, Mapping):
        given = {"": given} if given is not None and names else {}
    shapes = {name or (names[0] if names else ""): shape for name, shape in given.items()}
    if unknown := sorted(set(shapes) - set(names)):
        raise FormatError(f"has no input `{unknown[0]}`{suggest(unknown[0], names)}")
    return {tensor: _input_type(name, program.tensors.get(tensor), shapes.get(name)) for name, tensor in public.items()}


def _input_type(name: str, tensor: PaddleTensor | None, given: Shape | None) -> TensorType:
    declared = tensor.shape if tensor is not None else None
    dtype = tensor.dtype if tensor is not None else "float32"
    if given is not None:
        shape = (1, *given) if declared is not None and len(given) == len(declared) - 1 > 1 else given
        if declared is not None and len(shape) != len(declared):
            raise FormatError(f"input `{name}` has {len(declared)} axes, not {len(shape)}: {format_shape(shape)}")
        return TensorType(shape, dtype)
    if declared is None or not all(size > 0 for size in declared[1:]):
        example = "x".join("1" if i == 0 else str(n) if n > 0 else "224" for i, n in enumerate(declared or (1,)))
        raise FormatError(f"input `{name}` has sizes that are not fixed: give them, --input {name}={example}")
    return TensorType((max(declared[0], 1), *declared[1:]) if declared else (), dtype)


class PaddleReading(NamedTuple):
    """A call of a program, and what is known when it is read."""

    builder: OnnxGraphBuilder
    program: PaddleProgram
    operation: PaddleOperation
    values: Mapping[str, OnnxValue]
    """The tensors so far."""
    reads: Counter[str]
    """How often each tensor is read."""


def read_call(reading: PaddleReading) -> list[OnnxValue]:
    """The outputs of a call."""
    builder, _, operation, values, reads = reading
    missing = OnnxValue(None)
    inputs = {role: tuple(values.get(name, missing) for name in names) for role, names in operation.inputs.items()}
    call = PaddleCall(builder, operation, inputs, reads[operation.outputs[0]] if operation.outputs else 0)
    handler = HANDLERS.get(operation.type)
    given = [value for role in inputs.values() for value in role]
    try:
        found = handler(call) if handler is not None and all(value.type for value in given) else None
    except (ValueError, IndexError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
        raise FormatError(f"its inputs or attributes are invalid: {str(error)[:80]}") from None
    if found is not None:
        return found
    declared = [_declared(reading, name) for name in operation.outputs] or [None]
    return unknown_operator(builder, operation.type, operation.name, given, declared)


def _declared(reading: PaddleReading, name: str) -> TensorType | None:
    """The type that the program declares for an output of an unknown call.

    A size of -1 is that of an input that is declared alike; otherwise it is unknown.
    """
    tensors = reading.program.tensors
    tensor = tensors.get(name)
    if tensor is None or tensor.shape is None:
        return None
    if all(0 < size <= MAX_ELEMENTS for size in tensor.shape):
        return TensorType(check_shape(name, tensor.shape), tensor.dtype)
    for each in (each for names in reading.operation.inputs.values() for each in names):
        other, value = tensors.get(each), reading.values.get(each)
        if other is not None and other.shape == tensor.shape and value is not None and value.type is not None:
            return TensorType(value.type.shape, tensor.dtype)
    return None
