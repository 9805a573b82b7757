"""GoogLeNet (C. Szegedy et al., "Going Deeper with Convolutions", arXiv 1409.4842) and its ports, as one config.

The paper leaves paddings, pool rounding, biases and the parameters of local response normalisation open; the defaults
here settle them as Caffe's bvlc_googlenet does. Every port is this config with a few fields changed: see `ENTRIES`.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from inception_lens.architectures.blocks import ActivationName, PoolRounding
from inception_lens.architectures.entry import Entry, Published
from inception_lens.architectures.googlenet_layers import GoogLeNetLayers
from inception_lens.architectures.network import BatchNorm, FinalPool, Kernel, Network, Rate, Stride, Table, Width
from inception_lens.architectures.table import table
from inception_lens.errors import ConfigError, suggest
from inception_lens.graph import Mode, Output, Writer

ReductionWidth = Width | Literal["none"]
"""Channels of a 1x1 reduction, or `none`: the convolution behind it reads the whole map."""

Branch = Literal["3x3", "5x5", "pool"]


class Module(
    Table,
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
    """One Inception module: a row of the paper's Table 1, its columns under their own names."""

    conv_1x1: Width
    reduce_3x3: ReductionWidth
    conv_3x3: Width
    reduce_5x5: ReductionWidth
    conv_5x5: Width
    pool_proj: ReductionWidth


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


class Stem(Table, frozen=True, kw_only=True):
    """What stands before the first Inception module."""

    kind: Annotated[
        Literal["paper", "conv-conv-pool"],
        Meta(description="paper: conv, pool, 1x1, 3x3, pool; conv-conv-pool, for small images: two 3x3 and one pool"),
    ] = "paper"
    kernel: Annotated[Kernel, Meta(description="of the first convolution; odd")] = 7
    stride: Annotated[Stride, Meta(description="of the first convolution; 1 suits small images")] = 2
    conv1: Width = 64
    conv2_reduce: Annotated[ReductionWidth, Meta(description="none, as in all of a conv-conv-pool stem: left out")] = 64
    conv2: Width = 192


class LRN(Table, frozen=True, kw_only=True):
    """Local response normalisation, used where `norm = "lrn"`."""

    size: Annotated[int, Meta(ge=1, le=255)] = 5
    alpha: Annotated[float, Meta(ge=0, le=1e6, description="divided by the size, as in Caffe and PyTorch")] = 1e-4
    beta: Annotated[float, Meta(ge=0, le=100)] = 0.75
    k: Annotated[float, Meta(ge=0, le=1e6)] = 1.0
    position: Annotated[
        Literal["paper", "before_pool", "after_pool"],
        Meta(description="paper: behind the first pool and before the second (Figure 3)"),
    ] = "paper"


class AuxHead(Table, frozen=True, kw_only=True):
    """The auxiliary classifiers (section 5 of the paper), present in training mode."""

    pool: Annotated[
        Literal["average", "adaptive"],
        Meta(description="average: pool_kernel and pool_stride; adaptive: to a map of pool_size, as in torchvision"),
    ] = "average"
    pool_kernel: Kernel = 5
    pool_stride: Stride = 3
    pool_size: Kernel = 4
    conv: Width = 128
    fc: Width = 1024
    dropout: Rate = 0.7
    loss_weight: Annotated[float, Meta(ge=0, le=1e6)] = 0.3


