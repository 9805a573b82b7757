"""ONNX's operators that multiply by matrices, look up, repeat or normalise: what each is called here."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import msgspec

from inception_lens.errors import FormatError
from inception_lens.ops import (
    GRU,
    LSTM,
    RNN,
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    Declared,
    Elementwise,
    Embedding,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    Linear,
    LocalResponseNorm,
    MatMul,
    Op,
    Permute,
    Reduce,
    Reshape,
    RMSNorm,
    ScaledDotProductAttention,
    Shape,
    TensorType,
    format_shape,
)
from inception_lens.readers.onnx.run import OnnxGraphBuilder
from inception_lens.readers.onnx.values import OnnxCall, OnnxValue, PendingCall
from inception_lens.readers.onnx.windows import OnnxHandler, decimal, weighted


def gemm(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """A matrix product and a sum: a linear layer where the second matrix is a weight."""
    a, b = call.given(0), call.given(1)
    transposed = bool(call.attributes.get("transB", 0))
    plain = not call.attributes.get("transA", 0) and all(call.attributes.get(s, 1.0) == 1.0 for s in ("alpha", "beta"))
    bias = call.given(2) if call.has(2) else None
    if len(a.shape) != 2 or len(b.shape) != 2:
        raise FormatError(f"a product of {format_shape(a.shape)} and {format_shape(b.shape)}: two matrices")
    features, out = b.shape[::-1] if transposed else b.shape
    simple = bias is None or (bias.is_weight and bias.type is not None and bias.type.elements == out)
    if plain and b.is_weight and simple:
        if a.shape[-1] != features:
            raise FormatError(f"weights of {format_shape(b.shape)} do not fit an input of {format_shape(a.shape)}")
        weights: list[tuple[OnnxValue, Shape]] = [(b, (out, features))]
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


def matmul(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """A matrix product; with a matrix of weights a linear layer, which a sum with a vector behind it gives a bias."""
    a, b = call.given(0), call.given(1)
    if not (b.is_weight and len(b.shape) == 2 and a.shape) or a.is_weight:
        return [run.add(call.name, MatMul(), run.tensor(a), run.tensor(b))]
    features, out = b.shape
    if a.shape[-1] != features:
        raise FormatError(f"weights of {format_shape(b.shape)} do not fit an input of {format_shape(a.shape)}")

    def write(bias: OnnxValue | None = None, name: str = "") -> str:
        weights: list[tuple[OnnxValue, Shape]] = [(b, (out, features))]
        if bias is not None:
            weights.append((bias, (out,)))
        whole = call._replace(name=name) if call.name == f"{name}/product" else call
        return weighted(run, whole, Linear(out, bias is not None), a, weights).node

    if call.used[0] != 1:
        return [run.value(write())]
    kind = TensorType((*a.shape[:-1], out), a.dtype)
    return [OnnxValue(kind, pending=PendingCall("linear", once(write), run.tensor(a), write))]


def once(write: Callable[[], str]) -> Callable[[], str]:
    """The same call, made when it is first asked for."""
    made: list[str] = []

    def written() -> str:
        if not made:
            made.append(write())
        return made[0]

    return written


def batch_norm(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """BatchNormalization; a scale or shift that is a Constant of the graph was not learned."""
    x = call.given(0)
    tensors = [call.given(i) for i in range(1, 5)]
    if not 2 <= len(x.shape) <= 5 or any(each.shape != x.shape[1:2] for each in tensors):
        raise FormatError(
            f"tensors of {', '.join(format_shape(each.shape) for each in tensors)} for one of {format_shape(x.shape)}"
        )
    scale, shift = (each.is_weight and not each.constant for each in tensors[:2])
    op = (BatchNorm1d, BatchNorm1d, BatchNorm2d, BatchNorm3d)[len(x.shape) - 2](
        eps=decimal(call.attributes.get("epsilon", 1e-5)),
        momentum=round(1 - decimal(call.attributes.get("momentum", 0.9)), 6),
        scale=scale,
        shift=shift,
    )
    own = [each for each, learned in zip(tensors[:2], (scale, shift), strict=True) if learned]
    return [weighted(run, call, op, x, [(each, each.shape) for each in (*own, *tensors[2:])])]


def layer_norm(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """LayerNormalization and RMSNormalization over the axes from `axis` on."""
    x = call.given(0)
    rank, rms = len(x.shape), call.op != "LayerNormalization"
    axis = int(call.attributes.get("axis", -1))
    over = x.shape[axis if axis < 0 else axis - rank :]
    weights = [(call.given(i), over) for i in (1, 2) if call.has(i)]
    eps = decimal(call.attributes.get("epsilon", 1e-5))
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


def channel_norm(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """InstanceNormalization and GroupNormalization, with a scale and a shift for each channel."""
    x, scale, shift = (call.given(i) for i in range(3))
    eps = decimal(call.attributes.get("epsilon", 1e-5))
    groups = int(call.attributes.get("num_groups", 1))
    affine = scale.is_weight and shift.is_weight and not scale.constant and scale.shape == x.shape[1:2]
    op: Op = GroupNorm(groups, eps, affine) if call.op.startswith("Group") else InstanceNorm(eps, affine)
    if affine:
        return [weighted(run, call, op, x, [(scale, scale.shape), (shift, shift.shape)])]
    return [run.add(call.name, op, run.tensor(x))]


def local_response_norm(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """LRN."""
    names = (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0))
    alpha, beta, bias = (decimal(call.attributes.get(name, default)) for name, default in names)
    op = LocalResponseNorm(int(call.attributes.get("size", 0)), alpha, beta, bias)
    if op.size < 1:
        raise FormatError(f"a size of {op.size}")
    return [run.add(call.name, op, run.tensor(call.given(0)))]


def lp_norm(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """LpNormalization: division by the norm of an axis."""
    x = call.given(0)
    axis = int(call.attributes.get("axis", -1)) % max(len(x.shape), 1)
    norm = run.add(f"{call.name}/norm", Reduce("norm", (axis,), True), run.tensor(x))
    return [run.add(call.name, Elementwise("div"), run.tensor(x), norm.node)]


def embedding(run: OnnxGraphBuilder, call: OnnxCall, table: OnnxValue, indices: OnnxValue) -> list[OnnxValue]:
    """Gather from a matrix of weights."""
    rows, width = table.shape
    op = Embedding(rows, width, table.dtype)
    if run.shared(table, table.shape):
        return [run.add(call.name, op, run.tensor(indices), parameters=(table.weight,))]
    made = TensorType((*indices.shape, width), table.dtype)
    return [run.add(call.name, Declared("Embedding", (made,)), run.tensor(indices), run.tensor(table))]


def recurrent(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
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
        work = op.macs((x.shape,), types[0].shape), op.extra_flops((x.shape,), types[0].shape)
        first = run.add(call.name, Declared(call.op, types, *work), *inputs, *map(run.tensor, weights))
    parted = run.add(f"{call.name}/directions", Reshape((steps, batch, op.directions, hidden)), first.node)
    sequence = run.add(f"{call.name}/sequence", Permute((0, 2, 1, 3)), parted.node)
    return [sequence, *run.outputs(first, 1 + len(op.states))[1:]]


def attention(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
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


def einsum(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
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
            raise FormatError(f"`{term}` for a tensor of {format_shape(value.shape)}")
        for letter, size in zip(term, value.shape, strict=True):
            sizes[letter] = max(sizes.get(letter, 1), size)
    out = right if arrow else "".join(sorted(letter for letter in sizes if left.count(letter) == 1))
    if set(out) - set(sizes):
        raise FormatError(f"`{equation}` makes a letter of nothing")
    made = TensorType(tuple(sizes[letter] for letter in out), values[0].dtype)
    macs = prod(sizes.values()) * (len(values) - 1)
    return [run.add(call.name, Declared("einsum", (made,), macs), *map(run.tensor, values))]


def dequantize(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
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


LAYERS: dict[str, OnnxHandler] = {
    "Attention": attention,
    "BatchNormalization": batch_norm,
    "DequantizeLinear": dequantize,
    "Einsum": einsum,
    "GRU": recurrent,
    "Gemm": gemm,
    "GroupNormalization": channel_norm,
    "InstanceNormalization": channel_norm,
    "LRN": local_response_norm,
    "LSTM": recurrent,
    "LayerNormalization": layer_norm,
    "LpNormalization": lp_norm,
    "MatMul": matmul,
    "QuantizeLinear": dequantize,
    "RMSNormalization": layer_norm,
    "RNN": recurrent,
    "SimplifiedLayerNormalization": layer_norm,
}
"""By the operator's name."""
