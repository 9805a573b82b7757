"""The format of a file, by its content; the suffix of its name decides only where the content does not.

Names of files are no proof: prototxts are called `.prototxt.txt` and `.pt`, checkpoints `.pth.tar` and `.ckpt`, and a
download can be an HTML page. At most the first HEAD_SIZE bytes are read, the names in an archive, and the fields of a
protocol buffer.
"""

import os
import re
from enum import Enum

from inception_lens.errors import FormatError
from inception_lens.readers import wire_format as wire
from inception_lens.readers.files import check_file, errors_in, map_file

HEAD_SIZE = 65_536
"""Bytes at the start of a file by which its format is recognized."""
MAX_DESCRIPTION = 10_000
"""Bytes of the description of a tensor in a .pdiparams; axes and dtype take some fifty."""
MAX_FIELDS = 64
"""Fields of a protocol buffer by which its message is recognized."""


class FileFormat(Enum):
    """A format; its value completes `the file is ...`."""

    ONNX = "an ONNX model"
    PROTOTXT = "a prototxt"
    CAFFEMODEL = "a .caffemodel"
    CONFIG = "a TOML file"
    SAFETENSORS = "a .safetensors file"
    NPZ = "an .npz archive"
    NPY = "an .npy array"
    PYTORCH = "a file of torch.save"
    TORCHSCRIPT = "a TorchScript archive"
    EXPORTED_PROGRAM = "an archive of torch.export"
    SHARD_INDEX = "an index of shards"
    KERAS = "a .keras archive"
    KERAS_CONFIG = "a Keras config"
    HDF5 = "an HDF5 file"
    TF_CHECKPOINT = "a TensorFlow checkpoint"
    TF_CHECKPOINT_STATE = "a list of TensorFlow checkpoints"
    GRAPH_DEF = "a TensorFlow GraphDef"
    GRAPH_DEF_TEXT = "a TensorFlow GraphDef in text form"
    SAVED_MODEL = "a TensorFlow SavedModel"
    TFLITE = "a TensorFlow Lite model"
    PICKLE = "a pickle of arrays"
    PDIPARAMS = "a .pdiparams file"
    PDMODEL = "a .pdmodel"
    PADDLE_JSON = "a Paddle program in JSON"
    PADDLE_TAR = "a tar archive of Paddle v2's parameters"
    MXNET = "an MXNet parameter file"
    DARKNET = "a Darknet .cfg"


SUFFIXES = {
    ".onnx": FileFormat.ONNX, ".prototxt": FileFormat.PROTOTXT, ".caffemodel": FileFormat.CAFFEMODEL,
    ".toml": FileFormat.CONFIG, ".safetensors": FileFormat.SAFETENSORS, ".npz": FileFormat.NPZ, ".npy": FileFormat.NPY,
    ".pth": FileFormat.PYTORCH, ".pt": FileFormat.PYTORCH, ".bin": FileFormat.PYTORCH, ".tar": FileFormat.PYTORCH,
    ".ckpt": FileFormat.PYTORCH, ".jit": FileFormat.TORCHSCRIPT, ".pt2": FileFormat.EXPORTED_PROGRAM,
    ".keras": FileFormat.KERAS, ".h5": FileFormat.HDF5, ".hdf5": FileFormat.HDF5,
    ".index": FileFormat.TF_CHECKPOINT, ".meta": FileFormat.TF_CHECKPOINT,
    ".pb": FileFormat.GRAPH_DEF, ".pbtxt": FileFormat.GRAPH_DEF_TEXT, ".tflite": FileFormat.TFLITE,
    ".pdparams": FileFormat.PICKLE, ".pdopt": FileFormat.PICKLE, ".pkl": FileFormat.PICKLE,
    ".pdiparams": FileFormat.PDIPARAMS, ".pdmodel": FileFormat.PDMODEL,
    ".params": FileFormat.MXNET, ".nd": FileFormat.MXNET, ".cfg": FileFormat.DARKNET, ".gz": FileFormat.PADDLE_TAR,
}  # fmt: skip
"""The usual format of a suffix."""

