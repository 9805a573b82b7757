"""TensorFlow's graphs: a GraphDef or SavedModel in protocol buffers (.pb) to a Graph, without the data of its weights.

Read: the operations in HANDLERS, for maps with their channels last or after the batch, with the semantics of
TensorFlow's `core/ops/*_ops.cc`; any other operation, with loops and conditions, is an Unknown. Only what the outputs
need is read: outputs are the calls that nothing reads and that depend on an input. Functions are expanded where they
are called, so that a SavedModel is read too; its weights are in other files, which are never opened.

Parameters are constants, and variables of a graph that is not frozen, of several floating-point numbers that a layer
reads as its weight or arithmetic as a tensor; each counts once. The statistics of batch norms are buffers. Maps have
their channels after the batch in the Graph, in which order shapes of inputs are given too.

Limits: those of `graph_def.py` and of the ONNX reader, whose handlers write the nodes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import takewhile
from pathlib import Path

import msgspec

from inception_lens.errors import FormatError, suggest
from inception_lens.graph import Graph, Input, Metadata, Mode, Output
from inception_lens.ops import Shape, TensorType, format_shape
from inception_lens.readers.files import display_path, errors_in, errors_of, map_file
from inception_lens.readers.onnx.graph_builder import OnnxGraphBuilder
from inception_lens.readers.onnx.protos import common_dtype
from inception_lens.readers.onnx.values import OnnxValue
from inception_lens.readers.tensorflow.calls import GraphDefCall, GraphDefHandler, TensorFlowValue, channels_first
from inception_lens.readers.tensorflow.convolution import WINDOWS
from inception_lens.readers.tensorflow.elementwise import ELEMENTWISE
from inception_lens.readers.tensorflow.functions import expand, read_functions
from inception_lens.readers.tensorflow.fusion import CONVOLUTIONS, FORWARDING, VARIABLES, fuse
from inception_lens.readers.tensorflow.graph_def import read_nodes
from inception_lens.readers.tensorflow.nodes import DeclaredSizes, GraphDefNode, declared_type
from inception_lens.readers.tensorflow.reshaping import RESHAPING
from inception_lens.readers.tensorflow.slicing import SLICING

HANDLERS: dict[str, GraphDefHandler] = {**ELEMENTWISE, **RESHAPING, **SLICING, **WINDOWS}
"""By the name of the operation."""

IMAGES = ("DecodeBmp", "DecodeGif", "DecodeImage", "DecodeJpeg", "DecodePng")
"""Operations that return an image: an input of the network."""

WITHOUT_OUTPUTS = {
    "Assert", "Assign", "AssignVariableOp", "Const", "HistogramSummary", "ImageSummary", "MergeSummary",
    "MergeV2Checkpoints", "NoOp", "Placeholder", "RestoreV2", "SaveV2", "ScalarSummary", "VarIsInitializedOp",
    *VARIABLES,
}  # fmt: skip
"""Operations whose result is not an output of the network."""

MAX_OUTPUTS = 10_000
"""Of one node."""

MISSING = TensorFlowValue(OnnxValue(None))
"""An output that no rule here has, such as the reserved space of a norm, or that follows from itself in a loop."""

UNKNOWN_SCALARS = 21
"""Up to this version a placeholder without axes is one of unknown shape (TensorFlow's array_ops.cc)."""


def read_graph_def(path: str, inputs: Mapping[str, Shape] | Shape | None = None, mode: Mode = "inference") -> Graph:
    """Read a GraphDef.

    Args:
        path: the file.
        inputs: shapes of inputs, by name or of the first one, with the channels of images after the batch; a batch
            without a size is 1, and other sizes that the file leaves open must be given. Any other call by name becomes
            an input too, such as one after a loop.
        mode: recorded in the graph; a frozen graph computes the same in both.

    Raises:
        FormatError: the file is not a GraphDef, TensorFlow would refuse it, or it leaves sizes open that are not given.
    """
    data = map_file(path, "a TensorFlow GraphDef")
    with errors_in(path):
        file = read_nodes(data)
        nodes, outputs = expand(file.nodes, read_functions(data, file.library), file.outputs)
        given = set(inputs) if isinstance(inputs, Mapping) else set()
        graph = _GraphDefReader(nodes, outputs, file.version, given).graph(inputs, mode)
    file_path = Path(path)
    name = file_path.absolute().parent.name if file_path.name == "saved_model.pb" else file_path.stem
    return msgspec.structs.replace(graph, metadata=Metadata(name or "graph", display_path(path), "tensorflow"))


class _GraphDefReader:
    def __init__(
        self, nodes: Mapping[str, GraphDefNode], outputs: Sequence[str], version: int, given: Set[str]
    ) -> None:
        """Find what the outputs need; a call of a `given` name is an input, and what it reads is left out."""
        self.nodes, self.version, self.cuts = fuse(nodes), version, given
        self.outputs = list(outputs) or self.unread(nodes)
        self.order = self.needed(map(_node_of, self.outputs))
        self.prefix = self.common_prefix()
        windows = [node for node in map(self.nodes.__getitem__, self.order) if node.op in WINDOWS]
        self.has_channels_last = any(node.text("data_format", "NHWC").endswith("C") for node in windows)
        reads = [name for key in self.order for name in self.nodes[key].inputs]
        self.reads = Counter(reads)
        self.counts: dict[str, int] = {}
        for name in reads:
            key, i = _node_of(name), name.rpartition(":")[2]
            if key != name:
                self.counts[key] = max(self.counts.get(key, 1), min(int(i), MAX_OUTPUTS) + 1)
        self.read_as_variables = self.former_variables()

    def former_variables(self) -> set[str]:
        """Constants that were variables: they are read through an Identity, which optimisers remove.

        Empty where a layer reads its kernel directly, which makes variables equal to other constants.
        """
        calls = [self.nodes[key] for key in self.order]
        kernels = [node.inputs[1] for node in calls if node.op in (*CONVOLUTIONS, "MatMul") and len(node.inputs) > 1]
        if any(name in self.nodes and is_kernel(self.nodes[name]) for name in kernels):
            return set()
        forwarded = {name for node in calls if node.op in FORWARDING for name in node.inputs}
        return {name for name in forwarded if name in self.nodes and is_kernel(self.nodes[name])}

    def unread(self, nodes: Mapping[str, GraphDefNode]) -> list[str]:
        """The nodes that no other reads and that depend on an input of the network."""
        read = {_node_of(name) for node in nodes.values() for name in node.inputs}
        order = self.needed([key for key in nodes if key not in read and nodes[key].op not in WITHOUT_OUTPUTS])
        depends: set[str] = set()
        for key in order:
            if self.is_input(self.nodes[key]) or depends.intersection(map(_node_of, self.nodes[key].inputs)):
                depends.add(key)
        return [key for key in order if key not in read and key in depends]

    def common_prefix(self) -> str:
        """The path that the names of all calls start with, which is left out: the network's own name."""
        calls = [node.name for key in self.order if (node := self.nodes[key]).inputs and node.op not in FORWARDING]
        modules = [name.split("/")[:-1] for name in calls] or [[]]
        shared = takewhile(lambda pair: pair[0] == pair[1], zip(min(modules), max(modules), strict=False))
        return "".join(f"{part}/" for part, _ in shared)

    def needed(self, outputs: Iterable[str]) -> list[str]:
        """The keys of the nodes that some need, and of these, each after those that it reads.

        Raises:
            FormatError: nodes read each other in a cycle, other than that of a loop.
        """
        order: list[str] = []
        state: dict[str, bool] = {}
        """False for nodes that are open, whose inputs are not all in the order yet."""
        for output in outputs:
            if output not in self.nodes:
                raise FormatError(f"output `{output}` is not a node{suggest(output, self.nodes)}")
            stack = [output]
            while stack:
                key = stack[-1]
                if key in state:
                    stack.pop()
                    if not state[key]:
                        state[key] = True
                        order.append(key)
                    continue
                state[key] = False
                for name in reversed(self.dependencies(key)):
                    if name not in state:
                        stack.append(name)
                    elif not state[name]:
                        raise FormatError(f"node `{name}` depends on its own output")
        return order

    def dependencies(self, key: str) -> list[str]:
        """The nodes that a node reads; the back edge of a loop is left out."""
        if self.is_input(self.nodes[key]):
            return []
        names = [_node_of(name) for name in self.nodes[key].inputs if name]
        for name in names:
            if name not in self.nodes:
                raise FormatError(f"`{key}` reads `{name}`, which is not a node{suggest(name, self.nodes)}")
        return [name for name in names if self.nodes[name].op not in ("NextIteration", "RefNextIteration")]

    def graph(self, inputs: Mapping[str, Shape] | Shape | None, mode: Mode) -> Graph:
        """The whole network."""
        types = self.input_types(inputs)
        builder = OnnxGraphBuilder([Input(name, kind) for name, kind in types.items()], {}, constant_weights=True)
        values: dict[str, TensorFlowValue] = {}
        for key in self.order:
            node = self.nodes[key]
            with errors_of(node.name, node.op):
                made = [self.given(builder, node)] if key in types else self.read(builder, key, values)
            values.update({f"{key}:{i}" if i else key: value for i, value in enumerate(made)})
        if not self.outputs:
            raise FormatError("has no output: no call depends on an input")
        found = [values.get(key, MISSING).value for key in self.outputs]
        nodes = [builder.node(value) for value in found if value.type or value.node]
        graph = builder.writer.graph(map(Output, dict.fromkeys(nodes)), mode, Metadata("graph"))
        weights = {x.value.weight: x.value for x in values.values() if x.value.is_weight}
        return msgspec.structs.replace(graph, dtype=common_dtype(weights.values()))

    def input_types(self, given: Mapping[str, Shape] | Shape | None) -> dict[str, TensorType]:
        """The types of the inputs, with the channels of images after the batch."""
        needed = set(self.order)
        found = [node for key, node in self.nodes.items() if key in needed and self.is_input(node)]
        names = [node.name for node in found]
        if not isinstance(given, Mapping):
            given = {"": given} if given is not None and names else {}
        shapes = {name or (names[0] if names else ""): shape for name, shape in given.items()}
        if unknown := sorted(set(shapes) - set(names)):
            raise FormatError(f"has no input `{unknown[0]}`{suggest(unknown[0], names)}")
        return {node.name: self.input_type(node, shapes.get(node.name)) for node in found}

    def input_type(self, node: GraphDefNode, given: Shape | None) -> TensorType:
        """The type of an input: the given one, or the declared one with a batch of 1."""
        declared = self.declared_shape(node)
        dtype = "uint8" if node.op in IMAGES else node.dtype("dtype", node.dtype("T"))
        if declared is not None and self.is_image(node, len(declared)):
            declared = tuple(declared[axis] for axis in channels_first(len(declared)))
        if given is None:
            found = declared_type(declared, dtype)
            if found is None:
                sizes = [
                    ("1" if i == 0 else "224") if size is None else str(size) for i, size in enumerate(declared or ())
                ]
                example = "x".join(sizes) or "1x3x224x224"
                raise FormatError(f"has sizes that are not fixed: give them, --input {node.name}={example}")
            return found
        if declared is None:
            return TensorType(given, dtype)
        shape = (1, *given) if len(given) == len(declared) - 1 > 1 else given
        if len(shape) != len(declared):
            raise FormatError(f"has {len(declared)} axes, not {len(given)}: {format_shape(given)}")
        if self.is_image(node, len(shape)) and not _fits(shape, declared):
            moved = tuple(shape[axis] for axis in channels_first(len(shape)))  # given in TensorFlow's order
            shape = moved if _fits(moved, declared) else shape
        return TensorType(shape, dtype)

    def is_input(self, node: GraphDefNode) -> bool:
        """Whether the caller supplies the output; a scalar with a default, such as a switch to training, keeps it."""
        if node.name in self.cuts or node.op in IMAGES:
            return True
        is_free = node.op == "Placeholder" or (node.op == "PlaceholderWithDefault" and bool(node.shape("shape")))
        return is_free and node.dtype("dtype", "") != ""

    def declared_shape(self, node: GraphDefNode) -> DeclaredSizes:
        """The shape of an input as the file declares it."""
        if node.op in IMAGES:
            return (None, None, node.integer("channels", 0) or None)
        shape = node.shape("shape")
        return None if shape == () and self.version <= UNKNOWN_SCALARS else shape

    def is_image(self, node: GraphDefNode, rank: int) -> bool:
        """Whether an input of `rank` axes has its channels last for TensorFlow."""
        return self.has_channels_last and rank > 3 and node.op not in IMAGES

    def given(self, builder: OnnxGraphBuilder, node: GraphDefNode) -> TensorFlowValue:
        """An input of the Graph."""
        value = builder.value(node.name)
        return TensorFlowValue(value, self.is_image(node, len(value.shape)))

    def read(self, builder: OnnxGraphBuilder, key: str, values: Mapping[str, TensorFlowValue]) -> list[TensorFlowValue]:
        """The outputs of a node."""
        node = self.nodes[key]
        builder.steps.take()
        if node.op == "Const" or node.op in VARIABLES:
            return [TensorFlowValue(self.stored(node))]
        inputs = tuple(values.get(name, MISSING) if name else None for name in node.inputs)
        node = node._replace(name=node.name.removeprefix(self.prefix))
        call = GraphDefCall(builder, node, inputs, self.reads[key], self.counts.get(key, 1))
        handler = HANDLERS.get(node.op)
        is_known = all(x is None or x.value.type for x in inputs)
        try:
            return handler(call) if handler and (is_known or node.op in FORWARDING) else call.unknown()
        except (ValueError, IndexError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
            raise FormatError(f"its inputs or attributes are invalid: {str(error)[:80]}") from None

    def stored(self, node: GraphDefNode) -> OnnxValue:
        """A constant or a variable; a constant that was not a variable is not learned, if the file shows which were."""
        if node.op in VARIABLES:
            kind = declared_type(node.shape("shape"), node.dtype("dtype"))
            if kind is None:
                raise FormatError("a variable without a fixed shape")
            return OnnxValue(kind, weight=node.name)
        tensor = node.tensor("value")
        if tensor.type is None:
            return OnnxValue(None)
        constant = bool(self.read_as_variables) and node.name not in self.read_as_variables
        array = None if is_kernel(node) and not constant else tensor.array  # its values are those of an initialisation
        return OnnxValue(tensor.type, weight=node.name, constant=constant, array=array)


def is_kernel(node: GraphDefNode) -> bool:
    """Whether a node is a constant of several floating-point numbers."""
    kind = node.tensor("value").type if node.op == "Const" else None
    return kind is not None and "float" in kind.dtype and kind.elements > 1


def _node_of(tensor: str) -> str:
    """The name of the node that produces a tensor, `node` of `node:1`."""
    node, _, i = tensor.rpartition(":")
    return node if node and i.isdecimal() else tensor


def _fits(shape: Shape, declared: tuple[int | None, ...]) -> bool:
    return all(wanted in (None, size) for size, wanted in zip(shape[1:], declared[1:], strict=True))
