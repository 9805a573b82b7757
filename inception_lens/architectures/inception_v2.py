"""Inception V2, or BN-Inception (S. Ioffe and C. Szegedy, arXiv 1502.03167, Figure 5), as in TF-slim.

Two 3x3 replace each 5x5, a batch norm follows every convolution, and the first convolution is separable.
"""

from inception_lens.architectures.blueprint import Blueprint, parse_blocks
from inception_lens.architectures.entry import SLIM_README, Entry, PublishedAccuracy
from inception_lens.architectures.network import SLIM_BATCH_NORM

TABLE = """
    Conv2d_1a_7x7   sep 7x7/2*8 64 bare
    MaxPool_2a_3x3  max 3x3/2
    Conv2d_2b_1x1   1x1 64
    Conv2d_2c_3x3   3x3 192
    MaxPool_3a_3x3  max 3x3/2
    Mixed_3b        1x1  64 | 1x1  64 > 3x3  64 | 1x1  64 > 3x3  96 > 3x3  96 | avg 3x3 > 1x1  32
    Mixed_3c        1x1  64 | 1x1  64 > 3x3  96 | 1x1  64 > 3x3  96 > 3x3  96 | avg 3x3 > 1x1  64
    Mixed_4a        1x1 128 > 3x3/2 160 | 1x1 64 > 3x3 96 > 3x3/2 96 | max 3x3/2
    Mixed_4b        1x1 224 | 1x1  64 > 3x3  96 | 1x1  96 > 3x3 128 > 3x3 128 | avg 3x3 > 1x1 128
    Mixed_4c        1x1 192 | 1x1  96 > 3x3 128 | 1x1  96 > 3x3 128 > 3x3 128 | avg 3x3 > 1x1 128
    Mixed_4d        1x1 160 | 1x1 128 > 3x3 160 | 1x1 128 > 3x3 160 > 3x3 160 | avg 3x3 > 1x1  96
    Mixed_4e        1x1  96 | 1x1 128 > 3x3 192 | 1x1 160 > 3x3 192 > 3x3 192 | avg 3x3 > 1x1  96
    Mixed_5a        1x1 128 > 3x3/2 192 | 1x1 192 > 3x3 256 > 3x3/2 256 | max 3x3/2
    Mixed_5b        1x1 352 | 1x1 192 > 3x3 320 | 1x1 160 > 3x3 224 > 3x3 224 | avg 3x3 > 1x1 128
    Mixed_5c        1x1 352 | 1x1 192 > 3x3 320 | 1x1 192 > 3x3 224 > 3x3 224 | max 3x3 > 1x1 128
"""

SLIM = Blueprint(
    blocks=parse_blocks(TABLE),
    head="AvgPool_1a_7x7: avg/2 > Dropout_1b: drop > Logits/Conv2d_1c_1x1: 1x1 classes bare lin",
    batch_norm=SLIM_BATCH_NORM,
    padding="same",
    count_padding=False,
    dropout=0.2,
)

ENTRIES = (
    Entry("inception_v2", "Inception V2", "TF-slim, separable stem", SLIM, PublishedAccuracy(73.9, 91.8, SLIM_README)),
    Entry("inception_v2@nonseparable", "Inception V2", "TF-slim, use_separable_conv=False",
          SLIM.replace(blocks={**SLIM.blocks, "Conv2d_1a_7x7": "7x7/2 64"})),
)  # fmt: skip
