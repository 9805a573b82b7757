"""The names of other libraries for the tensors of the networks that they also have.

A port is a table of patterns: the path of a layer in a built network, and the path of the same layer in the port. The
first row whose pattern matches the whole path is used.
"""

import re
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from inception_lens.architectures.vgg import CONVOLUTIONS_PER_STAGE

NamePattern = tuple[str, str | Callable[[re.Match[str]], str]]
"""A regular expression of a layer's path, and the path in the port: a template of its groups, or a function of the
match."""


class Port(NamedTuple):
    """The names of one library for one family of networks."""

    name: str
    """Of library and network, for messages."""
    rows: tuple[NamePattern, ...]
    wrapped: bool = True
    """Whether a convolution and its batch norm are `x.conv` and `x.bn` of one module x; otherwise the rows have
    both."""


def port_names(port: Port, names: Collection[str]) -> dict[str, str]:
    """The names in the port of those tensors of a built network that have a row; `names` are the network's own."""
    found = {}
    for name in names:
        path, _, role = name.rpartition(".")
        layer = path.removesuffix(".bn") if port.wrapped else path
        theirs = renamed(port.rows, layer)
        if theirs is None:
            continue
        if port.wrapped and path != layer:
            theirs += ".bn"
        elif port.wrapped and f"{path}.bn.bias" in names:
            theirs += ".conv"
        found[name] = f"{theirs}.{role}"
    return found


def renamed(rows: Iterable[NamePattern], path: str) -> str | None:
    """The path in the port of a layer; None if no row has it."""
    for pattern, replacement in rows:
        if match := re.fullmatch(pattern, path):
            return match.expand(replacement) if isinstance(replacement, str) else replacement(match)
    return None


def _place(letter: str) -> int:
    """Position in its branch of a layer that TF-slim calls `Conv2d_0a`, `Conv2d_0b`, ..."""
    return ord(letter) - ord("a")


TORCHVISION_GOOGLENET = Port(
    "torchvision's googlenet",
    (
        (r"conv1\.7x7_s2", "conv1"),
        (r"conv2\.3x3_reduce", "conv2"),
        (r"conv2\.3x3", "conv3"),
        (r"inception_(\w\w)\.1x1", r"inception\1.branch1"),
        (r"inception_(\w\w)\.3x3_reduce", r"inception\1.branch2.0"),
        (r"inception_(\w\w)\.3x3", r"inception\1.branch2.1"),
        (r"inception_(\w\w)\.5x5_reduce", r"inception\1.branch3.0"),
        (r"inception_(\w\w)\.5x5_branch_3x3", r"inception\1.branch3.1"),
        (r"inception_(\w\w)\.pool_proj", r"inception\1.branch4.1"),
        (r"loss3\.classifier", "fc"),
        (r"(aux\d)\.conv", r"\1.conv"),
        (r"(aux\d)\.fc", r"\1.fc1"),
        (r"(aux\d)\.classifier", r"\1.fc2"),
    ),
)

