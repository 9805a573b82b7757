"""Networks described in the notation of blocks: one config type for all of them."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from inception_lens import ops
from inception_lens.architectures.blocks import ACTIVATIONS, ActivationName, ConvStyle, norm_and_activation, parse_pool
from inception_lens.architectures.network import BatchNormConfig, FinalPool, LossWeight, Network, Rate
from inception_lens.architectures.notation import BlockSpec, Chain, StepKind, StepSpec, parse_block, parse_chain
from inception_lens.errors import ConfigError, ShapeError, suggest
from inception_lens.graph import Mode, Output, Writer
from inception_lens.ops import Conv2d, Op, Padding, Rounding, format_shape

Line = Annotated[str, Meta(max_length=2_000, description="a line in the notation of blocks")]

Parsed = TypeVar("Parsed")

MAX_STEPS = 20_000
"""Of all blocks together; the longest network of the catalogue has about three hundred."""

MAX_CHANNELS = 2**22
"""Of a block's output: repeated concatenations double the channels, which bounds on widths do not limit."""


class Blueprint(Network, frozen=True, kw_only=True):
    """A network as a table of blocks in the notation of `architectures.notation`, and what all of them share."""

    blocks: Annotated[
        dict[Annotated[str, Meta(max_length=100, pattern=r"^[\w.-]+$(?!\n)")], Line],
        Meta(min_length=1, max_length=1_000, description="blocks by name, in the order of execution"),
    ]
    head: Annotated[Line, Meta(description="steps from the last block to the classes")]
    aux: Annotated[Line, Meta(description="steps of the auxiliary head of training mode, or none")] = "none"
    aux_at: Annotated[str, Meta(description="the block that the auxiliary head reads")] = ""
    aux_loss_weight: Annotated[LossWeight, Meta(description="weight of the auxiliary loss")] = 0.4
    norm: Annotated[Literal["batch", "none"], Meta(description="batch: after every convolution")] = "batch"
    batch_norm: BatchNormConfig = BatchNormConfig()
    bias: Annotated[bool, Meta(description="of convolutions; linear layers always have one")] = False
    activation: ActivationName = "relu"
    padding: Annotated[
        Literal["explicit", "same"],
        Meta(description="k // 2 on both sides, but 0 for pools of stride 2 and more; or TensorFlow's SAME"),
    ] = "explicit"
    rounding: Annotated[Rounding, Meta(description="of pools with explicit padding")] = "floor"
    count_padding: Annotated[bool, Meta(description="whether average pools count the zeros of the padding")] = True
    shortcut: Annotated[
        Literal["first", "last"], Meta(description="whether a projected shortcut runs before or after the branch")
    ] = "first"
    final_pool: FinalPool = "global"
    dropout: Annotated[Rate, Meta(description="of every dropout in the table")] = 0.5
    softmax: Annotated[bool, Meta(description="whether inference ends in a softmax; training ends in logits")] = False

    def check(self) -> None:
        super().check()
        if self.aux != "none" and self.aux_at not in self.blocks:
            nearest = suggest(self.aux_at, self.blocks)
            raise ConfigError(f"`aux_at` is `{self.aux_at}`, which is not a block{nearest}", key="aux_at")
        steps = 0
        for name, text in self.blocks.items():
            key = f"blocks.{name}"
            steps += _parse(parse_block, text, key).steps
            if steps > MAX_STEPS:
                raise ConfigError(f"`{key}`: more than {MAX_STEPS:,} steps in the network, counting repeats", key=key)
        _parse(parse_chain, self.head, "head")
        if self.aux != "none":
            _parse(parse_chain, self.aux, "aux")

    @property
    def has_auxiliary_heads(self) -> bool:
        return self.aux != "none"

    def write(self, writer: Writer, image: str, mode: Mode) -> tuple[Output, ...]:
        return _BlueprintWriter(self, writer).write(image, mode)


def parse_blocks(text: str) -> dict[str, str]:
    """Read a table of blocks: each line is a name and, after the first space, the block."""
    rows = (line.strip().partition(" ") for line in text.strip().splitlines())
    return {name: " ".join(block.split()) for name, _, block in rows}


def _parse(parse: Callable[[str], Parsed], text: str, key: str) -> Parsed:
    try:
        return parse(text)
    except ConfigError as error:
        raise ConfigError(f"`{key}`: {error}", key=key) from None


