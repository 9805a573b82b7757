"""Weight files by their suffix: their tensors are listed without executing anything in them."""

import os
from collections.abc import Callable

from inception_lens.errors import FormatError, suggest
from inception_lens.readers.caffe.caffemodel import read_caffemodel
from inception_lens.readers.files import display_path
from inception_lens.readers.onnx.initializers import read_onnx_weights
from inception_lens.readers.tensors import WeightFile
from inception_lens.readers.weights.npz import read_npz
from inception_lens.readers.weights.pytorch import read_pytorch
from inception_lens.readers.weights.safetensors import read_safetensors


def read_weights(path: str) -> WeightFile:
    """List the tensors of a file; their data are read one by one, on request.

    Raises:
        FormatError: no reader knows the suffix, or the file is damaged or of another kind.
        MissingExtraError: a package that the format needs is not installed.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in READERS:
        raise FormatError(f"{display_path(path)}: unknown suffix of a weight file{suggest(suffix, READERS)}")
    return READERS[suffix](path)


READERS: dict[str, Callable[[str], WeightFile]] = {
    ".caffemodel": read_caffemodel,
    ".safetensors": read_safetensors,
    ".npz": read_npz,
    ".pth": read_pytorch,
    ".pt": read_pytorch,
    ".bin": read_pytorch,
    ".onnx": read_onnx_weights,
}
"""By the suffix of the file's name."""
