"""The ONNX operators that can be read, with the functions that write their nodes."""

from inception_lens.readers.onnx.activations import ACTIVATIONS
from inception_lens.readers.onnx.attention import ATTENTION
from inception_lens.readers.onnx.convolution import CONVOLUTION
from inception_lens.readers.onnx.elementwise import ELEMENTWISE
from inception_lens.readers.onnx.graph_builder import OnnxHandler
from inception_lens.readers.onnx.indexing import INDEXING
from inception_lens.readers.onnx.linear import LINEAR
from inception_lens.readers.onnx.normalization import NORMALIZATION
from inception_lens.readers.onnx.pooling import POOLING
from inception_lens.readers.onnx.recurrent import RECURRENT
from inception_lens.readers.onnx.reductions import REDUCTIONS
from inception_lens.readers.onnx.reshaping import RESHAPING

HANDLERS: dict[str, OnnxHandler] = {
    **ACTIVATIONS, **ATTENTION, **CONVOLUTION, **ELEMENTWISE, **INDEXING, **LINEAR, **NORMALIZATION, **POOLING,
    **RECURRENT, **REDUCTIONS, **RESHAPING,
}  # fmt: skip
"""By the operator's name."""
