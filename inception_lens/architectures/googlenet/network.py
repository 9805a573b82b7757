"""GoogLeNet's config, and how it becomes nodes; their names are those of Caffe's bvlc_googlenet."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from inception_lens import ops
from inception_lens.architectures import blocks
from inception_lens.architectures.blocks import ACTIVATIONS, ActivationName, ConvStyle, InceptionWidths, PoolRounding
from inception_lens.architectures.googlenet.tables import (
    LRN,
    TABLE_1,
    AuxHead,
    InceptionModule,
    ReductionWidth,
    Stem,
    parse_table,
)
from inception_lens.architectures.network import BatchNormConfig, FinalPool, Kernel, Network, Rate
from inception_lens.errors import ConfigError, suggest
from inception_lens.graph import Mode, Output, Writer
from inception_lens.ops import Conv2d, Rounding

ReducedBranch = Literal["3x3", "5x5", "pool"]


class GoogLeNet(Network, frozen=True, kw_only=True):
    """GoogLeNet and every way in which published ports of it differ; the defaults are the paper's."""

    stem: Stem = Stem()
    modules: Annotated[
        dict[Annotated[str, Meta(pattern=r"^inception_[1-9][a-z]$(?!\n)")], InceptionModule],
        Meta(
            min_length=1,
            max_length=234,
            description="modules, run in the order of their names; a max pool of stride 2 separates different digits",
        ),
    ] = msgspec.field(default_factory=lambda: parse_table(InceptionModule, TABLE_1))
    reduce: Annotated[
        tuple[ReducedBranch, ...],
        Meta(description="branches that have a 1x1 convolution; an empty list is the naive module of Figure 2a"),
    ] = ("3x3", "5x5", "pool")
    kernel_5x5: Annotated[
        Kernel, Meta(description="kernel of the '5x5' branch; odd. TF-slim and torchvision use 3")
    ] = 5
    padding: Annotated[
        Literal["explicit", "same"],
        Meta(description="of convolutions: k // 2 on both sides, or TensorFlow's SAME, which may pad the end more"),
    ] = "explicit"
    rounding: Annotated[
        PoolRounding,
        Meta(description="of pools: ceil (Caffe, torch's ceil_mode), floor, same (TensorFlow), trunc, ceil_unclipped"),
    ] = "ceil"
    last_pool: Annotated[
        Kernel, Meta(description="kernel of the last max pool of stride 2; TF-slim and torchvision use 2")
    ] = 3
    norm: Annotated[
        Literal["lrn", "batch", "none"], Meta(description="lrn: twice in the stem; batch: after every convolution")
    ] = "lrn"
    lrn: LRN = LRN()
    batch_norm: BatchNormConfig = BatchNormConfig()
    bias: Annotated[bool, Meta(description="of convolutions; linear layers always have one")] = True
    activation: ActivationName = "relu"
    activation_at: Annotated[
        Literal["conv", "before_norm", "concat"],
        Meta(description="conv: after each convolution and its norm; before_norm: between them; concat: after concats"),
    ] = "conv"
    final_pool: FinalPool = "global"
    dropout: Annotated[Rate, Meta(description="before the classifier; 0 leaves it out")] = 0.4
    classifier: Annotated[Literal["linear", "conv"], Meta(description="conv: a 1x1 convolution, as in TF-slim")] = (
        "linear"
    )
    softmax: Annotated[bool, Meta(description="whether inference ends in a softmax; training ends in logits")] = True
    aux: Annotated[
        tuple[str, ...], Meta(max_length=16, description="modules that have an auxiliary head in training mode")
    ] = ("inception_4a", "inception_4d")
    aux_head: AuxHead = AuxHead()

    def check(self) -> None:
        super().check()
        for key, kernel in (("kernel_5x5", self.kernel_5x5), ("stem.kernel", self.stem.kernel)):
            if kernel % 2 == 0:
                raise ConfigError(
                    f"`{key}` is {kernel}: only an odd kernel keeps its input's size: {kernel - 1} or {kernel + 1}",
                    key=key,
                )
        for name in self.aux:
            if name not in self.modules:
                nearest = suggest(name, self.modules)
                raise ConfigError(f"`aux` names `{name}`, which is not a module{nearest}", key="aux")
        if len(set(self.aux)) != len(self.aux):
            raise ConfigError(f"`aux` names a module twice: {', '.join(self.aux)}", key="aux")

    @property
    def has_auxiliary_heads(self) -> bool:
        return bool(self.aux)

    def write(self, writer: Writer, image: str, mode: Mode) -> tuple[Output, ...]:
        return _GoogLeNetWriter(self, writer).write(image, mode)


