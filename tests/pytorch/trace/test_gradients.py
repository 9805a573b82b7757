"""Gradients that a forward pass computes: their products are part of it, and the model is left as it was."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, autograd, nn
from torch.autograd import forward_ad
from torch.func import functional_call, grad, hessian, jacrev, jvp, vjp, vmap
from torch.nn import functional

import inception_lens as il
from inception_lens.errors import TraceError
from inception_lens.graph import Mode

PRODUCT = 2 * 8 * 8
"""MACs of the layer on two rows, and of each gradient of it."""


class Calls(nn.Module):
    """Calls a function with a module, which is a linear layer of 64 MACs a row if none is given, and the input."""

    def __init__(self, function: Callable[..., object], module: nn.Module | None = None) -> None:
        super().__init__()
        self.part, self.function = module or nn.Linear(8, 8, bias=False), function

    def forward(self, x: Tensor) -> object:
        return self.function(self.part, x)


def of_input(part: nn.Module, x: Tensor) -> object:
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        return autograd.grad(part(x).tanh().sum(), x)[0]


def without_enabling(part: nn.Module, x: Tensor) -> object:
    x = x.clone().requires_grad_()
    return autograd.grad(part(x).sum(), x)[0]


def caught(part: nn.Module, x: Tensor) -> object:
    try:
        return of_input(part, x)
    except Exception:
        return x


def backward(part: nn.Module, x: Tensor) -> object:
    x = x.detach().requires_grad_()
    part(x).sum().backward()
    return x.grad


def of_parameters(part: nn.Module, x: Tensor) -> object:
    return autograd.grad(part(x).sum(), list(part.parameters()))[0]


def of_a_gradient(part: nn.Module, x: Tensor) -> object:
    x = x.detach().requires_grad_()
    first = autograd.grad(part(x).pow(2).sum(), x, create_graph=True)[0]
    return autograd.grad(first.sum(), x)[0]


def inner_step(part: nn.Module, x: Tensor) -> object:
    """One step of descent within the forward pass, as in meta-learning."""
    weights: dict[str, Tensor] = dict(part.named_parameters())
    loss = functional_call(part, weights, (x,)).pow(2).mean()
    found = zip(weights.items(), autograd.grad(loss, list(weights.values())), strict=True)
    return functional_call(part, {name: weight - step for (name, weight), step in found}, (x,))


def per_sample(part: nn.Module, x: Tensor) -> object:
    def loss(weights: dict[str, Tensor], row: Tensor) -> Tensor:
        result: Tensor = functional_call(part, weights, (row,)).sum()
        return result

    return vmap(grad(loss), (None, 0))(dict(part.named_parameters()), x)


def forward_mode(part: nn.Module, x: Tensor) -> object:
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, x)  # type: ignore[no-untyped-call]
        return forward_ad.unpack_dual(part(dual)).tangent  # type: ignore[no-untyped-call]


def jacobian(part: nn.Module, x: Tensor) -> object:
    return autograd.functional.jacobian(part, x[0])  # type: ignore[no-untyped-call]


@pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")  # of PyTorch's own forward mode
@pytest.mark.parametrize(
    ("function", "macs"),
    [
        (of_input, 2 * PRODUCT),
        (without_enabling, 2 * PRODUCT),
        (caught, 2 * PRODUCT),
        (backward, 3 * PRODUCT),  # that of the weight too
        (of_parameters, 2 * PRODUCT),
        (of_a_gradient, 4 * PRODUCT),
        (inner_step, 3 * PRODUCT),
        (per_sample, 2 * PRODUCT),
        (lambda part, x: grad(lambda y: part(y).tanh().sum())(x), 2 * PRODUCT),
        (lambda part, x: vmap(grad(lambda y: part(y).sum()))(x), 2 * PRODUCT),
        (lambda part, x: vjp(part, x)[1](x)[0], 2 * PRODUCT),
        (lambda part, x: jacrev(part)(x[0]), 64 + 8 * 64),
        (jacobian, 64 + 8 * 64),
        # PyTorch multiplies the input by the weight, its tangent by the weight, and the input by a tangent of zeros.
        (lambda part, x: jvp(part, (x,), (x,))[1], 3 * PRODUCT),
        (forward_mode, 3 * PRODUCT),
        # The product and its gradient, 8 tangents of each, and two by tangents of zeros, as `FlopCounterMode` counts.
        (lambda part, x: hessian(lambda y: part(y).tanh().sum())(x[0]), (2 + 2 * 8 + 2) * 64),
    ],
)
def test_products_of_gradients_are_counted(function: Callable[..., object], macs: int) -> None:
    model = Calls(function)
    (weight,) = model.parameters()
    before, flags = weight.detach().clone(), weight.requires_grad
    weight.grad = kept = torch.ones_like(weight)
    totals = il.analyze(model, torch.rand(2, 8)).totals
    assert (totals.macs, totals.exact) == (macs, True)
    assert model.part.weight is weight
    assert weight.grad is kept
    assert torch.equal(weight, before)
    assert torch.equal(kept, torch.ones_like(weight))
    assert weight.requires_grad is flags


CONVOLUTION = 6 * 6 * 4 * 27


@pytest.mark.parametrize(
    ("module", "shape", "macs"),
    [
        (nn.Conv2d(3, 4, 3, bias=False), (1, 3, 8, 8), 2 * CONVOLUTION),
        (nn.ConvTranspose2d(4, 3, 3, bias=False), (1, 4, 6, 6), 2 * CONVOLUTION),
        (nn.Conv2d(4, 8, 3, groups=2), (1, 4, 8, 8), 2 * 36 * 8 * 18),
        (nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 4), nn.Softmax(-1)), (2, 8), 2 * 2 * (128 + 64)),
        (
            nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
            (1, 3, 8, 8),
            2 * CONVOLUTION,
        ),
        (nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8), nn.SiLU(), nn.Dropout()), (2, 8), 2 * PRODUCT),
        (nn.Sequential(nn.Conv1d(8, 8, 1), nn.GroupNorm(2, 8), nn.AvgPool1d(2)), (1, 8, 4), 2 * 4 * 64),
    ],
)
@pytest.mark.parametrize("mode", ["inference", "training"])
def test_gradients_of_modules(module: nn.Module, shape: tuple[int, ...], macs: int, mode: Mode) -> None:
    model = Calls(of_input, module)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    totals = il.analyze(model, shape, mode=mode).totals
    assert (totals.macs, totals.macs_exact) == (macs, True)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_gradient_of_attention() -> None:
    """Two products forwards; five backwards in PyTorch's kernel, which computes the scores again."""
    model = Calls(lambda _, x: of_input(Attention(), x))
    totals = il.analyze(model, (1, 2, 4, 8)).totals
    assert (totals.macs, totals.macs_exact) == ((2 + 5) * 2 * 4 * 4 * 8, True)


class Attention(nn.Module):
    """Self-attention without weights."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.scaled_dot_product_attention(x, x, x)


def test_gradients_on_the_meta_device() -> None:
    assert il.analyze(Calls(of_input).to("meta"), (2, 8)).totals.macs == 2 * PRODUCT


def test_an_error_of_a_gradient_is_the_models_own() -> None:
    enabled = torch.is_grad_enabled()
    with pytest.raises(TraceError, match="grad can be implicitly created only for scalar outputs"):
        il.analyze(Calls(lambda part, x: autograd.grad(part(x.requires_grad_()), x)), torch.rand(2, 8))
    assert torch.is_grad_enabled() is enabled
