"""Small PyTorch modules with the operators of torchvision's and timm's classification networks."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Of(nn.Module):
    """A module that computes a function of itself and its input."""

    def __init__(self, function: Callable[..., Any], **parts: nn.Module | nn.Parameter) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


class NormAct(nn.BatchNorm2d):
    """A batch norm and its activation in one module, as in timm."""

    def forward(self, x: Tensor) -> Tensor:
        x = functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.1, self.eps)
        return functional.relu(x)


class LayerNorm2d(nn.LayerNorm):
    """A layer norm over the channels of a map, as in ConvNeXt."""

    def forward(self, x: Tensor) -> Tensor:
        x = functional.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


def shuffled(self: Any, x: Tensor) -> Any:
    n, c, h, w = x.shape
    x = x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)
    first, second = x.chunk(2, 1)
    return torch.cat((first, self.conv(second)), 1)


def squeezed(self: Any, x: Tensor) -> Any:
    gate = self.expand(functional.silu(self.reduce(x.mean((2, 3), keepdim=True)), inplace=True))
    return x * gate.sigmoid()


def split_attention(self: Any, x: Tensor) -> Any:
    """Of ResNeSt and SKNet: a softmax over parts of the channels."""
    parts = torch.stack(x.chunk(2, 1), 1)
    weights = self.fc(parts.sum(1).mean((2, 3))).view(x.shape[0], 2, 4).softmax(1)
    return (parts * weights[:, :, :, None, None]).sum(1)


def with_numbers(self: Any, x: Tensor) -> Any:
    x = (x * 0.25 + 3) / 2 - 0.5
    y = 1 - x**2
    y *= 0.5
    return y.clamp(min=-1).clamp(0.1, 0.2) + torch.rsqrt(x.square() + 1e-3) + x.masked_fill(x > 0.5, 0.0)


def transformed(self: Any, x: Tensor) -> Any:
    tokens = self.patch(x).flatten(2).transpose(1, 2)
    tokens = torch.cat((self.token.expand(x.shape[0], -1, -1), tokens), 1) + self.position
    tokens = tokens + self.attention(*[self.norm(tokens)] * 3, need_weights=False)[0]
    q, k, v = self.qkv(tokens).reshape(x.shape[0], -1, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
    tokens = tokens + functional.scaled_dot_product_attention(q, k, v, scale=0.3).transpose(1, 2).reshape(tokens.shape)
    return self.head(tokens[:, 0])


def convnext(self: Any, x: Tensor) -> Any:
    y = self.norm(self.depthwise(x)).permute(0, 2, 3, 1)
    y = self.second(functional.gelu(self.first(y)))
    return x + (self.gamma * y).permute(0, 3, 1, 2)


def mixed(self: Any, x: Tensor) -> Any:
    tokens = self.norm(x.flatten(2).transpose(1, 2))
    return tokens + self.over_tokens(tokens.transpose(1, 2)).transpose(1, 2)


def efficient_channels(self: Any, x: Tensor) -> Any:
    """Of ECA-Net: a convolution over the channels."""
    y = self.conv(x.mean((2, 3)).view(x.shape[0], 1, -1)).view(x.shape[0], -1, 1, 1).sigmoid()
    return x * y.expand_as(x)


def multi_scale(self: Any, x: Tensor) -> Any:
    """Of HRNet, GhostNet and DPN."""
    low = self.down(x)
    x = x + functional.interpolate(low, size=x.shape[2:], mode="bilinear", align_corners=False)
    x = (
        x
        + functional.interpolate(low, scale_factor=2, mode="nearest")
        + functional.interpolate(low, scale_factor=2, mode="nearest-exact")
    )
    return torch.cat((x[:, :3], functional.pad(x[:, 3:], (1, 0, 1, 0))[:, :, :-1, :-1]), 1)


def conv(out: int, kernel: int = 1, groups: int = 1, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(8, out, kernel, stride, kernel // 2, groups=groups)


def modules() -> dict[str, nn.Module]:
    """The modules by name, each for a map of eight channels."""
    return {
        "functional norm": nn.Sequential(conv(4, 3), NormAct(4)),
        "shuffled channels": Of(shuffled, conv=nn.Conv2d(4, 4, 3, padding=1, groups=4)),
        "squeeze and excitation": Of(squeezed, reduce=conv(2), expand=nn.Conv2d(2, 8, 1)),
        "hard functions": nn.Sequential(conv(8, 5, 8), nn.Hardswish(), nn.Hardsigmoid(), nn.ReLU6(), nn.Mish()),
        "split attention": Of(split_attention, fc=nn.Linear(4, 8)),
        "numbers": Of(with_numbers),
        "pixel shuffle": nn.Sequential(nn.PixelShuffle(2), nn.Conv2d(2, 2, 3), nn.PixelUnshuffle(2)),
        "group norm": nn.Sequential(nn.GroupNorm(2, 8), nn.InstanceNorm2d(8), nn.GroupNorm(4, 8, affine=False)),
        "norms without weights": nn.Sequential(
            nn.LayerNorm([8, 6, 6], elementwise_affine=False), nn.RMSNorm(6, 1e-6), nn.BatchNorm2d(8, affine=False)
        ),
        "vision transformer": Of(
            transformed, patch=nn.Conv2d(8, 8, 2, 2), token=nn.Parameter(torch.randn(1, 1, 8)),
            position=nn.Parameter(torch.randn(1, 10, 8)), norm=nn.LayerNorm(8, 1e-6),
            attention=nn.MultiheadAttention(8, 2, batch_first=True), qkv=nn.Linear(8, 24), head=nn.Linear(8, 5),
        ),
        "ConvNeXt": Of(
            convnext, norm=LayerNorm2d(8), depthwise=conv(8, 7, 8), first=nn.Linear(8, 16), second=nn.Linear(16, 8),
            gamma=nn.Parameter(torch.randn(8)),
        ),
        "MLP mixer": Of(
            mixed, norm=nn.LayerNorm(8), over_tokens=nn.Sequential(nn.Linear(36, 9), nn.GELU("tanh"), nn.Linear(9, 36))
        ),
        "channel attention": Of(efficient_channels, conv=nn.Conv1d(1, 1, 3, padding=1, bias=False)),
        "several scales": Of(multi_scale, down=conv(8, 3, 1, 2)),
        "PoolFormer": Of(lambda self, x: self.pool(x) - x, pool=nn.AvgPool2d(3, 1, 1, count_include_pad=False)),
        "scaled residual": Of(lambda self, x: functional.relu(self.conv(x) * 0.17 + x), conv=conv(8, 3)),
        "shared layers": Of(lambda self, x: self.conv(functional.leaky_relu(self.conv(x), 0.2)), conv=conv(8, 3)),
        "one layer": conv(3, 3),
    }  # fmt: skip
