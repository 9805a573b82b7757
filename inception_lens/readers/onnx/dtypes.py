"""ONNX's data types by the names that PyTorch gives them."""

from inception_lens.errors import FormatError

ONNX_DTYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "text", 9: "bool",
    10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128", 16: "bfloat16",
    17: "float8_e4m3fn", 18: "float8_e4m3fnuz", 19: "float8_e5m2", 20: "float8_e5m2fnuz", 21: "uint4", 22: "int4",
    23: "float4_e2m1fn", 24: "float8_e8m0fnu", 25: "uint2", 26: "int2",
}  # fmt: skip
"""By the numbers of `TensorProto.DataType` in onnx.proto."""

SUBSTITUTES = {
    "text": "uint8", "uint4": "uint8", "int4": "int8", "uint2": "uint8", "int2": "int8",
    "float4_e2m1fn": "float8_e4m3fn", "float8_e8m0fnu": "float8_e4m3fn",
}  # fmt: skip
"""Data types that no tensor of a Graph has, and what it has in their place; weights keep them in `Graph.dtypes`."""

_NUMBERS = {name: number for number, name in ONNX_DTYPES.items()}


def onnx_dtype(number: int) -> str:
    """The dtype of a tensor in a Graph, by its number of `TensorProto.DataType`.

    Raises:
        FormatError: there is no such data type.
    """
    if number not in ONNX_DTYPES:
        raise FormatError(f"unknown data type {number}")
    return SUBSTITUTES.get(ONNX_DTYPES[number], ONNX_DTYPES[number])


def onnx_dtype_number(dtype: str) -> int:
    """The number of a dtype in `TensorProto.DataType`.

    Raises:
        FormatError: ONNX has no such data type.
    """
    if dtype not in _NUMBERS:
        raise FormatError(f"ONNX has no data type `{dtype}`")
    return _NUMBERS[dtype]
