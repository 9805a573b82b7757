"""Attention of ONNX and of onnxruntime.

Source: onnx.ai/onnx/operators and onnxruntime's docs/ContribOperators.md. The operators of the same name are different:
ONNX's has queries, keys and values as inputs, and onnxruntime's projects them first.
"""

from __future__ import annotations

from collections.abc import Sequence

from inception_lens.errors import FormatError
from inception_lens.ops import (
    Concat,
    Declared,
    Elementwise,
    Pad,
    Permute,
    Reshape,
    ScaledDotProductAttention,
    Select,
    Slice,
    Stack,
    TensorType,
    format_shape,
)
from inception_lens.readers.onnx.graph_builder import OnnxGraphBuilder, OnnxHandler
from inception_lens.readers.onnx.linear import biased_product
from inception_lens.readers.onnx.values import OnnxCall, OnnxValue


def attention(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """ONNX's, of tensors of four axes or of three with a number of heads.

    Further outputs are the keys and values after those of the cache (inputs 4 and 5), and the scores.
    """
    values = [call.input(i) for i in range(3)]
    query_heads, key_heads = call.integer("q_num_heads", 0), call.integer("kv_num_heads", 0)
    nodes = []
    for role, value, heads in zip("qkv", values, (query_heads, key_heads, key_heads), strict=True):
        node = builder.node(value)
        nodes.append(_split_heads(builder, call, role, node, heads) if len(value.shape) == 3 and heads else node)
    if call.has_input(4):
        nodes[1:] = _after_cache(builder, call, [builder.node(call.input(i)) for i in (4, 5)], nodes[1:])
    (batch, heads, length, _), keys = builder.writer.shape(nodes[0]), builder.writer.shape(nodes[1])[2]
    mask = [_padded_mask(builder, call, keys)] if call.has_input(3) else []
    op = ScaledDotProductAttention(bool(call.integer("is_causal", 0)), call.number("scale", 0.0) or None)
    output = builder.add(call.name, op, *nodes, *mask)
    outputs = [_join_heads(builder, call, output) if len(values[0].shape) == 3 and query_heads else output]
    outputs += map(builder.value, nodes[1:])
    if len(call.outputs) > 3 and call.reads[3]:
        scores = Declared("scores", (TensorType((batch, heads, length, keys), values[0].dtype),))
        outputs.append(builder.add(f"{call.name}/scores", scores, output.node))
    return outputs


def _after_cache(builder: OnnxGraphBuilder, call: OnnxCall, caches: Sequence[str], nodes: Sequence[str]) -> list[str]:
    """Keys and values after those of earlier positions."""
    pairs = zip("kv", caches, nodes, strict=True)
    return [builder.add(f"{call.name}/all_{role}", Concat(2), cache, node).node for role, cache, node in pairs]


def _padded_mask(builder: OnnxGraphBuilder, call: OnnxCall, keys: int) -> str:
    """The node of the mask; one for fewer keys than there are hides the rest, as the operator's definition says."""
    mask = call.input(3)
    node, missing = builder.node(mask), keys - mask.shape[-1]
    if missing <= 0:
        return node
    padding = (*[(0, 0)] * (len(mask.shape) - 1), (0, missing))
    return builder.add(f"{call.name}/mask", Pad(padding, value=float("-inf")), node).node


def _split_heads(builder: OnnxGraphBuilder, call: OnnxCall, role: str, node: str, heads: int) -> str:
    """From (batch, length, features) to (batch, heads, length, features of a head)."""
    _, length, features = builder.writer.shape(node)
    split = builder.add(f"{call.name}/{role}", Reshape((-1, length, heads, features // heads)), node)
    return builder.add(f"{call.name}/{role}_heads", Permute((0, 2, 1, 3)), split.node).node


def _join_heads(builder: OnnxGraphBuilder, call: OnnxCall, output: OnnxValue) -> OnnxValue:
    _, heads, length, width = output.shape
    swapped = builder.add(f"{call.name}/joined", Permute((0, 2, 1, 3)), output.node)
    return builder.add(f"{call.name}/output", Reshape((-1, length, heads * width)), swapped.node)


def projected_attention(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Attention and QAttention of onnxruntime: one product with the weights of queries, keys and values, and attention.

    A cache that is shared, and rotary embeddings are unknown.
    """
    if call.op == "QAttention":  # after the bias, the scales of the input and of the weights
        inputs = (*call.inputs, *[None] * 9)
        call = call._replace(inputs=(*inputs[:3], inputs[5], inputs[8]), dtype=call.input(3).dtype)
    if call.integer("do_rotary", 0) or call.integer("past_present_share_buffer", 0):
        return builder.unknown(call)
    x, weights = call.input(0), call.input(1)
    sizes = call.integers("qkv_hidden_sizes") or [weights.shape[-1] // 3] * 3
    if len(sizes) != 3 or sum(sizes) != weights.shape[-1]:
        raise FormatError(f"`qkv_hidden_sizes` is {sizes}; expected three parts of {format_shape(weights.shape)}")
    bias = call.input(2) if call.has_input(2) else None
    projection = biased_product(builder, call._replace(name=f"{call.name}/qkv"), x, weights, bias)
    parts = _parts(builder, call, builder.node(projection), sizes)
    pasts = [builder.node(call.input(4))] if call.has_input(4) else []
    caches = [builder.add(f"{call.name}/past_{i}", Select(0, i), past).node for past in pasts for i in range(2)]
    output, *present = _heads_attention(builder, call, parts, caches, mask=3, added_mask=5)
    if len(call.outputs) > 1:
        present = [builder.add(f"{call.name}/present", Stack(0), *[each.node for each in present])]
    return [output, *present][: len(call.outputs)]


def multi_head_attention(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """MultiHeadAttention of queries, keys and values, to which a bias is added; a cache that is shared is unknown.

    Queries, keys and values may be one tensor of (batch, length, heads, 3, features), or keys and values one with 2.
    """
    if call.has_input(8) or call.has_input(9) or len(call.outputs) > 3:
        return builder.unknown(call)
    nodes = [builder.node(call.input(i)) for i in range(3) if call.has_input(i)]
    if len(nodes) < 3:
        *first, packed = nodes
        _, length, heads, count, width = builder.writer.shape(packed)
        for i in range(count):
            part = builder.add(f"{call.name}/part_{i}", Select(3, i), packed).node
            first.append(builder.add(f"{call.name}/flat_{i}", Reshape((-1, length, heads * width)), part).node)
        nodes = first
    if call.has_input(3):
        # Keys and values with four axes are split already, and have their bias.
        sizes = [shape[-1] * (shape[1] if len(shape) == 4 else 1) for shape in map(builder.writer.shape, nodes)]
        biases = _parts(builder, call, builder.node(call.input(3)), sizes, "bias")
        for i, node in enumerate(nodes):
            if len(builder.writer.shape(node)) == 3:
                nodes[i] = builder.add(f"{call.name}/add_{'qkv'[i]}", Elementwise("add"), node, biases[i]).node
    caches = [builder.node(call.input(i)) for i in (6, 7) if call.has_input(i)]
    return _heads_attention(builder, call, nodes, caches, mask=4, added_mask=5)[: len(call.outputs)]


def grouped_attention(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """GroupQueryAttention, whose keys and values have fewer heads than its queries.

    Its cost is known where the total length is, and the cache has what precedes the positions of this call: not where
    the cache is shared or quantized, or where scores are changed. The shape of the output is known always.
    """
    heads, key_heads = call.integer("num_heads", 0), call.integer("kv_num_heads", 0)
    if min(heads, key_heads) < 1:
        raise FormatError(f"`num_heads` is {heads} and `kv_num_heads` {key_heads}; expected at least 1")
    query = call.input(0)
    batch, length, features = query.shape
    is_packed = not call.has_input(1)
    width = features // (heads + 2 * key_heads if is_packed else heads)
    past = call.input(3).shape[2] if call.has_input(3) else 0
    total = call.input(6).scalar
    changes = ("softcap", "smooth_softmax", "kv_cache_bit_width", "qk_output")
    is_other = any(call.attributes.get(name) for name in changes) or any(map(call.has_input, range(9, 20)))
    if total != past + length or is_other:
        output = TensorType((batch, length, heads * width), query.dtype)
        return builder.unknown(call._replace(declared=(output, *call.declared[1:])))
    if is_packed:
        nodes = _parts(builder, call, builder.node(query), [count * width for count in (heads, key_heads, key_heads)])
    else:
        nodes = builder.nodes([call.input(i) for i in range(3)])
    if call.integer("do_rotary", 0):
        rotated = [_rotated(builder, f"{call.name}/rotated_{'qk'[i]}", node, 1.0) for i, node in enumerate(nodes[:2])]
        nodes = [*rotated, nodes[2]]
    caches = builder.nodes([call.input(i) for i in (3, 4)]) if past else []
    return _heads_attention(builder, call, nodes, caches, mask=20, added_mask=20)[: len(call.outputs)]


def rotary_embedding(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """RotaryEmbedding of all or of some features of each head; the tables of sines and cosines are not parameters."""
    x = call.input(0)
    heads, rotated = call.integer("num_heads", 0), call.integer("rotary_embedding_dim", 0)
    width = x.shape[-1] // heads if heads and len(x.shape) == 3 else 2 * call.input(2).shape[-1]
    share = rotated / width if rotated else 1.0
    return [builder.value(_rotated(builder, call.name, builder.node(x), share))]


def _rotated(builder: OnnxGraphBuilder, name: str, node: str, share: float) -> str:
    """A tensor times cosines, plus its other half of each head times sines, for a share of the features."""
    type_ = builder.writer.tensor_type(node)
    op = Declared("rotary_embedding", (type_,), declared_flops=round(3 * type_.elements * share))
    return builder.add(name, op, node).node


def _parts(builder: OnnxGraphBuilder, call: OnnxCall, node: str, sizes: Sequence[int], role: str = "part") -> list[str]:
    """Consecutive parts of the last axis, for queries, keys and values."""
    axis, start, parts = len(builder.writer.shape(node)) - 1, 0, []
    for name, size in zip("qkv", sizes, strict=True):
        parts.append(builder.add(f"{call.name}/{role}_{name}", Slice(axis, start, start + size), node).node)
        start += size
    return parts


def _heads_attention(
    builder: OnnxGraphBuilder, call: OnnxCall, nodes: Sequence[str], caches: Sequence[str], mask: int, added_mask: int
) -> list[OnnxValue]:
    """The output, and the keys and values after those of the cache.

    The nodes are queries, keys and values, of three axes or split into heads; the caches, keys and values of earlier
    positions, if there are any. Input `mask` hides keys, and input `added_mask` is added to the scores.
    """
    heads = call.integer("num_heads", 0)
    if heads < 1:
        raise FormatError(f"`num_heads` is {heads}; expected at least 1")
    key_heads = call.integer("kv_num_heads", heads)
    query, *others = [
        _split_heads(builder, call, role, node, count) if len(builder.writer.shape(node)) == 3 else node
        for role, node, count in zip("qkv", nodes, (heads, key_heads, key_heads), strict=True)
    ]
    if caches:
        others = _after_cache(builder, call, caches, others)
    masks = [_mask(builder, call, mask, query, others[0])] if call.has_input(mask) else []
    masks += [builder.node(call.input(added_mask))] if call.has_input(added_mask) else []
    if len(masks) > 1:
        masks = [builder.add(f"{call.name}/masks", Elementwise("add"), *masks[::-1]).node]
    op = ScaledDotProductAttention(bool(call.integer("unidirectional", 0)))
    output = builder.add(call.name, op, query, *others, *masks)
    return [_join_heads(builder, call, output), *map(builder.value, others)]


def _mask(builder: OnnxGraphBuilder, call: OnnxCall, i: int, query: str, key: str) -> str:
    """The node of a mask that is broadcast to the scores; one of lengths or of more positions is computed."""
    mask, (batch, _, length, _) = call.input(i), builder.writer.shape(query)
    keys = builder.writer.shape(key)[2]
    node, name = builder.node(mask), f"{call.name}/mask"
    sizes = {(batch, keys): (1, keys), (batch, length, keys): (length, keys), (batch,): (1, 1)}.get(mask.shape)
    if sizes is not None:
        return builder.add(name, Reshape((-1, 1, *sizes)), node).node
    rows = length if len(mask.shape) > 2 else 1
    return builder.add(name, Declared("mask", (TensorType((batch, 1, rows, keys), mask.dtype),)), node).node


ATTENTION: dict[str, OnnxHandler] = {"Attention": attention}
"""Operators of ONNX."""

MICROSOFT_ATTENTION: dict[str, OnnxHandler] = {
    **dict.fromkeys(("Attention", "QAttention"), projected_attention),
    "GroupQueryAttention": grouped_attention,
    "MultiHeadAttention": multi_head_attention,
    "RotaryEmbedding": rotary_embedding,
}
"""Operators of onnxruntime."""
