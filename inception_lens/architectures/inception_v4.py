"""Inception V4 (C. Szegedy et al., arXiv 1602.07261, Figures 3 to 9)."""

from inception_lens.architectures.blueprint import Blueprint, parse_blocks
from inception_lens.architectures.entry import SLIM_README, Entry, PublishedAccuracy
from inception_lens.architectures.network import SLIM_BATCH_NORM, BatchNormConfig

# Inception-A, -B and -C: Figures 4, 5 and 6.
_A = "1x1 96 | 1x1 64 > 3x3 96 | 1x1 64 > 3x3 96 > 3x3 96 | avg 3x3 > 1x1 96"
_B = "1x1 384 | 1x1 192 > 1x7 224 > 7x1 256 | 1x1 192 > 7x1 192 > 1x7 224 > 7x1 224 > 1x7 256 | avg 3x3 > 1x1 128"
_C = "1x1 256 | 1x1 384 > 1x3 256 & 3x1 256 | 1x1 384 > 3x1 448 > 1x3 512 > 1x3 256 & 3x1 256 | avg 3x3 > 1x1 256"

TABLE = f"""
    Conv2d_1a_3x3  3x3/2V 32
    Conv2d_2a_3x3  3x3V 32
    Conv2d_2b_3x3  3x3 64
    Mixed_3a  max 3x3/2V | 3x3/2V 96
    Mixed_4a  1x1 64 > 3x3V 96 | 1x1 64 > 1x7 64 > 7x1 64 > 3x3V 96
    Mixed_5a  3x3/2V 192 | max 3x3/2V
    Mixed_5b  {_A}
    Mixed_5c  {_A}
    Mixed_5d  {_A}
    Mixed_5e  {_A}
    Mixed_6a  3x3/2V 384 | 1x1 192 > 3x3 224 > 3x3/2V 256 | max 3x3/2V
    Mixed_6b  {_B}
    Mixed_6c  {_B}
    Mixed_6d  {_B}
    Mixed_6e  {_B}
    Mixed_6f  {_B}
    Mixed_6g  {_B}
    Mixed_6h  {_B}
    Mixed_7a  1x1 192 > 3x3/2V 192 | 1x1 256 > 1x7 256 > 7x1 320 > 3x3/2V 320 | max 3x3/2V
    Mixed_7b  {_C}
    Mixed_7c  {_C}
    Mixed_7d  {_C}
"""

HEAD = "AvgPool_1a: avg > Dropout_1b: drop > Logits: fc classes lin"

SLIM = Blueprint(
    input=(3, 299, 299),
    classes=1001,
    blocks=parse_blocks(TABLE),
    head=HEAD,
    aux="AvgPool_1a_5x5: avg 5x5/3V > Conv2d_1b_1x1: 1x1 128 > Conv2d_2a: all 768 > Aux_logits: fc classes lin",
    aux_at="Mixed_6h",
    batch_norm=SLIM_BATCH_NORM,
    padding="same",
    count_padding=False,
    dropout=0.2,
)

_PADDLE_A = "avg 3x3 > 1x1 96 | 1x1 96 | 1x1 64 > 3x3 96 | 1x1 64 > 3x3 96 > 3x3 96"
_PADDLE_B = (
    "avg 3x3 > 1x1 128 | 1x1 384 | 1x1 192 > 7x1 224 > 1x7 256 | 1x1 192 > 7x1 192 > 1x7 224 > 7x1 224 > 1x7 256"
)
_PADDLE_C = (
    "avg 3x3 > 1x1 256 | 1x1 256 | 1x1 384 > 3x1 256 & 1x3 256 | 1x1 384 > 3x1 448 > 1x3 512 > 1x3 256 & 3x1 256"
)

PADDLE_BLOCKS = {
    name: {_A: _PADDLE_A, _B: _PADDLE_B, _C: _PADDLE_C}.get(block, block.replace("V", ""))
    for name, block in SLIM.blocks.items()
} | {
    "Mixed_6a": "max 3x3/2 | 3x3/2 384 | 1x1 192 > 3x3 224 > 3x3/2 256",
    "Mixed_7a": "max 3x3/2 | 1x1 192 > 3x3/2 192 | 1x1 256 > 7x1 256 > 1x7 320 > 3x3/2 320",
}
"""PaddlePaddle v2 pads every convolution and pool, and orders the branches differently."""

PADDLE = SLIM.replace(
    input=(3, 224, 224),
    classes=102,
    blocks=PADDLE_BLOCKS,
    aux="none",
    aux_at="",
    batch_norm=BatchNormConfig(eps=1e-5),
    bias=True,
    padding="explicit",
    rounding="ceil_unclipped",
    softmax=True,
)

ENTRIES = (
    Entry("inception_v4", "Inception V4", "TF-slim", SLIM, PublishedAccuracy(80.2, 95.2, SLIM_README)),
    Entry("inception_v4@timm", "Inception V4", "timm", SLIM.replace(
        classes=1000, aux="none", aux_at="", batch_norm=BatchNormConfig(), padding="explicit", dropout=0.0)),
    Entry("inception_v4@paddle", "Inception V4", "PaddlePaddle v2, 2017", PADDLE),
)  # fmt: skip
