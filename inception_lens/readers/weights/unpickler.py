"""An unpickler for tensors of PyTorch and arrays of NumPy that describes them and executes nothing.

A pickle is a program. This unpickler imports no name: it builds descriptions for the few that make tensors and arrays,
and an InertObject for any other class or function, such as the module or the arguments that a checkpoint holds. Names
that only an attack calls are refused. It derives from Python's unpickler in Python, because the one in C allocates
memory for the largest memo index that a file names. Copies of dictionaries, which could take much memory for a few
bytes of the file, are refused too.
"""

import pickle
import re
from collections.abc import Callable, Sequence
from typing import BinaryIO, ClassVar, NamedTuple

from inception_lens.errors import FormatError
from inception_lens.ops import BYTES_PER_ELEMENT
from inception_lens.readers.tensors import MAX_AXES, check_shape
from inception_lens.readers.weights.pickled_values import (
    MAX_KEY_LENGTH,
    InertObject,
    PickledArray,
    PickledDtype,
    PickledStorage,
    PickledTensor,
    PickledText,
    integers,
)

MAX_OPERATIONS = 2_000_000
"""Operations of a pickle; a tensor has some forty."""

STORAGE_DTYPES = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool", "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128", "UntypedStorage": "uint8",
}  # fmt: skip
"""By the names of PyTorch's storage classes."""

REFUSED = re.compile(
    r"(os|posix|nt|subprocess|sys|shutil|socket|runpy|importlib|pty|commands|webbrowser)(\..*)?"
    r"|(builtins|__builtin__)\.(eval|exec|execfile|compile|open|__import__)"
)
"""Names that would execute code: nothing calls them here, but a file that names them is an attack."""


class _TorchName(NamedTuple):
    """A name such as `torch.float32` or `torch.FloatStorage`, which stays uncalled."""

    name: str


def _tensor(storage: object, offset: object, shape: object, stride: object, *rest: object) -> PickledTensor:
    """Describe a tensor; a dtype in `rest` is an argument of `_rebuild_tensor_v3`."""
    if not isinstance(storage, PickledStorage) or type(offset) is not int:
        raise pickle.UnpicklingError("a tensor without a storage")
    sizes, steps = integers(shape), integers(stride)
    if len(sizes) != len(steps):
        raise pickle.UnpicklingError(f"a tensor of {len(sizes)} axes with {len(steps)} strides")
    names = [each.name.rpartition(".")[2] for each in rest if isinstance(each, _TorchName)]
    dtype = next((name for name in names if name in BYTES_PER_ELEMENT), storage.dtype)
    return PickledTensor(storage, offset, check_shape("a tensor", sizes), steps, dtype)


def _size(sizes: Sequence[object] = ()) -> tuple[int, ...]:
    return integers(tuple(sizes[: MAX_AXES + 1]))


def _ordered_dict(*items: object) -> dict[object, object]:
    if items:
        raise pickle.UnpicklingError("it copies a dictionary")
    return {}


def _parameter(data: object, *_rest: object) -> object:
    return data


def _from_type(function: object, _type: object, arguments: object, *_rest: object) -> object:
    """A tensor of a subclass or with attributes; `function` rebuilds it."""
    if function is not _tensor or not isinstance(arguments, tuple):
        raise pickle.UnpicklingError("a tensor that another function rebuilds")
    return _tensor(*arguments)


def _tuple(items: object = ()) -> object:
    return items if isinstance(items, tuple) else ()


def _no_bytes(*_rest: object) -> bytes:
    """What protocol 2 calls for an array without elements."""
    return b""


def _from_buffer(data: object, dtype: object, shape: object, order: object) -> PickledArray:
    """An array of protocol 5."""
    array = PickledArray()
    array.set_state((1, shape, dtype, order == "F", data))
    return array


def _encode(text: object, _encoding: object = "") -> PickledText:
    """The bytes of an array, which protocol 2 holds as text."""
    return PickledText(text if isinstance(text, str) else "")