PROGRAMS = (FileFormat.EXPORTED_PROGRAM, FileFormat.TORCHSCRIPT)
"""Formats of networks with their code, which PyTorch runs."""

LEGACY_PYTORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""First bytes of a file of torch.save before PyTorch 1.6: a pickled magic number."""
LEVELDB_MAGIC = bytes.fromhex("57fb808b247547db")
"""Last bytes of a LevelDB table, which TensorFlow's checkpoints are."""
MXNET_MAGIC = bytes.fromhex("1201000000000000")
PDIPARAMS_HEAD = bytes(16)
"""First bytes of a .pdiparams: version 0, no levels of detail, version 0; the size of a small message follows."""

_MAGIC = (
    (b"\x93NUMPY", FileFormat.NPY),
    (b"\x89HDF\r\n\x1a\n", FileFormat.HDF5),
    (LEGACY_PYTORCH, FileFormat.PYTORCH),
    (MXNET_MAGIC, FileFormat.MXNET),
    (b"\x1f\x8b", FileFormat.PADDLE_TAR),
)
"""First bytes of the formats that have such."""

_MEMBERS = (
    (r"(.*/)?constants\.pkl", FileFormat.TORCHSCRIPT),
    (r"(.*/)?data\.pkl", FileFormat.PYTORCH),
    (r"(.*/)?archive_format|(.*/)?serialized_exported_program\.json", FileFormat.EXPORTED_PROGRAM),
    (r"model\.weights\.h5|config\.json", FileFormat.KERAS),
    (r".*\.npy", FileFormat.NPZ),
)
"""Names in ZIP archives; the first that an archive has decides."""

_TEXT = (
    (r"\A\s*\{[^\0]*\"base_code\"\s*:", FileFormat.PADDLE_JSON),
    (r"\A\s*\{[^\0]*\"weight_map\"\s*:", FileFormat.SHARD_INDEX),
    (r"\A\s*\{[^\0]*\"class_name\"\s*:", FileFormat.KERAS_CONFIG),
    (r"\A(all_)?model_checkpoint_paths?:", FileFormat.TF_CHECKPOINT_STATE),
    (r"^[ \t]*\[(net|network)\][ \t\r]*$", FileFormat.DARKNET),
    (r"^[ \t]*node\s*\{\s*(name|op)\s*:", FileFormat.GRAPH_DEF_TEXT),
    (r"(^|[ \t}])layers?\s*:?\s*\{", FileFormat.PROTOTXT),
    (r"^[ \t]*(name|input)\s*:\s*[\"']", FileFormat.PROTOTXT),
    (r"^[ \t]*base[ \t]*=[ \t]*[\"']", FileFormat.CONFIG),
)
"""Patterns that are searched in the first HEAD_SIZE characters of a text; the first that is found decides."""


def detect_format(path: str) -> FileFormat | None:
    """The format of a file; None if neither its content nor its suffix shows it.

    The path of a TensorFlow checkpoint may be the prefix of its files, which is not itself a file.

    Raises:
        FormatError: there is no such file, it is not a regular file, it is empty, or it is not the file itself but a
            Git LFS pointer or an HTML page.
    """
    if not os.path.exists(path) and os.path.isfile(f"{path}.index"):
        return FileFormat.TF_CHECKPOINT
    usual = format_of_suffix(path)
    check_file(path, usual.value if usual else "a model or weights")
    return _of_content(path) or usual


def format_of_suffix(path: str) -> FileFormat | None:
    """The usual format of a name's suffix; None if it has none."""
    suffix = os.path.splitext(path)[1].lower()
    return FileFormat.TF_CHECKPOINT if re.fullmatch(r"\.data-\d{5}-of-\d{5}", suffix) else SUFFIXES.get(suffix)