TORCHVISION_INCEPTION_V3 = Port(
    "torchvision's inception_v3",
    (
        (r"(Conv2d_\d\w_\dx\d|fc)", r"\1"),
        (r"AuxLogits\.Conv2d_1b_1x1", "AuxLogits.conv0"),
        (r"AuxLogits\.Conv2d_2a_5x5", "AuxLogits.conv1"),
        (r"AuxLogits\.fc", "AuxLogits.fc"),
        (r"Mixed_6a\.Branch_0", "Mixed_6a.branch3x3"),
        (r"Mixed_6a\.Branch_1\.Conv2d_0a_.*", "Mixed_6a.branch3x3dbl_1"),
        (r"Mixed_6a\.Branch_1\.Conv2d_0b_.*", "Mixed_6a.branch3x3dbl_2"),
        (r"Mixed_6a\.Branch_1\.Conv2d_1a_.*", "Mixed_6a.branch3x3dbl_3"),
        (r"Mixed_7a\.Branch_0\.Conv2d_0a_.*", "Mixed_7a.branch3x3_1"),
        (r"Mixed_7a\.Branch_0\.Conv2d_1a_.*", "Mixed_7a.branch3x3_2"),
        (r"Mixed_7a\.Branch_1\.Conv2d_1a_.*", "Mixed_7a.branch7x7x3_4"),
        (r"Mixed_7a\.Branch_1\.Conv2d_0(\w)_.*", lambda m: f"Mixed_7a.branch7x7x3_{_place(m[1]) + 1}"),
        (r"(Mixed_\d\w)\.Branch_0", r"\1.branch1x1"),
        (r"(Mixed_\d\w)\.Branch_3\..*", r"\1.branch_pool"),
        (r"(Mixed_5\w)\.Branch_1\.Conv2d_0(\w)_.*", lambda m: f"{m[1]}.branch5x5_{_place(m[2]) + 1}"),
        (r"(Mixed_5\w)\.Branch_2\.Conv2d_0(\w)_.*", lambda m: f"{m[1]}.branch3x3dbl_{_place(m[2]) + 1}"),
        (r"(Mixed_6\w)\.Branch_1\.Conv2d_0(\w)_.*", lambda m: f"{m[1]}.branch7x7_{_place(m[2]) + 1}"),
        (r"(Mixed_6\w)\.Branch_2\.Conv2d_0(\w)_.*", lambda m: f"{m[1]}.branch7x7dbl_{_place(m[2]) + 1}"),
        (r"(Mixed_7[bc])\.Branch_1\.Conv2d_0a_.*", r"\1.branch3x3_1"),
        (r"(Mixed_7[bc])\.Branch_1\.Conv2d_0b_.*", r"\1.branch3x3_2a"),
        (r"(Mixed_7[bc])\.Branch_1\.Conv2d_0c_.*", r"\1.branch3x3_2b"),
        (r"(Mixed_7[bc])\.Branch_2\.Conv2d_0a_.*", r"\1.branch3x3dbl_1"),
        (r"(Mixed_7[bc])\.Branch_2\.Conv2d_0b_.*", r"\1.branch3x3dbl_2"),
        (r"(Mixed_7[bc])\.Branch_2\.Conv2d_0c_.*", r"\1.branch3x3dbl_3a"),
        (r"(Mixed_7[bc])\.Branch_2\.Conv2d_0d_.*", r"\1.branch3x3dbl_3b"),
    ),
)
"""timm's inception_v3 has the same names, without the auxiliary head."""


def _feature(match: re.Match[str]) -> str:
    """The position of a block in timm's `features`: three convolutions, then the blocks from Mixed_3a on."""
    stage, letter = match[1], match[2]
    return f"features.{ {'3': 3, '4': 4, '5': 5, '6': 10, '7': 18}[stage] + _place(letter) }"


TIMM_INCEPTION_V4 = Port(
    "timm's inception_v4",
    (
        (r"Conv2d_1a_3x3", "features.0"),
        (r"Conv2d_2a_3x3", "features.1"),
        (r"Conv2d_2b_3x3", "features.2"),
        (r"Logits", "last_linear"),
        (r"Mixed_(3)(a)\.Branch_1|Mixed_5a\.Branch_0", lambda m: f"features.{3 if m[1] else 5}.conv"),
        (r"Mixed_(7)([bcd])\.Branch_1\.Conv2d_0a_.*", lambda m: f"{_feature(m)}.branch1_0"),
        (r"Mixed_(7)([bcd])\.Branch_1\.Conv2d_0b_.*", lambda m: f"{_feature(m)}.branch1_1a"),
        (r"Mixed_(7)([bcd])\.Branch_1\.Conv2d_0c_.*", lambda m: f"{_feature(m)}.branch1_1b"),
        (r"Mixed_(7)([bcd])\.Branch_2\.Conv2d_0([abc])_.*", lambda m: f"{_feature(m)}.branch2_{_place(m[3])}"),
        (r"Mixed_(7)([bcd])\.Branch_2\.Conv2d_0d_.*", lambda m: f"{_feature(m)}.branch2_3a"),
        (r"Mixed_(7)([bcd])\.Branch_2\.Conv2d_0e_.*", lambda m: f"{_feature(m)}.branch2_3b"),
        (r"Mixed_(6)(a)\.Branch_1\.Conv2d_1a_.*", lambda m: f"{_feature(m)}.branch1.2"),
        (r"Mixed_(7)(a)\.Branch_0\.Conv2d_1a_.*", lambda m: f"{_feature(m)}.branch0.1"),
        (r"Mixed_(7)(a)\.Branch_1\.Conv2d_1a_.*", lambda m: f"{_feature(m)}.branch1.3"),
        (r"Mixed_(\d)(\w)\.Branch_0", lambda m: f"{_feature(m)}.branch0"),
        (r"Mixed_(\d)(\w)\.Branch_(\d)\.Conv2d_0(\w)_.*", lambda m: f"{_feature(m)}.branch{m[3]}.{_place(m[4])}"),
    ),
)


