"""Darknet's configs (.cfg) to a Graph.

Read: the layers in HANDLERS, with the sizes and defaults of pjreddie's Darknet and of AlexeyAB's fork, at a batch of 1
as for a prediction. A layer of any other type is an Unknown, and so are those that follow from its size. Outputs are
the layers that no other reads; `cost` only measures. Weights are in other files, which are never opened.

Limits: MAX_FILE_SIZE, and `sections.MAX_SECTIONS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from inception_lens.errors import FormatError, suggest
from inception_lens.graph import Graph, Input, Metadata, Mode, Output
from inception_lens.ops import Shape, TensorType, format_shape
from inception_lens.readers.darknet.builder import DarknetBuilder, UnknownInputError
from inception_lens.readers.darknet.layers import HANDLERS
from inception_lens.readers.darknet.sections import DarknetSection, read_sections
from inception_lens.readers.files import display_path, errors_in, errors_of, read_text

MAX_FILE_SIZE = 2_000_000
"""Bytes; a config of 250 layers has 15,000."""

INPUT = "image"
"""Name of the input, which a config does not name."""


def read_darknet(path: str, inputs: Mapping[str, Shape] | Shape | None = None, mode: Mode = "inference") -> Graph:
    """Read a config.

    Args:
        path: the file.
        inputs: the shape of the input, `(N, C, H, W)`; by default that of `[net]` with a batch of 1.
        mode: recorded in the graph; the layers are those of a prediction in both.

    Raises:
        FormatError: the file is not a config, or Darknet would refuse it; with the line.
    """
    text = read_text(path, MAX_FILE_SIZE, "a Darknet .cfg")
    with errors_in(path):
        net, *layers = read_sections(text)
        builder = DarknetBuilder(Input(INPUT, TensorType(_input_shape(net, inputs))))
        for section in layers:
            builder.start(section.type)
            with errors_of(builder.module, section.type, section.line):
                builder.layers.append(_read(builder, section))
        unread = [node for i, node in enumerate(builder.layers) if i not in builder.read_layers and node != INPUT]
        if not unread:
            raise FormatError("has no layers")
        outputs = map(Output, dict.fromkeys(unread))
        return builder.writer.graph(outputs, mode, Metadata(Path(path).stem, display_path(path), "darknet"))


def _read(builder: DarknetBuilder, section: DarknetSection) -> str:
    """The node that is the output of a layer."""
    handler = HANDLERS.get(section.type)
    try:
        return handler(builder, section) if handler is not None else builder.unknown()
    except UnknownInputError:
        return builder.unknown()


def _input_shape(net: DarknetSection, given: Mapping[str, Shape] | Shape | None) -> Shape:
    """The shape of the input: an image, or a vector of `inputs` elements."""
    if isinstance(given, Mapping):
        if unknown := sorted(set(given) - {INPUT, ""}):
            raise FormatError(f"has no input `{unknown[0]}`{suggest(unknown[0], [INPUT])}")
        given = next(iter(given.values()), None)
    channels, height, width = (net.integer(name, 0) for name in ("channels", "height", "width"))
    declared = (1, channels, height, width) if channels and height and width else (1, net.integer("inputs", 0))
    if given is not None:
        shape = (1, *given) if len(given) == len(declared) - 1 else given
        if len(shape) != len(declared):
            raise FormatError(f"input `{INPUT}` has {len(declared)} axes, not {len(shape)}: {format_shape(shape)}")
        return shape
    if not all(declared):
        raise FormatError("[net] has no `height`, `width` and `channels`", line=net.line)
    return declared
