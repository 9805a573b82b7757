"""Network in Network (M. Lin, Q. Chen and S. Yan, arXiv 1312.4400, Figure 2), as in the Caffe model zoo.

1x1 convolutions ("cccp") follow each convolution, and the mean of the last map replaces fully connected layers.
"""

from inception_lens.architectures.blueprint import Blueprint, parse_blocks
from inception_lens.architectures.entry import Entry, PublishedAccuracy

IMAGENET = """
    conv1       11x11/4V 96
    cccp1       1x1 96
    cccp2       1x1 96
    pool0       max 3x3/2
    conv2       5x5 256
    cccp3       1x1 256
    cccp4       1x1 256
    pool2       max 3x3/2
    conv3       3x3 384
    cccp5       1x1 384
    cccp6       1x1 384
    pool3       max 3x3/2
    drop        drop
    conv4-1024  3x3 1024
    cccp7-1024  1x1 1024
    cccp8-1024  1x1 classes
"""
"""gist mavenlin/d802a5849de39225bcc6."""

CIFAR10 = """
    conv1  5x5 192
    cccp1  1x1 160
    cccp2  1x1 96
    pool1  max 3x3/2
    drop3  drop
    conv2  5x5 192
    cccp3  1x1 192
    cccp4  1x1 192
    pool2  avg 3x3/2
    drop6  drop
    conv3  3x3 192
    cccp5  1x1 192
    cccp6  1x1 classes
"""
"""gist mavenlin/e56253735ef32c3c296d."""

NIN = Blueprint(blocks=parse_blocks(IMAGENET), head="pool4: avg", norm="none", bias=True, rounding="ceil", softmax=True)

ENTRIES = (
    Entry("nin", "Network in Network", "Caffe model zoo, ImageNet", NIN,
          PublishedAccuracy(59.36, None, "gist mavenlin/d802a5849de39225bcc6")),
    Entry("nin@cifar10", "Network in Network", "Caffe model zoo, CIFAR-10",
          NIN.replace(classes=10, input=(3, 32, 32), blocks=parse_blocks(CIFAR10), head="pool3: avg"),
          PublishedAccuracy(89.6, None, "gist mavenlin/e56253735ef32c3c296d: on the test set of CIFAR-10")),
)  # fmt: skip
