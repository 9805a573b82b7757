"""The blobs of a Caffe net while it is read, and how its layers become nodes."""

from collections.abc import Mapping, Sequence

from inception_lens.errors import FormatError, suggest
from inception_lens.graph import Input, Node, Writer, output_name
from inception_lens.ops import Op, Shape, TensorType, Unknown
from inception_lens.readers.caffe.inputs import CaffeInput, unknown_shape
from inception_lens.readers.caffe.layers import CaffeLayer
from inception_lens.readers.names import UniqueNames

UNKNOWN_TYPE = TensorType(())
"""Stands for a blob whose shape no rule tells; what reads it is an Unknown too."""


class CaffeGraphBuilder:
    """What each blob's name means at a point of the file: layers in place give the same name a new meaning."""

    def __init__(self, sources: Sequence[CaffeInput], shapes: Mapping[str, Shape], read: set[str]) -> None:
        """Begin with the `sources` that are `read`; the others, such as labels, are left out."""
        missing = [source for source in sources if source.blob in read and source.blob not in shapes]
        if missing:
            raise unknown_shape(missing[0])
        used = [source.blob for source in sources if source.blob in read]
        self.writer = Writer([Input(blob, TensorType(shapes[blob])) for blob in used])
        self.given = frozenset(used)
        self.blobs = {blob: blob for blob in used}
        self.mysteries: set[str] = set()
        """Nodes and outputs of them whose shape nobody knows."""
        self.affine: dict[CaffeLayer, CaffeLayer] = {}
        """Scale and Bias layers that belong to the batch norm before them."""
        self.frozen: set[str] = set()
        self.was_read: set[str] = set()
        self.names = UniqueNames(used)

    def bottom(self, layer: CaffeLayer, i: int = 0) -> str:
        """The node that makes the layer's bottom number `i`.

        Raises:
            FormatError: the layer has no such bottom, or nothing before it makes the blob.
        """
        if i >= len(layer.bottoms):
            raise FormatError(f"`{layer.name}` ({layer.type}) has {len(layer.bottoms)} `bottom`: it needs {i + 1}")
        blob = layer.bottoms[i]
        if blob not in self.blobs:
            nearest = suggest(blob, self.blobs)
            raise FormatError(f"`{layer.name}` ({layer.type}) reads `{blob}`, which no layer before it makes{nearest}")
        return self.blobs[blob]

    def shape(self, node: str) -> Shape:
        """Shape of a node's output."""
        return self.writer.shape(node)

    def add(self, layer: CaffeLayer, op: Op, *inputs: str, suffix: str = "", owner: CaffeLayer | None = None) -> str:
        """Write a node for the layer, called as it is or `<its name>/<suffix>`, and return its name.

        What is said of the layer's tensors, that they are shared or do not learn, is looked up in `owner`, or in the
        layer itself.
        """
        name = self.names.take(f"{layer.name}/{suffix}" if suffix else layer.name)
        parameters: tuple[str, ...] = ()
        if op.has_weights:
            parameters = self.tensors(owner or layer, name, op, inputs)
        self.writer.write(Node(name, op, inputs, parameters))
        self.was_read.update(inputs)
        return name

    def tensors(self, layer: CaffeLayer, node: str, op: Op, inputs: Sequence[str]) -> tuple[str, ...]:
        """Names of the tensors that a node shares with others; none where all are its own."""
        roles = [tensor.role for tensor in op.parameters(*map(self.shape, inputs))]
        own = [f"{node}.{role}" for role in roles]
        given = [*layer.shared_names(), *[""] * len(own)]
        names = [shared or mine for mine, shared in zip(own, given, strict=False)]
        self.frozen.update(name for name, rate in zip(names, layer.learning_rates(), strict=False) if rate == 0)
        if names == own:
            return ()
        return (*names, *[f"{node}.{tensor.role}" for tensor in op.buffers(*map(self.shape, inputs))])

    def chain(self, layer: CaffeLayer, x: str, steps: Sequence[tuple[str, Op]]) -> str:
        """Write operations one behind the other, the last of them under the layer's own name."""
        for i, (suffix, op) in enumerate(steps, 1):
            x = self.add(layer, op, x, suffix="" if i == len(steps) else suffix)
        return x

    def unknown(self, layer: CaffeLayer, shapes: Sequence[Shape] = ()) -> tuple[str, ...]:
        """Write an Unknown, its outputs of `shapes` where they are known all the same; in place, of the bottom's."""
        inputs = tuple(self.bottom(layer, i) for i in range(len(layer.bottoms)))
        declared = tuple(TensorType(shape) for shape in shapes)
        told = bool(declared)
        if not told and layer.tops == layer.bottoms and not self.mysteries & set(inputs):
            declared, told = tuple(TensorType(self.shape(node)) for node in inputs), True
        declared = declared or (UNKNOWN_TYPE,) * max(len(layer.tops), 1)
        name = self.add(layer, Unknown(layer.type, declared), *inputs)
        outputs = tuple(output_name(name, i) for i in range(len(declared)))
        if not told:
            self.mysteries.update(outputs)
        return outputs

    def bind(self, layer: CaffeLayer, nodes: Sequence[str]) -> None:
        """Let the layer's tops mean these nodes.

        Raises:
            FormatError: it has more tops than it makes.
        """
        if len(layer.tops) > len(nodes):
            raise FormatError(f"`{layer.name}` ({layer.type}) has {len(layer.tops)} `top`, but makes {len(nodes)}")
        self.blobs.update(zip(layer.tops, nodes, strict=False))


def axis_of(layer: CaffeLayer, written: int, rank: int, *, most: int = 0) -> int:
    """An axis counted from the front; `most` more than the last is allowed.

    Raises:
        FormatError: there is no such axis.
    """
    axis = written + rank if written < 0 else written
    if not 0 <= axis < rank + most:
        raise FormatError(f"`{layer.name}` ({layer.type}): axis {written} of a blob with {rank} axes")
    return axis
