"""ONNX's operators that hold weights, slide a window or normalise: what each is called here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import msgspec

from inception_lens.errors import FormatError
from inception_lens.ops import (
    GRU,
    LSTM,
    RNN,
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    Declared,
    Elementwise,
    Embedding,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    Linear,
    LocalResponseNorm,
    MatMul,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
    Op,
    Permute,
    Reduce,
    Reshape,
    RMSNorm,
    Rounding,
    ScaledDotProductAttention,
    Shape,
    TensorType,
    by,
)
from inception_lens.ops import window as sliding
from inception_lens.readers.onnx_run import Run
from inception_lens.readers.onnx_values import Call, Pending, Value

Handler = Callable[[Run, Call], list[Value]]
"""Writes the nodes of one call and returns its outputs."""

LARGEST_WINDOW = 2**20


def number(value: Any) -> float:
    """A number as people wrote it: ONNX keeps it in 32 bits, so that 0.1 is read as 0.10000000149."""
    import numpy as np

    return float(str(np.float32(value)))


def window(call: Call, axes: int) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Strides, dilations and kernel of a call.

    Raises:
        FormatError: they are not of its axes, or out of all bounds.
    """
    ones = [1] * axes
    found = tuple(tuple(call.attributes.get(name) or ones) for name in ("strides", "dilations", "kernel_shape"))
    if any(len(each) != axes or not all(1 <= n <= LARGEST_WINDOW for n in each) for each in found):
        raise FormatError(f"strides, dilations and kernel {found} are not of {axes} axes")
    return found[0], found[1], found[2]


def padding(call: Call, shape: Shape, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]) -> Any:
    """The padding of a call: `same`, or a number or a pair for each axis.

    Raises:
        FormatError: it is not of the axes of the map.
    """
    axes, auto = len(kernel), call.attributes.get("auto_pad", "NOTSET")
    if auto == "SAME_UPPER":
        return "same"
    if auto == "SAME_LOWER":
        spans = sliding.spans(tuple(kernel), tuple(dilations))
        return tuple([sliding.same_padding(*each)[::-1] for each in zip(shape[2:], spans, strides, strict=True)])
    pads = call.attributes.get("pads") or [0] * 2 * axes
    if auto == "VALID":
        pads = [0] * 2 * axes
    if len(pads) != 2 * axes or not all(0 <= n <= LARGEST_WINDOW for n in pads):
        raise FormatError(f"pads {pads} are not of {axes} axes")
    return tuple([a if a == b else (a, b) for a, b in zip(pads[:axes], pads[axes:], strict=True)])


def _spatial(value: Value, op: str) -> int:
    axes = len(value.shape) - 2
    if not 1 <= axes <= 3:
        raise FormatError(f"{op} of a tensor of {by(value.shape)}: 1 to 3 axes behind the channels")
    return axes


def convolution(run: Run, call: Call) -> list[Value]:
    """Conv and ConvTranspose; a kernel that the model computes itself is no weight, and its products count as well."""
    x, kernel = call.given(0), call.given(1)
    axes, transposed = _spatial(x, call.op), call.op == "ConvTranspose"
    if len(kernel.shape) != axes + 2:
        raise FormatError(f"a kernel of {by(kernel.shape)} for a map of {by(x.shape)}")
    groups = int(call.attributes.get("group", 1))
    strides, dilations, _ = window(call, axes)
    sizes = kernel.shape[2:]
    fields: dict[str, Any] = {
        "out_channels": kernel.shape[1] * groups if transposed else kernel.shape[0],
        "kernel_size": sizes,
        "stride": strides,
        "padding": padding(call, x.shape, sizes, strides, dilations),
        "dilation": dilations,
        "groups": groups,
        "bias": call.has(2),
    }
    if transposed:
        fields |= _transposed(call, x.shape, fields)
    kinds = (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d) if transposed else (Conv1d, Conv2d, Conv3d)
    op: Op = kinds[axes - 1](**fields)
    needed = op.parameters(x.shape)[0].shape if x.shape[1] % max(groups, 1) == 0 else ()
    if needed != kernel.shape:
        raise FormatError(f"weights of {by(kernel.shape)} do not fit an input of {by(x.shape)}")
    weights: list[tuple[Value, Shape]] = [(kernel, kernel.shape)]
    if call.has(2):
        weights.append((call.given(2), (fields["out_channels"],)))
    return [weighted(run, call, op, x, weights)]


