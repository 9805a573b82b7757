"""Nouns, numbers and values of operations in English."""

from __future__ import annotations

from inception_lens.ops import AdaptiveAvgPool2d, Op, format_shape

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
    "numbers": "the arguments {}",
}
"""An attribute with its value; other attributes are shown by their names."""

VERBS = {
    "bias": (("has a bias", "have a bias"), ("has no bias", "have no bias")),
    "scale": (("learns a gamma", "learn a gamma"), ("learns no gamma", "learn no gamma")),
    "count_include_pad": (
        ("counts the padding in its mean", "count the padding in their means"),
        ("leaves the padding out of its mean", "leave the padding out of their means"),
    ),
}
"""What one call does, and several, if such an attribute is true, and if it is false."""

ROUNDINGS = {
    "floor": "down",
    "trunc": "towards zero",
    "ceil": "up",
    "ceil_unclipped": "up, into the padding",
    "same": "SAME",
    "None": "not at all",
}


def number_word(n: int) -> str:
    """A small number as a word."""
    return _NUMBERS[n] if n < len(_NUMBERS) else f"{n:,}"


def noun(op: Op) -> str:
    """The noun for an operation."""
    if op.category == "conv":
        return "transposed convolution" if "Transpose" in op.kind else "convolution"
    return _NOUNS.get(op.kind) or (op.label if op.category in ("norm", "merge", "shape") else op.kind)


def described(op: Op) -> str:
    """An operation with its kernel."""
    if isinstance(op, AdaptiveAvgPool2d):
        grid = format_shape(op.output_size)
        return "global average pool" if op.output_size == (1, 1) else f"adaptive average pool to {grid}"
    if op.category in ("conv", "pool"):
        return f"{op.label.removeprefix('max ').removeprefix('avg ')} {noun(op)}"
    return "dropout" if op.category == "dropout" else noun(op).replace("Softmax", "softmax")


def plural(thing: str) -> str:
    """The plural of a noun phrase."""
    for word, several in _PLURALS.items():
        if thing.endswith(word) or f"{word} " in thing:
            return thing.replace(word, several)
    return thing if thing.endswith("s") else f"{thing}es" if thing.endswith("x") else f"{thing}s"


def value_text(attribute: str, value: object) -> str:
    """The value of an attribute."""
    if attribute == "p" and isinstance(value, int | float):
        return f"{100 * value:g} %"
    if attribute == "numbers" and isinstance(value, tuple):
        return f"({', '.join(['x' if each is None else f'{each:g}' for each in value])})"
    if attribute == "rounding":
        return ROUNDINGS.get(str(value), str(value))
    if isinstance(value, tuple | list):
        parts = ["+".join(map(str, each)) if isinstance(each, tuple) else str(each) for each in value]
        if attribute in ("padding", "stride", "dilation") and len(set(parts)) == 1:
            return parts[0]
        return format_shape(value) if all(isinstance(each, int | None) for each in value) else ", ".join(parts)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:g}" if isinstance(value, float) else f"{value:,}"


def with_article(thing: str) -> str:
    """The noun with `a` or `an` before it."""
    return f"{'an' if thing[:1] in 'aeiou' else 'a'} {thing}"