class _BlueprintWriter:
    """Writes the blocks, the head and the auxiliary head of one config."""

    def __init__(self, config: Blueprint, writer: Writer) -> None:
        self.config, self.writer = config, writer
        self.style = ConvStyle(
            bias=config.bias,
            norm=config.batch_norm.op() if config.norm == "batch" else None,
            activation=ACTIVATIONS.get(config.activation),
            same=config.padding == "same",
        )

    def write(self, x: str, mode: Mode) -> tuple[Output, ...]:
        """Write the network that reads `x`, and return its outputs, the main one first."""
        block_outputs = {}
        for name, text in self.config.blocks.items():
            block = parse_block(text)
            for i in range(1, block.repeats + 1):
                path = f"{name}_{i}" if block.repeats > 1 else name
                x = self.writer.block(text, path, x, partial(self.block, x, path, block))
            block_outputs[name] = x
        main = self.head(x, "", self.config.head)
        if self.config.softmax and mode == "inference":
            main = self.writer.add("prob", ops.Softmax(), main)
        if mode == "inference" or not self.config.has_auxiliary_heads:
            return (Output(main),)
        aux = self.head(block_outputs[self.config.aux_at], "AuxLogits", self.config.aux)
        return (Output(main), Output(aux, self.config.aux_loss_weight))

    def head(self, x: str, name: str, text: str) -> str:
        return self.flat(self.chain(x, name, parse_chain(text))[-1], f"{name}/flatten" if name else "flatten")

    # Blocks and chains

    def block(self, x: str, name: str, block: BlockSpec) -> str:
        several = len(block.branches) > 1
        ends: list[str] = []
        shortcut = ""
        if block.residual is not None and not several and self.config.shortcut == "first":
            shortcut = self.shortcut(x, name, block)
        for i, branch in enumerate(block.branches):
            ends += self.chain(x, f"{name}/Branch_{i}" if several else name, branch)
        joined = self.writer.add(f"{name}/concat", ops.Concat(), *ends) if len(ends) > 1 else ends[0]
        if self.writer.shape(joined)[1] > MAX_CHANNELS:
            raise ConfigError(f"`{joined}` has more than {MAX_CHANNELS:,} channels", key=f"blocks.{name}")
        if block.residual is not None:
            if several:
                up = Conv2d(self.writer.shape(x)[1], (1, 1))
                shortcut, joined = x, self.writer.add(f"{name}/up_1x1", up, joined)
            shortcut = shortcut or self.shortcut(x, name, block)
            joined = self.writer.add(f"{name}/add", ops.Add(block.residual), shortcut, joined)
        return self.chain(joined, name, block.tail, after_sum=True)[-1]

    def shortcut(self, x: str, name: str, block: BlockSpec) -> str:
        """The block's input, with a 1x1 convolution to the width and stride of the branch if they differ."""
        stride, width = 1, self.writer.shape(x)[1]
        for step in (step for group in block.branches[0] for step in group):
            stride *= step.stride
            width = self.width(step) if step.kind in ("conv", "sep") else width
        if stride == 1 and width == self.writer.shape(x)[1]:
            return x
        projection = StepSpec(kind="conv", kernel=(1, 1), stride=stride, width=width, linear=True)
        return self.conv(x, f"{name}/shortcut", projection, width)

    def chain(self, x: str, name: str, chain: Chain, *, after_sum: bool = False) -> list[str]:
        """Write consecutive steps and return the outputs of the last group.

        A single step takes the name of its block, except after a sum, where nodes of the block have that prefix.
        """
        ends = [x]
        step = chain[0][0] if len(chain) == 1 and len(chain[0]) == 1 else None
        alone = bool(name) and not after_sum and step is not None and not step.name and step.kind != "act"
        letters = iter(_LETTERS)
        for i, group in enumerate(chain):
            last, ends = ends[-1], []
            first = i == 0 and not after_sum  # other branches may read the same input
            for step in group:
                own = step.name or self.own_name(step, letters, first=first)
                path = name if alone else f"{name}/{own}" if name else own
                ends.append(self.step(last, path, step, first=first))
        return ends

    def own_name(self, step: StepSpec, letters: Iterator[str], *, first: bool) -> str:
        """A name in TF-slim's style: `Conv2d_0b_3x3` is the second of its branch, `Conv2d_1a_3x3` halves the map."""
        if step.kind == "act":
            activation = self.style.activation
            return "preactivation" if first or not activation else activation.kind.lower()
        place = "1a" if step.stride > 1 else f"0{next(letters)}"
        return f"{_TITLES[step.kind]}_{place}" + (f"_{format_shape(step.kernel)}" if step.kernel else "")

    # Steps

    def step(self, x: str, name: str, step: StepSpec, *, first: bool) -> str:
        add, shape = self.writer.add, self.writer.shape(x)
        if len(shape) != 4 and step.kind in _NEED_A_MAP:
            raise ShapeError(f"`{name}` reads `{x}` {format_shape(shape)}: it needs a map, (N, C, H, W)")
        match step.kind:
            case "conv":
                return self.conv(x, name, step, self.width(step))
            case "sep":
                return self.separable_conv(x, name, step, shape[1])
            case "max":
                return add(name, ops.MaxPool2d(*self.window(x, step), self.config.rounding), x)
            case "avg":
                return add(
                    name, ops.AvgPool2d(*self.window(x, step), self.config.rounding, self.config.count_padding), x
                )
            case "global":
                return add(name, self.global_pool(step, shape[2:]), x)
            case "to" | "to?":
                size = step.kernel or (1, 1)
                return x if step.kind == "to?" and shape[2:] == size else add(name, ops.AdaptiveAvgPool2d(size), x)
            case "fc":
                x = add(name, ops.Linear(self.width(step)), self.flat(x, f"{name}/flatten"))
                return norm_and_activation(self.writer, x, name, None, None if step.linear else self.style.activation)
            case "lrn":
                return add(name, ops.LocalResponseNorm(), x)
            case "drop":
                return add(name, ops.Dropout(self.config.dropout), x)
            case "act":
                activation = self.style.activation
                if activation and first and getattr(activation, "inplace", False):
                    activation = msgspec.structs.replace(activation, inplace=False)
                return add(name, activation, x) if activation else x

    def conv(self, x: str, name: str, step: StepSpec, width: int) -> str:
        bias = self.style.bias or step.bare
        x = self.writer.add(name, Conv2d(width, *self.window(x, step), bias=bias), x)
        norm = None if step.bare else self.style.norm
        return norm_and_activation(self.writer, x, name, norm, None if step.linear else self.style.activation)

    def separable_conv(self, x: str, name: str, step: StepSpec, channels: int) -> str:
        depthwise = Conv2d(channels * step.multiplier, *self.window(x, step), groups=channels, bias=self.style.bias)
        x = self.writer.add(f"{name}/depthwise", depthwise, x)
        pointwise = StepSpec(kind="conv", kernel=(1, 1), width=step.width, linear=step.linear, bare=step.bare)
        return self.conv(x, f"{name}/pointwise", pointwise, self.width(step))

    def window(self, x: str, step: StepSpec) -> tuple[tuple[int, int], tuple[int, int], Padding]:
        """Kernel, stride and padding of a step that reads `x`."""
        height, width = step.kernel or self.writer.shape(x)[2:]
        stride = (step.stride, step.stride)
        if step.padding is not None:
            return (height, width), stride, (step.padding, step.padding)
        if step.valid or step.kernel is None:
            return (height, width), stride, (0, 0)
        if self.style.same:
            return (height, width), stride, "same"
        if step.kind in ("max", "avg") and step.stride > 1:
            return (height, width), stride, (0, 0)
        return (height, width), stride, (height // 2, width // 2)

    def global_pool(self, step: StepSpec, map_size: tuple[int, ...]) -> Op:
        if self.config.final_pool != "global":
            kernel, stride = parse_pool(self.config.final_pool)
            return ops.AvgPool2d(kernel, (stride, stride), rounding=self.config.rounding)
        if step.stride > 1:  # TF-slim's arg_scope gives its last pool a stride of 2, which one window does not use
            return ops.AvgPool2d((map_size[0], map_size[1]), (step.stride, step.stride))
        return ops.AdaptiveAvgPool2d()

    def flat(self, x: str, name: str) -> str:
        return self.writer.add(name, ops.Flatten(), x) if len(self.writer.shape(x)) > 2 else x

    def width(self, step: StepSpec) -> int:
        return self.config.classes if step.width == "classes" else self.config.scaled(step.width)


_LETTERS = [*"abcdefghijklmnopqrstuvwxyz", *(f"_{i}_" for i in range(1_000))]
"""For the places of the steps in a branch; a line of `Line`'s length has fewer steps."""
_NEED_A_MAP = ("conv", "sep", "max", "avg", "global", "to", "to?")
_TITLES: dict[StepKind, str] = {
    "conv": "Conv2d", "sep": "SeparableConv2d", "max": "MaxPool", "avg": "AvgPool", "global": "AvgPool",
    "to": "AvgPool", "to?": "AvgPool", "fc": "Linear", "lrn": "LRN", "drop": "Dropout",
}  # fmt: skip