def _repeated(match: re.Match[str]) -> str:
    """Timm's name of a residual block: three lists of blocks, and the last block on its own."""
    kind, number = match[1], int(match[2])
    if (kind, number) == ("8", 10):
        return "block8"
    return f"{ {'35': 'repeat', '17': 'repeat_1', '8': 'repeat_2'}[kind] }.{number - 1}"


TIMM_INCEPTION_RESNET_V2 = Port(
    "timm's inception_resnet_v2",
    (
        (r"Conv2d_(\d\w)_\dx\d", r"conv2d_\1"),
        (r"Logits", "classif"),
        (r"Mixed_(\d\w)\.Branch_0", r"mixed_\1.branch0"),
        (r"Mixed_6a\.Branch_1\.Conv2d_1a_.*", "mixed_6a.branch1.2"),
        (r"Mixed_7a\.Branch_([01])\.Conv2d_1a_.*", r"mixed_7a.branch\1.1"),
        (r"Mixed_7a\.Branch_2\.Conv2d_1a_.*", "mixed_7a.branch2.2"),
        (r"Mixed_(\d\w)\.Branch_(\d)\.Conv2d_0(\w)_.*", lambda m: f"mixed_{m[1]}.branch{m[2]}.{_place(m[3])}"),
        (r"Block(\d+)_(\d+)\.Branch_0", lambda m: f"{_repeated(m)}.branch0"),
        (r"Block(\d+)_(\d+)\.Branch_(\d)\.Conv2d_0(\w)_.*", lambda m: f"{_repeated(m)}.branch{m[3]}.{_place(m[4])}"),
        (r"Block(\d+)_(\d+)\.up_1x1", lambda m: f"{_repeated(m)}.conv2d"),
    ),
)

TORCHVISION_ALEXNET = Port(
    "torchvision's alexnet",
    (
        *((rf"conv{i}", f"features.{place}") for i, place in enumerate((0, 3, 6, 8, 10), 1)),
        *((layer, f"classifier.{place}") for layer, place in (("fc1", 1), ("fc2", 4), ("out", 6))),
    ),
)


def _vgg(depth: int) -> Port:
    rows, place = [], 0
    for stage, count in enumerate(CONVOLUTIONS_PER_STAGE[depth], 1):
        rows += [(f"conv{stage}_{i + 1}", f"features.{place + 2 * i}") for i in range(count)]
        place += 2 * count + 1  # each followed by a ReLU, and all by a pool
    rows += [("fc1", "classifier.0"), ("fc2", "classifier.3"), ("out", "classifier.6")]
    return Port(f"torchvision's vgg{depth}", tuple(rows))


TORCHVISION_RESNET = Port(
    "torchvision's resnet",
    (
        (r"conv1", "conv1"),
        (r"conv1\.bn", "bn1"),
        (r"res(\d)_(\d+)\.conv(\d)", lambda m: f"layer{m[1]}.{int(m[2]) - 1}.conv{m[3]}"),
        (r"res(\d)_(\d+)\.conv(\d)\.bn", lambda m: f"layer{m[1]}.{int(m[2]) - 1}.bn{m[3]}"),
        (r"res(\d)_(\d+)\.shortcut", lambda m: f"layer{m[1]}.{int(m[2]) - 1}.downsample.0"),
        (r"res(\d)_(\d+)\.shortcut\.bn", lambda m: f"layer{m[1]}.{int(m[2]) - 1}.downsample.1"),
        (r"out", "fc"),
    ),
    wrapped=False,
)

VGGS = tuple(map(_vgg, CONVOLUTIONS_PER_STAGE))

PORTS = (
    TORCHVISION_GOOGLENET,
    TORCHVISION_INCEPTION_V3,
    TIMM_INCEPTION_V4,
    TIMM_INCEPTION_RESNET_V2,
    TORCHVISION_ALEXNET,
    *VGGS,
    TORCHVISION_RESNET,
)
"""All ports whose weights can be loaded."""
