"""Totals of MACs stay exact where an operator of unknown cost cannot multiply."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.distributions import Dirichlet, Gamma, Normal
from torch.nn import functional

from inception_lens.analyses.analysis import analyze
from inception_lens.pytorch.trace.forward_pass import trace
from tests.pytorch.trace.test_cases import Calls

COUNTED: dict[str, tuple[Callable[..., Any], int]] = {
    "aminmax": (lambda x: x.aminmax(), 2 * 64),
    "std_mean": (lambda x: torch.std_mean(x, -1), 4 * 64),
    "median": (lambda x: x.median(-1), 0),
    "cat of two dtypes": (lambda x: torch.cat([x, x.half()]), 0),
    "block_diag": (lambda x: torch.ops.aten.block_diag([x, x]), 0),
    "nansum": (lambda x: x.nansum(), 64),
    "cross product": (lambda x: torch.linalg.cross(x[:, :3], x[:, :3]), 3 * 24),
    "outer product": (lambda x: torch.addr(x, x[0], x[0]), 2 * 64),
    "smooth L1": (lambda x: functional.smooth_l1_loss(x, x), 6 * 64),
    "Huber": (lambda x: functional.huber_loss(x, x), 6 * 64),
    "segments": (lambda x: torch.segment_reduce(x, "sum", lengths=torch.tensor([3, 5]), axis=0), 64),
    "poisson": (lambda x: torch.poisson(x.detach()), 0),
}
"""Functions of an 8 x 8 matrix, and their FLOPs."""


@pytest.mark.parametrize("name", COUNTED)
def test_the_flops_of_a_function_that_multiplies_no_matrices(name: str) -> None:
    call, flops = COUNTED[name]
    totals = analyze(trace(Calls(lambda s, x: call(s.l(x)), l=nn.Linear(8, 8, bias=False)), (8, 8))).totals
    assert (totals.macs, totals.flops, totals.exact) == (512, 1024 + flops, True)


UNKNOWN_FLOPS: dict[str, Callable[..., Any]] = {
    "Fourier transform": lambda x: torch.fft.irfft(torch.fft.rfft(x)),
    "fractional pool": lambda x: functional.fractional_max_pool2d(x.view(1, 1, 8, 8), 2, output_size=3),
    "margin loss": lambda x: functional.multilabel_margin_loss(x, torch.zeros(8, 8, dtype=torch.long)),
}


@pytest.mark.parametrize("name", UNKNOWN_FLOPS)
def test_macs_are_exact_although_flops_are_unknown(name: str) -> None:
    call = UNKNOWN_FLOPS[name]
    analysis = analyze(trace(Calls(lambda s, x: call(s.l(x)), l=nn.Linear(8, 8, bias=False)), (8, 8)))
    totals = analysis.totals
    assert (totals.macs, totals.macs_exact, totals.exact, totals.params_exact) == (512, True, False, True)
    assert repr(analysis).endswith("64 parameters, 512 MACs>")


@pytest.mark.parametrize(
    "sample",
    [
        lambda x: Normal(x, 1.0).rsample(),
        lambda x: Gamma(x.abs() + 1, 1.0).rsample(),
        lambda x: Dirichlet(x.abs() + 1).rsample(),
    ],
)
def test_samples_of_distributions(sample: Callable[..., Any]) -> None:
    totals = analyze(trace(Calls(lambda s, x: sample(s.l(x)), l=nn.Linear(8, 8, bias=False)), (8, 8))).totals
    assert (totals.macs, totals.exact) == (512, True)


@pytest.mark.parametrize("function", [torch.linalg.inv, torch.linalg.svd, torch.linalg.qr, torch.matrix_exp])
def test_a_factorisation_makes_macs_a_lower_bound(function: Callable[..., Any]) -> None:
    totals = analyze(trace(Calls(lambda s, x: function(x)), (8, 8))).totals
    assert (totals.exact, totals.macs_exact) == (False, False)
