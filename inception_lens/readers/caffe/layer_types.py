"""Caffe's layer types in the three spellings of its formats.

Source: BVLC Caffe, `src/caffe/proto/caffe.proto` and `src/caffe/util/upgrade_proto.cpp`. The current spelling is used
by `layer { type: "Convolution" }`. V1 (`layers { type: CONVOLUTION }`) is an enum, which a .caffemodel stores as a
number. V0 (`layers { layer { type: "conv" } }`) is the oldest.
"""

_V1 = (
    (1, "ACCURACY", "Accuracy"), (2, "BNLL", "BNLL"), (3, "CONCAT", "Concat"), (4, "CONVOLUTION", "Convolution"),
    (5, "DATA", "Data"), (6, "DROPOUT", "Dropout"), (7, "EUCLIDEAN_LOSS", "EuclideanLoss"), (8, "FLATTEN", "Flatten"),
    (9, "HDF5_DATA", "HDF5Data"), (10, "HDF5_OUTPUT", "HDF5Output"), (11, "IM2COL", "Im2col"),
    (12, "IMAGE_DATA", "ImageData"), (13, "INFOGAIN_LOSS", "InfogainLoss"), (14, "INNER_PRODUCT", "InnerProduct"),
    (15, "LRN", "LRN"), (16, "MULTINOMIAL_LOGISTIC_LOSS", "MultinomialLogisticLoss"), (17, "POOLING", "Pooling"),
    (18, "RELU", "ReLU"), (19, "SIGMOID", "Sigmoid"), (20, "SOFTMAX", "Softmax"),
    (21, "SOFTMAX_LOSS", "SoftmaxWithLoss"), (22, "SPLIT", "Split"), (23, "TANH", "TanH"),
    (24, "WINDOW_DATA", "WindowData"), (25, "ELTWISE", "Eltwise"), (26, "POWER", "Power"),
    (27, "SIGMOID_CROSS_ENTROPY_LOSS", "SigmoidCrossEntropyLoss"), (28, "HINGE_LOSS", "HingeLoss"),
    (29, "MEMORY_DATA", "MemoryData"), (30, "ARGMAX", "ArgMax"), (31, "THRESHOLD", "Threshold"),
    (32, "DUMMY_DATA", "DummyData"), (33, "SLICE", "Slice"), (34, "MVN", "MVN"), (35, "ABSVAL", "AbsVal"),
    (36, "SILENCE", "Silence"), (37, "CONTRASTIVE_LOSS", "ContrastiveLoss"), (38, "EXP", "Exp"),
    (39, "DECONVOLUTION", "Deconvolution"),
)  # fmt: skip
"""`V1LayerParameter.LayerType`: its numbers, its names, and the current spelling."""

V1_NUMBERS = {number: current for number, _, current in _V1}
"""Current spelling, by the numbers of the enum."""

V1_NAMES = {number: name for number, name, _ in _V1}
"""Names of the enum, by its numbers."""

V1_TYPES = {name: current for _, name, current in _V1}
"""Current spelling, by the names of the enum."""

V0_TYPES = {
    "accuracy": "Accuracy", "bnll": "BNLL", "concat": "Concat", "conv": "Convolution", "data": "Data",
    "dropout": "Dropout", "euclidean_loss": "EuclideanLoss", "flatten": "Flatten", "hdf5_data": "HDF5Data",
    "hdf5_output": "HDF5Output", "im2col": "Im2col", "images": "ImageData", "infogain_loss": "InfogainLoss",
    "innerproduct": "InnerProduct", "lrn": "LRN", "multinomial_logistic_loss": "MultinomialLogisticLoss",
    "padding": "padding", "pool": "Pooling", "relu": "ReLU", "sigmoid": "Sigmoid", "softmax": "Softmax",
    "softmax_loss": "SoftmaxWithLoss", "split": "Split", "tanh": "TanH", "window_data": "WindowData",
}  # fmt: skip
"""Current spelling of V0 types; the current format has no layer for V0's `padding`."""
