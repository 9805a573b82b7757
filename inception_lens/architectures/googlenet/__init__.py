"""GoogLeNet (C. Szegedy et al., "Going Deeper with Convolutions", arXiv 1409.4842) and its ports, as one config.

The paper leaves paddings, pool rounding, biases and the parameters of local response normalisation open; the defaults
are those of Caffe's bvlc_googlenet. Every port is this config with a few fields changed: see `ENTRIES`.
"""

from inception_lens.architectures.entry import SLIM_README, Entry, PublishedAccuracy
from inception_lens.architectures.googlenet.network import GoogLeNet
from inception_lens.architectures.googlenet.tables import LRN, TABLE_1, AuxHead, InceptionModule, Stem
from inception_lens.architectures.network import SLIM_BATCH_NORM

__all__ = ["ENTRIES", "LRN", "PAPER", "TABLE_1", "AuxHead", "GoogLeNet", "InceptionModule", "Stem"]

PAPER = GoogLeNet()

_BATCH_NORM_PORT = PAPER.replace(norm="batch", bias=False, kernel_5x5=3, last_pool=2, dropout=0.2, softmax=False)

ENTRIES = (
    Entry("googlenet", "GoogLeNet", "Szegedy et al. 2014, Table 1", PAPER,
          PublishedAccuracy(None, 89.93, "arXiv 1409.4842, Table 3: one model, one crop")),
    Entry("googlenet@caffe", "GoogLeNet", "Caffe, bvlc_googlenet", PAPER,
          PublishedAccuracy(68.7, 88.9, "BVLC/caffe models/bvlc_googlenet/readme.md")),
    Entry("googlenet@paddle", "GoogLeNet", "PaddlePaddle v2, 2017",
          PAPER.replace(classes=102, norm="none", rounding="ceil_unclipped", final_pool="7x7/7")),
    Entry("googlenet@paddle-fluid", "GoogLeNet", "PaddlePaddle Fluid, PaddleClas",
          PAPER.replace(norm="none", bias=False, activation_at="concat", rounding="trunc", final_pool="7x7/7"),
          PublishedAccuracy(70.7, 89.66, "PaddlePaddle/models PaddleCV/image_classification/README.md")),
    Entry("googlenet@torchvision", "GoogLeNet", "torchvision",
          _BATCH_NORM_PORT.replace(aux_head=AuxHead(pool="adaptive")),
          PublishedAccuracy(69.778, 89.53, "torchvision 0.28, GoogLeNet_Weights")),
    Entry("googlenet@slim", "GoogLeNet", "TF-slim, Inception V1",
          _BATCH_NORM_PORT.replace(
              batch_norm=SLIM_BATCH_NORM, padding="same", rounding="same", classifier="conv", aux=()),
          PublishedAccuracy(69.8, 89.6, SLIM_README)),
    Entry("googlenet@naive", "GoogLeNet", "Szegedy et al. 2014, Figure 2a", PAPER.replace(reduce=())),
)  # fmt: skip
"""The paper's network and its ports."""
