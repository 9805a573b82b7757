"""Products of PyTorch's libraries besides ATen, which its compilers and its quantization call.

The expected MACs are those of the definition, whatever is fused with the product and however its weight is packed.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inception_lens.analyses.analysis import analyze
from inception_lens.pytorch.trace.forward_pass import trace
from tests.pytorch.trace.test_cases import Calls

r = torch.rand
aten: Any = torch.ops.aten
mkldnn: Any = torch.ops.mkldnn
onednn: Any = torch.ops.onednn
prepacked: Any = torch.ops.mkldnn_prepacked

bytes_5x8 = torch.randint(-5, 5, (5, 8), dtype=torch.int8)
filters = torch.randint(-5, 5, (6, 2, 3, 3), dtype=torch.int8)
axes: Any = ([0, 0], [1, 1], [1, 1])


def integers(*shape: int) -> Tensor:
    return torch.randint(0, 9, shape, dtype=torch.uint8)


def zeros(count: int) -> Tensor:
    return torch.zeros(count, dtype=torch.int32)


def quantized_linear() -> Callable[[Tensor], Tensor]:
    weight = onednn.qlinear_prepack(bytes_5x8, None)
    return lambda x: onednn.qlinear_pointwise(
        x, 0.1, 0, weight, r(5), zeros(5), None, 1.0, 0, torch.float32, "relu", [], ""
    )


def quantized_convolution() -> Callable[[Tensor], Tensor]:
    weight = onednn.qconv_prepack(filters, r(6), 0.1, 0, [1, 1], [0, 0], [1, 1], 2, None)
    return lambda x: onednn.qconv2d_pointwise(
        x, 0.1, 0, weight, r(6), zeros(6), None, [1, 1], [0, 0], [1, 1], 2, 1.0, 0, torch.float32, "none", [], ""
    )


def four_bits() -> Callable[[Tensor], Tensor]:
    weight = aten._convert_weight_to_int4pack_for_cpu(torch.randint(0, 15, (32, 64), dtype=torch.int32), 2)
    scales = r(2, 32, 2).bfloat16()
    return lambda x: aten._weight_int4pack_mm_for_cpu(x, weight, 32, scales)


def dynamic_four_bits() -> Callable[[Tensor], Tensor]:
    weight = aten._dyn_quant_pack_4bit_weight(integers(32, 32), r(32, 2), None, 32, 64, 32)
    return lambda x: aten._dyn_quant_matmul_4bit(x, weight, 32, 64, 32)


def given(call: Callable[..., Any]) -> Callable[[], Callable[..., Any]]:
    return lambda: call


CASES: dict[str, tuple[Callable[[], Callable[..., Any]], tuple[Tensor, ...], int]] = {
    "linear": (
        given(lambda x, w, b: mkldnn._linear_pointwise(x, w, b, "relu", [], "")),
        (r(2, 3, 8), r(5, 8), r(5)),
        2 * 3 * 5 * 8,
    ),
    "linear and a sum": (
        given(lambda x, y, w, b: mkldnn._linear_pointwise.binary(x, y, w, b, "add")),
        (r(2, 8), r(2, 5), r(5, 8), r(5)),
        2 * 5 * 8,
    ),
    "convolution": (
        given(lambda x, w: mkldnn._convolution_pointwise(x, w, None, *axes, 2, "none", [], "")),
        (r(1, 4, 6, 6), r(6, 2, 3, 3)),
        6 * 16 * 2 * 9,
    ),
    "convolution and a sum": (
        given(lambda x, y, w: mkldnn._convolution_pointwise.binary(x, y, w, None, *axes, 2, "add", None, None, [], "")),
        (r(1, 4, 6, 6), r(1, 6, 4, 4), r(6, 2, 3, 3)),
        6 * 16 * 2 * 9,
    ),
    "transposed convolution": (
        given(
            lambda x, w: mkldnn._convolution_transpose_pointwise(
                x, w, None, [0, 0], [0, 0], [1, 1], [1, 1], 1, "none", [], ""
            )
        ),
        (r(1, 4, 6, 6), r(4, 6, 3, 3)),
        4 * 36 * 6 * 9,
    ),
    "quantized linear": (quantized_linear, (integers(3, 8),), 3 * 5 * 8),
    "quantized convolution": (quantized_convolution, (integers(1, 4, 6, 6),), 6 * 16 * 2 * 9),
    "weights of four bits": (four_bits, (r(4, 64).bfloat16(),), 4 * 32 * 64),
    "dynamic weights of four bits": (dynamic_four_bits, (r(4, 64),), 4 * 32 * 64),
    "two products": (
        given(lambda a, b, c, d: torch.ops.inductor._mm_plus_mm(a, b, c, d, torch.empty(2, 4))),
        (r(2, 3), r(3, 4), r(2, 5), r(5, 4)),
        2 * 4 * (3 + 5),
    ),
    "products of lists": (
        given(lambda a, b, c, d: aten._foreach_mm([a, c], [b, d])),
        (r(2, 3), r(3, 4), r(6, 5), r(5, 7)),
        2 * 4 * 3 + 6 * 7 * 5,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_fused_product_counts_its_definition(name: str) -> None:
    build, inputs, macs = CASES[name]
    call = build()
    totals = analyze(trace(Calls(lambda s, *given: call(*given)), inputs)).totals
    assert (totals.macs, totals.macs_exact, totals.params_exact) == (macs, True, True)


def test_packed_weights_that_cannot_be_read_make_parameters_a_lower_bound() -> None:
    packed = prepacked.conv2d_prepack(r(6, 4, 3, 3), r(6), [1, 1], [0, 0], [1, 1], 1, [1, 4, 6, 6], "none")
    module = Calls(lambda s, x: prepacked.conv2d_run(s.layer(x), packed), layer=nn.Conv2d(4, 4, 1))
    totals = analyze(trace(module, r(1, 4, 6, 6))).totals
    assert (totals.macs, totals.macs_exact) == (16 * 36, False)
    assert (totals.params, totals.params_exact) == (20, False)


def test_a_deformable_convolution_counts_its_filters() -> None:
    with torch.library._scoped_library("torchvision", "FRAGMENT") as library:
        if not hasattr(torch.ops.torchvision, "deform_conv2d"):
            library.define("deform_conv2d(Tensor input, Tensor weight, Tensor offset) -> Tensor")
        library.impl("deform_conv2d", lambda x, weight, offset: x.new_zeros(2, 6, 5, 5), "CPU")
        call = torch.ops.torchvision.deform_conv2d
        module = Calls(lambda s, *given: call(*given))
        totals = analyze(trace(module, (r(2, 4, 7, 7), r(6, 4, 3, 3), r(2, 18, 5, 5)))).totals
    assert (totals.macs, totals.macs_exact) == (2 * 6 * 25 * 4 * 9, True)
