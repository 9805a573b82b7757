"""The initializers of an ONNX file, listed by their descriptions.

Field numbers are those of onnx.proto. Data in other files (`external_data`) are never opened.
"""

from typing import NamedTuple

from inception_lens.errors import FormatError
from inception_lens.ops import Shape
from inception_lens.readers import wire_format as wire
from inception_lens.readers.files import errors_in, map_file
from inception_lens.readers.onnx.dtypes import ONNX_DTYPES
from inception_lens.readers.tensors import Array, WeightFile, WeightTensor, byte_size, check_shape, to_array

MODEL_GRAPH, GRAPH_INITIALIZER = 7, 5
TENSOR_DIMS, TENSOR_TYPE, TENSOR_NAME, TENSOR_RAW, TENSOR_LOCATION = 1, 2, 8, 9, 14


class _Initializer(NamedTuple):
    """A tensor, and the first and last position of its raw data; None where the file has none."""

    tensor: WeightTensor
    raw_data: tuple[int, int] | None


def read_onnx_weights(path: str) -> WeightFile:
    """List the initializers of an ONNX model; only those stored as `raw_data`, as all exporters do, can be read.

    Raises:
        FormatError: the file is not an ONNX model, or has no initializers.
    """
    data = map_file(path, "an ONNX model")
    with errors_in(path):
        found = _list_initializers(data)
        if not found:
            raise FormatError("is not an ONNX model with initializers")

    def read(tensor: WeightTensor) -> Array:
        place = found[tensor.name].raw_data
        with errors_in(path):
            if place is None:
                raise FormatError(f"the data of `{tensor.name}` are not stored in this file, or not as raw_data")
            return to_array(data[slice(*place)], tensor.dtype, tensor.shape)

    return WeightFile(path, "onnx", tuple(each.tensor for each in found.values()), read)


def _list_initializers(data: memoryview) -> dict[str, _Initializer]:
    """The initializers of a model's graph, by name."""
    found: dict[str, _Initializer] = {}
    for graph in wire.file_fields(data):
        if graph.number == MODEL_GRAPH and graph.kind == wire.BYTES:
            for field in wire.message_fields(data, graph.start, graph.end):
                if field.number == GRAPH_INITIALIZER and field.kind == wire.BYTES:
                    initializer = _initializer(data, field)
                    found[initializer.tensor.name] = initializer
    return found


def _initializer(data: memoryview, message: wire.WireField) -> _Initializer:
    """One TensorProto."""
    name, dims, number = "", [], 0
    raw_data: tuple[int, int] | None = None
    external = False
    for field in wire.message_fields(data, message.start, message.end):
        if field.number == TENSOR_DIMS:
            dims += wire.decode_sizes(data, field)
        elif field.number == TENSOR_TYPE and field.kind == wire.VARINT:
            number = field.value
        elif field.number == TENSOR_NAME:
            name = wire.decode_text(data, field)
        elif field.number == TENSOR_RAW and field.kind == wire.BYTES:
            raw_data = field.start, field.end
        elif field.number == TENSOR_LOCATION:
            external = bool(field.value)
    shape: Shape = check_shape(name, tuple(dims))
    dtype = ONNX_DTYPES.get(number, f"type {number}")
    note = "data in another file, which is not read" if external else ""
    tensor = WeightTensor(name, shape, dtype, byte_size(shape, dtype), note)
    return _Initializer(tensor, None if external else raw_data)
