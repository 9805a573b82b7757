"""A call of every operator that the tracer has a rule for, on random shapes.

Each table is keyed by the operator's name in ATen, so that the tests can compare its keys with those of the rules.
"""

import random
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from inception_lens import ops
from inception_lens.ops import Op

aten: Any = torch.ops.aten


class Example(NamedTuple):
    """A call of one function."""

    call: Callable[..., Any]
    """Called with the inputs and then the model's tensors."""
    inputs: tuple[Tensor, ...]
    stored: tuple[Tensor, ...] = ()
    """Parameters, or buffers if they need no gradient."""


class Random(random.Random):
    """Random shapes, axes and tensors."""

    def shape(self, low: int = 1, high: int = 4) -> tuple[int, ...]:
        return tuple(self.randint(2, 5) for _ in range(self.randint(low, high)))

    def tensor(self, *shape: int) -> Tensor:
        return torch.rand(shape or self.shape()) + 0.1

    def map(self, dimensions: int, channels: int = 4) -> Tensor:
        return self.tensor(self.randint(1, 3), channels, *(self.randint(6, 9) for _ in range(dimensions)))

    def axis(self, x: Tensor) -> int:
        return self.randrange(-x.dim(), x.dim())

    def axes(self, x: Tensor) -> list[int]:
        return [axis - self.choice((0, x.dim())) for axis in self.sample(range(x.dim()), self.randint(1, x.dim()))]

    def flag(self) -> bool:
        return self.random() < 0.5


Builder = Callable[[Random], Example]


def weight(*shape: int) -> Tensor:
    return torch.rand(shape).requires_grad_()


# --- Operators with a rule


def _unary(name: str, *arguments: Any, dtype: torch.dtype = torch.float32) -> Builder:
    function = getattr(aten, name)
    return lambda r: Example(lambda x: function(x, *arguments), (r.tensor().to(dtype),))


def _activation(name: str) -> Builder:
    """An activation with its default settings or with others, some of which its operation does not have."""
    settings: dict[str, Callable[[Random], dict[str, Any]]] = {
        "gelu": lambda r: {"approximate": "tanh"},
        "leaky_relu": lambda r: {"negative_slope": r.choice((0.01, 0.2))},
        "elu": lambda r: {"alpha": r.choice((1.0, 0.5)), "scale": r.choice((1, 1, 1.1))},
        "hardtanh": lambda r: {"min_val": r.choice((-1.0, 0.3)), "max_val": 0.7},
        "softplus": lambda r: {"beta": r.choice((1, 1, 2)), "threshold": r.choice((20, 20, 0.5))},
    }

    def build(r: Random) -> Example:
        given = settings[name](r) if name in settings and r.flag() else {}
        return Example(lambda x: getattr(aten, name)(x, **given), (r.tensor() - 0.5,))

    return build


def _binary(name: str, dtype: torch.dtype = torch.float32) -> Builder:
    """Tensors of one shape, or with axes that broadcast."""

    def build(r: Random) -> Example:
        x = r.tensor()
        y = r.tensor(*(size if r.random() < 0.7 else 1 for size in x.shape))
        return Example(getattr(aten, name), (x.to(dtype), y.to(dtype)))

    return build


