"""Inception-ResNet-v2 (C. Szegedy et al., arXiv 1602.07261, Figures 15 to 19; section 3.3 scales the residuals).

The stem is that of Inception V3, as in TF-slim, not the one of Figure 3.
"""

from inception_lens.architectures.blueprint import Blueprint, parse_blocks
from inception_lens.architectures.entry import KERAS_README, SLIM_README, Entry, PublishedAccuracy
from inception_lens.architectures.network import SLIM_BATCH_NORM, BatchNormConfig

TABLE = """
    Conv2d_1a_3x3   3x3/2V 32
    Conv2d_2a_3x3   3x3V 32
    Conv2d_2b_3x3   3x3 64
    MaxPool_3a_3x3  max 3x3/2V
    Conv2d_3b_1x1   1x1V 80
    Conv2d_4a_3x3   3x3V 192
    MaxPool_5a_3x3  max 3x3/2V
    Mixed_5b        1x1 96 | 1x1 48 > 5x5 64 | 1x1 64 > 3x3 96 > 3x3 96 | avg 3x3 > 1x1 64
    Block35         x10 +0.17 1x1 32 | 1x1 32 > 3x3 32 | 1x1 32 > 3x3 48 > 3x3 64 => act
    Mixed_6a        3x3/2V 384 | 1x1 256 > 3x3 256 > 3x3/2V 384 | max 3x3/2V
    Block17         x20 +0.1 1x1 192 | 1x1 128 > 1x7 160 > 7x1 192 => act
    Mixed_7a        1x1 256 > 3x3/2V 384 | 1x1 256 > 3x3/2V 288 | 1x1 256 > 3x3 288 > 3x3/2V 320 | max 3x3/2V
    Block8          x9 +0.2 1x1 192 | 1x1 192 > 1x3 224 > 3x1 256 => act
    Block8_10       + 1x1 192 | 1x1 192 > 1x3 224 > 3x1 256
    Conv2d_7b_1x1   1x1 1536
"""

SLIM = Blueprint(
    input=(3, 299, 299),
    classes=1001,
    blocks=parse_blocks(TABLE),
    head="AvgPool_1a_8x8: avg > Dropout_1b: drop > Logits: fc classes lin",
    aux="AvgPool_1a_5x5: avg 5x5/3V > Conv2d_1b_1x1: 1x1 128 > Conv2d_2a_5x5: all 768 > Logits: fc classes lin",
    aux_at="Block17",
    batch_norm=SLIM_BATCH_NORM,
    padding="same",
    count_padding=False,
    dropout=0.2,
)
WITHOUT_HEADS = SLIM.replace(classes=1000, head="AvgPool_1a_8x8: avg > Logits: fc classes lin", aux="none", aux_at="")

PADDLE = SLIM.replace(
    classes=102, aux="none", aux_at="", batch_norm=BatchNormConfig(), padding="explicit", rounding="ceil_unclipped",
    dropout=0.5, softmax=True,
)  # fmt: skip

ENTRIES = (
    Entry("inception_resnet_v2", "Inception-ResNet-v2", "TF-slim", SLIM, PublishedAccuracy(80.4, 95.3, SLIM_README)),
    Entry("inception_resnet_v2@timm", "Inception-ResNet-v2", "timm",
          WITHOUT_HEADS.replace(batch_norm=BatchNormConfig(), padding="explicit")),
    Entry("inception_resnet_v2@keras", "Inception-ResNet-v2", "Keras", WITHOUT_HEADS.replace(softmax=True),
          PublishedAccuracy(80.256, 95.252, KERAS_README)),
    Entry("inception_resnet_v2@paddle", "Inception-ResNet-v2", "PaddlePaddle v2, 2017", PADDLE),
)  # fmt: skip
