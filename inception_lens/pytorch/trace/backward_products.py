"""Operators that compute the gradients of matrix products, which a forward pass calls by `torch.autograd.grad`.

Each operand's gradient is a product of as many multiply-accumulates as the product itself, and an operator computes
those gradients that its mask names. A fused attention kernel also computes the scores again.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from inception_lens.ops import Shape
from inception_lens.pytorch.trace.product_call import Cost, ProductCall, ProductRule


def _gradients(macs: int, mask: Sequence[bool], output: Shape) -> Cost:
    """The gradients of input, weight and bias that a mask names; that of the bias is a sum over the output's."""
    return macs * (mask[0] + mask[1]), prod(output) * (len(mask) > 2 and mask[2])


def _convolution(call: ProductCall) -> Cost:
    """The gradients of a convolution: its forward pass meets a filter at each element of what it does not sum over."""
    x = call.shape("input") or call.shape("self")
    output, weight = call.shape("grad_output"), call.shape("weight")
    at = x if call.arguments.get("transposed") else output
    return _gradients(prod(at) * prod(weight[1:]), call.arguments.get("output_mask") or (True,) * 3, output)


def _transposed_convolution(call: ProductCall) -> Cost:
    macs = prod(call.shape("self")) * prod(call.shape("weight")[1:])
    return _gradients(macs, call.arguments["output_mask"], call.shape("grad_output"))


def _linear(call: ProductCall) -> Cost:
    output = call.shape("grad_output")
    return _gradients(prod(output) * call.shape("weight")[-1], call.arguments["output_mask"], output)


def _linear_input(call: ProductCall) -> Cost:
    return prod(call.shape("grad_output")) * call.shape("weight")[-1], 0


def _linear_weights(call: ProductCall) -> Cost:
    output = call.shape("grad_output")
    return prod(output) * call.shape("weight")[-1], prod(output) * call.arguments["bias_defined"]


def _matmul(call: ProductCall) -> Cost:
    return _gradients(prod(call.shape("grad")) * call.shape("self")[-1], call.arguments["mask"], ())


def _attention(call: ProductCall) -> Cost:
    """Three products of the length of q k^T, of which one is the scores again, and two of that with v."""
    query, key, value = [call.shape(name) for name in ("query", "key", "value")]
    return prod(query[:-1]) * key[-2] * (3 * query[-1] + 2 * value[-1]), None


def _attention_of_sequences(call: ProductCall) -> Cost:
    """The same of `(batch, length, heads, width)`; that of sequences of several lengths in one batch is unknown."""
    if any(call.shape(name) for name in ("cum_seq_q", "cu_seqlens_q")):
        return None, None
    query, key, value = [call.shape(name) for name in ("query", "key", "value")]
    return prod(query[:-1]) * key[1] * (3 * query[-1] + 2 * value[-1]), None


def _recurrent(call: ProductCall) -> Cost:
    """The gradients of the inputs and of the weights of one layer."""
    weights = [call.shape(f"weight{i}") for i in range(1, 5)]
    matrices = sum(prod(shape) for shape in weights if len(shape) == 2)
    return 2 * prod(call.shape("input")[:-1]) * matrices, None


BACKWARD_PRODUCTS: dict[str, ProductRule] = {
    **dict.fromkeys(
        (
            "convolution_backward", "convolution_backward_overrideable", "_slow_conv2d_backward",
            "mps_convolution_backward",
        ),
        _convolution,
    ),
    "mps_convolution_transpose_backward": _transposed_convolution,
    **dict.fromkeys(("linear_backward", "mkldnn_linear_backward"), _linear),
    "mkldnn_linear_backward_input": _linear_input,
    "mkldnn_linear_backward_weights": _linear_weights,
    "matmul_backward": _matmul,
    **dict.fromkeys(
        (
            "_scaled_dot_product_flash_attention_backward", "_scaled_dot_product_flash_attention_for_cpu_backward",
            "_scaled_dot_product_efficient_attention_backward", "_scaled_dot_product_cudnn_attention_backward",
            "_cudnn_attention_backward",
        ),
        _attention,
    ),
    **dict.fromkeys(("_flash_attention_backward", "_efficient_attention_backward"), _attention_of_sequences),
    "mkldnn_rnn_layer_backward": _recurrent,
}  # fmt: skip
"""Rules by the operators' names."""
