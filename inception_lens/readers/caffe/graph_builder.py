"""The Graph of a Caffe net while its layers are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from inception_lens.errors import FormatError, ShapeError, suggest
from inception_lens.graph import Input, Node, Writer, output_name
from inception_lens.ops import UNKNOWN_SIZE, Op, Parameter, Shape, TensorType, Unknown
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
        lists_blobs: bool,
    ) -> None:
        """Start with those of the inputs that layers `read`; others, such as labels, are left out.

        `shapes` are those of the inputs, and those that the caller gives for blobs of unknown layers. `lists_blobs` if
        the layers have their learned tensors, as those of a .caffemodel.

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
        self.shapes = shapes
        self.lists_blobs = lists_blobs
        self.learned = 0
        """Learned elements of the nodes so far, without those that a node shares with another of its layer."""
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

    def map_shape(self, node: str) -> Shape:
        """Shape of a node's output, `(N, C, H, W)`.

        Raises:
            FormatError: it has another number of axes.
        """
        shape = self.shape(node)
        if len(shape) != 4:
            raise FormatError(f"reads a blob of {len(shape)} axes; expected 4")
        return shape

    def first_size(self, node: str) -> int:
        """Size of the first axis of a node's output, such as the number of boxes; UNKNOWN_SIZE if it is unknown.

        Raises:
            FormatError: the output is a scalar.
        """
        if not self.has_shape(node):
            return UNKNOWN_SIZE
        if not self.shape(node):
            raise FormatError("lists its samples in a scalar; expected at least 1 axis")
        return self.shape(node)[0]

    def axis(self, node: str, axis: int, *, extra: int = 0) -> int:
        """An axis of a node's output, counted from the front."""
        return resolve_axis(axis, len(self.shape(node)), extra=extra)

    def add(
        self,
        layer: CaffeLayer,
        op: Op,
        *inputs: str,
        suffix: str = "",
        params: CaffeLayer | None = None,
        owner: str = "",
    ) -> str:
        """Write a node of the layer, named like it or `<its name>/<suffix>`, and return its name.

        The `param` messages that name shared tensors or set learning rates are those of `params`, by default the
        layer itself. The tensors are those of the node `owner`, by default its own.
        """
        name = self.names.take(f"{layer.name}/{suffix}" if suffix else layer.name)
        parameters: tuple[str, ...] = ()
        if op.has_weights:
            parameters = self._parameter_names(params or layer, name, owner or name, op, inputs)
            if not owner:
                self.learned += sum(tensor.elements for tensor in op.parameters(*map(self.shape, inputs)))
        self.writer.write(Node(name, op, inputs, parameters))
        self.read_nodes.update(inputs)
        return name

    def _parameter_names(
        self, layer: CaffeLayer, node: str, owner: str, op: Op, inputs: Sequence[str]
    ) -> tuple[str, ...]:
        """Names of a node's tensors if it shares any; none if all are its own."""
        own = [f"{owner}.{tensor.role}" for tensor in op.parameters(*map(self.shape, inputs))]
        shared = [*layer.shared_names(), *[""] * len(own)]
        names = [common or mine for mine, common in zip(own, shared, strict=False)]
        self.frozen.update(name for name, rate in zip(names, layer.learning_rates(), strict=False) if rate == 0)
        if names == own and owner == node:
            return ()
        return (*names, *[f"{node}.{tensor.role}" for tensor in op.buffers(*map(self.shape, inputs))])

    def add_chain(self, layer: CaffeLayer, x: str, steps: Sequence[tuple[str, Op]]) -> str:
        """Write consecutive operations with these suffixes, the last one under the layer's own name."""
        for i, (suffix, op) in enumerate(steps, 1):
            x = self.add(layer, op, x, suffix="" if i == len(steps) else suffix)
        return x

    def has_shape(self, node: str) -> bool:
        """Whether the number of axes of a node's output is known."""
        return self.writer.tensor_type(node).has_shape

    def unknown(
        self, layer: CaffeLayer, shapes: Sequence[Shape] = (), *, params_known: bool = False
    ) -> tuple[str, ...]:
        """Write an Unknown with outputs of `shapes`, or of those that the caller gives for the layer's tops.

        A top in place has the shape of its bottom. `params_known` if the layer has no parameters.
        """
        inputs = [self.bottom(layer, i) for i in range(len(layer.bottoms))]
        before = dict(zip(layer.bottoms, inputs, strict=True)) if layer.tops == layer.bottoms else {}
        types = [TensorType(shape) for shape in shapes] or [
            TensorType(self.shapes[top])
            if top in self.shapes
            else self.writer.tensor_type(before[top])
            if top in before
            else UNKNOWN_TYPE
            for top in layer.tops or ("",)
        ]
        tensors = tuple(Parameter(str(i), shape) for i, shape in enumerate(layer.blob_shapes()))
        learned, kept = ((), tensors) if layer.type == "BatchNorm" else (tensors, ())
        op = Unknown(layer.type, tuple(types), params_known or self.lists_blobs, learned, kept)
        name = self.add(layer, op, *inputs)
        return tuple(output_name(name, i) for i in range(len(types)))

    def attempt(self, write: CaffeHandler, layer: CaffeLayer) -> tuple[str, ...] | None:
        """The nodes that `write` returns for a layer; None if the layer cannot take its bottoms, and then no node."""
        calls, names, learned = len(self.writer), set(self.names), self.learned
        try:
            return write(self, layer)
        except (FormatError, ShapeError):
            self.writer.truncate(calls)
            self.names.intersection_update(names)
            self.learned = learned
            return None

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
