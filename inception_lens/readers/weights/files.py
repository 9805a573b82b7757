"""Files of weights, by their suffix: what they hold, without executing anything in them."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from math import prod
from typing import Any

from inception_lens.errors import FormatError, require, suggest
from inception_lens.readers.caffe.caffemodel import read_caffemodel
from inception_lens.readers.files import check_file, display_path, one_line, open_zip
from inception_lens.readers.tensors import WeightFile, WeightTensor, check_shape, map_file, to_array
from inception_lens.readers.weights.pickled import read_pickled

SAFETENSORS = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
}  # fmt: skip
LARGEST_NUMPY_HEADER = 10_000


def read_weights(path: str) -> WeightFile:
    """List the tensors of a file; their numbers are read one by one, when they are asked for.

    Raises:
        FormatError: its suffix is of no kind that is known, or it is not of that kind.
        MissingExtraError: the package that reads the kind is not installed.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in READERS:
        raise FormatError(f"{display_path(path)}: no file of weights that can be read{suggest(suffix, READERS)}")
    return READERS[suffix](path)


def read_safetensors(path: str) -> WeightFile:
    """List a .safetensors."""
    check_file(path, "safetensors")
    safetensors = require("safetensors", extra="weights")
    require("numpy", extra="weights")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            found = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  (it is no mapping)
            tensors = tuple(_sliced(name, each.get_shape(), each.get_dtype()) for name, each in found.items())
    except (OSError, safetensors.SafetensorError) as error:
        raise FormatError(f"{display_path(path)}: no whole safetensors: {one_line(error)}") from None

    def numbers(tensor: WeightTensor) -> Any:
        with safetensors.safe_open(path, framework="numpy") as file:
            return file.get_tensor(tensor.name)

    return WeightFile(path, "safetensors", tensors, numbers)


def _sliced(name: str, shape: list[int], dtype: str) -> WeightTensor:
    bits = int("".join(char for char in dtype.partition("_")[0] if char.isdigit()) or 8)
    return WeightTensor(name, tuple(shape), SAFETENSORS.get(dtype, dtype), prod(shape) * bits // 8)


def read_npz(path: str) -> WeightFile:
    """List NumPy's archive of arrays by their headers; arrays of Python objects, which are pickles, are left unread."""
    numpy = require("numpy", extra="weights")
    with open_zip(path, ".npz") as opened:
        tensors = tuple(_headed(numpy, opened, info, path) for info in opened.infolist())
    if not tensors:
        raise FormatError(f"{display_path(path)}: it holds no arrays")

    def numbers(tensor: WeightTensor) -> Any:
        with open_zip(path, ".npz") as opened, opened.open(f"{tensor.name}.npy") as member:
            try:
                return numpy.lib.format.read_array(member, max_header_size=LARGEST_NUMPY_HEADER)
            except (ValueError, KeyError) as error:
                raise FormatError(f"{display_path(path)}: `{tensor.name[:80]}`: {one_line(error)}") from None

    return WeightFile(path, "npz", tensors, numbers)


def _headed(numpy: Any, opened: zipfile.ZipFile, info: zipfile.ZipInfo, path: str) -> WeightTensor:
    """One array as its header describes it, of whose numbers as many must be there as it says."""
    name, header = info.filename.removesuffix(".npy"), numpy.lib.format
    try:
        with opened.open(info) as member:
            read = header.read_array_header_1_0 if header.read_magic(member) == (1, 0) else header.read_array_header_2_0
            shape, _, dtype = read(member, max_header_size=LARGEST_NUMPY_HEADER)
            begin = member.tell()
    except Exception as error:  # NumPy reads a header as Python's own text, with whatever that can raise
        raise FormatError(f"{display_path(path)}: `{name[:80]}` is no array: {str(error)[:80]!r}") from None
    if dtype.hasobject:
        return WeightTensor(name, shape, "object", None, "Python objects, which are a program: not read")
    size = prod(check_shape(name, shape)) * dtype.itemsize
    if size != info.file_size - begin:
        raise FormatError(f"{display_path(path)}: `{name[:80]}` needs {size:,} bytes, not {info.file_size - begin:,}")
    return WeightTensor(name, shape, str(dtype), size)


def read_onnx_weights(path: str) -> WeightFile:
    """List the initialisers of an ONNX model."""
    from inception_lens.readers.onnx.file import list_initializers

    data = map_file(path, "ONNX model")
    try:
        found = list_initializers(data)
    except FormatError as error:
        raise FormatError(f"{display_path(path)}: {one_line(error)}") from None
    if not found:
        raise FormatError(f"{display_path(path)}: no ONNX model with initialisers")

    def numbers(tensor: WeightTensor) -> Any:
        place = found[tensor.name][1]
        if place is None:
            raise FormatError(f"{display_path(path)}: the data of `{tensor.name}` are not stored in this file")
        return to_array(data[slice(*place)], tensor.dtype, tensor.shape)

    return WeightFile(path, "onnx", tuple(tensor for tensor, _ in found.values()), numbers)


READERS: dict[str, Callable[[str], WeightFile]] = {
    ".caffemodel": read_caffemodel,
    ".safetensors": read_safetensors,
    ".npz": read_npz,
    ".pth": read_pickled,
    ".pt": read_pickled,
    ".bin": read_pickled,
    ".onnx": read_onnx_weights,
}
"""By the suffix of a file's name."""