ALLOWED: dict[tuple[str, str], Callable[..., object]] = {
    ("collections", "OrderedDict"): _ordered_dict,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
    ("torch._tensor", "_rebuild_from_type_v2"): _from_type,
    ("torch", "Size"): _size,
    ("numpy", "ndarray"): PickledArray,
    ("numpy", "dtype"): PickledDtype,
    ("numpy.core.multiarray", "_reconstruct"): PickledArray,
    ("numpy._core.multiarray", "_reconstruct"): PickledArray,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
    ("builtins", "bytes"): _no_bytes,
    ("__builtin__", "bytes"): _no_bytes,
    ("builtins", "tuple"): _tuple,
    ("__builtin__", "tuple"): _tuple,
    ("_codecs", "encode"): _encode,
}
"""Callables of a pickle, by module and name, and what is called in their place."""


class _Dispatch(dict[int, Callable[..., None]]):
    """The handlers of a pickle's operations, of which a file may have MAX_OPERATIONS."""

    operations = 0

    def __getitem__(self, code: int) -> Callable[..., None]:
        self.operations += 1
        if self.operations > MAX_OPERATIONS:
            raise pickle.UnpicklingError(f"more than {MAX_OPERATIONS:,} operations")
        return super().__getitem__(code)


class TensorUnpickler(pickle._Unpickler):
    """Python's unpickler, restricted to ALLOWED and inert objects."""

    dispatch: ClassVar[dict[int, Callable[..., None]]] = {**pickle._Unpickler.dispatch}

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream, encoding="latin1")  # in which Python 2's strings keep their bytes
        self.dispatch = _Dispatch(self.dispatch)  # type: ignore[misc]

    def find_class(self, module: str, name: str, /) -> object:
        if (module, name) in ALLOWED:
            return ALLOWED[module, name]
        if module in ("torch", "torch.storage") and (name in STORAGE_DTYPES or name in BYTES_PER_ELEMENT):
            return _TorchName(f"{module}.{name}")
        called = f"{module[:80]}.{name[:80]}"
        if REFUSED.fullmatch(called):
            raise pickle.UnpicklingError(f"it would call `{called}`, which does not build a tensor")
        if module.startswith("torch") and name.startswith("_rebuild_"):
            raise pickle.UnpicklingError(f"a tensor that `{called}` builds, such as a sparse or quantized one")
        return InertObject

    def persistent_load(self, pid: object, /) -> object:
        """Describe the storage that `("storage", class, key, device, elements, view)` refers to.

        `("module", class, path, source)`, which old files hold with the code of their modules, is an inert class.
        """
        if isinstance(pid, tuple) and pid[:1] == ("module",):
            return InertObject
        kind, cls, key, _device, elements, *views = pid if isinstance(pid, tuple) and len(pid) >= 5 else (None,) * 5
        name = cls.name.rpartition(".")[2] if isinstance(cls, _TorchName) else ""
        if kind != "storage" or name not in STORAGE_DTYPES or type(elements) is not int or elements < 0:
            raise pickle.UnpicklingError("an invalid storage")
        if not isinstance(key, str | int) or any(view is not None for view in views):
            raise pickle.UnpicklingError("a storage without a key, or a view of another storage")
        return PickledStorage(str(key)[:MAX_KEY_LENGTH], STORAGE_DTYPES[name], elements)

    def load_build(self) -> None:
        state = self.stack.pop()  # type: ignore[attr-defined]
        built = self.stack[-1]  # type: ignore[attr-defined]
        if isinstance(built, InertObject | PickledArray | PickledDtype):
            built.set_state(state)  # others are plain containers, such as a state dict with its `_metadata`

    dispatch[pickle.BUILD[0]] = load_build

    def load_bytearray8(self) -> None:
        """Read bytes; Python's own method allocates the declared size first."""
        size = int.from_bytes(self.read(8), "little")  # type: ignore[attr-defined]
        data = self.read(size)  # type: ignore[attr-defined]
        if len(data) != size:
            raise pickle.UnpicklingError("a byte array that exceeds the file")
        self.append(data)  # type: ignore[attr-defined]

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8


def unpickle(stream: BinaryIO) -> object:
    """Load one pickle; tensors in it are PickledTensors, arrays PickledArrays, and other objects InertObjects.

    Raises:
        FormatError: the pickle is damaged, or would execute code.
    """
    try:
        loaded: object = TensorUnpickler(stream).load()
    except (pickle.UnpicklingError, FormatError) as error:
        raise FormatError(f"its pickle is refused: {error}") from None
    except Exception as error:  # a damaged pickle can raise anything
        raise FormatError(f"its pickle cannot be read: {type(error).__name__}") from None
    return loaded