class GoogLeNet(Network, frozen=True, kw_only=True):
    """GoogLeNet and every way in which people's GoogLeNets differ; the defaults are the paper's."""

    stem: Stem = Stem()
    modules: Annotated[
        dict[Annotated[str, Meta(pattern=r"^inception_[1-9][a-z]$(?!\n)")], Module],
        Meta(
            min_length=1,
            max_length=234,
            description="by name; a max pool of stride 2 stands where the digit changes, and they run in order of name",
        ),
    ] = msgspec.field(default_factory=lambda: table(Module, TABLE_1))
    reduce: Annotated[
        tuple[Branch, ...],
        Meta(description="branches that have a 1x1 convolution; none at all is the naive module of Figure 2a"),
    ] = ("3x3", "5x5", "pool")
    kernel_5x5: Annotated[Kernel, Meta(description="kernel of the '5x5' branch; odd. Slim and torchvision have 3")] = 5
    padding: Annotated[
        Literal["explicit", "same"],
        Meta(
            description="of convolutions: k // 2 on both sides, or TensorFlow's SAME, which may put the odd one behind"
        ),
    ] = "explicit"
    rounding: Annotated[
        PoolRounding,
        Meta(description="of pools: ceil (Caffe, torch's ceil_mode), floor, same (TensorFlow), trunc, ceil_unclipped"),
    ] = "ceil"
    last_pool: Annotated[
        Kernel, Meta(description="kernel of the last pool of stride 2; slim and torchvision have 2")
    ] = 3
    norm: Annotated[
        Literal["lrn", "batch", "none"], Meta(description="lrn: twice in the stem; batch: behind every convolution")
    ] = "lrn"
    lrn: LRN = LRN()
    batch_norm: BatchNorm = BatchNorm()
    bias: Annotated[bool, Meta(description="of convolutions; linear layers always have one")] = True
    activation: ActivationName = "relu"
    activation_at: Annotated[
        Literal["conv", "before_norm", "concat"],
        Meta(description="behind every convolution and its norm, between the two, or once behind each concat"),
    ] = "conv"
    final_pool: FinalPool = "global"
    dropout: Annotated[Rate, Meta(description="before the classifier; 0 leaves it out")] = 0.4
    classifier: Annotated[Literal["linear", "conv"], Meta(description="conv: a 1x1 convolution, as in slim")] = "linear"
    softmax: Annotated[bool, Meta(description="whether inference ends in a softmax; training ends in logits")] = True
    aux: Annotated[
        tuple[str, ...], Meta(max_length=16, description="modules that carry an auxiliary head in training mode")
    ] = ("inception_4a", "inception_4d")
    aux_head: AuxHead = AuxHead()

    def check(self) -> None:
        super().check()
        for key, kernel in (("kernel_5x5", self.kernel_5x5), ("stem.kernel", self.stem.kernel)):
            if kernel % 2 == 0:
                raise ConfigError(
                    f"`{key}` is {kernel}: a kernel that keeps its map's size is odd, {kernel - 1} or {kernel + 1}",
                    key=key,
                )
        for name in self.aux:
            if name not in self.modules:
                nearest = suggest(name, self.modules)
                raise ConfigError(f"`aux` puts a head on `{name}`, but there is no such module{nearest}", key="aux")
        if len(set(self.aux)) != len(self.aux):
            raise ConfigError(f"`aux` names a module twice: {', '.join(self.aux)}", key="aux")

    def write(self, writer: Writer, image: str, mode: Mode) -> tuple[Output, ...]:
        return GoogLeNetLayers(self, writer).write(image, mode)


PAPER = GoogLeNet()

_BATCH_NORM_PORT = PAPER.replace(norm="batch", bias=False, kernel_5x5=3, last_pool=2, dropout=0.2, softmax=False)

ENTRIES = (
    Entry(
        "googlenet",
        "GoogLeNet",
        "Szegedy et al. 2014, Table 1",
        PAPER,
        Published(None, 89.93, "arXiv 1409.4842, Table 3: one model, one crop"),
    ),
    Entry(
        "googlenet@caffe",
        "GoogLeNet",
        "Caffe, bvlc_googlenet",
        PAPER,
        Published(68.7, 88.9, "BVLC/caffe models/bvlc_googlenet/readme.md"),
    ),
    Entry(
        "googlenet@paddle",
        "GoogLeNet",
        "PaddlePaddle v2, 2017",
        PAPER.replace(classes=102, norm="none", rounding="ceil_unclipped", final_pool="7x7/7"),
    ),
    Entry(
        "googlenet@paddle-fluid",
        "GoogLeNet",
        "PaddlePaddle Fluid, PaddleClas",
        PAPER.replace(norm="none", bias=False, activation_at="concat", rounding="trunc", final_pool="7x7/7"),
        Published(70.7, 89.66, "PaddlePaddle/models PaddleCV/image_classification/README.md"),
    ),
    Entry(
        "googlenet@torchvision",
        "GoogLeNet",
        "torchvision",
        _BATCH_NORM_PORT.replace(aux_head=AuxHead(pool="adaptive")),
        Published(69.778, 89.53, "torchvision 0.28, GoogLeNet_Weights"),
    ),
    Entry(
        "googlenet@slim",
        "GoogLeNet",
        "TF-slim, Inception V1",
        _BATCH_NORM_PORT.replace(
            batch_norm=BatchNorm(momentum=0.0003, scale=False),
            padding="same",
            rounding="same",
            classifier="conv",
            aux=(),
        ),
        Published(69.8, 89.6, "tensorflow/models research/slim/README.md"),
    ),
    Entry("googlenet@naive", "GoogLeNet", "Szegedy et al. 2014, Figure 2a", PAPER.replace(reduce=())),
)
"""The paper's network and its ports."""
