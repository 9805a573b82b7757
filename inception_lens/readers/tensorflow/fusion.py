"""Calls of a GraphDef that are one layer: a convolution and its bias, and the arithmetic of a batch norm.

TensorFlow writes a bias as a node of its own. `tf.nn.batch_normalization`, which Keras 3 calls, computes
x * S + (beta - mean * S) with S = gamma * rsqrt(variance + eps).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import prod

from inception_lens.ops import Shape
from inception_lens.readers.tensorflow.nodes import GraphDefAttribute, GraphDefNode, declared_type

CONVOLUTIONS = ("Conv2D", "Conv3D", "DepthwiseConv2dNative", "Conv2DBackpropInput", "Conv3DBackpropInputV2")
ADDITIONS = ("BiasAdd", "BiasAddV1", "Add", "AddV2")
FORWARDING = (
    "CheckNumerics", "EnsureShape", "Identity", "PlaceholderWithDefault", "PreventGradient", "ReadVariableOp",
    "Snapshot", "StopGradient",
)  # fmt: skip
"""Operations that return their first input."""
VARIABLES = ("VarHandleOp", "Variable", "VariableV2")
BIAS = "bias"
"""Attribute that marks a convolution whose last input is its bias."""


def fuse(nodes: Mapping[str, GraphDefNode]) -> dict[str, GraphDefNode]:
    """The nodes, with each layer of several calls as one in the place of the last."""
    finder = _LayerFinder(nodes)
    finder = _LayerFinder({name: finder.dilated(node) or node for name, node in nodes.items()})
    rules = (finder.biased, finder.batch_norm, finder.unscaled)
    return {name: next(filter(None, (rule(node) for rule in rules)), node) for name, node in finder.nodes.items()}


class _LayerFinder:
    def __init__(self, nodes: Mapping[str, GraphDefNode]) -> None:
        self.nodes = nodes
        self.reads = Counter(name for node in nodes.values() for name in node.inputs)

    def source(self, tensor: str, skipped: tuple[str, ...] = FORWARDING) -> GraphDefNode | None:
        """The node that produces a tensor, before those that only forward it."""
        node = self.nodes.get(tensor)
        for _ in range(8):
            if node is None or not node.inputs or node.op not in skipped:
                break
            node = self.nodes.get(node.inputs[0])
        return node

    def stored_shape(self, tensor: str) -> Shape | None:
        """The shape of a constant or a variable, before reshapes; None for other tensors."""
        node = self.source(tensor, (*FORWARDING, "Reshape", "ExpandDims", "Squeeze"))
        if node is not None and node.op in VARIABLES:
            declared = declared_type(node.shape("shape"), "float32")
            return declared.shape if declared else None
        kind = node.tensor("value").type if node is not None and node.op == "Const" else None
        return kind.shape if kind else None

    def integers(self, tensor: str) -> list[int]:
        """The numbers of a constant; empty for other tensors."""
        node = self.source(tensor)
        array = node.tensor("value").array if node is not None and node.op == "Const" else None
        return [] if array is None or array.dtype.kind not in "iu" else [int(each) for each in array.reshape(-1)]

    def dilated(self, node: GraphDefNode) -> GraphDefNode | None:
        """The dilated convolution of which `node` is the last call: of tiles that are split before and joined after it.

        Padding to whole tiles is cropped again.
        """
        layer = self.nodes.get(node.inputs[0]) if node.op == "BatchToSpaceND" and len(node.inputs) == 3 else None
        if layer is None or layer.op not in ("Conv2D", "DepthwiseConv2dNative") or len(layer.inputs) != 2:
            return None
        split = self.nodes.get(layer.inputs[0])
        if split is None or split.op != "SpaceToBatchND" or len(split.inputs) != 3:
            return None
        sides, pads, crops = (self.integers(each) for each in (*split.inputs[1:], node.inputs[2]))
        is_plain = layer.text("padding", "") == "VALID" and set(layer.integers("strides")) <= {1}
        padding = [pad - crop for pad, crop in zip(pads, crops, strict=False)]
        if not is_plain or len(sides) != 2 or len(padding) != 4 or min(padding) < 0 or not self.are_read_once(node):
            return None
        window: dict[str, GraphDefAttribute] = {
            "dilations": [1, *sides, 1], "padding": "EXPLICIT", "explicit_paddings": [0, 0, *padding, 0, 0],
        }  # fmt: skip
        return layer._replace(inputs=(split.inputs[0], layer.inputs[1]), attributes={**layer.attributes, **window})

    def are_read_once(self, node: GraphDefNode) -> bool:
        """Whether only `node` reads its first input, and only that its own."""
        inner = self.nodes[node.inputs[0]]
        return self.reads[node.inputs[0]] == self.reads[inner.inputs[0]] == 1

    def biased(self, node: GraphDefNode) -> GraphDefNode | None:
        """The convolution to which `node` adds a bias per output channel."""
        if node.op not in ADDITIONS:
            return None
        for tensor, bias in self.operands(node):
            layer = self.nodes.get(tensor)
            if layer is None or layer.op not in CONVOLUTIONS or self.reads[tensor] != 1 or len(layer.inputs) < 2:
                continue
            kernel, shape = self.stored_shape(layer.inputs[1]), self.stored_shape(bias)
            if kernel and shape and max(shape) == prod(shape) == _out_channels(layer.op, kernel):
                return layer._replace(inputs=(*layer.inputs, bias), attributes={**layer.attributes, BIAS: 1})
        return None

    def batch_norm(self, node: GraphDefNode) -> GraphDefNode | None:
        """The batch norm of which `node` is the last addition."""
        if node.op not in ("Add", "AddV2"):
            return None
        for a, b in self.operands(node):
            product, shift = self.source(a), self.source(b)
            if product is None or shift is None or product.op != "Mul":
                continue
            for x, factor in self.operands(product):
                found = self.scale(factor)
                shifted = self.shift(shift, factor) if found else None
                if found and shifted:
                    gamma, variance, eps = found
                    beta, mean = shifted
                    inputs = (x, gamma, beta, mean, variance)
                    attributes: dict[str, GraphDefAttribute] = {
                        "epsilon": eps,
                        "is_training": 0,
                        "data_format": self.layout(variance),
                    }
                    return GraphDefNode(node.name, "FusedBatchNorm", inputs, attributes)
        return None

    def unscaled(self, node: GraphDefNode) -> GraphDefNode | None:
        """A fused norm without its scale, if that is a constant of ones: TF-slim's norms learn none.

        A variable in a frozen graph is read through an Identity, which optimisers may have removed.
        """
        if not node.op.startswith("FusedBatchNorm") or len(node.inputs) < 2:
            return None
        x, name, *others = node.inputs
        scale = self.nodes.get(name)
        if scale is None or scale.op != "Const":
            return None
        array = scale.tensor("value").array
        if scale.name.endswith("gamma") or array is None or not (array == 1).all():
            return None
        return node._replace(inputs=(x, "", *others))

    def operands(self, node: GraphDefNode) -> list[tuple[str, str]]:
        """Both orders of two operands."""
        if len(node.inputs) != 2:
            return []
        a, b = node.inputs
        return [(a, b), (b, a)]

    def scale(self, tensor: str) -> tuple[str, str, float] | None:
        """Gamma, empty where there is none, the variance and eps of gamma * rsqrt(variance + eps)."""
        node, gamma = self.source(tensor), ""
        if node is not None and node.op == "Mul":
            for root, other in self.operands(node):
                found = self.source(root)
                if found is not None and found.op == "Rsqrt" and self.stored_shape(other):
                    node, gamma = found, other
        total = self.source(node.inputs[0]) if node is not None and node.op == "Rsqrt" and node.inputs else None
        if total is None or total.op not in ("Add", "AddV2"):
            return None
        for variance, eps in self.operands(total):
            constant = self.source(eps)
            if self.stored_shape(variance) and constant is not None and constant.op == "Const":
                array = constant.tensor("value").array
                if array is not None and array.size == 1:
                    return gamma, variance, float(array.reshape(-1)[0])
        return None

    def shift(self, node: GraphDefNode, factor: str) -> tuple[str, str] | None:
        """Beta, empty where there is none, and the mean of beta - mean * factor or of -mean * factor."""
        beta, product = "", node
        if node.op == "Sub" and len(node.inputs) == 2 and self.stored_shape(node.inputs[0]):
            beta, found = node.inputs[0], self.source(node.inputs[1])
            if found is None:
                return None
            product = found
        if product.op != "Mul":
            return None
        for mean, other in self.operands(product):
            if other != factor:
                continue
            negated = self.source(mean)
            if not beta and negated is not None and negated.op == "Neg" and negated.inputs:
                mean = negated.inputs[0]
            elif not beta:
                continue
            if self.stored_shape(mean):
                return beta, mean
        return None

    def layout(self, tensor: str) -> str:
        """The data format of a norm: statistics for channels before the map are reshaped to 1xCx1x1."""
        node = self.source(tensor)
        shape = self.source(node.inputs[1]) if node is not None and node.op == "Reshape" and node.inputs[1:] else None
        array = shape.tensor("value").array if shape is not None and shape.op == "Const" else None
        return "NCHW" if array is not None and array.size > 2 and array.reshape(-1)[-1] == 1 else "NHWC"


def _out_channels(op: str, kernel: Shape) -> int:
    if len(kernel) < 2:
        return -1
    if op == "DepthwiseConv2dNative":
        return kernel[-1] * kernel[-2]
    return kernel[-2 if "Backprop" in op else -1]
