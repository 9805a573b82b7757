"""The sizes of Caffe's windows: kernels, strides and paddings, by `base_conv_layer.cpp` and `pooling_layer.cpp`."""

from inception_lens.errors import FormatError
from inception_lens.ops import Shape
from inception_lens.readers.caffe.message import TextMessage
from inception_lens.readers.shapes import MAX_WINDOW_SIZE


def _sides(name: str) -> list[str]:
    """The fields for the height and the width alone: `kernel_h` and `kernel_w` for `kernel_size`."""
    return [f"{name.removesuffix('_size')}_{side}" for side in "hw"]


def convolution_sizes(message: TextMessage, name: str, axes: int, default: int | None, least: int = 1) -> Shape:
    """One size per axis of a convolution: `name` once or once per axis, or a field for each side.

    Of a side whose field is missing the size is 0, which only a padding can have.

    Raises:
        FormatError: there is another number of sizes, both spellings are used, or a size is less than `least`.
    """
    sides, sizes = _sides(name), message.integers(name, least, MAX_WINDOW_SIZE)
    if found := [side for side in sides if side in message]:
        if axes != 2:
            raise FormatError(f"`{found[0]}` is for maps of 2 axes, not {axes}: give `{name}`", line=message.line)
        if sizes:
            raise FormatError(f"has both `{name}` and `{found[0]}`; expected one of them", line=message.line)
        missing = None if least else 0
        return tuple(message.integer(side, missing, least, MAX_WINDOW_SIZE) for side in sides)
    if len(sizes) > 1 and len(sizes) != axes:
        raise FormatError(f"has {len(sizes)} `{name}` for {axes} axes", line=message.line)
    if len(sizes) == axes:
        return tuple(sizes)
    return (message.integer(name, default, least, MAX_WINDOW_SIZE),) * axes


def pooling_sizes(message: TextMessage, name: str, default: int | None, least: int = 1) -> Shape:
    """The height and width of a pool: `name`, or both fields for the sides.

    Raises:
        FormatError: both spellings are used, only one side is given, or a size is less than `least`.
    """
    sides = _sides(name)
    found = [side for side in sides if side in message]
    # As in pooling_layer.cpp, a `kernel_size` may be next to one side, which is then ignored; no other size may.
    if len(found) == 1 and not (name == "kernel_size" and name in message):
        raise FormatError(f"has `{found[0]}` alone; expected `{sides[0]}` and `{sides[1]}`", line=message.line)
    if len(found) == 2:
        if name in message:
            raise FormatError(f"has both `{name}` and `{sides[0]}`; expected one of them", line=message.line)
        return tuple(message.integer(side, None, least, MAX_WINDOW_SIZE) for side in sides)
    return (message.integer(name, default, least, MAX_WINDOW_SIZE),) * 2