def _convolution(name: str, dimensions: int, transposed: bool) -> Builder:
    def build(r: Random) -> Example:
        groups, out, kernel = r.choice((1, 2)), 2 * r.randint(1, 3), tuple(r.randint(1, 3) for _ in range(dimensions))
        shape = (4, out // groups, *kernel) if transposed else (out, 4 // groups, *kernel)
        bias = (weight(out),) if r.flag() else ()
        stride, padding, dilation = ([r.randint(1, 2) for _ in range(dimensions)] for _ in range(3))
        padding = [min(pad - 1, k // 2) for pad, k in zip(padding, kernel, strict=True)]
        extra = [step - 1 for step in stride]

        def call(x: Tensor, w: Tensor, b: Tensor | None = None) -> Any:
            if name == "_convolution":
                flags = (False, False, False, False)
                return aten._convolution(x, w, b, stride, padding, dilation, transposed, extra, groups, *flags)
            if name == "convolution":
                return aten.convolution(x, w, b, stride, padding, dilation, transposed, extra, groups)
            if transposed:
                return getattr(aten, name)(x, w, b, stride, padding, extra, groups, dilation)
            return getattr(aten, name)(x, w, b, stride, padding, dilation, groups)

        return Example(call, (r.map(dimensions),), (weight(*shape), *bias))

    return build


def _any_convolution(name: str) -> Builder:
    return lambda r: _convolution(name, r.choice((1, 2, 3)), r.flag())(r)


def _pool(name: str, dimensions: int) -> Builder:
    def build(r: Random) -> Example:
        kernel = [r.randint(2, 3) for _ in range(dimensions)]
        stride = r.choice(([], [r.randint(1, 3) for _ in range(dimensions)]))
        padding, ceil = [r.randint(0, k // 2) for k in kernel], r.flag()
        if "max" in name:
            dilation = [r.randint(1, 2) for _ in range(dimensions)]
            return Example(
                lambda x: getattr(aten, name)(x, kernel, stride, padding, dilation, ceil), (r.map(dimensions),)
            )
        counted = r.flag()
        return Example(lambda x: getattr(aten, name)(x, kernel, stride, padding, ceil, counted), (r.map(dimensions),))

    return build


def _adaptive(dimensions: int) -> Builder:
    def build(r: Random) -> Example:
        size = [r.randint(1, 5) for _ in range(dimensions)]
        return Example(lambda x: getattr(aten, f"adaptive_avg_pool{dimensions}d")(x, size), (r.map(dimensions),))

    return build


def _upsample(name: str, dimensions: int) -> Builder:
    """Resizing to a size, by whole factors, and by others, which also move the places that are read."""

    def build(r: Random) -> Example:
        size = [r.randint(3, 14) for _ in range(dimensions)]
        exact = r.flag()
        factors = [float(r.randint(1, 3)) if exact else r.uniform(0.6, 2.4) for _ in range(dimensions)]
        settings = (r.flag(),) if "nearest" not in name else ()
        if r.flag():
            return Example(lambda x: getattr(aten, name)(x, size, *settings), (r.map(dimensions),))
        return Example(lambda x: getattr(aten, name)(x, None, *settings, factors), (r.map(dimensions),))

    return build


def _cat(name: str) -> Builder:
    def build(r: Random) -> Example:
        x = r.tensor()
        axis = r.axis(x)
        shape = [*x.shape]
        shape[axis] = r.randint(1, 4)
        return Example(lambda *tensors: getattr(aten, name)([*tensors], axis), (x, r.tensor(*shape), x + 1))

    return build


def _stack(r: Random) -> Example:
    x = r.tensor()
    axis = r.randrange(-x.dim() - 1, x.dim() + 1)
    return Example(lambda *tensors: aten.stack([*tensors], axis), (x, x + 1))


def _pad(name: str) -> Builder:
    def build(r: Random) -> Example:
        x = r.tensor(*r.shape(2, 4))
        sides = [r.randint(-1, 2) for _ in range(2 * r.randint(1, x.dim()))]
        if name == "constant_pad_nd":
            return Example(lambda x: aten.constant_pad_nd(x, sides, 0.5), (x,))
        mode = r.choice(("constant", "reflect", "replicate"))
        if mode != "constant":
            x, sides = r.map(2), [r.randint(0, 2) for _ in range(4)]
        return Example(lambda x: aten.pad(x, sides, mode), (x,))

    return build


def _softmax(name: str, *arguments: Any) -> Builder:
    def build(r: Random) -> Example:
        x = r.tensor()
        axis = r.axis(x)
        return Example(lambda x: getattr(aten, name)(x, axis, *arguments), (x,))

    return build


def _batch_norm(name: str) -> Builder:
    """A norm with or without learned scale and shift, and running statistics."""

    def build(r: Random) -> Example:
        x, affine, track = r.map(r.choice((1, 2, 3))), r.flag(), r.flag()
        learned = [weight(4), weight(4)] if affine else []
        statistics = [torch.zeros(4), torch.ones(4)] if track else []

        def call(x: Tensor, *stored: Tensor) -> Any:
            scale = stored[:2] if affine else (None, None)
            running = stored[2 * affine :] if track else (None, None)
            return getattr(aten, name)(x, *scale, *running, True, 0.1, 1e-5, False)

        return Example(call, (x,), (*learned, *statistics))

    return build


def _layer_norm(name: str) -> Builder:
    def build(r: Random) -> Example:
        x = r.tensor()
        shape = [*x.shape[r.randrange(x.dim()) :]]
        learned = [weight(*shape) for _ in range(r.randint(0, 1 if name == "rms_norm" else 2))]
        eps = r.choice((1e-5, 0.5))
        return Example(lambda x, *stored: getattr(aten, name)(x, shape, *stored, eps=eps), (x,), tuple(learned))

    return build


def _group_norm(r: Random) -> Example:
    learned = [weight(4), weight(4)] if r.flag() else []
    eps = r.choice((1e-5, 0.5))
    return Example(lambda x, *stored: aten.group_norm(x, 2, *stored, eps=eps), (r.map(2),), tuple(learned))


def _recurrent(name: str) -> Builder:
    def build(r: Random) -> Example:
        both, hidden, features = r.flag(), r.randint(2, 4), r.randint(2, 4)
        rows = hidden * {"lstm": 4, "gru": 3, "rnn_tanh": 1}[name]
        shapes = [(rows, features), (rows, hidden), (rows,), (rows,)] * (1 + both)
        state = torch.rand(1 + both, 3, hidden)
        states = (state, state + 1) if name == "lstm" else (state,)

        def call(x: Tensor, *more: Tensor) -> Any:
            given, weights = more[: len(states)], [*more[len(states) :]]
            first = [*given] if name == "lstm" else given[0]
            return getattr(aten, name)(x, first, weights, True, 1, 0.0, False, both, False)

        return Example(call, (torch.rand(5, 3, features), *states), tuple(weight(*shape) for shape in shapes))

    return build


def _packed_recurrent(r: Random) -> Example:
    """The samples have 4, 2 and 1 steps, so that the steps run on 3, 2, 1 and 1 samples."""
    both, hidden, features = r.flag(), r.randint(2, 4), r.randint(2, 4)
    shapes = [(hidden, features), (hidden, hidden), (hidden,), (hidden,)] * (1 + both)

    def call(x: Tensor, state: Tensor, *weights: Tensor) -> Any:
        return aten.rnn_relu(x, torch.tensor([3, 2, 1, 1]), state, [*weights], True, 1, 0.0, False, both)

    inputs = (torch.rand(7, features), torch.rand(1 + both, 3, hidden))
    return Example(call, inputs, tuple(weight(*shape) for shape in shapes))


def _linear(r: Random) -> Example:
    x, out = r.tensor(), r.randint(1, 5)
    bias = (weight(out),) if r.flag() else ()
    return Example(aten.linear, (x,), (weight(out, x.shape[-1]), *bias))


def _product(name: str) -> Builder:
    def build(r: Random) -> Example:
        n, k, m, batch = (r.randint(2, 5) for _ in range(4))
        shapes = {
            "matmul": r.choice((((n, k), (k, m)), ((batch, n, k), (k, m)), ((k,), (batch, k, m)), ((n, k), (k,)))),
            "mm": ((n, k), (k, m)),
            "bmm": ((batch, n, k), (batch, k, m)),
            "mv": ((n, k), (k,)),
            "dot": ((k,), (k,)),
            "vdot": ((k,), (k,)),
        }[name]
        return Example(getattr(aten, name), tuple(r.tensor(*shape) for shape in shapes))

    return build


def _grouped_product(r: Random) -> Example:
    """Groups of rows, of columns, or of the axis that is summed over."""
    groups, n, k, m = r.randint(2, 3), *(4 * r.randint(1, 3) for _ in range(3))
    left, right, whole = r.choice((((n, k), (groups, k, m), n), ((groups, n, k), (k, m), m), ((n, k), (k, m), k)))
    ends = torch.tensor([*sorted(r.sample(range(whole + 1), groups - 1)), whole], dtype=torch.int32)
    return Example(lambda x, y, ends: torch._grouped_mm(x, y, offs=ends), (r.tensor(*left), r.tensor(*right), ends))


def _attention(r: Random) -> Example:
    batch, heads, rows, columns, width, values = (r.randint(2, 5) for _ in range(6))
    inputs = [r.tensor(batch, heads, *shape) for shape in ((rows, width), (columns, width), (columns, values))]
    masks = [r.tensor(rows, columns)] if r.flag() else []
    causal = not masks and r.flag()
    return Example(
        lambda q, k, v, mask=None: aten.scaled_dot_product_attention(q, k, v, mask, 0.0, causal), (*inputs, *masks)
    )


def _embedding(r: Random) -> Example:
    return Example(
        lambda indices, table: aten.embedding(table, indices), (torch.randint(0, 7, r.shape()),), (weight(7, 3),)
    )


def _dropout(name: str) -> Builder:
    def build(r: Random) -> Example:
        probability = r.choice((0.1, 0.5))
        return Example(lambda x: getattr(aten, name)(x, probability, True), (r.map(2),))

    return build


def _reduced(name: str) -> Builder:
    """A reduction of some axes, of one axis where the operator takes no more, and of all."""

    def build(r: Random) -> Example:
        x, keep = r.tensor(), r.flag()
        axes: Any = r.axes(x)
        if name in ("prod", "max", "min", "argmax", "argmin"):
            axes = axes[0]
        if name == "norm":
            return Example(lambda x: aten.norm(x, 2, axes, keep), (x,))
        if name == "count_nonzero":
            return Example(lambda x: aten.count_nonzero(x, axes), (x,))
        if name in ("any", "all"):
            return Example(lambda x: getattr(aten, name)(x, axes, keep), (x > 0.5,))
        if name in ("var", "std"):
            return Example(lambda x: getattr(aten, name).correction(x, axes, correction=1, keepdim=keep), (x,))
        if name in ("sum", "mean", "prod", "argmax", "argmin", "max", "min") and r.flag():
            return Example(getattr(aten, name), (x,))
        return Example(lambda x: getattr(aten, name)(x, axes, keep), (x,))

    return build


ACTIVATIONS: dict[str, type[Op]] = {
    "relu": ops.ReLU, "relu6": ops.Hardtanh, "hardtanh": ops.Hardtanh, "leaky_relu": ops.LeakyReLU, "gelu": ops.GELU,
    "silu": ops.SiLU, "mish": ops.Mish, "sigmoid": ops.Sigmoid, "tanh": ops.Tanh, "hardswish": ops.Hardswish,
    "hardsigmoid": ops.Hardsigmoid, "softplus": ops.Softplus, "elu": ops.ELU,
}  # fmt: skip

Kinds = type[Op] | tuple[type[Op], ...]

CONVOLUTIONS = (
    ops.Conv1d, ops.Conv2d, ops.Conv3d, ops.ConvTranspose1d, ops.ConvTranspose2d, ops.ConvTranspose3d,
)  # fmt: skip
RESIZED = (ops.Upsample, ops.Declared)
BATCH_NORMS = (ops.BatchNorm1d, ops.BatchNorm2d, ops.BatchNorm3d)

RULES: dict[str, tuple[Builder, Kinds]] = {
    **{name: (_activation(name), (op, ops.Elementwise)) for name, op in ACTIVATIONS.items()},
    "prelu": (lambda r: Example(aten.prelu, (r.map(2),), (weight(r.choice((1, 4))),)), ops.PReLU),
    "softmax": (_softmax("softmax"), ops.Softmax),
    "_softmax": (_softmax("_softmax", False), ops.Softmax),
    "log_softmax": (_softmax("log_softmax"), ops.LogSoftmax),
    "_log_softmax": (_softmax("_log_softmax", False), ops.LogSoftmax),
    **{name: (_dropout(name), ops.Dropout) for name in ("dropout", "feature_dropout")},
    "alpha_dropout": (lambda r: Example(lambda x: aten.alpha_dropout(x, 0.5, False), (r.map(2),)), ops.Dropout),
    **{name: (_binary(name), ops.Elementwise) for name in ("sub", "mul", "div", "maximum", "minimum", "pow")},
    "add": (lambda r: Example(lambda x: aten.add(x, x, alpha=0.5), (r.tensor(),)), ops.Add),
    **{
        name: (_unary(name), ops.Elementwise)
        for name in (
            "neg", "abs", "exp", "log", "sqrt", "rsqrt", "square", "sin", "cos", "erf", "reciprocal", "selu",
            "log_sigmoid",
        )
    },
    **{name: (_reduced(name), ops.Reduce) for name in ("mean", "sum", "amax", "amin")},
    **{f"conv{n}d": (_convolution(f"conv{n}d", n, False), getattr(ops, f"Conv{n}d")) for n in (1, 2, 3)},
    **{name: (_any_convolution(name), CONVOLUTIONS) for name in ("convolution", "_convolution")},
    "linear": (_linear, ops.Linear),
    **{name: (_product(name), ops.MatMul) for name in ("matmul", "mm", "bmm", "mv", "dot", "vdot")},
    "_grouped_mm": (_grouped_product, ops.Declared),
    "scaled_dot_product_attention": (_attention, ops.ScaledDotProductAttention),
    "batch_norm": (_batch_norm("batch_norm"), BATCH_NORMS),
    "layer_norm": (_layer_norm("layer_norm"), ops.LayerNorm),
    "rms_norm": (_layer_norm("rms_norm"), ops.RMSNorm),
    "group_norm": (_group_norm, ops.GroupNorm),
    "instance_norm": (_batch_norm("instance_norm"), ops.InstanceNorm),
    **{name: (_recurrent(name), op) for name, op in (("lstm", ops.LSTM), ("gru", ops.GRU), ("rnn_tanh", ops.RNN))},
    "rnn_relu": (_packed_recurrent, (ops.Declared, ops.Stored)),
    "embedding": (_embedding, ops.Embedding),
    **{f"max_pool{n}d": (_pool(f"max_pool{n}d", n), getattr(ops, f"MaxPool{n}d")) for n in (1, 2, 3)},
    **{f"avg_pool{n}d": (_pool(f"avg_pool{n}d", n), getattr(ops, f"AvgPool{n}d")) for n in (1, 2, 3)},
    **{f"adaptive_avg_pool{n}d": (_adaptive(n), getattr(ops, f"AdaptiveAvgPool{n}d")) for n in (1, 2, 3)},
    "max_pool2d_with_indices": (_pool("max_pool2d_with_indices", 2), ops.MaxPool2d),
    "max_pool3d_with_indices": (_pool("max_pool3d_with_indices", 3), ops.MaxPool3d),
    **{f"upsample_nearest{n}d": (_upsample(f"upsample_nearest{n}d", n), RESIZED) for n in (1, 2, 3)},
    **{f"_upsample_nearest_exact{n}d": (_upsample(f"_upsample_nearest_exact{n}d", n), RESIZED) for n in (1, 2, 3)},
    **{
        name: (_upsample(name, n), RESIZED)
        for name, n in (
            ("upsample_linear1d", 1), ("upsample_bilinear2d", 2), ("upsample_trilinear3d", 3), ("upsample_bicubic2d", 2)
        )
    },
    **{name: (_cat(name), ops.Concat) for name in ("cat", "concat", "concatenate")},
    "pixel_shuffle": (lambda r: Example(lambda x: aten.pixel_shuffle(x, 2), (r.map(2, 8),)), ops.PixelShuffle),
    "pixel_unshuffle": (
        lambda r: Example(lambda x: aten.pixel_unshuffle(x, 2), (r.tensor(2, 3, 2 * r.randint(1, 4), 6),)),
        ops.PixelUnshuffle,
    ),
    "stack": (_stack, ops.Stack),
    "pad": (_pad("pad"), ops.Pad),
    "constant_pad_nd": (_pad("constant_pad_nd"), ops.Pad),
}  # fmt: skip
for _n in (1, 2, 3):
    _name = f"conv_transpose{_n}d"
    RULES[_name] = (_convolution(_name, _n, True), getattr(ops, f"ConvTranspose{_n}d"))
"""By operator: a call, and the class of the operation that it is, or the classes that it may be."""


# --- Views


def _view(function: Callable[[Random, Tensor], Callable[[Tensor], Any]], low: int = 2) -> Builder:
    def build(r: Random) -> Example:
        x = r.tensor(*r.shape(low, 4))
        return Example(function(r, x), (x,))

    return build


def _reshaped(r: Random, x: Tensor) -> list[int]:
    sizes = [*x.shape]
    return r.choice(([-1], [*sizes[:-2], -1], [sizes[0] * sizes[1], *sizes[2:]], [*sizes, 1]))


def _permuted(r: Random, x: Tensor) -> list[int]:
    return r.sample([axis - r.choice((0, x.dim())) for axis in range(x.dim())], x.dim())


def _strided(r: Random, x: Tensor) -> Callable[[Tensor], Any]:
    size = [x.numel()]
    return lambda x: aten._reshape_alias(x, size, [1])


def _sliced(r: Random, x: Tensor) -> Callable[[Tensor], Any]:
    axis, start, step = r.axis(x), r.randint(-4, 3), r.randint(1, 3)
    stop = r.choice((None, 2**63 - 1, r.randint(-3, 6)))
    return lambda x: aten.slice(x, axis, start, stop, step)


def _selected(r: Random, x: Tensor) -> Callable[[Tensor], Any]:
    axis = r.axis(x)
    index = r.randrange(-x.shape[axis], x.shape[axis])
    return lambda x: aten.select(x, axis, index)


def _called(name: str, arguments: Callable[[Random, Tensor], list[Any]]) -> Callable[[Random, Tensor], Any]:
    def function(r: Random, x: Tensor) -> Callable[[Tensor], Any]:
        given = arguments(r, x)
        return lambda x: getattr(aten, name)(x, *given)

    return function


VIEWS: dict[str, tuple[Builder, Kinds]] = {
    "view": (_view(_called("view", lambda r, x: [_reshaped(r, x)])), (ops.Flatten, ops.Reshape)),
    "_unsafe_view": (_view(_called("_unsafe_view", lambda r, x: [_reshaped(r, x)])), (ops.Flatten, ops.Reshape)),
    "_reshape_alias": (_view(_strided), (ops.Flatten,)),
    "unsqueeze": (_view(_called("unsqueeze", lambda r, x: [r.axis(x)])), (ops.Reshape,)),
    "squeeze": (lambda r: Example(aten.squeeze, (r.tensor(*r.shape(), 1),)), (ops.Reshape, ops.Flatten)),
    "t": (lambda r: Example(aten.t, (r.tensor(*r.shape(2, 2)),)), (ops.Permute,)),
    "transpose": (_view(_called("transpose", lambda r, x: [r.axis(x), r.axis(x)])), (ops.Permute,)),
    "permute": (_view(_called("permute", lambda r, x: [_permuted(r, x)])), (ops.Permute,)),
    "expand": (_view(_called("expand", lambda r, x: [[r.randint(2, 4), *[-1] * x.dim()]])), (ops.Expand,)),
    "slice": (_view(_sliced, 1), (ops.Slice,)),
    "select": (_view(_selected), (ops.Select,)),
}  # fmt: skip

SPLITS: dict[str, tuple[Builder, Kinds]] = {
    "unbind": (_view(_called("unbind", lambda r, x: [r.axis(x)])), ops.Select),
    "split": (_view(_called("split", lambda r, x: [r.randint(1, 3), r.axis(x)])), ops.Slice),
    "chunk": (_view(_called("chunk", lambda r, x: [r.randint(2, 3), r.axis(x)])), ops.Slice),
    "split_with_sizes": (
        _view(_called("split_with_sizes", lambda r, x: [[1, x.shape[0] - 1], 0])), ops.Slice,
    ),
}  # fmt: skip
"""Views with several outputs."""


# --- Functions of each element, and reductions

UNARY = (
    "neg", "abs", "sign", "reciprocal", "sqrt", "rsqrt", "square", "exp", "exp2", "expm1", "log", "log2", "log10",
    "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh", "tanh", "erf",
    "erfc", "erfinv", "lgamma", "digamma", "floor", "ceil", "round", "trunc", "frac", "relu", "sinc", "softplus",
    "sigmoid", "log_sigmoid", "silu", "gelu", "mish", "elu", "selu", "celu", "leaky_relu", "hardtanh", "hardsigmoid",
    "hardswish", "logit", "nan_to_num", "hardshrink", "softshrink", "logical_not", "isnan", "isinf", "isfinite",
    "clone", "signbit",
)  # fmt: skip
BINARY = (
    "add", "sub", "rsub", "mul", "div", "floor_divide", "remainder", "fmod", "pow", "atan2", "maximum", "minimum",
    "fmax", "fmin", "hypot", "logaddexp", "xlogy", "eq", "ne", "lt", "le", "gt", "ge", "copy",
)  # fmt: skip
LOGICAL = ("logical_and", "logical_or", "logical_xor")
BITWISE = ("bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift")


def _elementwise(suffix: str = "") -> dict[str, Builder]:
    """Calls of all functions that the library has with this suffix."""
    found = {
        **dict.fromkeys(UNARY, (_unary, torch.float32)),
        **dict.fromkeys(BINARY, (_binary, torch.float32)),
        **dict.fromkeys(LOGICAL, (_binary, torch.bool)),
        **dict.fromkeys(BITWISE, (_binary, torch.int64)),
        "bitwise_not": (_unary, torch.int64),
    }
    names = {name: f"{name}{suffix}" for name in found if hasattr(aten, f"{name}{suffix}")}
    arguments: dict[str, tuple[Any, ...]] = {"clamp": (0.2, 0.8), "threshold": (0.5, 0.0)}

    def ternary(name: str) -> Builder:
        function = getattr(aten, f"{name}{suffix}")
        return lambda r: Example(lambda x: function(x, x + 1, x + 2), (r.tensor(),))

    def masked_fill(r: Random) -> Example:
        x = r.tensor()
        return Example(lambda x, mask: getattr(aten, f"masked_fill{suffix}")(x, mask, 0.0), (x, x > 0.5))

    return {
        **{name: found[name][0](full, dtype=found[name][1]) for name, full in names.items()},
        **{name: _unary(f"{name}{suffix}", *given) for name, given in arguments.items()},
        **{name: ternary(name) for name in ("lerp", "addcmul", "addcdiv")},
        "masked_fill": masked_fill,
    }


def _where(r: Random) -> Example:
    x = r.tensor()
    return Example(aten.where, (x > 0.5, x, x + 1))


ELEMENTWISE: dict[str, Builder] = {
    **_elementwise(),
    "glu": lambda r: Example(lambda x: aten.glu(x, 1), (r.map(1),)),
    "prelu": lambda r: Example(aten.prelu, (r.map(2), r.tensor(1))),
    "softsign": lambda r: Example(torch.nn.functional.softsign, (r.tensor(),)),
    "tanhshrink": lambda r: Example(torch.nn.functional.tanhshrink, (r.tensor(),)),
    "where": _where,
    "cast": lambda r: Example(lambda x: x.to(torch.float64), (r.tensor(),)),
}

IN_PLACE: dict[str, Builder] = {
    **_elementwise("_"),
    **{name: _unary(f"{name}_") for name in ("relu6",) if hasattr(aten, f"{name}_")},
    **{name: _dropout(f"{name}_") for name in ("dropout", "feature_dropout", "alpha_dropout")},
}
"""By operator: a call of the form that writes over its first input."""

REDUCTIONS: dict[str, Builder] = {
    name: _reduced(name)
    for name in (
        "sum", "mean", "prod", "amax", "amin", "max", "min", "argmax", "argmin", "logsumexp", "var", "std", "norm",
        "any", "all", "count_nonzero",
    )
}  # fmt: skip
