"""What a written ONNX model does not keep: the differences between a graph and the graph that is read back."""

from inception_lens.errors import FormatError, require
from inception_lens.graph import Graph
from inception_lens.readers.onnx.model import OnnxModelReader
from inception_lens.readers.onnx.stripping import strip_tensor_data
from inception_lens.writers.differences import graph_differences


def differences(graph: Graph, data: bytes) -> list[str]:
    """One line for each difference between a graph and the one in its ONNX model; none if they are equal."""
    onnx = require("onnx", extra="onnx")
    model = onnx.ModelProto.FromString(strip_tensor_data(memoryview(data)))
    try:
        again = OnnxModelReader(model, graph.name).graph(None, graph.mode)
    except FormatError as error:  # a limit
        return [f"{graph.name}: it cannot be read back: {error}"]
    return graph_differences(graph, again)
