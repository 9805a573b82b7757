"""Safetensors files: a JSON header with names, dtypes, shapes and offsets, followed by the data.

Source: huggingface.co/docs/safetensors, "Format". The `safetensors` package checks and lists the file. The data are
read here, because with NumPy the package reads neither bfloat16 nor float8.
"""

import re
from math import prod

import msgspec

from inception_lens.errors import FormatError, require
from inception_lens.readers.files import check_file, errors_in, map_file
from inception_lens.readers.tensors import Array, WeightFile, WeightTensor, to_array

KIND = "a .safetensors file"

DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
    "C64": "complex64", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
}  # fmt: skip
"""Dtypes of the header by PyTorch's names; others keep their own."""


class _HeaderEntry(msgspec.Struct):
    """A tensor in the header."""

    data_offsets: tuple[int, int]


def read_safetensors(path: str) -> WeightFile:
    """List the tensors of a .safetensors file.

    Raises:
        FormatError: the file is damaged or of another kind.
        MissingExtraError: safetensors or NumPy is not installed.
    """
    check_file(path, KIND)
    safetensors = require("safetensors", extra="weights")
    require("numpy", extra="weights")
    with errors_in(path):
        try:
            with safetensors.safe_open(path, framework="numpy") as file:
                slices = [(name, file.get_slice(name)) for name in file.keys()]  # noqa: SIM118  (not a mapping)
                tensors = tuple(_tensor(name, each.get_shape(), each.get_dtype()) for name, each in slices)
        except (OSError, safetensors.SafetensorError) as error:
            raise FormatError(f"is damaged or not {KIND}: {error}") from None
    return WeightFile(path, "safetensors", tensors, lambda tensor: _read(path, tensor))


def _tensor(name: str, shape: list[int], dtype: str) -> WeightTensor:
    digits = re.match(r"\D*(\d+)", dtype)  # bits per element; BOOL has 8
    size = prod(shape) * int(digits[1] if digits else 8) // 8
    return WeightTensor(name, tuple(shape), DTYPES.get(dtype, dtype), size)


def _read(path: str, tensor: WeightTensor) -> Array:
    data = map_file(path, KIND)
    begin = 8 + int.from_bytes(data[:8], "little")
    header = msgspec.json.decode(data[8:begin], type=dict[str, msgspec.Raw])
    first, last = msgspec.json.decode(header[tensor.name], type=_HeaderEntry).data_offsets
    with errors_in(path):
        return to_array(data[begin + first : begin + last], tensor.dtype, tensor.shape)
