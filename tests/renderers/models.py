"""Graphs whose nodes have names as in traced models."""

from inception_lens.graph import Graph, Input, Output, Writer
from inception_lens.ops import (
    GELU,
    AdaptiveAvgPool2d,
    Add,
    BatchNorm2d,
    Concat,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    LayerNorm,
    Linear,
    MaxPool2d,
    Permute,
    ReLU,
    ScaledDotProductAttention,
    TensorType,
)

IMAGE = TensorType((1, 3, 64, 64))


def writer() -> Writer:
    return Writer([Input("x", IMAGE)])


def resnet(blocks: tuple[int, ...] = (2, 3), path: str = "backbone/body") -> Graph:
    """Residual blocks in the fourth component of the names, and a head outside every module."""
    net = writer()
    x = net.add(f"{path}/conv1", Conv2d(16, (7, 7), (2, 2), (3, 3)), "x")
    x = net.add(f"{path}/bn1", BatchNorm2d(), x)
    x = net.add(f"{path}/relu", ReLU(), x)
    x = net.add(f"{path}/maxpool", MaxPool2d((3, 3), (2, 2), (1, 1)), x)
    for k, count in enumerate(blocks, 1):
        for i in range(count):
            block, width = f"{path}/layer{k}/{i}", 16 * 2**k
            y = net.add(f"{block}/conv1", Conv2d(width, (3, 3), padding=(1, 1)), x)
            y = net.add(f"{block}/bn1", BatchNorm2d(), y)
            y = net.add(f"{block}/relu", ReLU(), y)
            y = net.add(f"{block}/conv2", Conv2d(width, (3, 3), padding=(1, 1)), y)
            y = net.add(f"{block}/bn2", BatchNorm2d(), y)
            if i == 0:
                x = net.add(f"{block}/downsample/0", Conv2d(width, (1, 1)), x)
                x = net.add(f"{block}/downsample/1", BatchNorm2d(), x)
            x = net.add(f"{block}/relu_1", ReLU(), net.add(f"{block}/add", Add(), y, x))
    x = net.add("flatten", Flatten(), net.add("avgpool", AdaptiveAvgPool2d(), x))
    return net.graph([Output(net.add("fc", Linear(10), x))])


def vit(depth: int = 4) -> Graph:
    """A transformer of equal blocks with a norm after the last."""
    net = writer()
    x = net.add("conv_proj", Conv2d(32, (16, 16), (16, 16)), "x")
    x = net.add("permute", Permute((0, 2, 1)), net.add("flatten", Flatten(2), x))
    for i in range(depth):
        path = f"encoder/layers/encoder_layer_{i}"
        y = net.add(f"{path}/ln_1", LayerNorm((32,)), x)
        heads = [net.add(f"{path}/self_attention/{name}", Linear(32), y) for name in "qkv"]
        y = net.add(f"{path}/self_attention/attention", ScaledDotProductAttention(), *heads)
        x = net.add(f"{path}/add", Add(), x, net.add(f"{path}/self_attention/out", Linear(32), y))
        y = net.add(f"{path}/mlp/0", Linear(64), net.add(f"{path}/ln_2", LayerNorm((32,)), x))
        y = net.add(f"{path}/mlp/3", Linear(32), net.add(f"{path}/mlp/1", GELU(), y))
        x = net.add(f"{path}/add_1", Add(), x, y)
    x = net.add("encoder/ln", LayerNorm((32,)), x)
    return net.graph([Output(net.add("heads/head", Linear(10), x))])


def unet() -> Graph:
    """Two levels down and up; one module contains both pools."""
    net = writer()
    x, skips = "x", []
    for i, width in enumerate((8, 16)):
        for j in (1, 2):
            x = net.add(f"unet/down/{i}/conv{j}", Conv2d(width, (3, 3), padding=(1, 1)), x)
        skips.append(x)
        x = net.add(f"unet/pool/{i}", MaxPool2d((2, 2), (2, 2)), x)
    x = net.add("unet/mid", Conv2d(32, (3, 3), padding=(1, 1)), x)
    for i, width in enumerate((16, 8)):
        x = net.add(f"unet/up/{i}/up", ConvTranspose2d(width, (2, 2), (2, 2)), x)
        x = net.add(f"unet/up/{i}/cat", Concat(), x, skips[-1 - i])
        x = net.add(f"unet/up/{i}/conv", Conv2d(width, (3, 3), padding=(1, 1)), x)
    return net.graph([Output(net.add("unet/out", Conv2d(2, (1, 1)), x))])


def flat(length: int, name: str = "Conv_{}") -> Graph:
    """A sequence of convolutions without modules."""
    net, x = writer(), "x"
    for i in range(length):
        x = net.add(name.format(i), Conv2d(4, (3, 3), padding=(1, 1)), x)
        x = net.add(f"Relu_{i}", ReLU(), x)
    return net.graph([Output(x)])
