"""ONNX's Attention."""

from __future__ import annotations

from inception_lens.ops import Pad, Permute, Reshape, ScaledDotProductAttention
from inception_lens.readers.onnx.graph_builder import OnnxGraphBuilder, OnnxHandler
from inception_lens.readers.onnx.values import OnnxCall, OnnxValue


def attention(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Attention of tensors of four axes, or of three with a number of heads; a cache (inputs 4 and 5) is unknown."""
    if call.has_input(4) or call.has_input(5) or len(call.outputs) > 1:
        return builder.unknown(call)
    values = [call.input(i) for i in range(3)]
    query_heads, key_heads = call.integer("q_num_heads", 0), call.integer("kv_num_heads", 0)
    nodes = []
    for role, value, heads in zip("qkv", values, (query_heads, key_heads, key_heads), strict=True):
        node = builder.node(value)
        if len(value.shape) == 3 and heads:
            batch, length, features = value.shape
            split = builder.add(f"{call.name}/{role}", Reshape((batch, length, heads, features // heads)), node)
            node = builder.add(f"{call.name}/{role}_heads", Permute((0, 2, 1, 3)), split.node).node
        nodes.append(node)
    mask = [_mask(builder, call, values[1].shape[-2])] if call.has_input(3) else []
    op = ScaledDotProductAttention(bool(call.integer("is_causal", 0)))
    output = builder.add(call.name, op, *nodes, *mask)
    if len(values[0].shape) == 3 and query_heads:
        batch, heads, length, width = output.shape
        swapped = builder.add(f"{call.name}/joined", Permute((0, 2, 1, 3)), output.node)
        output = builder.add(f"{call.name}/output", Reshape((batch, length, heads * width)), swapped.node)
    return [output]


def _mask(builder: OnnxGraphBuilder, call: OnnxCall, keys: int) -> str:
    """The node of the mask; one for fewer keys than there are hides the rest, as the operator's definition says."""
    mask = call.input(3)
    node, missing = builder.node(mask), keys - mask.shape[-1]
    if missing <= 0:
        return node
    padding = (*[(0, 0)] * (len(mask.shape) - 1), (0, missing))
    return builder.add(f"{call.name}/mask", Pad(padding, value=float("-inf")), node).node


ATTENTION: dict[str, OnnxHandler] = {"Attention": attention}