class _GoogLeNetWriter:
    """Writes the stem, the modules, the head and the auxiliary heads of one config."""

    def __init__(self, config: GoogLeNet, writer: Writer) -> None:
        self.config, self.writer = config, writer
        self.style = ConvStyle(
            bias=config.bias,
            norm=config.batch_norm.op() if config.norm == "batch" else None,
            activation=None if config.activation_at == "concat" else ACTIVATIONS.get(config.activation),
            activation_first=config.activation_at == "before_norm",
            same=config.padding == "same",
        )

        # The average pools are unpadded (`V` in the paper's Table 1), so that SAME would not fit them.
        self.average_rounding: Rounding = "floor" if config.rounding == "same" else config.rounding

    def write(self, image: str, mode: Mode) -> tuple[Output, ...]:
        """Write the network that reads `image`, and return its outputs, the main one first."""
        x = self.stem(image)
        outputs: dict[str, str] = {}
        names = sorted(self.config.modules)
        for name, next_name in zip(names, [*names[1:], ""], strict=True):
            x = outputs[name] = self.module(x, name)
            if next_name and _stage(next_name) != _stage(name):
                last = _stage(next_name) == _stage(names[-1])
                x = self.max_pool(x, f"pool{_stage(name)}", self.config.last_pool if last else 3)
        main = Output(self.head(x, f"pool{_stage(names[-1])}", mode))
        if mode == "inference":
            return (main,)
        heads = (self.aux(outputs[module], f"aux{i}") for i, module in enumerate(self.config.aux, 1))
        return (main, *(Output(head, self.config.aux_head.loss_weight) for head in heads))

    def conv(self, x: str, name: str, width: int, kernel: int, stride: int = 1) -> str:
        return blocks.conv(self.writer, x, name, self.config.scaled(width), kernel, self.style, stride)

    def stem(self, x: str) -> str:
        stem = self.config.stem
        if stem.kind == "conv-conv-pool":
            x = self.conv(x, "conv1/3x3", stem.conv1, 3)
        else:
            k, s = stem.kernel, stem.stride
            x = self.conv(x, f"conv1/{k}x{k}" + (f"_s{s}" if s > 1 else ""), stem.conv1, k, s)
            x = self.max_pool(x, "pool1", norm="norm1", norm_first=False)
            if stem.conv2_reduce != "none":
                x = self.conv(x, "conv2/3x3_reduce", stem.conv2_reduce, 1)
        x = self.conv(x, "conv2/3x3", stem.conv2, 3)
        return self.max_pool(x, "pool2", norm="norm2", norm_first=True)

    def max_pool(self, x: str, name: str, kernel: int = 3, *, norm: str = "", norm_first: bool = False) -> str:
        """A max pool of stride 2, and before or after it the response normalisation `norm` where the config has it."""
        lrn = self.config.lrn
        op = ops.LocalResponseNorm(lrn.size, lrn.alpha, lrn.beta, lrn.k) if norm and self.config.norm == "lrn" else None
        if lrn.position != "paper":
            norm_first = lrn.position == "before_pool"
        if op and norm_first:
            x = self.writer.add(f"conv{name[-1]}/{norm}", op, x)
        x = blocks.max_pool(self.writer, x, f"{name}/{kernel}x{kernel}_s2", kernel, 2, self.config.rounding)
        if op and not norm_first:
            x = self.writer.add(f"{name}/{norm}", op, x)
        return x

    def module(self, x: str, name: str) -> str:
        row = self.config.modules[name]
        widths = InceptionWidths(
            conv_1x1=self.config.scaled(row.conv_1x1),
            reduce_3x3=self.reduction("3x3", row.reduce_3x3),
            conv_3x3=self.config.scaled(row.conv_3x3),
            reduce_5x5=self.reduction("5x5", row.reduce_5x5),
            conv_5x5=self.config.scaled(row.conv_5x5),
            pool_proj=self.reduction("pool", row.pool_proj),
        )
        x = blocks.inception(self.writer, x, name, widths, self.style, self.config.kernel_5x5, self.config.rounding)
        activation = ACTIVATIONS.get(self.config.activation)
        if self.config.activation_at == "concat" and activation:
            x = self.writer.add(f"{name}/{activation.kind.lower()}_output", activation, x)
        return x

    def reduction(self, branch: ReducedBranch, channels: ReductionWidth) -> int | None:
        return None if channels == "none" or branch not in self.config.reduce else self.config.scaled(channels)

    def head(self, x: str, pool: str, mode: Mode) -> str:
        if self.config.final_pool == "global":
            height, width = self.writer.shape(x)[2:]
            x = self.writer.add(f"{pool}/{height}x{width}_s1", ops.AdaptiveAvgPool2d(), x)
        else:
            kernel, stride = blocks.parse_pool(self.config.final_pool)
            name = f"{pool}/{kernel[0]}x{kernel[1]}_s{stride}"
            x = self.writer.add(name, ops.AvgPool2d(kernel, (stride, stride), rounding=self.average_rounding), x)
        if self.config.dropout:
            x = self.writer.add("dropout", ops.Dropout(self.config.dropout), x)
        if self.config.classifier == "conv":
            x = self.writer.add("loss3/classifier", Conv2d(self.config.classes, (1, 1)), x)
            x = self.writer.add("loss3/flatten", ops.Flatten(), x)
        else:
            x = self.writer.add("loss3/flatten", ops.Flatten(), x)
            x = self.writer.add("loss3/classifier", ops.Linear(self.config.classes), x)
        return self.writer.add("prob", ops.Softmax(), x) if self.config.softmax and mode == "inference" else x

    def aux(self, x: str, name: str) -> str:
        head = self.config.aux_head
        if head.pool == "adaptive":
            x = self.writer.add(f"{name}/avgpool", ops.AdaptiveAvgPool2d((head.pool_size, head.pool_size)), x)
        else:
            k, s = head.pool_kernel, head.pool_stride
            x = self.writer.add(f"{name}/ave_pool", ops.AvgPool2d((k, k), (s, s), rounding=self.average_rounding), x)
        x = self.conv(x, f"{name}/conv", head.conv, 1)
        x = self.writer.add(f"{name}/flatten", ops.Flatten(), x)
        x = self.writer.add(f"{name}/fc", ops.Linear(self.config.scaled(head.fc)), x)
        x = self.writer.add(f"{name}/fc/relu", ops.ReLU(inplace=True), x)
        if head.dropout:
            x = self.writer.add(f"{name}/dropout", ops.Dropout(head.dropout), x)
        return self.writer.add(f"{name}/classifier", ops.Linear(self.config.classes), x)


def _stage(module: str) -> str:
    """The digit of a module's name: modules of one stage have inputs of one size."""
    return module[len("inception_")]
