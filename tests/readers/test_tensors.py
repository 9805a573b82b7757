"""Tensors of weight files: their sizes and their data."""

import numpy as np
import pytest

from inception_lens.errors import FormatError
from inception_lens.ops import BYTES_PER_ELEMENT, ELEMENTS_PER_BYTE
from inception_lens.readers.names import UniqueNames
from inception_lens.readers.tensors import (
    MAX_ELEMENTS,
    NUMPY_DTYPES,
    WeightTensor,
    byte_size,
    check_shape,
    to_array,
)


@pytest.mark.parametrize("dtype", NUMPY_DTYPES)
def test_a_dtype_has_numpy_s_size_and_is_little_endian(dtype: str) -> None:
    expected = np.dtype(NUMPY_DTYPES[dtype])
    assert (str(expected), expected.itemsize) == (dtype, BYTES_PER_ELEMENT[dtype])
    assert byte_size((3, 5), dtype) == 15 * expected.itemsize
    array = np.arange(6).astype(expected).reshape(2, 3)
    assert (to_array(memoryview(array.tobytes()), dtype, (2, 3)) == array).all()


def test_bfloat16_becomes_float32() -> None:
    array = to_array(memoryview(b"\x80\x3f\x00\xc0\x00\x00"), "bfloat16", (3,))
    assert (array.dtype, array.tolist()) == (np.dtype("f4"), [1.0, -2.0, 0.0])


def test_packed_dtypes_fill_whole_bytes_and_unknown_ones_have_no_size() -> None:
    assert not set(ELEMENTS_PER_BYTE) & set(BYTES_PER_ELEMENT)
    assert [byte_size((n,), "int4") for n in (0, 1, 2, 3)] == [0, 1, 1, 2]
    assert byte_size((5,), "int2") == 2
    assert byte_size((5,), "float8_e8m0fnu") == 5
    assert byte_size((5,), "qint77") is None
    assert WeightTensor("w", (2, 3), "float32").elements == 6


def test_data_of_another_dtype_or_size_are_refused() -> None:
    with pytest.raises(FormatError, match="data of dtype float8_e5m2 cannot be converted"):
        to_array(memoryview(b"1234"), "float8_e5m2", (4,))
    for size in (15, 17):
        with pytest.raises(FormatError, match=f"{size} bytes do not fill a float32 tensor of 2x2"):
            to_array(memoryview(b"x" * size), "float32", (2, 2))


@pytest.mark.parametrize("shape", [(), (0, 3), (MAX_ELEMENTS,), (1,) * 64])
def test_a_shape_of_a_tensor_is_returned(shape: tuple[int, ...]) -> None:
    assert check_shape("w", shape) == shape


@pytest.mark.parametrize("shape", [(-1,), (MAX_ELEMENTS + 1,), (2**26, 2**26), (1,) * 65])
def test_a_shape_that_no_tensor_can_have_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(FormatError, match=r"^`w{80}` has an invalid shape: "):
        check_shape("w" * 100, shape)


def test_names_are_numbered_from_the_second_on() -> None:
    names = UniqueNames(["a", "a_3"])
    assert [names.take(name) for name in ("a", "a", "b", "a_2", "a")] == ["a_2", "a_4", "b", "a_2_2", "a_5"]
    assert "a_4" in names
