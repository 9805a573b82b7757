"""Operations: shape rules, parameters and arithmetic, independent of any framework.

A new operation is one class in the module of its kind and one line here, which exports it. `OPS` lists every class; the
tests walk it and name each format, colour and sample that a new class still lacks.
"""

from collections.abc import Iterator
from typing import get_args

from inception_lens.ops.arithmetic import ELEMENTWISE as ELEMENTWISE
from inception_lens.ops.arithmetic import REDUCTIONS as REDUCTIONS
from inception_lens.ops.arithmetic import Elementwise as Elementwise
from inception_lens.ops.arithmetic import Reduce as Reduce
from inception_lens.ops.attention import ScaledDotProductAttention as ScaledDotProductAttention
from inception_lens.ops.base import BYTES_PER_ELEMENT as BYTES_PER_ELEMENT
from inception_lens.ops.base import ELEMENTS_PER_BYTE as ELEMENTS_PER_BYTE
from inception_lens.ops.base import UNKNOWN_SIZE as UNKNOWN_SIZE
from inception_lens.ops.base import Category as Category
from inception_lens.ops.base import Op as Op
from inception_lens.ops.base import Parameter as Parameter
from inception_lens.ops.base import Role as Role
from inception_lens.ops.base import Saved as Saved
from inception_lens.ops.base import Shape as Shape
from inception_lens.ops.base import TensorType as TensorType
from inception_lens.ops.base import Window as Window
from inception_lens.ops.base import broadcast as broadcast
from inception_lens.ops.base import bytes_of as bytes_of
from inception_lens.ops.base import format_shape as format_shape
from inception_lens.ops.base import is_minor as is_minor
from inception_lens.ops.base import main_category as main_category
from inception_lens.ops.conv import Conv1d as Conv1d
from inception_lens.ops.conv import Conv2d as Conv2d
from inception_lens.ops.conv import Conv3d as Conv3d
from inception_lens.ops.conv import ConvTranspose1d as ConvTranspose1d
from inception_lens.ops.conv import ConvTranspose2d as ConvTranspose2d
from inception_lens.ops.conv import ConvTranspose3d as ConvTranspose3d
from inception_lens.ops.embedding import Embedding as Embedding
from inception_lens.ops.linear import Linear as Linear
from inception_lens.ops.linear import MatMul as MatMul
from inception_lens.ops.merge import Add as Add
from inception_lens.ops.merge import Concat as Concat
from inception_lens.ops.merge import Stack as Stack
from inception_lens.ops.norm import BatchNorm1d as BatchNorm1d
from inception_lens.ops.norm import BatchNorm2d as BatchNorm2d
from inception_lens.ops.norm import BatchNorm3d as BatchNorm3d
from inception_lens.ops.norm import GroupNorm as GroupNorm
from inception_lens.ops.norm import InstanceNorm as InstanceNorm
from inception_lens.ops.norm import LayerNorm as LayerNorm
from inception_lens.ops.norm import LocalResponseNorm as LocalResponseNorm
from inception_lens.ops.norm import RMSNorm as RMSNorm
from inception_lens.ops.pointwise import ELU as ELU
from inception_lens.ops.pointwise import GELU as GELU
from inception_lens.ops.pointwise import Dropout as Dropout
from inception_lens.ops.pointwise import Hardsigmoid as Hardsigmoid
from inception_lens.ops.pointwise import Hardswish as Hardswish
from inception_lens.ops.pointwise import Hardtanh as Hardtanh
from inception_lens.ops.pointwise import LeakyReLU as LeakyReLU
from inception_lens.ops.pointwise import LogSoftmax as LogSoftmax
from inception_lens.ops.pointwise import Mish as Mish
from inception_lens.ops.pointwise import PReLU as PReLU
from inception_lens.ops.pointwise import ReLU as ReLU
from inception_lens.ops.pointwise import Sigmoid as Sigmoid
from inception_lens.ops.pointwise import SiLU as SiLU
from inception_lens.ops.pointwise import Softmax as Softmax
from inception_lens.ops.pointwise import Softplus as Softplus
from inception_lens.ops.pointwise import Tanh as Tanh
from inception_lens.ops.pool import AdaptiveAvgPool1d as AdaptiveAvgPool1d
from inception_lens.ops.pool import AdaptiveAvgPool2d as AdaptiveAvgPool2d
from inception_lens.ops.pool import AdaptiveAvgPool3d as AdaptiveAvgPool3d
from inception_lens.ops.pool import AdaptiveMaxPool1d as AdaptiveMaxPool1d
from inception_lens.ops.pool import AdaptiveMaxPool2d as AdaptiveMaxPool2d
from inception_lens.ops.pool import AdaptiveMaxPool3d as AdaptiveMaxPool3d
from inception_lens.ops.pool import AvgPool1d as AvgPool1d
from inception_lens.ops.pool import AvgPool2d as AvgPool2d
from inception_lens.ops.pool import AvgPool3d as AvgPool3d
from inception_lens.ops.pool import MaxPool1d as MaxPool1d
from inception_lens.ops.pool import MaxPool2d as MaxPool2d
from inception_lens.ops.pool import MaxPool3d as MaxPool3d
from inception_lens.ops.recurrent import GRU as GRU
from inception_lens.ops.recurrent import LSTM as LSTM
from inception_lens.ops.recurrent import RNN as RNN
from inception_lens.ops.shape import Expand as Expand
from inception_lens.ops.shape import Flatten as Flatten
from inception_lens.ops.shape import Pad as Pad
from inception_lens.ops.shape import Permute as Permute
from inception_lens.ops.shape import PixelShuffle as PixelShuffle
from inception_lens.ops.shape import PixelUnshuffle as PixelUnshuffle
from inception_lens.ops.shape import Reshape as Reshape
from inception_lens.ops.shape import Select as Select
from inception_lens.ops.shape import Slice as Slice
from inception_lens.ops.shape import Upsample as Upsample
from inception_lens.ops.special import Declared as Declared
from inception_lens.ops.special import Stored as Stored
from inception_lens.ops.special import Unknown as Unknown
from inception_lens.ops.window import Padding as Padding
from inception_lens.ops.window import Rounding as Rounding


def _operations(base: type[Op]) -> Iterator[type[Op]]:
    """The public subclasses of a class, in the order of their definition."""
    for kind in base.__subclasses__():
        if not kind.__name__.startswith("_"):
            yield kind
        yield from _operations(kind)


OPS: tuple[type[Op], ...] = tuple(
    sorted(_operations(Op), key=lambda kind: (get_args(Category).index(kind.category), kind.__module__))
)
"""Every operation, by category; within a category in the order of its module and of its definition."""
