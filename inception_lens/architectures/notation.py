"""Blocks of a network as one line each, in the notation of the papers' figures.

    3x3/2V 32                                     a convolution: kernel, stride, V for no padding, channels
    1x1 64 | 1x1 48 > 5x5 64 | max 3x3 > 1x1 32   branches over one map, joined along depth; `>` leads to the next step
    1x1 384 > 1x3 384 & 3x1 384                   two last steps that read the same map
    + 1x1 64 > 3x3 64 > 1x1 256 lin => act        a residual block, and behind `=>` what follows the sum
    x10 +0.17 1x1 32 | 1x1 32 > 3x3 32 => act     ten of them, branches brought to the input's width and scaled

Steps: `KxK[/S][pN][V] W` convolution (`all W`: a kernel as large as the map); `sep KxK[/S][*M] W` depthwise, M channels
from each, and pointwise; `max KxK[/S]`, `avg KxK[/S]` pools; `avg` or `avg/S` the mean of the whole map; `to KxK`
adaptive average pool, `to? KxK` only where the map is not of that size; `fc W`; `lrn`; `drop`; `act`, the network's
activation. W is a number or `classes`. Behind W, `lin`: no activation; `bare`: a bias in place of the norm. `name:`
before a step names it.
"""

import re
from functools import lru_cache
from typing import Literal

import msgspec

from inception_lens.errors import ConfigError

Kind = Literal["conv", "sep", "max", "avg", "global", "to", "to?", "fc", "lrn", "drop", "act"]

_HEAD = r"\s*(?:x(?P<repeats>\d{1,6})\s+)?(?:(?P<plus>\+)(?P<scale>[\d.]{0,12})\s+)?(?P<rest>.*)"
_KERNEL = r"(?P<kernel>\d{1,6}x\d{1,6}|all)(?:/(?P<stride>\d{1,6}))?"
_PADDING = r"(?:p(?P<padding>\d{1,6})|(?P<valid>V))?"
_WIDTH = r"(?P<width>\d{1,6}|classes)(?P<options>( lin| bare)*)"
_FORMS: dict[Kind, str] = {
    "conv": f"{_KERNEL}{_PADDING} {_WIDTH}",
    "sep": rf"sep {_KERNEL}(?:\*(?P<multiplier>\d{{1,6}}))?{_PADDING} {_WIDTH}",
    "max": f"max {_KERNEL}{_PADDING}",
    "avg": f"avg {_KERNEL}{_PADDING}",
    "global": r"avg(?:/(?P<stride>\d{1,6}))?",
    "to": r"to (?P<kernel>\d{1,6}x\d{1,6})",
    "to?": r"to\? (?P<kernel>\d{1,6}x\d{1,6})",
    "fc": f"fc {_WIDTH}",
    "lrn": "lrn",
    "drop": "drop",
    "act": "act",
}
LARGEST = 65_536
"""Of any number in the notation, so that a small config cannot ask for more than a machine has."""
MAX_REPEATS = 1_000


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One operation of a chain, with the norm and the activation that its network puts behind it."""

    kind: Kind
    name: str = ""
    kernel: tuple[int, int] | None = None
    """None: as large as the map."""
    stride: int = 1
    padding: int | None = None
    """None: what keeps the map's size, or nothing where `valid`."""
    valid: bool = False
    multiplier: int = 1
    width: int | Literal["classes"] = 1
    linear: bool = False
    bare: bool = False


Chain = tuple[tuple[Step, ...], ...]
"""Steps in order, each of them one operation or several that read the same map."""


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a table."""

    branches: tuple[Chain, ...]
    tail: Chain = ()
    residual: float | None = None
    """The scale of the branches before the block's input is added; None: nothing is added."""
    repeats: int = 1

    @property
    def steps(self) -> int:
        """How many steps it takes in all."""
        return self.repeats * sum(len(same) for chain in (*self.branches, self.tail) for same in chain)


@lru_cache(4096)
def parse_block(text: str) -> Block:
    """Read one line of the notation.

    Raises:
        ConfigError: a step cannot be read; the message names it.
    """
    head = re.fullmatch(_HEAD, text, re.DOTALL | re.ASCII)
    assert head  # every group but the last is optional, and the last takes anything
    repeats = int(head["repeats"] or 1)
    if not 1 <= repeats <= MAX_REPEATS:
        raise ConfigError(f"`x{repeats}`: a block is repeated 1 to {MAX_REPEATS:,} times")
    body, _, tail = head["rest"].partition("=>")
    try:
        scale = float(head["scale"] or 1) if head["plus"] else None
    except ValueError:
        raise ConfigError(f"`+{head['scale']}`: the scale of a residual is a number, such as +0.17") from None
    branches = tuple(_chain(branch) for branch in body.split("|"))
    after = _chain(tail) if tail.strip() else ()
    _check_single(after)
    return Block(branches=branches, tail=after, residual=scale, repeats=repeats)


def parse_chain(text: str) -> Chain:
    """Read one line that is a single chain, such as a head.

    Raises:
        ConfigError: a step cannot be read, or there is more than a chain.
    """
    block = parse_block(text)
    if len(block.branches) > 1 or block.tail or block.residual is not None or block.repeats > 1:
        raise ConfigError(f"`{text}` is more than one chain of steps: no `|`, `=>`, `+` or `x2` here")
    _check_single(block.branches[0])
    return block.branches[0]


def _chain(text: str) -> Chain:
    chain = tuple(tuple(_step(part) for part in step.split("&")) for step in text.split(">"))
    _check_single(chain[:-1])
    return chain


def _check_single(chain: Chain) -> None:
    for same in chain:
        if len(same) > 1:
            raise ConfigError("`&` joins the last steps of a branch: nothing can follow them but `|` or `=>`")


def _step(text: str) -> Step:
    text = " ".join(text.split())
    name, colon, body = text.partition(": ")
    if not colon:
        name, body = "", text
    for kind, form in _FORMS.items():
        if found := re.fullmatch(form, body, re.ASCII):
            return _made(kind, name, found.groupdict(), body)
    raise ConfigError(f"cannot read the step `{text}`: one is such as `3x3/2 64`, `max 3x3`, `sep 3x3 128` or `fc 10`")


def _made(kind: Kind, name: str, found: dict[str, str | None], body: str) -> Step:
    if name and not re.fullmatch(r"[\w/.-]{1,100}", name):
        raise ConfigError(f"`{name}` names no step: letters, digits and `_/.-`")
    kernel, width, padding = found.get("kernel"), found.get("width"), found.get("padding")
    height, _, across = (kernel or "").partition("x")
    given = [height if across else "1", across or "1", found.get("stride"), found.get("multiplier")]
    positive = [int(number or 1) for number in (*given, width if width != "classes" else "1")]
    if min(positive) < 1 or max(*positive, int(padding or 0)) > LARGEST:
        raise ConfigError(f"`{body}`: kernels, strides and widths are from 1 to {LARGEST:,}")
    options = (found.get("options") or "").split()
    return Step(
        kind=kind,
        name=name,
        kernel=(int(height), int(across)) if across else None,
        stride=int(found.get("stride") or 1),
        padding=int(padding) if padding else None,
        valid=bool(found.get("valid")),
        multiplier=int(found.get("multiplier") or 1),
        width="classes" if width == "classes" else int(width or 1),
        linear="lin" in options,
        bare="bare" in options,
    )
