"""Caffe's nets: a prototxt, of whichever phase, to a Graph."""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import NamedTuple

import msgspec

from inception_lens.errors import ConfigError, FormatError, GraphError
from inception_lens.graph import About, Graph, Mode, Output
from inception_lens.ops import Shape
from inception_lens.readers.caffe.inputs import input_shapes, is_source, net_inputs
from inception_lens.readers.caffe.layers import CaffeLayer, layers_of, stages_of
from inception_lens.readers.caffe.net import CaffeGraphBuilder
from inception_lens.readers.caffe.text_format import TextMessage, parse
from inception_lens.readers.caffe.unweighted import PLAIN
from inception_lens.readers.caffe.weighted import WEIGHTED
from inception_lens.readers.files import display_path, one_line, read_bytes

MAX_FILE_SIZE = 8_000_000
"""Bytes; the prototxt of a ResNet-152 takes a hundred thousand."""

HANDLERS = {**PLAIN, **WEIGHTED}
IGNORED = {"Accuracy", "HDF5Output", "Silence", "DetectionEvaluate"}
"""Layers that measure or swallow: no part of the network."""


class NetState(NamedTuple):
    """What a caller chooses of a file that holds several nets."""

    stages: tuple[str, ...] = ()
    level: int = 0


def net_state(given: Mapping[str, object]) -> NetState:
    """Read `stage=a,b` and `level=N`.

    Raises:
        ConfigError: there is another key, or the level is no number.
    """
    for key in given:
        if key not in ("stage", "level"):
            raise ConfigError(f"`{key}` is no key of a prototxt: it has `stage` and `level`, of its layers' rules")
    try:
        level = int(str(given.get("level", 0)))
    except ValueError:
        raise ConfigError(f"`level` is {given['level']!r}: a whole number") from None
    return NetState(tuple(filter(None, str(given.get("stage", "")).split(","))), level)


def read_prototxt(
    path: str,
    inputs: Mapping[str, Shape] | Shape | None = None,
    mode: Mode = "inference",
    chosen: NetState = NetState(),  # noqa: B008  (frozen)
) -> Graph:
    """Read a file; `inference` is Caffe's phase TEST, `training` TRAIN.

    The batch is 1 unless `inputs` says otherwise: what a file has there is how its author trained or measured. Layers
    that measure are left out, and a loss makes an output of what it reads, with its weight.

    Raises:
        FormatError: it is no prototxt of a net, or says what Caffe could not do, such as a layer that cannot take what
            reaches it; with the line.
    """
    try:
        text = read_bytes(path, MAX_FILE_SIZE, "Caffe prototxt").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(
            f"{display_path(path)}: not a prototxt in UTF-8: {error.reason} at byte {error.start}"
        ) from None
    try:
        graph = read_net(parse(text), inputs, mode, chosen)
    except (FormatError, GraphError) as error:
        line = getattr(error, "line", 0)
        raise FormatError(f"{display_path(path)}{f':{line}' if line else ''}: {one_line(error)}", line=line) from None
    return msgspec.structs.replace(graph, about=About(graph.name, display_path(path), "prototxt"))


def read_net(net: TextMessage, inputs: Mapping[str, Shape] | Shape | None, mode: Mode, chosen: NetState) -> Graph:
    """Make a graph of a net's fields; as `read_prototxt`."""
    layers = layers_of(net, mode, chosen.stages, chosen.level)
    found = net_inputs(net, layers)
    body = [layer for layer in layers if not is_source(layer)]
    if not found or not any(layer.tops for layer in body):
        stages = stages_of(net) - set(chosen.stages)
        hint = f"; its layers ask for a stage, such as --set stage={min(stages)}" if stages else ""
        raise FormatError(f"no input or no layer is left in this phase{hint}")
    sought = {blob for layer in body if not _measures(layer) for blob in layer.bottoms}
    reading = CaffeGraphBuilder(found, input_shapes(found, inputs), sought)
    reading.affine = _affine(body)
    outputs: dict[str, float] = {}
    for layer in body:
        try:
            _write(reading, layer, outputs)
        except (FormatError, GraphError) as error:
            raise FormatError(str(error), line=getattr(error, "line", 0) or layer.line) from None
    return _graph(reading, net.text("name") or "net", outputs, mode)


def _measures(layer: CaffeLayer) -> bool:
    return layer.type in IGNORED or layer.type.endswith(("Loss", "LossLayer")) or layer.type == "SoftmaxWithLoss"


def _write(net: CaffeGraphBuilder, layer: CaffeLayer, outputs: dict[str, float]) -> None:
    weights = layer.fields.numbers("loss_weight")
    if _measures(layer):
        if layer.type not in IGNORED:
            weight = weights[0] if weights else 1.0
            for blob in layer.bottoms:
                node = net.blobs.get(blob)
                if node is not None and node not in net.given:  # what the net made, and not a label
                    outputs[node] = outputs.get(node, 0.0) + weight
        return
    handler = HANDLERS.get(layer.type)
    read_net = {net.bottom(layer, i) for i in range(len(layer.bottoms))}
    if layer in net.affine.values():
        nodes: tuple[str, ...] = (net.bottom(layer),)
    elif handler is None or read_net & net.mysteries:
        nodes = net.unknown(layer)
    else:
        nodes = handler(net, layer)
    net.bind(layer, nodes)
    for node, weight in zip(nodes, weights, strict=False):
        if weight:
            outputs[node] = weight


def _affine(layers: list[CaffeLayer]) -> dict[CaffeLayer, CaffeLayer]:
    """Batch norms, each with the Scale or Bias layer that alone reads it: PyTorch has both in one."""
    maker: dict[str, CaffeLayer] = {}
    readers: Counter[CaffeLayer] = Counter()
    pairs = []
    for layer in layers:
        for blob in layer.bottoms:
            if blob in maker:
                readers[maker[blob]] += 1
        if layer.type in ("Scale", "Bias") and len(layer.bottoms) == 1:
            before = maker.get(layer.bottoms[0])
            found = layer.parameters(f"{layer.type.lower()}_param")
            plain = found.integer("axis", 1, -8) == 1 == found.integer("num_axes", 1, -1)
            if before and before.type == "BatchNorm" and plain:
                pairs.append((before, layer))
        maker.update(dict.fromkeys(layer.tops, layer))
    return {before: after for before, after in pairs if readers[before] == 1}


def _graph(net: CaffeGraphBuilder, name: str, outputs: dict[str, float], mode: Mode) -> Graph:
    given = [Output(node, weight) for node, weight in outputs.items()]
    ends = _unread(net, outputs)
    graph = net.writer.graph([*given, *map(Output, ends)], mode, About(name, "", "prototxt"))
    return msgspec.structs.replace(graph, frozen=frozenset(net.frozen)) if net.frozen else graph


def _unread(net: CaffeGraphBuilder, outputs: Collection[str]) -> list[str]:
    """Blobs that nobody reads in the end, in the order in which they were made."""
    made = dict.fromkeys(node for node in net.blobs.values() if node not in net.given)
    return [node for node in made if node not in net.was_read and node not in outputs]