def _of_content(path: str) -> FileFormat | None:
    with open(path, "rb") as file:
        head = file.read(HEAD_SIZE)
        file.seek(-min(len(head), len(LEVELDB_MAGIC)), os.SEEK_END)
        tail = file.read(len(LEVELDB_MAGIC))
    with errors_in(path):
        _refuse_placeholder(head)
    if head.startswith(b"PK\3\4"):
        return _of_archive(path)
    for magic, found in _MAGIC:
        if head.startswith(magic):
            return found
    if tail == LEVELDB_MAGIC:
        return FileFormat.TF_CHECKPOINT
    if head[4:8] == b"TFL3":
        return FileFormat.TFLITE
    if head[257:262] == b"ustar":
        return FileFormat.PADDLE_TAR
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= os.path.getsize(path):
        return FileFormat.SAFETENSORS
    if head.startswith(PDIPARAMS_HEAD) and 0 < int.from_bytes(head[16:20], "little") <= MAX_DESCRIPTION:
        return FileFormat.PDIPARAMS
    if re.match(rb"\x80[\x02-\x05][\x95}(]", head):
        return FileFormat.PICKLE
    return _of_text(head) if _is_text(head) else _of_protocol_buffer(path)


def _refuse_placeholder(head: bytes) -> None:
    """Refuse what is often saved in place of a file.

    Raises:
        FormatError: the file is a Git LFS pointer, or a page of a web site.
    """
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:100].lower()
    if start.startswith(b"version https://git-lfs"):
        raise FormatError("is a Git LFS pointer and not the file itself, which `git lfs pull` fetches")
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise FormatError("is an HTML or XML page and not a model or weights: the server of a download returned a page")


def _of_archive(path: str) -> FileFormat | None:
    """The format of a ZIP archive; None if it is damaged, which its reader reports."""
    from inception_lens.readers.archives import open_zip

    try:
        with open_zip(path, "a ZIP archive") as archive:
            names = archive.namelist()
    except FormatError:
        return None
    for pattern, found in _MEMBERS:
        if any(re.fullmatch(pattern, name) for name in names):
            return found
    return None


def _is_text(head: bytes) -> bool:
    """Whether the bytes are UTF-8, which the end of the head may cut, without control characters."""
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if len(head) < HEAD_SIZE or error.start < HEAD_SIZE - 4:
            return False
        text = head[: error.start].decode("utf-8-sig")
    return not re.search(r"[\0-\x08\x0e-\x1f]", text)


def _of_text(head: bytes) -> FileFormat | None:
    text = re.sub(r"#.*", "", head.decode(errors="replace").removeprefix("\ufeff"))
    return next((found for pattern, found in _TEXT if re.search(pattern, text, re.MULTILINE)), None)


def _of_protocol_buffer(path: str) -> FileFormat | None:
    """The message that the first fields show; None if they show none, or there are no fields."""
    data = map_file(path, "a protocol buffer")
    kinds: dict[int, int] = {}
    first = None
    try:
        for _, field in zip(range(MAX_FIELDS), wire.message_fields(data), strict=False):
            first = field if first is None else first
            kinds.setdefault(field.number, field.kind)
    except FormatError:
        return None
    if first is None:
        return None
    if first.number == 1 and first.kind == wire.VARINT:
        if kinds.get(7) == wire.BYTES and kinds.get(2, wire.BYTES) == wire.BYTES:
            return FileFormat.ONNX
        return FileFormat.SAVED_MODEL if kinds == {1: wire.VARINT, 2: wire.BYTES} else None
    if first.kind != wire.BYTES or first.number not in (1, 2, 100):
        return None
    start = bytes(data[first.start : min(first.end, first.start + HEAD_SIZE)])
    if first.number == 1 and start[:1] in (b"\x08", b"\x0a"):
        return FileFormat.PDMODEL if start[:1] == b"\x08" else FileFormat.GRAPH_DEF
    layers = wire.BYTES in (kinds.get(2), kinds.get(100))
    return FileFormat.CAFFEMODEL if layers and (first.number != 1 or _is_text(start)) else None
