"""Files of PyTorch's `torch.save`, listed without PyTorch and without executing what their pickles contain.

Read: tensors and NumPy arrays in state dicts, in other nested containers and in the attributes of objects, such as
whole modules, in ZIP archives (PyTorch 1.6 and later, and TorchScript) and in the format before. No class is imported.
Not read: quantized and sparse tensors.
Source: `torch/serialization.py`.
"""

import io
from collections.abc import Callable, Mapping
from zipfile import ZipFile

from inception_lens.errors import FormatError
from inception_lens.ops import BYTES_PER_ELEMENT
from inception_lens.readers.archives import open_zip
from inception_lens.readers.files import check_file, errors_in, map_file
from inception_lens.readers.formats import LEGACY_PYTORCH
from inception_lens.readers.tensors import Array, WeightFile, WeightTensor, byte_size, to_array
from inception_lens.readers.weights.nested import PickledData, named_tensors
from inception_lens.readers.weights.pickled import listed_array, read_array
from inception_lens.readers.weights.pickled_values import PickledArray, PickledTensor
from inception_lens.readers.weights.unpickler import unpickle

KIND = "a file of torch.save"
MAX_PICKLE_SIZE = 32_000_000
"""Bytes; the pickle of a state dict of ten thousand tensors has two million."""


def read_pytorch(path: str) -> WeightFile:
    """List the tensors of a `torch.save` file, named by the keys that lead to them, joined by dots.

    Raises:
        FormatError: the file is damaged or of another kind, holds no tensors, or would execute code.
    """
    check_file(path, KIND)
    with open(path, "rb") as file:
        legacy = file.read(len(LEGACY_PYTORCH)) == LEGACY_PYTORCH
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


def _unpickle_archive(archive: ZipFile) -> tuple[str, dict[str, PickledData]]:
    pickles = [info for info in archive.infolist() if info.filename.endswith("data.pkl")]
    if len(pickles) != 1 or pickles[0].file_size > MAX_PICKLE_SIZE:
        raise FormatError(f"is not {KIND}: it has no single data.pkl of at most {MAX_PICKLE_SIZE:,} bytes")
    with archive.open(pickles[0]) as member:
        stream = io.BytesIO(member.read(MAX_PICKLE_SIZE))
    return pickles[0].filename.removesuffix("data.pkl"), named_tensors(unpickle(stream))


def _read_legacy(path: str) -> WeightFile:
    """The format before PyTorch 1.6: five pickles, the fourth with the tensors, then the data of each storage.

    The fifth is the list of the storages' keys in the order of their data; each starts with its number of elements.
    """
    data = map_file(path, KIND)
    stream = io.BytesIO(data[: MAX_PICKLE_SIZE // 4])
    with errors_in(path):
        *_, pickled, keys = [unpickle(stream) for _ in range(5)]
        tensors = named_tensors(pickled)
    storages = {each.storage.key: each for each in tensors.values() if isinstance(each, PickledTensor)}
    at = stream.tell()
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
    tensors: Mapping[str, PickledData],
    storage_data: Callable[[PickledTensor], memoryview | None],
) -> WeightFile:
    def read(tensor: WeightTensor) -> Array:
        pickled = tensors[tensor.name]
        if isinstance(pickled, PickledArray):
            return read_array(path, tensor, pickled)
        data = storage_data(pickled)
        with errors_in(path):
            if data is None:
                raise FormatError(f"the data of `{tensor.name}` are missing")
            return _view(data, pickled)

    return WeightFile(path, format_, tuple(_listed(name, each) for name, each in tensors.items()), read)


def _listed(name: str, tensor: PickledData) -> WeightTensor:
    if isinstance(tensor, PickledArray):
        return listed_array(name, tensor)
    return WeightTensor(name, tensor.shape, tensor.dtype, byte_size(tensor.shape, tensor.dtype))


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
