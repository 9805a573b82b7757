"""Xception (F. Chollet, "Deep Learning with Depthwise Separable Convolutions", arXiv 1610.02357, Figure 5)."""

from inception_lens.architectures.blueprint import Blueprint, parse_blocks
from inception_lens.architectures.entry import KERAS_README, Entry, PublishedAccuracy
from inception_lens.architectures.network import BatchNormConfig

TABLE = """
    block1_conv1  3x3/2V 32
    block1_conv2  3x3V 64
    block2        + sep 3x3 128 > sep 3x3 128 lin > max 3x3/2
    block3        + act > sep 3x3 256 > sep 3x3 256 lin > max 3x3/2
    block4        + act > sep 3x3 728 > sep 3x3 728 lin > max 3x3/2
    block5        + act > sep 3x3 728 > sep 3x3 728 > sep 3x3 728 lin
    block6        + act > sep 3x3 728 > sep 3x3 728 > sep 3x3 728 lin
    block7        + act > sep 3x3 728 > sep 3x3 728 > sep 3x3 728 lin
    block8        + act > sep 3x3 728 > sep 3x3 728 > sep 3x3 728 lin
    block9        + act > sep 3x3 728 > sep 3x3 728 > sep 3x3 728 lin
    block10       + act > sep 3x3 728 > sep 3x3 728 > sep 3x3 728 lin
    block11       + act > sep 3x3 728 > sep 3x3 728 > sep 3x3 728 lin
    block12       + act > sep 3x3 728 > sep 3x3 728 > sep 3x3 728 lin
    block13       + act > sep 3x3 728 > sep 3x3 1024 lin > max 3x3/2
    block14       sep 3x3 1536 > sep 3x3 2048
"""

KERAS = Blueprint(
    input=(3, 299, 299),
    blocks=parse_blocks(TABLE),
    head="avg_pool: avg > predictions: fc classes lin",
    padding="same",
    count_padding=False,
    softmax=True,
)
PADDLE = KERAS.replace(
    input=(3, 224, 224),
    classes=102,
    blocks={**KERAS.blocks, "block1_conv1": "3x3/2 32", "block1_conv2": "3x3 64"},
    batch_norm=BatchNormConfig(eps=1e-5),
    bias=True,
    padding="explicit",
    rounding="ceil_unclipped",
    shortcut="last",
)

ENTRIES = (
    Entry("xception", "Xception", "Keras", KERAS, PublishedAccuracy(79.006, 94.452, KERAS_README)),
    Entry("xception@paddle", "Xception", "PaddlePaddle v2, 2017", PADDLE),
)
