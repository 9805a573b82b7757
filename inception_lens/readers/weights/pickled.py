"""What PyTorch's `torch.save` wrote, listed without PyTorch, and without running what the file says.

A pickle is a program. This reads it with an unpickler that knows the few names which `torch.load(weights_only=True)`
allows for tensors, and makes descriptions of them; any other name is refused. It is Python's unpickler in Python: the
one in C takes as much memory as the largest place in its memo that a file names. What could copy much for a few bytes
of the file, it does not do.
"""

import io
import pickle
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, ClassVar, NamedTuple

from inception_lens.errors import FormatError
from inception_lens.readers.files import check_file, display_path, one_line, open_zip
from inception_lens.readers.tensors import WeightFile, WeightTensor, check_shape, map_file, to_array

LARGEST_PICKLE = 32_000_000
"""Bytes; a state dict of ten thousand tensors takes two million."""
DEEPEST = 16
MAX_TENSORS = 100_000
LONGEST_NAME = 500
MAX_AXES = 64
LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How a file of PyTorch before 1.6 begins: a pickle of a number of its own."""

STORAGES = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool", "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128", "UntypedStorage": "uint8",
}  # fmt: skip
SIZES = {
    "float32": 4, "float64": 8, "float16": 2, "bfloat16": 2, "int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint8": 1,
    "bool": 1, "complex64": 8, "complex128": 16, "float8_e4m3fn": 1, "float8_e5m2": 1,
}  # fmt: skip


class Storage(NamedTuple):
    """A run of numbers in a member of the archive."""

    key: str
    dtype: str
    elements: int


class Description(NamedTuple):
    """A tensor: a view of a storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: str


class _Name(NamedTuple):
    """Stands for a name that the file may say, and is no callable."""

    name: str


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, *rest: Any) -> Description:
    """Describe a tensor; a dtype among the `rest` is that of `_rebuild_tensor_v3`."""
    if type(shape) is not tuple or type(stride) is not tuple or not len(shape) == len(stride) <= MAX_AXES:
        raise pickle.UnpicklingError("a tensor without a shape")
    if not isinstance(storage, Storage) or not all(type(each) is int for each in (offset, *shape, *stride)):
        raise pickle.UnpicklingError("a tensor that is none")
    named = next((each.name.rpartition(".")[2] for each in rest if isinstance(each, _Name)), storage.dtype)
    return Description(storage, offset, check_shape("a tensor", shape), stride, named)


def _size(sizes: Any = ()) -> tuple[Any, ...]:
    if len(sizes) > MAX_AXES:
        raise pickle.UnpicklingError("a shape that is none")
    return tuple(sizes)


def _ordered_dict(*given: Any) -> dict[Any, Any]:
    if given:
        raise pickle.UnpicklingError("a copy of a dictionary")
    return {}


def _parameter(data: Any, *_rest: Any) -> Any:
    return data


ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): _ordered_dict,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch", "Size"): _size,
}


class _Reader(pickle._Unpickler):
    """Python's unpickler, with the names that are allowed and without attributes of what it makes."""

    dispatch: ClassVar[dict[int, Callable[..., None]]] = {**pickle._Unpickler.dispatch}

    def find_class(self, module: str, name: str, /) -> Any:
        if (module, name) in ALLOWED:
            return ALLOWED[module, name]
        if module in ("torch", "torch.storage") and (name in STORAGES or name in SIZES or name == "device"):
            return _Name(f"{module}.{name}")
        raise pickle.UnpicklingError(
            f"it would run `{module[:80]}.{name[:80]}`, which makes no tensor: that is refused"
        )

    def persistent_load(self, pid: Any, /) -> Storage:
        kind, given, key, _device, elements, *_view = pid
        name = given.name.rpartition(".")[2] if isinstance(given, _Name) else ""
        if kind != "storage" or name not in STORAGES or type(elements) is not int or elements < 0:
            raise pickle.UnpicklingError("a storage that is none")
        if type(key) not in (str, int) or any(view is not None for view in _view):
            raise pickle.UnpicklingError("a storage without a key, or a view of one")
        return Storage(str(key)[:LONGEST_NAME], STORAGES[name], elements)

    def load_build(self) -> None:
        self.stack.pop()  # type: ignore[attr-defined]  # attributes such as a state dict's `_metadata`

    dispatch[pickle.BUILD[0]] = load_build
    del dispatch[pickle.BYTEARRAY8[0]]  # which takes its memory before it reads


def read_pickled(path: str) -> WeightFile:
    """List the tensors of a `.pth`, by the keys that lead to them, joined by dots.

    Raises:
        FormatError: it is no file of PyTorch's, or would run something else than the making of tensors.
    """
    check_file(path, "file of torch.save")
    with open(path, "rb") as file:
        legacy = file.read(len(LEGACY)) == LEGACY
    if legacy:
        return _legacy(path)
    with open_zip(path, "archive of torch.save") as opened:
        folder, found = _unpickled(opened, path)

    def numbers(tensor: WeightTensor) -> Any:
        storage = found[tensor.name].storage
        size = SIZES[storage.dtype] * storage.elements
        with open_zip(path, "archive of torch.save") as opened:
            name = f"{folder}data/{storage.key}"
            if name not in opened.namelist() or opened.getinfo(name).file_size != size:
                raise FormatError(f"{display_path(path)}: the numbers of `{tensor.name}` are not in the archive")
            with opened.open(name) as member:
                return _view(memoryview(member.read(size)), found[tensor.name], path)

    return WeightFile(path, "pytorch", _listed(found), numbers)


