"""Caffe's .prototxt files: a net, in either phase, to a Graph.

Read: all three spellings of a net, `include` and `exclude` rules, and the layer types in HANDLERS, with the semantics
of BVLC Caffe's `src/caffe/layers/*.cpp` and, for `Axpy`, `Interp`, `Normalize`, `ROIPooling`, `ShuffleChannel` and the
like, of the forks that define them. A layer of any other type is an Unknown. Layers that only measure (`Accuracy`,
losses) are left out. Not read: solver files. Limits: MAX_FILE_SIZE, and those of `text_format.py`.
"""

from collections import Counter
from collections.abc import Mapping
from math import prod

import msgspec

from inception_lens.errors import ConfigError, FormatError, GraphError
from inception_lens.graph import Graph, Metadata, Mode, Output
from inception_lens.ops import Shape
from inception_lens.readers.caffe.activations import ACTIVATIONS
from inception_lens.readers.caffe.arithmetic import ARITHMETIC
from inception_lens.readers.caffe.batches import differ_in_batch
from inception_lens.readers.caffe.convolution import CONVOLUTION
from inception_lens.readers.caffe.graph_builder import CaffeGraphBuilder, CaffeHandler
from inception_lens.readers.caffe.inputs import CaffeInput, input_shapes, is_input, net_inputs
from inception_lens.readers.caffe.layers import CaffeLayer, NetState, read_layers, required_stages
from inception_lens.readers.caffe.learned import LEARNED
from inception_lens.readers.caffe.message import TextMessage
from inception_lens.readers.caffe.normalization import NORMALIZATION
from inception_lens.readers.caffe.pooling import POOLING
from inception_lens.readers.caffe.reshaping import RESHAPING
from inception_lens.readers.caffe.text_format import parse
from inception_lens.readers.files import display_path, errors_in, errors_of, read_text

MAX_FILE_SIZE = 8_000_000
"""Bytes; the prototxt of a ResNet-152 has a hundred thousand."""

HANDLERS: dict[str, CaffeHandler] = {
    **ACTIVATIONS, **ARITHMETIC, **CONVOLUTION, **LEARNED, **NORMALIZATION, **POOLING,
    **RESHAPING,
}  # fmt: skip
"""By the layer type in its current spelling."""

LISTED = {"BatchReindex", "PSROIPooling", "ROIAlign", "ROIPooling"}
"""Layers of which the second bottom lists samples or regions, whose number may be unknown."""

WITHOUT_PARAMETERS = {*ACTIVATIONS, *ARITHMETIC, *POOLING, *RESHAPING, "Im2col", "LRN", "MVN"} - {"PReLU"}

STATISTICS = {"BN", "BatchNorm"}
"""Layers that store other tensors than their parameters."""

IGNORED = {"Accuracy", "DetectionEvaluate", "HDF5Output", "Silence"}
"""Layers that only measure or discard."""


def net_state(overrides: Mapping[str, object]) -> NetState:
    """The state that the overrides `stage=a,b` and `level=N` select.

    Raises:
        ConfigError: there is another key, or the level is not an integer.
    """
    for key in overrides:
        if key not in ("stage", "level"):
            raise ConfigError(f"`{key}` is not a key of a prototxt, which has `stage` and `level`")
    try:
        level = int(str(overrides.get("level", 0)))
    except ValueError:
        raise ConfigError(f"`level` is {overrides['level']!r}; expected an integer") from None
    return NetState(tuple(filter(None, str(overrides.get("stage", "")).split(","))), level)


def read_prototxt(
    path: str,
    inputs: Mapping[str, Shape] | Shape | None = None,
    mode: Mode = "inference",
    chosen: NetState = NetState(),  # noqa: B008  (immutable)
) -> Graph:
    """Read a prototxt.

    Args:
        path: the file.
        inputs: shapes of the inputs, by name or of the first one, and of blobs of layers of an unknown type. The batch
            is 1 unless it is given here, as a file's batch is only that of its author's training or deployment; it is
            the file's if a layer needs it, such as a Reshape with the batch as a literal size.
        mode: `inference` is Caffe's phase TEST, `training` is TRAIN.
        chosen: the stages and level that `include` and `exclude` rules are compared with.

    Raises:
        FormatError: the file is not a prototxt of a net, or Caffe would refuse it, such as for a layer that cannot
            take its input; with the line.
    """
    text = read_text(path, MAX_FILE_SIZE, "a Caffe prototxt")
    with errors_in(path):
        graph = read_net(parse(text), inputs, mode, chosen)
    return msgspec.structs.replace(graph, metadata=Metadata(graph.name, display_path(path), "prototxt"))


def read_net(net: TextMessage, inputs: Mapping[str, Shape] | Shape | None, mode: Mode, chosen: NetState) -> Graph:
    """The Graph of a parsed net; as `read_prototxt`."""
    found, body = _included(net, mode, chosen)
    if not found or not any(layer.tops for layer in body):
        raise FormatError(f"no input or no layer is included in this phase{_hint(net, mode, chosen)}")
    unknown = {top for layer in body if layer.type not in HANDLERS and not _is_measure(layer) for top in layer.tops}
    own, one = (input_shapes(found, unknown, inputs, is_own) for is_own in (True, False))
    name = net.text("name") or "net"
    graph = _read_body(name, body, found, own, mode)
    if own == one:
        return graph
    try:
        single = _read_body(name, body, found, one, mode)
    except (FormatError, GraphError):
        return graph
    return single if differ_in_batch(graph, single) else graph


