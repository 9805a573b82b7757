"""Rows of convolutions and pools, and which padding and rounding PyTorch's own modules can express."""

from typing import Any

from inception_lens.ops import Op, Shape
from inception_lens.ops.window import Padding, Rounding, Sizes, padding_pairs, spans
from inception_lens.writers.pytorch.modules import InputSize, InputTypes, ModuleRow, Setting, is_present, row


def _per_axis(value: Any, shape: Shape) -> Sizes:
    """A size for every spatial axis, of modules that keep what they were given: one size, or one for each axis."""
    return tuple(value) if isinstance(value, tuple | list) else (value,) * (len(shape) - 2)


def _rounding(ceil_mode: bool, shape: Shape) -> Rounding:
    return "ceil" if ceil_mode else "floor"


def _dilation(value: Any, shape: Shape) -> Sizes:
    sizes = _per_axis(value, shape)
    return sizes if max(sizes) > 1 else ()


def _conv_padding(value: Any, shape: Shape) -> Any:
    return (0,) * (len(shape) - 2) if value == "valid" else value


def _output_size(value: Any, shape: Shape) -> Sizes:
    """The size of the output, in which a module's None stands for the input's own size."""
    wanted = _per_axis(value, shape)
    return tuple([size if want is None else want for want, size in zip(wanted, shape[2:], strict=True)])


def _symmetric(op: Any) -> Sizes | None:
    """The padding of each axis if both sides are equal for inputs of every size; otherwise None."""
    kernel, dilation = op.kernel_size, op.steps if hasattr(op, "steps") else op.dilation
    padding: Padding = op.padding
    if isinstance(padding, str):  # at stride 1 the padding of SAME does not depend on the input's size
        span = spans(kernel, dilation)
        return tuple(k // 2 for k in span) if max(op.stride) == 1 and all(k % 2 for k in span) else None
    pairs = padding_pairs(padding)
    return tuple(before for before, _ in pairs) if all(before == after for before, after in pairs) else None


def _is_torch_pool(op: Any, inputs: InputTypes) -> bool:
    """Whether PyTorch's pool has the windows of the operation on this map, for one of its two values of `ceil_mode`."""
    padding, kernel, stride = _symmetric(op), op.kernel_size, op.stride
    if padding is None or any(2 * pad > k for pad, k in zip(padding, kernel, strict=True)):
        return False
    axes = tuple(zip(inputs[0].shape[2:], spans(kernel, op.steps), stride, padding, strict=True))
    rounding = "floor" if isinstance(op.padding, str) else op.rounding
    if rounding == "trunc":  # PyTorch has no window that is larger than the padded map
        return all(n + 2 * pad >= span for n, span, _, pad in axes)
    if rounding == "ceil_unclipped":  # PyTorch drops a window that starts after the map
        return all(pad + s <= span for _, span, s, pad in axes)
    return True


def _ceil_mode(op: Any, inputs: InputTypes) -> bool:
    return not isinstance(op.padding, str) and op.rounding.startswith("ceil")


_SYMMETRIC = Setting("padding", "padding", write=lambda op, inputs: _symmetric(op))
BIAS = Setting("bias", "bias", read=is_present)


def convolution(op: type[Op], rank: int) -> tuple[ModuleRow, ...]:
    """PyTorch's convolution, and this package's, whose padding may be any."""
    before = (InputSize("in_channels", 1), "out_channels", "kernel_size", "stride")
    after = ("dilation", "groups", BIAS)
    padding = _SYMMETRIC._replace(read=_conv_padding)
    return (
        row(
            op, *before, padding, *after,
            rank=rank,
            readable=_is_plain_convolution,
            writable=lambda op, inputs: _symmetric(op) is not None,
        ),
        row(op, *before, "padding", *after, module=f"Bordered{op.__name__}", own=True, readable=None),
    )  # fmt: skip


def _is_plain_convolution(module: Any, shape: Shape) -> bool:
    """Whether the sizes are tuples, as the constructor makes them; one that was set later may be a number."""
    plain = type(module.kernel_size) is type(module.stride) is type(module.dilation) is tuple
    return plain and module.padding_mode == "zeros"


def transposed_convolution(op: type[Op], rank: int) -> ModuleRow:
    """PyTorch's transposed convolution, whose padding is the same on both sides."""
    output_padding = Setting(
        "output_padding",
        "output_padding",
        read=lambda value, shape: value if any(value) else (),
        write=lambda op, inputs: op.output_padding or (0,) * len(op.kernel_size),
    )
    return row(
        op, InputSize("in_channels", 1), "out_channels", "kernel_size", "stride", _SYMMETRIC, output_padding, "groups",
        BIAS, "dilation",
        rank=rank,
        readable=lambda module, shape: module.padding_mode == "zeros",
        writable=lambda op, inputs: _symmetric(op) is not None,
    )  # fmt: skip


_KERNEL = (Setting("kernel_size", "kernel_size", read=_per_axis), Setting("stride", "stride", read=_per_axis))
_POOL_PADDING = _SYMMETRIC._replace(read=_per_axis)
_CEIL_MODE = Setting("ceil_mode", "rounding", read=_rounding, write=_ceil_mode)


def max_pool(op: type[Op], rank: int) -> tuple[ModuleRow, ...]:
    """PyTorch's max pool, and this package's, which returns no indices."""
    dilation = Setting("dilation", "dilation", read=_dilation, write=lambda op, inputs: op.steps)
    return (
        row(
            op, *_KERNEL, _POOL_PADDING, dilation, Setting("return_indices", "indices"), _CEIL_MODE,
            rank=rank,
            writable=_is_torch_pool,
        ),
        row(
            op, *_KERNEL, "padding", dilation, "rounding",
            module="BorderedMaxPool", own=True, readable=None, writable=lambda op, inputs: not op.indices,
        ),
    )  # fmt: skip


def avg_pool(op: type[Op], rank: int) -> tuple[ModuleRow, ...]:
    """PyTorch's average pool, and this package's, which is read too: it takes several operators for one operation."""
    border = [Setting(name, name, f"border.{name}") for name in ("kernel_size", "stride", "padding", "rounding")]
    return (
        row(
            op, *_KERNEL, _POOL_PADDING, _CEIL_MODE, "count_include_pad",
            rank=rank,
            readable=lambda module, shape: not getattr(module, "divisor_override", None),  # AvgPool1d has none
            writable=_is_torch_pool,
        ),
        row(op, *border, "count_include_pad", module="BorderedAvgPool", own=True, rank=rank),
    )  # fmt: skip


def adaptive_pool(op: type[Op], rank: int) -> ModuleRow:
    """PyTorch's adaptive pool."""
    return row(
        op,
        Setting("output_size", "output_size", read=_output_size),
        rank=rank,
        readable=lambda module, shape: not getattr(module, "return_indices", False),
    )
