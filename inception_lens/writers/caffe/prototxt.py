"""A graph as Caffe's prototxt, in the spelling of BVLC Caffe 1.0 and later.

It reads back equal, or comments at its beginning name each difference, such as a rounding that changes no size here.

Not expressed: padding that differs between the sides of an axis, means that leave the padding out, dilated pools,
recurrent layers, attention, and most arithmetic of each element. `same` padding and adaptive pools are written as the
explicit windows that they have on this graph's input.
"""

from inception_lens.errors import FormatError
from inception_lens.graph import Graph, Node
from inception_lens.ops import BatchNorm1d, BatchNorm2d, BatchNorm3d, Op, Shape
from inception_lens.writers.caffe.differences import differences
from inception_lens.writers.caffe.layers import WRITERS
from inception_lens.writers.caffe.text_format import Fields, FieldValue, message_text, shape_field
from inception_lens.writers.caffe.windows import CallShapes, LayerText
from inception_lens.writers.inexpressible import inexpressible


def to_prototxt(graph: Graph) -> str:
    """Write a graph; a training graph ends in a `SoftmaxWithLoss` for each output, with its weight, and a label.

    Raises:
        FormatError: Caffe has no layer for a node, or would refuse it; the message names it.
    """
    text = message_text([("name", graph.name), *_NetWriter(graph).layers()])
    comments = "".join(f"# {line}\n" for line in differences(graph, text))
    return f"# Not kept:\n{comments}{text}" if comments else text


class _NetWriter:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.kept = {given.name for given in graph.inputs} | {output.node for output in graph.outputs}
        self.names = set(graph.index.producer)
        self.blobs = {given.name: given.name for given in graph.inputs}
        """Caffe's blob of each tensor: an in-place layer writes to the blob that it reads."""

    def layers(self) -> list[tuple[str, FieldValue]]:
        inputs = [_input(given.name, given.type.shape) for given in self.graph.inputs]
        nodes = [layer for node in self.graph.nodes for layer in self.node(node)]
        return [("layer", fields) for fields in (*inputs, *nodes, *self.losses())]

    def losses(self) -> list[Fields]:
        if self.graph.mode == "inference":
            return []
        label = self.unique("label")
        layers: list[Fields] = [_input(label, self.graph.inputs[0].type.shape[:1])]
        for i, output in enumerate(self.graph.outputs, 1):
            name = self.unique(f"loss{i}" if len(self.graph.outputs) > 1 else "loss")
            bottoms = [self.blobs[output.node], label]
            layers.append([*_head(name, "SoftmaxWithLoss", bottoms, name), ("loss_weight", output.loss_weight)])
        return layers

    def unique(self, name: str) -> str:
        while name in self.names:
            name += "_"
        self.names.add(name)
        return name

    def node(self, node: Node) -> list[Fields]:
        """The layers of one node: one, or for a batch norm with a scale or shift two."""
        (x, *_), name = node.inputs or ("",), node.name
        inplace = getattr(node.op, "inplace", False) and len(self.graph.index.readers[x]) == 1 and x not in self.kept
        top = self.blobs[name] = self.blobs[x] if inplace else name
        layer, second = self.layer(node), _scale_or_bias(node.op)
        bottoms = [self.blobs[each] for each in node.inputs]
        if second is None:
            return [[*_head(name, layer.type, bottoms, top), *self.tensors(node), *layer.fields]]
        second_name = self.unique(f"{name}/{second.type.lower()}")
        return [
            [*_head(name, layer.type, bottoms, top), *layer.fields],
            [*_head(second_name, second.type, [top], top), *self.tensors(node), *second.fields],
        ]

    def layer(self, node: Node) -> LayerText:
        """The Caffe layer of a node.

        Raises:
            FormatError: there is none.
        """
        write = WRITERS.get(type(node.op))
        if write is None:
            raise inexpressible("Caffe", self.graph, node, f"there is no layer for {node.op.kind}")
        if len(self.graph.types[node.name]) > 1:
            raise inexpressible("Caffe", self.graph, node, f"the layer of {node.op.kind} has one output")
        try:
            return write(node.op, CallShapes(self.graph.input_shapes(node), self.graph.types[node.name][0].shape))
        except FormatError as error:
            raise inexpressible("Caffe", self.graph, node, str(error)) from None

    def tensors(self, node: Node) -> Fields:
        """`param` messages: the names of shared tensors, and rates of 0 for frozen ones."""
        parameters = node.op.parameters(*self.graph.input_shapes(node)) if node.op.has_weights else ()
        params: list[Fields] = []
        for name, tensor in self.graph.tensors(node)[: len(parameters)]:
            shared: Fields = [] if name == f"{node.name}.{tensor.role}" else [("name", name)]
            frozen: Fields = [("lr_mult", 0)] if name in self.graph.frozen else []
            params.append([*shared, *frozen])
        return [("param", each) for each in params] if any(params) else []


def _head(name: str, type_: str, bottoms: list[str], top: str) -> Fields:
    return [("name", name), ("type", type_), *(("bottom", blob) for blob in bottoms), ("top", top)]


def _input(name: str, shape: Shape) -> Fields:
    return [("name", name), ("type", "Input"), ("top", name), ("input_param", [shape_field(shape)])]


def _scale_or_bias(op: Op) -> LayerText | None:
    """The layer after a batch norm that has its scale and shift: Caffe's BatchNorm has neither."""
    if not isinstance(op, BatchNorm1d | BatchNorm2d | BatchNorm3d):
        return None
    if op.scale:
        return LayerText("Scale", [("scale_param", [("bias_term", True)])] if op.shift else ())
    return LayerText("Bias") if op.shift else None
