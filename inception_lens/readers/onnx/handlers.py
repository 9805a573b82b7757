"""The ONNX operators that can be read, with the functions that write their nodes."""

from inception_lens.readers.onnx.activations import ACTIVATIONS
from inception_lens.readers.onnx.attention import ATTENTION, MICROSOFT_ATTENTION
from inception_lens.readers.onnx.convolution import CONVOLUTION
from inception_lens.readers.onnx.elementwise import ELEMENTWISE
from inception_lens.readers.onnx.fused import FUSED
from inception_lens.readers.onnx.graph_builder import OnnxHandler
from inception_lens.readers.onnx.indexing import INDEXING
from inception_lens.readers.onnx.linear import LINEAR
from inception_lens.readers.onnx.normalization import NORMALIZATION
from inception_lens.readers.onnx.pooling import POOLING
from inception_lens.readers.onnx.quantization import MICROSOFT_QUANTIZATION, QUANTIZATION
from inception_lens.readers.onnx.recurrent import RECURRENT
from inception_lens.readers.onnx.reductions import REDUCTIONS
from inception_lens.readers.onnx.reshaping import RESHAPING
from inception_lens.readers.onnx.sequences import SEQUENCES

HANDLERS: dict[str, OnnxHandler] = {
    **ACTIVATIONS, **ATTENTION, **CONVOLUTION, **ELEMENTWISE, **INDEXING, **LINEAR, **NORMALIZATION, **POOLING,
    **QUANTIZATION, **RECURRENT, **REDUCTIONS, **RESHAPING, **SEQUENCES,
}  # fmt: skip
"""Those of ONNX, by name."""

MICROSOFT_HANDLERS: dict[str, OnnxHandler] = {**FUSED, **MICROSOFT_ATTENTION, **MICROSOFT_QUANTIZATION}
"""Those of onnxruntime, by name; operators with the name of one of ONNX's can have another definition."""

DOMAIN_HANDLERS = {"": HANDLERS, "ai.onnx": HANDLERS, "com.microsoft": MICROSOFT_HANDLERS}
"""By the operator's domain."""
