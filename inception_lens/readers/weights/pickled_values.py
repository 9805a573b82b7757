"""What an unpickler builds: descriptions of tensors and arrays, and inert objects for anything else."""

import pickle
from typing import NamedTuple

from inception_lens.ops import BYTES_PER_ELEMENT, Shape
from inception_lens.readers.tensors import MAX_AXES, check_shape

MAX_KEY_LENGTH = 500
"""Characters of a key in a state dict."""

NUMPY_CODES = {
    "f8": "float64", "f4": "float32", "f2": "float16", "i8": "int64", "i4": "int32", "i2": "int16", "i1": "int8",
    "u8": "uint64", "u4": "uint32", "u2": "uint16", "u1": "uint8", "b1": "bool", "c8": "complex64", "c16": "complex128",
}  # fmt: skip
"""PyTorch's names of NumPy's dtypes, by NumPy's codes."""


class PickledStorage(NamedTuple):
    """A storage, to which tensors refer by its key."""

    key: str
    dtype: str
    """`uint8` for a storage of bytes, whose tensors have dtypes of their own."""
    elements: int

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self.elements * BYTES_PER_ELEMENT[self.dtype]


class PickledTensor(NamedTuple):
    """A tensor: a view of a storage, all counted in elements."""

    storage: PickledStorage
    offset: int
    shape: Shape
    stride: tuple[int, ...]
    dtype: str


class PickledDtype:
    """A dtype of NumPy."""

    def __init__(self, code: object = "", *_rest: object) -> None:
        self.code = str(code)[:8]
        """Kind and size in bytes: `f4`."""
        self.order = "<"
        """`>` if it is big-endian."""

    def set_state(self, state: object) -> None:
        """Take the second of the values that NumPy pickles, the order of bytes."""
        if isinstance(state, tuple) and len(state) > 1 and state[1] == ">":
            self.order = ">"


class PickledText(NamedTuple):
    """Bytes that a pickle holds as text of one character each."""

    text: str


class PickledArray:
    """An array of NumPy, whose state follows its creation."""

    def __init__(self, *_rest: object) -> None:
        self.shape: Shape = ()
        self.dtype = PickledDtype()
        self.column_major = False
        self.data: object = b""
        """Bytes, a PickledText, or the list of an array of objects."""

    def set_state(self, state: object) -> None:
        """Take shape, dtype, order of axes and data.

        Raises:
            UnpicklingError: they are not those of an array.
        """
        if not isinstance(state, tuple) or len(state) != 5 or not isinstance(state[2], PickledDtype):
            raise pickle.UnpicklingError("an array without shape, dtype and data")
        _, shape, self.dtype, self.column_major, self.data = state
        self.shape = check_shape("an array", integers(shape))


class InertObject(dict[object, object]):
    """An object of a class or function that is not imported: its items, and the state that it would have taken."""

    state: object = None
    """Usually a dictionary of attributes."""

    def __init__(self, *_arguments: object, **_keywords: object) -> None:
        super().__init__()

    def __call__(self, *_arguments: object, **_keywords: object) -> "InertObject":
        return InertObject()

    def __hash__(self) -> int:  # type: ignore[override]  # it can be a key, or an item of a set
        return id(self)

    def append(self, item: object) -> None:
        """Take an item of a list."""
        self[len(self)] = item

    def add(self, item: object) -> None:
        """Take an item of a set."""
        self.append(item)

    def set_state(self, state: object) -> None:
        """Keep the state."""
        self.state = state


def integers(values: object) -> tuple[int, ...]:
    """A shape or strides of a pickle.

    Raises:
        UnpicklingError: the value is not a tuple of at most MAX_AXES integers.
    """
    if not isinstance(values, tuple) or len(values) > MAX_AXES or not all(type(each) is int for each in values):
        raise pickle.UnpicklingError(f"a shape or strides that are not at most {MAX_AXES} integers")
    return values
