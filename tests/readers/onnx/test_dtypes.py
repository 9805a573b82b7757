"""ONNX's numbers of data types."""

import pytest

from inception_lens.errors import FormatError
from inception_lens.readers.onnx.dtypes import onnx_dtype, onnx_dtype_number


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int64", "bool", "uint8"])
def test_a_number_is_that_of_its_dtype(dtype: str) -> None:
    assert onnx_dtype(onnx_dtype_number(dtype)) == dtype


def test_what_onnx_lacks_is_refused() -> None:
    with pytest.raises(FormatError, match=r"^ONNX has no data type `complex32`$"):
        onnx_dtype_number("complex32")
    with pytest.raises(FormatError, match=r"^unknown data type 99$"):
        onnx_dtype(99)
