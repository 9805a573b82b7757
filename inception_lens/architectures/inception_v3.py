"""Inception V3 (C. Szegedy et al., arXiv 1512.00567, Table 1 and Figures 5-10).

Two 3x3 replace 5x5, 1x7 and 7x1 replace 7x7, and strided branches in parallel with a pool halve the maps.
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
  Mixed_5b  1x1  64 | 1x1 48 > 5x5 64 | 1x1 64 > 3x3 96 > 3x3 96 | avg 3x3 > 1x1 32
  Mixed_5c  1x1  64 | 1x1 48 > 5x5 64 | 1x1 64 > 3x3 96 > 3x3 96 | avg 3x3 > 1x1 64
  Mixed_5d  1x1  64 | 1x1 48 > 5x5 64 | 1x1 64 > 3x3 96 > 3x3 96 | avg 3x3 > 1x1 64
  Mixed_6a  3x3/2V 384 | 1x1 64 > 3x3 96 > 3x3/2V 96 | max 3x3/2V
  Mixed_6b  1x1 192 | 1x1 128 > 1x7 128 > 7x1 192 | 1x1 128 > 7x1 128 > 1x7 128 > 7x1 128 > 1x7 192 | avg 3x3 > 1x1 192
  Mixed_6c  1x1 192 | 1x1 160 > 1x7 160 > 7x1 192 | 1x1 160 > 7x1 160 > 1x7 160 > 7x1 160 > 1x7 192 | avg 3x3 > 1x1 192
  Mixed_6d  1x1 192 | 1x1 160 > 1x7 160 > 7x1 192 | 1x1 160 > 7x1 160 > 1x7 160 > 7x1 160 > 1x7 192 | avg 3x3 > 1x1 192
  Mixed_6e  1x1 192 | 1x1 192 > 1x7 192 > 7x1 192 | 1x1 192 > 7x1 192 > 1x7 192 > 7x1 192 > 1x7 192 | avg 3x3 > 1x1 192
  Mixed_7a  1x1 192 > 3x3/2V 320 | 1x1 192 > 1x7 192 > 7x1 192 > 3x3/2V 192 | max 3x3/2V
  Mixed_7b  1x1 320 | 1x1 384 > 1x3 384 & 3x1 384 | 1x1 448 > 3x3 384 > 1x3 384 & 3x1 384 | avg 3x3 > 1x1 192
  Mixed_7c  1x1 320 | 1x1 384 > 1x3 384 & 3x1 384 | 1x1 448 > 3x3 384 > 1x3 384 & 3x1 384 | avg 3x3 > 1x1 192
"""

AUX = "AvgPool_1a_5x5: avg 5x5/3V > Conv2d_1b_1x1: 1x1 128 > Conv2d_2a_5x5: all 768"

SLIM = Blueprint(
    input=(3, 299, 299),
    blocks=parse_blocks(TABLE),
    head="AvgPool_1a_8x8: avg/2 > Dropout_1b: drop > Logits/Conv2d_1c_1x1: 1x1V classes bare lin",
    aux=f"{AUX} > Conv2d_2b_1x1: 1x1 classes bare lin",
    aux_at="Mixed_6e",
    batch_norm=SLIM_BATCH_NORM,
    padding="same",
    count_padding=False,
    dropout=0.2,
)
TORCHVISION = SLIM.replace(
    head="avgpool: avg > dropout: drop > fc: fc classes lin",
    aux=f"{AUX.replace('all', '5x5V')} > adaptive_avg: avg > fc: fc classes lin",
    batch_norm=BatchNormConfig(),
    padding="explicit",
    count_padding=True,
    dropout=0.5,
)

WITHOUT_AUX = {"head": "avgpool: avg > fc: fc classes lin", "aux": "none", "aux_at": ""}

ENTRIES = (
    Entry("inception_v3", "Inception V3", "TF-slim", SLIM, PublishedAccuracy(78.0, 93.9, SLIM_README)),
    Entry("inception_v3@torchvision", "Inception V3", "torchvision", TORCHVISION,
          PublishedAccuracy(77.294, 93.45, "torchvision 0.28, Inception_V3_Weights")),
    Entry("inception_v3@timm", "Inception V3", "timm, no head", TORCHVISION.replace(**WITHOUT_AUX)),
    Entry("inception_v3@keras", "Inception V3", "Keras", SLIM.replace(**WITHOUT_AUX, softmax=True),
          PublishedAccuracy(77.898, 93.72, KERAS_README)),
)  # fmt: skip
