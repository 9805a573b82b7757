"""Operations: shape rules, parameters and arithmetic, with no framework in sight.

`OPS` is the table of all of them. A new operation is one class in the file of its kind and one row here; the tests walk
the table, so that a missing rule, colour or docstring fails at once.
"""

from inception_lens.ops.base import BYTES_PER_ELEMENT, Category, Op, Parameter, Saved, Shape, TensorType, Window, by
from inception_lens.ops.conv import Conv2d
from inception_lens.ops.linear import Linear
from inception_lens.ops.merge import Add, Concat
from inception_lens.ops.norm import BatchNorm2d, LocalResponseNorm
from inception_lens.ops.pointwise import ELU, GELU, Dropout, LeakyReLU, ReLU, Sigmoid, SiLU, Softmax, Tanh
from inception_lens.ops.pool import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d
from inception_lens.ops.shape import Flatten
from inception_lens.ops.special import Unknown
from inception_lens.ops.window import Padding, Rounding

OPS: tuple[type[Op], ...] = (
    Conv2d,
    Linear,
    MaxPool2d,
    AvgPool2d,
    AdaptiveAvgPool2d,
    BatchNorm2d,
    LocalResponseNorm,
    ReLU,
    LeakyReLU,
    ELU,
    GELU,
    SiLU,
    Sigmoid,
    Tanh,
    Softmax,
    Dropout,
    Concat,
    Add,
    Flatten,
    Unknown,
)

__all__ = [
    "BYTES_PER_ELEMENT",
    "ELU",
    "GELU",
    "OPS",
    "AdaptiveAvgPool2d",
    "Add",
    "AvgPool2d",
    "BatchNorm2d",
    "Category",
    "Concat",
    "Conv2d",
    "Dropout",
    "Flatten",
    "LeakyReLU",
    "Linear",
    "LocalResponseNorm",
    "MaxPool2d",
    "Op",
    "Padding",
    "Parameter",
    "ReLU",
    "Rounding",
    "Saved",
    "Shape",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "TensorType",
    "Unknown",
    "Window",
    "by",
]
