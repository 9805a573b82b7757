"""A graph as Caffe's prototxt, in the spelling of BVLC Caffe 1.0 and later, which reads back equal."""

from collections.abc import Iterable

from inception_lens.errors import FormatError, ShapeError
from inception_lens.graph import Graph, Node, tensor_names
from inception_lens.ops import Op, Shape
from inception_lens.writers.caffe.layers import WRITERS, Fields, Word


def to_prototxt(graph: Graph) -> str:
    """Write a graph; a training graph ends in losses, with their weights and a label.

    Padding and adaptive pools are written as what they are on this graph's input.

    Raises:
        FormatError: Caffe has no layer for a node; the message names it.
    """
    return "".join(_lines([("name", graph.name), *_Writing(graph).layers()], ""))


def _lines(fields: Fields, indent: str) -> Iterable[str]:
    for name, value in fields:
        if isinstance(value, list):
            yield f"{indent}{name} {{\n"
            yield from _lines(value, f"{indent}  ")
            yield f"{indent}}}\n"
        else:
            yield f"{indent}{name}: {_scalar(value)}\n"


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and not isinstance(value, Word):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(c if c.isprintable() else "".join(f"\\{b:03o}" for b in c.encode()) for c in escaped) + '"'
    return str(value)


class _Writing:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.kept = {given.name for given in graph.inputs} | {output.node for output in graph.outputs}
        self.names = set(graph.index.producer)
        self.blobs = {given.name: given.name for given in graph.inputs}

    def layers(self) -> Fields:
        found: Fields = [("layer", _input(given.name, given.type.shape)) for given in self.graph.inputs]
        for node in self.graph.nodes:
            found += [("layer", fields) for fields in self.node(node)]
        return found + [("layer", fields) for fields in self.losses()]

    def losses(self) -> list[Fields]:
        if self.graph.mode == "inference":
            return []
        label = self.unique("label")
        batch = self.graph.inputs[0].type.shape[:1]
        layers = [_input(label, batch)]
        for i, output in enumerate(self.graph.outputs, 1):
            name = self.unique(f"loss{i}" if len(self.graph.outputs) > 1 else "loss")
            bottoms: Fields = [("bottom", self.blobs[output.node]), ("bottom", label)]
            layers.append(
                [
                    ("name", name),
                    ("type", "SoftmaxWithLoss"),
                    *bottoms,
                    ("top", name),
                    ("loss_weight", output.loss_weight),
                ]
            )
        return layers

    def unique(self, name: str) -> str:
        while name in self.names:
            name += "_"
        self.names.add(name)
        return name

    def node(self, node: Node) -> list[Fields]:
        """The layers of one node: one, and for a batch norm a second with its scale and shift."""
        (x, *_), name = node.inputs or ("",), node.name
        inplace = getattr(node.op, "inplace", False) and len(self.graph.index.readers[x]) == 1 and x not in self.kept
        top = self.blobs[name] = self.blobs[x] if inplace else name
        kind, fields = self.described(node)
        wires: Fields = [("bottom", self.blobs[each]) for each in node.inputs]
        layers = [[("name", name), ("type", kind), *wires, ("top", top), *self.tensors(node), *fields]]
        after = _affine(node.op)
        if after:
            layers[0] = [field for field in layers[0] if field[0] != "param"]
            second = self.unique(f"{name}/{after[0].lower()}")
            here: Fields = [("bottom", top), ("top", top)]
            layers.append([("name", second), ("type", after[0]), *here, *self.tensors(node), *after[1]])
        return layers

    def described(self, node: Node) -> tuple[str, Fields]:
        """Caffe's type of the layer, and its own fields.

        Raises:
            FormatError: there is none.
        """
        writer = WRITERS.get(type(node.op).__name__)
        if writer is None or len(self.graph.types[node.name]) > 1:
            raise self.refusal(node, f"has no layer for {node.op.kind}")
        try:
            return writer(node.op, self.graph, node)
        except ShapeError as error:
            raise self.refusal(node, str(error)) from None

    def refusal(self, node: Node, why: str) -> FormatError:
        return FormatError(f"Caffe cannot express `{self.graph.name}`: at `{node.name}` ({node.op.label}) it {why}")

    def tensors(self, node: Node) -> Fields:
        """Names of shared tensors, and rates of 0 for those that do not learn."""
        tensors = node.op.parameters(*self.graph.input_shapes(node)) if node.op.has_weights else ()
        names = list(tensor_names(node, tensors))[: len(tensors)]
        fields: list[Fields] = []
        for name, tensor in zip(names, tensors, strict=True):
            shared: Fields = [] if name == f"{node.name}.{tensor.role}" else [("name", name)]
            fields.append([*shared, *([("lr_mult", 0)] if name in self.graph.frozen else [])])
        return [("param", each) for each in fields] if any(fields) else []


def _input(name: str, shape: Shape) -> Fields:
    dims: Fields = [("dim", size) for size in shape]
    return [("name", name), ("type", "Input"), ("top", name), ("input_param", [("shape", dims)])]


def _affine(op: Op) -> tuple[str, Fields] | None:
    if not type(op).__name__.startswith("BatchNorm"):
        return None
    scale, shift = getattr(op, "scale", False), getattr(op, "shift", False)
    if scale:
        return "Scale", [("scale_param", [("bias_term", shift)])] if shift else []
    return ("Bias", []) if shift else None