def _transposed(call: Call, shape: Shape, fields: dict[str, Any]) -> dict[str, Any]:
    """The padding and output padding of a ConvTranspose, which may be told by the size of its output."""
    extra = tuple(call.attributes.get("output_padding") or ())
    wanted = call.attributes.get("output_shape")
    auto = call.attributes.get("auto_pad", "NOTSET")
    spans = sliding.spans(fields["kernel_size"], fields["dilation"])
    rows = list(zip(shape[2:], fields["stride"], spans, extra or (0,) * len(spans), strict=True))
    if not wanted and auto not in ("SAME_UPPER", "SAME_LOWER"):
        return {"output_padding": extra}
    sizes = wanted[-len(spans) :] if wanted else [n * s for n, s, _, _ in rows]
    totals = [s * (n - 1) + more + span - size for (n, s, span, more), size in zip(rows, sizes, strict=True)]
    if min(totals) < 0:
        return {"padding": (0,) * len(spans), "output_padding": tuple(-total for total in totals)}
    halves = [(total // 2, total - total // 2) for total in totals]
    pads = [pair if auto == "SAME_UPPER" else pair[::-1] for pair in halves]
    return {"padding": tuple([a if a == b else (a, b) for a, b in pads]), "output_padding": extra}


def weighted(run: Run, call: Call, op: Op, x: Value, weights: Sequence[tuple[Value, Shape]]) -> Value:
    """A layer whose tensors are the model's weights, each with the shape in which the layer has it.

    Where one is computed by the model, or was read in another shape before, the layer's work is written without
    weights of its own, as it reads them.
    """
    node = run.tensor(x)
    own = all(run.shared(value, shape) for value, shape in weights)
    if own:
        return run.add(call.name, op, node, parameters=tuple(value.weight for value, _ in weights))
    types = op.output_types((x.type,)) if x.type else ()
    macs = op.macs((x.shape,), types[0].shape) or 0
    beside = op.arithmetic((x.shape,), types[0].shape) or 0
    inputs = [node, *(run.tensor(value) for value, _ in weights)]
    return run.add(call.name, Declared(op.kind, types, macs, beside), *inputs)


def gemm(run: Run, call: Call) -> list[Value]:
    """A matrix product and a sum: a linear layer where the second matrix is a weight."""
    a, b = call.given(0), call.given(1)
    transposed = bool(call.attributes.get("transB", 0))
    plain = not call.attributes.get("transA", 0) and all(call.attributes.get(s, 1.0) == 1.0 for s in ("alpha", "beta"))
    bias = call.given(2) if call.has(2) else None
    if len(a.shape) != 2 or len(b.shape) != 2:
        raise FormatError(f"a product of {by(a.shape)} and {by(b.shape)}: two matrices")
    features, out = b.shape[::-1] if transposed else b.shape
    simple = bias is None or (bias.is_weight and bias.type is not None and bias.type.elements == out)
    if plain and b.is_weight and simple:
        if a.shape[-1] != features:
            raise FormatError(f"weights of {by(b.shape)} do not fit an input of {by(a.shape)}")
        weights: list[tuple[Value, Shape]] = [(b, (out, features))]
        if bias is not None:
            weights.append((bias, (out,)))
        return [weighted(run, call, Linear(out, bias is not None), a, weights)]
    left, right = run.tensor(a), run.tensor(b)
    for flag, matrix in (("transA", "a"), ("transB", "b")):
        if call.attributes.get(flag, 0):
            turned = run.add(f"{call.name}/transpose_{matrix}", Permute((1, 0)), left if matrix == "a" else right).node
            left, right = (turned, right) if matrix == "a" else (left, turned)
    made = run.add(call.name, MatMul(), left, right)
    if call.attributes.get("alpha", 1.0) != 1.0:
        made = run.add(f"{call.name}/alpha", Elementwise("mul"), made.node)
    return [run.add(f"{call.name}/add", Elementwise("add"), made.node, run.tensor(bias))] if bias else [made]


def matmul(run: Run, call: Call) -> list[Value]:
    """A matrix product; with a matrix of weights a linear layer, which a sum with a vector behind it gives a bias."""
    a, b = call.given(0), call.given(1)
    if not (b.is_weight and len(b.shape) == 2 and a.shape) or a.is_weight:
        return [run.add(call.name, MatMul(), run.tensor(a), run.tensor(b))]
    features, out = b.shape
    if a.shape[-1] != features:
        raise FormatError(f"weights of {by(b.shape)} do not fit an input of {by(a.shape)}")

    def write(bias: Value | None = None, name: str = "") -> str:
        weights: list[tuple[Value, Shape]] = [(b, (out, features))]
        if bias is not None:
            weights.append((bias, (out,)))
        whole = call._replace(name=name) if call.name == f"{name}/product" else call
        return weighted(run, whole, Linear(out, bias is not None), a, weights).node

    if call.used[0] != 1:
        return [run.value(write())]
    kind = TensorType((*a.shape[:-1], out), a.dtype)
    return [Value(kind, pending=Pending("linear", once(write), run.tensor(a), write))]


def once(write: Callable[[], str]) -> Callable[[], str]:
    """The same call, made when it is first asked for."""
    made: list[str] = []

    def written() -> str:
        if not made:
            made.append(write())
        return made[0]

    return written


def pool(run: Run, call: Call) -> list[Value]:
    """MaxPool and AveragePool."""
    x = call.given(0)
    axes = _spatial(x, call.op)
    strides, dilations, kernel = window(call, axes)
    rounding: Rounding = "ceil" if call.attributes.get("ceil_mode", 0) else "floor"
    fields = (kernel, strides, padding(call, x.shape, kernel, strides, dilations), rounding)
    if call.op == "MaxPool":
        spread = dilations if set(dilations) != {1} else ()
        several = len(call.outputs) > 1
        op: Op = (MaxPool1d, MaxPool2d, MaxPool3d)[axes - 1](*fields, dilation=spread, indices=several)
        return run.outputs(run.add(call.name, op, run.tensor(x)), len(call.outputs))
    if set(dilations) != {1}:
        made = sliding.output_size(x.shape[2:], kernel, strides, fields[2], dilations, rounding)
        types = (TensorType((*x.shape[:2], *made), x.dtype),)
        flops = types[0].elements * prod(kernel)
        return [run.add(call.name, Declared("AvgPool", types, flops_beside=flops), run.tensor(x))]
    counted = bool(call.attributes.get("count_include_pad", 0)) or fields[2] == (0,) * axes
    return [run.add(call.name, (AvgPool1d, AvgPool2d, AvgPool3d)[axes - 1](*fields, counted), run.tensor(x))]


def global_pool(run: Run, call: Call) -> list[Value]:
    """GlobalAveragePool and GlobalMaxPool."""
    x = call.given(0)
    axes, average = _spatial(x, call.op), call.op == "GlobalAveragePool"
    averages, maxima = (
        (AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d),
        (
            AdaptiveMaxPool1d,
            AdaptiveMaxPool2d,
            AdaptiveMaxPool3d,
        ),
    )
    return [run.add(call.name, (averages if average else maxima)[axes - 1]((1,) * axes), run.tensor(x))]


def batch_norm(run: Run, call: Call) -> list[Value]:
    """BatchNormalization; a scale or shift that is a Constant of the graph was not learned."""
    x = call.given(0)
    tensors = [call.given(i) for i in range(1, 5)]
    if not 2 <= len(x.shape) <= 5 or any(each.shape != x.shape[1:2] for each in tensors):
        raise FormatError(f"tensors of {', '.join(by(each.shape) for each in tensors)} for one of {by(x.shape)}")
    scale, shift = (each.is_weight and not each.constant for each in tensors[:2])
    op = (BatchNorm1d, BatchNorm1d, BatchNorm2d, BatchNorm3d)[len(x.shape) - 2](
        eps=number(call.attributes.get("epsilon", 1e-5)),
        momentum=round(1 - number(call.attributes.get("momentum", 0.9)), 6),
        scale=scale,
        shift=shift,
    )
    own = [each for each, learned in zip(tensors[:2], (scale, shift), strict=True) if learned]
    return [weighted(run, call, op, x, [(each, each.shape) for each in (*own, *tensors[2:])])]


def layer_norm(run: Run, call: Call) -> list[Value]:
    """LayerNormalization and RMSNormalization over the axes from `axis` on."""
    x = call.given(0)
    rank, rms = len(x.shape), call.op != "LayerNormalization"
    axis = int(call.attributes.get("axis", -1))
    over = x.shape[axis if axis < 0 else axis - rank :]
    weights = [(call.given(i), over) for i in (1, 2) if call.has(i)]
    eps = number(call.attributes.get("epsilon", 1e-5))
    scale, shift = call.has(1), call.has(2)
    learned = all(value.is_weight and value.shape == over for value, _ in weights)
    op = RMSNorm(over, eps, scale) if rms else LayerNorm(over, eps, scale, shift)
    if learned:
        return [weighted(run, call, op, x, weights)]
    bare = RMSNorm(over, eps, False) if rms else LayerNorm(over, eps, False, False)
    made = run.add(call.name, bare, run.tensor(x))
    for function, (value, _) in zip(("mul", "add"), weights, strict=False):
        made = run.add(f"{call.name}/{function}", Elementwise(function), made.node, run.tensor(value))
    return [made]


def channel_norm(run: Run, call: Call) -> list[Value]:
    """InstanceNormalization and GroupNormalization, with a scale and a shift for each channel."""
    x, scale, shift = (call.given(i) for i in range(3))
    eps = number(call.attributes.get("epsilon", 1e-5))
    groups = int(call.attributes.get("num_groups", 1))
    affine = scale.is_weight and shift.is_weight and not scale.constant and scale.shape == x.shape[1:2]
    op: Op = GroupNorm(groups, eps, affine) if call.op.startswith("Group") else InstanceNorm(eps, affine)
    if affine:
        return [weighted(run, call, op, x, [(scale, scale.shape), (shift, shift.shape)])]
    return [run.add(call.name, op, run.tensor(x))]


def local_response_norm(run: Run, call: Call) -> list[Value]:
    """LRN."""
    names = (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0))
    alpha, beta, bias = (number(call.attributes.get(name, default)) for name, default in names)
    op = LocalResponseNorm(int(call.attributes.get("size", 0)), alpha, beta, bias)
    if op.size < 1:
        raise FormatError(f"a size of {op.size}")
    return [run.add(call.name, op, run.tensor(call.given(0)))]


def lp_norm(run: Run, call: Call) -> list[Value]:
    """LpNormalization: division by the norm of an axis."""
    x = call.given(0)
    axis = int(call.attributes.get("axis", -1)) % max(len(x.shape), 1)
    norm = run.add(f"{call.name}/norm", Reduce("norm", (axis,), True), run.tensor(x))
    return [run.add(call.name, Elementwise("div"), run.tensor(x), norm.node)]


def embedding(run: Run, call: Call, table: Value, indices: Value) -> list[Value]:
    """Gather from a matrix of weights."""
    rows, width = table.shape
    op = Embedding(rows, width, table.dtype)
    if run.shared(table, table.shape):
        return [run.add(call.name, op, run.tensor(indices), parameters=(table.weight,))]
    made = TensorType((*indices.shape, width), table.dtype)
    return [run.add(call.name, Declared("Embedding", (made,)), run.tensor(indices), run.tensor(table))]


def recurrent(run: Run, call: Call) -> list[Value]:
    """LSTM, GRU and RNN of one layer; ONNX keeps the directions apart on an axis of their own."""
    x, kernel = call.given(0), call.given(1)
    direction = call.attributes.get("direction", "forward")
    two = direction == "bidirectional"
    hidden = int(call.attributes.get("hidden_size", 0)) or call.given(2).shape[-1]
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[call.op]
    plain = not call.has(7) and not call.attributes.get("layout", 0) and len(x.shape) == 3 and call.has(2)
    expected = (2 if two else 1, gates * hidden, x.shape[-1])
    if not plain or kernel.shape != expected:
        return run.unknown(call)
    op = {"LSTM": LSTM, "GRU": GRU, "RNN": RNN}[call.op](hidden, bias=call.has(3), bidirectional=two)
    steps, batch = x.shape[:2]
    begins = [call.given(i) for i in (5, 6)[: len(op.states)] if call.has(i)]
    states = [run.tensor(msgspec.structs.replace(each, constant=True)) for each in begins]
    weights = [call.given(i) for i in (1, 2, 3) if call.has(i)]
    own = all(value.is_weight and value.weight not in run.shapes for value in weights)
    for value in weights:
        run.shapes.setdefault(value.weight, value.shape)
    inputs = (run.tensor(x), *(states if len(states) == len(op.states) else ()))
    if own:
        first = run.add(call.name, op, *inputs)
    else:
        types = op.output_types((x.type,)) if x.type else ()
        work = op.macs((x.shape,), types[0].shape), op.arithmetic((x.shape,), types[0].shape)
        first = run.add(call.name, Declared(call.op, types, *work), *inputs, *map(run.tensor, weights))
    parted = run.add(f"{call.name}/directions", Reshape((steps, batch, op.directions, hidden)), first.node)
    sequence = run.add(f"{call.name}/sequence", Permute((0, 2, 1, 3)), parted.node)
    return [sequence, *run.outputs(first, 1 + len(op.states))[1:]]


def attention(run: Run, call: Call) -> list[Value]:
    """Attention of four axes, and of three with the number of heads; a cache of keys and values is not known."""
    if call.has(4) or call.has(5) or len(call.outputs) > 1:
        return run.unknown(call)
    values = [call.given(i) for i in range(3)]
    heads = [int(call.attributes.get(name, 0)) for name in ("q_num_heads", "kv_num_heads", "kv_num_heads")]
    nodes = []
    for role, value, count in zip("qkv", values, heads, strict=True):
        node = run.tensor(value)
        if len(value.shape) == 3 and count:
            batch, length, features = value.shape
            parted = run.add(f"{call.name}/{role}", Reshape((batch, length, count, features // count)), node)
            node = run.add(f"{call.name}/{role}_heads", Permute((0, 2, 1, 3)), parted.node).node
        nodes.append(node)
    mask = [run.tensor(call.given(3))] if call.has(3) else []
    op = ScaledDotProductAttention(bool(call.attributes.get("is_causal", 0)))
    made = run.add(call.name, op, *nodes, *mask)
    if len(values[0].shape) == 3 and heads[0]:
        batch, count, length, width = made.shape
        turned = run.add(f"{call.name}/joined", Permute((0, 2, 1, 3)), made.node)
        made = run.add(f"{call.name}/output", Reshape((batch, length, count * width)), turned.node)
    return [made]


def einsum(run: Run, call: Call) -> list[Value]:
    """Einsum: a multiply-accumulate for each combination of all its letters, for every tensor behind the first."""
    values = [call.given(i) for i in range(len(call.inputs))]
    equation = str(call.attributes.get("equation", "")).replace(" ", "")
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if "." in equation or len(terms) != len(values):
        return run.unknown(call)
    sizes: dict[str, int] = {}
    for term, value in zip(terms, values, strict=True):
        if len(term) != len(value.shape):
            raise FormatError(f"`{term}` for a tensor of {by(value.shape)}")
        for letter, size in zip(term, value.shape, strict=True):
            sizes[letter] = max(sizes.get(letter, 1), size)
    out = right if arrow else "".join(sorted(letter for letter in sizes if left.count(letter) == 1))
    if set(out) - set(sizes):
        raise FormatError(f"`{equation}` makes a letter of nothing")
    made = TensorType(tuple(sizes[letter] for letter in out), values[0].dtype)
    macs = prod(sizes.values()) * (len(values) - 1)
    return [run.add(call.name, Declared("einsum", (made,), macs), *map(run.tensor, values))]


def dequantize(run: Run, call: Call) -> list[Value]:
    """A stored weight becomes the weight that it stands for; an activation is scaled and shifted."""
    x = call.given(0)
    target = call.given(1).dtype if call.op == "DequantizeLinear" else "int8"
    if call.has(2) and call.op == "QuantizeLinear":
        target = call.given(2).dtype
    assert x.type is not None
    if x.is_weight and call.op == "DequantizeLinear":
        return [msgspec.structs.replace(x, type=TensorType(x.shape, target), numbers=None)]
    types = (TensorType(x.shape, target),)
    return [run.add(call.name, Declared(call.op, types, flops_beside=2 * x.type.elements), run.tensor(x))]


LAYERS: dict[str, Handler] = {
    "Attention": attention,
    "AveragePool": pool,
    "BatchNormalization": batch_norm,
    "Conv": convolution,
    "ConvTranspose": convolution,
    "DequantizeLinear": dequantize,
    "Einsum": einsum,
    "GRU": recurrent,
    "Gemm": gemm,
    "GlobalAveragePool": global_pool,
    "GlobalMaxPool": global_pool,
    "GroupNormalization": channel_norm,
    "InstanceNormalization": channel_norm,
    "LRN": local_response_norm,
    "LSTM": recurrent,
    "LayerNormalization": layer_norm,
    "LpNormalization": lp_norm,
    "MatMul": matmul,
    "MaxPool": pool,
    "QuantizeLinear": dequantize,
    "RMSNormalization": layer_norm,
    "RNN": recurrent,
    "SimplifiedLayerNormalization": layer_norm,
}
"""By the operator's name."""