def _listed(found: Mapping[str, Description]) -> tuple[WeightTensor, ...]:
    tensors = (WeightTensor(name, each.shape, each.dtype) for name, each in found.items())
    return tuple(WeightTensor(t.name, t.shape, t.dtype, SIZES.get(t.dtype, 1) * t.elements) for t in tensors)


def _unpickled(opened: zipfile.ZipFile, path: str) -> tuple[str, dict[str, Description]]:
    pickles = [info for info in opened.infolist() if info.filename.endswith("data.pkl")]
    if len(pickles) != 1 or pickles[0].file_size > LARGEST_PICKLE:
        raise FormatError(f"{display_path(path)}: it has no data.pkl of at most {LARGEST_PICKLE:,} bytes")
    with opened.open(pickles[0]) as member:
        data = member.read(LARGEST_PICKLE)
    return pickles[0].filename.removesuffix("data.pkl"), _tensors(_load(io.BytesIO(data), path), path)


def _load(stream: BinaryIO, path: str) -> Any:
    try:
        return _Reader(stream).load()
    except (pickle.UnpicklingError, FormatError) as error:
        raise FormatError(f"{display_path(path)}: its pickle: {one_line(error)}") from None
    except Exception as error:  # a broken pickle raises anything at all
        raise FormatError(f"{display_path(path)}: its pickle cannot be read: {type(error).__name__}") from None


def _tensors(loaded: Any, path: str) -> dict[str, Description]:
    found: dict[str, Description] = {}
    try:
        _collect(loaded, "", found, set(), 0)
    except FormatError as error:
        raise FormatError(f"{display_path(path)}: {one_line(error)}") from None
    if not found:
        raise FormatError(f"{display_path(path)}: it holds no tensors by name")
    return found


def _collect(value: Any, name: str, found: dict[str, Description], seen: set[int], depth: int) -> None:
    if isinstance(value, Description):
        found[name or "tensor"] = value
        if len(found) > MAX_TENSORS:
            raise FormatError(f"it holds more than {MAX_TENSORS:,} tensors")
        return
    if not isinstance(value, dict | list | tuple) or id(value) in seen or depth > DEEPEST:
        return
    seen.add(id(value))
    for key, each in value.items() if isinstance(value, dict) else enumerate(value):
        if type(key) in (str, int) and isinstance(each, Description | dict | list | tuple):
            path = f"{name}.{str(key)[:LONGEST_NAME]}" if name else str(key)[:LONGEST_NAME]
            _collect(each, path[:LONGEST_NAME], found, seen, depth + 1)


def _legacy(path: str) -> WeightFile:
    """A file of PyTorch before 1.6: five pickles, the fourth the tensors, and the numbers of each storage behind."""
    data = map_file(path, "file of torch.save")
    stream = io.BytesIO(data[: LARGEST_PICKLE // 4])
    loaded = [_load(stream, path) for _ in range(5)]
    found, at = _tensors(loaded[3], path), stream.tell()
    storages = {each.storage.key: each.storage for each in found.values()}
    places: dict[str, int] = {}
    for key in loaded[4] if isinstance(loaded[4], list) else ():
        storage = storages.get(str(key))
        count = int.from_bytes(data[at : at + 8], "little")
        if storage is None or storage.elements != count:
            break  # what follows cannot be found, and is told when it is asked for
        places[storage.key] = at + 8
        at += 8 + count * SIZES[storage.dtype]

    def numbers(tensor: WeightTensor) -> Any:
        storage = found[tensor.name].storage
        if storage.key not in places:
            raise FormatError(f"{display_path(path)}: the numbers of `{tensor.name}` are not where they should be")
        begin = places[storage.key]
        return _view(data[begin : begin + SIZES[storage.dtype] * storage.elements], found[tensor.name], path)

    return WeightFile(path, "pytorch, before 1.6", _listed(found), numbers)


def _view(data: memoryview, found: Description, path: str) -> Any:
    """The tensor's part of its storage's numbers."""
    last = found.offset + sum((n - 1) * step for n, step in zip(found.shape, found.stride, strict=True))
    if min(found.shape, default=1) and not (0 <= found.offset <= last < found.storage.elements):
        raise FormatError(f"{display_path(path)}: a tensor leads out of its numbers")
    if min(found.stride, default=0) < 0:
        raise FormatError(f"{display_path(path)}: a tensor with a negative stride")
    flat = to_array(data, found.storage.dtype, (found.storage.elements,))
    from numpy.lib.stride_tricks import as_strided

    strides = [step * flat.itemsize for step in found.stride]
    return as_strided(flat[found.offset :], found.shape, strides, writeable=False)
