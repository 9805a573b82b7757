"""Matrix products that PyTorch has no single module for: attention that broadcasts, sparse, grouped and quantized ones.

The expected MACs are those of the definition: output elements x the length of the axis that is summed over.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from inception_lens.analyses.analysis import analyze
from inception_lens.errors import TraceError
from inception_lens.pytorch.trace.forward_pass import trace
from tests.pytorch.trace.test_cases import Calls

r = torch.rand
aten: Any = torch.ops.aten


def attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, grouped: bool = False) -> Tensor:
    return functional.scaled_dot_product_attention(query, key, value, mask, enable_gqa=grouped)


@st.composite
def leading_axes(draw: st.DrawFn) -> tuple[int, ...]:
    return tuple(size if draw(st.booleans()) else 1 for size in (3, 2)[draw(st.integers(0, 2)) :])


@settings(max_examples=60, deadline=None)
@given(st.lists(leading_axes(), min_size=4, max_size=4), st.booleans(), st.integers(1, 4), st.integers(1, 4))
def test_attention_broadcasts_each_of_its_products(
    leading: list[tuple[int, ...]], masked: bool, length: int, width: int
) -> None:
    query, key, value = r(*leading[0], length, 5), r(*leading[1], 6, 5), r(*leading[2], 6, width)
    mask = r(*leading[3], length, 6) if masked else None
    inputs = (query, key, value) if mask is None else (query, key, value, mask)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        output = attention(query, key, value, mask)
    analysis = analyze(trace(Calls(lambda s, *given: attention(*given)), inputs))
    assert analysis.layers[-1].output_shape == output.shape
    assert 2 * analysis.macs == counter.get_total_flops()


@pytest.mark.parametrize("heads", [1, 2, 3, 6])
def test_groups_of_queries_share_heads(heads: int) -> None:
    query, key, value = r(2, 6, 4, 8), r(1, heads, 5, 8), r(2, heads, 5, 3)
    module = Calls(lambda s, q, k, v: attention(q, k, v, grouped=True))
    analysis = analyze(trace(module, (query, key, value)))
    assert analysis.layers[-1].output_shape == module(query, key, value).shape
    assert analysis.macs == 2 * 6 * 4 * 5 * (8 + 3)


def test_heads_are_not_shared_unless_it_is_requested() -> None:
    with pytest.raises(TraceError):
        trace(Calls(lambda s, *given: attention(*given)), (r(2, 6, 4, 8), r(2, 3, 5, 8), r(2, 3, 5, 8)))


def test_a_learned_query_and_a_batch_of_keys() -> None:
    module = Calls(lambda s, keys: attention(s.q, keys, keys), q=nn.Parameter(r(1, 4, 1, 8)))
    analysis = analyze(trace(module, (r(3, 4, 16, 8),)))
    assert (analysis.macs, analysis.layers[-1].output_shape) == (2 * 3 * 4 * 16 * 8, (3, 4, 1, 8))


# --- Sparse tensors

MATRIX = torch.eye(6)
MATRIX[0, 3] = MATRIX[2, 3] = 1.0
SPARSE: dict[str, Callable[[], Tensor]] = {
    "COO": MATRIX.to_sparse,
    "CSR": MATRIX.to_sparse_csr,
    "CSC": MATRIX.to_sparse_csc,
    "BSR": lambda: MATRIX.to_sparse_bsr((2, 2)),
}
STORED = {"COO": 8, "CSR": 8, "CSC": 8, "BSR": 4 * (3 + 2 - 1)}
"""Eight numbers; of the blocks of 2 x 2 the three on the diagonal, where (2, 3) is too, and that of (0, 3)."""

SPARSE_PRODUCTS: dict[str, tuple[Callable[..., Tensor], int]] = {
    "sparse @ dense": (lambda a, x: a @ x, 4),
    "dense @ sparse": (lambda a, x: x.t() @ a, 4),
    "sparse.mm": (lambda a, x: torch.sparse.mm(a, x), 4),
    "addmm": (lambda a, x: torch.addmm(x, a, x), 4),
    "mv": (lambda a, x: torch.mv(a, x[:, 0]), 1),
    "linear": (lambda a, x: functional.linear(x.t(), a), 4),
    "scaled": (lambda a, x: (2 * a) @ x, 4),
    "transposed": (lambda a, x: a.t() @ x, 4),
}
"""Functions of a sparse matrix and of a 6 x 4 one, and how many columns or rows each stored element meets."""


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize("kind", ["buffer", "input", "parameter"])
@pytest.mark.parametrize("layout", SPARSE)
@pytest.mark.parametrize("name", SPARSE_PRODUCTS)
def test_a_sparse_product_counts_what_is_stored(name: str, layout: str, kind: str) -> None:
    (function, times), matrix = SPARSE_PRODUCTS[name], SPARSE[layout]()
    inputs: tuple[Tensor, ...] = (r(6, 4),)
    if kind == "input":
        module: nn.Module = Calls(lambda s, x, a: function(a, x))
        inputs = (*inputs, matrix)
    else:
        module = Calls(lambda s, x: function(s.a, x))
        if kind == "parameter":
            module.a = nn.Parameter(matrix)
        else:
            module.register_buffer("a", matrix)
    totals = analyze(trace(module, inputs)).totals
    assert (totals.macs, totals.macs_exact) == (STORED[layout] * times, True)


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize(
    "function",
    [lambda a, x: (a @ a) @ x, lambda a, x: (a + a) @ x, lambda a, x: torch.sparse.sampled_addmm(a, x, x.t())],
)
def test_a_sparse_product_of_unknown_cost(function: Callable[..., Tensor]) -> None:
    totals = analyze(trace(Calls(lambda s, x, a: function(a, x)), (r(6, 4), SPARSE["CSR"]()))).totals
    assert not totals.macs_exact


def test_a_matrix_that_is_made_dense_counts_as_dense() -> None:
    assert analyze(trace(Calls(lambda s, x: s.a.to_dense() @ x, a=SPARSE["COO"]()), (r(6, 4),))).macs == 6 * 6 * 4


# --- Products without a module

half = torch.bfloat16
offsets = torch.tensor([4, 8], dtype=torch.int32)


def grouped(x: Tensor, y: Tensor) -> Tensor:
    return torch._grouped_mm(x, y, offs=offsets)


def convolution(x: Tensor, weight: Tensor) -> Any:
    pair = [1, 1]
    return torch._convolution(x, weight, None, pair, [0, 0], pair, False, [0, 0], 1, False, False, False, False)


CASES: dict[str, tuple[Callable[..., Any], tuple[Tensor, ...], int]] = {
    "mm(out=)": (lambda x, y: torch.mm(x, y, out=torch.empty(2, 5)), (r(2, 3), r(3, 5)), 2 * 5 * 3),
    "bmm(out=)": (lambda x, y: torch.bmm(x, y, out=torch.empty(4, 2, 5)), (r(4, 2, 3), r(4, 3, 5)), 4 * 2 * 5 * 3),
    "mv(out=)": (lambda x, y: torch.mv(x, y, out=torch.empty(2)), (r(2, 3), r(3)), 2 * 3),
    "dot(out=)": (lambda x, y: torch.dot(x, y, out=torch.empty(())), (r(3), r(3)), 3),
    "matmul(out=)": (lambda x, y: torch.matmul(x, y, out=torch.empty(2, 5)), (r(2, 3), r(3, 5)), 2 * 5 * 3),
    "addmm(out=)": (lambda x, y: torch.addmm(x[:, :1], x, y, out=torch.empty(2, 5)), (r(2, 3), r(3, 5)), 2 * 5 * 3),
    "_int_mm": (torch._int_mm, (torch.ones(32, 8, dtype=torch.int8), torch.ones(8, 16, dtype=torch.int8)), 32 * 16 * 8),
    "_addmm_activation": (aten._addmm_activation, (r(5), r(2, 3), r(3, 5)), 2 * 5 * 3),
    "_weight_int8pack_mm": (
        aten._weight_int8pack_mm,
        (r(8, 16).to(half), torch.ones(5, 16, dtype=torch.int8), r(5).to(half)),
        8 * 5 * 16,
    ),
    "_scaled_mm": (
        lambda x, y, a, b: torch._scaled_mm(x, y.t(), a, b, out_dtype=half),
        (torch.ones(16, 32).to(torch.float8_e4m3fn), torch.ones(48, 32).to(torch.float8_e4m3fn), r(()), r(())),
        16 * 48 * 32,
    ),
    "grouped rows": (grouped, (r(8, 16).to(half), r(2, 16, 24).to(half)), 8 * 16 * 24),
    "grouped columns": (grouped, (r(2, 16, 24).to(half), r(24, 8).to(half)), 16 * 24 * 8),
    "grouped sums": (grouped, (r(16, 8).to(half), r(8, 24).to(half)), 16 * 8 * 24),
    "grouped pairs": (torch._grouped_mm, (r(2, 8, 16).to(half), r(2, 16, 24).to(half)), 2 * 8 * 16 * 24),
    "conv_tbc": (torch.conv_tbc, (r(7, 2, 3), r(3, 3, 5), r(5)), (7 - 3 + 1) * 2 * 5 * 3 * 3),
    "_convolution": (convolution, (r(1, 2, 8, 8), r(5, 2, 3, 3)), 5 * 36 * 2 * 9),
    "affine grid": (lambda x: functional.affine_grid(x, [2, 3, 4, 5], False), (r(2, 2, 3),), 2 * 4 * 5 * 2 * 3),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_product_counts_its_definition(name: str) -> None:
    call, inputs, macs = CASES[name]
    totals = analyze(trace(Calls(lambda s, *given: call(*given)), inputs)).totals
    assert (totals.macs, totals.macs_exact) == (macs, True)


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_a_traced_convolution_of_torchscript() -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.ConvTranspose2d(8, 4, 2, stride=2)).eval()
    script = torch.jit.trace(module, r(1, 3, 8, 8))  # type: ignore[no-untyped-call]
    assert analyze(trace(script, (1, 3, 8, 8))).totals == analyze(trace(module, (1, 3, 8, 8))).totals
