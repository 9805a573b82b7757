"""Files that hold a complete network: the reader of each format."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from inception_lens.errors import ConfigError
from inception_lens.graph import Graph, Inputs, Mode, Shaped
from inception_lens.lens.inputs import shape_of, shapes_of
from inception_lens.readers.formats import SUFFIXES, FileFormat

Reader = Callable[[str, Mapping[str, object], Inputs | None, Mode], Graph]
"""Reads the file at a path, with the settings that its format has, for inputs and a mode."""


def _read_onnx(path: str, settings: Mapping[str, object], inputs: Inputs | None, mode: Mode) -> Graph:
    from inception_lens.readers.onnx.model import read_onnx

    _refuse(settings, "an ONNX model")
    if isinstance(inputs, Mapping):  # the dtype of an object counts too, and the value of a scalar
        kept = (Shaped, int, float)
        shapes = {name: given if isinstance(given, kept) else shape_of(given) for name, given in inputs.items()}
        return read_onnx(path, shapes, mode)
    return read_onnx(path, shapes_of(inputs), mode)


def _read_prototxt(path: str, settings: Mapping[str, object], inputs: Inputs | None, mode: Mode) -> Graph:
    from inception_lens.readers.caffe.prototxt import net_state, read_prototxt

    return read_prototxt(path, shapes_of(inputs), mode, net_state(settings))


def _read_caffemodel(path: str, settings: Mapping[str, object], inputs: Inputs | None, mode: Mode) -> Graph:
    from inception_lens.readers.caffe.binary_net import read_binary_net

    _refuse(settings, "a .caffemodel")
    return read_binary_net(path, shapes_of(inputs), mode)


def _read_graph_def(path: str, settings: Mapping[str, object], inputs: Inputs | None, mode: Mode) -> Graph:
    from inception_lens.readers.tensorflow.model import read_graph_def

    _refuse(settings, "a TensorFlow graph")
    return read_graph_def(path, shapes_of(inputs), mode)


def _read_pdmodel(path: str, settings: Mapping[str, object], inputs: Inputs | None, mode: Mode) -> Graph:
    from inception_lens.readers.paddle.model import read_pdmodel

    _refuse(settings, "a Paddle program")
    return read_pdmodel(path, shapes_of(inputs), mode)


def _read_pir_json(path: str, settings: Mapping[str, object], inputs: Inputs | None, mode: Mode) -> Graph:
    from inception_lens.readers.paddle.model import read_pir_json

    _refuse(settings, "a Paddle program")
    return read_pir_json(path, shapes_of(inputs), mode)


def _read_darknet(path: str, settings: Mapping[str, object], inputs: Inputs | None, mode: Mode) -> Graph:
    from inception_lens.readers.darknet.model import read_darknet

    _refuse(settings, "a Darknet config")
    return read_darknet(path, shapes_of(inputs), mode)


def _read_keras(path: str, settings: Mapping[str, object], inputs: Inputs | None, mode: Mode) -> Graph:
    from inception_lens.readers.keras.model import read_keras_model

    _refuse(settings, "a Keras model")
    return read_keras_model(path, shapes_of(inputs), mode)


def _refuse(settings: Mapping[str, object], kind: str) -> None:
    """Refuse settings of a file that has none.

    Raises:
        ConfigError: there are any.
    """
    if settings:
        raise ConfigError(f"{kind} has no keys to override: {', '.join(settings)}")


READERS: dict[FileFormat, Reader] = {
    FileFormat.ONNX: _read_onnx,
    FileFormat.PROTOTXT: _read_prototxt,
    FileFormat.CAFFEMODEL: _read_caffemodel,
    FileFormat.GRAPH_DEF: _read_graph_def,
    FileFormat.SAVED_MODEL: _read_graph_def,
    FileFormat.PDMODEL: _read_pdmodel,
    FileFormat.PADDLE_JSON: _read_pir_json,
    FileFormat.DARKNET: _read_darknet,
    FileFormat.KERAS: _read_keras,
    FileFormat.KERAS_CONFIG: _read_keras,
    FileFormat.HDF5: _read_keras,
}
"""By the format of the file; a new format is an entry here and a module in `readers/`."""

MODEL_SUFFIXES = [suffix for suffix, found in SUFFIXES.items() if found in READERS]
"""The usual suffixes of files that hold a complete network."""
