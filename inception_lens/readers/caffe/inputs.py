"""The inputs of a Caffe net: those that it declares, and the tops of its data layers."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from inception_lens.errors import FormatError, suggest
from inception_lens.ops import Shape
from inception_lens.readers.caffe.layers import CaffeLayer
from inception_lens.readers.caffe.message import TextMessage

DATA_LAYERS = {
    "AnnotatedData", "Data", "DummyData", "HDF5Data", "ImageData", "Input", "MemoryData", "VideoData", "WindowData",
}  # fmt: skip


class CaffeInput(NamedTuple):
    """A blob that no layer computes."""

    blob: str
    shape: Shape | None
    """None where the file does not contain it, such as the size of the images in a database."""
    declared_by: str
    """The layer or the `input`, for error messages."""
    line: int


def is_input(layer: CaffeLayer) -> bool:
    """Whether the layer only produces data: one of Caffe's data layers, or an unknown type without bottoms."""
    return layer.type in DATA_LAYERS or (not layer.bottoms and bool(layer.tops) and layer.type != "Parameter")


def net_inputs(net: TextMessage, layers: list[CaffeLayer]) -> list[CaffeInput]:
    """All inputs, in the order of the file.

    Raises:
        FormatError: the numbers of `input` and of its sizes do not match, or a size is not positive.
    """
    found: list[CaffeInput] = []
    for layer in layers:
        if is_input(layer):
            shapes = _layer_shapes(layer)
            if len(shapes) == 1 and layer.type in ("Input", "DummyData"):  # one shape is that of all tops
                shapes *= len(layer.tops)
            for i, top in enumerate(layer.tops):
                shape = shapes[i] if i < len(shapes) else None
                found.append(CaffeInput(top, shape, f"`{layer.name}` ({layer.type})", layer.line))
    # Caffe ignores an `input` without a size (`UpgradeNetInput`), so that a layer can produce its blob.
    tops = {each.blob for each in found}
    return [each for each in _declared_inputs(net) if each.shape is not None or each.blob not in tops] + found


def _declared_inputs(net: TextMessage) -> list[CaffeInput]:
    """`input` with one `input_shape`, or with four of `input_dim`, each."""
    names = net.texts("input")
    shapes = _dims(net, "input_shape")
    sizes = net.integers("input_dim", 1)
    if sizes and not shapes:
        if len(sizes) != 4 * len(names):
            raise FormatError(f"{len(names)} `input` need {4 * len(names)} `input_dim`, not {len(sizes)}")
        shapes = [tuple(sizes[i : i + 4]) for i in range(0, len(sizes), 4)]
    if len(shapes) not in (0, len(names)):
        raise FormatError(f"{len(names)} `input` need as many `input_shape`, not {len(shapes)}")
    return [CaffeInput(name, shapes[i] if shapes else None, f"`input: {name}`", 1) for i, name in enumerate(names)]


def _dims(message: TextMessage, name: str) -> list[Shape]:
    return [tuple(shape.integers("dim", 1)) for shape in message.messages(name)]


def _layer_shapes(layer: CaffeLayer) -> list[Shape]:
    """Shapes of a data layer's tops, as far as the file contains them."""
    if layer.type == "Input":
        return _dims(layer.parameters("input_param"), "shape")
    if layer.type == "DummyData":
        dummy = layer.parameters("dummy_data_param")
        columns = [dummy.integers(name, 1) for name in ("num", "channels", "height", "width")]
        return _dims(dummy, "shape") or [tuple(sizes) for sizes in zip(*columns, strict=False)]
    if layer.type == "MemoryData":
        memory = layer.parameters("memory_data_param")
        return [tuple(memory.integer(name, None, 1) for name in ("batch_size", "channels", "height", "width"))]
    return _image_shapes(layer)


def _image_shapes(layer: CaffeLayer) -> list[Shape]:
    """An image of `crop_size`, or of the size to which it is resized, in colour by default; and a label."""
    transform, images = layer.parameters("transform_param"), layer.parameters("image_data_param")
    messages = (transform, images, layer.parameters("data_param"), layer.parameters("window_data_param"))
    crop = next((each.integer("crop_size", 0) for each in messages if each.integer("crop_size", 0)), 0)
    resized = transform.message("resize_param")
    height = transform.integer("crop_h", crop) or images.integer("new_height", 0) or resized.integer("height", 0)
    width = transform.integer("crop_w", crop) or images.integer("new_width", 0) or resized.integer("width", 0)
    if not height or not width:
        return []
    grey = transform.flag("force_gray", False) or not images.flag("is_color", True)
    batch = next((each.integer("batch_size", 1) for each in messages if "batch_size" in each), 1)
    return [(batch, 1 if grey else 3, height, width), (batch,)]


def input_shapes(
    found: list[CaffeInput], unknown: Collection[str], given: Mapping[str, Shape] | Shape | None, is_own: bool
) -> dict[str, Shape]:
    """Shapes of the inputs as the caller gives them, or all with the file's own batch or with a batch of 1.

    Inputs of unknown shape are left out. A shape alone is that of the first input; that of an input may leave the batch
    out. Shapes may be given for the blobs in `unknown` too.

    Raises:
        FormatError: a shape is given for another blob.
    """
    names = [each.blob for each in found] + sorted(unknown)
    if given is None:
        given = {}
    elif not isinstance(given, Mapping):
        given = {names[0]: given}
    if others := sorted(set(given) - set(names)):
        raise FormatError(f"has no input `{others[0]}`{suggest(others[0], names)}")
    batch = next((each.shape[0] for each in found if each.shape), 1)
    keeps_batch = is_own and not any(each.blob in given for each in found)
    shapes = {blob: given[blob] for blob in unknown if blob in given}
    for each in found:
        shape = given.get(each.blob)
        if shape is not None:
            rank = len(each.shape) if each.shape else 4
            shapes[each.blob] = (1, *shape) if len(shape) == rank - 1 > 1 else shape
        elif each.shape is not None:
            shapes[each.blob] = each.shape if keeps_batch or each.shape[:1] != (batch,) else (1, *each.shape[1:])
    return shapes


def missing_shape(given: CaffeInput) -> FormatError:
    """The error for an input of unknown shape that a layer reads."""
    return FormatError(
        f"{given.declared_by} does not contain the shape of `{given.blob}`: "
        f"give it, such as --input {given.blob}=1x3x224x224",
        line=given.line,
    )
