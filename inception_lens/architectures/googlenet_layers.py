"""How a GoogLeNet's config becomes nodes; their names are those of Caffe's bvlc_googlenet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inception_lens.architectures import blocks
from inception_lens.architectures.blocks import ACTIVATIONS, ConvStyle
from inception_lens.graph import Mode, Output, Writer
from inception_lens.ops import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    LocalResponseNorm,
    ReLU,
    Rounding,
    Softmax,
)

if TYPE_CHECKING:
    from inception_lens.architectures.googlenet import Branch, GoogLeNet, ReductionWidth


class GoogLeNetLayers:
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

        # Average pools have no padding of their own, so that SAME would not fit them: the paper marks them V.
        self.average_rounding: Rounding = "floor" if config.rounding == "same" else config.rounding

    def write(self, image: str, mode: Mode) -> tuple[Output, ...]:
        """Write the network that reads `image`, and return its outputs, the main one first."""
        x = self.stem(image)
        outputs: dict[str, str] = {}
        names = sorted(self.config.modules)
        for name, following in zip(names, [*names[1:], ""], strict=True):
            x = outputs[name] = self.module(x, name)
            stage = name[10]
            if following and following[10] != stage:
                last = following[10] == names[-1][10]
                x = self.pool(x, f"pool{stage}", self.config.last_pool if last else 3)
        main = Output(self.head(x, f"pool{names[-1][10]}", mode))
        if mode == "inference":
            return (main,)
        heads = (self.aux(outputs[at], f"aux{i}") for i, at in enumerate(self.config.aux, 1))
        return (main, *(Output(head, self.config.aux_head.loss_weight) for head in heads))

    def stem(self, x: str) -> str:
        stem = self.config.stem
        if stem.kind == "conv-conv-pool":
            x = blocks.conv(self.writer, x, "conv1/3x3", self.config.scaled(stem.conv1), 3, self.style)
            x = blocks.conv(self.writer, x, "conv2/3x3", self.config.scaled(stem.conv2), 3, self.style)
            return self.pool(x, "pool2", norm="norm2", norm_first=True)
        k, s = stem.kernel, stem.stride
        name = f"conv1/{k}x{k}" + (f"_s{s}" if s > 1 else "")
        x = blocks.conv(self.writer, x, name, self.config.scaled(stem.conv1), k, self.style, s)
        x = self.pool(x, "pool1", norm="norm1", norm_first=False)
        if stem.conv2_reduce != "none":
            x = blocks.conv(self.writer, x, "conv2/3x3_reduce", self.config.scaled(stem.conv2_reduce), 1, self.style)
        x = blocks.conv(self.writer, x, "conv2/3x3", self.config.scaled(stem.conv2), 3, self.style)
        return self.pool(x, "pool2", norm="norm2", norm_first=True)

    def pool(self, x: str, name: str, kernel: int = 3, *, norm: str = "", norm_first: bool = False) -> str:
        """A max pool of stride 2, and the local response normalisation `norm` beside it where there is one."""
        lrn = self.config.lrn
        op = LocalResponseNorm(lrn.size, lrn.alpha, lrn.beta, lrn.k) if norm and self.config.norm == "lrn" else None
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
        module = blocks.Inception(
            conv_1x1=self.config.scaled(row.conv_1x1),
            reduce_3x3=self.reduction("3x3", row.reduce_3x3),
            conv_3x3=self.config.scaled(row.conv_3x3),
            reduce_5x5=self.reduction("5x5", row.reduce_5x5),
            conv_5x5=self.config.scaled(row.conv_5x5),
            pool_proj=self.reduction("pool", row.pool_proj),
        )
        x = blocks.inception(self.writer, x, name, module, self.style, self.config.kernel_5x5, self.config.rounding)
        activation = ACTIVATIONS.get(self.config.activation)
        if self.config.activation_at == "concat" and activation:
            x = self.writer.add(f"{name}/{activation.kind.lower()}_output", activation, x)
        return x

    def reduction(self, branch: Branch, channels: ReductionWidth) -> int | None:
        return None if channels == "none" or branch not in self.config.reduce else self.config.scaled(channels)

    def head(self, x: str, pool: str, mode: Mode) -> str:
        if self.config.final_pool == "global":
            height, width = self.writer.shape(x)[2:]
            x = self.writer.add(f"{pool}/{height}x{width}_s1", AdaptiveAvgPool2d(), x)
        else:
            kernel, stride = blocks.parse_pool(self.config.final_pool)
            name = f"{pool}/{kernel[0]}x{kernel[1]}_s{stride}"
            x = self.writer.add(name, AvgPool2d(kernel, (stride, stride), rounding=self.average_rounding), x)
        if self.config.dropout:
            x = self.writer.add("dropout", Dropout(self.config.dropout), x)
        if self.config.classifier == "conv":
            x = self.writer.add("loss3/classifier", Conv2d(self.config.classes, (1, 1)), x)
            x = self.writer.add("loss3/flatten", Flatten(), x)
        else:
            x = self.writer.add("loss3/flatten", Flatten(), x)
            x = self.writer.add("loss3/classifier", Linear(self.config.classes), x)
        return self.writer.add("prob", Softmax(), x) if self.config.softmax and mode == "inference" else x

    def aux(self, x: str, name: str) -> str:
        head = self.config.aux_head
        if head.pool == "adaptive":
            x = self.writer.add(f"{name}/avgpool", AdaptiveAvgPool2d((head.pool_size, head.pool_size)), x)
        else:
            k, s = head.pool_kernel, head.pool_stride
            x = self.writer.add(f"{name}/ave_pool", AvgPool2d((k, k), (s, s), rounding=self.average_rounding), x)
        x = blocks.conv(self.writer, x, f"{name}/conv", self.config.scaled(head.conv), 1, self.style)
        x = self.writer.add(f"{name}/flatten", Flatten(), x)
        x = self.writer.add(f"{name}/fc", Linear(self.config.scaled(head.fc)), x)
        x = self.writer.add(f"{name}/fc/relu", ReLU(inplace=True), x)
        if head.dropout:
            x = self.writer.add(f"{name}/dropout", Dropout(head.dropout), x)
        return self.writer.add(f"{name}/classifier", Linear(self.config.classes), x)
