"""Nouns, numbers and values of operations, as a person would say them."""

from __future__ import annotations

from typing import Any

from inception_lens.ops import AdaptiveAvgPool2d, Op, format_shape
from inception_lens.renderers.escape import printable

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NOUNS = {
    "Linear": "linear layer",
    "MaxPool2d": "max pool",
    "AvgPool2d": "average pool",
    "AdaptiveAvgPool2d": "adaptive average pool",
}
_PLURALS = {"convolution": "convolutions", "pool": "pools", "layer": "layers", "norm": "norms", "branch": "branches"}

ATTRIBUTES = {
    "out_channels": "{} channels",
    "out_features": "{} units",
    "in_channels": "{} input channels",
    "output_shape": "an output of {}",
    "groups": "{} groups",
    "p": "a rate of {}",
    "eps": "an eps of {}",
    "momentum": "a momentum of {}",
    "alpha": "an alpha of {}",
    "stride": "a stride of {}",
    "padding": "a padding of {}",
    "dilation": "a dilation of {}",
}
"""How an attribute is told with its value; one that is not here is told by its name."""

VERBS = {
    "bias": (("has a bias", "have a bias"), ("has no bias", "have no bias")),
    "scale": (("learns a gamma", "learn a gamma"), ("learns no gamma", "learn no gamma")),
    "count_include_pad": (
        ("counts the padding in its mean", "count the padding in their means"),
        ("leaves the padding out of its mean", "leave the padding out of their means"),
    ),
}
"""What one call or several do where such an attribute holds, and where it does not."""

ROUNDINGS = {
    "floor": "down",
    "trunc": "towards zero",
    "ceil": "up",
    "ceil_unclipped": "up, into the padding",
    "same": "SAME",
    "None": "no way",
}


def number(n: int) -> str:
    """Small numbers as words."""
    return _NUMBERS[n] if n < len(_NUMBERS) else f"{n:,}"


def noun(op: Op) -> str:
    """What kind of thing an operation is."""
    if op.category == "conv":
        return "transposed convolution" if "Transpose" in op.kind else "convolution"
    return _NOUNS.get(op.kind) or printable(op.label if op.category in ("norm", "merge", "shape") else op.kind)


def described(op: Op) -> str:
    """An operation with its kernel."""
    if isinstance(op, AdaptiveAvgPool2d):
        return (
            "global average pool"
            if op.output_size == (1, 1)
            else f"adaptive average pool to {format_shape(op.output_size)}"
        )
    if op.category in ("conv", "pool"):
        return f"{op.label.removeprefix('max ').removeprefix('avg ')} {noun(op)}"
    return "dropout" if op.category == "dropout" else noun(op).replace("Softmax", "softmax")


def plural(thing: str) -> str:
    """Several of a thing."""
    for word, several in _PLURALS.items():
        if thing.endswith(word) or f"{word} " in thing:
            return thing.replace(word, several)
    return thing if thing.endswith("s") else f"{thing}es" if thing.endswith("x") else f"{thing}s"


def shown(attribute: str, value: Any) -> str:
    """A value for people."""
    if attribute == "p":
        return f"{100 * value:g} %"
    if attribute == "rounding":
        return ROUNDINGS.get(str(value), str(value))
    if isinstance(value, tuple | list):
        parts = ["+".join(map(str, each)) if isinstance(each, tuple) else printable(str(each)) for each in value]
        if attribute in ("padding", "stride", "dilation") and len(set(parts)) == 1:
            return parts[0]
        return ("x" if all(isinstance(each, int) for each in value) else ", ").join(parts)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return printable(str(value))
    return f"{value:g}" if isinstance(value, float) else f"{value:,}"


def article(thing: str) -> str:
    """The thing with `a` or `an` before it."""
    return f"{'an' if thing[:1] in 'aeiou' else 'a'} {thing}"