def _included(net: TextMessage, mode: Mode, chosen: NetState) -> tuple[list[CaffeInput], list[CaffeLayer]]:
    """The inputs and the other layers of a phase."""
    layers = read_layers(net, mode, chosen)
    return net_inputs(net, layers), [layer for layer in layers if not is_input(layer)]


def _hint(net: TextMessage, mode: Mode, chosen: NetState) -> str:
    """What would include layers: a stage, or the other phase."""
    if stages := required_stages(net) - set(chosen.stages):
        return f"; layers require a stage, such as --set stage={min(stages)}"
    other: Mode = "training" if mode == "inference" else "inference"
    found, body = _included(net, other, chosen)
    return f"; the net is one for {other}: --mode {other}" if found and any(layer.tops for layer in body) else ""


def _read_body(
    name: str, body: list[CaffeLayer], found: list[CaffeInput], shapes: dict[str, Shape], mode: Mode
) -> Graph:
    read = {blob for layer in body if not _is_measure(layer) for blob in layer.bottoms}
    lists_blobs = any("blobs" in layer.fields for layer in body)
    builder = CaffeGraphBuilder(found, shapes, read, _affine_pairs(body), lists_blobs)
    outputs: dict[str, float] = {}
    measured: set[str] = set()  # the blobs of losses and other measures, and of what is computed from them
    for layer in body:
        follows = not measured.isdisjoint(layer.bottoms)
        if follows or _is_measure(layer):
            measured.update(layer.tops)
        else:
            measured.difference_update(layer.tops)
        if not follows or _is_measure(layer):
            with errors_of(layer.name, layer.type, layer.line):
                _write_layer(builder, layer, outputs)
    return _graph(builder, name, outputs, mode)


def _is_measure(layer: CaffeLayer) -> bool:
    return layer.type in IGNORED or layer.type.endswith(("Loss", "LossLayer"))


def _write_layer(builder: CaffeGraphBuilder, layer: CaffeLayer, outputs: dict[str, float]) -> None:
    """Write a layer's nodes; add what a loss reads, and tops with a `loss_weight`, to `outputs` with the weight."""
    weights = layer.fields.numbers("loss_weight")
    if _is_measure(layer):
        if layer.type not in IGNORED:
            weight = weights[0] if weights else 1.0
            for node in (builder.blobs.get(blob) for blob in layer.bottoms):
                if node is not None and node not in builder.inputs:  # a prediction, and not a label
                    outputs[node] = outputs.get(node, 0.0) + weight
        return
    if layer in builder.affine.values():
        nodes: tuple[str, ...] = (builder.bottom(layer),)
    else:
        learned = builder.learned
        nodes = _nodes(builder, layer)
        stored, described = sum(map(prod, layer.blob_shapes())), builder.learned - learned
        if layer.type not in STATISTICS and "blobs" in layer.fields and stored != described:
            raise FormatError(f"stores {stored:,} learned elements, and its fields and its input need {described:,}")
    builder.bind(layer, nodes)
    for node, weight in zip(nodes, weights, strict=False):
        if weight:
            outputs[node] = weight


def _nodes(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """The nodes for the tops of a layer; an Unknown if its type or the shape of its bottoms is unknown."""
    handler = HANDLERS.get(layer.type)
    bottoms = [builder.bottom(layer, i) for i in range(len(layer.bottoms))]
    needed = bottoms[:1] if layer.type in LISTED else bottoms
    nodes = None
    if handler is not None and all(map(builder.has_shape, needed)):
        if all(builder.writer.tensor_type(x).is_known for x in needed):
            return handler(builder, layer)
        nodes = builder.attempt(handler, layer)  # it may depend on the size that is unknown
    return builder.unknown(layer, params_known=layer.type in WITHOUT_PARAMETERS) if nodes is None else nodes


def _affine_pairs(layers: list[CaffeLayer]) -> dict[CaffeLayer, CaffeLayer]:
    """Batch norms, each with the Scale or Bias layer that is its only reader: PyTorch has both in one module."""
    producer: dict[str, CaffeLayer] = {}
    readers: Counter[CaffeLayer] = Counter()
    pairs = []
    for layer in layers:
        readers.update(producer[blob] for blob in layer.bottoms if blob in producer)
        if layer.type in ("Scale", "Bias") and len(layer.bottoms) == 1:
            before = producer.get(layer.bottoms[0])
            found = layer.parameters(f"{layer.type.lower()}_param")
            per_channel = found.integer("axis", 1, -8) == 1 == found.integer("num_axes", 1, -1)
            if before and before.type == "BatchNorm" and per_channel:
                pairs.append((before, layer))
        producer.update(dict.fromkeys(layer.tops, layer))
    return {before: after for before, after in pairs if readers[before] == 1}


def _graph(builder: CaffeGraphBuilder, name: str, outputs: dict[str, float], mode: Mode) -> Graph:
    """The graph with the given outputs, followed by the blobs that no layer reads, in the order of their nodes."""
    produced = dict.fromkeys(node for node in builder.blobs.values() if node not in builder.inputs)
    unread = [node for node in produced if node not in builder.read_nodes and node not in outputs]
    given = [Output(node, weight) for node, weight in outputs.items()]
    graph = builder.writer.graph([*given, *map(Output, unread)], mode, Metadata(name, "", "prototxt"))
    return msgspec.structs.replace(graph, frozen=frozenset(builder.frozen))
