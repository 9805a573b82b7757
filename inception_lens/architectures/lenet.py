"""LeNet-5 (Y. LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998, Figure 2).

In the common dense form every map of C3 reads all maps of S2, and the output is linear; Caffe's form is for MNIST.
"""

from inception_lens.architectures.blueprint import Blueprint, parse_blocks
from inception_lens.architectures.entry import Entry

DENSE = """
    C1  5x5V 6
    S2  avg 2x2/2
    C3  5x5V 16
    S4  avg 2x2/2
    C5  all 120
"""
"""Figure 2 of the paper, with a dense C3."""

CAFFE_TABLE = """
    conv1  5x5V 20 lin
    pool1  max 2x2/2
    conv2  5x5V 50 lin
    pool2  max 2x2/2
"""
"""BVLC/caffe examples/mnist/lenet.prototxt."""

LENET = Blueprint(
    input=(1, 32, 32),
    classes=10,
    blocks=parse_blocks(DENSE),
    head="F6: fc 84 > output: fc classes lin",
    norm="none",
    bias=True,
    activation="tanh",
)

CAFFE = LENET.replace(
    input=(1, 28, 28), blocks=parse_blocks(CAFFE_TABLE), head="ip1: fc 500 > ip2: fc classes lin", activation="relu",
    rounding="ceil", softmax=True,
)  # fmt: skip

ENTRIES = (
    Entry("lenet", "LeNet-5", "LeCun et al. 1998, dense C3", LENET),
    Entry("lenet@caffe", "LeNet-5", "Caffe, examples/mnist", CAFFE),
)
