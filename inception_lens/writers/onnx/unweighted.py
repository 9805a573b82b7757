"""What operations without weights are called in ONNX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from inception_lens.errors import FormatError
from inception_lens.writers.onnx.parts import Parts


def _activation(parts: Parts) -> None:
    op: Any = parts.op
    match op.kind:
        case "LeakyReLU":
            parts.add("LeakyRelu", parts.inputs, alpha=op.negative_slope)
        case "ELU":
            parts.add("Elu", parts.inputs, alpha=op.alpha)
        case "SiLU":
            parts.add("Mul", [*parts.inputs, parts.add("Sigmoid", parts.inputs, "sigmoid")])
        case "Hardsigmoid":
            parts.add("HardSigmoid", parts.inputs, alpha=1 / 6, beta=0.5)
        case "Hardtanh":
            bounds = [parts.number("min", op.min_val), parts.number("max", op.max_val)]
            parts.add("Clip", [*parts.inputs, *bounds])
        case "PReLU":
            slope = parts.weights("weight")
            if op.slopes > 1 and len(parts.shape) > 2:
                spread = parts.integers("spread", [op.slopes, *[1] * (len(parts.shape) - 2)])
                slope = [parts.add("Reshape", [*slope, spread], "slope")]
            parts.add("PRelu", [*parts.inputs, *slope])
        case _:
            parts.add(ACTIVATIONS[op.kind], parts.inputs)


ACTIVATIONS = {
    "ReLU": "Relu", "Sigmoid": "Sigmoid", "Tanh": "Tanh", "Softplus": "Softplus", "GELU": "Gelu", "Mish": "Mish",
    "Hardswish": "HardSwish",
}  # fmt: skip


def _softmax(parts: Parts) -> None:
    op: Any = parts.op
    parts.add(op.kind, parts.inputs, axis=op.dim)


def _dropout(parts: Parts) -> None:
    op: Any = parts.op
    parts.add("Dropout", [*parts.inputs, parts.number("ratio", op.p)])


def _concat(parts: Parts) -> None:
    op: Any = parts.op
    parts.add("Concat", parts.inputs, axis=op.dim)


def _stack(parts: Parts) -> None:
    op: Any = parts.op
    axes = parts.integers("axes", [op.dim])
    apart = [parts.add("Unsqueeze", [each, axes], f"part_{i}") for i, each in enumerate(parts.inputs)]
    parts.add("Concat", apart, axis=op.dim)


def _add(parts: Parts) -> None:
    op: Any = parts.op
    inputs = list(parts.inputs)
    if op.scale != 1:
        inputs[-1] = parts.add("Mul", [inputs[-1], parts.number("scale", op.scale)], "scale")
    parts.add("Add" if len(inputs) == 2 else "Sum", inputs)


def _flatten(parts: Parts) -> None:
    op: Any = parts.op
    made = parts.graph.types[parts.node.name][0].shape
    if op.start_dim == 1 and len(made) == 2:
        parts.add("Flatten", parts.inputs, axis=1)
    else:
        parts.add("Reshape", [*parts.inputs, parts.integers("shape", made)])


def _reshape(parts: Parts) -> None:
    op: Any = parts.op
    parts.add("Reshape", [*parts.inputs, parts.integers("shape", op.shape)])


def _permute(parts: Parts) -> None:
    op: Any = parts.op
    parts.add("Transpose", parts.inputs, perm=op.dims)


def _expand(parts: Parts) -> None:
    op: Any = parts.op
    parts.add("Expand", [*parts.inputs, parts.integers("shape", op.shape)])


def _slice(parts: Parts) -> None:
    op: Any = parts.op
    given = (("start", op.start), ("stop", op.stop), ("axis", op.dim), ("step", op.step))
    parts.add("Slice", [*parts.inputs, *(parts.integers(name, [value]) for name, value in given)])


def _select(parts: Parts) -> None:
    import numpy as np

    op: Any = parts.op
    name = f"{parts.node.name}.index"
    parts.files.constant(name, np.array(op.index, "int64"))
    parts.add("Gather", [*parts.inputs, name], axis=op.dim)


def _pad(parts: Parts) -> None:
    op: Any = parts.op
    sides = [before for before, _ in op.padding] + [after for _, after in op.padding]
    mode = {"replicate": "edge", "circular": "wrap"}.get(op.mode, op.mode)
    value = [parts.number("value", op.value)] if op.mode == "constant" else []
    parts.add("Pad", [*parts.inputs, parts.integers("pads", sides), *value], mode=mode)


def _upsample(parts: Parts) -> None:
    op: Any = parts.op
    mode = "cubic" if op.mode == "bicubic" else "nearest" if "nearest" in op.mode else "linear"
    sizes = parts.integers("sizes", (*parts.shape[:2], *op.size))
    nearest: dict[str, Any] = {}
    if mode == "nearest":
        nearest = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    parts.add("Resize", [*parts.inputs, "", "", sizes], mode=mode, **nearest)


def _pixel_shuffle(parts: Parts) -> None:
    op: Any = parts.op
    parts.add("DepthToSpace", parts.inputs, blocksize=op.upscale_factor, mode="CRD")


def _pixel_unshuffle(parts: Parts) -> None:
    op: Any = parts.op
    n, channels, height, width = parts.shape
    side = op.downscale_factor
    # SpaceToDepth puts the channels after the positions in a block, which is this order for one channel alone.
    if channels == 1:
        parts.add("SpaceToDepth", parts.inputs, blocksize=side)
        return
    blocks = (n, channels, height // side, side, width // side, side)
    apart = parts.add("Reshape", [*parts.inputs, parts.integers("blocks", blocks)], "blocks")
    turned = parts.add("Transpose", [apart], "channels", perm=(0, 1, 3, 5, 2, 4))
    shape = parts.graph.types[parts.node.name][0].shape
    parts.add("Reshape", [turned, parts.integers("shape", shape)])


ELEMENTWISE = {
    "add": ("Add", 2), "sub": ("Sub", 2), "mul": ("Mul", 2), "div": ("Div", 2), "pow": ("Pow", 2),
    "maximum": ("Max", 2), "minimum": ("Min", 2), "abs": ("Abs", 1), "neg": ("Neg", 1), "sqrt": ("Sqrt", 1),
    "exp": ("Exp", 1), "log": ("Log", 1), "reciprocal": ("Reciprocal", 1), "floor": ("Floor", 1), "ceil": ("Ceil", 1),
    "round": ("Round", 1), "sign": ("Sign", 1), "erf": ("Erf", 1), "sin": ("Sin", 1), "cos": ("Cos", 1),
    "eq": ("Equal", 2), "gt": ("Greater", 2), "ge": ("GreaterOrEqual", 2), "lt": ("Less", 2),
    "le": ("LessOrEqual", 2), "logical_and": ("And", 2), "logical_or": ("Or", 2), "logical_not": ("Not", 1),
    "where": ("Where", 3), "softsign": ("Softsign", 1),
}  # fmt: skip
"""ONNX's operator for each function, and on how many tensors; a number that is no tensor is not in the graph."""


