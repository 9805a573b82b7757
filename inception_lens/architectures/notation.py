"""The notation of blocks: one line for each block of a network, close to the figures of the papers. See `LEGEND`."""

import re
from functools import lru_cache
from typing import Literal

import msgspec

from inception_lens.errors import ConfigError

LEGEND = """\
3x3/2V 32                                     a convolution: kernel, stride, V for no padding, channels
1x1 64 | 1x1 48 > 5x5 64 | max 3x3 > 1x1 32   branches of one input, concatenated by channels; `>`: the next step
1x1 384 > 1x3 384 & 3x1 384                   two last steps that read the same map
+ 1x1 64 > 3x3 64 > 1x1 256 lin => act        a residual block; the steps after `=>` follow the sum
x10 +0.17 1x1 32 | 1x1 32 > 3x3 32 => act     ten of them; a 1x1 restores the input's width, and the sum is scaled
Steps: `KxK[/S][pN][V] W` convolution, `all W` with a kernel as large as its input; `sep KxK[/S][*M] W` depthwise with
M outputs per channel, then pointwise; `max KxK[/S]` and `avg KxK[/S]` pools; `avg`, `avg/S` mean of the whole map;
`to KxK` adaptive average pool, `to? KxK` only if the map has another size; `fc W` linear layer; `lrn`; `drop`; `act`,
the network's activation. W is a number or `classes`. After W, `lin`: no activation; `bare`: a bias and no norm.
`name:` before a step sets its name.
"""
"""The whole notation, for people who write configs."""

StepKind = Literal["conv", "sep", "max", "avg", "global", "to", "to?", "fc", "lrn", "drop", "act"]

MAX_NUMBER = 65_536
"""The largest number in the notation: it bounds the memory that a small config can take."""
MAX_REPEATS = 1_000
"""The most repeats of one block."""

_PREFIX = r"\s*(?:x(?P<repeats>\d{1,6})\s+)?(?:(?P<plus>\+)(?P<scale>[\d.]{0,12})\s+)?(?P<rest>.*)"
_KERNEL = r"(?P<kernel>\d{1,6}x\d{1,6}|all)(?:/(?P<stride>\d{1,6}))?"
_PADDING = r"(?:p(?P<padding>\d{1,6})|(?P<valid>V))?"
_WIDTH = r"(?P<width>\d{1,6}|classes)(?P<options>( lin| bare)*)"
_FORMS: dict[StepKind, str] = {
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


class StepSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a chain; a convolution includes the norm and the activation after it."""

    kind: StepKind
    """The operation; `global` is `avg` over the whole map."""
    name: str = ""
    """The name given before the step; empty: named by its place."""
    kernel: tuple[int, int] | None = None
    """Height and width; None: as large as the map."""
    stride: int = 1
    """Along both axes."""
    padding: int | None = None
    """On every side; None: what keeps the map's size, or nothing if `valid`."""
    valid: bool = False
    """Whether the step is unpadded (`V`)."""
    multiplier: int = 1
    """Depthwise outputs per input channel."""
    width: int | Literal["classes"] = 1
    """Output channels or units."""
    linear: bool = False
    """Whether the activation is left out (`lin`)."""
    bare: bool = False
    """Whether a bias replaces the norm (`bare`)."""


Chain = tuple[tuple[StepSpec, ...], ...]
"""Consecutive steps; an item is one step, or at the end of a branch several that read the same map."""


class BlockSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the notation."""

    branches: tuple[Chain, ...]
    """Chains that read the block's input."""
    tail: Chain = ()
    """Steps after the branches are joined (after `=>`)."""
    residual: float | None = None
    """Factor of the branches before the block's input is added; None: it is not added."""
    repeats: int = 1
    """How many copies of the block are stacked."""

    @property
    def steps(self) -> int:
        """Number of steps in all copies."""
        return self.repeats * sum(len(group) for chain in (*self.branches, self.tail) for group in chain)


@lru_cache(4096)
def parse_block(text: str) -> BlockSpec:
    """Read one line of the notation.

    Raises:
        ConfigError: a step is not in the notation, or a number is out of bounds; the message names it.
    """
    prefix = re.fullmatch(_PREFIX, text, re.DOTALL | re.ASCII)
    assert prefix  # every group but the last is optional, and the last matches any text
    repeats = int(prefix["repeats"] or 1)
    if not 1 <= repeats <= MAX_REPEATS:
        raise ConfigError(f"`x{repeats}`: a block is repeated 1 to {MAX_REPEATS:,} times")
    body, _, after_sum = prefix["rest"].partition("=>")
    try:
        scale = float(prefix["scale"] or 1) if prefix["plus"] else None
    except ValueError:
        raise ConfigError(f"`+{prefix['scale']}`: the scale of a residual is a number, such as +0.17") from None
    branches = tuple(_parse_steps(branch) for branch in body.split("|"))
    tail = _parse_steps(after_sum) if after_sum.strip() else ()
    _check_no_groups(tail)
    return BlockSpec(branches=branches, tail=tail, residual=scale, repeats=repeats)


def parse_chain(text: str) -> Chain:
    """Read one line that is a single chain of steps, such as a head.

    Raises:
        ConfigError: as `parse_block`; or the line is more than one chain.
    """
    block = parse_block(text)
    if len(block.branches) != 1 or block.tail or block.residual is not None or block.repeats > 1:
        raise ConfigError(f"`{text}` is more than one chain of steps: no `|`, `=>`, `+` or `x2` here")
    _check_no_groups(block.branches[0])
    return block.branches[0]


def _parse_steps(text: str) -> Chain:
    chain = tuple(tuple(_parse_step(step) for step in group.split("&")) for group in text.split(">"))
    _check_no_groups(chain[:-1])
    return chain


def _check_no_groups(chain: Chain) -> None:
    if any(len(group) > 1 for group in chain):
        raise ConfigError("`&` joins the last steps of a branch: only `|` or `=>` may follow them")


def _parse_step(text: str) -> StepSpec:
    text = " ".join(text.split())
    name, colon, body = text.partition(": ")
    if not colon:
        name, body = "", text
    for kind, form in _FORMS.items():
        if found := re.fullmatch(form, body, re.ASCII):
            return _step_spec(kind, name, found.groupdict(), body)
    raise ConfigError(f"`{text}` is not a step: write one such as `3x3/2 64`, `max 3x3`, `sep 3x3 128` or `fc 10`")


def _step_spec(kind: StepKind, name: str, found: dict[str, str | None], body: str) -> StepSpec:
    if name and not re.fullmatch(r"[\w/.-]{1,100}", name):
        raise ConfigError(f"`{name}` is not a step's name: use up to 100 letters, digits and `_/.-`")
    kernel, width, padding = found.get("kernel"), found.get("width"), found.get("padding")
    height, _, across = (kernel or "").partition("x")
    given = [height if across else "1", across or "1", found.get("stride"), found.get("multiplier")]
    positive = [int(number or 1) for number in (*given, width if width != "classes" else "1")]
    if min(positive) < 1 or max(*positive, int(padding or 0)) > MAX_NUMBER:
        raise ConfigError(f"`{body}`: kernels, strides and widths are from 1 to {MAX_NUMBER:,}")
    options = (found.get("options") or "").split()
    return StepSpec(
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
