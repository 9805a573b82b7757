"""ResNet (K. He et al., arXiv 1512.03385, Table 1).

torchvision puts the stride of a bottleneck on its 3x3 (ResNet v1.5), PaddlePaddle v2 on its first 1x1 as the paper.
"""

from inception_lens.architectures.blueprint import Blueprint
from inception_lens.architectures.entry import Entry, PublishedAccuracy
from inception_lens.architectures.network import BatchNormConfig

STAGE_WIDTHS = (64, 128, 256, 512)
"""Channels of the 3x3 convolutions in conv2_x to conv5_x."""
BLOCKS_PER_STAGE = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""By the depth: the columns of Table 1."""
MIN_BOTTLENECK_DEPTH = 50
"""Depth from which blocks are bottlenecks of three convolutions, not two 3x3."""

PADDLE_BLOCKS_PER_STAGE = {**BLOCKS_PER_STAGE, 18: (2, 2, 2, 1)}
"""PaddlePaddle v2's resnet_imagenet has one block less at depth 18."""

ACCURACY = {
    18: (69.758, 89.078), 34: (73.314, 91.42), 50: (76.13, 92.862), 101: (77.374, 93.546), 152: (78.312, 94.046),
}  # fmt: skip
"""Top-1 and top-5 of torchvision's `IMAGENET1K_V1` weights."""


def _table(depth: int, counts: tuple[int, ...], stride_in_3x3: bool, pool: str) -> dict[str, str]:
    table = {"conv1": "7x7/2 64", "pool1": pool}
    for stage, (width, count) in enumerate(zip(STAGE_WIDTHS, counts, strict=True), 1):
        for i in range(1, count + 1):
            halved = "/2" if i == 1 and stage > 1 else ""
            first, second = ("", halved) if stride_in_3x3 else (halved, "")
            if depth < MIN_BOTTLENECK_DEPTH:
                block = f"conv1: 3x3{halved} {width} > conv2: 3x3 {width} lin"
            else:
                block = f"conv1: 1x1{first} {width} > conv2: 3x3{second} {width} > conv3: 1x1 {4 * width} lin"
            table[f"res{stage}_{i}"] = f"+ {block} => act"
    return table


def resnet(depth: int) -> Blueprint:
    """The network with `depth` layers that have weights, as in torchvision."""
    return Blueprint(
        blocks=_table(depth, BLOCKS_PER_STAGE[depth], stride_in_3x3=True, pool="max 3x3/2p1"),
        head="pool2: avg > out: fc classes lin",
        batch_norm=BatchNormConfig(eps=1e-5),
    )


def _paddle(depth: int) -> Blueprint:
    return resnet(depth).replace(
        classes=102,
        blocks=_table(depth, PADDLE_BLOCKS_PER_STAGE[depth], stride_in_3x3=False, pool="max 3x3/2"),
        rounding="ceil_unclipped",
        softmax=True,
    )


ENTRIES = tuple(
    entry
    for depth, accuracy in ACCURACY.items()
    for entry in (
        Entry(f"resnet{depth}", f"ResNet-{depth}", "torchvision", resnet(depth),
              PublishedAccuracy(*accuracy, f"torchvision, ResNet{depth}_Weights.IMAGENET1K_V1")),
        Entry(f"resnet{depth}@paddle", f"ResNet-{depth}", "PaddlePaddle v2, 2017", _paddle(depth)),
    )
)  # fmt: skip