def _elementwise(parts: Parts) -> None:
    op: Any = parts.op
    if op.function == "cast":
        parts.add("Cast", parts.inputs, to=parts.files.number(op.dtype or parts.graph.input_types(parts.node)[0].dtype))
        return
    kind, tensors = ELEMENTWISE.get(op.function, ("", 0))
    if len(parts.inputs) != tensors:
        raise FormatError(f"does not say all that `{op.function}` does of {len(parts.inputs)} tensors")
    parts.add(kind, parts.inputs)


REDUCTIONS = {
    "mean": "ReduceMean", "sum": "ReduceSum", "amax": "ReduceMax", "amin": "ReduceMin", "max": "ReduceMax",
    "min": "ReduceMin", "prod": "ReduceProd", "norm": "ReduceL2", "logsumexp": "ReduceLogSumExp",
}  # fmt: skip


def _reduce(parts: Parts) -> None:
    op: Any = parts.op
    if op.function in ("argmax", "argmin"):
        parts.add(
            "ArgMax" if op.function == "argmax" else "ArgMin", parts.inputs, axis=op.dims[0], keepdims=int(op.keepdim)
        )
        return
    if op.function not in REDUCTIONS:
        raise FormatError(f"has no operator for `{op.function}`")
    dims = op.dims or tuple(range(len(parts.shape)))
    inputs = [*parts.inputs, parts.integers("axes", dims)]
    parts.add(REDUCTIONS[op.function], inputs, keepdims=int(op.keepdim))


def _stored(parts: Parts) -> None:
    name = next(iter(parts.tensors.values()), "")
    if not name:
        raise FormatError("does not know the numbers of a constant")
    parts.add("Identity", [name])


PLAIN: dict[str, Callable[[Parts], None]] = {
    **dict.fromkeys((*ACTIVATIONS, "LeakyReLU", "ELU", "SiLU", "Hardsigmoid", "Hardtanh", "PReLU"), _activation),
    **dict.fromkeys(("Softmax", "LogSoftmax"), _softmax),
    "Add": _add,
    "Concat": _concat,
    "Dropout": _dropout,
    "Elementwise": _elementwise,
    "Expand": _expand,
    "Flatten": _flatten,
    "Pad": _pad,
    "Permute": _permute,
    "PixelShuffle": _pixel_shuffle,
    "PixelUnshuffle": _pixel_unshuffle,
    "Reduce": _reduce,
    "Reshape": _reshape,
    "Select": _select,
    "Slice": _slice,
    "Stack": _stack,
    "Stored": _stored,
    "Upsample": _upsample,
}
"""By the operation's class."""
