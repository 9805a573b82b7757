"""What a Caffe net reads from outside: its declared inputs, and the tops of its data layers."""

from collections.abc import Mapping
from typing import NamedTuple

from inception_lens.errors import FormatError
from inception_lens.ops import Shape
from inception_lens.readers.caffe.layers import CaffeLayer
from inception_lens.readers.caffe.text_format import TextMessage

DATA_LAYERS = {
    "AnnotatedData", "Data", "DummyData", "HDF5Data", "ImageData", "Input", "MemoryData", "VideoData", "WindowData",
}  # fmt: skip


class CaffeInput(NamedTuple):
    """A blob that comes from outside, and its shape where the file tells it."""

    blob: str
    shape: Shape | None
    layer: str
    """How an error names what declares it."""
    line: int


def is_source(layer: CaffeLayer) -> bool:
    """Whether the layer only brings data in: one of Caffe's data layers, or one of a user's that reads nothing."""
    return layer.type in DATA_LAYERS or (not layer.bottoms and bool(layer.tops) and layer.type != "Parameter")


def net_inputs(net: TextMessage, layers: list[CaffeLayer]) -> list[CaffeInput]:
    """Everything that comes from outside, in the order of the file.

    Raises:
        FormatError: an input's sizes are not of its number, or a size is none.
    """
    found = _declared(net)
    for layer in layers:
        if is_source(layer):
            shapes = _shapes(layer)
            for i, top in enumerate(layer.tops):
                shape = shapes[i] if i < len(shapes) else shapes[0] if len(shapes) == 1 and _repeats(layer) else None
                found.append(CaffeInput(top, shape, f"`{layer.name}` ({layer.type})", layer.line))
    return found


def _declared(net: TextMessage) -> list[CaffeInput]:
    """`input` with `input_shape`, or with four of `input_dim` each."""
    names = net.texts("input")
    shapes = [tuple(shape.integers("dim", 1)) for shape in net.messages("input_shape")]
    sizes = net.integers("input_dim", 1)
    if sizes and not shapes:
        if len(sizes) != 4 * len(names):
            raise FormatError(f"{len(names)} `input` need {4 * len(names)} of `input_dim`, not {len(sizes)}")
        shapes = [tuple(sizes[i : i + 4]) for i in range(0, len(sizes), 4)]
    if len(shapes) not in (0, len(names)):
        raise FormatError(f"{len(names)} `input` need as many of `input_shape`, not {len(shapes)}")
    return [CaffeInput(name, shapes[i] if shapes else None, f"`{name}`", 1) for i, name in enumerate(names)]


def _repeats(layer: CaffeLayer) -> bool:
    return layer.type in ("Input", "DummyData")


def _shapes(layer: CaffeLayer) -> list[Shape]:
    if layer.type == "Input":
        return [tuple(shape.integers("dim", 1)) for shape in layer.parameters("input_param").messages("shape")]
    if layer.type == "DummyData":
        dummy = layer.parameters("dummy_data_param")
        if shapes := dummy.messages("shape"):
            return [tuple(shape.integers("dim", 1)) for shape in shapes]
        columns = [dummy.integers(name, 1) for name in ("num", "channels", "height", "width")]
        return [tuple(sizes) for sizes in zip(*columns, strict=False)]
    if layer.type == "MemoryData":
        memory = layer.parameters("memory_data_param")
        return [tuple(memory.integer(name, None, 1) for name in ("batch_size", "channels", "height", "width"))]
    return _images(layer)


def _images(layer: CaffeLayer) -> list[Shape]:
    """An image of `crop_size`, or of the size that it is brought to; colour unless the layer says grey."""
    transform, images = layer.parameters("transform_param"), layer.parameters("image_data_param")
    known = (transform, images, layer.parameters("data_param"), layer.parameters("window_data_param"))
    crop = next((message.integer("crop_size", 0) for message in known if message.integer("crop_size", 0)), 0)
    resized = transform.message("resize_param")
    height = transform.integer("crop_h", crop) or images.integer("new_height", 0) or resized.integer("height", 0)
    width = transform.integer("crop_w", crop) or images.integer("new_width", 0) or resized.integer("width", 0)
    if not height or not width:
        return []
    grey = transform.flag("force_gray", False) or not images.flag("is_color", True)
    return [(1, 1 if grey else 3, height, width), (1,)]  # and the label


def input_shapes(found: list[CaffeInput], given: Mapping[str, Shape] | Shape | None) -> dict[str, Shape]:
    """Shapes of the sources, one sample at once, with those that a caller gives instead.

    A shape alone is the first source's. A caller may leave the batch out.

    Raises:
        FormatError: a shape is neither in the file nor given; or one is given for what is no source.
    """
    names = [source.blob for source in found]
    if given is not None and not isinstance(given, Mapping):
        given = {names[0]: given}
    if strange := set(given or ()) - set(names):
        raise FormatError(f"it has no input `{min(strange)}`: its inputs are {', '.join(names)}")
    batch = next((source.shape[0] for source in found if source.shape), 1)
    shapes: dict[str, Shape] = {}
    for source in found:
        asked, declared = (given or {}).get(source.blob), source.shape
        if asked is not None:
            rank = len(declared) if declared else 4
            shapes[source.blob] = (1, *asked) if len(asked) == rank - 1 > 1 else asked
        elif declared is not None:
            shapes[source.blob] = (1, *declared[1:]) if declared[:1] == (batch,) else declared
    return shapes


def unknown_shape(source: CaffeInput) -> FormatError:
    """The error for a source that is read and whose shape nobody told."""
    return FormatError(
        f"{source.layer} does not say how large `{source.blob}` is: give it, such as --input {source.blob}=1x3x224x224",
        line=source.line,
    )
