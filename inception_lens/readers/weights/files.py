"""Weight files by their format: their tensors are listed without executing anything in them."""

import os
from collections.abc import Callable

from inception_lens.errors import FormatError, suggest
from inception_lens.readers.caffe.caffemodel import read_caffemodel
from inception_lens.readers.files import display_path
from inception_lens.readers.formats import SUFFIXES, FileFormat, detect_format
from inception_lens.readers.onnx.initializers import read_onnx_weights
from inception_lens.readers.tensors import WeightFile
from inception_lens.readers.weights.keras import read_keras
from inception_lens.readers.weights.mxnet import read_mxnet
from inception_lens.readers.weights.npz import read_npy, read_npz
from inception_lens.readers.weights.paddle.pdiparams import read_pdiparams
from inception_lens.readers.weights.paddle.v2 import read_paddle_tar
from inception_lens.readers.weights.pickled import read_pickle
from inception_lens.readers.weights.pytorch import read_pytorch
from inception_lens.readers.weights.safetensors import read_safetensors
from inception_lens.readers.weights.shards import read_shards
from inception_lens.readers.weights.tensorflow.checkpoint import read_checkpoint


def read_weights(path: str) -> WeightFile:
    """List the tensors of a file; their data are read one by one, on request.

    Raises:
        FormatError: no reader knows the format, or the file is damaged.
        MissingExtraError: a package that the format needs is not installed.
    """
    found = detect_format(path)
    if found is FileFormat.SHARD_INDEX:
        return read_shards(path, _read_shard)
    if found not in READERS:
        known = weight_suffixes()
        if found is None:
            reason = f"is in an unknown format{suggest(os.path.splitext(path)[1].lower(), known)}"
        else:
            reason = f"is {found.value}, whose weights are not read (valid: {', '.join(known)})"
        raise FormatError(f"{display_path(path)}: {reason}")
    return READERS[found](path)


def _read_shard(path: str) -> WeightFile:
    """A file of an index, which is not an index itself."""
    if detect_format(path) is FileFormat.SHARD_INDEX:
        raise FormatError(f"{display_path(path)}: is an index of shards in another")
    return read_weights(path)


def weight_suffixes() -> list[str]:
    """The usual suffixes of the formats that are read."""
    return [suffix for suffix, found in SUFFIXES.items() if found in READERS]


READERS: dict[FileFormat, Callable[[str], WeightFile]] = {
    FileFormat.CAFFEMODEL: read_caffemodel,
    FileFormat.SAFETENSORS: read_safetensors,
    FileFormat.NPZ: read_npz,
    FileFormat.NPY: read_npy,
    FileFormat.PYTORCH: read_pytorch,
    FileFormat.TORCHSCRIPT: read_pytorch,
    FileFormat.PICKLE: read_pickle,
    FileFormat.ONNX: read_onnx_weights,
    FileFormat.HDF5: read_keras,
    FileFormat.KERAS: read_keras,
    FileFormat.TF_CHECKPOINT: read_checkpoint,
    FileFormat.PDIPARAMS: read_pdiparams,
    FileFormat.PADDLE_TAR: read_paddle_tar,
    FileFormat.MXNET: read_mxnet,
}
