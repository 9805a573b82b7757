"""An unpickler for PyTorch's state dicts that describes tensors and executes nothing.

A pickle is a program. This unpickler knows only the names that `torch.load(weights_only=True)` allows for tensors, and
builds descriptions for them; any other name is refused. It derives from Python's unpickler in Python, because the one
in C allocates memory for the largest memo index that a file names. Operations that could allocate much memory for a
few bytes of the file (copies of dictionaries, byte arrays of a declared size) are refused too.
"""

import pickle
from collections.abc import Callable, Sequence
from typing import BinaryIO, ClassVar, NamedTuple

from inception_lens.errors import FormatError
from inception_lens.ops import BYTES_PER_ELEMENT, Shape
from inception_lens.readers.tensors import MAX_AXES, check_shape

MAX_KEY_LENGTH = 500
"""Characters of a key in a state dict."""

STORAGE_DTYPES = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool", "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128", "UntypedStorage": "uint8",
}  # fmt: skip
"""By the names of PyTorch's storage classes."""


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


class _TorchName(NamedTuple):
    """A name such as `torch.float32` or `torch.FloatStorage`, which stays uncalled."""

    name: str


def _tensor(storage: object, offset: object, shape: object, stride: object, *rest: object) -> PickledTensor:
    """Describe a tensor; a dtype in `rest` is an argument of `_rebuild_tensor_v3`."""
    if not isinstance(storage, PickledStorage) or type(offset) is not int:
        raise pickle.UnpicklingError("a tensor without a storage")
    sizes, steps = _integers(shape), _integers(stride)
    if len(sizes) != len(steps):
        raise pickle.UnpicklingError(f"a tensor of {len(sizes)} axes with {len(steps)} strides")
    names = [each.name.rpartition(".")[2] for each in rest if isinstance(each, _TorchName)]
    dtype = next((name for name in names if name in BYTES_PER_ELEMENT), storage.dtype)
    return PickledTensor(storage, offset, check_shape("a tensor", sizes), steps, dtype)


def _integers(values: object) -> tuple[int, ...]:
    if not isinstance(values, tuple) or len(values) > MAX_AXES or not all(type(each) is int for each in values):
        raise pickle.UnpicklingError(f"a shape or strides that are not at most {MAX_AXES} integers")
    return values


def _size(sizes: Sequence[object] = ()) -> tuple[int, ...]:
    return _integers(tuple(sizes[: MAX_AXES + 1]))


def _ordered_dict(*items: object) -> dict[object, object]:
    if items:
        raise pickle.UnpicklingError("it copies a dictionary")
    return {}


def _parameter(data: object, *_rest: object) -> object:
    return data


ALLOWED: dict[tuple[str, str], Callable[..., object]] = {
    ("collections", "OrderedDict"): _ordered_dict,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch", "Size"): _size,
}
"""Callables of a pickle, by module and name, and what is called in their place."""


class TensorUnpickler(pickle._Unpickler):
    """Python's unpickler, restricted to ALLOWED; attributes of objects (BUILD) are dropped."""

    dispatch: ClassVar[dict[int, Callable[..., None]]] = {**pickle._Unpickler.dispatch}

    def find_class(self, module: str, name: str, /) -> object:
        if (module, name) in ALLOWED:
            return ALLOWED[module, name]
        if module in ("torch", "torch.storage") and (name in STORAGE_DTYPES or name in (*BYTES_PER_ELEMENT, "device")):
            return _TorchName(f"{module}.{name}")
        called = f"{module[:80]}.{name[:80]}"
        raise pickle.UnpicklingError(f"it would call `{called}`, which does not build a tensor")

    def persistent_load(self, pid: object, /) -> PickledStorage:
        """Describe the storage that `("storage", class, key, device, elements, view)` refers to."""
        kind, cls, key, _device, elements, *views = pid if isinstance(pid, tuple) and len(pid) >= 5 else (None,) * 5
        name = cls.name.rpartition(".")[2] if isinstance(cls, _TorchName) else ""
        if kind != "storage" or name not in STORAGE_DTYPES or type(elements) is not int or elements < 0:
            raise pickle.UnpicklingError("an invalid storage")
        if not isinstance(key, str | int) or any(view is not None for view in views):
            raise pickle.UnpicklingError("a storage without a key, or a view of another storage")
        return PickledStorage(str(key)[:MAX_KEY_LENGTH], STORAGE_DTYPES[name], elements)

    def load_build(self) -> None:
        self.stack.pop()  # type: ignore[attr-defined]  # such as `_metadata` of a state dict

    dispatch[pickle.BUILD[0]] = load_build
    del dispatch[pickle.BYTEARRAY8[0]]  # it allocates the declared size before it reads


def unpickle(stream: BinaryIO) -> object:
    """Load one pickle; tensors in it are PickledTensors.

    Raises:
        FormatError: the pickle is damaged, or builds something other than tensors in plain containers.
    """
    try:
        loaded: object = TensorUnpickler(stream).load()
    except (pickle.UnpicklingError, FormatError) as error:
        raise FormatError(f"its pickle is refused: {error}") from None
    except Exception as error:  # a damaged pickle can raise anything
        raise FormatError(f"its pickle cannot be read: {type(error).__name__}") from None
    return loaded
