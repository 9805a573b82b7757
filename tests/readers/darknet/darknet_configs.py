"""Darknet configs for tests, written layer by layer as their papers describe the networks."""

from __future__ import annotations

from collections.abc import Iterable


def section(kind: str, **options: object) -> str:
    """A section with its options."""
    lines = "".join(f"{key}={value}\n" for key, value in options.items())
    return f"[{kind}]\n{lines}\n"


def net(width: int, height: int, channels: int = 3) -> str:
    """The options of a network."""
    return section("net", batch=64, subdivisions=16, width=width, height=height, channels=channels)


def conv(filters: int, size: int, stride: int = 1) -> str:
    """A convolution with a batch norm and a leaky ReLU."""
    return section(
        "convolutional", batch_normalize=1, filters=filters, size=size, stride=stride, pad=1, activation="leaky"
    )


def head(classes: int = 80) -> str:
    """The last convolution of a scale, and its boxes."""
    final = section("convolutional", size=1, stride=1, pad=1, filters=3 * (classes + 5), activation="linear")
    return final + section("yolo", mask="0,1,2", classes=classes, num=9)


def pairs(filters: int, count: int) -> str:
    """Convolutions of 1x1 and 3x3, by turns."""
    return (conv(filters, 1) + conv(2 * filters, 3)) * count


def darknet53(blocks: Iterable[int] = (1, 2, 8, 8, 4)) -> str:
    """The layers of Darknet-53 before its classifier (J. Redmon and A. Farhadi, arXiv 1804.02767, table 1)."""
    text = conv(32, 3)
    for i, count in enumerate(blocks):
        residual = pairs(32 * 2**i, 1) + section("shortcut", **{"from": -3, "activation": "linear"})
        text += conv(64 * 2**i, 3, 2) + residual * count
    return text


def yolov3(size: int = 416) -> str:
    """YOLO v3: three scales, of which the second and third join an earlier layer of Darknet-53."""
    text = net(size, size) + darknet53() + pairs(512, 3) + head()
    for filters, layer in ((256, 61), (128, 36)):
        text += section("route", layers=-4) + conv(filters, 1) + section("upsample", stride=2)
        text += section("route", layers=f"-1, {layer}") + pairs(filters, 3) + head()
    return text


def small() -> str:
    """Layers of each kind on a small image."""
    return (
        net(32, 24)
        + conv(8, 3)
        + section("maxpool", size=2, stride=2)
        + section("route", layers=-1, groups=2, group_id=1)
        + section("convolutional", filters=4, size=3, pad=1, activation="mish")
        + section("route", layers="-1,-2")
        + section("reorg", stride=2)
        + section("shortcut", **{"from": -1})
        + section("dropout", probability=0.3)
        + section("avgpool")
        + section("connected", output=10, activation="linear")
        + section("softmax", groups=1)
    )
