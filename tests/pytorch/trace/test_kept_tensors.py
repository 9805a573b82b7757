"""The bytes that training keeps for the backward pass, against the tensors that PyTorch's autograd saves in a run."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from inception_lens.analyses.analysis import analyze
from inception_lens.pytorch.measure.live_memory import saved_bytes
from inception_lens.pytorch.trace.forward_pass import trace
from inception_lens.pytorch.trace.kept_tensors import KEEPS, KEEPS_NOTHING, KEEPS_SIZED
from inception_lens.pytorch.trace.operator_costs import FLOPS, FREE, WITHOUT_PRODUCTS
from inception_lens.pytorch.trace.products import PRODUCTS
from tests.pytorch.trace import operator_examples as examples
from tests.pytorch.trace.operator_examples import Builder, Example, Random, aten
from tests.pytorch.trace.test_cases import Calls

UNKNOWN = {"lstm", "gru", "rnn_tanh", "rnn_relu"}
"""Operators of which it is unknown what their kernels keep."""

DEVICE_KEEPS = {
    "scaled_dot_product_attention", "rms_norm", "instance_norm", "dropout", "log_sigmoid", "function log_sigmoid",
    "in place dropout", "in place log_sigmoid",
}  # fmt: skip
"""Operators of which autograd keeps other tensors on a CPU than on a GPU, whose kernels the operations describe."""

NOT_DIFFERENTIABLE = {f"in place {name}" for name in ("acosh", "asinh", "atanh")}
"""Operators whose derivative PyTorch does not implement."""


class Learned(nn.Module):
    """One call on its inputs, of which some need a gradient: a learned number is added, of which nothing is kept."""

    def __init__(self, example: Example, needs: tuple[bool, ...]) -> None:
        super().__init__()
        self.call, self.needs = example.call, needs
        self.zero = nn.Parameter(torch.zeros(()))
        self.stored = nn.ParameterList([each for each in example.stored if each.requires_grad])
        self.buffers_of_call = [f"buffer_{i}" for i in range(len(example.stored) - len(self.stored))]
        for name, tensor in zip(self.buffers_of_call, example.stored[len(self.stored) :], strict=True):
            self.register_buffer(name, tensor)

    def forward(self, *inputs: Tensor) -> Any:
        given = [x + self.zero.to(x.dtype) if need else x for x, need in zip(inputs, self.needs, strict=True)]
        return self.call(*given, *self.stored, *[getattr(self, name) for name in self.buffers_of_call])


def ways(example: Example) -> list[tuple[bool, ...]]:
    """All choices of the inputs that need a gradient."""
    return [*product(*[(False, True) if each.is_floating_point() else (False,) for each in example.inputs])]


def check(example: Example, *, known: bool = True) -> None:
    for needs in ways(example):
        module = Learned(example, needs).train()
        totals = analyze(trace(module, example.inputs, mode="training")).totals
        if any(needs) or any(each.requires_grad for each in example.stored):
            assert totals.saved_exact is known, needs
        if known:
            assert totals.saved_activation_bytes == saved_bytes(module, [each.clone() for each in example.inputs]), (
                needs
            )


OPERATORS: dict[str, Builder] = {
    **{name: build for name, (build, _) in {**examples.RULES, **examples.VIEWS, **examples.SPLITS}.items()},
    **{f"function {name}": build for name, build in examples.ELEMENTWISE.items()},
    **{f"reduction {name}": build for name, build in examples.REDUCTIONS.items()},
    **{f"in place {name}": build for name, build in examples.IN_PLACE.items()},
}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", sorted(OPERATORS.keys() - DEVICE_KEEPS - NOT_DIFFERENTIABLE))
def test_operators_keep_what_autograd_saves(name: str, seed: int) -> None:
    check(OPERATORS[name](Random(f"{name} {seed}")), known=name not in UNKNOWN)


# --- Operators that the graph only declares

r = torch.rand
INDEX = torch.tensor([[0, 1, 2, 1], [0, 0, 0, 0], [1, 1, 1, 1]])
ROWS, MASK = torch.tensor([0, 2, 1]), INDEX > 0
X, Y, SQUARE = r(3, 4) + 0.1, r(3, 4) + 0.1, r(4, 4)
IMAGE = r(2, 3, 6, 6)

DECLARED: dict[str, tuple[Callable[..., Any], tuple[Tensor, ...]]] = {
    "gather": (lambda x, i: x.gather(1, i), (X, INDEX)),
    "take": (torch.take, (X, INDEX)),
    "index": (lambda x, i: x[i], (X, INDEX)),
    "_unsafe_index": (lambda x, i: aten._unsafe_index(x, [i]), (X, ROWS)),
    "index_select": (lambda x, i: x.index_select(0, i), (X, ROWS)),
    "scatter": (lambda x, i, y: x.scatter(1, i, y), (X, INDEX, Y)),
    "scatter_add": (lambda x, i, y: x.scatter_add(1, i, y), (X, INDEX, Y)),
    "index_add": (lambda x, i, y: x.index_add(0, i, y), (X, ROWS, Y)),
    "index_copy": (lambda x, i, y: x.index_copy(0, i, y), (X, ROWS, Y)),
    "index_put": (lambda x, i, y: x.index_put((i,), y), (X, ROWS, Y)),
    "_unsafe_index_put": (lambda x, i, y: aten._unsafe_index_put(x, [i], y), (X, ROWS, Y)),
    "masked_scatter": (lambda x, m, y: x.masked_scatter(m, y), (X, MASK, Y)),
    "max_unpool2d": (
        lambda x, i: functional.max_unpool2d(x, i, [2, 2]), (r(1, 1, 2, 2), torch.tensor([[[[0, 2], [8, 10]]]])),
    ),
    "max_unpool3d": (
        lambda x, i: functional.max_unpool3d(x, i, [2, 2, 2]),
        (r(1, 1, 1, 2, 2), torch.tensor([[[[[0, 2], [8, 10]]]]])),
    ),
    "embedding": (lambda table, i: functional.embedding(i, table * 2), (r(5, 3), INDEX)),
    "mse_loss": (functional.mse_loss, (X, Y)),
    "smooth_l1_loss": (functional.smooth_l1_loss, (X, Y)),
    "huber_loss": (functional.huber_loss, (X, Y)),
    "binary_cross_entropy": (functional.binary_cross_entropy, (r(3, 4) * 0.8 + 0.1, r(3, 4) * 0.8 + 0.1)),
    "binary_cross_entropy_with_logits": (functional.binary_cross_entropy_with_logits, (X, Y)),
    "nll_loss_forward": (functional.nll_loss, (X, torch.tensor([0, 3, 1]))),
    "nll_loss2d_forward": (functional.nll_loss, (r(2, 5, 3, 3), torch.zeros(2, 3, 3, dtype=torch.int64))),
    "grid_sampler_2d": (lambda x, y: functional.grid_sample(x, y, align_corners=False), (IMAGE, r(2, 4, 4, 2))),
    "grid_sampler_3d": (
        lambda x, y: functional.grid_sample(x, y, align_corners=False), (r(1, 2, 3, 3, 3), r(1, 2, 2, 2, 3)),
    ),
    "reflection_pad1d": (lambda x: functional.pad(x, (1, 1), "reflect"), (r(2, 3, 5),)),
    "replication_pad1d": (lambda x: functional.pad(x, (1, 1), "replicate"), (r(2, 3, 5),)),
    "reflection_pad2d": (lambda x: functional.pad(x, (1, 1, 1, 1), "reflect"), (IMAGE,)),
    "replication_pad2d": (lambda x: functional.pad(x, (1, 1, 1, 1), "replicate"), (IMAGE,)),
    "reflection_pad3d": (lambda x: functional.pad(x, (1,) * 6, "reflect"), (r(1, 2, 3, 3, 3),)),
    "replication_pad3d": (lambda x: functional.pad(x, (1,) * 6, "replicate"), (r(1, 2, 3, 3, 3),)),
    "var_mean": (lambda x: torch.var_mean(x, 1), (X,)),
    "std_mean": (lambda x: torch.std_mean(x, 1), (X,)),
    "renorm": (lambda x: x.renorm(2, 0, 1.0), (X,)),
    "_adaptive_avg_pool2d": (lambda x: aten._adaptive_avg_pool2d(x, [2, 2]), (IMAGE,)),
    "_adaptive_avg_pool3d": (lambda x: aten._adaptive_avg_pool3d(x, [2, 2, 2]), (r(1, 2, 3, 3, 3),)),
    "adaptive_max_pool2d": (lambda x: functional.adaptive_max_pool2d(x, 2), (IMAGE,)),
    "adaptive_max_pool3d": (lambda x: functional.adaptive_max_pool3d(x, 2), (r(1, 2, 3, 3, 3),)),
    "cumprod": (lambda x: x.cumprod(0), (X,)),
    "logcumsumexp": (lambda x: x.logcumsumexp(0), (X,)),
    "linalg_vector_norm": (lambda x: torch.linalg.vector_norm(x, 2, 1), (X,)),
    "dist": (torch.dist, (X, Y)),
    "_cdist_forward": (lambda x, y: torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist"), (X, Y)),
    "linalg_cross": (lambda x, y: torch.linalg.cross(x, y), (r(4, 3), r(4, 3))),
    "mm": (lambda x, y: torch.mm(x, y), (SQUARE, r(4, 2))),
    "addmm": (torch.addmm, (r(4, 4), SQUARE, r(4, 4))),
    "addmv": (torch.addmv, (r(4), SQUARE, r(4))),
    "addr": (torch.addr, (SQUARE, r(4), r(4))),
    "addbmm": (torch.addbmm, (r(3, 5), r(2, 3, 4), r(2, 4, 5))),
    "baddbmm": (torch.baddbmm, (r(2, 3, 5), r(2, 3, 4), r(2, 4, 5))),
    "sort": (lambda x: x.sort(), (X,)),
    "topk": (lambda x: x.topk(2), (X,)),
    "kthvalue": (lambda x: x.kthvalue(2), (X,)),
    "median": (lambda x: x.median(1), (X,)),
    "nanmedian": (lambda x: x.nanmedian(1), (X,)),
    "mode": (lambda x: x.mode(1), (X,)),
    "native_dropout": (lambda x: torch.native_dropout(x, 0.5, True), (X,)),
    "cummax": (lambda x: x.cummax(0), (X,)),
    "cummin": (lambda x: x.cummin(0), (X,)),
    "aminmax": (lambda x: torch.aminmax(x, dim=1), (X,)),
    "max": (lambda x: x.max(1), (X,)),
    "unbatched pool": (lambda x: functional.max_pool2d(x, 2), (r(3, 6, 6),)),
    "unbatched mean pool": (lambda x: functional.avg_pool2d(x, 2), (r(3, 6, 6),)),
    "convolution with a computed weight": (lambda x, w: functional.conv2d(x, w * 2), (IMAGE, r(4, 3, 3, 3))),
    "product with a computed weight": (lambda x, w: functional.linear(x, w + 1), (X, r(5, 4))),
    "product of two dtypes": (lambda x, y: x * y, (X, INDEX)),
    "quotient of two dtypes": (lambda x, y: y / x, (X, INDEX)),
    "power of a number": (lambda x: 2.0**x, (X,)),
    "lerp": (torch.lerp, (X, Y, X + Y)),
    "addcmul": (torch.addcmul, (X, Y, X + Y)),
    "addcdiv": (torch.addcdiv, (X, Y, X + Y)),
    "where": (torch.where, (MASK, X, Y)),
    # Nothing is kept.
    "cumsum": (lambda x: x.cumsum(0), (X,)),
    "flip": (lambda x: x.flip(0), (X,)),
    "roll": (lambda x: x.roll(1, 0), (X,)),
    "tril": (torch.tril, (X,)),
    "triu": (torch.triu, (X,)),
    "repeat": (lambda x: x.repeat(2, 1), (X,)),
    "unfold": (lambda x: x.unfold(0, 2, 1), (X,)),
    "im2col": (lambda x: functional.unfold(x, 2), (IMAGE,)),
    "col2im": (lambda x: functional.fold(x, (2, 4), 2), (r(1, 4, 3),)),
    "diag_embed": (torch.diag_embed, (X,)),
    "diagonal": (torch.diagonal, (SQUARE,)),
    "diagonal_scatter": (torch.diagonal_scatter, (SQUARE, r(4))),
    "select_scatter": (lambda x, y: torch.select_scatter(x, y, 0, 1), (SQUARE, r(4))),
    "slice_scatter": (lambda x, y: torch.slice_scatter(x, y, 0, 1, 2), (SQUARE, r(1, 4))),
    "rot90": (torch.rot90, (X,)),
    "channel_shuffle": (lambda x: functional.channel_shuffle(x, 3), (IMAGE,)),
    "trace": (torch.trace, (SQUARE,)),
    "block_diag": (lambda x, y: aten.block_diag([x, y]), (X, Y)),
    "pixel_shuffle": (lambda x: functional.pixel_shuffle(x, 2), (r(4, 3, 3),)),
    "copy": (lambda x, y: (x + 1).copy_(y), (X, Y)),
    "fill": (lambda x: torch.fill(x, 2.0), (X,)),
    "view_as_complex": (lambda x: torch.view_as_real(torch.view_as_complex(x)), (r(3, 2),)),
    "upsampling by a fraction": (lambda x: functional.interpolate(x, scale_factor=1.3, mode="bilinear"), (IMAGE,)),
    "smooth upsampling": (
        lambda x: functional.interpolate(x, size=(9, 9), mode="bilinear", antialias=True), (IMAGE,),
    ),
}  # fmt: skip
"""A call of each operator, and its inputs; keys with a space are calls of other operators."""

KEPT_ONLY_ALONE = {"bmm", "mv", "dot", "vdot", "rrelu_with_noise", "masked_select"}
"""Operators that have a rule of their own where the graph does not only declare them, or whose sizes need values."""


@pytest.mark.parametrize("name", DECLARED)
def test_declared_operators_keep_what_autograd_saves(name: str) -> None:
    check(Example(*DECLARED[name]))


def test_every_operator_that_keeps_a_tensor_has_an_example() -> None:
    assert {*KEEPS, *KEEPS_SIZED} - KEEPS_NOTHING - KEPT_ONLY_ALONE <= DECLARED.keys()
    assert {*KEEPS, *KEEPS_SIZED} <= {*FREE, *FLOPS, *PRODUCTS, *WITHOUT_PRODUCTS}


def test_it_is_unknown_what_an_unlisted_operator_keeps() -> None:
    check(Example(lambda x: torch.fft.fft(x).real, (X,)), known=False)
    check(Example(lambda x: torch.special.bessel_j1(x) * x, (X,)), known=False)


@pytest.mark.parametrize("masked", [False, True])
def test_attention_keeps_the_log_of_the_sum_of_each_row(masked: bool) -> None:
    inputs = (r(2, 3, 5, 8), r(2, 3, 6, 8), r(2, 3, 6, 8), *([r(5, 6)] if masked else []))
    check(Example(lambda *given: functional.scaled_dot_product_attention(*given), inputs[:3]))


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.Dropout1d(0.5), (2, 4, 6)),
        (nn.Dropout2d(0.5), (2, 4, 6, 6)),
        (nn.Dropout3d(0.5), (2, 4, 3, 3, 3)),
        (nn.Dropout2d(0.0), (2, 4, 6, 6)),
        (nn.AlphaDropout(0.5), (2, 4)),
        (nn.FeatureAlphaDropout(0.5), (2, 4, 6, 6)),
        (nn.LocalResponseNorm(3), (2, 4, 6, 6)),
    ],
    ids=str,
)
def test_modules_keep_what_autograd_saves(module: nn.Module, shape: tuple[int, ...]) -> None:
    check(Example(lambda x: module(x), (r(shape),)))


def test_a_channel_dropout_keeps_a_number_per_channel() -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Dropout2d())
    layers = analyze(trace(module, (2, 3, 5, 5), mode="training")).layers
    assert [layer.saved_activation_bytes for layer in layers] == [4 * 2 * 3 * 25, 4 * 2 * 8]


# --- Automatic mixed precision


class Cast(nn.Module):
    """A module that runs in a region of automatic mixed precision."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: Tensor) -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            return self.module(*inputs)


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10)), (2, 3, 8, 8)),
        (nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8), nn.Linear(8, 4), nn.GELU()), (2, 8)),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.SiLU(), nn.Conv2d(4, 4, 1)), (2, 3, 8, 8)),
        (Calls(lambda s, x: (x @ s.w) @ s.w.t(), w=nn.Parameter(r(8, 4))), (2, 8)),
        (Calls(lambda s, x: functional.linear(functional.linear(x, s.w), s.w), w=nn.Parameter(r(8, 8))), (2, 8)),
    ],
)  # fmt: skip
def test_mixed_precision_keeps_the_casts(module: nn.Module, shape: tuple[int, ...]) -> None:
    x = r(shape)
    totals = analyze(trace(Cast(module).train(), (x,), mode="training")).totals
    assert totals.saved_exact
    assert totals.saved_activation_bytes == saved_bytes(Cast(module).train(), [x])
