"""Files of PyTorch's `torch.save`, listed without PyTorch and without executing what their pickles contain.

Read: state dicts and other nested dictionaries, lists and tuples of tensors, in ZIP archives (PyTorch 1.6 and later)
and in the format before. Not read: whole modules, whose pickles would execute code; quantized and sparse tensors.
Source: `torch/serialization.py`.
"""

import io
from collections.abc import Callable, Mapping
from zipfile import ZipFile

from inception_lens.errors import FormatError
from inception_lens.ops import BYTES_PER_ELEMENT
from inception_lens.readers.files import check_file, errors_in, map_file, open_zip
from inception_lens.readers.tensors import Array, WeightFile, WeightTensor, byte_size, to_array
from inception_lens.readers.weights.unpickler import MAX_KEY_LENGTH, PickledTensor, unpickle

KIND = "a file of torch.save"
MAX_PICKLE_SIZE = 32_000_000
"""Bytes; the pickle of a state dict of ten thousand tensors has two million."""
MAX_DEPTH = 16
"""Containers inside each other; what is deeper is not searched for tensors."""
MAX_TENSORS = 100_000
LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""First bytes of a file before PyTorch 1.6: a pickled magic number."""


def read_pytorch(path: str) -> WeightFile:
    """List the tensors of a `torch.save` file, named by the keys that lead to them, joined by dots.

    Raises:
        FormatError: the file is damaged or of another kind, holds no tensors, or would execute code.
    """
    check_file(path, KIND)
    with open(path, "rb") as file:
        legacy = file.read(len(LEGACY_MAGIC)) == LEGACY_MAGIC
    return _read_legacy(path) if legacy else _read_archive(path)


def _read_archive(path: str) -> WeightFile:
    """A ZIP archive: `data.pkl` describes the tensors, and `data/<key>` holds the data of each storage."""
    with open_zip(path, KIND) as archive:
        folder, tensors = _unpickle_archive(archive)

    def storage_data(tensor: PickledTensor) -> memoryview | None:
        name, size = f"{folder}data/{tensor.storage.key}", tensor.storage.size
        with open_zip(path, KIND) as archive:
            if name not in archive.namelist() or archive.getinfo(name).file_size != size:
                return None
            with archive.open(name) as member:
                return memoryview(member.read(size))

    return _weight_file(path, "pytorch", tensors, storage_data)


def _unpickle_archive(archive: ZipFile) -> tuple[str, dict[str, PickledTensor]]:
    pickles = [info for info in archive.infolist() if info.filename.endswith("data.pkl")]
    if len(pickles) != 1 or pickles[0].file_size > MAX_PICKLE_SIZE:
        raise FormatError(f"is not {KIND}: it has no single data.pkl of at most {MAX_PICKLE_SIZE:,} bytes")
    with archive.open(pickles[0]) as member:
        stream = io.BytesIO(member.read(MAX_PICKLE_SIZE))
    return pickles[0].filename.removesuffix("data.pkl"), _named_tensors(unpickle(stream))


def _read_legacy(path: str) -> WeightFile:
    """The format before PyTorch 1.6: five pickles, the fourth with the tensors, then the data of each storage.

    The fifth is the list of the storages' keys in the order of their data; each starts with its number of elements.
    """
    data = map_file(path, KIND)
    stream = io.BytesIO(data[: MAX_PICKLE_SIZE // 4])
    with errors_in(path):
        *_, pickled, keys = [unpickle(stream) for _ in range(5)]
        tensors = _named_tensors(pickled)
    storages, at = {each.storage.key: each for each in tensors.values()}, stream.tell()
    places: dict[str, int] = {}
    for key in keys if isinstance(keys, list) else ():
        tensor = storages.get(str(key))
        if tensor is None or tensor.storage.elements != int.from_bytes(data[at : at + 8], "little"):
            break  # the position of what follows is unknown
        places[tensor.storage.key] = at + 8
        at += 8 + tensor.storage.size

    def storage_data(tensor: PickledTensor) -> memoryview | None:
        begin = places.get(tensor.storage.key)
        return None if begin is None else data[begin : begin + tensor.storage.size]

    return _weight_file(path, "pytorch, before 1.6", tensors, storage_data)


def _weight_file(
    path: str,
    format_: str,
    tensors: Mapping[str, PickledTensor],
    storage_data: Callable[[PickledTensor], memoryview | None],
) -> WeightFile:
    def read(tensor: WeightTensor) -> Array:
        pickled = tensors[tensor.name]
        data = storage_data(pickled)
        with errors_in(path):
            if data is None:
                raise FormatError(f"the data of `{tensor.name}` are missing")
            return _view(data, pickled)

    listed = [WeightTensor(name, t.shape, t.dtype, byte_size(t.shape, t.dtype)) for name, t in tensors.items()]
    return WeightFile(path, format_, tuple(listed), read)


def _named_tensors(loaded: object) -> dict[str, PickledTensor]:
    found: dict[str, PickledTensor] = {}
    _collect(loaded, "", found, set(), 0)
    if not found:
        raise FormatError("holds no tensors in dictionaries, lists or tuples")
    return found


def _collect(value: object, name: str, found: dict[str, PickledTensor], seen: set[int], depth: int) -> None:
    """Add the tensors in nested containers to `found`; a container that contains itself is visited once."""
    if isinstance(value, PickledTensor):
        found[name or "tensor"] = value
        if len(found) > MAX_TENSORS:
            raise FormatError(f"holds more than {MAX_TENSORS:,} tensors")
        return
    if not isinstance(value, dict | list | tuple) or id(value) in seen or depth > MAX_DEPTH:
        return
    seen.add(id(value))
    for key, each in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(key, str | int):
            path = f"{name}.{str(key)[:MAX_KEY_LENGTH]}" if name else str(key)
            _collect(each, path[:MAX_KEY_LENGTH], found, seen, depth + 1)


def _view(data: memoryview, tensor: PickledTensor) -> Array:
    """The tensor's view of its storage's data, which must lie inside them."""
    from numpy.lib.stride_tricks import as_strided

    last = tensor.offset + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride, strict=True))
    elements = tensor.storage.size // BYTES_PER_ELEMENT[tensor.dtype]
    inside = 0 <= tensor.offset <= last < elements or 0 in tensor.shape
    if not inside or min(tensor.stride, default=0) < 0:
        raise FormatError("a tensor exceeds its storage, or has a negative stride")
    flat = to_array(data, tensor.dtype, (elements,))
    strides = [step * flat.itemsize for step in tensor.stride]
    return as_strided(flat[tensor.offset :], tensor.shape, strides, writeable=False)
