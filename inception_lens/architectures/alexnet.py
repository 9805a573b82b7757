"""AlexNet (A. Krizhevsky, I. Sutskever and G. Hinton, NIPS 2012, Figure 2), on one GPU as in its ports."""

from inception_lens.architectures.blueprint import Blueprint, parse_blocks
from inception_lens.architectures.entry import Entry, PublishedAccuracy

ONE_WEIRD_TRICK = """
    conv1  11x11/4p2 64
    pool1  max 3x3/2
    conv2  5x5 192
    pool2  max 3x3/2
    conv3  3x3 384
    conv4  3x3 256
    conv5  3x3 256
    pool3  max 3x3/2
"""
"""A. Krizhevsky, "One weird trick for parallelizing convolutional neural networks", arXiv 1404.5997; torchvision's."""

PADDLE_TABLE = """
    conv1  11x11/4p1 96
    norm1  lrn
    pool1  max 3x3/2
    conv2  5x5 256
    norm2  lrn
    pool2  max 3x3/2
    conv3  3x3 384
    conv4  3x3 384
    conv5  3x3 256
    pool3  max 3x3/2
"""
"""PaddlePaddle v2, image_classification/alexnet.py: the widths of the NIPS paper without its two groups."""

TORCHVISION = Blueprint(
    blocks=parse_blocks(ONE_WEIRD_TRICK),
    head="avgpool: to 6x6 > drop1: drop > fc1: fc 4096 > drop2: drop > fc2: fc 4096 > out: fc classes lin",
    norm="none",
    bias=True,
)
PADDLE = TORCHVISION.replace(
    classes=102,
    blocks=parse_blocks(PADDLE_TABLE),
    head="fc1: fc 4096 > drop1: drop > fc2: fc 4096 > drop2: drop > out: fc classes lin",
    rounding="ceil_unclipped",
    softmax=True,
)

ENTRIES = (
    Entry("alexnet", "AlexNet", "torchvision", TORCHVISION,
          PublishedAccuracy(56.522, 79.066, "torchvision 0.28, AlexNet_Weights")),
    Entry("alexnet@paddle", "AlexNet", "PaddlePaddle v2, 2017", PADDLE),
)  # fmt: skip
