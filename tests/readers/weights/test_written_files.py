"""Small files that TensorFlow 2.21, Paddle 3.3.1 and MXNet 1.9.1 wrote, whose values are consecutive numbers.

TensorFlow: `tf.compat.v1.train.Saver` with `write_version` V1 and V2, of four variables and of `cut`, of 5x130, which
`fixed_size_partitioner(2, axis=1)` cuts. Paddle: `paddle.save` of the state dict of Conv2D(2, 3, 2), BatchNorm2D(3) and
Linear(3, 2), its tensors numbered on from 0, with the protocols 4 and 2, and nested; `paddle.jit.save` of the same with
and without FLAGS_enable_pir_api. MXNet: `mx.nd.save` of a dictionary and of a list.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inception_lens.readers.weights.files import read_weights

FILES = Path(__file__).parent / "files"


def read(name: str) -> dict[str, Any]:
    weights = read_weights(str(FILES / name))
    return {tensor.name: weights.read(tensor) for tensor in weights.tensors}


def same(found: dict[str, Any], expected: dict[str, Any]) -> bool:
    return found.keys() == expected.keys() and all(
        found[name].dtype == array.dtype and np.array_equal(found[name], array) for name, array in expected.items()
    )


@pytest.mark.parametrize("name", ["tensorflow_V1.ckpt", "tensorflow_V2.ckpt", "tensorflow_V2.ckpt.index"])
def test_the_checkpoints_of_tensorflow(name: str) -> None:
    expected = {
        "InceptionV1/Conv2d_1a_7x7/weights": np.arange(24, dtype="f4").reshape(2, 2, 3, 2),
        "InceptionV1/Conv2d_1a_7x7/BatchNorm/beta": np.array([1.5, -2.5], "f4"),
        "cut": np.arange(650, dtype="f4").reshape(5, 130),
        "global_step": np.array(7),
        "flags": np.array([True, False]),
    }
    assert same(read(name), expected)


SHAPES = {
    "conv.weight": (3, 2, 2, 2), "conv.bias": (3,), "norm.weight": (3,), "norm.bias": (3,), "norm._mean": (3,),
    "norm._variance": (3,), "fc.weight": (3, 2), "fc.bias": (2,),
}  # fmt: skip
VARIABLES = {
    "conv.weight": "conv2d_0.w_0", "conv.bias": "conv2d_0.b_0", "norm.weight": "batch_norm2d_0.w_0",
    "norm.bias": "batch_norm2d_0.b_0", "norm._mean": "batch_norm2d_0.w_1", "norm._variance": "batch_norm2d_0.w_2",
    "fc.weight": "linear_0.w_0", "fc.bias": "linear_0.b_0",
}  # fmt: skip


def numbered() -> dict[str, Any]:
    arrays, start = {}, 0
    for name, shape in SHAPES.items():
        size = int(np.prod(shape))
        arrays[name], start = np.arange(start, start + size, dtype="f4").reshape(shape), start + size
    return arrays


@pytest.mark.parametrize("name", ["paddle_protocol4", "paddle_protocol2", "paddle_nested"])
def test_the_state_dicts_of_paddle(name: str) -> None:
    prefix = "net." if name == "paddle_nested" else ""
    assert same(read(f"{name}.pdparams"), {f"{prefix}{key}": array for key, array in numbered().items()})


def test_the_exported_parameters_of_paddle() -> None:
    """With the names of attributes from .pdiparams.info, and with those of variables from the program in JSON."""
    assert same(read("paddle_program.pdiparams"), numbered())
    assert same(read("paddle_pir.pdiparams"), {VARIABLES[name]: array for name, array in numbered().items()})


def test_the_parameters_of_mxnet() -> None:
    a, b, c = np.arange(6, dtype="f4").reshape(2, 3), np.arange(4, dtype="f2"), np.arange(3)
    assert same(read("mxnet_dict.params"), {"a.weight": a, "b.running_mean": b, "c": c})
    assert same(read("mxnet_list.nd"), {"0": a, "1": b})
