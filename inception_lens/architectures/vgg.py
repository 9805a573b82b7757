"""VGG (K. Simonyan and A. Zisserman, arXiv 1409.1556, Table 1, columns B, D and E)."""

from inception_lens.architectures.blueprint import Blueprint
from inception_lens.architectures.entry import Entry, PublishedAccuracy

STAGE_WIDTHS = (64, 128, 256, 512, 512)
"""Channels of all convolutions between two pools."""
CONVOLUTIONS_PER_STAGE = {13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""By the depth: columns B, D and E of Table 1."""

ACCURACY = {13: (69.928, 89.246), 16: (71.592, 90.382), 19: (72.376, 90.876)}
"""Top-1 and top-5 of torchvision's `IMAGENET1K_V1` weights."""


def vgg(depth: int) -> Blueprint:
    """The network with `depth` layers that have weights, as in torchvision."""
    table: dict[str, str] = {}
    for stage, (width, convolutions) in enumerate(zip(STAGE_WIDTHS, CONVOLUTIONS_PER_STAGE[depth], strict=True), 1):
        table |= {f"conv{stage}_{i}": f"3x3 {width}" for i in range(1, convolutions + 1)}
        table[f"pool{stage}"] = "max 2x2/2"
    return Blueprint(
        blocks=table,
        head="avgpool: to? 7x7 > fc1: fc 4096 > drop1: drop > fc2: fc 4096 > drop2: drop > out: fc classes lin",
        norm="none",
        bias=True,
    )


def _paddle(depth: int) -> Blueprint:
    torchvision = vgg(depth)
    head = torchvision.head.removeprefix("avgpool: to? 7x7 > ")
    return torchvision.replace(classes=102, head=head, rounding="ceil_unclipped", softmax=True)


ENTRIES = tuple(
    entry
    for depth, accuracy in ACCURACY.items()
    for entry in (
        Entry(f"vgg{depth}", f"VGG-{depth}", "torchvision", vgg(depth),
              PublishedAccuracy(*accuracy, f"torchvision 0.28, VGG{depth}_Weights")),
        Entry(f"vgg{depth}@paddle", f"VGG-{depth}", "PaddlePaddle v2, 2017", _paddle(depth)),
    )
)  # fmt: skip
