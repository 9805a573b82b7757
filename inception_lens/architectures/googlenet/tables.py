"""The tables of a GoogLeNet's config: its stem, its Inception modules, response normalisation, auxiliary heads."""

from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from inception_lens.architectures.network import ConfigTable, Kernel, LossWeight, Rate, Stride, Width

ReductionWidth = Width | Literal["none"]
"""Channels of a 1x1 reduction; `none` leaves it out, and the convolution after it reads the module's input."""


class Stem(ConfigTable, frozen=True, kw_only=True):
    """The layers before the first Inception module."""

    kind: Annotated[
        Literal["paper", "conv-conv-pool"],
        Meta(description="paper: conv, pool, 1x1, 3x3, pool; conv-conv-pool, for small images: two 3x3 and one pool"),
    ] = "paper"
    kernel: Annotated[Kernel, Meta(description="kernel of the first convolution; odd")] = 7
    stride: Annotated[Stride, Meta(description="stride of the first convolution; 1 suits small images")] = 2
    conv1: Annotated[Width, Meta(description="channels of the first convolution")] = 64
    conv2_reduce: Annotated[
        ReductionWidth, Meta(description="channels of the 1x1 before conv2, or none; a conv-conv-pool stem has none")
    ] = 64
    conv2: Annotated[Width, Meta(description="channels of the second convolution, 3x3")] = 192


class InceptionModule(
    ConfigTable,
    frozen=True,
    kw_only=True,
    rename={
        "conv_1x1": "1x1",
        "reduce_3x3": "3x3_reduce",
        "conv_3x3": "3x3",
        "reduce_5x5": "5x5_reduce",
        "conv_5x5": "5x5",
    },
):
    """One Inception module: a row of the paper's Table 1, with its columns under their own names."""

    conv_1x1: Annotated[Width, Meta(description="channels of the 1x1 branch")]
    reduce_3x3: Annotated[ReductionWidth, Meta(description="channels of the 1x1 before the 3x3, or none")]
    conv_3x3: Annotated[Width, Meta(description="channels of the 3x3")]
    reduce_5x5: Annotated[ReductionWidth, Meta(description="channels of the 1x1 before the 5x5, or none")]
    conv_5x5: Annotated[Width, Meta(description="channels of the 5x5")]
    pool_proj: Annotated[ReductionWidth, Meta(description="channels of the 1x1 after the max pool, or none")]


TABLE_1 = """
    module        1x1  3x3_reduce  3x3  5x5_reduce  5x5  pool_proj
    inception_3a   64      96      128      16       32      32
    inception_3b  128     128      192      32       96      64
    inception_4a  192      96      208      16       48      64
    inception_4b  160     112      224      24       64      64
    inception_4c  128     128      256      24       64      64
    inception_4d  112     144      288      32       64      64
    inception_4e  256     160      320      32      128     128
    inception_5a  256     160      320      32      128     128
    inception_5b  384     192      384      48      128     128
"""
"""arXiv 1409.4842, Table 1: the widths of the nine Inception modules."""


class LRN(ConfigTable, frozen=True, kw_only=True):
    """Local response normalisation, used with `norm = "lrn"`."""

    size: Annotated[int, Meta(ge=1, le=255, description="number of neighbouring channels")] = 5
    alpha: Annotated[float, Meta(ge=0, le=1e6, description="divided by the size, as in Caffe and PyTorch")] = 1e-4
    beta: Annotated[float, Meta(ge=0, le=100, description="exponent")] = 0.75
    k: Annotated[float, Meta(ge=0, le=1e6, description="additive constant")] = 1.0
    position: Annotated[
        Literal["paper", "before_pool", "after_pool"],
        Meta(description="paper: after the first pool and before the second (Figure 3)"),
    ] = "paper"


class AuxHead(ConfigTable, frozen=True, kw_only=True):
    """The auxiliary classifiers (arXiv 1409.4842, section 5), present in training mode."""

    pool: Annotated[
        Literal["average", "adaptive"],
        Meta(description="average: by pool_kernel and pool_stride; adaptive: to pool_size, as in torchvision"),
    ] = "average"
    pool_kernel: Annotated[Kernel, Meta(description="kernel of the average pool")] = 5
    pool_stride: Annotated[Stride, Meta(description="stride of the average pool")] = 3
    pool_size: Annotated[Kernel, Meta(description="height and width after the adaptive pool")] = 4
    conv: Annotated[Width, Meta(description="channels of the 1x1 convolution")] = 128
    fc: Annotated[Width, Meta(description="units of the hidden linear layer")] = 1024
    dropout: Annotated[Rate, Meta(description="before the classifier; 0 leaves it out")] = 0.7
    loss_weight: Annotated[LossWeight, Meta(description="weight of each auxiliary loss")] = 0.3


RowType = TypeVar("RowType", bound=msgspec.Struct)


def parse_table(row_type: type[RowType], text: str) -> dict[str, RowType]:
    """Read a table whose first line names the columns and whose first column names the rows.

    A column is a field of `row_type` by its encoded name, in any order; a cell `-` is `none`.

    Raises:
        KeyError: a column is not a field of `row_type`.
        ValueError: a row has more or fewer cells than the header.
    """
    header, *lines = (line.split() for line in text.strip().splitlines())
    fields = dict(zip(row_type.__struct_encode_fields__, row_type.__struct_fields__, strict=True))
    columns = [fields[title] for title in header[1:]]
    return {
        name: row_type(**{c: "none" if cell == "-" else int(cell) for c, cell in zip(columns, cells, strict=True)})
        for name, *cells in lines
    }
