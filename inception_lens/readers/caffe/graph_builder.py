"""The Graph of a Caffe net while its layers are read."""

from collections.abc import Callable, Mapping, Sequence

from inception_lens.errors import FormatError, suggest
from inception_lens.graph import Input, Node, Writer, output_name
from inception_lens.ops import Op, Shape, TensorType, Unknown
from inception_lens.readers.caffe.inputs import CaffeInput, missing_shape
from inception_lens.readers.caffe.layers import CaffeLayer
from inception_lens.readers.names import UniqueNames
from inception_lens.readers.shapes import UNKNOWN_TYPE, resolve_axis


class CaffeGraphBuilder:
    """Writes nodes, and maps each blob to the node that currently produces it: in-place layers rebind their blob."""

    def __init__(
        self,
        inputs: Sequence[CaffeInput],
        shapes: Mapping[str, Shape],
        read: set[str],
        affine: Mapping[CaffeLayer, CaffeLayer],
    ) -> None:
        """Start with those of the inputs that layers `read`; others, such as labels, are left out.

        Raises:
            FormatError: the shape of an input that is read is unknown.
        """
        used = [given for given in inputs if given.blob in read]
        for given in used:
            if given.blob not in shapes:
                raise missing_shape(given)
        self.writer = Writer([Input(given.blob, TensorType(shapes[given.blob])) for given in used])
        self.inputs = frozenset(given.blob for given in used)
        self.blobs = {given.blob: given.blob for given in used}
        """The node that produces each blob, as seen by the layer that is read next."""
        self.unknown_outputs: set[str] = set()
        """Nodes, and outputs of nodes, of unknown shape."""
        self.affine = affine
        """Scale and Bias layers that are part of the batch norm before them, by that layer."""
        self.frozen: set[str] = set()
        """Names of parameters with a learning rate of 0."""
        self.read_nodes: set[str] = set()
        self.names = UniqueNames(self.inputs)

    def bottom(self, layer: CaffeLayer, i: int = 0) -> str:
        """The node that produces the layer's bottom number `i`.

        Raises:
            FormatError: the layer has fewer bottoms, or no layer before it produces the blob.
        """
        if i >= len(layer.bottoms):
            raise FormatError(f"has {len(layer.bottoms)} `bottom`, but needs {i + 1}")
        blob = layer.bottoms[i]
        if blob not in self.blobs:
            raise FormatError(f"bottom `{blob}` is not a top of a layer before it{suggest(blob, self.blobs)}")
        return self.blobs[blob]

    def bottoms(self, layer: CaffeLayer) -> list[str]:
        """The nodes that produce the layer's bottoms, of which there must be at least one."""
        return [self.bottom(layer, i) for i in range(max(len(layer.bottoms), 1))]

    def shape(self, node: str) -> Shape:
        """Shape of a node's output."""
        return self.writer.shape(node)

    def axis(self, node: str, axis: int, *, extra: int = 0) -> int:
        """An axis of a node's output, counted from the front."""
        return resolve_axis(axis, len(self.shape(node)), extra=extra)

    def add(self, layer: CaffeLayer, op: Op, *inputs: str, suffix: str = "", params: CaffeLayer | None = None) -> str:
        """Write a node of the layer, named like it or `<its name>/<suffix>`, and return its name.

        The `param` messages that name shared tensors or set learning rates are those of `params`, by default the
        layer itself.
        """
        name = self.names.take(f"{layer.name}/{suffix}" if suffix else layer.name)
        parameters: tuple[str, ...] = ()
        if op.has_weights:
            parameters = self._parameter_names(params or layer, name, op, inputs)
        self.writer.write(Node(name, op, inputs, parameters))
        self.read_nodes.update(inputs)
        return name

    def _parameter_names(self, layer: CaffeLayer, node: str, op: Op, inputs: Sequence[str]) -> tuple[str, ...]:
        """Names of a node's tensors if it shares any; none if all are its own."""
        roles = [tensor.role for tensor in op.parameters(*map(self.shape, inputs))]
        own = [f"{node}.{role}" for role in roles]
        shared = [*layer.shared_names(), *[""] * len(own)]
        names = [common or mine for mine, common in zip(own, shared, strict=False)]
        self.frozen.update(name for name, rate in zip(names, layer.learning_rates(), strict=False) if rate == 0)
        if names == own:
            return ()
        return (*names, *[f"{node}.{tensor.role}" for tensor in op.buffers(*map(self.shape, inputs))])

    def add_chain(self, layer: CaffeLayer, x: str, steps: Sequence[tuple[str, Op]]) -> str:
        """Write consecutive operations with these suffixes, the last one under the layer's own name."""
        for i, (suffix, op) in enumerate(steps, 1):
            x = self.add(layer, op, x, suffix="" if i == len(steps) else suffix)
        return x

    def unknown(self, layer: CaffeLayer, shapes: Sequence[Shape] = ()) -> tuple[str, ...]:
        """Write an Unknown with outputs of `shapes`, if they are known; an in-place layer keeps its bottoms' shapes."""
        inputs = tuple(self.bottom(layer, i) for i in range(len(layer.bottoms)))
        if not shapes and layer.tops == layer.bottoms and not self.unknown_outputs & set(inputs):
            shapes = [self.shape(node) for node in inputs]
        declared = tuple(TensorType(shape) for shape in shapes) or (UNKNOWN_TYPE,) * max(len(layer.tops), 1)
        name = self.add(layer, Unknown(layer.type, declared, params_known=False), *inputs)
        outputs = tuple(output_name(name, i) for i in range(len(declared)))
        if not shapes:
            self.unknown_outputs.update(outputs)
        return outputs

    def bind(self, layer: CaffeLayer, nodes: Sequence[str]) -> None:
        """Make these nodes the producers of the layer's tops.

        Raises:
            FormatError: the layer has more tops than outputs.
        """
        if len(layer.tops) > len(nodes):
            raise FormatError(f"has {len(layer.tops)} `top`, but {len(nodes)} output{'s' * (len(nodes) != 1)}")
        self.blobs.update(zip(layer.tops, nodes, strict=False))


CaffeHandler = Callable[[CaffeGraphBuilder, CaffeLayer], tuple[str, ...]]
"""Writes the nodes of a layer and returns those that produce its tops, in their order."""
